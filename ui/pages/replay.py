"""Replay: every stored build, and one of them looked back at, with the panels of the machine's page.

The list comes with the live feed. The browser itself asks for moments of a build (`ui/replay/serve.py`,
`assets/replay.js`), because each viewer looks at another one.
"""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from dash import dcc, html

from twin.store.port import Store
from ui.figures import Palette
from ui.live import Page, Part, Props
from ui.pages import machine
from ui.pages.parts import trouble, waiting_panel
from ui.replay.words import wall
from ui.snapshot import number

READ_PERIOD_S = 2.0
MOST = 500
SPEEDS = ("0.001", "0.01", "0.1", "0.5", "1", "2", "10", "100", "1000")
PANELS = {"band", "grid"}  # of the machine's page
ORIGINS = {"live": "a machine", "replay": "a recording", "simulated": "simulated"}
KEYS = (
    ("space", "play, pause"), ("← →", "a frame back, on"), ("[ ]", "layer before, next"), ("p n", "alert before, next"),
    ("- +", "slower, faster"), ("Home End", "begin, end"), ("z", "whole build or one layer"),
)  # fmt: skip


@dataclass(frozen=True)
class Recordings:
    """The stored builds as the store told them at `rows_s`."""

    read_s: float  # wall clock
    waiting_for: str = ""
    trouble: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    rows_s: float = -float("inf")

    def pulse(self) -> dict[str, Any]:
        """See `ui.live.View`. Nothing here is of now, so nothing has an age."""
        return {"machine": "", "machines": [], "age_s": None, "forecast_age_s": None}

    def waits(self, for_what: str, now_s: float) -> "Recordings":
        """See `ui.live.View`."""
        return Recordings(now_s, waiting_for=for_what.replace("No machine has said anything", "No build is stored"))

    def troubled(self, why: str, now_s: float) -> "Recordings":
        """See `ui.live.View`."""
        return replace(self, read_s=now_s, trouble=why)


def read_recordings(store: Store, asked: dict[str, str], before: Recordings, now_s: float) -> Recordings | None:
    """All builds, newest first; None while there is none. Who looks at one needs no list."""
    if asked.get("build"):
        return Recordings(now_s)
    if now_s - before.rows_s < READ_PERIOD_S:
        return replace(before, read_s=now_s, trouble="")
    rows = tuple(store.recordings(MOST).to_dict("records"))
    return Recordings(now_s, rows=rows, rows_s=now_s) if rows else None  # type: ignore[arg-type]


def layout() -> Any:
    """The list, and the replay before any moment; the browser shows the one that the address asks for."""
    panels = [each for each in machine.layout() if set(str(getattr(each, "className", "")).split()) & PANELS]
    return [waiting_panel(), trouble(), _list(), html.Div([_player(), *panels], id="replay", className="replay")]


def _list() -> Any:
    columns = ("build", "machine", "part", "alloy", "layers", "begun", "alerts", "forecast by", "from")
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Stored builds"),
                    html.Label(["Filter ", dcc.Input(id="recordings-filter", type="search", autoComplete="off")]),
                    html.Span(id="recordings-count", className="count", role="status"),
                ]
            ),
            html.Table(
                [
                    html.Thead(html.Tr([html.Th(name, scope="col") for name in columns])),
                    html.Tbody(id="recordings"),
                ]
            ),
        ],
        id="recordings-box",
        className="card recordings",
        **{"aria-label": "Stored builds"},
    )


def _player() -> Any:
    return html.Section(
        [
            html.Header(
                [
                    html.Span("REPLAY", className="badge", title="Stored rows: no machine is doing this now"),
                    html.H2(id="replay-title"),
                    html.Span(["forecast at ", html.B("–", id="moment-wall", className="number")], className="count"),
                    html.Span(["by ", html.B("–", id="moment-by")], className="count by"),
                    html.A("All stored builds", href="/replay", className="back"),
                ]
            ),
            html.Div(
                [
                    dcc.Graph(
                        id="course", config=machine.GRAPH, responsive=True, className="course",
                        style={"height": "168px"}, figure={"data": [], "layout": {}},
                    ),
                    html.Div(id="course-cursor", className="course-cursor", **{"aria-hidden": "true"}),
                    html.Div(id="scrub-box", className="scrub-box"),
                ],
                className="course-box",
            ),
            html.Div(_controls(), className="controls", role="group", **{"aria-label": "Player"}),
            html.P(id="moment-where", className="where", role="status"),
            html.P(id="moment-note", className="layer-note"),
            html.P(
                [html.Span([html.Kbd(key), f" {does}"]) for key, does in KEYS], id="keys", className="keys",
            ),
        ],
        className="card player",
        **{"aria-label": "Replay"},
    )  # fmt: skip


def _controls() -> list[Any]:
    return [
        _button("alert-before", "|◂!", "Alert before (p)"),
        _button("layer-before", "|◂", "Layer before ([)"),
        _button("frame-before", "◂", "A frame back (left arrow)"),
        _button("play", "Play", "Play or pause (space)"),
        _button("frame-after", "▸", "A frame on (right arrow)"),
        _button("layer-after", "▸|", "Next layer (])"),
        _button("alert-after", "!▸|", "Next alert (n)"),
        html.Label(
            [
                "Speed ",
                html.Select(
                    [html.Option(f"{speed}×", value=speed) for speed in SPEEDS],
                    id="speed",
                    title="process seconds in a second (- and +)",
                ),
            ]
        ),
        html.Label([html.Span(id="pauses-box"), "leave pauses out"]),
        html.Label(
            [
                "Show ",
                html.Select(
                    [html.Option("whole build", value="build"), html.Option("this layer", value="layer")], id="zoom"
                ),
            ]
        ),
        html.Label(["Beside ", html.Select([html.Option("nothing", value="")], id="beside")]),
        html.Output(id="moment-at", className="number"),
        html.Span(id="play-note", className="count", role="status"),
    ]


def _button(name: str, sign: str, says: str) -> Any:
    return html.Button(sign, id=name, type="button", title=says, **{"aria-label": says})


def _rows(view: Recordings, palette: Palette) -> Props:
    del palette
    return {"recordings": {"children": [_row(row) for row in view.rows]}}


def _row(row: dict[str, Any]) -> Any:
    machine_name, build = str(row["machine"]), str(row["build"])
    address = "/replay?" + urlencode({"machine": machine_name, "build": build})
    begun, of = int(row["begun"]), number(row["layers"])
    first, last = number(row["first_layer"]), number(row["last_layer"])
    numbers = f" ({first:.0f} to {last:.0f})" if first is not None and last is not None and last > first else ""
    layers = f"{begun:,}" + (f" of {of:,.0f}" if of is not None else "") + numbers
    alerts = int(row["alerts"])
    cells = [
        html.Th(html.A(build, href=address), scope="row"),
        html.Td(machine_name),
        html.Td(row["part"] or "–"),
        html.Td(row["material"] or "–"),
        html.Td(layers, className="number"),
        html.Td(wall(float(row["received_s"])), className="number"),
        html.Td(f"{alerts:,}" if alerts else "none", className="number"),
        html.Td(row["operator"] or "not forecast"),
        html.Td(ORIGINS.get(str(row["origin"]), "–")),
    ]
    return html.Tr(cells, **{"data-words": f"{machine_name} {build} {row['part']} {row['material']}".lower()})


PAGE = Page("replay", "/replay", "Replay", layout, Recordings(0.0), read_recordings, (Part("recordings", 0.9, _rows),))
