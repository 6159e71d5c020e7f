"""What a moment of a stored build means, in words: a replay is never said to be live, nor old data to be fresh."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pandas as pd

from twin.course import Course
from twin.forecast import Outcome
from ui.replay.moment import Moment
from ui.snapshot import number
from ui.words import duration, verdict

Shown = Literal["frame", "pause", "silence", "nothing"]
LATE_FRAMES = 3.0  # so old a frame is not of this moment
NO_FORECASTS = "This build was brought in without forecasts: ./meltwin import FILE --forecast makes them"


@dataclass(frozen=True)
class Told:
    """`shown`: whether the frame on the page is of this very moment, of before a usual pause, or of before a silence;
    `stale` says so in a sentence, empty where it is of now."""

    shown: Shown
    where: str
    stale: str
    note: str
    wall: str


def told(moment: Moment, course: Course, notes: pd.DataFrame | None = None) -> Told:
    """Where a moment lies, what happened there, how old what is shown was then, and what is noted of the layer: in the
    log, and by people (`Remarks.notes`)."""
    here = moment.here
    frame = f", frame {moment.frame:,}" if moment.frame is not None and here.kind == "layer" else ""
    since_s = moment.at_s - here.from_s if here.from_s is not None else 0.0
    between = _between(course, here.layer, here.to_s)
    lasts_s = here.to_s - here.from_s if here.to_s is not None and here.from_s is not None else None
    match here.kind:
        case "layer":
            where, stale = f"Layer {here.layer}{frame}: {seconds(since_s)} of {seconds(lasts_s or 0.0)}", ""
        case "silence":
            usual = seconds(here.usual_s or 0.0)
            by, after = seconds(here.by_s or 0.0), _next(course, here.to_s)
            where = f"Gap {between}: layer {after} began {by} after the one before it, {usual} is usual"
            gap = f"in a gap of {seconds(lasts_s or 0.0)}"
            stale = f"Nothing had come for {seconds(since_s)} at this moment, {gap}. What is shown is from before it."
        case "pause":
            where = f"Pause {between}: {seconds(since_s)} of {seconds(lasts_s or 0.0)}"
            stale = f"A pause {between}: what is shown is {seconds(since_s)} old at this moment."
        case "after":
            where = f"After layer {here.layer}, the last one that is stored"
            stale = f"The last layer ended {seconds(since_s)} before this moment."
        case "before":
            where, stale = "Before the first layer", ""
        case "nothing":
            where, stale = "Nothing is stored of this build but its name", ""
    back = _clock(course, here.layer)
    late = _late(moment)
    shown: Shown = "silence" if here.kind == "silence" else "frame" if here.kind == "layer" and not late else "pause"
    if here.kind in ("before", "nothing"):
        shown = "nothing"
    return Told(shown, where + back, stale or late, _note(course, here.layer, notes), wall(moment.snapshot.read_s))


def _late(moment: Moment) -> str:
    """Where the newest forecast is of another layer, or of frames ago: what lies between has none."""
    latest = moment.snapshot.fresh.latest
    if latest is None or moment.here.kind != "layer":
        return ""
    if int(latest["layer"]) != moment.here.layer:
        return f"No frame of this layer is forecast by this moment: what is shown is of layer {latest['layer']}."
    old_s = moment.at_s - float(latest["time_s"])
    frame_s = number((moment.snapshot.slow.build or {}).get("frame_s"))
    late = frame_s is not None and old_s > LATE_FRAMES * frame_s
    return f"No frame was forecast in the {seconds(old_s)} before this moment." if late else ""


def _between(course: Course, layer: int | None, to_s: float | None) -> str:
    after = _next(course, to_s)
    return f"after layer {layer}" if after is None else f"between layers {layer} and {after}"


def _next(course: Course, begun_s: float | None) -> int | None:
    if begun_s is None:
        return None
    found = course.layers[course.layers["begun_s"] == begun_s]
    return int(found["layer"].iloc[0]) if len(found) else None


def _clock(course: Course, layer: int | None) -> str:
    """A layer before which the clock had stepped back says so."""
    steps = course.breaks[(course.breaks["kind"] == "clock_skew") & (course.breaks["layer"] == layer)]
    if steps.empty:
        return ""
    return f". The machine's clock stepped back {seconds(-float(steps['by_s'].iloc[0]))} before this layer"


def _note(course: Course, layer: int | None, notes: pd.DataFrame | None) -> str:
    found = course.layers[course.layers["layer"] == layer]
    note = found["note"].iloc[0] if len(found) else ""
    said = [f"Note on layer {layer}: {note}"] if isinstance(note, str) and note else []
    if notes is not None and len(notes):
        said += [f"{row.by}, {wall(row.at_s)}: {row.text}" for row in notes[notes["layer"] == layer].itertuples()]
    return " · ".join(said)


def seconds(length_s: float) -> str:
    """`1,475 s`, `12.3 s`, `450 µs`."""
    return f"{length_s:,.0f} s" if abs(length_s) >= 100 else duration(length_s) if length_s > 0 else "0 s"


def outcome_name(kind: str) -> str:
    """What an outcome means, in a few words."""
    return verdict(Outcome(kind)).word.lower()  # type: ignore[arg-type]


def wall(moment_s: float) -> str:
    """A wall clock with its zone: `2026-11-22 06:02:31 UTC`; a dash where it is not known."""
    return "–" if moment_s != moment_s else f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
