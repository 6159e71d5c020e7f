"""Golden: limits from builds that people marked good, layer by layer, and a build held against them.

Of G good builds, with the quantiles of a quantity among the frames of a layer (`twin.store.sums`):

    low  = mean of their  5 % quantiles - w        w = t(G - 1) s sqrt(1 + 1/G)
    high = mean of their 95 % quantiles + w        s: by how much the layers' medians differ from build to build

s is relative to the layer and pooled over all layers, because a few builds say too little of each; t is Student's for
95 %, with one degree of freedom a further build, because the layers of one build deviate together. No limit is nearer
to the median than `NEAREST` of it. From one good build w is 0: the limits then say where its frames lay, and nothing
of how good builds differ; a time, of which a layer has but one, has no limits then. A layer is outside when its own
median is: more than half of its frames are where hardly any of a good build's are (docs/golden.md says what that can
and cannot tell). Pure functions of rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from twin.remarks import standing
from twin.store.packing import table
from twin.store.sums import OBSERVED, OF_FRAMES, OF_TIMES, SUMS

COMPARED = (*OF_FRAMES, *OBSERVED.values(), *OF_TIMES)
LEAST_FRAMES = 20  # of a layer, below which its quantiles are not made
NEAREST = 0.01  # of the median: what is nearer is not worth a word
ALIKE = 1e-3  # relative: nominal parameters that differ by no more are the same
STUDENT_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086,
)  # fmt: skip  # two-sided, by degrees of freedom; the last holds for more
NOMINAL = ("beam_diameter_m", "nominal_beam_power_w", "nominal_scan_speed_m_per_s", "preheat_k")
LIMITS = {
    "layer": int, "quantity": object, "builds": int, "median": float, "low": float, "high": float, "widened": float,
}  # fmt: skip
COMPARISON = {
    "layer": int, "quantity": object, "count": int, "value": float, "median": float, "low": float, "high": float,
    "builds": int, "by": float, "times": float,
}  # fmt: skip


@dataclass(frozen=True)
class Kin:
    """The good builds that a build is held against, without itself; `alike` says in what they are the same."""

    builds: tuple[tuple[str, str], ...]
    alike: str
    left_out: tuple[tuple[str, str, str], ...] = ()  # machine, build, why


def kin(archive: pd.DataFrame, marks: pd.DataFrame, machine: str, build: str) -> Kin:
    """Of the builds that are good now (`Remarks.build_marks`) those of the same part; where the build names no part,
    those of the same process, alloy and nominal parameters. Layers count alike only in one alloy and layer thickness:
    a build of another is left out, and said."""
    rows = archive.set_index(["machine", "build"])
    if (machine, build) not in rows.index:
        return Kin((), "")
    own, found, left = rows.loc[(machine, build)], [], []
    for good in standing(marks).itertuples():
        place = (str(good.machine), str(good.build))
        if place == (machine, build) or place not in rows.index:
            continue
        other = rows.loc[place]
        if (other["part"] or "") != (own["part"] or ""):
            continue
        why = _unlike(own, other, with_parameters=not own["part"])
        if why and own["part"]:
            left.append((*place, why))
        elif not why:
            found.append(place)
    alike = f"part {own['part']}" if own["part"] else "the same process, alloy and nominal parameters, no part named"
    return Kin(tuple(found), alike, tuple(left))


def _unlike(own: pd.Series, other: pd.Series, *, with_parameters: bool) -> str:
    """Why two builds cannot be compared; empty: they can."""
    if own["material"] != other["material"]:
        return f"another alloy, {other['material']}"
    if own["process"] and other["process"] and own["process"] != other["process"]:  # a machine that left may not say
        return f"another process, {other['process']}"
    if not _same(own["layer_thickness_m"], other["layer_thickness_m"]):
        return f"another layer thickness, {other['layer_thickness_m'] * 1e6:.0f} µm"
    if with_parameters and not all(_same(own[name], other[name]) for name in NOMINAL):
        return "other nominal parameters"
    return ""


def _same(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=ALIKE, atol=0.0, equal_nan=True))


def limits(good: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Limits by layer and quantity from `Store.layer_sums` of each good build; columns LIMITS. `builds` is how many
    have the layer; low and high are NaN where there is none to be made."""
    rows = [_told(sums).assign(of=number) for number, sums in enumerate(good.values())]
    every = pd.concat(rows, ignore_index=True) if rows else table([], SUMS)
    if every.empty:
        return table([], LIMITS)
    every["spread"], every["further"] = _spread(every), every.groupby("quantity")["of"].transform("nunique") - 1
    means = {name: (name, "mean") for name in ("p05", "p95", "spread", "further")}
    by = every.groupby(["quantity", "layer"], sort=False)
    told = by.agg(builds=("of", "size"), median=("p50", "median"), mean=("p50", "mean"), **means).reset_index()
    further, median = told["further"].to_numpy(int), told["median"].to_numpy(float)
    student = np.array((0.0, *STUDENT_95))[np.minimum(further, len(STUDENT_95))]
    widened = student * told["spread"] * told["mean"].abs() * (1 + 1 / told["builds"]) ** 0.5
    low = np.minimum(told["p05"] - widened, median - NEAREST * np.abs(median))
    high = np.maximum(told["p95"] + widened, median + NEAREST * np.abs(median))
    none = (further == 0) & told["quantity"].isin(OF_TIMES)  # a time of one build says nothing of how times differ
    limited = (each.mask(none, np.nan) for each in (low, high, widened))
    columns = (told["layer"], told["quantity"], told["builds"], median, *limited)
    return table(sorted(zip(*columns, strict=True), key=_in_order), LIMITS)


def _spread(every: pd.DataFrame) -> pd.Series:
    """By how much medians of one layer differ between builds, relative, root mean square over all layers of a
    quantity."""
    by_layer = every.groupby(["quantity", "layer"])["p50"]
    mean, count = by_layer.transform("mean"), by_layer.transform("size")
    square = ((every["p50"] / mean - 1) ** 2).where((count > 1) & (mean != 0), 0.0)
    of = every["quantity"]
    free = ((count - 1) / count).groupby(of).transform("sum")  # adds up to builds - 1 of each layer
    return (square.groupby(of).transform("sum") / free.where(free > 0)).fillna(0.0) ** 0.5


def compare(sums: pd.DataFrame, within: pd.DataFrame) -> pd.DataFrame:
    """A build's layers against limits; columns COMPARISON, by layer and quantity. `by`: how far the layer's median is
    below low (negative) or above high, 0 inside, NaN where there is no limit; `times`: the same as a share of the way
    from the median of the good builds to the limit that it is beyond."""
    told = _told(sums)
    if told.empty:
        return table([], COMPARISON)
    rows = told.merge(within, on=["layer", "quantity"], how="left")
    value = rows["p50"].to_numpy(float)
    median, low, high = (rows[name].to_numpy(float) for name in ("median", "low", "high"))
    by = np.where(value > high, value - high, np.where(value < low, value - low, 0.0))
    by[~np.isfinite(low)] = np.nan
    way = np.where(by < 0, median - low, high - median)
    times = np.divide(np.abs(by), way, out=np.where(by == 0, 0.0, np.nan), where=(way > 0) & np.isfinite(by))
    builds = rows["builds"].fillna(0).astype(int)
    columns = (rows["layer"], rows["quantity"], rows["count"], value, median, low, high, builds, by, times)
    return table(sorted(zip(*columns, strict=True), key=_in_order), COMPARISON)


def outside(comparison: pd.DataFrame) -> pd.DataFrame:
    """The rows of a comparison that are beyond a limit, worst first."""
    beyond = comparison[comparison["by"].abs() > 0]
    return beyond.sort_values(["times", "layer"], ascending=[False, True], kind="stable", ignore_index=True)


def _told(sums: pd.DataFrame) -> pd.DataFrame:
    """Rows that may be judged: of quantities that are compared, and of enough frames."""
    enough = (sums["count"] >= LEAST_FRAMES) | sums["quantity"].isin(OF_TIMES)
    return sums[sums["quantity"].isin(COMPARED) & enough]


def _in_order(row: Sequence[Any]) -> tuple[int, int]:
    return row[0], COMPARED.index(row[1])
