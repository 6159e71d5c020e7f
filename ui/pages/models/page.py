"""Models: which cards there are, what each may claim, and who let which serve where."""

from typing import Any

from dash import html

from ui import ids
from ui.figures import Palette
from ui.live import Page, Part, Props
from ui.models.calibration import calibration
from ui.models.cards import Card
from ui.models.gallery import Gallery, read_files, read_gallery
from ui.pages.models import card, serving
from ui.pages.models.tables import NO_RESULTS, table, validation
from ui.pages.parts import trouble, waiting_panel

HEADER = ("card", "operator", "error on its test split", "bands", "weights", "forecasts now")


def layout() -> Any:
    """The page before any row."""
    return [
        waiting_panel(),
        trouble(),
        html.Div(
            [
                html.Section(
                    [html.H2("Cards"), html.Div(id=ids.CARDS)], className="panel of-all", **{"aria-label": "Cards"}
                ),
                serving.layout(),
                html.Section(
                    [html.H2("Validation"), html.Div(id=ids.SUITES), html.Div(id=ids.SUITE)], className="panel of-all",
                    **{"aria-label": "Validation"},
                ),
                card.layout(),
            ],
            id=ids.MODELS, className="models all",
        ),
    ]  # fmt: skip


def listing(gallery: Gallery, palette: Palette) -> Props:
    """Cards and suites, and whether one card is looked at or all."""
    del palette
    rows = [_row(each, gallery) for each in gallery.cards]
    none = html.P("No card is shipped here: the reference forecasts. ./meltwin train melt-pool makes one.")
    chosen = gallery.table
    return {
        ids.MODELS: {"className": "models one" if gallery.asked.get("card") else "models all"},
        ids.CARDS: {"children": table("Cards", HEADER, rows) if rows else none},
        ids.SUITES: {"children": _suites(gallery)},
        ids.SUITE: {"children": validation(chosen, _names(gallery)) if chosen is not None else []},
    }


def _row(each: Card, gallery: Gallery) -> list[Any]:
    found = calibration(each)
    bands = "not calibrated"
    if each.trust is not None:
        bands = f"{float(each.trust['coverage']):.0%} promised"
    if found is not None:
        overall = [held for held in found.held if held.group == "all" and held.size != "field"]
        bands += ", held in " + " / ".join(f"{held.share:.0%}" for held in overall) + " (length / width / depth)"
    weights: Any = html.Code(each.sha256[:12], title=each.sha256)
    if not each.whole:
        weights = [html.Span("◆ ", className="odd"), "not those of the card"]
    return [
        html.A(each.name, href=f"/models?card={each.name}"), each.operator, card.quality_in_short(each), bands, weights,
        serving.served_on(gallery, each.name),
    ]  # fmt: skip


def _names(gallery: Gallery) -> list[str]:
    return [name for each in gallery.cards for name in (each.name, each.operator.lower())]


def _suites(gallery: Gallery) -> Any:
    if not gallery.tables:
        return html.P(NO_RESULTS, className="quiet")
    links = [
        html.Li(html.A(each.title, href=f"/models?suite={each.suite}#{ids.SUITE}",
                       **({"aria-current": "true"} if each is gallery.table else {})))
        for each in gallery.tables
    ]  # fmt: skip
    return html.Ul(links, className="suites")


PARTS = (
    Part("listing", 0.9, listing),
    Part("serving", 0.9, serving.draw),
    Part("card", 20.0, card.head),  # of files
    Part("map", 0.9, card.drawn_map),
)
PAGE = Page("models", "/models", "Models", layout, Gallery(0.0), read_gallery, PARTS, bare=read_files)
