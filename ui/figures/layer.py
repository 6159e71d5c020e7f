"""The layer from above: planned vectors grey, the path just taken coloured by a quantity (`ui.figures.coloured`), the
beam and where it goes, and where alerts that stand were seen."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui.figures.coloured import DEFAULT, QUANTITIES, Nominal, coloured, outcome_marker
from ui.figures.style import LPBF, LengthUnit, Palette, axis, layout, message_figure
from ui.figures.timeline import split

MOST_VECTORS = 1500


def layer_map(
    frames: pd.DataFrame,
    vectors: pd.DataFrame,
    palette: Palette,
    nominal_beam_power_w: float | None = None,
    nominal_scan_speed_m_per_s: float | None = None,
    *,
    by: str = DEFAULT,
    unit: LengthUnit = LPBF,
    alerts: pd.DataFrame | None = None,
) -> go.Figure:
    """Draw `Store.scan_vectors` of one layer and the beam's positions in `Store.melt_pool` rows, in millimetres,
    coloured `by` one of `QUANTITIES` (sizes in `unit`); `alerts`: rows whose places are marked."""
    if frames.empty and vectors.empty:
        return message_figure("No scan path yet", palette)
    data: list[Any] = []
    marked = vectors[vectors["beam_power_w"] > 0] if len(vectors) else vectors
    if len(marked):
        data.append(
            go.Scatter(
                **_segments(nearest_in_time(marked, frames)),
                mode="lines",
                line={"width": 1, "color": palette.faint},
                opacity=0.55,
                hoverinfo="skip",
                name="planned",
            )
        )
    if len(frames):
        nominal = Nominal(nominal_beam_power_w, nominal_scan_speed_m_per_s)
        data += _travel(frames, palette, nominal, by if by in QUANTITIES else DEFAULT, unit)
    if alerts is not None:
        data += _places(alerts, palette)
    return go.Figure(
        data=data,
        layout=layout(
            palette,
            "layer",
            margin={"l": 50, "r": 58, "t": 10, "b": 40},
            xaxis=axis(palette, "x, mm"),
            yaxis=axis(palette, "y, mm", scaleanchor="x"),
        ),
    )


def nearest_in_time(vectors: pd.DataFrame, frames: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST_VECTORS` of them, those around now: a bounded picture of an unbounded layer."""
    if len(vectors) <= MOST_VECTORS:
        return vectors
    now_s = float(frames["time_s"].max()) if len(frames) else float(vectors["start_s"].min())
    middle = int(np.searchsorted(vectors["start_s"].to_numpy(float), now_s))
    first = min(max(middle - MOST_VECTORS // 2, 0), len(vectors) - MOST_VECTORS)
    return vectors.iloc[first : first + MOST_VECTORS]


def _segments(vectors: pd.DataFrame) -> dict[str, np.ndarray]:
    """Line segments with a hole after each, so that jumps are not drawn."""
    hole = np.full(len(vectors), np.nan)

    def joined(begin: str, end: str) -> np.ndarray:
        ends = np.stack([vectors[begin].to_numpy(float) * 1e3, vectors[end].to_numpy(float) * 1e3, hole], axis=1)
        return ends.ravel().astype(np.float32)

    return {"x": joined("x0_m", "x1_m"), "y": joined("y0_m", "y1_m")}


def _travel(frames: pd.DataFrame, palette: Palette, nominal: Nominal, by: str, unit: LengthUnit) -> list[Any]:
    estimate, horizon = split(frames)
    if estimate.empty:
        return []
    estimate = estimate[estimate["layer"] == estimate["layer"].iloc[-1]]
    now = estimate.iloc[[-1]]
    return [
        *_path(estimate, palette, nominal, by, unit),
        go.Scatter(
            x=_mm(horizon, "x_m"),
            y=_mm(horizon, "y_m"),
            mode="lines+markers",
            line={"width": 2, "dash": "4px,3px", "color": palette.forecast},
            marker={"size": 4, "color": palette.forecast},
            hovertemplate="forecast: %{x:.2f}, %{y:.2f} mm<extra></extra>",
            name="path to come",
        ),
        go.Scatter(
            x=_mm(now, "x_m"),
            y=_mm(now, "y_m"),
            mode="markers",
            marker={"size": 13, "symbol": "circle-open", "color": palette.ink, "line": {"width": 2.5}},
            hovertemplate="beam now: %{x:.2f}, %{y:.2f} mm<extra></extra>",
            name="beam",
        ),
    ]


def _path(estimate: pd.DataFrame, palette: Palette, nominal: Nominal, by: str, unit: LengthUnit) -> list[Any]:
    """Where the beam was with the laser on, by a quantity; pale where it is not known."""
    lit = (estimate["beam_power_w"] > 0).to_numpy()
    if by == "outcome":
        words = estimate["outcome"].astype(str)[lit].str.replace("_", " ").tolist()
        return [_dots(estimate[lit], outcome_marker(estimate["outcome"][lit], palette), by, "%{text}", words)]
    told = coloured(estimate, by, unit, nominal)
    known = np.isfinite(told.values)
    marker = {
        "size": 6,
        "color": told.values[lit & known],
        "colorscale": told.scale,
        "cmin": told.low,
        "cmax": told.high,
        "colorbar": {
            "title": {"text": told.title, "side": "top", "font": {"color": palette.muted}},
            "tickfont": {"size": 11, "color": palette.muted},
            "thickness": 10,
            "outlinewidth": 0,
            "nticks": 5,
        },
    }
    drawn = [_dots(estimate[lit & known], marker, by, told.value)]
    if (lit & ~known).any():
        pale = _dots(estimate[lit & ~known], {"size": 3, "color": palette.faint}, by, "not known")
        drawn.insert(0, pale.update(name="path, not known"))
    return drawn


def _dots(
    rows: pd.DataFrame, marker: dict[str, Any], by: str, value: str, text: list[str] | None = None
) -> go.Scatter:  # fmt: skip
    return go.Scatter(
        x=_mm(rows, "x_m"),
        y=_mm(rows, "y_m"),
        mode="markers",
        marker=marker,
        text=text,
        customdata=rows["frame"].to_numpy(np.int32) if "frame" in rows else None,  # which one is picked to ask why
        hovertemplate=f"{QUANTITIES[by]}: {value} at %{{x:.2f}}, %{{y:.2f}} mm<extra>path</extra>",
        name="path",
    )


def _places(alerts: pd.DataFrame, palette: Palette) -> list[Any]:
    """Where alerts were seen first, with their names."""
    there = alerts[alerts["x_m"].notna() & alerts["y_m"].notna()] if len(alerts) else alerts
    if there.empty:
        return []
    return [
        go.Scatter(
            x=_mm(there, "x_m"),
            y=_mm(there, "y_m"),
            mode="markers",
            marker={"size": 13, "symbol": "triangle-up-open", "color": palette.caution, "line": {"width": 2.5}},
            text=there["name"].tolist(),
            hovertemplate="alert: %{text}, %{x:.2f}, %{y:.2f} mm<extra></extra>",
            name="alert",
        )
    ]


def _mm(rows: pd.DataFrame, column: str) -> np.ndarray:
    return (rows[column].to_numpy(float) * 1e3).astype(np.float32)
