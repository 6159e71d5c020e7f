"""Who serves what: each machine with the card that forecasts it, who let that, and since when; the acts before; and
the form by which an engineer promotes a card or rolls back. What a machine's settings say stands until then."""

from datetime import UTC, datetime
from typing import Any

from dash import html

from twin.store.approvals import BY_SETTINGS
from ui import ids
from ui.access.roles import LEAST, may
from ui.access.who import who
from ui.figures import Palette
from ui.live import Props
from ui.models.gallery import Gallery, Serving
from ui.pages.fields import choice, words
from ui.pages.models.tables import table
from ui.words import seen

SETTINGS = "card of the settings"
ACTS = {"promoted": "promoted", "rolled_back": "rolled back to", "approved": "approved once more"}
HEADER = ("machine", "forecasts now", "approved to serve", "by", "since", "why")


def layout() -> Any:
    """The section before any row. The form is for who may; others read why they may not."""
    return html.Section(
        [
            html.H2("What serves where"),
            html.Div(id=ids.SERVING),
            _form(),
            html.Details([html.Summary("Acts, newest first"), html.Div(id=ids.APPROVALS)]),
        ],
        className="panel of-all", **{"aria-label": "What serves where"},
    )  # fmt: skip


def draw(gallery: Gallery, palette: Palette) -> Props:
    """The table, the acts, and what the form offers."""
    del palette
    machines = [each.machine for each in gallery.serving]
    names = [(name, f"{name}|{sha256}") for name, sha256 in gallery.choices]
    return {
        ids.SERVING: {"children": _table(gallery)},
        ids.APPROVALS: {"children": _acts(gallery)},
        ids.PROMOTE_MACHINE: {"children": [html.Option(name, value=name) for name in machines]},
        ids.PROMOTE_CARD: {"children": [html.Option(name, value=value) for name, value in names]},
    }


def served_on(gallery: Gallery, card: str) -> str:
    """Machines that a card forecasts now."""
    here = [each.machine for each in gallery.serving if each.operator == card]
    return ", ".join(here[:4]) + (f" and {len(here) - 4} more" if len(here) > 4 else "") if here else "–"


def _table(gallery: Gallery) -> Any:
    if not gallery.serving:
        return html.P("No machine has said anything yet.", className="quiet")
    return table("What serves where", HEADER, [_row(each, gallery) for each in gallery.serving])


def _row(each: Serving, gallery: Gallery) -> list[Any]:
    told = each.approval
    machine = html.Span(
        each.machine, **{"data-serves": each.machine, "data-after": str(each.after), "data-back": each.back_to or ""}
    )
    now: Any = "no forecast yet"
    if each.operator and each.issued_s is not None:
        made = html.Span(f" {seen(each.issued_s, gallery.read_s)}", className="moments")
        now = [_card(each.operator, gallery), made]
    if told is None:
        return [machine, now, SETTINGS, "–", "–", "–"]
    waits = [html.Span("from the next layer on", className="badge")] if each.waits else []
    approved = [_card(told.card, gallery) if told.card != BY_SETTINGS else SETTINGS, *waits]
    return [machine, now, approved, told.by, _date(told.at_s), told.note]


def _acts(gallery: Gallery) -> Any:
    if gallery.approvals.empty:
        told = "Nobody has promoted a card: the settings operator and operators say what serves."
        return html.P(told, className="quiet")
    rows = []
    for row in gallery.approvals.itertuples():
        act = f"{ACTS[row.act]} {row.card or SETTINGS}"
        rows.append((_date(row.at_s), row.machine, act, row.sha256[:12] or "–", row.by, row.note))
    return table("Acts", ("when", "machine", "act", "weights", "by", "why"), rows)


def _form() -> Any:
    person = who()
    if person is None or not may(person.role, "promote"):
        role = person.role if person else "nobody"
        told = f"To promote a card or to roll back needs the role {LEAST['promote']}; you are {role}."
        unseen = html.Div([html.Select(id=ids.PROMOTE_MACHINE), html.Select(id=ids.PROMOTE_CARD)], hidden=True)
        return html.Div([html.P(told, id=ids.PROMOTE_NOT, className="quiet"), unseen])
    name = [words(ids.PROMOTE_BY, "Your name", autoComplete="name")] if person.by == "nobody" else []
    return html.Form(
        [
            choice(ids.PROMOTE_MACHINE, "Machine"),
            choice(ids.PROMOTE_CARD, "Card"),
            words(ids.PROMOTE_NOTE, "Why", wide=True),
            *name,
            html.Button("Promote from the next layer on", id=ids.PROMOTE_DO, type="submit"),
            html.Button("Roll back", id=ids.PROMOTE_BACK, type="button"),
            html.P(id=ids.PROMOTE_SAID, role="status", className="said"),
        ],
        id=ids.PROMOTE, className="form", **{"aria-label": "Change what serves a machine"},
    )  # fmt: skip


def _card(name: str, gallery: Gallery) -> Any:
    """A link, where its card is here."""
    here = name in {card.name for card in gallery.cards}
    return html.A(name, href=f"/models?card={name}") if here else name


def _date(moment_s: float) -> str:
    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%d %H:%M} UTC"
