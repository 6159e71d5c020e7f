"""Course: how one build went, along its process time: layers, what came between them, outcomes, alerts. Pure.

All times are process time, which orders everything; it may step back with a machine's clock, and then a layer stands
on the axis before the one that it followed. Nothing is drawn here; `twin/store/sql/courses.py` reads the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pandas as pd

from twin.cadence import Cadence
from twin.forecast import Field

FIELD_FRAMES = 2000  # before a moment, among which its field snapshot is looked for
Kind = Literal["layer", "pause", "silence", "before", "after", "nothing"]
LAYERS = {
    "layer": int, "z_m": float, "note": object, "begun_s": float, "last_time_s": float, "final": bool,
    "begun_received_s": float,
}  # fmt: skip
BREAKS = {"kind": object, "layer": int, "begin_s": float, "end_s": float, "by_s": float, "usual_s": float}
OUTCOMES = {"outcome": object, "layer": int, "begin_s": float, "end_s": float, "frames": int, "issued_s": float}
SKIPPED = {"layer": int, "first_frame": int, "last_frame": int, "begin_s": float, "end_s": float}
ALERTS = {
    "kind": object, "occurrence": int, "severity": object, "layer": int, "begin_s": float, "end_s": float,
    "evidence": object, "action": object, "first_seen_s": float,
}  # fmt: skip
GAPS = {"at_s": float, "noticed_s": float, "source": object, "channel": object, "first_sequence": int,
        "last_sequence": int}  # fmt: skip


@dataclass(frozen=True)
class Here:
    """What a moment lies in: a layer, or what is between two. `from_s`, `to_s`: where that begins and ends; `layer`:
    this one, or the one before; `by_s`, `usual_s`: of a silence, how far apart the layers begin, and usually do."""

    kind: Kind
    layer: int | None = None
    from_s: float | None = None
    to_s: float | None = None
    by_s: float | None = None
    usual_s: float | None = None


@dataclass(frozen=True)
class Course:
    """DataFrames with the columns above; `layers` by number, the others in time."""

    machine: str
    build: str
    layers: pd.DataFrame
    breaks: pd.DataFrame
    outcomes: pd.DataFrame  # stretches of frames of one layer with one outcome
    skipped: pd.DataFrame
    alerts: pd.DataFrame
    gaps: pd.DataFrame

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last moment; None where no layer has begun."""
        if self.layers.empty:
            return None
        begin_s = min([self.layers["begun_s"].min(), *self.outcomes["begin_s"].head(1)])
        return float(begin_s), float(max([self.layers["last_time_s"].max(), *self.outcomes["end_s"].tail(1)]))

    @property
    def goes_on(self) -> bool:
        """Whether its newest layer has not ended."""
        return bool(len(self.layers)) and not bool(self.layers["final"].iloc[-1])

    def here(self, at_s: float) -> Here:
        """What lies at a moment."""
        if self.layers.empty:
            return Here("nothing")
        by_time = self.layers.sort_values(["begun_s", "layer"])
        begun = by_time[by_time["begun_s"] <= at_s]
        later = by_time[by_time["begun_s"] > at_s]
        to_s = float(later["begun_s"].iloc[0]) if len(later) else None
        if begun.empty:
            return Here("before", to_s=to_s)
        row = begun.iloc[-1]
        layer, from_s, end_s = int(row["layer"]), float(row["begun_s"]), float(row["last_time_s"])
        if at_s <= end_s:
            return Here("layer", layer, from_s, end_s)
        found = self.breaks[
            (self.breaks["kind"] == "silence") & (self.breaks["begin_s"] <= at_s) & (at_s < self.breaks["end_s"])
        ]
        if len(found):
            gap = found.iloc[0]
            return Here("silence", layer, end_s, float(gap["end_s"]), float(gap["by_s"]), float(gap["usual_s"]))
        return Here("pause" if to_s is not None else "after", layer, end_s, to_s)


class Courses(Protocol):
    """What a store says of builds that are looked back at."""

    def recordings(self, limit: int = 500) -> pd.DataFrame:
        """One row a stored build, the newest received first: machine, build, part, material, layers (as it says), begun
        (layers that have begun), first_layer, last_layer, received_s (wall clock of its build message), begun_s,
        last_time_s (process time of its first and last layer), last_received_s (wall clock), origin (of the machine
        now), operator (of its newest forecast of record; None where there is none), alerts (ever raised)."""
        ...

    def course(self, machine: str, build: str) -> Course:
        """How a build went: layers, what came between them, outcomes, skipped frames, alerts, gaps (`twin.course`).
        Of a build that is not there all of it is empty."""
        ...

    def build_alerts(self, machine: str, build: str) -> pd.DataFrame:
        """Alerts raised in a build, as `alerts`, newest last_seen_s first."""
        ...

    def forecast_at(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> dict[str, Any] | None:
        """The newest forecast of a build whose process time is not later than `at_s`: the columns of
        `latest_forecast`. Of several at one time the one of the highest layer and frame."""
        ...

    def field_at(self, machine: str, build: str, at_s: float, lead_s: float | None = None) -> Field | None:
        """The newest field snapshot of record not later than `at_s` (nearest to `lead_s`; None: the estimate of now),
        among the `FIELD_FRAMES` frames before: an older one does not speak of that moment."""
        ...

    def beside(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> tuple[float | None, float | None]:
        """Process times of the frames of a build next before and next after a moment; None where there is none."""
        ...


def breaks(layers: pd.DataFrame) -> pd.DataFrame:
    """Where process time steps back from one layer to the next, by how much, and where nothing came for long: BREAKS.
    `layers`: by number."""
    cadence, rows, before = Cadence(), [], None
    for row in layers.itertuples():
        if before is not None:
            begun_s, interval_s = float(row.begun_s), float(row.begun_s - before.begun_s)
            usual_s, silent = cadence.usual_s or float("nan"), cadence.take(interval_s)
            back_s, last_s = begun_s - float(before.last_time_s), float(before.last_time_s)
            if back_s < -1e-9:
                rows.append(("clock_skew", int(row.layer), begun_s, last_s, back_s, usual_s))
            elif silent:
                rows.append(("silence", int(row.layer), last_s, begun_s, interval_s, usual_s))
        before = row
    return pd.DataFrame(rows, columns=list(BREAKS)).astype(BREAKS)


def skipped_at(rows: pd.DataFrame, layers: pd.DataFrame, frame_s: float) -> pd.DataFrame:
    """`Store.skipped` rows of a build with the process time of their frames, which begin with their layer: SKIPPED."""
    begun = dict(zip(layers["layer"], layers["begun_s"], strict=True))
    told = [
        (row.layer, row.first_frame, row.last_frame, begun[row.layer] + row.first_frame * frame_s,
         begun[row.layer] + (row.last_frame + 1) * frame_s)
        for row in rows.itertuples()
        if row.layer in begun
    ]  # fmt: skip
    return pd.DataFrame(sorted(told, key=lambda row: row[3]), columns=list(SKIPPED)).astype(SKIPPED)


def alerts_at(
    rows: Sequence[Any],
    outcomes: pd.DataFrame,
    layers: pd.DataFrame,
    process_s: Callable[[float, bool], float | None],
) -> pd.DataFrame:
    """Alerts of a build with their process time: ALERTS.

    An alert is stamped by the wall clock. One about an outcome begins with the frames that have it; any other with the
    first frame that was forecast no earlier (`process_s(wall_s, True)`); it ends with the last one forecast no later
    than its end (`process_s(wall_s, False)`). Where nothing was forecast it stands where its layer begins."""
    begun = dict(zip(layers["layer"], layers["begun_s"], strict=True))
    told = []
    for row in rows:
        over_s = row.last_seen_s if row.cleared_s is None or row.cleared_s != row.cleared_s else row.cleared_s
        mine = outcomes[(outcomes["outcome"] == row.kind) & (outcomes["issued_s"] >= row.first_seen_s)]
        begin_s = float(mine["begin_s"][mine["issued_s"].idxmin()]) if len(mine) else process_s(row.first_seen_s, True)
        begin_s = begun.get(row.layer) if begin_s is None else begin_s
        if begin_s is None:
            continue
        end_s = process_s(over_s, False)
        told.append(
            (row.kind, row.occurrence, row.severity, row.layer, begin_s, max(begin_s, end_s or begin_s), row.evidence,
             row.action, row.first_seen_s)
        )  # fmt: skip
    return pd.DataFrame(sorted(told, key=lambda row: row[4]), columns=list(ALERTS)).astype(ALERTS)


def runs(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Stretches of one outcome from (layer, frame, time_s, outcome, issued_s) of their first and last frames, by layer
    and frame: OUTCOMES, in time. A stretch of one frame stands once."""
    told: list[tuple[Any, ...]] = []
    first: tuple[Any, ...] | None = None
    ends = list(rows)
    for at, (layer, frame, time_s, outcome, issued_s) in enumerate(ends):
        if first is None:
            first = (layer, frame, time_s, outcome, issued_s)
        after = ends[at + 1] if at + 1 < len(ends) else None
        if after is None or (after[0], after[3]) != (layer, outcome):
            told.append((outcome, layer, first[2], time_s, frame - first[1] + 1, first[4]))
            first = None
    return pd.DataFrame(sorted(told, key=lambda row: row[2]), columns=list(OUTCOMES)).astype(OUTCOMES)
