"""Conformal: scores to p-values, and several p-values to one, on a calibration split; nothing here knows a melt pool.

With calibration scores s_1..s_n and a new s that is exchangeable with them,

    p = (1 + #{i: s_i >= s})/(n + 1),        P(p <= a) <= a    for every a,

whatever the distribution (Vovk, Gammerman and Shafer 2005). So a forecast that is called unfamiliar at p <= a is a
false alarm in at most a share a of draws like those of the calibration; no fewer than 1/(n + 1) can be promised.

Several scores are combined without counting twice what they share: the statistic is the smallest of their p-values,
and is itself calibrated, on draws that gave no margin. No assumption on how the scores depend is needed: where all are
one score the result is that score's p-value, where they are independent it is 1 - (1 - p)^k.
"""

import math
from dataclasses import dataclass

import numpy as np


def p_value(score: np.ndarray | float, calibration: np.ndarray) -> np.ndarray:
    """p of scores against a sorted calibration; a score that is not a number is the strangest there is."""
    known = np.asarray(score, dtype=np.float64)
    at_least = len(calibration) - np.searchsorted(calibration, np.where(np.isnan(known), np.inf, known), side="left")
    return np.asarray((1.0 + at_least) / (len(calibration) + 1.0))


def quantile(scores: np.ndarray, coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest score: what a new one stays at or below with at least that probability;
    infinite where there are too few."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return float(np.sort(scores)[max(rank, 1) - 1]) if rank <= len(scores) else math.inf


@dataclass(frozen=True)
class Combination:
    """`margins`: sorted calibration scores of each name. `joint`: sorted smallest p-values of draws of another split."""

    margins: dict[str, np.ndarray]
    joint: np.ndarray

    @staticmethod
    def of(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> "Combination":
        """From scores (draw,) of two splits that share no draw."""
        margins = {name: np.sort(np.asarray(values, dtype=np.float64)) for name, values in first.items()}
        smallest = np.min([p_value(second[name], margin) for name, margin in margins.items()], axis=0)
        return Combination(margins, np.sort(smallest))

    def __call__(self, scores: dict[str, float]) -> tuple[float, str]:
        """(p, the name that is strangest) of one draw. A score that is not there counts for nothing: the smallest of
        fewer p-values is larger, so what is promised still holds."""
        own = {name: float(p_value(scores[name], margin)) for name, margin in self.margins.items() if name in scores}
        if not own:
            return 1.0, ""
        which = min(own, key=lambda name: own[name])
        return float(self.p(np.array(own[which]))), which

    def p(self, smallest: np.ndarray) -> np.ndarray:
        """p of smallest p-values: small is strange."""
        below = np.searchsorted(self.joint, smallest + 1e-12, side="right")
        return np.asarray((1.0 + below) / (len(self.joint) + 1.0))

    @property
    def least(self) -> float:
        """The smallest p that there can be, and so the smallest share of false alarms that can be promised."""
        return 1.0 / (len(self.joint) + 1.0)
