"""Place: what several sections say in the same words: units, layers, numbers of alerts."""

from typing import Any

import pandas as pd

from ui import words
from ui.figures import LengthUnit
from ui.report.rows import Rows

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


def at(rows: Rows) -> str:
    return "layer" if len(rows.layers) > 1 else "process time"


def numbered(alerts: pd.DataFrame) -> list[tuple[int, Any]]:
    return list(enumerate(alerts.itertuples(), start=1))


def named(layers: pd.DataFrame, chosen: pd.Series, before: str) -> str:
    """`none in layers 3, 4 and 12 more`."""
    numbers = [f"{number_:,}" for number_ in layers.loc[chosen, "layer"]]
    if not numbers:
        return "–"
    rest = f" and {len(numbers) - 12:,} more" if len(numbers) > 12 else ""
    return f"{before}{'' if len(numbers) == 1 else 's'} {', '.join(numbers[:12])}{rest}"
