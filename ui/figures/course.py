"""The course of a build along process time: layers, outcomes, alerts, and what was missed, a row each.

Grey is normal. A layer's row shows its time until the next one begins, alternating, and darker while the beam worked.
Whatever is too short to be seen at this scale still has a mark where it begins.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from twin.course import Course
from ui.figures.style import Palette, axis, layout, message_figure
from ui.replay.words import outcome_name, seconds
from ui.words import alert_name

LEFT, RIGHT, TOP, BOTTOM = 84, 18, 6, 36  # px; the page lays its cursor over the same place
ROWS = {"Layers": 3, "Outcomes": 2, "Alerts": 1, "Missed": 0}
FAULT = {"light": "#b42318", "dark": "#ff8a80"}
LIFTS = {"high": 0.28, "medium": 0.0, "low": -0.28}
SYMBOLS = {"high": "x", "medium": "triangle-up", "low": "diamond"}
MOST_MARKS = 2000


def course_figure(course: Course, palette: Palette, notes: pd.DataFrame | None = None) -> go.Figure:
    """Draw a `Course`, and what people noted of its layers (`Remarks.notes`); times in process seconds, as the machine
    counts them."""
    if course.span is None:
        return message_figure("Nothing is stored of this build but its name", palette)
    begin_s, end_s = course.span
    data = [
        *_layers(course, palette),
        *_notes(course, notes, palette),
        *_outcomes(course.outcomes, palette),
        *_alerts(course.alerts, palette),
        *_missed(course, palette),
    ]
    return go.Figure(
        data=data,
        layout=layout(
            palette,
            f"{course.machine}/{course.build}",
            margin={"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM},
            hovermode="closest",
            dragmode=False,
            xaxis=axis(
                palette,
                "process time, s",
                range=[begin_s, max(end_s, begin_s + 1e-6)],
                fixedrange=True,
                exponentformat="none",
                separatethousands=True,
                nticks=9,
            ),
            yaxis=axis(
                palette,
                range=[-0.6, 3.6],
                fixedrange=True,
                tickvals=list(ROWS.values()),
                ticktext=list(ROWS),
                showgrid=False,
            ),
        ),
    )


def _layers(course: Course, palette: Palette) -> Iterator[Any]:
    rows = course.layers.sort_values(["begun_s", "layer"])
    begun_s, ends_s = rows["begun_s"].to_numpy(float), rows["last_time_s"].to_numpy(float)
    until_s = np.append(begun_s[1:], ends_s[-1])
    silent = set(course.breaks[course.breaks["kind"] == "silence"]["begin_s"])
    until_s = np.where([end in silent for end in ends_s], ends_s, until_s)
    names = [
        f"layer {row.layer}" + (f": {_short(row.note)}" if isinstance(row.note, str) and row.note else "")
        for row in rows.itertuples()
    ]
    for parity, colour in ((0, palette.line), (1, palette.faint)):
        mine = np.arange(len(rows)) % 2 == parity
        said = [name for name, here in zip(names, mine, strict=True) if here]
        yield _lines(begun_s[mine], until_s[mine], "Layers", 11, colour, said, "layers")
    yield _lines(begun_s, ends_s, "Layers", 5, palette.muted, names, "beam at work")
    noted = [i for i, row in enumerate(rows.itertuples()) if isinstance(row.note, str) and row.note]
    if noted:
        yield _marks(
            begun_s[noted], "Layers", "circle", palette.forecast, [names[i] for i in noted], "note", lift=0.42, size=5
        )


def _notes(course: Course, notes: pd.DataFrame | None, palette: Palette) -> Iterator[Any]:
    """People's notes where their layer begins; those on layers that are not there stand nowhere."""
    if notes is None or notes.empty:
        return
    begun = dict(zip(course.layers["layer"], course.layers["begun_s"], strict=True))
    there = notes[notes["layer"].isin(list(begun))]
    mine = [(begun[row.layer], f"layer {row.layer:.0f}, {row.by}: {_short(row.text)}") for row in there.itertuples()]
    if mine:
        at_s, text = zip(*mine, strict=True)
        yield _marks(at_s, "Layers", "star", palette.second, list(text), "people's note", lift=0.42, size=8)


def _outcomes(rows: pd.DataFrame, palette: Palette) -> Iterator[Any]:
    good, bad = rows[rows["outcome"] == "ok"], rows[rows["outcome"] != "ok"]
    if len(good):
        text = [f"in order, layer {row.layer}" for row in good.itertuples()]
        yield _lines(good["begin_s"], good["end_s"], "Outcomes", 3, palette.faint, text, "ok")
    if len(bad):
        text = [f"{outcome_name(row.outcome)}, layer {row.layer}, {row.frames:,} frames" for row in bad.itertuples()]
        yield _lines(bad["begin_s"], bad["end_s"], "Outcomes", 8, palette.caution, text, "not ok")
        shown = np.arange(len(bad))[:MOST_MARKS]
        yield _marks(
            bad["begin_s"].to_numpy(float)[shown], "Outcomes", "triangle-up-open", palette.caution,
            [text[i] for i in shown], "not ok",
        )  # fmt: skip


def _alerts(rows: pd.DataFrame, palette: Palette) -> Iterator[Any]:
    colours = {"high": FAULT[palette.name], "medium": palette.caution, "low": palette.forecast}
    for severity in ("low", "medium", "high"):
        mine = rows[rows["severity"] == severity]
        if mine.empty:
            continue
        text = [f"{alert_name(row.kind)} ({severity}), layer {row.layer}: {row.evidence}" for row in mine.itertuples()]
        lift = LIFTS[severity]
        yield _lines(mine["begin_s"], mine["end_s"], "Alerts", 3, colours[severity], text, severity, lift)
        yield _marks(mine["begin_s"], "Alerts", SYMBOLS[severity], colours[severity], text, severity, lift)


def _missed(course: Course, palette: Palette) -> Iterator[Any]:
    fault = FAULT[palette.name]
    silent = course.breaks[course.breaks["kind"] == "silence"]
    if len(silent):
        text = [
            f"nothing came for {seconds(row.end_s - row.begin_s)} before layer {row.layer}; "
            f"a layer began {seconds(row.by_s)} after the one before, {seconds(row.usual_s)} is usual"
            for row in silent.itertuples()
        ]
        yield _lines(silent["begin_s"], silent["end_s"], "Missed", 9, fault, text, "silence")
        yield _marks(silent["begin_s"], "Missed", "square", fault, text, "silence")
    steps = course.breaks[course.breaks["kind"] == "clock_skew"]
    if len(steps):
        text = [
            f"the machine's clock steps back {seconds(-row.by_s)} before layer {row.layer}"
            for row in steps.itertuples()
        ]
        yield _marks(steps["begin_s"], "Missed", "triangle-left", palette.caution, text, "clock steps back")
    if len(course.skipped):
        text = [
            f"frames {row.first_frame:,} to {row.last_frame:,} of layer {row.layer} skipped: newer ones waited"
            for row in course.skipped.itertuples()
        ]
        yield _lines(course.skipped["begin_s"], course.skipped["end_s"], "Missed", 5, palette.caution, text, "skipped")
        yield _marks(course.skipped["begin_s"], "Missed", "line-ns-open", palette.caution, text, "skipped")
    if len(course.gaps):
        text = [
            f"{row.channel} {row.first_sequence} to {row.last_sequence} of {row.source} never came"
            for row in course.gaps.itertuples()
        ]
        yield _marks(course.gaps["at_s"], "Missed", "circle-open", fault, text, "gap")


def _lines(
    begin: Any, end: Any, row: str, width: float, colour: str, text: list[str], meta: str, lift: float = 0.0
) -> Any:
    """A line from each begin to its end, in one trace."""
    begin_s, end_s = np.asarray(begin, float), np.asarray(end, float)
    x = np.stack([begin_s, end_s, np.full(len(begin_s), np.nan)], axis=1).ravel()
    y = np.where(np.isnan(x), np.nan, ROWS[row] + lift)
    return go.Scatter(
        x=x, y=y, mode="lines", line={"width": width, "color": colour}, meta=meta, connectgaps=False,
        text=np.repeat(np.array(text, dtype=object), 3), hovertemplate="%{text}<br>at %{x:,.3f} s<extra></extra>",
    )  # fmt: skip


def _marks(
    at: Any, row: str, symbol: str, colour: str, text: list[str], meta: str, lift: float = 0.0, size: int = 8
) -> Any:
    at_s = np.asarray(at, float)
    return go.Scatter(
        x=at_s, y=np.full(len(at_s), ROWS[row] + lift), mode="markers", meta=meta, text=text, cliponaxis=False,
        marker={"size": size, "symbol": symbol, "color": colour, "line": {"width": 1.2, "color": colour}},
        hovertemplate="%{text}<br>at %{x:,.3f} s<extra></extra>",
    )  # fmt: skip


def _short(note: str) -> str:
    return note if len(note) <= 90 else note[:89] + "…"
