"""Attribution: what each stretch of the past has brought to a number of a forecast, and where heat would change it.

`moments` draws an answer's table (`twin.attribution.because.table`): spans that double in length from now into the
past, the newest at the right as on the timeline. `places` draws the two cuts of its map in the frame of the beam.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from ui.figures.style import LengthUnit, Palette, axis, in_steps, layout, note

CAUSES = ("power", "scan speed", "direction")
PERCENT = ("1 % power", "1 % scan speed")
PATTERNS = ("", "/", ".")  # a cause is told by its hatching as well as by its colour
LEFT: dict[str, Any] = {"xref": "paper", "yref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom"}
SHOWN = 0.04  # of the largest: weaker places are left out of the view
GAP = 0.15


def moments(answer: dict[str, Any], palette: Palette) -> go.Figure:
    """Above: what power, scan speed and direction of each stretch have brought of the difference from nominal. Below:
    what 1 % more power, or scan speed, in that stretch alone would change. In um, as the sentence says it, or K."""
    rows = list(reversed(answer["table"]))
    name = "K" if answer["of"] == "temperature" else "µm"
    place = np.arange(len(rows)) + 0.5
    spans = [f"{plain(row['from'])} to {plain(row['to'])}" for row in rows]
    colours = (palette.forecast, palette.second, palette.muted)
    data = [
        _bars(place, [row[cause] for row in rows], cause, colour, pattern, name, spans, "y")
        for cause, colour, pattern in zip(CAUSES, colours, PATTERNS, strict=True)
    ]
    data += [
        _bars(place, [row[each] for row in rows], each, colour, pattern, name, spans, "y2")
        for each, colour, pattern in zip(PERCENT, colours, PATTERNS, strict=False)
    ]
    ends = [plain(rows[0]["from"]), *(plain(row["to"]) for row in rows)]
    x = axis(palette, range=[0, len(rows)], tickvals=list(range(len(rows) + 1)), ticktext=ends, automargin=True)
    captions = [
        note(f"<b>What each stretch of the past has brought</b>, {name}", palette, **LEFT | {"y": 1.0}),
        note(f"<b>What 1 % more in it would change</b>, {name}", palette, **LEFT | {"y": 0.5 - GAP / 2}),
    ]
    return go.Figure(
        data=data,
        layout=layout(
            palette,
            "why-moments",
            barmode="relative",
            bargap=0.25,
            margin={"l": 46, "r": 26, "t": 24, "b": 24},
            annotations=captions,
            xaxis={**x, "anchor": "y2"},
            yaxis=axis(palette, domain=[0.5 + GAP / 2, 1], nticks=4, zeroline=True, zerolinecolor=palette.faint),
            yaxis2=axis(palette, domain=[0, 0.5 - GAP / 2], nticks=4, zeroline=True, zerolinecolor=palette.faint),
            hovermode="closest",
        ),
    )


def _bars(
    x: np.ndarray, y: list[float], name: str, colour: str, pattern: str, unit: str, spans: list[str], at: str
) -> go.Bar:
    return go.Bar(
        x=x,
        y=np.array(y, np.float32),
        name=name,
        marker={"color": colour, "pattern": {"shape": pattern, "size": 5, "solidity": 0.35}},
        text=spans,
        textposition="none",
        hovertemplate=f"{name}: %{{y:+.3~g}} {unit}<br>%{{text}}<extra></extra>",
        yaxis=at,
    )


def plain(text: str) -> str:
    """`62 us ago` as a tick says it: `62 µs`; what lies ahead keeps its `in`."""
    return text.removesuffix(" ago").replace(" us", " µs")


def places(spatial: dict[str, Any], unit: LengthUnit, palette: Palette) -> go.Figure:
    """Where heat, `lag_s` ago, changes the number: from above, and along the middle. Relative to the largest, more of
    the number one colour and less the other; the beam stands at 0."""
    x, y, z = (np.array(spatial[f"{name}_m"], float) * unit.per_m for name in "xyz")
    surface, section = (np.array(spatial[name], np.float32).T for name in ("surface", "section"))
    begin, end, half, depth = (length * unit.per_m for length in view(spatial))
    share = (1 - GAP) * 2 * half / (2 * half + depth)
    shared = {"coloraxis": "coloraxis", "zsmooth": "best"}
    spot = f"%{{z:+.2f}} of the largest, at %{{x:.{unit.digits}f}}, %{{y:.{unit.digits}f}} {unit.name}<extra></extra>"
    data = [
        go.Heatmap(x=x, y=y, z=surface, name="surface", hovertemplate=spot, **shared),
        go.Heatmap(x=x, y=z, z=section, name="section", hovertemplate=spot, xaxis="x2", yaxis="y2", **shared),
        _beam(palette, "x", "y"),
        _beam(palette, "x2", "y2"),
    ]
    return go.Figure(
        data=data,
        layout=layout(
            palette,
            "why-places",
            margin={"l": 46, "r": 64, "t": 24, "b": 38},
            annotations=[
                note("<b>From above</b>, scan direction →", palette, **LEFT | {"y": 1.0}),
                note("<b>Along the middle</b>", palette, **LEFT | {"y": 1 - share - GAP + 0.02}),
            ],
            xaxis=axis(palette, range=[begin, end], showticklabels=False, anchor="y"),
            yaxis=axis(palette, unit.name, domain=[1 - share, 1], range=[-half, half], scaleanchor="x", nticks=4),
            xaxis2=axis(palette, f"along the scan, {unit.name}", range=[begin, end], matches="x", anchor="y2"),
            yaxis2=axis(
                palette, unit.name, domain=[0, 1 - share - GAP], range=[depth, 0], scaleanchor="x2", anchor="x2",
                nticks=3,
            ),
            coloraxis={
                "cmin": -1,
                "cmax": 1,
                "colorscale": [[0, "#b8752f"], [0.5, palette.panel], [1, "#1f9e89"]],
                "colorbar": {
                    "tickvals": [-1, 0, 1],
                    "ticktext": ["less", "0", "more"],
                    "tickfont": {"size": 11, "color": palette.muted},
                    "thickness": 10,
                    "outlinewidth": 0,
                    "x": 1.02,
                },
            },
        ),
    )  # fmt: skip


def view(spatial: dict[str, Any]) -> tuple[float, float, float, float]:
    """What to show, in metres: begin and end along the scan, half the width, and the depth of what counts."""
    surface, section = (np.abs(np.array(spatial[name], float)) > SHOWN for name in ("surface", "section"))
    x, y, z = (np.array(spatial[f"{name}_m"], float) for name in "xyz")
    along = np.flatnonzero(surface.any(axis=1) | section.any(axis=1))
    across, down = np.flatnonzero(surface.any(axis=0)), np.flatnonzero(section.any(axis=0))
    begin, end = (float(x[along[0]]), float(x[along[-1]])) if len(along) else (float(x[0]), float(x[-1]))
    half = in_steps(float(np.abs(y[across]).max()) if len(across) else float(np.abs(y).max()))
    depth = in_steps(float(z[down[-1]]) if len(down) else float(z[-1]))
    margin = 0.1 * (end - begin)
    return (
        max(begin - margin, float(x[0])),
        min(max(end, 0.0) + margin, float(x[-1])),
        min(half, float(np.abs(y).max())),
        min(max(depth, 0.4 * half), float(z[-1])),
    )


def _beam(palette: Palette, x: str, y: str) -> go.Scatter:
    return go.Scatter(
        x=[0.0],
        y=[0.0],
        mode="markers",
        marker={"symbol": "cross-thin", "size": 12, "line": {"width": 2, "color": palette.ink}},
        hovertemplate="beam<extra></extra>",
        name="beam",
        cliponaxis=False,
        xaxis=x,
        yaxis=y,
    )
