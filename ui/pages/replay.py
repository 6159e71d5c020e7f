"""Replay: every stored build, and one of them looked back at, with the panels of the machine's page.

The list comes with the live feed. The browser itself asks for moments of a build (`ui/replay/serve.py`,
`assets/replay.js`), because each viewer looks at another one.
"""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import dash_mantine_components as dmc
from dash import html

from twin.store.port import Store
from ui import ids
from ui.figures import Palette
from ui.live import Page, Part, Props
from ui.pages import machine
from ui.pages.parts import trouble, waiting_panel
from ui.replay.player import player
from ui.replay.words import wall
from ui.snapshot import number

READ_PERIOD_S = 2.0
MOST = 500
PANELS = {"band", "grid"}  # of the machine's page
ORIGINS = {"live": "a machine", "replay": "a recording", "simulated": "simulated"}


@dataclass(frozen=True)
class Recordings:
    """The stored builds as the store told them at `rows_s`."""

    read_s: float  # wall clock
    waiting_for: str = ""
    trouble: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    rows_s: float = -float("inf")

    def pulse(self) -> dict[str, Any]:
        """See `ui.live.View`. Nothing here is of now, so nothing has an age."""
        return {"machine": "", "machines": [], "age_s": None, "forecast_age_s": None}

    def waits(self, for_what: str, now_s: float) -> "Recordings":
        """See `ui.live.View`."""
        return Recordings(now_s, waiting_for=for_what.replace("No machine has said anything", "No build is stored"))

    def troubled(self, why: str, now_s: float) -> "Recordings":
        """See `ui.live.View`."""
        return replace(self, read_s=now_s, trouble=why)


def read_recordings(store: Store, asked: dict[str, str], before: Recordings, now_s: float) -> Recordings | None:
    """All builds, newest first; None while there is none. Who looks at one needs no list."""
    if asked.get("build"):
        return Recordings(now_s)
    if now_s - before.rows_s < READ_PERIOD_S:
        return replace(before, read_s=now_s, trouble="")
    rows = tuple(store.recordings(MOST).to_dict("records"))
    return Recordings(now_s, rows=rows, rows_s=now_s) if rows else None  # type: ignore[arg-type]


def layout() -> Any:
    """The list, and the replay before any moment; the browser shows the one that the address asks for."""
    panels = [each for each in machine.layout() if set(str(getattr(each, "className", "")).split()) & PANELS]
    return [waiting_panel(), trouble(), _list(), html.Div([player(), *panels], id=ids.REPLAY, className="replay")]


def _list() -> Any:
    columns = ("build", "machine", "part", "alloy", "layers", "begun", "alerts", "forecast by", "from")
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Stored builds"),
                    dmc.TextInput(
                        id=ids.RECORDINGS_FILTER,
                        placeholder="Filter by machine, build, part, alloy",
                        value="",
                        size="xs",
                        w=280,
                        **{"aria-label": "Filter"},
                    ),
                    html.Span(id=ids.RECORDINGS_COUNT, className="count", role="status"),
                ]
            ),
            html.Table(
                [
                    html.Thead(html.Tr([html.Th(name, scope="col") for name in columns])),
                    html.Tbody(id=ids.RECORDINGS),
                ]
            ),
        ],
        id=ids.RECORDINGS_BOX,
        className="card recordings",
        **{"aria-label": "Stored builds"},
    )


def _rows(view: Recordings, palette: Palette) -> Props:
    del palette
    return {ids.RECORDINGS: {"children": [_row(row) for row in view.rows]}}


def _row(row: dict[str, Any]) -> Any:
    machine_name, build = str(row["machine"]), str(row["build"])
    address = "/replay?" + urlencode({"machine": machine_name, "build": build})
    begun, of = int(row["begun"]), number(row["layers"])
    first, last = number(row["first_layer"]), number(row["last_layer"])
    numbers = f" ({first:.0f} to {last:.0f})" if first is not None and last is not None and last > first else ""
    layers = f"{begun:,}" + (f" of {of:,.0f}" if of is not None else "") + numbers
    alerts = int(row["alerts"])
    cells = [
        html.Th(html.A(build, href=address), scope="row"),
        html.Td(machine_name),
        html.Td(row["part"] or "–"),
        html.Td(row["material"] or "–"),
        html.Td(layers, className="number"),
        html.Td(wall(float(row["received_s"])), className="number"),
        html.Td(f"{alerts:,}" if alerts else "none", className="number"),
        html.Td(row["operator"] or "not forecast"),
        html.Td(ORIGINS.get(str(row["origin"]), "–")),
    ]
    return html.Tr(cells, **{"data-words": f"{machine_name} {build} {row['part']} {row['material']}".lower()})


PAGE = Page("replay", "/replay", "Replay", layout, Recordings(0.0), read_recordings, (Part("recordings", 0.9, _rows),))
