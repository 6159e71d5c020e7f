"""The card that says why: which moment and which number is asked about, how far the answer is, and the answer.

It is closed until somebody asks. `shown` makes of a request what the card shows; `ui/assets/page-machine-why.js` picks
the moment on the timeline, asks (`ui/doings/attribution.py`) and looks four times a second until the request has ended.
"""

from datetime import UTC, datetime
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from twin.store.requests import LATE, Request
from ui import ids
from ui.access.roles import LEAST, may
from ui.access.who import who
from ui.figures import LengthUnit, Palette, blank, message_figure, moments, places
from ui.live import Props
from ui.snapshot import Snapshot
from ui.words import RUN_COMMAND, Shape, duration

NUMBERS = (("depth", "Depth"), ("width", "Width"), ("length", "Length"), ("temperature", "Temperature"))
PATIENCE_S = 3.0  # in which somebody who is at work takes a question up
NOT_ASKED = "Nothing asked yet. The twin answers within seconds, between two forecasts."
NOBODY = (
    "Nobody has taken it up: forecasts come first, for nine times as long as the last answer took; "
    f"and without a {RUN_COMMAND} on this store nobody answers."
)
GRAPH = {"displaylogo": False, "responsive": True, "displayModeBar": False, "doubleClick": "reset"}


def opener() -> Any:
    """The button on the timeline's card."""
    return html.Button(
        "Why?", id=ids.WHY_OPEN, type="button", className="act", title="Ask which past brought a size about",
        **{"aria-expanded": "false", "aria-controls": ids.WHY},
    )  # fmt: skip


def mark() -> Any:
    """The moment that is asked about, on the chart: by arrow keys, or a click on the chart."""
    return html.Div(
        html.Span("?", className="flag", **{"aria-hidden": "true"}),
        id=ids.WHY_MARK,
        className="why-mark",
        role="slider",
        tabIndex=0,
        title="arrow keys: another moment; End: now",
        **{"aria-label": "Moment to explain", "aria-orientation": "horizontal"},
    )


def layout() -> Any:
    """The card, closed."""
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Why"),
                    html.Span("which past, and which places, brought a number about", className="meaning"),
                    html.Button("Close", type="button", id=ids.WHY_CLOSE, className="act"),
                ]
            ),
            html.Div([_question(), _answer()], className="why-body"),
        ],
        id=ids.WHY,
        className="card why-card",
        **{"aria-label": "Why: which past, and which places, brought a number about"},
    )


def _question() -> Any:
    person = who()
    nobody = person is None or person.by == "nobody"
    if person is not None and not may(person.role, "ask"):
        asks: list[Any] = [html.P(f"To ask needs the role {LEAST['ask']}.", className="quiet")]
    else:
        field = dmc.TextInput(id=ids.WHY_BY, label="Your name", value="", autoComplete="name", size="xs")
        name = [field] if nobody else []
        asks = [*name, html.Button("Ask why", type="submit", className="act first")]
    return html.Form(
        [
            html.Div(
                [
                    html.Span("Moment ", className="label"),
                    html.Span("now", id=ids.WHY_MOMENT),
                    html.Button("now", type="button", id=ids.WHY_NOW, className="act small", title="the newest frame"),
                ],
                className="why-moment",
            ),
            html.P("Click on the chart above, or move its mark with the arrow keys.", className="quiet"),
            html.Div(
                [
                    html.Span("Number", className="label"),
                    dmc.SegmentedControl(
                        id=ids.WHY_OF, value="depth", size="xs",
                        data=[{"value": v, "label": label} for v, label in NUMBERS],
                        **{"aria-label": "Number to explain"},
                    ),
                ]
            ),
            html.Div(
                [html.Label("As forecast", htmlFor=ids.WHY_LEAD, className="label"), html.Select(id=ids.WHY_LEAD)]
            ),
            html.Div(asks, className="why-ask"),
        ],
        id=ids.WHY_FORM,
        className="why-question",
    )  # fmt: skip


def _answer() -> Any:
    graph = {"config": GRAPH, "responsive": True, "className": "graph", "figure": blank()}
    return html.Div(
        [
            html.Div(
                [
                    html.P(NOT_ASKED, id=ids.WHY_STATE, className="why-state", role="status"),
                    html.Span(id=ids.WHY_WAITED, className="quiet"),
                ],
                className="why-line",
            ),
            html.P(id=ids.WHY_SENTENCE, className="why-sentence"),
            html.Div(
                [
                    html.Div([dcc.Graph(id=ids.WHY_MOMENTS, **graph), _key()]),
                    html.Div(
                        [dcc.Graph(id=ids.WHY_PLACES, **graph), html.P(id=ids.WHY_PLACES_SAID, className="quiet")]
                    ),
                ],
                className="why-charts",
            ),
            html.Ul(id=ids.WHY_FACTS, className="why-facts quiet"),
        ],
        className="why-answer",
    )


def _key() -> Any:
    names = (("power", "power"), ("scan-speed", "scan speed"), ("direction", "direction"))
    return html.Ul([html.Li([html.Span(className=f"swatch {name}"), text]) for name, text in names], className="key")


def picks(snapshot: Snapshot, figure: dict[str, Any]) -> dict[str, Any]:
    """The frames that the timeline shows, for the browser to pick among: it knows nothing but the picture."""
    frames, latest = snapshot.fresh.frames, snapshot.fresh.latest
    axis = figure["layout"].get("xaxis", {})
    if latest is None or frames.empty or "range" not in axis:
        return {}
    estimate = frames[frames["lead_s"] == 0].drop_duplicates("time_s", keep="last").sort_values("time_s")
    ahead = frames[(frames["frame"] == latest["frame"]) & (frames["layer"] == latest["layer"])]["lead_s"]
    now_s = float(estimate["time_s"].iloc[-1])
    per_s = 1.0 if axis["title"]["text"].endswith(", s") else 1e3
    estimate = estimate[estimate["time_s"] >= now_s + axis["range"][0] / per_s]
    return {
        "machine": snapshot.machine, "build": latest["build"], "per_s": per_s, "now_s": now_s,
        "layer": estimate["layer"].astype(int).tolist(), "frame": estimate["frame"].astype(int).tolist(),
        "time_s": estimate["time_s"].round(9).tolist(),
        "leads": [[f"{each:.9g}", f"in {duration(each)}"] for each in sorted({*ahead.tolist()}) if each > 0],
    }  # fmt: skip


def over(request: Request, now_s: float) -> bool:
    """Whether nothing more is to be waited for: it has ended, or nobody took it up in time."""
    return request.ended or _late(request, now_s)


def _late(request: Request, now_s: float) -> bool:
    held = request.state == "claimed" and (request.lease_until_s or 0.0) > now_s
    return not request.ended and not held and now_s >= request.deadline_s


def shown(request: Request, now_s: float, unit: LengthUnit, palette: Palette) -> Props:
    """What the card shows of a request now."""
    answer = request.answer or {}
    drawn = bool(answer.get("shown"))
    spatial = answer.get("spatial") if drawn else None
    why_none = str(answer.get("spatial_withheld") or "") if drawn else ""
    word, more, shape, tone = _state(request, now_s)
    return {
        ids.WHY_STATE: {
            "children": [html.Span(className=f"glyph {shape}", **{"aria-hidden": "true"}), html.B(word), f" {more}"],
            "className": f"why-state {tone}".strip(),
        },
        ids.WHY_WAITED: {"children": _waited(request, now_s)},
        ids.WHY_SENTENCE: {"children": plain(str(answer.get("sentence", ""))) if drawn else ""},
        ids.WHY_FACTS: {"children": [html.Li(line) for line in _facts(request)]},
        ids.WHY: {"className": f"card why-card {'answered' if drawn else 'asked'}"},
        ids.WHY_MOMENTS: {"figure": moments(answer, palette) if drawn else message_figure("", palette)},
        ids.WHY_PLACES: {
            "figure": places(spatial, unit, palette)
            if spatial
            else message_figure("The map of places is not shown" if why_none else "", palette)
        },
        ids.WHY_PLACES_SAID: {"children": _places_said(answer, why_none) if drawn else ""},
    }


def plain(text: str) -> str:
    """The sentence with its units as the page writes them."""
    return text.replace(" um", " µm").replace(" us", " µs")


def _state(request: Request, now_s: float) -> tuple[str, str, Shape, str]:
    answer = request.answer or {}
    if _late(request, now_s) or (request.state == "dropped" and request.error == LATE):
        return "Nobody answered in time.", f"{NOBODY} Ask again.", "clock", "caution"
    if request.state == "waiting":
        more = "Forecasts come first." if now_s - request.asked_s < PATIENCE_S else NOBODY
        return "Asked, it waits for its turn.", more, "dots", ""
    if request.state == "claimed":
        share = f"{request.progress:.0%} done." if request.progress > 0 else ""
        return "Being worked out…", share, "dots", ""
    if request.state == "dropped":
        return "Taken back.", "", "dots", ""
    if request.state == "failed":
        return "Not answered:", f"{plain(request.error)}.", "triangle", "caution"
    if not answer.get("shown"):
        return "Withheld:", f"{plain(str(answer.get('withheld', 'no reason was given')))}.", "triangle", "caution"
    return "Answered.", "", "check", ""


def _waited(request: Request, now_s: float) -> str:
    """How long it took, or takes."""
    if request.answered_s is None:
        return f"{max(now_s - request.asked_s, 0.0):.0f} s of at most {request.deadline_s - request.asked_s:.0f} s"
    took = f"after {duration(max(request.answered_s - request.asked_s, 1e-3))}"
    if request.claimed_s is not None:
        took += f", of which {duration(max(request.answered_s - request.claimed_s, 1e-3))} to work it out"
    return took


def _facts(request: Request) -> list[str]:
    """Of what, who asked and when; and how far such an answer is to be believed."""
    told, answer = request.arguments, request.answer or {}
    lead_s = float(answer.get("lead_s", told.get("lead_s") or 0.0))
    when = f", {duration(lead_s)} ahead" if lead_s > 0 else ""
    about = f"{told.get('of')} of frame {told.get('frame')}, layer {told.get('layer')} of {told.get('build')}{when}"
    asked = datetime.fromtimestamp(request.asked_s, UTC)
    lines = [f"Asked by {request.who} at {asked:%H:%M:%S} UTC: {about}."]
    if not answer.get("shown"):
        return lines
    lines[0] += f" Forecast by {answer['operator']}."
    found, of = answer["faithfulness"], answer["of"]
    low, high = found.get("quartiles", (float("nan"),) * 2)
    span = f", quartiles {low:.2f} to {high:.2f}" if low == low else ""
    lines.append(
        f"Measured: maps of the {of} rank moments as the reference's adjoint does, with a correlation of "
        f"{found['median']:.2f} (median of {found['cases']} cases{span})."
    )
    said, unit = answer["attribution"], "K" if of == "temperature" else "µm"
    scale = 1.0 if of == "temperature" else 1e6
    lines.append(
        f"In this answer the parts miss {said['defect']:.1%} of the difference. A beam 1 % wider: "
        f"{scale * said['by_spot']:+.2g} {unit}; a plate 10 K warmer: {scale * said['by_preheat']:+.2g} {unit}."
    )
    return lines


def _places_said(answer: dict[str, Any], why_none: str) -> str:
    if why_none:
        return f"Withheld: {plain(why_none)}."
    more = {"depth": "deeper", "width": "wider", "length": "longer", "temperature": "hotter"}[answer["of"]]
    lag = duration(float(answer["spatial"]["lag_s"]))
    return f"Where heat {lag} before made it {more} (more) or not; the cross is the beam."
