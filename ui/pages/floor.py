"""The floor: every machine as one calm tile, in a place that does not change. Colour is for what is not normal."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dash import html

from ui import ids
from ui.figures import Palette
from ui.hall import Hall, read_hall
from ui.live import Page, Part, Props
from ui.pages.lists import SEVERITIES
from ui.pages.parts import trouble, waiting_panel
from ui.snapshot import number, outcome_of
from ui.words import ALERT_KINDS, Verdict, seen, until, verdict

DENSE = 40  # from so many machines on, a tile says only what tells it from a calm one
OFFLINE = Verdict("Machine offline", "It said goodbye, or was lost.", "cross", "waiting")
ACT, WATCH, GOOD, OFF = (
    "act now",
    "to watch",
    "in order",
    "offline",
)  # live.js counts them, and those without fresh data


def layout() -> Any:
    """The page before any row."""
    return [
        waiting_panel(),
        trouble(),
        html.P(id=ids.HALL_SUMMARY, className="hall-summary", role="status"),
        html.Ul(id=ids.HALL, className="hall", **{"aria-label": "Machines"}),
    ]


@dataclass(frozen=True)
class _State:
    """What a tile says first: the worst of the machine's state, its forecast's outcome and its open alerts."""

    said: Verdict
    group: str


def _state(row: dict[str, Any]) -> _State:
    outcome = outcome_of(row) if row["outcome"] else None
    said = verdict(outcome, bool(row["withheld"]))
    if row["status"] == "offline":
        return _State(OFFLINE, OFF)
    if row["worst_severity"]:
        shape, tone, word = SEVERITIES[row["worst_severity"]]
        kind = ALERT_KINDS.get(row["worst_kind"], str(row["worst_kind"]).replace("_", " "))
        if row["worst_severity"] == "high" or said.tone == "normal":
            group = ACT if row["worst_severity"] == "high" else WATCH
            return _State(Verdict(kind, word, shape, tone), group)  # type: ignore[arg-type]
    if said.tone in ("caution", "fault"):
        return _State(said, WATCH)
    return _State(said, GOOD)


def _tiles(hall: Hall, palette: Palette) -> Props:
    del palette
    dense = " dense" if len(hall.machines) > DENSE else ""
    return {ids.HALL: {"children": [_tile(row, hall) for row in hall.machines], "className": f"hall{dense}"}}


def _tile(row: dict[str, Any], hall: Hall) -> Any:
    machine, state = str(row["machine"]), _state(row)
    said, since_s = state.said, number(row["worst_since_s"])
    more = f"{row['open_alerts']} open, first {seen(since_s, hall.read_s)}" if since_s is not None else ""
    origin = {"simulated": "SIMULATED", "replay": "REPLAY"}.get(str(row["origin"]), "")
    body = [
        html.Div([html.B(machine, className="name"), html.Span(origin, className="badge") if origin else None]),
        html.Div(
            [
                html.Span(className=f"glyph {said.shape}", **{"aria-hidden": "true"}),
                html.Span(said.word, className="word"),
            ],
            className="say",
            title=f"{said.more} {more}".strip(),
        ),
        html.Div(
            [
                html.Span(className="glyph clock", **{"aria-hidden": "true"}),
                html.Span("No fresh data", className="word"),
            ],
            className="say when-stale",
        ),
        html.Div([html.Span(str(row["part"] or row["build"] or "–"), className="part"), _layer(row)], className="work"),
        html.Div(
            [html.Span(_end(row, hall.read_s)), html.Span(["data ", html.Span(className="age number")])],
            className="foot",
        ),
    ]
    return html.Li(
        html.A(body, href=f"/machine?machine={quote(machine)}", className=f"tile {said.tone}"),
        **{"data-machine": machine, "data-group": state.group},
    )


def _layer(row: dict[str, Any]) -> Any:
    """`layer 8 of 40`; nothing before the first."""
    layer, layers = number(row["layer"]), number(row["layers"])
    text = "" if layer is None else f"layer {layer:.0f}" + (f" of {layers:.0f}" if layers is not None else "")
    return html.Span(text, className="number")


def _end(row: dict[str, Any], now_s: float) -> str:
    ends_s = number(row["ends_s"])
    return "" if ends_s is None or row["status"] == "offline" else until(ends_s - now_s)


PAGE = Page("floor", "/", "Floor", layout, Hall(0.0), read_hall, (Part("tiles", 0.9, _tiles),))
