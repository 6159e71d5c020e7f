"""What people said of a build: whether it is good, and notes with their places; and the forms by which they say it."""

from typing import Any

import pandas as pd
from dash import dcc, html

from ui import ids
from ui.access.roles import LEAST, Act, may
from ui.access.who import who
from ui.pages.builds.listing import utc
from ui.shelf import OneBuild
from ui.snapshot import number
from ui.words import where

SHAPES = {"": "the whole layer", "point": "a point", "circle": "a circle", "rectangle": "a rectangle"}
COORDINATES = {  # of a place: how each is called, and the shapes that have it
    "x": ("x, mm", "point circle rectangle"), "y": ("y, mm", "point circle rectangle"),
    "radius": ("radius, mm", "circle"), "x1": ("to x, mm", "rectangle"), "y1": ("to y, mm", "rectangle"),
}  # fmt: skip


def _refusal(act: Act) -> list[Any]:
    """Why there is no form, for a person whose role may not do this; the server refuses it in any case."""
    person = who()
    if person is None or may(person.role, act):
        return []
    return [
        html.P(f"Your role, {person.role}, may not do this: it needs the role {LEAST[act]}.", className="quiet may-not")
    ]


def _name_field(act: Act) -> list[Any]:
    """Where nobody signs in, who it is."""
    person = who()
    if person is not None and person.by != "nobody":
        return []
    return [labelled("Your name", dcc.Input(id=ids.by(act), type="text", maxLength=64, autoComplete="name"), "by")]


def labelled(text: str, field: Any, kind: str = "") -> Any:
    """A field in its label."""
    return html.Label([html.Span(text), field], className=f"field {kind}".strip())


def good_form() -> Any:
    """Mark the build good, or take that back."""
    fields = _refusal("approve") or [
        labelled("Why (inspection, by which method)", dcc.Input(id=ids.GOOD_WHY, type="text", maxLength=500), "wide"),
        *_name_field("approve"),
        html.Button("Mark as good", type="submit", className="do"),
        html.P(className="said", role="status"),
    ]
    return html.Form(
        [html.Div(id=ids.BUILD_GOOD), *fields],
        id=ids.GOOD_FORM,
        className="form",
    )


def note_form() -> Any:
    """A note on the build, on the layer that is looked at, or on a place there; coordinates in mm."""
    if refusal := _refusal("note"):
        return html.Div(refusal, className="form")
    places = [html.Option(text, value=name) for name, text in SHAPES.items()]
    fields = [
        labelled(text, dcc.Input(id=ids.note_coordinate(name), type="number", step="any"), f"at {kind}")
        for name, (text, kind) in COORDINATES.items()
    ]
    return html.Form(
        [
            labelled("Note", html.Textarea(id=ids.NOTE_TEXT, maxLength=2000, rows=2), "wide"),
            labelled("Layer (empty: the build)", dcc.Input(id=ids.NOTE_LAYER, type="number", min=0, step=1)),
            labelled("On", html.Select(places, id=ids.NOTE_SHAPE)),
            *fields,
            *_name_field("note"),
            html.Button("Keep the note", type="submit", className="do"),
            html.P(className="said", role="status"),
        ],
        id=ids.NOTE_FORM,
        className="form",
    )


def good_state(one: OneBuild) -> Any:
    """Whether it is good now, and all that was said of that."""
    marks = list(one.marks.itertuples())
    is_good = bool(marks and marks[-1].good)
    if not marks:
        said: list[Any] = [html.Span(className="glyph"), "Nobody has marked this build."]
    else:
        last = marks[-1]
        sign = html.Span(className=f"glyph {'check' if is_good else 'cross'}", **{"aria-hidden": "true"})
        word = html.B("Marked good" if is_good else "No longer good")
        said = [sign, html.Span([word, f" by {last.by}, {utc(last.at_s)}: {last.note}"])]
    state = html.Div(said, className="state", **{"data-good": "yes" if is_good else "no"})
    if len(marks) < 2:
        return [state]
    lines = [html.Li(f"{utc(m.at_s)}, {m.by}: {'good' if m.good else 'taken back'}: {m.note}") for m in marks[-2::-1]]
    return [state, html.Details([html.Summary(f"before that ({len(lines)})"), html.Ul(lines)])]


def notes_list(notes: pd.DataFrame) -> Any:
    """Newest first; one that was withdrawn stays, struck out, with who and why."""
    if notes.empty:
        return html.P("No notes yet.", className="quiet")
    return html.Ul([_note(note) for note in notes.itertuples()])


def _note(note: Any) -> Any:
    layer, withdrawn = number(note.layer), not pd.isna(note.withdrawn_s)
    place: Any = where(note)
    if layer is not None:
        place = html.Button(place, type="button", className="go", **{"data-layer": f"{layer:.0f}"})
    lines = [
        html.Div([html.B(f"{note.id}", className="mark-up"), place], className="head"),
        html.Div(html.Del(note.text) if withdrawn else note.text, className="text"),
        html.Div(f"{note.by}, {utc(note.at_s)}", className="moments"),
    ]
    if withdrawn:
        lines.append(html.Div(f"withdrawn by {note.withdrawn_by}, {utc(note.withdrawn_s)}: {note.withdrawn_why}"))
    else:
        lines.append(html.Button("Withdraw", type="button", className="withdraw", **{"data-note": str(note.id)}))
    return html.Li(lines, className="note withdrawn" if withdrawn else "note")
