"""One card: what it is, what it was trained on, its envelope in the user's units over the process map, how good it is,
and what it may not claim. Every figure says where it comes from."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html

from twin.material import MATERIALS
from ui import ids
from ui.figures import Palette, blank
from ui.figures.process_map import Point, process_map
from ui.live import Props
from ui.models.asked import BOUNDS, LABELS
from ui.models.calibration import calibration
from ui.models.cards import Card
from ui.models.gallery import Gallery
from ui.models.limits import limits
from ui.models.results import Table, of_card
from ui.pages.fields import choice, words
from ui.pages.models.tables import NO_RESULTS, coverage, faithfulness, families, table, validation

TITLE = "Trained range over the process map"
GRAPH = {"displaylogo": False, "responsive": True, "displayModeBar": False, "scrollZoom": False}
WHAT = {
    "ASNO": "explicit step by a Transformer over the last lags, implicit correction by a nonlocal attention operator",
    "HFluxNO": "a recurrent-ViT reads a camera; the field goes on by a finite-volume scheme that conserves energy",
}
SPANS = (
    ("Beam power", "beam_power_w", 1.0, "W", "over the speeds of the map"),
    ("Scan speed", "scan_speed_m_per_s", 1.0, "m/s", "at this spot"),
    ("Spot", "beam_diameter_m", 1e6, "µm", "at this preheat, in theory"),
    ("Preheat", "preheat_k", 1.0, "K", "of this alloy"),
)
STATES = {
    "unasked": "Nobody has asked for this map yet. To ask needs the role operator.",
    "unstored": "There is no database yet. ./meltwin run makes it, and works this map out.",
    "waiting": "Asked for. The run process answers between two steps; if it does not run: ./meltwin run",
    "claimed": "The run process is working it out.",
    "dropped": "Nobody answered: the run process does not run, or has no time. ./meltwin run, then press Draw.",
    "failed": "There is no such map: ",
}


def layout() -> Any:
    """The section of one card before any row."""
    graph = dcc.Graph(id=ids.PROCESS_MAP, config=GRAPH, responsive=True, className="graph", figure=blank())
    return html.Div(
        [
            html.P(html.A("All models", href="/models"), className="back"),
            html.Div(id=ids.CARD_HEAD),
            html.Div(
                [
                    html.Section(
                        [
                            html.Header([html.H2(TITLE), html.Span(id=ids.MAP_AGE, className="count")]),
                            _form(),
                            graph,
                            html.P(id=ids.MAP_SOURCES, className="sources"),
                        ],
                        className="card map-card", **{"aria-label": TITLE},
                    ),
                    html.Section(
                        [html.H2("Envelope in your units"), html.Div(id=ids.CARD_SPANS),
                         html.H2("What it may not claim"), html.Div(id=ids.CARD_LIMITS)],
                        className="panel", **{"aria-label": "Envelope and limits"},
                    ),
                ],
                className="card-grid",
            ),
            html.Section([html.H2("Calibration"), html.Div(id=ids.CARD_CALIBRATION)], className="panel",
                         **{"aria-label": "Calibration"}),
            html.Section([html.H2("Validation"), html.Div(id=ids.CARD_TABLES)], className="panel",
                         **{"aria-label": "Validation"}),
        ],
        className="of-card",
    )  # fmt: skip


def head(gallery: Gallery, palette: Palette) -> Props:
    """Name and facts, limits, calibration, tables: what changes only with files."""
    del palette
    card = gallery.card
    if card is None:
        told = [html.H2("No such card"), html.P("There is no card of this name here.")]
        return {ids.CARD_HEAD: {"children": told if gallery.asked.get("card") else []}}
    found = calibration(card)
    tables = of_card(gallery.tables, card.name, card.operator)
    mine = (card.name, card.operator.lower())
    return {
        ids.CARD_HEAD: {"children": _facts(card)},
        ids.CARD_LIMITS: {"children": html.Ul([html.Li(each) for each in limits(card, found)], className="limits")},
        ids.CARD_CALIBRATION: {"children": [*_bands(card), faithfulness(card)]},
        ids.CARD_TABLES: {"children": _validated(tables, mine)},
    }


def _validated(tables: list[Table], mine: tuple[str, str]) -> list[Any]:
    """Those of the melt pool open; those of the operator on other problems behind one line."""
    own = [validation(each, mine) for each in tables if each.suite.startswith("melt_pool")]
    others = [validation(each, mine) for each in tables if not each.suite.startswith("melt_pool")]
    if not tables:
        return [html.P(NO_RESULTS)]
    told = f"{mine[1]} on {len(others)} other problems, beside trivial and classical rows"
    return [*own, html.Details([html.Summary(told), *others])] if others else own


def _bands(card: Card) -> list[Any]:
    found = calibration(card)
    if found is not None:
        return [coverage(found), families(found)]
    none = "No band is claimed: not calibrated."
    return [html.P(none if card.trust is None else "There are no results of its calibration here.")]


@dataclass(frozen=True)
class _Answered:
    """A map by its request: what is answered once does not change."""

    request: str
    told: dict[str, Any] | None = field(compare=False)


@lru_cache(maxsize=16)
def _figure(answered: _Answered, name: str, points: tuple[Point, ...], palette: Palette, waiting: str) -> go.Figure:
    return process_map(answered.told, name, points, palette, waiting)


def drawn_map(gallery: Gallery, palette: Palette) -> Props:
    """The map and what of it the card was trained on."""
    card, asked = gallery.card, gallery.map
    if card is None:
        return {}
    told = asked.answer if asked is not None and asked.state == "done" else None
    state = gallery.state_of_map
    waiting = STATES.get(state, "") + (asked.error if asked is not None and state == "failed" else "")
    points = tuple(
        Point(row.machine, row.build, row.nominal_beam_power_w, row.nominal_scan_speed_m_per_s, row.beam_diameter_m)
        for row in gallery.builds.itertuples()
    )
    answered = _Answered(f"{asked.id} {asked.answered_s} {asked.arguments}" if asked is not None else "", told)
    return {
        ids.PROCESS_MAP: {"figure": _figure(answered, card.name, points, palette, waiting)},
        ids.MAP_AGE: {"children": _of(gallery)},
        ids.MAP_SOURCES: {"children": _sources(told) if told else ""},
        ids.CARD_SPANS: {"children": _spans(told, card) if told else html.P(waiting)},
    }


def _of(gallery: Gallery) -> str:
    told = gallery.fields
    return f"{told['material']}, spot {told['spot_um']:g} µm, preheat {told['preheat_k']:g} K" if told else ""


def _facts(card: Card) -> list[Any]:
    told, data, training = card.told, card.told.get("data", {}), card.told.get("training", {})
    bad = not card.whole
    sha256 = html.Code(card.sha256[:12] or "none", title=card.sha256)
    amount = [f"{data[key]:,} {key}" for key in ("trajectories", "samples", "tracks", "fine tracks") if key in data]
    by = "–"
    if training:
        by = f"{training['steps']:,} steps of {training['batch']}, {training['seconds']:,} s on {training['device']}"
    facts = [
        ("Operator", card.operator), ("Trained on", ", ".join(amount) or "–"), ("By", by),
        ("Seed", str(training.get("seed", "–"))), ("Weights", [sha256, f", {card.size / 1e6:.1f} MB"]),
        ("Grid", _grid(told)), *_quality(told),
    ]  # fmt: skip
    return [
        html.H2(card.name, className="name"),
        html.P(told.get("architecture") or WHAT.get(card.operator, ""), className="what"),
        html.P("The weights are not those that the card describes.", className="trouble") if bad else None,
        html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in facts], className="facts plain"),
        html.P([html.B("Teacher. "), data.get("solver") or data.get("reference", ""), ". ", html.B("Measure. "),
                told.get("validation", {}).get("measure", ""), "; split ", told.get("validation", {}).get("split", "")],
               className="sources"),
    ]  # fmt: skip


def _grid(told: dict[str, Any]) -> str:
    grid = told.get("grid")
    if grid:
        return " x ".join(str(len(grid[axis])) for axis in "xyz") + " nodes, in beam diameters"
    shape = told.get("sizes", {}).get("shape")
    return " x ".join(map(str, shape[::-1])) + " cells" if shape else "–"


def _quality(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Figures of quality on the card's own test split."""
    found = told.get("validation", {})
    if "test" in found:
        test = found["test"]
        return [
            (f"Error of {of}, median / p95", f"{100 * test['median'][n]:.1f} / {100 * test['p95'][n]:.1f} %")
            for n, of in enumerate(found["of"])
        ]
    seeds = found.get("by_seed", [])
    return [
        (f"Error, {name}", f"{100 * seeds[0]['test'][name]['error']:.1f} %")
        for name in ("with context", "without context", "told")
        if seeds and name in seeds[0]["test"]
    ]


def quality_in_short(card: Card) -> str:
    """The medians of the figures of quality, with what they are of."""
    found = _quality(card.told)
    names = [name.removeprefix("Error of ").removeprefix("Error, ").split(",")[0] for name, _ in found]
    values = [value.split(" / ")[0].removesuffix(" %") for _, value in found]
    return f"{' / '.join(values)} % ({' / '.join(names)})" if found else "–"


def _spans(told: dict[str, Any], card: Card) -> Any:
    trained = told["cards"].get(card.name)
    if trained is None:
        return html.P("This card tells no envelope of a process.")
    rows = []
    for name, key, factor, unit, note in SPANS:
        ends = trained[key]
        span = "none: this alloy or preheat is outside"
        if ends:
            span = f"{_digits(ends[0] * factor)} to {_digits(ends[1] * factor)} {unit}"
        rows.append((name, span, note))
    return table("Envelope in your units", ("", "trained", ""), rows)


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _sources(told: dict[str, Any]) -> list[Any]:
    limits = told["limits"]
    h, thick = (f"{told[name] * 1e6:g} µm" for name in ("hatch_spacing_m", "layer_thickness_m"))
    return [
        f"Regimes by the boiling number: transition from {limits['calm']:g}, keyhole from {limits['boiling']:g}. "
        f"Deep keyhole: Ke above {limits['deep_keyhole']:g} (Gan 2021). Lack of fusion: (h/W)² + (t/D)² > 1 for the W "
        "and D that one place in twenty falls short of (Tang 2017; spread of measured widths), "
        f"h {h}, t {thick}. Balling: L/W above {limits['balling']:g}, the longest good track of AMB2018-02, an "
        "advisory. "
        "Sizes by Eagar and Tsai (1983) and the source rule: they sort, and are no forecast."
    ]


def _form() -> Any:
    fields = [words(ids.map_field(name), LABELS[name], kind="number") for name in BOUNDS]
    return html.Form(
        [
            choice(ids.MAP_MATERIAL, "Alloy", tuple(MATERIALS)),
            *fields,
            html.Button("Draw", id=ids.MAP_DRAW, type="submit"),
            html.P(id=ids.MAP_SAID, role="status", className="said"),
        ],
        id=ids.MAP_FORM, className="form", **{"aria-label": "Of what the map is"},
    )  # fmt: skip
