"""The band that is always visible: can this forecast be trusted, which build is it, and who made the forecast."""

from typing import Any
from urllib.parse import urlencode

from dash import html

from ui import ids
from ui.figures import Palette
from ui.live import Props
from ui.snapshot import Snapshot, number
from ui.words import quantity, slow_motion, unit_of, verdict

ORIGINS = {
    "live": ("LIVE", "Messages come from the machine now"),
    "replay": ("REPLAY", "A recording is played: the machine is not doing this now"),
    "simulated": ("SIMULATED", "No machine: the messages are made by a program"),
}
STATUSES = {"online": ("dot", "", "machine online"), "offline": ("cross", "fault", "machine offline")}
CALM, BOILING, DEEP = 1.36, 1.94, 6  # limits of the regimes and of a deep keyhole (`twin/regime.py` loads operators)
REGIMES = {
    "conduction": f"conduction (B < {CALM})",
    "transition": f"transition (B {CALM} to {BOILING})",
    "keyhole": f"keyhole (B ≥ {BOILING})",
}
BY_BOILING = (
    "The regime goes by the boiling number B: how hot heat conduction alone would make the surface, over its boiling "
    "point. In transition the pool grows deeper than conduction makes it"
)
BY_KE = f"Gan's keyhole number: in a keyhole pores may be left above {DEEP}. It does not decide the regime"


def band(snapshot: Snapshot, palette: Palette) -> Props:
    """Origin, machine state, verdict and facts."""
    del palette  # text takes its colours from the style sheet
    row = snapshot.row
    name, meaning = ORIGINS.get(str(row.get("origin")), ("", ""))
    factor = number(row.get("time_factor"))
    told = row and not (row.get("origin") == "replay" and factor == 1)  # a replay may go as fast as it can
    motion = slow_motion(factor) if told else ""
    return {
        ids.ORIGIN: {
            "children": [html.Span(name, className="badge", title=meaning), html.Span(motion, className="motion")]
            if name
            else [],
            "className": f"origin {name.lower()}",
        },
        ids.STATUS: _status(row),
        **_verdict(snapshot),
        ids.FACTS: {"children": _facts(snapshot)},
    }


def layout() -> Any:
    """The empty band."""
    return html.Section(
        [
            html.Div(
                [
                    html.Div(id=ids.VERDICT, className="verdict waiting", role="status"),
                    html.Div(
                        [
                            html.Span(className="glyph clock big"),
                            html.Div([html.Strong("No fresh data"), html.Span(id=ids.STALE_TEXT, className="more")]),
                        ],
                        className="verdict fault when-stale",
                    ),
                ],
                className="verdicts",
            ),
            html.Dl(id=ids.FACTS, className="facts"),
        ],
        className="band",
        **{"aria-label": "State of the machine and trust in the forecast"},
    )


def _status(row: dict[str, Any]) -> dict[str, Any]:
    if not row:
        return {"children": [], "className": "chip"}
    shape, tone, word = STATUSES.get(str(row.get("status")), ("dots", "", "machine state not said"))
    return {"children": [html.Span(className=f"glyph {shape}"), html.Span(word)], "className": f"chip {tone}"}


def _verdict(snapshot: Snapshot) -> Props:
    outcome, latest = snapshot.outcome, snapshot.fresh.latest or {}
    said = verdict(outcome, bool(latest.get("withheld")))
    why = str(latest.get("evidence") or outcome or "")
    exact = [html.Code(why, className="exact", title="outcome of the newest forecast")] if outcome else []
    children = [
        html.Span(className=f"glyph {said.shape} big"),
        html.Div([html.Strong(said.word), html.Span([said.more, " ", *exact], className="more")]),
    ]
    return {ids.VERDICT: {"children": children, "className": f"verdict {said.tone}"}}


def _facts(snapshot: Snapshot) -> list[Any]:
    build, latest, card = snapshot.slow.build or {}, snapshot.fresh.latest or {}, snapshot.slow.card or {}
    assumed = set(build.get("assumed") or ())
    layer, layers = number(snapshot.row.get("layer")), build.get("layers")
    unit = unit_of(snapshot.row.get("process"), snapshot.fresh.frames)
    metre = 1e6 if unit.name == "µm" else 1e3
    beam = quantity(build.get("beam_diameter_m"), metre, unit.name, 0 if metre == 1e6 else 2)
    keyhole = number(latest.get("keyhole_number"))
    regime = REGIMES.get(str(latest.get("regime")), "–")
    credible, of_whom = _credible(latest)
    of = (
        f" of {layers}" if layers and layer is not None and layer <= layers else ""
    )  # a part of a build keeps its numbers
    facts = [
        ("Build", _build(snapshot.machine, str(build.get("build") or snapshot.row.get("build") or "")), False),
        ("Layer", "–" if layer is None else f"{layer:.0f}{of}", False),
        ("Material", build.get("material") or "–", "material" in assumed),
        ("Beam", beam, "beam_diameter_m" in assumed),
        ("Power", quantity(build.get("nominal_beam_power_w"), 1, "W"), "nominal_beam_power_w" in assumed),
        ("Speed", _speed(build), "nominal_scan_speed_m_per_s" in assumed),
        ("Preheat", quantity(build.get("preheat_k"), 1, "K"), "preheat_k" in assumed),
        ("Regime", regime, False),
        ("Ke", "–" if keyhole is None else f"{keyhole:.1f}", False),
        ("Credibility", credible, False),
        ("Model", _model(latest, card), False),
    ]
    more = {"Credibility": of_whom, "Regime": BY_BOILING, "Ke": BY_KE}
    return [_fact(name, value, guess, more.get(name, "")) for name, value, guess in facts]


def _build(machine: str | None, name: str) -> list[Any]:
    """The build, and the way to all that is stored of it."""
    if not (machine and name):
        return ["–"]
    where = f"/builds?{urlencode({'machine': machine, 'build': name})}"
    return [html.A(name, href=where, title="by layer, against good builds, notes, report, replay")]


def _speed(build: dict[str, Any]) -> str:
    speed = build.get("nominal_scan_speed_m_per_s")
    if speed is None:
        return "–"
    return f"{speed:.2f} m/s" if speed >= 0.1 else f"{speed * 1e3:.1f} mm/s"


def _credible(latest: dict[str, Any]) -> tuple[str, str]:
    """How many forecasts of those that were checked look as strange: short, and in whole."""
    p = number(latest.get("credibility"))
    if p is None:
        return "–", ""
    share = f"{100 * p:.0f} %" if p >= 0.01 else "under 1 %"
    return share, f"{share} of the forecasts that were checked look as unusual as this one"


def _model(latest: dict[str, Any], card: dict[str, Any]) -> list[Any]:
    """The operator, and on what it runs where there is room for it."""
    device = latest.get("device") or card.get("device")
    if not latest.get("operator"):
        return ["–"]
    who = str(latest["operator"])
    name = html.A(who, href=f"/models?{urlencode({'card': who})}", title="what this model may claim")
    return [name, html.Span(f" on {device}", className="device")] if device else [name]


def _fact(name: str, value: Any, assumed: bool, more: str = "") -> Any:
    mark = [html.Span("assumed", className="assumed", title="No log carried this: it comes from the build file")]
    return html.Div(
        [html.Dt([name, *(mark if assumed else [])]), html.Dd(value if isinstance(value, list) else str(value))],
        title=more,
    )
