"""Process map: regimes and limits over scan speed and beam power, where a card was trained, and where builds lie.

Greys are regimes, from conduction to keyhole, so that a limit is seen without colour: each is a line with its own dash.
What a card was trained on is outlined and shaded in the forecast's blue; outside, it claims nothing. Numbers come from
`twin/process_map.py`; here only metres become micrometres.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ui.figures.style import Palette, axis, layout, message_figure, note

GREYS = {
    "light": ("#f7f8f9", "#e6eaee", "#ccd3da"),  # conduction, transition, keyhole
    "dark": ("#20262d", "#2b333c", "#3b4651"),
}
SPOT = 0.05  # a build's spot counts as the map's within this share
LINES = (  # quantity, limit, dash, name
    ("lack_of_fusion", "lack_of_fusion", "dash", "lack of fusion"),
    ("keyhole_number", "deep_keyhole", "dot", "deep keyhole"),
    ("balling", "balling_share", "dashdot", "balling"),
)


@dataclass(frozen=True)
class Point:
    """A stored build, as it was planned."""

    machine: str
    build: str
    beam_power_w: float
    scan_speed_m_per_s: float
    beam_diameter_m: float


def process_map(
    told: Mapping[str, Any] | None, card: str, points: Sequence[Point], palette: Palette, waiting: str = ""
) -> go.Figure:
    """The figure. `told`: the answer of a request `process_map`; without one `waiting` says why there is none."""
    if told is None:
        return message_figure(waiting or "No map yet.", palette)
    figure = go.Figure(layout=_layout(told, palette))
    figure.add_trace(_regimes(told, palette))
    trained = told["cards"].get(card)
    if trained is not None and _crosses(trained["beyond"], 0.0):
        figure.add_trace(_line(told, trained["beyond"], 0.0, palette.forecast, "solid", f"{card}: trained", width=2.5))
        figure.add_trace(_shade(told, trained["beyond"], palette))
    limits = dict(told["limits"]) | {"balling_share": 1.0}
    for quantity, limit, dash, name in LINES:
        if _crosses(told[quantity], limits[limit]):
            figure.add_trace(_line(told, told[quantity], limits[limit], palette.ink, dash, name))
    figure.add_traces(_builds(told, points, palette))
    return figure


def _regimes(told: Mapping[str, Any], palette: Palette) -> go.Heatmap:
    """0, 1, 2 on a grid that is finer than the map's, so that the limits are smooth: the boiling number is nearly a
    power law, so it is interpolated by its logarithm."""
    x, y, numbers = _finer(told, told["boiling_number"])
    limits, greys = told["limits"], GREYS[palette.name]
    kinds = (numbers >= limits["calm"]).astype(int) + (numbers >= limits["boiling"])
    scale = [[0, greys[0]], [1 / 3, greys[0]], [1 / 3, greys[1]], [2 / 3, greys[1]], [2 / 3, greys[2]], [1, greys[2]]]
    return go.Heatmap(
        x=x, y=y, z=kinds, zmin=-0.5, zmax=2.5, colorscale=scale, showscale=False, hoverinfo="skip", meta="regime"
    )


def _finer(told: Mapping[str, Any], values: Any, times: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    speeds, powers = np.log(told["scan_speed_m_per_s"]), np.asarray(told["beam_power_w"])
    x = np.linspace(speeds[0], speeds[-1], times * len(speeds))
    y = np.linspace(powers[0], powers[-1], times * len(powers))
    across = np.array([np.interp(x, speeds, row) for row in np.log(values)])
    both = np.array([np.interp(y, powers, column) for column in across.T]).T
    return np.exp(x), y, np.exp(both)


def _line(
    told: Mapping[str, Any], values: Any, at: float, colour: str, dash: str, name: str, width: float = 1.6
) -> go.Contour:
    """One level of a quantity."""
    return go.Contour(
        x=told["scan_speed_m_per_s"], y=told["beam_power_w"], z=values, name=name, meta=name, showscale=False,
        contours={"start": at, "end": at, "size": 1.0, "coloring": "none"}, connectgaps=True, hoverinfo="skip",
        line={"color": colour, "width": width, "dash": dash, "smoothing": 0.6}, showlegend=True,
    )  # fmt: skip


def _shade(told: Mapping[str, Any], beyond: Any, palette: Palette) -> go.Contour:
    """Inside of the envelope."""
    inside = np.minimum(np.asarray(beyond), 0.5)
    clear = "rgba(0,0,0,0)"
    return go.Contour(
        x=told["scan_speed_m_per_s"], y=told["beam_power_w"], z=inside, showscale=False, hoverinfo="skip", meta="shade",
        contours={"type": "constraint", "operation": ">", "value": 0.0, "showlines": False},
        fillcolor=palette.band, line={"width": 0, "color": clear}, showlegend=False,
    )  # fmt: skip


def _builds(told: Mapping[str, Any], points: Sequence[Point], palette: Palette) -> list[go.Scatter]:
    """Builds with the map's spot are filled, those with another hollow."""
    traces = []
    for same in (True, False):
        mine = [point for point in points if _near(point, told) is same]
        if not mine:
            continue
        text = [
            f"{p.build} on {p.machine}<br>{p.beam_power_w:.0f} W, {_speed(p.scan_speed_m_per_s)}, "
            f"spot {p.beam_diameter_m * 1e6:.0f} µm"
            for p in mine
        ]
        traces.append(
            go.Scatter(
                x=[p.scan_speed_m_per_s for p in mine], y=[p.beam_power_w for p in mine], mode="markers", text=text,
                name="stored builds" if same else "builds with another spot", meta="builds" if same else "other spot",
                hovertemplate="%{text}<extra></extra>", showlegend=True,
                marker={"size": 9, "symbol": "circle" if same else "circle-open", "color": palette.ink,
                        "line": {"color": palette.panel if same else palette.ink, "width": 1.5}},
            )
        )  # fmt: skip
    return traces


def _near(point: Point, told: Mapping[str, Any]) -> bool:
    return abs(math.log(point.beam_diameter_m / told["beam_diameter_m"])) <= SPOT


def _crosses(values: Any, level: float) -> bool:
    array = np.asarray(values, dtype=float)
    return bool(array.min() < level < array.max())


def _speed(metres_per_s: float) -> str:
    return f"{metres_per_s:.2f} m/s" if metres_per_s >= 0.1 else f"{metres_per_s * 1e3:.1f} mm/s"


def _layout(told: Mapping[str, Any], palette: Palette) -> dict[str, Any]:
    speeds, powers = told["scan_speed_m_per_s"], told["beam_power_w"]
    x_range = [math.log10(speeds[0]), math.log10(speeds[-1])]
    ticks = [value * 10.0**power for power in range(-4, 3) for value in (1, 2, 5)]
    shown = [tick for tick in ticks if speeds[0] <= tick <= speeds[-1]]
    fast = speeds[-1] >= 0.3
    told_ticks = [f"{tick:g}" if fast else f"{tick * 1e3:g}" for tick in shown]
    title = f"scan speed, {'m/s' if fast else 'mm/s'}"
    return layout(
        palette,
        f"{told['material']}, {told['beam_diameter_m']}",
        margin={"l": 56, "r": 14, "t": 36, "b": 44},
        xaxis=axis(palette, title, type="log", range=x_range, tickvals=shown, ticktext=told_ticks, showgrid=False),
        yaxis=axis(palette, "beam power, W", range=[powers[0], powers[-1]], showgrid=False),
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "top", "yref": "container",  # a margin comes late
                "font": {"size": 12, "color": palette.ink}, "bgcolor": "rgba(0,0,0,0)"},
        showlegend=True,
        annotations=_names(told, palette),
    )  # fmt: skip


def _names(told: Mapping[str, Any], palette: Palette) -> list[dict[str, Any]]:
    """The regimes' names, each in the middle of what it has of the map."""
    numbers, limits = np.asarray(told["boiling_number"]), told["limits"]
    kinds = (numbers >= limits["calm"]).astype(int) + (numbers >= limits["boiling"])
    speeds, powers = np.log10(told["scan_speed_m_per_s"]), np.asarray(told["beam_power_w"])
    found = []
    for kind, name in enumerate(("conduction", "transition", "keyhole")):
        rows, columns = np.nonzero(kinds == kind)
        if len(rows) < 12:
            continue
        inner = columns[columns < len(speeds) - 4]  # a name does not run out of the figure
        column = int(np.median(inner)) if kind != 1 else int(inner.max())  # the narrow stretch is widest on the right
        here = rows[columns == column]
        lowest = powers[0] + 0.06 * (powers[-1] - powers[0])
        found.append(note(name, palette, x=float(speeds[column]), y=max(float(powers[here].mean()), lowest)))
    return found
