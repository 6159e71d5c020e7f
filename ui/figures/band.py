"""Band: between which sizes the melt pool lies, drawn around the estimate and around the horizon.

One closed shape a stretch of frames that follow each other; where a frame claims no band the shape ends. What a band
promises is in `twin.trust.bands`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ui.figures.style import LengthUnit, Palette


def band(
    rows: pd.DataFrame,
    column: str,
    now_s: float,
    scale: float,
    unit: LengthUnit,
    palette: Palette,
    where: dict[str, str],
    apart_s: float = np.inf,
) -> Iterator[Any]:
    """The shape of a size's band over rows in time order (in `scale` per s from now); rows further apart than `apart_s`
    do not follow each other. Nothing where no row claims one."""
    low, high = ends(rows, column)
    claimed = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if len(claimed) < 2:
        return
    time_s = rows["time_s"].to_numpy(float)
    broken = np.flatnonzero((np.diff(claimed) > 1) | (np.diff(time_s[claimed]) > apart_s)) + 1
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    for part in np.split(claimed, broken):
        if len(part) < 2:
            continue
        x += [time_s[part], time_s[part[::-1]], np.array([np.nan])]
        y += [low[part], high[part[::-1]], np.array([np.nan])]
    if x:
        yield trace(
            x=((np.concatenate(x[:-1]) - now_s) * scale).astype(np.float32),
            y=(np.concatenate(y[:-1]) * unit.per_m).astype(np.float32),
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=palette.band,
            meta="band",
            hoverinfo="skip",
            **where,
        )


def trace(**what: Any) -> dict[str, Any]:
    """A trace of lines or marks, as plotly.js takes it."""
    return {"type": "scatter", **what}


def ends(rows: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of a size in m; NaN where no band is claimed, also in rows of a store that knows none."""
    size = column.removesuffix("_m")
    low, high = (
        rows[name].to_numpy(float) if name in rows else np.full(len(rows), np.nan)
        for name in (f"{size}_low_m", f"{size}_high_m")
    )
    return low, high


def told(rows: pd.DataFrame, column: str, unit: LengthUnit) -> str:
    """The band of the last row: `135 to 149 µm in 90 %`; empty where none is claimed."""
    low, high = (float(end[-1]) if len(end) else np.nan for end in ends(rows, column))
    coverage = float(rows["coverage"].iloc[-1]) if "coverage" in rows and len(rows) else np.nan
    if not np.isfinite([low, high, coverage]).all():
        return ""
    return f"{low * unit.per_m:.{unit.digits}f} to {unit.say(high)} in {coverage:.0%}".replace("%", " %")
