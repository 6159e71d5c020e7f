"""Acting on alerts: the buttons in an alert's row and the one dialog that they open (`ui/assets/page-machine-acts.js`).

The dialog stands outside of what the live feed draws, so that nothing typed is lost when the list moves on.
"""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from twin.alarms.acts import State
from ui import ids
from ui.access.roles import LEAST, may
from ui.access.who import who
from ui.doings.alerts import MOST_MINUTES

WORDS = {"acknowledge": "Acknowledge", "shelve": "Shelve", "unshelve": "Unshelve"}
USUAL_MINUTES = 30
OPEN_TO: dict[State, tuple[str, ...]] = {
    "unacknowledged": ("acknowledge", "shelve"),
    "returned": ("acknowledge",),
    "acknowledged": ("shelve",),
    "shelved": ("unshelve",),
    "cleared": (),
}


def buttons(state: State, machine: str, record: dict[Any, Any], name: str) -> Any:
    """What may be done about an alert in this state; nothing about one that is over and known."""
    if not OPEN_TO[state]:
        return None
    about = {f"data-{each}": str(record[each]) for each in ("build", "kind", "occurrence")} | {"data-machine": machine}
    return html.Div(
        [
            html.Button(
                WORDS[deed],
                type="button",
                className="act",
                **{"data-deed": deed, "aria-haspopup": "dialog", "aria-label": f"{WORDS[deed]}: {name}"},
                **about,
            )
            for deed in OPEN_TO[state]
        ],
        className="acts",
    )


def allowed() -> bool:
    """Whether who looks at this page may act on alerts."""
    person = who()
    return person is None or may(person.role, "acknowledge")


def only_looks() -> Any:
    """What a person reads who may only look; nothing where they may act."""
    if allowed():
        return None
    return html.P(f"To acknowledge or shelve needs the role {LEAST['acknowledge']}.", className="quiet")


def dialog() -> Any:
    """Name where nobody signs in, note, minutes; a refusal in words."""
    person = who()
    signed = person is not None and person.by != "nobody"
    name = [] if signed else [_line(ids.ACT_BY, "Your name", autoComplete="name")]
    return html.Dialog(
        html.Form(
            [
                html.H2(id=ids.ACT_TITLE),
                html.P(id=ids.ACT_ABOUT, className="quiet"),
                *name,
                _line(ids.ACT_NOTE, "Note", autoComplete="off"),
                html.Div(
                    dmc.NumberInput(
                        id=ids.ACT_MINUTES, label="Minutes of silence", value=USUAL_MINUTES, min=1,
                        max=int(MOST_MINUTES), step=15, allowDecimal=False,
                        description="Then it speaks again by itself; at most 12 hours.",
                    ),
                    className="only-shelve",
                ),
                html.P(id=ids.ACT_REFUSED, className="refused", role="alert"),
                html.Div(
                    [
                        html.Span(f"as {person.name}" if signed and person else "", className="quiet"),
                        html.Button("Cancel", type="button", className="act", **{"data-close": "yes"}),
                        html.Button(id=ids.ACT_SEND, type="submit", className="act first"),
                    ],
                    className="acts",
                ),
            ],
            id=ids.ACT_FORM,
        ),
        id=ids.ACT_DIALOG,
        className="dialog",
        **{"aria-labelledby": ids.ACT_TITLE},
    )  # fmt: skip


def said() -> Any:
    """What was done last, said aloud."""
    return html.P(id=ids.ACT_SAID, className="said", role="status")


def _line(name: str, label: str, **more: Any) -> Any:
    return dmc.TextInput(id=name, label=label, value="", **more)
