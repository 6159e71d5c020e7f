"""One layer from above: frames where they were, coloured by a quantity; notes and alerts at their places."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui.figures.builds.measure import Measure
from ui.figures.builds.stack import SCALE, bar
from ui.figures.style import Palette, axis, layout, message_figure


def plane(
    points: pd.DataFrame, of: Measure | None, palette: Palette, notes: pd.DataFrame, alerts: pd.DataFrame
) -> go.Figure:
    """Draw `Store.layer_points` of one layer in mm. `notes` are those that stand; each is numbered by its id."""
    placed = notes[notes["shape"] != ""] if len(notes) else notes
    warned = alerts.dropna(subset=["x_m", "y_m"]) if len(alerts) else alerts
    if points.empty and placed.empty and warned.empty:
        return message_figure("No frame of this layer has a place to draw", palette)
    data = _frames(points, of, palette) if len(points) else []
    if len(warned):
        data.append(
            go.Scatter(
                x=warned["x_m"] * 1e3, y=warned["y_m"] * 1e3, mode="markers", text=warned["kind"], meta="alerts",
                marker={"size": 14, "symbol": "diamond-open", "color": palette.caution, "line": {"width": 2.4}},
                hovertemplate="%{text} at %{x:.2f}, %{y:.2f} mm<extra>alert</extra>",
            )
        )  # fmt: skip
    shapes: list[dict[str, Any]] = []
    if len(placed):
        line = {"width": 2, "color": palette.forecast}
        shapes = [_shape(row) | {"line": line} for row in placed.itertuples() if row.shape != "point"]
        x_mm, y_mm = np.array([_centre(row) for row in placed.itertuples()]).T * 1e3
        data.append(
            go.Scatter(
                x=x_mm, y=y_mm, mode="markers+text", text=[f"{number}" for number in placed["id"]], meta="notes",
                customdata=[f"{row.text[:80]} ({row.by})" for row in placed.itertuples()],
                textfont={"size": 11, "color": palette.ink},
                marker={"size": 19, "color": palette.panel, "line": {"width": 2, "color": palette.forecast}},
                hovertemplate="%{customdata}<br>%{x:.2f}, %{y:.2f} mm<extra>note %{text}</extra>",
            )
        )  # fmt: skip
    first = points["layer"].iloc[0] if len(points) else ""
    revision = f"plane {first} {list(placed['id']) if len(placed) else ''}"  # a shape drawn on another one goes
    return go.Figure(
        data=data,
        layout=layout(
            palette, revision, shapes=shapes, margin={"l": 52, "r": 14, "t": 10, "b": 40}, hovermode="closest",
            newshape={"line": {"color": palette.forecast, "width": 2}}, dragmode="pan",
            xaxis=axis(palette, "x, mm"), yaxis=axis(palette, "y, mm", scaleanchor="x"),
        ),
    )  # fmt: skip


def _frames(points: pd.DataFrame, of: Measure | None, palette: Palette) -> list[Any]:
    fine = (points["outcome"] == "ok").to_numpy()
    known = fine if of is None else points[of.column].notna().to_numpy()
    marker: dict[str, Any] = {"size": 5, "color": palette.faint}
    hover = "%{x:.2f}, %{y:.2f} mm<extra>frame %{customdata}</extra>"
    if of is not None and known.any():
        values = (points.loc[known, of.column].to_numpy(float) * of.per_si).astype(np.float32)
        marker = {"size": 5, "color": values, "colorscale": SCALE, "colorbar": bar(of, palette)}
        hover = f"%{{marker.color:.{of.digits}f}} {of.unit} at {hover}"
    data = [_at(points[known], marker, hover, "frames")] if known.any() else []
    if (~fine).any():
        odd = {"size": 7, "symbol": "triangle-up-open", "color": palette.caution}
        data.append(_at(points[~fine], odd, "not in order at %{x:.2f}, %{y:.2f} mm<extra>%{text}</extra>", "odd"))
    return data


def _at(points: pd.DataFrame, marker: dict[str, Any], hover: str, name: str) -> Any:
    return go.Scatter(
        x=(points["x_m"] * 1e3).astype(np.float32), y=(points["y_m"] * 1e3).astype(np.float32), mode="markers",
        marker=marker, customdata=points["frame"], text=points["outcome"], hovertemplate=hover, meta=name,
    )  # fmt: skip


def _centre(row: Any) -> tuple[float, float]:
    if row.shape != "rectangle":
        return row.x_m, row.y_m
    return (row.x_m + row.x1_m) / 2, (row.y_m + row.y1_m) / 2


def _shape(row: Any) -> dict[str, Any]:
    if row.shape == "rectangle":
        ends = (row.x_m, row.y_m, row.x1_m, row.y1_m)
        kind = "rect"
    else:
        ends = (row.x_m - row.radius_m, row.y_m - row.radius_m, row.x_m + row.radius_m, row.y_m + row.radius_m)
        kind = "circle"
    return {"type": kind, **dict(zip(("x0", "y0", "x1", "y1"), (end * 1e3 for end in ends), strict=True))}
