"""The melt pool in numbers: over the stretch and by layer, observed beside forecast. From rows to HTML."""

from typing import Any

import numpy as np

from ui import words
from ui.figures import LengthUnit
from ui.report.drawing import along
from ui.report.rows import Rows
from ui.report.sections.html import (
    figure,
    more,
    paragraph,
    share,
    table,
)
from ui.report.sections.place import at, unit_of
from ui.report.sizes import SIZES, Sketch

TABLED = 40  # layers in the printed table; of more, those that stand out
STANDING_OUT = 20


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
        figure(
            along.sizes(rows.stations, unit, at(rows)),
            f"Melt-pool sizes by {at(rows)}: median, and the band that holds 90 % of the frames.",
        ),
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
