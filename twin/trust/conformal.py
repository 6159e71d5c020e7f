"""Conformal: scores to p-values, and several p-values to one, on a calibration split; nothing here knows a melt pool.

With calibration scores s_1..s_n and a new s that is exchangeable with them,

    p = (1 + #{i: s_i >= s})/(n + 1),        P(p <= a) <= a    for every a,

whatever the distribution (Vovk, Gammerman and Shafer 2005). So a forecast that is called unfamiliar at p <= a is a
false alarm in at most a share a of draws like those of the calibration; no fewer than 1/(n + 1) can be promised.

Several scores are combined without counting twice what they share: the statistic is the smallest of their p-values, and
is itself ranked among those of the calibration, all of them ranked with the new draw among them, so that nothing tells
it apart but its scores. No assumption on how the scores depend is needed: where all are one score the result is that
score's p-value, where they are independent it is near 1 - (1 - p)^k.
"""

import math
from dataclasses import dataclass
from functools import cached_property

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
    """Calibration scores (draw, score) under `names`."""

    names: tuple[str, ...]
    scores: np.ndarray

    def __call__(self, told: dict[str, float]) -> tuple[float, str]:
        """(p, the name that is strangest) of one draw. Scores that it does not have are left out of the calibration
        too."""
        kept = [column for column, name in enumerate(self.names) if name in told]
        if not kept:
            return 1.0, ""
        mine = np.array([told[self.names[column]] for column in kept], dtype=np.float64)
        mine = np.where(np.isnan(mine), np.inf, mine)
        known, counts = self.scores[:, kept], self._counts[:, kept]
        own = 1 + (known >= mine).sum(0)  # of the n + 1 how many are at least as strange, itself counted
        statistic = (counts + (mine >= known)).min(1)
        p = (1 + (statistic <= own.min()).sum()) / (len(known) + 1)
        return float(p), self.names[kept[int(own.argmin())]]

    @cached_property
    def _counts(self) -> np.ndarray:
        """Of each calibration score, how many of the calibration are at least as large, itself counted."""
        ranks = [len(c) - np.searchsorted(np.sort(c), c, side="left") for c in self.scores.T]
        return np.stack(ranks, axis=1)

    @property
    def least(self) -> float:
        """The p of a draw that is stranger than all others by one score, and by no other: the largest over scores. Each
        score's strangest draw of the calibration stands beside it, so it is as many times 1/(n + 1) as scores tell
        draws apart; no alarm can promise fewer false ones."""
        none = dict.fromkeys(self.names, -math.inf)
        return max(self(none | {name: math.inf})[0] for name in self.names)
