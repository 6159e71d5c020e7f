"""The form by which a person asks for a forecast again: by whom, with which beam, how many frames from here on."""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from ui import ids
from ui.access.roles import LEAST, may
from ui.access.who import who
from ui.replay import asking

FACTORS = {"power": "Beam power", "speed": "Scan speed", "absorptivity": "Absorptivity"}
USUAL_FRAMES = 200


def again() -> Any:
    """Closed until it is wanted; who may not ask reads why."""
    person = who()
    if person is not None and not may(person.role, "ask"):
        return html.P(f"To ask for another forecast needs the role {LEAST['ask']}.", className="again-not")
    signed = person is not None and person.by != "nobody"
    fields = [
        dmc.Autocomplete(id=ids.AGAIN_OPERATOR, label="Operator", placeholder="as then", data=[], size="xs", w=190),
        *(
            _number(ids.again_factor(factor), f"{words}, %", 100, int(asking.LEAST), int(asking.MOST))
            for factor, words in FACTORS.items()
        ),
        _number(ids.AGAIN_FRAMES, "Frames", USUAL_FRAMES, 1, asking.MOST_FRAMES),
        *([] if signed else [dmc.TextInput(id=ids.AGAIN_BY, label="Your name", size="xs", w=140)]),
        html.Button("Ask", type="submit", id=ids.AGAIN_ASK),
        html.Progress(id=ids.AGAIN_SHARE, max="1", value="0", hidden=True, **{"aria-label": "done"}),
        html.Span(id=ids.AGAIN_SAID, className="count", role="status"),
    ]
    summary = html.Summary("Forecast again from here…")
    return html.Details([summary, html.Form(fields, id=ids.AGAIN_FORM)], id=ids.AGAIN, className="again")


def _number(name: str, words: str, value: int, least: int, most: int) -> Any:
    return dmc.NumberInput(
        id=name, label=words, value=value, min=least, max=most, allowDecimal=False, hideControls=True, size="xs", w=110
    )
