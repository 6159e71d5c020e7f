"""Words: what a row means to a person on the shop floor. No jargon here; the exact text stands beside it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from twin.forecast import Field, Outcome
from ui.figures import DED, LPBF, LengthUnit

Shape = Literal["check", "triangle", "diamond", "cross", "clock", "dots", "wrench"]
Tone = Literal["normal", "advice", "caution", "fault", "waiting"]

START_COMMAND = "./meltwin demo"
RUN_COMMAND = "./meltwin run"

QUANTITIES = {
    "q": "the heat input",
    "beam_power_w": "the beam power",
    "beam power": "the beam power",
    "scan speed": "the scan speed",
    "parameters missing": "the stretch without parameters",
    "temperature": "the temperature",
    "process time": "the process time",
    "scan_speed_m_per_s": "the scan speed",
    "beam_diameter_m": "the beam diameter",
    "peclet": "the scan speed",
    "preheat_k": "the preheat temperature",
    "absorptivity": "the absorptivity",
    "layer_thickness_m": "the layer thickness",
    "energy": "the energy balance",
    "melt_pool_width_m": "the melt-pool width",
    "melt_pool_length_m": "the melt-pool length",
    "melt_pool_depth_m": "the melt-pool depth",
}

ALERT_KINDS = {
    "outside_envelope": "Outside what the model has learned",
    "unfamiliar": "Unlike what the model was checked on",
    "off_plan": "Machine does not do as planned",
    "too_slow": "Solver too slow: no forecast",
    "keyhole": "Too deep: keyhole",
    "stale": "Data too old",
    "clock_skew": "Clock steps",
    "silence": "Machine was silent",
    "birth": "Source began anew",
    "doubled": "Two sources tell one layer",
    "failed": "Twin failed on a frame",
    "broker": "Broker does not answer",
    "store": "Database did not answer",
    "take_over": "Two twins on one stream",
    "gap": "Messages missing",
    "rebirth_needed": "Sparkplug node must be born again",
    "drift": "Signal moves away from the forecast",
    "residual": "Energy does not add up",
    "non_finite": "Calculation failed",
    "lack_of_fusion": "Too shallow: lack of fusion",
    "balling": "Pool too long: balling",
    "overheating": "Heat piles up",
    "card_refused": "Promoted model cannot serve",
    "flood": "Many alerts at once",
    "disk_low": "Disk filling up",
    "disk_full": "Disk full: nothing is taken",
}


ALERT_STATES = {
    "unacknowledged": "not acknowledged",
    "acknowledged": "acknowledged",
    "returned": "over, not acknowledged",
    "shelved": "shelved",
    "cleared": "cleared",
}
ADVISORY_STATES = {"unacknowledged": "stands", "acknowledged": "acknowledged", "shelved": "shelved", "cleared": "over"}
STATUSES = {
    "failure": "failure",
    "function_check": "function check",
    "out_of_specification": "out of specification",
    "maintenance_required": "maintenance required",
}


def alert_name(kind: str) -> str:
    """What an alert is about; of a sensor that is silent, which."""
    if kind.startswith("silence_"):
        return f"Sensor silent: {kind.removeprefix('silence_').replace('_', ' ')}"
    if kind.startswith("sensor_"):
        return f"Sensor at fault: {kind.removeprefix('sensor_').replace('_', ' ')}"
    return ALERT_KINDS.get(kind, kind.replace("_", " "))


@dataclass(frozen=True)
class Verdict:
    """A state by word, shape and tone; `more` is one plain sentence."""

    word: str
    more: str
    shape: Shape
    tone: Tone


def verdict(outcome: Outcome | None, withheld: bool = False) -> Verdict:
    """What the outcome of the newest forecast means, and what is shown because of it."""
    if outcome is None:
        return Verdict("Waiting for the first forecast", "This machine has none yet.", "dots", "waiting")
    which = QUANTITIES.get(outcome.which, f"“{outcome.which}”" if outcome.which else "a process number")
    shown = "No numbers are given." if withheld else "What is shown is for information, not for a decision."
    match outcome.kind:
        case "ok" if outcome.which:
            return Verdict(
                "Forecast in order", "Nothing is claimed about its error: not calibrated.", "check", "normal"
            )
        case "ok":
            return Verdict("Forecast in order", "Inside what the model was checked for.", "check", "normal")
        case "outside_envelope":
            why = f"{which[0].upper()}{which[1:]} is outside what the model has learned."
            return Verdict("Outside the learned range", f"{why} {shown}", "triangle", "caution")
        case "unfamiliar":
            why = "It looks unlike what the model was checked on."
            return Verdict("Unfamiliar", f"{why} {shown}", "triangle", "caution")
        case "off_plan":
            why = "What the machine reports is not what was planned."
            return Verdict("Not as planned", f"{why} {shown}", "wrench", "advice")
        case "too_slow":
            why = "Outside the learned range the solver forecasts, and it could not keep up."
            return Verdict("Solver too slow", f"{why} {shown}", "triangle", "caution")
        case "residual":
            why = "The forecast breaks the energy balance."
            return Verdict("Energy does not add up", f"{why} {shown}", "diamond", "caution")
        case "drift":
            why = "The machine's signal leaves the forecast."
            return Verdict("Signal moves away", f"{why} {shown}", "wrench", "advice")
        case "stale":
            why = "The machine's messages came too late for a forecast."
            return Verdict("Data too old", f"{why} {shown}", "clock", "fault")
        case "clock_skew":
            return Verdict("Clock steps", f"The machine's clock does not go on evenly. {shown}", "triangle", "caution")
        case "silence":
            return Verdict(
                "Machine was silent", f"Nothing came for longer than is usual. {shown}", "triangle", "caution"
            )
        case "skipped":
            return Verdict("Skipped", "Newer frames waited: this one got no forecast.", "triangle", "caution")
        case "non_finite":
            return Verdict("Calculation failed", "The forecast is not a number and is not shown.", "cross", "fault")


def slow_motion(time_factor: float | None) -> str:
    """`slow motion: 1 s here is 1 ms at the machine`; what a factor of 1 needs is no more than two words."""
    if time_factor is None:
        return ""
    if abs(time_factor - 1) < 1e-9:
        return "real time"
    kind = "slow motion" if time_factor < 1 else "fast"
    return f"{kind}: 1 s here is {duration(time_factor)} at the machine"


def duration(seconds: float) -> str:
    """Three digits, with the unit that makes them readable; from 1,000 s on to a tenth of a second."""
    if seconds >= 999.5:
        return f"{seconds:,.1f} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * 0.9995 or unit == "µs":
            return f"{seconds / size:.3g} {unit}"
    raise AssertionError("unreachable: microseconds take everything")


def ago(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h`, `4 d`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} d"


def until(seconds: float) -> str:
    """`3 h left`; a build that is over its time says so."""
    return f"{ago(seconds)} left" if seconds > 0 else "last layer"


def seen(moment_s: float, now_s: float) -> str:
    """A moment on the wall clock as its distance from now; a process time as itself."""
    return f"{ago(now_s - moment_s)} ago" if moment_s > 1e8 else f"at {moment_s:.3f} s"


def moment(field: Field | None, now_s: float) -> str:
    """Which moment of the process a picture shows, and how long ago it was made."""
    if field is None or not np.isfinite([field.time_s, field.issued_s]).all():
        return ""
    return f"at {duration(field.time_s)}, made {seen(field.issued_s, now_s)}"


@dataclass(frozen=True)
class Provenance:
    """Where a number comes from: short, in whole, and a tone for what is not in order."""

    text: str
    more: str
    tone: Literal["", "caution", "fault"] = ""


LATE_FRAMES = 40  # frames of the machine without one that says what is absorbed


def provenance(
    rows: pd.DataFrame, now_s: float | None, operator: str, read_s: float, sensed: pd.DataFrame | None = None
) -> Provenance:
    """Whence the absorptivity is: inferred from how many camera frames, by whom, and when; or, where no camera tells
    any, from how many frames of sensors (`Store.calibration`); or what is wrong with it."""
    if sensed is not None and len(sensed) and (rows.empty or not int(rows["camera_frames"].iloc[-1])):
        return _sensed(sensed.iloc[-1], read_s)
    if rows.empty or now_s is None:
        return Provenance(
            "not inferred", f"{operator or 'The operator'} takes the absorptivity as the build or rule says."
        )
    newest = rows.iloc[-1]
    frames = int(newest["camera_frames"])
    when = f"made {seen(float(newest['issued_s']), read_s)}"
    whole = f"Inferred by {operator} from {frames} camera frames, {when}."
    if newest["outcome"] in ("residual", "non_finite"):
        return Provenance("not to be relied on", f"The energy of the forecast does not add up. {whole}", "fault")
    if not frames:
        return Provenance("no camera frame yet", f"{operator} goes by the nominal absorptivity.", "caution")
    step_s = float(np.median(np.diff(rows["time_s"].to_numpy(float)))) if len(rows) > 1 else 0.0
    late_s = now_s - float(newest["time_s"])
    if step_s > 0 and late_s > LATE_FRAMES * step_s:
        return Provenance(f"old: from {duration(late_s)} before now", f"Nothing inferred since. {whole}", "caution")
    return Provenance(f"from {frames} camera frames, {when}", whole)


def _sensed(newest: "pd.Series[Any]", read_s: float) -> Provenance:
    names = " and ".join(QUANTITIES.get(name, name) for name in str(newest["signals"]).split(",") if name)
    whole = f"From {int(newest['frames'])} frames of {names}, made {seen(float(newest['made_s']), read_s)}."
    if not newest["consistent"]:
        return Provenance(
            "sensors disagree", f"A sensor reads wrong, or the model is. Not followed. {whole}", "caution"
        )
    if not newest["identifiable"]:
        return Provenance(
            "by sensors, not determined yet", f"The signals tell hardly more than was known. {whole}", "caution"
        )
    if newest["followed"]:
        return Provenance("by sensors, followed", f"Forecasts are made with it. {whole}")
    return Provenance("by sensors, not followed", f"Forecasts go by the nominal one (setting follow_machines). {whole}")


def where(note: Any) -> str:
    """Where a note of `Store.notes` is: `layer 7, circle at x 1.00, y 2.00 mm, radius 0.50 mm`."""
    if note.layer is None or pd.isna(note.layer):
        return "the build"
    told = f"layer {note.layer:,.0f}"
    if not note.shape:
        return told
    told += f", {note.shape} at x {note.x_m * 1e3:.2f}, y {note.y_m * 1e3:.2f} mm"
    if note.shape == "circle":
        told += f", radius {note.radius_m * 1e3:.2f} mm"
    if note.shape == "rectangle":
        told += f", to x {note.x1_m * 1e3:.2f}, y {note.y1_m * 1e3:.2f} mm"
    return told


def unit_of(process: str | None, frames: pd.DataFrame) -> LengthUnit:
    """Micrometres for LPBF, millimetres for DED; when the process is not said, by the size of the pool."""
    if process in ("lpbf", "ded"):
        return LPBF if process == "lpbf" else DED
    widths = frames["width_m"].to_numpy(float) if len(frames) else np.zeros(1)
    return DED if np.nanmax([0.0, *widths]) > 6e-4 else LPBF


def quantity(value: Any, scale: float, unit: str, digits: int = 0) -> str:
    """A number of a build with its unit, or a dash."""
    return "–" if value is None else f"{float(value) * scale:.{digits}f} {unit}"
