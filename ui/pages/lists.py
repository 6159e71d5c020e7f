"""Alerts and counts: what asks a person to act, and whether the numbers of messages add up."""

from typing import Any

import pandas as pd
from dash import html

from twin.alarms.acts import State, state_of
from twin.alarms.kinds import status_of, wants_word
from ui import ids
from ui.figures import Palette
from ui.live import Props
from ui.pages.acting import buttons
from ui.snapshot import MISSED, Snapshot, number
from ui.words import ADVISORY_STATES, ALERT_STATES, STATUSES, ago, alert_name, duration, seen

SEVERITIES = {
    "high": ("cross", "fault", "act now"),
    "medium": ("triangle", "caution", "watch"),
    "low": ("diamond", "advice", "advice"),
}
OUTCOMES = {
    "ok": "ok",
    "outside_envelope": "outside range",
    "unfamiliar": "unfamiliar",
    "off_plan": "off plan",
    "too_slow": "too slow",
    "residual": "energy",
    "drift": "drift",
    "stale": "too late",
    "non_finite": "failed",
    "clock_skew": "clock",
    "silence": "after silence",
}
COUNTS = (
    ("observations", "messages committed", False),
    ("rejects", "rejected", True),
    ("duplicates", "duplicates absorbed", False),
    ("gaps", "gaps", True),
    ("births", "sources begun anew", False),
    ("skipped", "frames skipped", True),
    ("forecasts", "frames forecast", False),
)


def alerts(snapshot: Snapshot, palette: Palette) -> Props:
    """The list: what asks for a person first, by severity; then what is known, shelved, over."""
    del palette
    rows = snapshot.slow.alerts
    if rows.empty:
        quiet = html.P("No alerts for this machine.", className="quiet")
        return {
            ids.ALERTS: {"children": [quiet]},
            ids.ALERT_COUNT: {"children": "none", "className": "count", "title": ""},
        }
    records = [(state_of(record, snapshot.read_s), record) for record in rows.to_dict("records")]
    records.sort(key=lambda pair: (*_order(*pair), -pair[1]["last_seen_s"]))
    items = [_alert(state, record, snapshot.read_s, str(snapshot.machine)) for state, record in records]
    return {
        ids.ALERTS: {"children": [html.Ul(items)]},
        ids.ALERT_COUNT: _summary(records),
    }


def _order(state: State, record: dict[Any, Any]) -> tuple[int, int]:
    """An alarm that nobody has acknowledged goes before all else."""
    groups = ("unacknowledged", "returned", "acknowledged", "shelved", "cleared")
    return groups.index(state), list(SEVERITIES).index(record["severity"])


def _summary(records: list[tuple[State, dict[Any, Any]]]) -> dict[str, Any]:
    """How many ask for a word; in whole also how many are known, stand, are silent."""
    waiting = sum(state in ("unacknowledged", "returned") and wants_word(row["severity"]) for state, row in records)
    advice = sum(state == "unacknowledged" and not wants_word(row["severity"]) for state, row in records)
    words = [
        (waiting, "to acknowledge"),
        (sum(state == "acknowledged" for state, _ in records), "acknowledged"),
        (advice, "advice"),
        (sum(state == "shelved" for state, _ in records), "shelved"),
    ]
    told = [f"{count} {word}" for count, word in words if count] or ["none open"]
    return {"children": told[0], "className": "count", "title": ", ".join(told)}


def counts(snapshot: Snapshot, palette: Palette) -> Props:
    """Messages and frames of this machine in numbers that a person can add up."""
    del palette
    several = len(snapshot.machines) > 1  # no one can say of which one a message is that could not be read
    known = snapshot.slow.counts | {"forecasts": sum(snapshot.slow.outcomes.values())}
    cells = [
        _count(f"{known.get(key, 0):,}", f"{name}, all machines" if key == "rejects" and several else name,
               odd and known.get(key, 0) > 0)
        for key, name, odd in COUNTS
    ]  # fmt: skip
    outcomes = [
        html.Span([html.B(f"{snapshot.slow.outcomes[kind]:,}"), f" {word}"], className="" if kind == "ok" else "odd")
        for kind, word in OUTCOMES.items()
        if snapshot.slow.outcomes.get(kind)
    ]
    cells.append(html.Div([html.Dt("outcomes"), html.Dd(outcomes or "–", className="outcomes")], className="wide"))
    latest = snapshot.fresh.latest or {}
    sent_s, issued_s = number(latest.get("sent_s")), number(latest.get("issued_s"))
    delay = "–" if sent_s is None or issued_s is None else duration(max(issued_s - sent_s, 1e-6))
    cells.append(_count(delay, "message to forecast", False))
    return {ids.COUNTS: {"children": cells}}


def missed(snapshot: Snapshot, palette: Palette) -> Props:
    """The newest messages that never came or could not be read, and frames that were passed over."""
    del palette
    slow, now_s = snapshot.slow, snapshot.read_s
    lines = [
        (row.noticed_s, f"{row.channel} {row.first_sequence} to {row.last_sequence} of {row.source} never came")
        for row in slow.gaps.itertuples()
    ]
    lines += [
        (at_s, f"{_frames(first, last)} of layer {layer} skipped: newer ones waited")
        for at_s, layer, first, last in _runs(slow.skipped)
    ]
    for row in slow.rejects.itertuples():
        after = "" if number(row.reingested_s) is None else " (taken in since)"
        lines.append((row.received_s, f"{row.topic} not readable: {row.reason}{after}"))
    lines.sort(key=lambda line: -line[0])  # of one moment as they follow each other
    items = [html.Li([text, html.Span(f" {seen(at_s, now_s)}", className="moments")]) for at_s, text in lines]
    return {ids.MISSED: {"children": html.Ul(items) if items else [], "className": "missed"}}


def _runs(skipped: pd.DataFrame) -> list[tuple[float, int, int, int]]:
    """Ranges of skipped frames of a layer, those that follow each other as one: when, layer, first, last."""
    found: list[tuple[float, int, int, int]] = []
    order = skipped.sort_values(["build", "layer", "first_frame"]) if len(skipped) else skipped
    build = None
    for row in order.itertuples():
        if found and build == row.build and found[-1][1] == row.layer and found[-1][3] + 1 == row.first_frame:
            at_s, layer, first, _ = found.pop()
            found.append((max(at_s, row.noticed_s), layer, first, row.last_frame))  # type: ignore[arg-type,type-var]
        else:
            found.append((row.noticed_s, row.layer, row.first_frame, row.last_frame))  # type: ignore[arg-type]
        build = row.build
    return sorted(found, key=lambda run: -run[0])[:MISSED]


def _frames(first: int, last: int) -> str:
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def _count(value: str, name: str, odd: bool) -> Any:
    return html.Div([html.Dt(name), html.Dd(value, className="odd" if odd else "")])


def _alert(state: State, record: dict[Any, Any], now_s: float, machine: str) -> Any:
    shape, tone, word = SEVERITIES[record["severity"]]
    advisory = not wants_word(record["severity"])
    told = (ADVISORY_STATES if advisory else ALERT_STATES)[state]
    times = f" ×{record['count']}" if record["count"] > 1 else ""
    title = f"{word}; NE 107: {STATUSES[status_of(record['kind'])]}"
    moments = f"first {seen(record['first_seen_s'], now_s)}, last {seen(record['last_seen_s'], now_s)}"
    over = state in ("returned", "cleared")
    return html.Li(
        [
            html.Span(className=f"glyph {shape}", title=title, role="img", **{"aria-label": title}),
            html.Div(
                [
                    html.Div(
                        [
                            html.Strong([alert_name(record["kind"]), html.Span(times, className="times")]),
                            html.Span([html.Span(className=f"sign {state}"), told], className="severity"),
                        ],
                        className="head",
                    ),
                    html.Div(_place(record), className="place"),
                    html.Div(record["evidence"], className="evidence"),
                    None if over else html.Div([html.Span("Do: "), record["action"]], className="action"),
                    _people(state, record, now_s),
                    html.Div(f"{word}, {STATUSES[status_of(record['kind'])]}; {moments}", className="moments"),
                    buttons(state, machine, record, alert_name(record["kind"])),
                ]
            ),
        ],
        className=f"alert {tone} {state}" + (" known" if state in ("acknowledged", "shelved", "cleared") else ""),
        key=f"{record['build']}/{record['kind']}/{record['occurrence']}",  # a button never becomes another alert's
    )


def _place(record: dict[Any, Any]) -> str:
    x_m, y_m, layer = number(record["x_m"]), number(record["y_m"]), number(record["layer"])
    place = [str(record["build"])] if record["build"] else []
    place += [f"layer {layer:.0f}"] if layer is not None else []
    if x_m is not None and y_m is not None:
        place.append(f"x {x_m * 1e3:.2f}, y {y_m * 1e3:.2f} mm")
    return ", ".join(place)


def _people(state: State, record: dict[Any, Any], now_s: float) -> Any:
    """Who knows of it, and who had it silenced until when."""
    lines = []
    known_s = number(record["acknowledged_s"])
    if known_s is not None:
        lines.append(f"{record['acknowledged_by']}, {seen(known_s, now_s)}: {record['acknowledged_note']}")
    until_s = number(record["shelved_until_s"])
    if state == "shelved" and until_s is not None:
        lines.append(f"{record['shelved_by']}: silent for {ago(until_s - now_s)} more: {record['shelved_note']}")
    return html.Div([html.Div(line) for line in lines], className="people") if lines else None
