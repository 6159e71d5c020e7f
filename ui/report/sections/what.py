"""What was built, and what is known of it and what is not. Pure functions from rows to HTML."""

from typing import Any

import pandas as pd

from twin.forecast import Outcome
from ui import words
from ui.report.drawing import along
from ui.report.rows import ALERTS, MISSED, Rows
from ui.report.sections.html import (
    Raw,
    badge,
    bold,
    code,
    count,
    facts,
    figure,
    number,
    paragraph,
    share,
    table,
)
from ui.report.sections.place import at, layers_of, named, unit_of
from ui.report.sizes import SIZES

BY_RULE = "by the rule, from power and speed"


def what(rows: Rows) -> list[str]:
    """Machine, build, part, material, layers, process parameters; what no log carried is marked."""
    build, unit, machine = rows.build, unit_of(rows), rows.machine
    assumed = set(build.get("assumed") or ())

    def stated(name: str, value: str) -> tuple[str, Raw]:
        mark = f" {badge('assumed', 'caution').text}" if name in assumed else ""
        return value, Raw(f"{mark}" if mark else "stated")

    planned = build.get("layers")
    hatch, absorptivity = build.get("hatch_spacing_m"), build.get("absorptivity")
    preheat_k = float(build["preheat_k"])
    lines: list[tuple[str, tuple[str, Raw]]] = [
        ("Material", stated("material", build["material"])),
        ("Beam power, nominal", stated("nominal_beam_power_w", f"{build['nominal_beam_power_w']:g} W")),
        ("Scan speed, nominal", stated("nominal_scan_speed_m_per_s", f"{build['nominal_scan_speed_m_per_s']:g} m/s")),
        ("Beam diameter (D4-sigma)", stated("beam_diameter_m", f"{build['beam_diameter_m'] * 1e6:g} µm")),
        ("Layer thickness", stated("layer_thickness_m", f"{build['layer_thickness_m'] * 1e6:g} µm")),
        ("Hatch spacing", stated("hatch_spacing_m", f"{hatch * 1e6:g} µm") if hatch else ("not stated", Raw("–"))),
        ("Preheat temperature", stated("preheat_k", f"{preheat_k:g} K ({preheat_k - 273.15:.0f} °C)")),
        ("Absorptivity", stated("absorptivity", f"{absorptivity:g}" if absorptivity else BY_RULE)),
        ("Length of a frame", stated("frame_s", f"{words.duration(build['frame_s'])}")),
    ]  # fmt: skip
    power = rows.layers["beam_power_w"].dropna()
    if len(power):
        low, high = float(power.min()), float(power.max())
        said = f"{low:.0f} W" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f} to {high:.0f} W"
        lines.insert(2, ("Beam power, median of a layer", (said, Raw("observed"))))
    names = {"lpbf": "laser powder bed fusion", "ded": "directed energy deposition"}
    origin = {"live": "a machine", "replay": "a replayed log", "simulated": "a simulated machine"}
    identity = [
        ("Machine", f"{rows.stretch.machine} (site {machine.get('site', '–')})"),
        ("Build", rows.stretch.build),
        ("Part", build.get("part") or "not stated"),
        ("This report covers", layers_of(rows)),
        ("Layers planned", f"{planned:,}" if planned else "not stated"),
        ("Process", names.get(str(machine.get("process")), "not stated")),
        ("Source of the data", origin.get(str(machine.get("origin")), "not stated")),
        ("Lengths in this report", f"in {unit.name}, unless another unit is given"),
    ]
    note = f"{badge('assumed', 'caution').text} no log carried this value: a person set it in a build file."
    parameters = table("Process parameters", ("Parameter", "Value", "Where from"), [(n, *v) for n, v in lines])
    return [facts("Identity", identity), parameters, paragraph(Raw(note), kind="small") if assumed else ""]


def verdict(rows: Rows) -> list[str]:
    """How many frames are in order, how many are not and why, and what is not known at all."""
    layers = rows.layers
    frames, skipped, ok = int(layers["frames"].sum()), int(layers["skipped"].sum()), int(layers["ok"].sum())
    due, without = frames + skipped, int((layers["frames"] == 0).sum())
    found = [_headline(rows, frames, due, ok, without), _process(rows)]
    if frames:
        lines = []
        for outcome in rows.outcomes.itertuples():
            told = words.verdict(Outcome(outcome.kind, outcome.which, outcome.by, outcome.unit))
            most = f"by up to {outcome.by:.3g} {outcome.unit}".rstrip() if outcome.kind != "ok" and outcome.by else "–"
            name = badge(told.word, told.tone)
            why = told.more.split(" What is shown")[0].split(" No numbers")[0]
            lines.append((name, why, most, f"{outcome.frames:,}", share(outcome.frames, due), f"{outcome.laser_on:,}"))
        if skipped:
            told = words.verdict(Outcome("skipped"))
            lines.append((badge(told.word, told.tone), told.more, "–", f"{skipped:,}", share(skipped, due), "–"))
        head = ("Outcome", "What it means", "Furthest", "Frames", "Share", "Laser on")
        found.append(table("Frames by outcome", head, lines, numbers=3))
        found.append(_outcome_picture(rows))
    found.append(_unknown(rows, frames, skipped, without))
    return found


def _headline(rows: Rows, frames: int, due: int, ok: int, without: int) -> str:
    """Whether the forecasts may be relied on. What they say of the process is another question, and stands below."""
    if not frames:
        return paragraph(
            bold("No verdict: no frame of this stretch has a forecast. "),
            "What follows is what the machine said. ", code("./meltwin import FILE --forecast"),
            " gives forecasts to a build that was imported.", kind="verdict waiting",
        )  # fmt: skip
    reasons = []
    if ok < due:
        reasons.append(f"{share(due - ok, due)} of the frames are not in order or have no forecast")
    if without:
        reasons.append(f"{count(without, 'layer has', 'layers have')} no forecast at all")
    if len(rows.gaps) or len(rows.rejects):
        reasons.append("messages are missing or could not be read")
    numbers = f"{ok:,} of the {due:,} frames that were due ({share(ok, due)}) have a forecast in order."
    if not reasons:
        return paragraph(bold("The forecasts may be relied on throughout. "), numbers, kind="verdict normal")
    why = "; ".join(reasons)
    return paragraph(
        bold("The forecasts may not be relied on throughout. "),
        numbers,
        f" {why[0].upper()}{why[1:]}.",
        kind="verdict caution",
    )


def _process(rows: Rows) -> str:
    """What the forecasts say of the process: the melting regime, and the alerts."""
    on, deep = sum(rows.regimes.values()), rows.regimes.get("keyhole", 0)
    parts: list[Any] = [bold("What they say of the process. ")]
    if on:
        regimes = ", ".join(f"{name} {share(amount, on)}" for name, amount in rows.regimes.items())
        deepest = number(rows.layers["keyhole_number"].max())
        parts.append(
            f"Melting regime (by the boiling number) of the frames with the laser on: {regimes}. "
            f"Highest keyhole number Ke, which does not decide the regime: {deepest}. "
        )
    alerts = rows.alerts
    open_, silent = alerts["cleared_s"].isna(), alerts["acknowledged_s"].isna()
    said = "more than " if len(alerts) > ALERTS else ""
    parts.append(f"{said}{count(min(len(alerts), ALERTS), 'alert')}".capitalize() if len(alerts) else "No alert")
    if len(alerts):
        parts.append(f": {int(open_.sum()):,} open, {int(silent.sum()):,} acknowledged by nobody")
    parts.append(".")
    return paragraph(*parts, kind="verdict caution" if deep or len(alerts) else "verdict normal")


def _outcome_picture(rows: Rows) -> str:
    kinds = sorted({kind for row in rows.stations["outcomes"] for kind in row})
    if kinds == ["ok"]:
        return ""
    told = {kind: words.verdict(Outcome(kind)) for kind in kinds}  # type: ignore[arg-type]
    tones: dict[str, str] = {kind: each.tone for kind, each in told.items()}
    picture = along.outcomes(rows.stations, tones, {kind: each.word for kind, each in told.items()}, at(rows))
    return figure(picture, f"Share of the frames of each {at(rows)} by outcome.")


def _unknown(rows: Rows, frames: int, skipped: int, without: int) -> str:
    layers, timed = rows.layers, rows.stretch.from_s is not None or rows.stretch.to_s is not None
    withheld = int(layers["withheld"].sum())
    covered = len(layers) - without
    lost = int((rows.gaps["last_sequence"] - rows.gaps["first_sequence"] + 1).sum()) if len(rows.gaps) else 0
    never = f"{count(lost, 'message')} never came, noticed while the stretch was received"
    since = int(rows.rejects["reingested_s"].notna().sum())
    codes = rows.rejects["code"].value_counts().sort_index().to_dict()
    unread = ", ".join(f"{code_} {n:,}" for code_, n in codes.items()) + (
        f"; {since:,} taken in since" if since else ""
    )
    passed = named(layers, layers["skipped"] > 0, "in layer") + ("; of whole layers" if timed and skipped else "")
    none_in = named(layers, layers["frames"] == 0, "none in layer")
    lines = [
        ("Layers with forecasts", f"{covered:,} of {len(layers):,}", none_in),
        ("Frames withheld", f"{withheld:,}", "no size is given where a number could not be relied on at all"),
        ("Frames skipped", f"{skipped:,}", passed),
        ("Gaps", _at_most(rows.gaps), never if lost else "every sequence number came"),
        ("Rejected messages", _at_most(rows.rejects), unread or "every message could be read"),
        ("Sources begun anew", f"{len(rows.births):,}", ", ".join(sorted(set(rows.births["source"]))) or "none"),
        ("Observed melt-pool sizes", *_sensed(rows)),
        ("Defects inside the metal", "not known", "Meltwin forecasts the melt pool: it sees no pore and no crack"),
    ]  # fmt: skip
    return table("What is not known, and why", ("Matter", "Amount", "Detail"), lines)


def _sensed(rows: Rows) -> tuple[str, str]:
    seen = [size for size in SIZES if rows.layers[f"{size}_observed_m"].notna().any()]
    missing = [size for size in SIZES if size not in seen]
    detail = (
        f"no sensor reported {', '.join(missing)}: there the forecast stands alone" if missing else "of all three sizes"
    )
    return (", ".join(seen) or "none", detail)


def _at_most(missed: pd.DataFrame) -> str:
    return f"{len(missed):,}" if len(missed) <= MISSED else f"more than {MISSED:,}"
