"""The person in the bar: name, role, and the way out. Nothing where nobody signs in."""

from typing import Any

from dash import html

from ui.access.who import who


def person() -> list[Any]:
    """Who looks at this page now, by the session of the request that asks for it."""
    here = who()
    if here is None or here.by == "nobody":
        return []
    said: list[Any] = [html.Span([html.B(here.name, title=here.name), f" {here.role}"])]
    if here.by == "proxy":
        return [html.Div(said, className="person")]
    way_out = html.Button("Sign out", type="submit")
    return [html.Form([*said, way_out], action="/sign-out", method="post", className="person")]
