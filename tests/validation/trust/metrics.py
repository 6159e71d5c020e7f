"""Metrics: how well a score tells one set from another, and wrong forecasts from right ones. Large scores are
strange."""

import math
from collections.abc import Callable

import numpy as np


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Area under the ROC curve: how often a score of outside is above one of inside; a tie counts half."""
    both = np.concatenate([inside, outside])
    rank = ranks(both)[len(inside) :]
    above = rank.sum() - len(outside) * (len(outside) + 1) / 2
    return float(above / (len(inside) * len(outside))) if len(inside) and len(outside) else math.nan


def ranks(values: np.ndarray) -> np.ndarray:
    """From 1; ties share the mean of theirs."""
    order = np.argsort(values, kind="stable")
    _, first, inverse, count = np.unique(values[order], return_index=True, return_inverse=True, return_counts=True)
    found = np.empty(len(values))
    found[order] = (first + (count + 1) / 2)[inverse]
    return found


def aupr(inside: np.ndarray, outside: np.ndarray) -> float:
    """Area under precision over recall (average precision), outside being what is looked for; ties are taken at
    once."""
    scores = np.concatenate([inside, outside])
    found = np.concatenate([np.zeros(len(inside)), np.ones(len(outside))])
    levels = np.unique(scores)[::-1]
    area, before = 0.0, 0.0
    for level in levels:
        taken = scores >= level
        recall = found[taken].sum() / len(outside)
        area += (recall - before) * found[taken].mean()
        before = recall
    return float(area)


def fpr95(inside: np.ndarray, outside: np.ndarray) -> float:
    """Share of inside at or above the level that finds 95 % of outside."""
    level = np.sort(outside)[int(np.floor(0.05 * len(outside)))]
    return float((inside >= level).mean())


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; 0 where one of them does not vary."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    norm = math.sqrt(float((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / norm) if norm > 0 else 0.0


def interval(covered: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share: where the binomial tails are (1 - level)/2 each."""
    tail = (1 - level) / 2
    low = 0.0 if covered == 0 else _where(lambda p: 1 - _binomial(covered - 1, count, p) < tail)
    high = 1.0 if covered == count else _where(lambda p: _binomial(covered, count, p) > tail)
    return low, high


def _where(below: Callable[[float], bool]) -> float:
    """The share at which a condition ends, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if below(middle) else (low, middle)
    return 0.5 * (low + high)


def _binomial(k: int, n: int, p: float) -> float:
    """P(at most k of n)."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return float(k >= n)
    j = np.arange(k + 1)
    log = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in j]
    return float(np.exp(np.array(log) + j * math.log(p) + (n - j) * math.log1p(-p)).sum())
