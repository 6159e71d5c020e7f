"""What all figures share: two palettes, the units of length, axes, and the figure that only carries a message.

Greys carry what is normal and one blue carries the forecast; amber and red are left for what is not normal (ISA-101).
Temperature is inferno on a fixed scale, so that one colour means one temperature for as long as a build lasts.
"""

import math
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, sans-serif"
TEMPERATURE_SCALE = "Inferno"
COLDEST_K = 300.0


@dataclass(frozen=True)
class Palette:
    """Colours by role, for one colour scheme."""

    name: str
    ink: str
    muted: str
    faint: str
    line: str
    panel: str
    observed: str
    estimate: str
    forecast: str
    forecast_wash: str
    band: str  # between which the size lies
    second: str  # another operator's opinion beside the forecast
    caution: str
    capped: str
    off_wash: str
    shell: str
    surface: str


LIGHT = Palette(
    name="light",
    ink="#1f2933",
    muted="#616e7c",
    faint="#9aa5b1",
    line="#e4e7eb",
    panel="#ffffff",
    observed="rgba(97,110,124,0.38)",
    estimate="#1f2933",
    forecast="#1c6dd0",
    forecast_wash="rgba(28,109,208,0.06)",
    band="rgba(28,109,208,0.16)",
    second="#8a4fa8",
    caution="#b45309",
    capped="#8d99a6",
    off_wash="rgba(97,110,124,0.10)",
    shell="#8795a6",
    surface="#cbd2d9",
)
DARK = Palette(
    name="dark",
    ink="#e4e7eb",
    muted="#9aa5b1",
    faint="#616e7c",
    line="#2f3842",
    panel="#1b2026",
    observed="rgba(154,165,177,0.42)",
    estimate="#f0f2f5",
    forecast="#63a8ff",
    forecast_wash="rgba(99,168,255,0.09)",
    band="rgba(99,168,255,0.20)",
    second="#c79be3",
    caution="#f0a63a",
    capped="#7b8794",
    off_wash="rgba(154,165,177,0.10)",
    shell="#8795a6",
    surface="#3e4c59",
)


@dataclass(frozen=True)
class LengthUnit:
    """A unit of length that a person of one process expects: its name and how many of it make a metre."""

    name: str
    per_m: float
    digits: int

    def say(self, metres: float) -> str:
        """`142 µm`, `1.42 mm`."""
        return f"{metres * self.per_m:.{self.digits}f} {self.name}"


LPBF = LengthUnit("µm", 1e6, 0)
DED = LengthUnit("mm", 1e3, 2)


def axis(palette: Palette, title: str = "", **more: Any) -> dict[str, Any]:
    """A quiet axis: light grid, no zero line, the title with its unit."""
    return {
        "title": {"text": title, "standoff": 6, "font": {"size": 12, "color": palette.muted}},
        "tickfont": {"size": 11, "color": palette.muted},
        "gridcolor": palette.line,
        "linecolor": palette.line,
        "ticks": "",
        "zeroline": False,
        "automargin": False,
        "fixedrange": False,
        **more,
    }


def layout(palette: Palette, revision: str, **more: Any) -> dict[str, Any]:
    """The frame of every figure. `revision` keeps zoom and camera as the user left them across updates."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": palette.ink},
        "margin": {"l": 52, "r": 12, "t": 8, "b": 38},
        "showlegend": False,
        "uirevision": revision,
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": palette.faint, "activecolor": palette.ink},
        "template": {},  # plotly's own weighs 7 kB a figure
        **more,
    }


def note(text: str, palette: Palette, **more: Any) -> dict[str, Any]:
    """A small line of text in the figure."""
    return {"text": text, "showarrow": False, "font": {"size": 12, "color": palette.muted}, **more}


def blank() -> dict[str, Any]:
    """What a graph holds before its first drawing: nothing, in the colour of its card."""
    hidden = {"visible": False, "fixedrange": True}
    colours = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
    return {"data": [], "layout": {**colours, "xaxis": hidden, "yaxis": hidden}}


def message_figure(message: str, palette: Palette) -> go.Figure:
    """A figure that has nothing to draw says so."""
    centre = note(message, palette, xref="paper", yref="paper", x=0.5, y=0.5)
    centre["font"] = {"size": 13, "color": palette.muted}
    hidden = {"visible": False, "fixedrange": True}
    return go.Figure(layout=layout(palette, "empty", annotations=[centre], xaxis=hidden, yaxis=hidden))


def round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten: an axis limit that seldom changes."""
    if value <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(value))
    return next(step * decade for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * decade >= value * (1 - 1e-9))


def in_steps(length_m: float) -> float:
    """The next power of 1.25 m: a limit of a picture that does not tremble with what it shows."""
    if length_m <= 0:
        return 1e-6
    return 1.25 ** math.ceil(math.log(length_m) / math.log(1.25))
