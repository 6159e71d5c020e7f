"""Sections of a report, in the order in which someone who answers for a part reads them: what it is, what is known of it
and what is not, the melt pool, the field, alerts, notes. Pure functions from rows to HTML."""

from typing import Any

import numpy as np
import pandas as pd

from twin.forecast import Outcome
from ui import words
from ui.figures import LengthUnit
from ui.report import pictures
from ui.report.html import (
    Raw,
    badge,
    bold,
    code,
    count,
    facts,
    figure,
    more,
    number,
    paragraph,
    share,
    table,
    utc,
)  # fmt: skip
from ui.report.rows import ALERTS, MISSED, Rows
from ui.report.sizes import SIZES, Sketch
from ui.report.svg import data_url

SEVERITIES = {"high": ("fault", "act now"), "medium": ("caution", "watch"), "low": ("advice", "advice")}
TABLED = 40  # layers in the printed table; of more, those that stand out
STANDING_OUT = 20
NOT_CERTIFIED = (
    "These data are not certified. Forecasts are made by a model from what the machine said; they are information for "
    "people who know the process, not a measurement, and not by themselves a ground to accept or refuse a part."
)


def unit_of(rows: Rows) -> LengthUnit:
    """Micrometres or millimetres, by the process."""
    widths = rows.layers[["width_p95_m"]].rename(columns={"width_p95_m": "width_m"})
    return words.unit_of(rows.machine.get("process"), widths)


def layers_of(rows: Rows) -> str:
    """`layers 50 to 52`, with the time where that is narrower."""
    stretch = rows.stretch
    first, last = stretch.first_layer, stretch.last_layer
    told = f"layer {first:,}" if first == last else f"layers {first:,} to {last:,}"
    if stretch.from_s is None and stretch.to_s is None:
        return told + (" (all that are stored)" if rows.whole else "")
    begin = "the beginning" if stretch.from_s is None else f"{stretch.from_s:g} s"
    end = "the end" if stretch.to_s is None else f"{stretch.to_s:g} s"
    return f"{told}, process time from {begin} to {end}"


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
        ("Absorptivity", stated("absorptivity", f"{absorptivity:g}" if absorptivity else "by the rule, from power and speed")),
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
        parts.append(
            f"Melting regime of the frames with the laser on: {regimes}; highest keyhole number {number(rows.layers['keyhole_number'].max())}. "
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
    tones = {kind: each.tone for kind, each in told.items()}
    picture = pictures.outcomes(rows.stations, tones, {kind: each.word for kind, each in told.items()}, _at(rows))
    return figure(picture, f"Share of the frames of each {_at(rows)} by outcome.")


def _unknown(rows: Rows, frames: int, skipped: int, without: int) -> str:
    layers, timed = rows.layers, rows.stretch.from_s is not None or rows.stretch.to_s is not None
    withheld = int(layers["withheld"].sum())
    covered = len(layers) - without
    lost = int((rows.gaps["last_sequence"] - rows.gaps["first_sequence"] + 1).sum()) if len(rows.gaps) else 0
    since = int(rows.rejects["reingested_s"].notna().sum()) if len(rows.rejects) else 0
    codes = rows.rejects["code"].value_counts().sort_index().to_dict() if len(rows.rejects) else {}
    beyond = f"at least {MISSED:,}: more than this report lists. " if len(rows.gaps) > MISSED else ""
    lines = [
        ("Layers with forecasts", f"{covered:,} of {len(layers):,}", _named(layers, layers["frames"] == 0, "none in layer")),
        ("Frames withheld", f"{withheld:,}", "no size is given where a number could not be relied on at all"),
        ("Frames skipped", f"{skipped:,}", _named(layers, layers["skipped"] > 0, "in layer") + ("; of whole layers" if timed and skipped else "")),
        ("Gaps", f"{len(rows.gaps):,}", f"{beyond}{count(lost, 'message')} never came, noticed while the stretch was received" if lost else "every sequence number came"),
        ("Rejected messages", f"{len(rows.rejects):,}", ", ".join(f"{code_} {n:,}" for code_, n in codes.items()) + (f"; {since:,} taken in since" if since else "") if codes else "every message could be read"),
        ("Sources begun anew", f"{len(rows.births):,}", ", ".join(sorted(set(rows.births["source"]))) if len(rows.births) else "none"),
        ("Observed melt-pool sizes", *_sensed(rows)),
        ("Defects inside the metal", "not known", "Meltwin forecasts the melt pool; it does not see pores, cracks or distortion"),
    ]  # fmt: skip
    return table("What is not known, and why", ("Matter", "Amount", "Detail"), lines)


def _sensed(rows: Rows) -> tuple[str, str]:
    seen = [size for size in SIZES if rows.layers[f"{size}_observed_m"].notna().any()]
    missing = [size for size in SIZES if size not in seen]
    detail = (
        f"no sensor reported {', '.join(missing)}: there the forecast stands alone" if missing else "of all three sizes"
    )
    return (", ".join(seen) or "none", detail)


def melt_pool(rows: Rows) -> list[str]:
    """Sizes of the stretch and by layer, table and picture; observed beside forecast."""
    if rows.stations.empty or not (rows.layers["pools"] > 0).any():
        return [paragraph("No frame of this stretch has a melt pool with sizes.")]
    unit = unit_of(rows)
    counted = rows.sizes["width"].count
    others = rows.others["width"].count
    lines = [(size.capitalize(), *_spread(rows.sizes[size], unit)) for size in SIZES] if counted else []
    if others:
        lines += [(f"{size.capitalize()}, not in order", *_spread(rows.others[size], unit)) for size in SIZES]
    head = ("Size", f"Mean, {unit.name}", f"5 %, {unit.name}", f"50 %, {unit.name}", f"95 %, {unit.name}", "Frames")
    basis = (
        "Estimates of now (lead 0) of the frames with the laser on and metal molten; length, width and depth are the "
        "extents of the connected region above the solidus. Frames that are not in order are kept apart."
    )
    found = [
        table("Melt-pool sizes over the stretch", head, lines, numbers=1),
        paragraph(basis, kind="small"),
        figure(pictures.sizes(rows.stations, unit, _at(rows)), f"Melt-pool sizes by {_at(rows)}: median, and the band that holds 90 % of the frames."),
        _residuals(rows, unit),
    ]  # fmt: skip
    return [*found, *_by_layer(rows, unit)]


def _spread(sketch: Sketch, unit: LengthUnit) -> list[str]:
    digits = max(unit.digits, 1)
    values = [sketch.mean, *(sketch.quantile(part) for part in (0.05, 0.5, 0.95))]
    return [f"{value * unit.per_m:.{digits}f}" if sketch.count else "–" for value in values] + [f"{sketch.count:,}"]


def _residuals(rows: Rows, unit: LengthUnit) -> str:
    """Observed minus forecast, where a sensor reported a size."""
    lines, digits = [], max(unit.digits, 1)
    for size, (now, ahead) in rows.residuals.items():
        for sketch, lead in (
            (now, "now (lead 0)"),
            (ahead, f"{words.duration(rows.horizon_s)} ahead" if ahead.count else ""),
        ):
            if sketch.count:
                values = (sketch.mean, sketch.deviation, sketch.quantile(0.5), sketch.quantile(0.9))
                told = [
                    f"{value * unit.per_m:+.{digits}f}" if at == 0 else f"{value * unit.per_m:.{digits}f}"
                    for at, value in enumerate(values)
                ]
                lines.append((f"{size.capitalize()}, {lead}", *told, f"{sketch.count:,}"))
    if not lines:
        return paragraph(
            "No sensor reported a melt-pool size at a frame in order: there is nothing to hold the forecast against.",
            kind="small",
        )
    head = (
        "Size and lead",
        f"Mean, {unit.name}",
        f"Standard deviation, {unit.name}",
        f"50 % within, {unit.name}",
        f"90 % within, {unit.name}",
        "Samples",
    )
    return table("Observed minus forecast", head, lines, numbers=1)


def _by_layer(rows: Rows, unit: LengthUnit) -> list[str]:
    layers = rows.layers
    if len(layers) == 1:
        return []
    per, digits = unit.per_m, unit.digits
    head = (
        "Layer",
        "Frames",
        "In order",
        *(f"{size.capitalize()} 5 / 50 / 95 %, {unit.name}" for size in SIZES),
        "Keyhole",
        f"Observed width, {unit.name}",
    )

    def line(row: Any) -> tuple[Any, ...]:
        cells = []
        for size in SIZES:
            values = [getattr(row, f"{size}_{name}_m") * per for name in ("p05", "p50", "p95")]
            cells.append(" / ".join(f"{value:.{digits}f}" for value in values) if np.isfinite(values).all() else "–")
        mark = "" if row.fine else " (not in order)"
        seen = row.width_observed_m
        return (
            f"{row.layer:,}", f"{row.frames:,}", share(row.ok, row.frames + row.skipped) + mark, *cells,
            share(row.keyhole, row.laser_on), f"{seen * per:.{digits}f}" if np.isfinite(seen) else "–",
        )  # fmt: skip

    if len(layers) <= TABLED:
        return [table("Melt-pool sizes by layer", head, map(line, layers.itertuples()), "wide", numbers=1)]
    known = layers[layers["pools"] > 0]
    away = (known["width_p50_m"] - known["width_p50_m"].median()).abs()
    not_ok = 1 - known["ok"] / known["frames"]
    score = away.rank(method="first") + len(known) * 10 * not_ok
    chosen = known.loc[score.sort_values(ascending=False, kind="stable").index[:STANDING_OUT]].sort_values("layer")
    caption = f"The {len(chosen)} layers that stand out: least in order, or of a width least like the median layer's"
    every = table("Melt-pool sizes by layer, all layers", head, map(line, layers.itertuples()), "wide", numbers=1)
    return [
        table(caption, head, map(line, chosen.itertuples()), "wide", numbers=1),
        more(f"All {len(layers):,} layers (on the screen, not in print)", every),
        paragraph(
            f"All {len(layers):,} layers stand in the page as HTML, and in the exported table.", kind="small print"
        ),
    ]


def maps(rows: Rows) -> list[str]:
    """Layers from above, coloured by width and by depth."""
    if not rows.maps:
        return [paragraph("No layer of this stretch has a path with melt-pool sizes to draw.")]
    unit = unit_of(rows)
    limits = {size: pictures.limits(rows.maps, size) for size in ("width", "depth")}
    numbered, beam_m = _numbered(rows.alerts), float(rows.build["beam_diameter_m"])
    found = []
    known = int((rows.layers["pools"] > 0).sum())
    for layer, frames in rows.maps.items():
        frames.attrs["layer"] = layer
        places = [
            (str(n), a.x_m, a.y_m)
            for n, a in numbered
            if a.layer == layer and a.x_m is not None and np.isfinite([a.x_m, a.y_m]).all()
        ]
        pair = [
            pictures.layer_map(frames, size, unit, limits[size], places, beam_m, f"map-{layer}-{size}")
            for size in ("width", "depth")
        ]
        found.append(f'<div class="pair">{pair[0]}{pair[1]}</div>')
    drawn = "" if known <= len(rows.maps) else (
        f" Of {known:,} layers these are the first, the last, and those least in order or of a width least like the others'."
    )  # fmt: skip
    caption = (
        "Path of the beam with the laser on, seen from above, coloured by the estimated size; one colour scale for all layers. "
        f"Triangles: frames not in order. Numbers in circles: alerts of section 6.{drawn}"
    )
    return [f'<figure class="long">{"".join(found)}<figcaption>{caption}</figcaption></figure>']


def field(rows: Rows) -> list[str]:
    """One stored temperature field and the pool in it."""
    snapshot = rows.snapshot
    if snapshot is None:
        return [
            paragraph(
                "No temperature field of this stretch is stored: fields are kept at a cadence (",
                code("snapshot_frames"),
                ") and for a time (",
                code("keep_days"),
                ").",
            )
        ]
    unit, held = unit_of(rows), snapshot.field
    place = f"x {snapshot.x_m * 1e3:.3f}, y {snapshot.y_m * 1e3:.3f} mm"
    told = (
        f"The newest stored field of the stretch with the laser on: layer {snapshot.layer:,}, frame {snapshot.frame:,}, "
        f"process time {held.time_s:.6g} s, beam at {place}; by {snapshot.operator}. A field is what the twin estimates: no machine "
        "measures it. Above the boiling point the model leaves out what limits the temperature, so those cells are grey."
    )
    found = [
        paragraph(told),
        figure(pictures.field_sections(held, unit), "Temperature around the beam; the white line is the solidus."),
    ]
    if rows.pool_png:
        alt = f"The melt pool as a body, seen obliquely from above: coloured by temperature, its skin the solidus of {held.solidus_k:.0f} K."
        picture = f'<img src="{data_url(rows.pool_png)}" alt="{alt}">'
        found.append(figure(picture, "The melt pool as a body in the metal, the scan to the right; the same colours."))
    else:
        found.append(
            paragraph(
                f"There is no picture of the pool as a body: {rows.no_pool or 'it was not asked for'}.", kind="small"
            )
        )
    return found


def alerts(rows: Rows) -> list[str]:
    """Place, first and last seen, evidence, action, who acknowledged with which note, when cleared."""
    if rows.alerts.empty:
        return [paragraph("No alert was raised in this stretch.")]
    head = ("No.", "Alert", "Place", "First and last seen", "Evidence and action", "Acknowledged", "Cleared")
    lines = []
    for number_, alert in _numbered(rows.alerts)[:ALERTS]:
        tone, said = SEVERITIES.get(alert.severity, ("advice", alert.severity))
        kind = words.ALERT_KINDS.get(alert.kind, alert.kind.replace("_", " "))
        place = f"layer {alert.layer:,}"
        if alert.x_m is not None and np.isfinite([float(alert.x_m), float(alert.y_m)]).all():
            place += f", x {alert.x_m * 1e3:.2f}, y {alert.y_m * 1e3:.2f} mm"
        who = badge("by nobody", "caution")
        if not pd.isna(alert.acknowledged_s):
            note = f": “{alert.acknowledged_note}”" if alert.acknowledged_note else ", without a note"
            who = Raw(paragraph(f"{alert.acknowledged_by}, {utc(alert.acknowledged_s)}{note}"))
        cleared = utc(alert.cleared_s) if not pd.isna(alert.cleared_s) else badge("open", "caution")
        lines.append((
            str(number_), Raw(f"{badge(said, tone).text} {paragraph(bold(kind))}"), place,
            Raw(f"{paragraph(utc(alert.first_seen_s))}{paragraph(utc(alert.last_seen_s))}"),
            Raw(f"{paragraph(alert.evidence)}{paragraph('Do: ', alert.action)}"), who, cleared,
        ))  # fmt: skip
    over = (
        paragraph(f"These are the {ALERTS} severest; more are in the exported table of alerts.")
        if len(rows.alerts) > ALERTS
        else ""
    )
    return [table("Alerts, the severest first", head, lines, "wide alerts"), over]


def notes(rows: Rows) -> list[str]:
    """What people wrote beside layers."""
    noted = rows.layers[rows.layers["note"].astype(str) != ""]
    if noted.empty:
        return [paragraph("No layer of this stretch has a note.")]
    return [table("Notes of layers", ("Layer", "Note"), [(f"{row.layer:,}", row.note) for row in noted.itertuples()])]


def _at(rows: Rows) -> str:
    return "layer" if len(rows.layers) > 1 else "process time"


def _numbered(alerts: pd.DataFrame) -> list[tuple[int, Any]]:
    return list(enumerate(alerts.itertuples(), start=1))


def _named(layers: pd.DataFrame, chosen: pd.Series, before: str) -> str:
    """`none in layers 3, 4 and 12 more`."""
    numbers = [f"{number_:,}" for number_ in layers.loc[chosen, "layer"]]
    if not numbers:
        return "–"
    rest = f" and {len(numbers) - 12:,} more" if len(numbers) > 12 else ""
    return f"{before}{'' if len(numbers) == 1 else 's'} {', '.join(numbers[:12])}{rest}"
