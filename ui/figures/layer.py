"""The layer from above: planned vectors grey, the path just taken coloured by power, the beam and where it goes."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui.figures.style import Palette, axis, layout, message_figure
from ui.figures.timeline import split

MOST_VECTORS = 1500
POWER_SCALE = "Cividis"


def layer_map(
    frames: pd.DataFrame, vectors: pd.DataFrame, palette: Palette, nominal_beam_power_w: float | None = None
) -> go.Figure:
    """Draw `Store.scan_vectors` of one layer and the beam's positions in `Store.melt_pool` rows, in millimetres."""
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
        data += _travel(frames, palette, nominal_beam_power_w)
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


def _travel(frames: pd.DataFrame, palette: Palette, nominal_beam_power_w: float | None) -> list[Any]:
    estimate, horizon = split(frames)
    if estimate.empty:
        return []
    estimate = estimate[estimate["layer"] == estimate["layer"].iloc[-1]]
    on = estimate[estimate["beam_power_w"] > 0]
    top_w = 1.25 * (nominal_beam_power_w or float(estimate["beam_power_w"].max()) or 1.0)
    now = estimate.iloc[[-1]]
    return [
        go.Scatter(
            x=_mm(on, "x_m"),
            y=_mm(on, "y_m"),
            mode="markers",
            marker={
                "size": 6,
                "color": on["beam_power_w"].to_numpy(np.float32),
                "colorscale": POWER_SCALE,
                "cmin": 0,
                "cmax": top_w,
                "colorbar": {
                    "title": {"text": "W", "side": "top", "font": {"color": palette.muted}},
                    "tickfont": {"size": 11, "color": palette.muted},
                    "thickness": 10,
                    "outlinewidth": 0,
                    "nticks": 5,
                },
            },
            hovertemplate="%{marker.color:.0f} W at %{x:.2f}, %{y:.2f} mm<extra>path</extra>",
            name="path",
        ),
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


def _mm(rows: pd.DataFrame, column: str) -> np.ndarray:
    return (rows[column].to_numpy(float) * 1e3).astype(np.float32)
