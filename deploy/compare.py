"""Compare: the same build forecast by two operators, from the rows that both left in the store.

Sizes are compared where both have one: the same frame at the same lead. Against observed widths each is held at every
lead: the mean of the readings within a quarter of a frame of the time that the lead speaks of.
"""

from typing import Any

import numpy as np
import pandas as pd

from deploy.advance import Opinions
from deploy.run import RunLoop
from twin.store.port import Store

SIZES = ("length_m", "width_m", "depth_m")
EVERY = 10_000_000
OF_RECORD = "of record"


def compared(store: Store, loop: RunLoop) -> list[dict[str, Any]]:
    """One row for each machine's newest build and each second opinion on it. Outcomes and cost are those of the run."""
    return [
        _compared(store, loop, str(machine), name)
        for machine in store.machines()["machine"]
        for name in store.opinions(machine)
        if name in loop.tally.opinions
    ]


def told(row: dict[str, Any]) -> list[str]:
    """The same for people."""
    first, second = row["operators"]
    lines = [f"{first} and {second} on {row['machine']}: {row['frames']:,} frames, {row['sizes']:,} sizes of both"]
    for name, both in row["difference"].items():
        if both is None:
            lines.append(f"  {name.removesuffix('_m')}: nothing molten")
            continue
        lines.append(
            f"  {name.removesuffix('_m')}: differ by {both['median_m'] * 1e6:.1f} µm in the median, "
            f"{both['p95_m'] * 1e6:.1f} µm at p95 ({both['median_share']:.1%}, {both['p95_share']:.1%})"
        )
    for operator, kinds in row["outcomes"].items():
        ms = row["forecast_ms"][operator]
        cost = "" if ms is None else f", {ms:.2f} ms a frame"
        lines.append(f"  {operator}: {', '.join(f'{kind} {n:,}' for kind, n in kinds.items()) or 'none'}{cost}")
    for lead in row["observed_width"]:
        errors = ", ".join(f"{name} {lead['error'][name]:.1%}" for name in lead["error"])
        ahead = f"{lead['lead_s'] * 1e6:.4g} µs ahead"
        lines.append(f"  width off the observed one, {ahead}: {errors} ({lead['readings']:,} frames)")
    return lines


def _compared(store: Store, loop: RunLoop, machine: str, name: str) -> dict[str, Any]:
    ours, theirs = store.melt_pool(machine, limit=EVERY), store.melt_pool(machine, opinion=name, limit=EVERY)
    for table in (ours, theirs):
        table["step"] = table.groupby(["layer", "frame"]).cumcount()  # leads by number: as floats they may differ
    both = ours.merge(theirs, on=["layer", "frame", "step"], suffixes=("", "_b"))
    signals = store.signals(machine, limit=EVERY)
    observed = signals[signals["name"] == "melt_pool_width_m"].sort_values("time_s")
    first = str(ours["operator"].mode().iloc[0]) if len(ours) else OF_RECORD
    operators = [first, name if name != first else f"{name} (second)"]
    outcomes = [loop.tally.outcomes, loop.tally.opinions[name]]
    return {
        "machine": machine,
        "operators": operators,
        "frames": int(both.groupby(["layer", "frame"]).ngroups),
        "sizes": len(both),
        "difference": {size: _difference(both, size) for size in SIZES},
        "outcomes": {who: dict(sorted(kinds.items())) for who, kinds in zip(operators, outcomes, strict=True)},
        "forecast_ms": {who: _ms(loop, asked) for who, asked in zip(operators, ("", name), strict=True)},
        "observed_width": _against(both, observed, operators),
    }


def _ms(loop: RunLoop, asked: str) -> float | None:
    """Wall milliseconds of a frame in the mean, its leads included; a batch of frames shares them."""
    took = loop.advance
    if not isinstance(took, Opinions) or not took.windows:
        return None
    return 1e3 * took.took_s[asked] / took.windows


def _difference(both: pd.DataFrame, size: str) -> dict[str, float] | None:
    a, b = both[size].to_numpy(float), both[f"{size}_b"].to_numpy(float)
    molten = np.isfinite(a) & np.isfinite(b) & ((a > 0) | (b > 0))
    if not molten.any():
        return None
    off = np.abs(a - b)[molten]
    share = off / np.maximum(a, b)[molten]
    (median_m, p95_m), (median_share, p95_share) = (np.quantile(v, [0.5, 0.95]).tolist() for v in (off, share))
    return {"median_m": median_m, "p95_m": p95_m, "median_share": median_share, "p95_share": p95_share}


def _against(both: pd.DataFrame, observed: pd.DataFrame, operators: list[str]) -> list[dict[str, Any]]:
    """Median of |forecast - observed| over the observed width, at each lead, where there are readings."""
    if observed.empty or both.empty:
        return []
    times, values = observed["time_s"].to_numpy(float), observed["value"].to_numpy(float)
    summed = np.concatenate([[0.0], np.cumsum(values)])
    starts = np.unique(both.loc[both["step"] == 0, "time_s"].to_numpy(float))
    near_s = 0.25 * float(np.median(np.diff(starts))) if len(starts) > 1 else 0.0
    rows = []
    for lead, table in both.groupby("step"):
        at = table["time_s"].to_numpy(float)
        low, high = np.searchsorted(times, at - near_s), np.searchsorted(times, at + near_s, side="right")
        seen = high > low
        if not seen.any():
            continue
        width = (summed[high[seen]] - summed[low[seen]]) / (high - low)[seen]
        error = {
            who: float(np.median(np.abs(table[column].to_numpy(float)[seen] - width) / width))
            for who, column in zip(operators, ("width_m", "width_m_b"), strict=True)
        }
        lead_s = float(table["lead_s"].median())
        rows.append({"lead": int(lead), "lead_s": lead_s, "readings": int(seen.sum()), "error": error})  # type: ignore[call-overload]
    return rows
