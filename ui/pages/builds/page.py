"""The page `/builds`: what is where on it, and which part of it is drawn from what."""

from typing import Any

import pandas as pd
from dash import dcc, html

from twin.golden import COMPARED
from twin.store.sums import NOT_OK
from ui import ids
from ui.figures import LengthUnit, Palette, blank, message_figure
from ui.figures.builds import Measure, heat, limits_chart, measure, plane, stack
from ui.figures.builds.measure import NAMES
from ui.live import Page, Part, Props
from ui.pages.builds import files, listing, remarks, words
from ui.pages.parts import trouble, waiting_panel
from ui.shelf import ALERTS, CHOICES, OUTCOME, OneBuild, Shelf, read_shelf
from ui.words import alert_name, quantity, unit_of

COUNT = Measure(ALERTS, "alerts", "", 1.0, 0)
GRAPH = {"displaylogo": False, "responsive": True, "displayModeBar": False, "scrollZoom": False, "doubleClick": "reset"}


def layout() -> Any:
    """The page before any row: the list, and one build; the address says which is shown (builds.js)."""
    return [
        waiting_panel(),
        trouble(),
        html.Section(
            [
                html.Header(
                    [
                        html.H2("Builds"),
                        remarks.labelled(
                            "Find", dcc.Input(id=ids.BUILDS_FILTER, type="search", placeholder="part, good")
                        ),
                        html.Span(id=ids.BUILDS_COUNT, className="count", role="status"),
                    ]
                ),
                _scrolls("", "List of builds", listing.layout(), "wide-table"),
            ],
            className="card all-builds",
        ),
        html.Div(id=ids.BUILD_HEAD, className="build-head one-build"),
        html.P(id=ids.BUILD_READING, className="reading one-build", role="status"),
        html.Div(
            [
                _card(
                    "limits", "Against good builds", ids.BUILD_LIMITS_TITLE,
                    [html.Div(id=ids.BUILD_AGAINST, className="against"), _graph(ids.BUILD_LIMITS)], _quantities(),
                ),
                _card("outside", "Layers outside", "", [_scrolls(ids.BUILD_OUTSIDE, "List of layers outside")]),
                _card("whole", "The part by layer", ids.BUILD_WHOLE_TITLE, [_graph(ids.BUILD_WHOLE)], _pictures()),
                _card(
                    "plane", "One layer", ids.BUILD_PLANE_TITLE,
                    [_graph(ids.BUILD_PLANE), html.P(id=ids.BUILD_PLANE_SAID, className="quiet")], _layers(),
                ),
                _card(
                    "notes", "Notes", "", [_scrolls(ids.BUILD_NOTES, "List of notes"), remarks.note_form()],
                    html.Span(id=ids.BUILD_NOTES_COUNT, className="count"),
                ),
                _card("good", "Good build", "", [remarks.good_form()]),
                _card("files", "Report and files", "", [files.form()]),
            ],
            className="build-grid one-build",
        ),
        _withdrawal(),
    ]  # fmt: skip


def _card(name: str, title: str, meaning: str, body: list[Any], *tools: Any) -> Any:
    said = [html.Span(id=meaning, className="meaning")] if meaning else []
    header = html.Header([html.H2(title), *said, *tools])
    return html.Section([header, *body], className=f"card {name}-card", **{"aria-label": title})


def _scrolls(name: str, label: str, inner: Any = None, kind: str = "scrolls") -> Any:
    """What may be longer than its place: a keyboard can scroll it."""
    own = {"id": name} if name else {}
    return html.Div(inner, className=kind, tabIndex=0, role="region", **own, **{"aria-label": label})


def _graph(name: str) -> Any:
    return dcc.Graph(id=name, config=GRAPH, responsive=True, className="graph", figure=blank())


def _quantities() -> Any:
    names = {**NAMES, OUTCOME: "outcome", ALERTS: "alerts"}
    options = [html.Option(names[name], value=name) for name in CHOICES]
    return remarks.labelled("Show", html.Select(options, id=ids.BUILD_QUANTITY), "tool")


def _pictures() -> Any:
    options = [html.Option("in space", value="stack"), html.Option("by time in the layer", value="heat")]
    return remarks.labelled("As", html.Select(options, id=ids.BUILD_PICTURE), "tool")


def _layers() -> Any:
    return html.Div(
        [
            html.Button("‹", type="button", className="step", **{"data-step": "-1", "aria-label": "Layer before"}),
            remarks.labelled("Layer", dcc.Input(id=ids.BUILD_LAYER, type="number", min=0, step=1), "tool"),
            html.Button("›", type="button", className="step", **{"data-step": "1", "aria-label": "Next layer"}),
        ],
        className="steps",
    )


def _withdrawal() -> Any:
    return html.Dialog(
        html.Form(
            [
                html.H2("Withdraw a note"),
                html.P("It stays on record, struck out, with your name and why."),
                remarks.labelled("Why", dcc.Input(id=ids.WITHDRAW_WHY, type="text", maxLength=500), "wide"),
                html.Div(
                    [
                        html.Button("Withdraw", type="submit", className="do"),
                        html.Button("Cancel", type="button", className="cancel"),
                    ],
                    className="row",
                ),
                html.P(className="said", role="status"),
            ],
            id=ids.WITHDRAW_FORM,
            className="form",
        ),
        id=ids.WITHDRAW_DIALOG,
        **{"aria-label": "Withdraw a note"},
    )


def _head(shelf: Shelf, palette: Palette) -> Props:
    del palette
    if shelf.wanted is None:
        return {}
    reading = {ids.BUILD_READING: {"children": f"Still reading: {shelf.reading}" if shelf.reading else ""}}
    back = html.A("All builds", href="/builds", className="back")
    if shelf.one is None:
        machine, build = shelf.wanted
        none = html.P(f"There is no build {build} of machine {machine}.")
        return reading | {ids.BUILD_HEAD: {"children": [back, none]}}
    row, outcomes = shelf.one.row, shelf.outcomes.get(shelf.one.place)
    frames, share, odd = listing.in_order(outcomes)
    told = pd.Series(row)
    facts = [
        ("part", row["part"] or "–"), ("machine", row["machine"]), ("alloy", row["material"]),
        ("process", listing.PROCESSES.get(row["process"], "–")), ("layers", listing.layers_of(told)),
        ("begun", listing.utc(row["begun_s"])), ("power", quantity(row["nominal_beam_power_w"], 1, "W")),
        ("speed", quantity(row["nominal_scan_speed_m_per_s"], 1e3, "mm/s")), ("frames", frames), ("in order", share),
        *([("skipped", missed.removesuffix(" skipped"))] if (missed := listing.skipped(outcomes)) else []),
    ]  # fmt: skip
    tones = {"in order": "odd" if odd else "", "skipped": "odd"}
    items = [html.Div([html.Dt(name), html.Dd(value, className=tones.get(name, ""))]) for name, value in facts]
    first = [back, html.H2([row["build"], listing.badge(row["origin"])])]
    replay = html.A("Replay", href=listing.replay_address(row["machine"], row["build"]), className="back")
    return reading | {ids.BUILD_HEAD: {"children": [html.Div([*first, replay], className="row"), html.Dl(items)]}}


def _unit(one: OneBuild) -> LengthUnit:
    return unit_of(one.row["process"], pd.DataFrame({"width_m": [one.row["beam_diameter_m"]]}))


def _measured(shelf: Shelf, one: OneBuild, otherwise: str = "width_m") -> Any:
    chosen = shelf.looked.quantity
    return measure(otherwise if chosen in (OUTCOME, ALERTS) else chosen, _unit(one))


def _compared(shelf: Shelf, palette: Palette) -> Props:
    one = shelf.one
    if one is None:
        return {}
    of, rows = _by_layer(shelf, one)
    return {
        ids.BUILD_AGAINST: {"children": words.against(one, shelf.reading)},
        ids.BUILD_LIMITS: {"figure": limits_chart(rows, of, palette, shelf.looked.layer)},
        ids.BUILD_LIMITS_TITLE: {"children": f"{of.name}, {'median ' if of.column in COMPARED else ''}by layer"},
        ids.BUILD_OUTSIDE: {"children": words.outside(one, _unit(one))},
    }


def _by_layer(shelf: Shelf, one: OneBuild) -> tuple[Measure, pd.DataFrame]:
    """What the chart shows, in the columns of a comparison: outcomes and alerts have no limits."""
    chosen = shelf.looked.quantity
    if chosen == ALERTS:
        counts = one.alerts["layer"].value_counts()
        return COUNT, pd.DataFrame(
            {"layer": one.layers, "value": [float(counts.get(layer, 0)) for layer in one.layers]}
        ).assign(quantity=ALERTS, by=0.0, median=float("nan"), low=float("nan"), high=float("nan"))
    if chosen == OUTCOME:
        told = one.shares.rename(columns={"p50": "value"})
        limitless = told.assign(by=0.0, median=float("nan"), low=float("nan"), high=float("nan"))
        return measure(NOT_OK, _unit(one)), limitless
    return measure(chosen, _unit(one)), one.comparison


def _whole(shelf: Shelf, palette: Palette) -> Props:
    one, looked = shelf.one, shelf.looked
    if one is None:
        return {}
    if shelf.reading and one.points.empty and one.bins.empty:
        return {
            ids.BUILD_WHOLE: {"figure": message_figure("Reading the layers …", palette)},
            ids.BUILD_WHOLE_TITLE: {"children": ""},
        }
    if looked.picture == "heat":
        of = _of_points(_measured(shelf, one, NOT_OK), "bins", one)
        figure = heat(one.bins, of, palette, one.every_bin, float(one.row["frame_s"]))
        said = f"{of.name}, mean of {one.every_bin} frames"
    else:
        of = None if looked.quantity in (OUTCOME, ALERTS) else _of_points(_measured(shelf, one), "points", one)
        warned = one.alerts.assign(z_m=float("nan"))
        figure = stack(one.points, of, palette, float(one.row["layer_thickness_m"]), warned)
        said = f"{of.name if of else looked.quantity}, {len(one.points):,} frames; drag to turn, click for a layer"
    return {ids.BUILD_WHOLE: {"figure": figure}, ids.BUILD_WHOLE_TITLE: {"children": said}}


def _of_points(of: Any, kind: str, one: OneBuild) -> Any:
    """A quantity that single frames do not have is shown as the width."""
    rows = one.bins if kind == "bins" else one.points
    return of if rows.empty or of.column in rows else measure("width_m", _unit(one))


def _plane(shelf: Shelf, palette: Palette) -> Props:
    one, looked = shelf.one, shelf.looked
    if one is None:
        return {}
    if looked.layer is None:
        empty = message_figure("No layer is chosen", palette)
        return {
            ids.BUILD_PLANE: {"figure": empty},
            ids.BUILD_PLANE_TITLE: {"children": "choose one: click it, or type its number"},
            ids.BUILD_PLANE_SAID: {"children": ""},
        }
    notes, alerts = one.notes[one.notes["layer"] == looked.layer], one.alerts[one.alerts["layer"] == looked.layer]
    standing = notes[notes["withdrawn_s"].isna()]
    of = None if looked.quantity in (OUTCOME, ALERTS) else _measured(shelf, one)
    of = measure("width_m", _unit(one)) if of is not None and len(one.plane) and of.column not in one.plane else of
    said = f"layer {looked.layer:,}: {of.name if of else looked.quantity}"
    if one.plane_every > 1:
        said += f", one frame in {one.plane_every}"
    told = [f"{len(standing)} note{'s' * (len(standing) != 1)}", f"{len(alerts)} alert{'s' * (len(alerts) != 1)}"]
    told += [alert_name(kind) for kind in alerts["kind"].unique()]
    if looked.layer not in one.layers:
        told = ["nothing is stored of this layer"]
    return {
        ids.BUILD_PLANE: {"figure": plane(one.plane, of, palette, standing, alerts)},
        ids.BUILD_PLANE_TITLE: {"children": said},
        ids.BUILD_PLANE_SAID: {"children": ", ".join(told) + ". A click puts a note there."},
    }


def _remarks(shelf: Shelf, palette: Palette) -> Props:
    del palette
    one = shelf.one
    if one is None:
        return {}
    standing = int(one.notes["withdrawn_s"].isna().sum())
    return {
        ids.BUILD_GOOD: {"children": remarks.good_state(one)},
        ids.BUILD_NOTES: {"children": remarks.notes_list(one.notes)},
        ids.BUILD_NOTES_COUNT: {"children": f"{standing} standing" if len(one.notes) else ""},
    }


PARTS = (
    Part("list", 0.9, listing.rows),
    Part("head", 0.2, _head),
    Part("remarks", 0.2, _remarks),
    Part("compared", 0.9, _compared),
    Part("plane", 0.9, _plane),
    Part("whole", 1.9, _whole),
)

PAGE = Page("builds", "/builds", "Builds", layout, Shelf(0.0), read_shelf, PARTS)
