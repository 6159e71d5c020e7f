"""Alerts and counts: what asks a person to act, and whether the numbers of messages add up."""

from typing import Any

from dash import html

from ui.figures import Palette
from ui.live import Props
from ui.snapshot import Snapshot, number
from ui.words import ALERT_KINDS, duration, seen

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
    """The list, open ones first and among them the severest."""
    del palette
    rows = snapshot.slow.alerts
    if rows.empty:
        quiet = html.P("No alerts for this machine.", className="quiet")
        return {"alerts": {"children": [quiet]}, "alert-count": {"children": "none", "className": "count"}}
    order = list(SEVERITIES)
    records = rows.to_dict("records")
    records.sort(key=lambda r: (number(r["cleared_s"]) is not None, order.index(r["severity"]), -r["last_seen_s"]))
    still = sum(number(record["cleared_s"]) is None for record in records)
    return {
        "alerts": {"children": [html.Ul([_alert(record, snapshot.read_s) for record in records])]},
        "alert-count": {"children": f"{still} open" if still else "none open", "className": "count"},
    }


def counts(snapshot: Snapshot, palette: Palette) -> Props:
    """Messages and frames in numbers that a person can add up."""
    del palette
    known = snapshot.slow.counts | {"forecasts": sum(snapshot.slow.outcomes.values())}
    cells = [_count(f"{known.get(key, 0):,}", name, odd and known.get(key, 0) > 0) for key, name, odd in COUNTS]
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
    return {"counts": {"children": cells}}


def missed(snapshot: Snapshot, palette: Palette) -> Props:
    """The newest messages that never came or could not be read, and frames that were passed over."""
    del palette
    slow, now_s = snapshot.slow, snapshot.read_s
    lines = [
        (row.noticed_s, f"{row.channel} {row.first_sequence} to {row.last_sequence} of {row.source} never came")
        for row in slow.gaps.itertuples()
    ]
    lines += [
        (row.noticed_s, f"frames {row.first_frame} to {row.last_frame} of layer {row.layer} skipped: newer ones waited")
        for row in slow.skipped.itertuples()
    ]
    for row in slow.rejects.itertuples():
        after = "" if number(row.reingested_s) is None else " (taken in since)"
        lines.append((row.received_s, f"{row.topic} not readable: {row.reason}{after}"))
    lines.sort(reverse=True)
    items = [html.Li([text, html.Span(f" {seen(at_s, now_s)}", className="moments")]) for at_s, text in lines]
    return {"missed": {"children": html.Ul(items) if items else [], "className": "missed"}}


def _count(value: str, name: str, odd: bool) -> Any:
    return html.Div([html.Dt(name), html.Dd(value, className="odd" if odd else "")])


def _alert(record: dict[str, Any], now_s: float) -> Any:
    shape, tone, word = SEVERITIES[record["severity"]]
    cleared = number(record["cleared_s"]) is not None
    x_m, y_m, layer = number(record["x_m"]), number(record["y_m"]), number(record["layer"])
    place = [f"layer {layer:.0f}"] if layer is not None else []
    if x_m is not None and y_m is not None:
        place.append(f"x {x_m * 1e3:.2f}, y {y_m * 1e3:.2f} mm")
    moments = f"first {seen(record['first_seen_s'], now_s)}, last {seen(record['last_seen_s'], now_s)}"
    return html.Li(
        [
            html.Span(className=f"glyph {shape}", **{"aria-hidden": "true"}),
            html.Div(
                [
                    html.Div(
                        [
                            html.Strong(ALERT_KINDS.get(record["kind"], record["kind"].replace("_", " "))),
                            html.Span("cleared" if cleared else word, className="severity"),
                        ],
                        className="head",
                    ),
                    html.Div(", ".join(place), className="place"),
                    html.Div(record["evidence"]),
                    html.Div([html.Span("Do: "), record["action"]], className="action") if not cleared else None,
                    html.Div(moments, className="moments"),
                ]
            ),
        ],
        className=f"alert {tone}" + (" cleared" if cleared else ""),
    )
