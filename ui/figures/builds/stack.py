"""The whole part: its layers in space as points, or by time in the layer as a map, coloured by a quantity."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui.figures.builds.limits import by_layer
from ui.figures.builds.measure import Measure
from ui.figures.style import Palette, axis, layout, message_figure, note

SCALE = "Cividis"


def stack(
    points: pd.DataFrame, of: Measure | None, palette: Palette, layer_thickness_m: float, alerts: pd.DataFrame
) -> go.Figure:
    """Draw rows of `Store.layer_points`, and `alerts` (with z_m) as diamonds. Without a measure: outcomes. A click
    gives the layer (`customdata`)."""
    if points.empty:
        return message_figure("No frame of this build has a place yet", palette)
    z_m = points["z_m"].fillna(points["layer"] * layer_thickness_m).to_numpy(float)
    x, y, z = points["x_m"].to_numpy(float) * 1e3, points["y_m"].to_numpy(float) * 1e3, z_m * 1e3
    fine = (points["outcome"] == "ok").to_numpy()
    known = fine if of is None else points[of.column].notna().to_numpy()
    data: list[Any] = []
    if known.any():
        marker: dict[str, Any] = {"size": 2.6, "color": palette.faint}
        hover = "layer %{customdata}<extra></extra>"
        if of is not None:
            values = points.loc[known, of.column].to_numpy(float) * of.per_si
            marker |= {"color": values.astype(np.float32), "colorscale": SCALE, "colorbar": bar(of, palette)}
            marker |= _limits(values)
            hover = f"layer %{{customdata}}: %{{marker.color:.{of.digits}f}} {of.unit}<extra></extra>"
        data.append(_points(x, y, z, points["layer"], known, marker, hover, "frames"))
    odd = ~known if of is None else ~fine & ~known
    if odd.any():
        marker = {"size": 3.6, "symbol": "square-open", "color": palette.caution}
        data.append(
            _points(x, y, z, points["layer"], odd, marker, "layer %{customdata}: not in order<extra></extra>", "odd")
        )
    if len(alerts):
        placed = alerts.dropna(subset=["x_m", "y_m"])
        at_m = placed["z_m"].fillna(placed["layer"] * layer_thickness_m)
        data.append(
            go.Scatter3d(
                x=placed["x_m"] * 1e3, y=placed["y_m"] * 1e3, z=at_m * 1e3, mode="markers", meta="alerts",
                customdata=placed["layer"], text=placed["kind"],
                marker={"size": 7, "symbol": "diamond", "color": palette.caution},
                hovertemplate="layer %{customdata}: %{text}<extra>alert</extra>",
            )
        )  # fmt: skip
    axes: dict[str, Any] = {
        f"{name}axis": {
            **axis(palette, f"{name}, mm"), "showbackground": False, "showspikes": False, "automargin": None,
            "fixedrange": None, "nticks": 5,
        }
        for name in "xyz"
    }  # fmt: skip
    for each in axes.values():
        each["title"] = {"text": each["title"]["text"], "font": each["title"]["font"]}
        del each["automargin"], each["fixedrange"]
    axes["zaxis"]["range"] = [(z_m.min() - 2 * layer_thickness_m) * 1e3, (z_m.max() + 2 * layer_thickness_m) * 1e3]
    scene = {
        **axes, "aspectmode": "manual", "aspectratio": _ratio(x, y, z), "dragmode": "turntable",
        "camera": {"eye": {"x": 1.05, "y": -1.3, "z": 0.7}}, "bgcolor": "rgba(0,0,0,0)",
    }  # fmt: skip
    return go.Figure(data=data, layout=layout(palette, "stack", margin={"l": 0, "r": 0, "t": 0, "b": 0}, scene=scene))


def _ratio(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """As in the part, but nothing so thin that its layers cannot be told apart."""
    spans = np.array([max(np.ptp(values), 1e-6) for values in (x, y, z)])
    spans = np.maximum(spans / spans.max(), (0.25, 0.25, 0.45))
    return dict(zip("xyz", map(float, spans), strict=True))


def _points(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, layers: pd.Series, some: np.ndarray, marker: dict[str, Any],
    hover: str, name: str,
) -> Any:  # fmt: skip
    return go.Scatter3d(
        x=x[some].astype(np.float32), y=y[some].astype(np.float32), z=z[some].astype(np.float32), mode="markers",
        customdata=layers[some], marker=marker, hovertemplate=hover, meta=name,
    )  # fmt: skip


def heat(bins: pd.DataFrame, of: Measure, palette: Palette, every: int, frame_s: float) -> go.Figure:
    """Draw rows of `Store.layer_bins` of `every` frames: layer over time in the layer; a hole is no data."""
    if bins.empty or bins[of.column].isna().all():
        return message_figure(f"Nothing is known of the {of.name} over time in layers", palette)
    table = bins.pivot(index="layer", columns="bin", values=of.column)
    table = table.reindex(columns=range(int(table.columns.max()) + 1))
    values = table.to_numpy(float) * of.per_si
    step_ms = every * frame_s * 1e3
    times = (table.columns.to_numpy() + 0.5) * step_ms
    hover = f"layer %{{y}}, %{{x:.4g}} ms into it: %{{z:.{of.digits}f}} {of.unit}<extra></extra>"
    trace = go.Heatmap(
        x=times, y=table.index, z=np.where(np.isfinite(values), values, None), colorscale=SCALE, hovertemplate=hover,
        colorbar=bar(of, palette), hoverongaps=False, meta="heat",
        **{f"z{name[1:]}": limit for name, limit in _limits(values[np.isfinite(values)]).items()},
    )  # fmt: skip
    layers = axis(palette, "layer", tickformat=",d", **by_layer(table.index.to_numpy()))
    told = note("means of frames in order" if of.column.endswith("_m") else "means of frames", palette)
    return go.Figure(
        data=[trace],
        layout=layout(
            palette, f"heat {of.column}", margin={"l": 52, "r": 12, "t": 22, "b": 40},
            annotations=[told | {"xref": "paper", "yref": "paper", "x": 0, "y": 1.0, "yanchor": "bottom"}],
            xaxis=axis(palette, "time in the layer, ms"), yaxis=layers,
        ),
    )  # fmt: skip


def bar(of: Measure, palette: Palette) -> dict[str, Any]:
    """The scale of colours, with its unit."""
    return {
        "title": {"text": of.unit, "side": "top", "font": {"color": palette.muted}}, "thickness": 10, "outlinewidth": 0,
        "tickfont": {"size": 11, "color": palette.muted}, "nticks": 6, "len": 0.85,
    }  # fmt: skip


def _limits(values: np.ndarray) -> dict[str, float]:
    """2 to 98 % of what is drawn, so that one odd frame does not take all the colours."""
    low, high = np.quantile(values, [0.02, 0.98]) if len(values) else (0.0, 1.0)
    return (
        {"cmin": float(low), "cmax": float(high)}
        if high > low
        else {"cmin": float(low) - 0.5, "cmax": float(high) + 0.5}
    )
