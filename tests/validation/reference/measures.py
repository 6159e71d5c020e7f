"""Statistics of the tables: relative errors, medians with intervals, and how well a number sorts two kinds."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def mape(predicted: Sequence[float], measured: Sequence[float]) -> float:
    """Mean of |predicted/measured - 1|."""
    return float(np.mean(np.abs(np.asarray(predicted) / np.asarray(measured) - 1)))


def median_ratio(predicted: Sequence[float], measured: Sequence[float]) -> float:
    """Median of predicted/measured: which way the errors go."""
    return float(np.median(np.asarray(predicted) / np.asarray(measured)))


def spread(values: Sequence[float], draws: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Median, quartiles, and the interval that holds 95 of 100 medians when the values are drawn again."""
    there = np.asarray([v for v in values if np.isfinite(v)])
    if not len(there):
        return {"n": 0, "median": None, "quartiles": None, "interval": None}
    again = np.random.default_rng(seed).choice(there, (draws, len(there)))
    return {
        "n": len(there),
        "median": float(np.median(there)),
        "quartiles": [float(v) for v in np.quantile(there, [0.25, 0.75])],
        "interval": [float(v) for v in np.quantile(np.median(again, axis=1), [0.025, 0.975])],
    }


def auc(numbers: Sequence[float], positive: Sequence[bool]) -> float | None:
    """How often a positive has the larger number, ties half: 1 sorts, 0.5 does not. None without both kinds."""
    values, kind = np.asarray(numbers, dtype=float), np.asarray(positive, dtype=bool)
    if kind.all() or not kind.any():
        return None
    above = values[kind][:, None] - values[~kind][None, :]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def auc_interval(
    numbers: Sequence[float], positive: Sequence[bool], draws: int = 1000, seed: int = 0
) -> list[float] | None:
    """What holds 95 of 100 areas when the rows are drawn again."""
    rng, n = np.random.default_rng(seed), len(numbers)
    values, kind = np.asarray(numbers, dtype=float), np.asarray(positive, dtype=bool)
    found = [auc(values[rows], kind[rows]) for rows in rng.integers(0, n, (draws, n))] if n else []
    areas = [a for a in found if a is not None]
    return [float(v) for v in np.quantile(areas, [0.025, 0.975])] if areas else None


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least squares."""
    return float(np.polyfit(np.asarray(x), np.asarray(y), 1)[0])
