"""Fields of forms: a label and its control, by one look and with a name for a screen reader."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html


def words(name: str, label: str, *, kind: str = "text", wide: bool = False, **more: Any) -> Any:
    """A line of text to type, of at most 500 characters."""
    shape = "field wide" if wide else "field short" if kind == "number" else "field"
    return dmc.TextInput(id=name, label=label, value="", size="xs", className=shape, **more)


def choice(name: str, label: str, options: Sequence[str] = ()) -> Any:
    """One of several, a native list."""
    told = html.Select([html.Option(each, value=each) for each in options], id=name)
    return html.Label([html.Span(label), told], htmlFor=name, className="field")
