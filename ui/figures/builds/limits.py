"""Limits: a build's value by layer over the interval and the median of good builds."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ui.figures.builds.measure import Measure
from ui.figures.style import Palette, axis, layout, message_figure, note


def limits_chart(comparison: pd.DataFrame, of: Measure, palette: Palette, chosen: int | None = None) -> go.Figure:
    """Draw the rows of `twin.golden.compare` of one quantity: band, median, the build, and what is outside by shape.
    `chosen` is the layer that is looked at."""
    rows = comparison[comparison["quantity"] == of.column]
    if rows.empty:
        return message_figure(f"Nothing is known of the {of.name} by layer", palette)
    every = range(int(rows["layer"].min()), int(rows["layer"].max()) + 1)
    rows = rows.set_index("layer").reindex(every).reset_index()  # a hole where a layer has no value
    layers = rows["layer"].to_numpy()
    value, median, low, high = (rows[name].to_numpy(float) * of.per_si for name in ("value", "median", "low", "high"))
    beyond = rows["by"].abs().to_numpy() > 0
    data: list[Any] = []
    if np.isfinite(low).any():
        edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0.8, "color": palette.faint}, "hoverinfo": "skip"}
        data += [
            go.Scatter(x=layers, y=low, meta="low", **edge),
            go.Scatter(x=layers, y=high, meta="high", fill="tonexty", fillcolor=palette.off_wash, **edge),
        ]
    if np.isfinite(median).any():
        line = {"width": 1.5, "color": palette.muted, "dash": "4px,3px"}
        data.append(
            go.Scatter(x=layers, y=median, mode="lines", line=line, meta="median", hoverinfo="skip", name="good builds")
        )
    data.append(
        go.Scatter(
            x=layers, y=value, mode="lines+markers", meta="build", customdata=layers,
            line={"width": 1.8, "color": palette.estimate}, marker={"size": 5},
            hovertemplate=f"layer %{{x}}: %{{y:.{of.digits}f}} {of.unit}<extra>this build</extra>",
        )
    )  # fmt: skip
    if beyond.any():
        said = [of.say(by, signed=True) for by in rows.loc[beyond, "by"]]
        data.append(
            go.Scatter(
                x=layers[beyond], y=value[beyond], mode="markers", meta="outside", customdata=layers[beyond],
                marker={"size": 12, "symbol": "triangle-up-open", "color": palette.caution, "line": {"width": 2.2}},
                text=said, hovertemplate="layer %{x}: %{text} beyond the limit<extra>outside</extra>",
            )
        )  # fmt: skip
    shapes = [] if chosen is None else [_here(chosen, palette)]
    title = f"{of.name}, {of.unit}".strip(", ")
    told = "" if np.isfinite(low).any() else "no limits"
    return go.Figure(
        data=data,
        layout=layout(
            palette, f"limits {of.column}", shapes=shapes, margin={"l": 58, "r": 14, "t": 10, "b": 40},
            annotations=[note(told, palette, xref="paper", yref="paper", x=1, y=1, xanchor="right")] if told else [],
            xaxis=axis(palette, "layer", tickformat=",d", **by_layer(layers)),
            yaxis=axis(palette, title, rangemode="normal" if of.unit else "tozero"),
        ),
    )  # fmt: skip


def _here(layer: int, palette: Palette) -> dict[str, Any]:
    line = {"width": 1, "color": palette.forecast, "dash": "2px,3px"}
    return {"type": "line", "x0": layer, "x1": layer, "y0": 0, "y1": 1, "yref": "paper", "line": line}


def by_layer(layers: np.ndarray) -> dict[str, Any]:
    """An axis of few layers has a mark at each, and no halves between."""
    return {"dtick": 1, "range": [layers.min() - 0.6, layers.max() + 0.6]} if np.ptp(layers) < 12 else {}
