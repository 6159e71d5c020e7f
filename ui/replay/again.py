"""The form by which a person asks for a forecast again: by whom, with which beam, how many frames from here on."""

from typing import Any

from dash import dcc, html

from ui.access.roles import LEAST, may
from ui.access.who import who
from ui.replay import asking

FACTORS = {"power": "beam power", "speed": "scan speed", "absorptivity": "absorptivity"}
USUAL_FRAMES = 200


def again() -> Any:
    """Closed until it is wanted; who may not ask reads why."""
    person = who()
    if person is not None and not may(person.role, "ask"):
        return html.P(f"To ask for another forecast needs the role {LEAST['ask']}.", className="again-not")
    signed = person is not None and person.by != "nobody"
    fields = [
        _field("again-operator", "operator", list="again-operators", placeholder="as then", maxLength=128),
        html.Datalist([html.Option(value="reference")], id="again-operators"),
        *(_per_cent(f"again-{factor}", words) for factor, words in FACTORS.items()),
        _field("again-frames", "frames", type="number", value=USUAL_FRAMES, min=1, max=asking.MOST_FRAMES, step=1),
        *([] if signed else [_field("again-by", "your name", maxLength=64, autoComplete="name")]),
        html.Button("Ask", type="submit", id="again-ask"),
        html.Progress(id="again-share", max="1", value="0", hidden=True, **{"aria-label": "done"}),
        html.Span(id="again-said", className="count", role="status"),
    ]
    summary = html.Summary("Forecast again from here…")
    return html.Details([summary, html.Form(fields, id="again-form")], id="again", className="again")


def _field(name: str, words: str, unit: str = "", **more: Any) -> Any:
    return html.Label([f"{words} ", dcc.Input(**({"id": name, "type": "text"} | more)), unit])


def _per_cent(name: str, words: str) -> Any:
    return _field(name, words, " %", type="number", value=100, min=asking.LEAST, max=asking.MOST, step=1)
