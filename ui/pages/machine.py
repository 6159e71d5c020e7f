"""The live page of one machine."""

from typing import Any

import numpy as np
import pandas as pd
from dash import dcc, html

from twin.forecast import Field
from ui import ids
from ui.figures import Palette, absorbed, blank, field_maps, layer_map, melt_pool_3d, timeline
from ui.figures.coloured import DEFAULT, QUANTITIES
from ui.live import Page, Part, Props
from ui.pages import acting, band, because, lists
from ui.pages.parts import trouble, waiting_panel
from ui.snapshot import Snapshot, has_news, number, read_snapshot
from ui.words import alert_name, moment, provenance, seen, unit_of

POOLS = {"half": "cut at mid-track", "whole": "whole"}
GRAPH = {
    "displaylogo": False,
    "responsive": True,
    "displayModeBar": False,
    "scrollZoom": False,
    "doubleClick": "reset",
    "plotGlPixelRatio": 1,  # of the 3-D pool: at Plotly's own 2 a browser without a GPU draws for twice as long
}


def layout() -> Any:
    """The page before any row: what it shows, in the order in which a person looks."""
    return [
        waiting_panel(),
        trouble(),
        band.layout(),
        html.Div(
            [
                _card(
                    "timeline",
                    ids.TIMELINE,
                    "Melt-pool size",
                    "observed, estimated and forecast over process time",
                    _key(),
                    because.opener(),
                    over=because.mark(),
                ),
                because.layout(),
                _card(
                    "pool",
                    ids.POOL,
                    "Melt pool",
                    "what is above the solidus; drag to turn",
                    _age(ids.POOL_AGE),
                    _choice("pool", "pool shown", POOLS, shown=False),
                ),
                _card(
                    "field",
                    ids.FIELD,
                    "Temperature",
                    "in the frame of the beam; white line: solidus; grey: above boiling, not shown as a fact",
                    _age(ids.FIELD_AGE),
                ),
                _card(
                    "absorbed",
                    ids.ABSORBED,
                    "Absorptivity",
                    "inferred and sensed beside nominal",
                    _age(ids.ABSORBED_AGE),
                ),
                _card(
                    "layer",
                    ids.LAYER,
                    "Layer",
                    "planned path, beam now, alerts",
                    _choice("colour", "coloured by", QUANTITIES),
                ),
                html.Section(
                    [
                        html.Header([html.H2("Alerts"), html.Span("none", id=ids.ALERT_COUNT, className="count")]),
                        acting.only_looks(),
                        acting.said(),
                        html.Div(
                            id=ids.ALERTS, className="alerts", tabIndex=0, role="region", **{"aria-label": "Alerts"}
                        ),
                    ],
                    className="card alerts-card" + ("" if acting.allowed() else " may-look"),
                ),
            ],
            className="grid",
        ),
        acting.dialog(),
        html.Dl(id=ids.COUNTS, className="counts"),
        html.Div(id=ids.MISSED, className="missed", role="region", **{"aria-label": "Messages missed"}),
    ]


def _card(name: str, drawing: str, title: str, meaning: str, *more: Any, over: Any = None) -> Any:
    graph = dcc.Graph(id=drawing, config=GRAPH, responsive=True, className="graph", figure=blank())
    return html.Section(
        [html.Header([html.H2(title), html.Span(meaning, className="meaning", title=meaning), *more]), graph, over],
        className=f"card {name}-card",
        **{"aria-label": f"{title}: {meaning}"},
    )


def _key() -> Any:
    items = ("observed", "estimate", "forecast", "laser off", "not ok")
    return html.Ul(
        [
            *(html.Li([html.Span(className="swatch " + item.replace(" ", "-")), item]) for item in items),
            html.Li(id=ids.SECOND_KEY, className="second-key"),
        ],
        className="key",
    )


def _choice(name: str, label: str, values: dict[str, str], shown: bool = True) -> Any:
    """A choice that stands in the page's address; the first is what a page begins with."""
    options = [html.Option(word, value=value) for value, word in values.items()]
    control = html.Select(options, **{"data-choice": name, "aria-label": label})
    return html.Div([html.Span(label if shown else "", **{"aria-hidden": "true"}), control], className="choice")


def _age(name: str) -> Any:
    """The moment that a picture shows, and when it was made."""
    return html.Span(id=name, className="count")


def _timeline(snapshot: Snapshot, palette: Palette) -> Props:
    fresh, unit = snapshot.fresh, _unit(snapshot)
    figure = timeline(fresh.frames, fresh.signals, unit, palette, fresh.second, fresh.came)
    figure["layout"]["meta"] = because.picks(snapshot, figure)
    return {ids.TIMELINE: {"figure": figure}}


def _second(snapshot: Snapshot, palette: Palette) -> Props:
    """Who gives a second opinion, in which unit, and how old its newest is; nothing where nobody does."""
    del palette
    return {ids.SECOND_KEY: {"children": _opinion(snapshot, _unit(snapshot).name)}}


def _opinion(snapshot: Snapshot, unit: str) -> list[Any]:
    rows = snapshot.fresh.second
    if not snapshot.fresh.opinion:
        return []
    age = f"{unit}, {seen(float(rows['issued_s'].max()), snapshot.read_s)}" if len(rows) else "nothing to show yet"
    return [html.Span(className="swatch second"), f"{snapshot.fresh.opinion} ({age})"]


def _absorbed(snapshot: Snapshot, palette: Palette) -> Props:
    rows, latest = snapshot.slow.absorptivity, snapshot.fresh.latest or {}
    now_s = number(latest.get("time_s"))
    who = snapshot.slow.inferred_by or str(latest.get("operator") or "")
    sensed = snapshot.slow.calibration
    told = provenance(rows, now_s, who, snapshot.read_s, sensed)
    return {
        ids.ABSORBED: {"figure": absorbed(rows, now_s, who, palette, sensed)},
        ids.ABSORBED_AGE: {"children": told.text, "className": f"count {told.tone}".strip(), "title": told.more},
    }


def _field(snapshot: Snapshot, palette: Palette) -> Props:
    field = snapshot.slow.temperature_field
    return {
        ids.FIELD: {"figure": field_maps(field, _unit(snapshot), palette)},
        ids.FIELD_AGE: {"children": moment(field, snapshot.read_s)},
    }


def _pool(snapshot: Snapshot, palette: Palette, cut: str) -> Props:
    field = snapshot.slow.temperature_field
    figure = melt_pool_3d(field, _unit(snapshot), palette, half=cut != "whole", past=_until(snapshot, field))
    return {
        ids.POOL: {"figure": figure},
        ids.POOL_AGE: {"children": moment(field, snapshot.read_s)},
    }


def _until(snapshot: Snapshot, field: Field | None) -> pd.DataFrame | None:
    """The estimates up to the moment that a field shows."""
    frames = snapshot.fresh.frames
    if field is None or frames.empty or not np.isfinite(field.time_s):
        return None
    return frames[(frames["lead_s"] == 0) & (frames["time_s"] <= field.time_s + 1e-9)]


def _layer(snapshot: Snapshot, palette: Palette, by: str) -> Props:
    build, fresh, slow = snapshot.slow.build or {}, snapshot.fresh, snapshot.slow
    frames = pd.concat([slow.path, fresh.frames], ignore_index=True) if len(slow.path) else fresh.frames
    figure = layer_map(
        frames, slow.vectors, palette, build.get("nominal_beam_power_w"), build.get("nominal_scan_speed_m_per_s"),
        by=by or DEFAULT, unit=_unit(snapshot), alerts=_open_here(snapshot),
    )  # fmt: skip
    return {ids.LAYER: {"figure": figure}}


def _open_here(snapshot: Snapshot) -> pd.DataFrame:
    """Alerts whose cause is there, in the build and layer of the map, with their names."""
    rows, where = snapshot.slow.alerts, snapshot.slow.path_of
    if rows.empty or where is None:
        return pd.DataFrame()
    here = rows[(rows["build"] == where[0]) & (rows["layer"] == where[1]) & rows["cleared_s"].isna()]
    return here.assign(name=[alert_name(kind) for kind in here["kind"]])


def _unit(snapshot: Snapshot) -> Any:
    return unit_of(snapshot.row.get("process"), snapshot.fresh.frames)


PARTS = (
    Part("band", 0.1, band.band),
    Part("timeline", 0.1, _timeline, source=lambda snapshot: snapshot.fresh),
    Part("alerts", 0.9, lists.alerts),
    Part("counts", 0.9, lists.counts),
    Part("missed", 0.9, lists.missed),
    Part("second", 0.9, _second),
    Part("absorbed", 0.9, _absorbed),
    Part("field", 0.9, _field),
    Part("pool", 0.9, _pool, choice="pool"),
    Part("layer", 0.9, _layer, choice="colour"),
)

PAGE = Page("machine", "/machine", "Machine", layout, Snapshot(0.0), read_snapshot, PARTS, news=has_news)
