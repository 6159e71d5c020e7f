"""Coloured: a quantity of the frames of a path as colour: its values, its range and its name with a unit.

`QUANTITIES` are what a person may choose. Scan speed is the mean over a frame, from where the beam was at its ends;
`line energy` is beam power over scan speed, against the build's nominal, where 1 is nominal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ui.figures.style import LengthUnit, Palette, round_up

QUANTITIES = {
    "beam_power": "beam power",
    "scan_speed": "scan speed",
    "line_energy": "line energy over nominal",
    "width": "width",
    "length": "length",
    "depth": "depth",
    "outcome": "outcome",
}
DEFAULT = "beam_power"
SCALE = "Cividis"
ABOUT_ONE = [[0.0, "#2166ac"], [0.5, "#b9c0c8"], [1.0, "#b8752f"]]  # below nominal, nominal, above
BROKEN = 1.8  # frames apart, in which the beam may have been anywhere


@dataclass(frozen=True)
class Nominal:
    """What the build says; None where it does not."""

    beam_power_w: float | None = None
    scan_speed_m_per_s: float | None = None


@dataclass(frozen=True)
class Coloured:
    """`values` has a NaN where the quantity is not known; `value` says one of them with its unit, as a template."""

    values: np.ndarray
    value: str
    title: str
    low: float
    high: float
    scale: Any = SCALE


def coloured(rows: pd.DataFrame, by: str, unit: LengthUnit, nominal: Nominal) -> Coloured:
    """Estimates of one layer in time order by one of `QUANTITIES` but `outcome`; what is none is the beam power."""
    power_w = rows["beam_power_w"].to_numpy(float)
    if by in ("width", "length", "depth"):
        values = rows[f"{by}_m"].to_numpy(float) * unit.per_m
        return _of(values, unit.name, f".{unit.digits}f", round_up(1.02 * _largest(values)))
    if by == "scan_speed":
        speed = scan_speed(rows)
        usual = nominal.scan_speed_m_per_s or _largest(speed)
        scale, name = (1.0, "m/s") if usual >= 0.1 else (1e3, "mm/s")
        return _of(scale * speed, name, ".3~g", scale * 1.25 * (usual or 1.0))
    if by == "line_energy":
        values = _line_energy(power_w, scan_speed(rows), nominal)
        return Coloured(values.astype(np.float32), "%{marker.color:.2f} of nominal", "of nominal", 0.5, 1.5, ABOUT_ONE)
    return _of(power_w, "W", ".0f", 1.25 * (nominal.beam_power_w or _largest(power_w) or 1.0))


def scan_speed(rows: pd.DataFrame) -> np.ndarray:
    """Mean scan speed over each frame, m/s; NaN where the frame before it is missing."""
    time_s, x_m, y_m = (rows[name].to_numpy(float) for name in ("time_s", "x_m", "y_m"))
    steps_s = np.diff(time_s, prepend=np.nan)
    moved = np.hypot(np.diff(x_m, prepend=np.nan), np.diff(y_m, prepend=np.nan))
    usual_s = np.nanmedian(steps_s) if len(steps_s) > 1 else np.nan
    known = (steps_s > 0) & (steps_s < BROKEN * usual_s)
    return np.divide(moved, steps_s, out=np.full(len(rows), np.nan), where=known)


def _line_energy(power_w: np.ndarray, speed: np.ndarray, nominal: Nominal) -> np.ndarray:
    unknown = np.full(len(power_w), np.nan)
    if not nominal.beam_power_w or not nominal.scan_speed_m_per_s:
        return unknown
    usual = nominal.beam_power_w / nominal.scan_speed_m_per_s
    return np.divide(power_w, speed, out=unknown, where=speed > 0) / usual


def _largest(values: np.ndarray) -> float:
    return float(np.nanmax(values, initial=0.0))


def _of(values: np.ndarray, unit: str, digits: str, high: float) -> Coloured:
    return Coloured(values.astype(np.float32), f"%{{marker.color:{digits}}} {unit}", unit, 0.0, high)


def outcome_marker(outcomes: pd.Series, palette: Palette) -> dict[str, Any]:
    """Frames that are in order are quiet dots; the others stand out by shape as well as colour."""
    ok = (outcomes.astype(str) == "ok").to_numpy()
    return {
        "size": np.where(ok, 6, 9).tolist(),
        "color": np.where(ok, palette.faint, palette.caution).tolist(),
        "line": {"width": 0},
        "symbol": np.where(ok, "circle", "triangle-up").tolist(),
    }
