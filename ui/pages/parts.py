"""Parts that every page has: what it says while there is nothing to show, or when the store cannot be read."""

from typing import Any

from dash import html

from ui import ids
from ui.words import RUN_COMMAND, START_COMMAND


def waiting_panel() -> Any:
    """Shown alone until there is a machine."""
    return html.Div(
        [
            html.Span(className="glyph dots big"),
            html.H2(id=ids.WAITING_TITLE),
            html.P(id=ids.WAITING_TEXT),
            html.P(
                [
                    html.Code(START_COMMAND),
                    " starts two simulated machines, ",
                    html.Code(RUN_COMMAND),
                    " takes messages from yours. This page then fills by itself.",
                ]
            ),
        ],
        className="waiting-panel",
        role="status",
    )


def trouble() -> Any:
    """Why the store could not be read; empty when it can."""
    return html.P(id=ids.TROUBLE, className="trouble", role="alert")
