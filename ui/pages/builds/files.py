"""The report and the files of a build: what may be had, and in which form (`ui/files.py` makes them)."""

from typing import Any

from dash import dcc, html

from ui import ids
from ui.files import FORMS
from ui.pages.builds.remarks import labelled


def form() -> Any:
    """Choose, make, open. builds.js asks for it and says how long it takes."""
    options = [html.Option(text, value=name) for name, text in FORMS.items()]
    return html.Form(
        [
            labelled("What", html.Select(options, id=ids.FILE_FORM), "wide"),
            labelled("Layers (empty: all)", dcc.Input(id=ids.FILE_LAYERS, type="text", placeholder="50-60")),
            html.Button("Make it", type="submit", className="do"),
            html.P(className="said", role="status"),
        ],
        id=ids.FILE_FORM_FORM,
        className="form",
    )
