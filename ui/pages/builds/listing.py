"""The list of all stored builds, one row each."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pandas as pd
from dash import html

from ui import ids
from ui.figures import Palette
from ui.live import Props
from ui.shelf import Shelf
from ui.snapshot import number

HEADS = ("Build", "Machine", "Part", "Alloy", "Layers", "Begun", "Frames", "In order", "Alerts", "Good", "")
ORIGINS = {"simulated": "SIMULATED", "replay": "REPLAY"}
PROCESSES = {"lpbf": "LPBF", "ded": "DED"}
SEVERITIES = (("high", "cross", "fault"), ("medium", "triangle", "caution"), ("low", "diamond", "advice"))


def layout() -> Any:
    """The table before any row."""
    head = html.Thead(html.Tr([html.Th(name or html.Span("Links", className="unseen"), scope="col") for name in HEADS]))
    return html.Table(
        [
            html.Caption("Stored builds, the newest begun first", className="unseen"),
            head,
            html.Tbody(id=ids.BUILDS_LIST),
        ],
        className="builds-table",
    )


def rows(shelf: Shelf, palette: Palette) -> Props:
    """Each build in a row; what is not counted yet is a dash."""
    del palette
    if shelf.wanted is not None or shelf.builds.empty:
        return {}
    good = {(mark.machine, mark.build): mark for mark in shelf.good.itertuples()}
    lines = [_row(shelf, row, good.get((row.machine, row.build))) for row in shelf.builds.itertuples()]
    return {ids.BUILDS_LIST: {"children": lines}}


def address(machine: Any, build: Any) -> str:
    """Of the build's own page."""
    return f"/builds?{urlencode({'machine': machine, 'build': build})}"


def replay_address(machine: Any, build: Any) -> str:
    """Of the page that plays it once more."""
    return f"/replay?{urlencode({'machine': machine, 'build': build})}"


def utc(moment_s: Any) -> str:
    """`2026-11-22 06:02 UTC`."""
    known = number(moment_s)
    return "–" if known is None else f"{datetime.fromtimestamp(known, UTC):%Y-%m-%d %H:%M} UTC"


def in_order(outcomes: dict[str, int] | None) -> tuple[str, str, bool]:
    """Frames that were due, the share of them with a forecast in order, and whether that is not all. A frame that was
    skipped was due: the same share stands in a report."""
    due = sum((outcomes or {}).values())
    if outcomes is None or not due:
        return ("–" if outcomes is None else "0"), "–", False
    share = outcomes.get("ok", 0) / due
    return f"{due:,}", f"{100 * share:.{0 if share in (0, 1) else 1}f} %".replace("100.0", "> 99.9"), share < 1


def skipped(outcomes: dict[str, int] | None) -> str:
    """`80 skipped`; empty where every frame got its forecast."""
    count = (outcomes or {}).get("skipped", 0)
    return f"{count:,} skipped" if count else ""


def layers_of(row: Any) -> str:
    """`12 of 40`."""
    planned = number(row.layers)
    return f"{row.layers_seen:,}" + (f" of {planned:,.0f}" if planned is not None else "")


def badge(origin: Any) -> Any:
    """SIMULATED or REPLAY; nothing of a machine that is there."""
    return html.Span(ORIGINS[origin], className="badge") if origin in ORIGINS else None


def _row(shelf: Shelf, row: Any, mark: Any) -> Any:
    outcomes = shelf.outcomes.get((row.machine, row.build))
    frames, share, odd = in_order(outcomes)
    missed = skipped(outcomes)
    process = PROCESSES.get(row.process, "")
    return html.Tr(
        [
            html.Th([html.A(row.build, href=address(row.machine, row.build)), badge(row.origin)], scope="row"),
            html.Td(row.machine),
            html.Td(row.part or "–"),
            html.Td([row.material, html.Span(f" {process}", className="moments")]),
            html.Td([layers_of(row), html.Span(" current", className="moments") if row.running else None]),
            html.Td(utc(row.begun_s), className="number"),
            html.Td(frames, className="number end"),
            html.Td(
                [share, html.Span(f" {missed}", className="moments") if missed else None],
                className="number end odd" if odd else "number end",
            ),
            html.Td(_alerts(row)),
            html.Td(_good(mark)),
            html.Td(html.A("Replay", href=replay_address(row.machine, row.build), title=f"Replay {row.build}")),
        ]
    )  # fmt: skip


def _alerts(row: Any) -> Any:
    found = []
    for name, shape, tone in SEVERITIES:
        count = getattr(row, f"alerts_{name}")
        if count:
            sign = html.Span(className=f"glyph {shape} {tone}", role="img", **{"aria-label": name})
            found.append(html.Span([sign, f"{count:,}"], className="many", title=f"{count:,} {name}"))
    return found or "–"


def _good(mark: Any) -> Any:
    if mark is None or pd.isna(mark.at_s):
        return "–"
    sign = html.Span(className="glyph check", **{"aria-hidden": "true"})
    return html.Div(
        [sign, html.B("good"), html.Span(f" {mark.by}, {utc(mark.at_s)[:10]}: {mark.note}")], className="good"
    )
