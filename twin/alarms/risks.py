"""Risks: numbers that say how near a melt pool is to leaving a defect, each with its limit, where that comes from, and
of which quantile of the pool it is. Pure; a share of 1 is at the limit.

    keyhole          Ke over DEEP_KEYHOLE (Gan 2021), where the boiling number says keyhole. Of the parameters, which
                     are observed: no quantile
    lack of fusion   (h/W)^2 + (t/D)^2 over 1 (Tang 2017), W and D those that one place in twenty falls short of
    balling          L/W over BALLING: the longest good track of AMB2018-02; medians. An advisory (docs/alerts.md)
    overheating      the smaller of W and D over the steady W and D of the nominal parameters, over what one place in
                     twenty of a steady track exceeds: residual heat in short vectors, at turns and corners. Both,
                     because at a turn the pool joins that of the track before, and is wide without being hot

A track does not have one width. 30,000 widths along a steady track (Ti-6Al-4V, 1.7 m/s; Raptor, CMU KiltHub 25696293)
have a standard deviation of 10.9 % of their mean (SPREAD); from 5 to 95 % a normal law gives their quantiles within
3 % of the mean, beyond that it is too kind (1 %: .73 of it, not .75; 99 %: 1.40, not 1.25). Depth was not measured
there: the same share is assumed, and that it falls short where width does, so that the low quantiles of both make the
high quantile of the index, exactly. The low side of a forecast's band counts where it is lower.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

from twin.forecast import MeltPool, Regime, Severity
from twin.regime import BALLING, DEEP_KEYHOLE
from twin.regime import balling as balling_share
from twin.regime import lack_of_fusion as overlap_index
from twin.units import from_si, length_unit

SPREAD = 0.109  # standard deviation over mean of measured widths
RARELY = 0.05  # one place in twenty
SETTLED = 16  # estimates with the laser on, before medians of them mean something
NEWEST = 64
TURN = 5  # estimates: two beam diameters and a half of travel
ENDED = 0.95  # share of a limit below which what was above it is over


@dataclass(frozen=True)
class Risk:
    """One number over its limit; raised from 1 on, over below ENDED: `ends` says where that is."""

    kind: str
    share: float
    severity: Severity
    evidence: str
    action: str
    ends: str = ""


def quantile(mean: float, share: float, spread: float = SPREAD) -> float:
    """What a size falls short of in `share` of all places, by a normal law; never below 0."""
    return max(0.0, mean * (1.0 + NormalDist().inv_cdf(share) * spread)) if spread > 0 else mean


def low(pool: MeltPool, spread: float = SPREAD, share: float = RARELY) -> MeltPool:
    """The pool that one place in twenty falls short of."""
    return MeltPool(*(quantile(size, share, spread) for size in (pool.length_m, pool.width_m, pool.depth_m)))


def middle(pools: Sequence[MeltPool]) -> MeltPool:
    """Medians of the sizes: starts and ends of tracks do not move them."""
    return MeltPool(*(median(getattr(pool, name) for pool in pools) for name in ("length_m", "width_m", "depth_m")))


def keyhole(regime: Regime | None, keyhole_number: float | None) -> Risk | None:
    """A keyhole so deep that it may collapse and leave pores."""
    if regime != "keyhole" or keyhole_number is None:
        return None
    return Risk(
        "keyhole",
        keyhole_number / DEEP_KEYHOLE,
        "medium",
        f"keyhole number {keyhole_number:.1f}, deep above {DEEP_KEYHOLE:g}",
        "a keyhole so deep may leave pores: lower the power or raise the speed",
        f"below {ENDED * DEEP_KEYHOLE:.1f}",
    )


def lack_of_fusion(
    hatch_spacing_m: float, layer_thickness_m: float, mean: MeltPool, low_side: MeltPool | None = None
) -> Risk:
    """Whether one place in twenty between two tracks stays unmelted (an advisory), or every other one (an alert).

    `low_side`: that of a forecast's band. It counts where it is lower than what measured tracks scatter to: no forecast
    may claim to be narrower than tracks are even.
    """
    rare = low(mean)
    if low_side is not None:
        rare = MeltPool(*(min(vars(rare)[name], vars(low_side)[name]) for name in ("length_m", "width_m", "depth_m")))
    share = overlap_index(hatch_spacing_m, layer_thickness_m, rare.width_m, rare.depth_m)
    often = overlap_index(hatch_spacing_m, layer_thickness_m, mean.width_m, mean.depth_m) >= 1
    width, depth = (
        f"{_length(b, a)} (middle {_length(a).split()[0]})" for a, b in zip(_across(mean), _across(rare), strict=True)
    )
    where = "every other place" if often else "one place in twenty"
    return Risk(
        "lack_of_fusion",
        share,
        "medium" if often else "low",
        f"tracks {_length(hatch_spacing_m)} apart may not melt together in {where}: there width {width}, depth "
        f"{depth}, index {_told(share)}",
        "raise the power, or lower the speed or the hatch spacing; look at the pores of the next cut",
        f"the index is below {ENDED:g}",
    )


def balling(mean: MeltPool) -> Risk:
    """A pool so long that it may break into drops. No length over width tells labelled tracks apart well enough."""
    ratio = mean.length_m / mean.width_m if mean.width_m > 0 else 0.0
    return Risk(
        "balling",
        balling_share(mean.length_m, mean.width_m),
        "low",
        f"the melt pool is {ratio:.1f} times as long as wide; good tracks reach {BALLING:g}",
        "look at the tracks: are they even?",
        f"below {ENDED * BALLING:.1f}",
    )


def overheating(now: MeltPool, steady: MeltPool, spread: float = SPREAD) -> Risk | None:
    """Residual heat: the pool at nominal power against the steady one of the nominal parameters, by the same operator,
    so that what it is off by cancels. None where that one melts nothing."""
    if min(_across(steady)) <= 0:
        return None
    wider, deeper = now.width_m / steady.width_m, now.depth_m / steady.depth_m
    limit = quantile(1.0, 1.0 - RARELY, spread)
    return Risk(
        "overheating",
        min(wider, deeper) / limit,
        "low",
        f"the melt pool is {wider:.2f} times as wide and {deeper:.2f} times as deep as a steady one at nominal",
        "short vectors or corners keep their heat: lengthen the pauses or lower the power there",
        f"one of them is below {ENDED * limit:.2f}",
    )


def _across(pool: MeltPool) -> tuple[float, float]:
    return pool.width_m, pool.depth_m


def _length(length_m: float, like_m: float | None = None) -> str:
    """As a person is told it; in the unit of another length, where that is what it is told beside."""
    unit = length_unit(length_m if like_m is None else like_m)
    return f"{from_si(length_m, unit, 'length'):{'.2f' if unit == 'mm' else '.0f'}} {unit.replace('um', 'µm')}"


def _told(index: float) -> str:
    return f"{index:.2f}" if math.isfinite(index) else "without end: nothing melts"
