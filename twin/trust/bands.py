"""Bands: split-conformal, around the sizes at every lead and around the field of the whole window.

A band holds for a forecast as one: all its leads, or all nodes at all leads, are inside together with the stated
probability, for draws like those of the calibration (Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094, for scores over a
scale; Ma et al., TMLR 2024, for functions). The score of a draw is the largest error over its scale,

    s = max over leads |true - forecast| / (difficulty max(size, FLOOR d)),       band: size +- s_q difficulty max(...)
    s = max over leads and nodes |true - forecast|(z) / (difficulty profile(z)),  in asinh(theta),

and s_q is their quantile, one for each regime and for steady and changing paths apart (Mondrian: Vovk 2005), so that
what is hard in a keyhole or after a corner does not widen a straight track in conduction: with one quantile for all,
straight tracks would be inside 98 times in a hundred, and others 81 times. Difficulty is the error that is expected
from what an operator is told and what its encoder makes of it (`difficulty`), fitted on draws that calibrate nothing.
Nothing here promises a single frame of a single build: a build whose every frame is at the hard end of its regime has
more than its share outside."""

import math
from dataclasses import dataclass

import numpy as np

from twin.trust.conformal import quantile

FLOOR = 0.25  # d: below it an error is counted in parts of this length
SIZES = ("length", "width", "depth")


@dataclass(frozen=True)
class Interval:
    """Between which values a size lies."""

    low: float
    high: float


def scale(size: np.ndarray | float) -> np.ndarray:
    """What an error of a size is counted in, d."""
    return np.maximum(np.asarray(size, dtype=np.float64), FLOOR)


def score(true: np.ndarray, forecast: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
    """(draw, size) largest error over leads: true and forecast (draw, lead, size), difficulty (draw, lead, size)."""
    return np.asarray((np.abs(true - forecast) / (difficulty * scale(forecast))).max(axis=1))


def field_score(true: np.ndarray, forecast: np.ndarray, difficulty: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """(draw,) largest error over leads and nodes, of asinh(theta) (draw, lead, x, y, z); difficulty (draw, lead),
    profile (x, y, z)."""
    worst = (np.abs(true - forecast) / profile).max(axis=(2, 3, 4))
    return np.asarray((worst / difficulty).max(axis=1))


def mondrian(scores: np.ndarray, groups: np.ndarray, coverage: float) -> dict[str, float]:
    """The quantile of each group, and of all under the name of none."""
    found = {str(group): quantile(scores[groups == group], coverage) for group in np.unique(groups)}
    return found | {"": quantile(scores, coverage)}


def interval(size: float, difficulty: float, reach: float) -> Interval | None:
    """The band of one size; None where the reach is not known (too few draws)."""
    if not (math.isfinite(reach) and math.isfinite(size)):
        return None
    half = reach * difficulty * float(scale(size))
    return Interval(max(size - half, 0.0), size + half)


def adapted(miss: float, covered: bool, wanted_miss: float, rate: float = 0.005) -> float:
    """The share of misses to aim at next, where the world drifts: a_next = a + rate (wanted - missed).

    Adaptive conformal inference (Gibbs and Candes, NeurIPS 2021, Eq. 2): the share of misses over T steps is within
    (1 + rate)/(rate T) of what is wanted, whatever happens. At or below 0 the band has no end, from 1 on it is empty.
    """
    return miss + rate * (wanted_miss - (0.0 if covered else 1.0))
