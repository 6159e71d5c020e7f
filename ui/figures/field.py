"""The temperature field from above and from the side, in the frame of the beam, both at one scale.

Above boiling the model leaves out what limits the temperature (recoil, a deep keyhole), so those cells get one flat
colour and the words "not shown as a fact". The contour line is the solidus: inside it the metal counts as melt pool.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from twin.forecast import Field
from ui.figures.style import (
    COLDEST_K,
    TEMPERATURE_SCALE,
    LengthUnit,
    Palette,
    axis,
    in_steps,
    layout,
    message_figure,
    note,
)  # fmt: skip

ABOVE_BOILING = "above boiling: not shown as a fact"
MARGIN = 0.35  # of the pool's size, drawn around it
GAP = 0.13


def field_maps(field: Field | None, unit: LengthUnit, palette: Palette) -> go.Figure:
    """Top surface over longitudinal section; x along the scan, the beam at 0."""
    if field is None:
        return message_figure("No temperature field stored yet", palette)
    x, y, z = (np.asarray(a, float) * unit.per_m for a in (field.x_m, field.y_m, field.z_m))
    top = field.temperature_k[:, :, 0].T
    section = field.temperature_k[:, int(np.abs(field.y_m).argmin()), :].T
    begin, end, half_width, depth = (length * unit.per_m for length in view(field))
    x_range = [begin, end]
    share = (1 - GAP) * 2 * half_width / (2 * half_width + depth)
    below_y = 1 - share - GAP + 0.02
    data = [
        *_map(x, y, top, field, unit, palette, "x", "y", "across"),
        *_map(x, z, section, field, unit, palette, "x2", "y2", "depth"),
    ]
    captions = [
        note("<b>Top surface</b>, scan direction →", palette, xref="paper", yref="paper", x=0, y=1, **_LEFT),
        note("<b>Section</b>", palette, xref="paper", yref="paper", x=0, y=below_y, **_LEFT),
    ]
    if float(field.temperature_k.max()) > field.boiling_k:
        captions.append(
            note(
                f"<span style='color:{palette.capped}'>■</span> {ABOVE_BOILING.split(':')[0]}",  # two fit on a phone
                palette,
                hovertext=ABOVE_BOILING,
                xref="paper",
                yref="paper",
                x=1,
                y=below_y,
                xanchor="right",
                yanchor="bottom",
            )
        )
    across = axis(
        palette,
        f"across, {unit.name}",
        domain=[1 - share, 1],
        range=[-half_width, half_width],
        scaleanchor="x",
        nticks=4,
    )
    below = axis(
        palette,
        f"depth, {unit.name}",
        domain=[0, 1 - share - GAP],
        range=[depth, 0],
        scaleanchor="x2",
        anchor="x2",
        nticks=4,
    )
    along = axis(palette, range=x_range, showticklabels=False, anchor="y")
    along_below = axis(palette, f"along the scan, {unit.name}", range=x_range, matches="x", anchor="y2")
    return go.Figure(
        data=data,
        layout=layout(
            palette,
            "field",
            margin={"l": 54, "r": 74, "t": 24, "b": 40},
            xaxis=along,
            yaxis=across,
            xaxis2=along_below,
            yaxis2=below,
            annotations=captions,
            coloraxis={
                "cmin": COLDEST_K,
                "cmax": field.boiling_k,
                "colorscale": TEMPERATURE_SCALE,
                "colorbar": {
                    "title": {"text": "K", "side": "top", "font": {"color": palette.muted}},
                    "tickvals": _ticks(field),
                    "ticktext": [f"{value:.0f}" for value in _ticks(field)],
                    "tickfont": {"size": 11, "color": palette.muted},
                    "thickness": 10,
                    "len": 1.0,
                    "outlinewidth": 0,
                    "x": 1.02,
                },
            },
        ),
    )


def view(field: Field) -> tuple[float, float, float, float]:
    """What to show, in metres: begin and end along the scan, half the width, and the depth around what is hot.

    Limits move in steps of a quarter, so that the picture does not tremble with the pool.
    """
    hot_k = COLDEST_K + 0.45 * (field.solidus_k - COLDEST_K)
    hot = field.temperature_k > hot_k
    if not hot.any():
        return float(field.x_m[0]), float(field.x_m[-1]), float(np.abs(field.y_m).max()), float(field.z_m[-1])
    along, across, down = (np.flatnonzero(hot.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    size = float(field.x_m[along[-1]] - field.x_m[along[0]])
    begin = -in_steps(MARGIN * size * 0.3 - float(field.x_m[along[0]]))
    end = in_steps(float(field.x_m[along[-1]]) + MARGIN * size * 0.3)
    half = in_steps(float(np.abs(field.y_m[across]).max()) * (1 + MARGIN))
    depth = in_steps(float(field.z_m[down[-1]]) * (1 + MARGIN))
    return (
        max(begin, float(field.x_m[0])),
        min(end, float(field.x_m[-1])),
        min(half, float(np.abs(field.y_m).max())),
        min(max(depth, 0.5 * half), float(field.z_m[-1])),
    )


_LEFT: dict[str, Any] = {"xanchor": "left", "yanchor": "bottom"}


def _map(
    x: np.ndarray,
    y: np.ndarray,
    temperature_k: np.ndarray,
    field: Field,
    unit: LengthUnit,
    palette: Palette,
    xaxis: str,
    yaxis: str,
    across: str,
) -> list[Any]:
    where = {"xaxis": xaxis, "yaxis": yaxis}
    z = temperature_k.astype(np.float32)
    place = f"%{{x:.{unit.digits}f}}, %{{y:.{unit.digits}f}} {unit.name}"
    traces: list[Any] = [
        go.Heatmap(
            x=x.astype(np.float32),
            y=y.astype(np.float32),
            z=np.minimum(z, field.boiling_k).round().astype(np.uint16),  # K: half of what an update weighs
            coloraxis="coloraxis",
            zsmooth="best",
            hovertemplate=f"%{{z:.0f}} K at {place}<extra></extra>",
            name=across,
            **where,
        )
    ]
    above = z > field.boiling_k
    if above.any():
        traces.append(
            go.Heatmap(
                x=x.astype(np.float32),
                y=y.astype(np.float32),
                z=np.where(above, np.float32(1), np.float32(np.nan)),
                colorscale=[[0, palette.capped], [1, palette.capped]],
                showscale=False,
                hovertemplate=f"{ABOVE_BOILING}<extra></extra>",
                name="above boiling",
                **where,
            )
        )
    traces.append(
        go.Contour(
            x=x.astype(np.float32),
            y=y.astype(np.float32),
            z=z.round().astype(np.uint16),
            autocontour=False,
            contours={"start": field.solidus_k, "end": field.solidus_k, "size": 1, "coloring": "none"},
            line={"width": 2, "color": "#ffffff"},
            showscale=False,
            hoverinfo="skip",
            name="solidus",
            **where,
        )
    )
    traces.append(
        go.Scatter(
            x=[0.0],
            y=[0.0],
            mode="markers",
            marker={"symbol": "cross-thin", "size": 12, "line": {"width": 2, "color": "#ffffff"}},
            hovertemplate="beam<extra></extra>",
            name="beam",
            cliponaxis=False,
            **where,
        )
    )
    return traces


def _ticks(field: Field) -> list[float]:
    """Room temperature, the solidus, boiling, and round numbers well away from them."""
    fixed = [COLDEST_K, field.solidus_k, field.boiling_k]
    free = [t for t in range(500, int(field.boiling_k), 500) if min(abs(t - f) for f in fixed) > 220]
    return sorted([*fixed, *map(float, free)])
