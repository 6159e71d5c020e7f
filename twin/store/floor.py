"""Floor: one row a machine, of what a person sees from across the hall. Both stores gather, here it is put together."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from twin.store.packing import MACHINES, table

LAYERS = 9  # newest of a build, whose median time is that of those to come
FEWEST = 3
FORECAST = {
    "outcome": object, "outcome_which": object, "outcome_by": float, "outcome_unit": object, "withheld": object,
    "issued_s": float,
}  # fmt: skip
OF_BUILD = {"part": object, "layers": float, "ends_s": float}
OF_ALERTS = {"open_alerts": int, "worst_kind": object, "worst_severity": object, "worst_since_s": float}
WORST = {"high": 0, "medium": 1, "low": 2}


def end_s(begun_s: Sequence[float], layer: float, layers: float | None, first: float) -> float:
    """Wall clock at which a build will end: newest beginning + median time of a layer * layers left, this one included.

    begun_s: wall clocks at which the newest layers began, in order; `first`: number of the lowest layer that is known.
    NaN where the build does not say how many layers it has, or fewer than `FEWEST` have begun.
    """
    steps_s = [b - a for a, b in zip(begun_s, begun_s[1:], strict=False)]
    if layers is None or len(begun_s) < FEWEST or not min(steps_s) > 0:
        return float("nan")
    done = layer - min(first, 1.0)  # layers are counted from 0 or from 1
    return begun_s[-1] + median(steps_s) * max(layers - done, 0.0)


def floor(
    machines: pd.DataFrame,
    builds: Mapping[str, Mapping[str, Any]],
    forecasts: Mapping[str, Mapping[str, Any]],
    alerts: Iterable[Any],
    layers: Iterable[tuple[str, float, float]],
) -> pd.DataFrame:
    """`Store.floor` from what stands in the tables.

    builds: part, layers and the first layer of each machine's build; alerts: the open ones (machine, kind, severity,
    first_seen_s); layers: (machine, layer, begun wall clock) of the newest.
    """
    begun: dict[str, list[tuple[float, float]]] = {}
    for machine, layer, at_s in layers:
        begun.setdefault(machine, []).append((layer, at_s))
    worst: dict[str, list[tuple[int, float, str, str]]] = {}
    for alert in alerts:
        told = (WORST[alert.severity], float(alert.first_seen_s), str(alert.kind), str(alert.severity))
        worst.setdefault(alert.machine, []).append(told)
    rows = []
    for row in machines.to_dict("records"):
        machine = str(row["machine"])
        build, forecast, open_ones = builds.get(machine, {}), forecasts.get(machine, {}), sorted(worst.get(machine, []))
        begun_s = [wall_s for _, wall_s in sorted(begun.get(machine, []))]
        ends_s = end_s(begun_s, row["layer"], build.get("layers"), build.get("first", 0.0)) if begun_s else float("nan")
        _, since_s, kind, severity = open_ones[0] if open_ones else (0, None, None, None)
        said = [forecast.get(name) for name in FORECAST]
        of_build = (build.get("part", ""), build.get("layers"), ends_s)
        rows.append((*row.values(), *said, *of_build, len(open_ones), kind, severity, since_s))
    return table(rows, MACHINES | FORECAST | OF_BUILD | OF_ALERTS)
