"""The frame around every page: name, machine choice, what is always visible, and the colour scheme."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from ui import ids
from ui.access.roles import LEAST, may
from ui.access.who import who
from ui.figures.style import FONT
from ui.live import Page
from ui.pages.person import person

THEME = {
    "fontFamily": FONT,
    "headings": {"fontFamily": FONT, "fontWeight": "600"},
    "primaryColor": "gray",
    "defaultRadius": "sm",
}


def shell(page: Page, pages: Sequence[Page]) -> Any:
    """The whole document body of a page, which the live feed knows by its name."""
    if not _sees(page):
        return _framed(page, pages, _refusal(page))
    content = html.Main(page.layout(), id=ids.CONTENT, className="content", tabIndex=-1)
    return _framed(page, pages, content, **{"data-page": page.name})


def lost(pages: Sequence[Page]) -> Any:
    """The same of an address that no page has."""
    words = [html.H2("There is no such page"), html.P("The links above lead to those that there are.")]
    return _framed(None, pages, html.Main(words, id=ids.CONTENT, className="refusal", tabIndex=-1))


def _framed(page: Page | None, pages: Sequence[Page], content: Any, **told: str) -> Any:
    """told: without a page's name nothing is asked of the server."""
    bar = [
        html.A("Skip to the charts", href=f"#{ids.CONTENT}", className="skip"),
        html.Header(_bar(page, pages), className="bar"),
    ]
    return dmc.MantineProvider(
        html.Div([*bar, content], **told, className="page" if told else "page shut"),
        defaultColorScheme="auto",
        theme=THEME,
    )


def _bar(page: Page | None, pages: Sequence[Page]) -> list[Any]:
    return [
        html.Div([html.Span(className="mark", **{"aria-hidden": "true"}), html.H1("Meltwin")], className="brand"),
        html.Nav([_link(each, each is page) for each in pages if _sees(each)], **{"aria-label": "Pages"}),
        html.Div(
            dmc.SegmentedControl(
                id=ids.MACHINES, data=[], value="", size="sm", radius="sm", **{"aria-label": "Machine to watch"}
            ),
            id=ids.MACHINES_BOX,
            className="machines",
        ),
        html.Div(className="space"),
        html.Div(id=ids.ORIGIN, className="origin"),
        html.Div(
            [
                html.Div(id=ids.STATUS, className="chip"),
                html.Div(
                    [html.Span(className="glyph clock"), html.Span("data"), html.B(id=ids.AGE, className="number")],
                    id=ids.AGE_CHIP,
                    className="chip",
                    title="Age of the newest data: time since the machine sent them",
                ),
                html.Div(
                    [html.Span(className="glyph"), html.Span(id=ids.LINK_TEXT)],
                    id=ids.LINK_CHIP,
                    className="chip",
                    title="Connection of this page to Meltwin's server",
                ),
            ],
            className="chips",
        ),
        *person(),
        dmc.ColorSchemeToggle(
            lightIcon=html.Span(className="icon sun", **{"aria-hidden": "true"}),
            darkIcon=html.Span(className="icon moon", **{"aria-hidden": "true"}),
            variant="subtle",
            color="gray",
            size="lg",
            **{"aria-label": "Light or dark"},
        ),
        dcc.Store(id=ids.CHOICE),
    ]


def _sees(page: Page) -> bool:
    """Whether who asks may see a page."""
    person = who()
    return may(person.role if person else "viewer", page.act)


def _refusal(page: Page) -> Any:
    person = who()
    role = person.role if person else "not signed in"
    words = f"To {page.act} needs the role {LEAST[page.act]}; you are {role}."
    return html.Main(
        [html.H2(f"{page.title} is not for you"), html.P(words)], id=ids.CONTENT, className="refusal", tabIndex=-1
    )


def _link(page: Page, here: bool) -> Any:
    return html.A(page.title, href=page.path, **({"aria-current": "page"} if here else {}))
