"""Measure: coverage and width of bands, and how each score tells each family from forecasts in distribution."""

from typing import Any

import numpy as np

from tests.validation.trust import metrics
from twin.trust.bands import SIZES, adapted
from twin.trust.calibrate.readings import Readings
from twin.trust.calibrate.recipe import scores_of, strangeness
from twin.trust.calibrated import SCORES, Calibrated
from twin.trust.conformal import quantile
from twin.trust.judge import ALARM

COMBINED = "combined"


def p_values(scores: np.ndarray, found: Calibrated) -> np.ndarray:
    """(n,) combined; a score that is not a number was not to be had."""
    rows = [{n: float(v) for n, v in zip(SCORES, row, strict=True) if np.isfinite(v)} for row in scores]
    return np.array([found.combination(row)[0] for row in rows])


def columns(some: Readings, found: Calibrated) -> dict[str, np.ndarray]:
    """Every score, and the combined one (-log p); larger is stranger."""
    scores = np.nan_to_num(scores_of(some, found), nan=-np.inf)
    every = {name: scores[:, column] for column, name in enumerate(SCORES)}
    return every | {COMBINED: -np.log(p_values(scores_of(some, found), found))}


def error(some: Readings) -> np.ndarray:
    """(n,) of a forecast: the mean over length, width and depth of the largest relative error of its leads."""
    return np.asarray(some.errors[..., :3].max(axis=1).mean(axis=-1))


def detection(inside: Readings, outside: Readings, found: Calibrated) -> dict[str, dict[str, float]]:
    """By score: how well it tells a family from in distribution, and wrong forecasts from right ones among both. Wrong
    is what is further off than nine of ten forecasts in distribution."""
    own, other = columns(inside, found), columns(outside, found)
    errors = np.concatenate([error(inside), error(outside)])
    wrong = errors > np.quantile(error(inside), 0.9)
    ratio = float(np.median(error(outside)) / np.median(error(inside)))
    out = {}
    for name, value in own.items():
        both = np.concatenate([value, other[name]])
        out[name] = {
            "auroc": metrics.auroc(value, other[name]),
            "aupr": metrics.aupr(value, other[name]),
            "fpr95": metrics.fpr95(value, other[name]),
            "error auroc": metrics.auroc(both[~wrong], both[wrong]),
            "spearman": metrics.spearman(both, errors),
            "error ratio": ratio,
            "draws": float(len(outside)),
        }
    return out


def coverage(some: Readings, found: Calibrated) -> dict[str, dict[str, float]]:
    """By group (all, each regime, each stratum): the share of draws inside at every lead, its 95 % interval, and the
    half-width of the band over the size, in the median. A draw counts once."""
    strange, expected = strangeness(some, found), found.expected(some.encoded, some.sizes)
    names = np.array(["all"] * len(some)), some.groups, np.array([d.stratum for d in some.draws])
    out: dict[str, dict[str, float]] = {}
    for group in dict.fromkeys(g for column in names for g in sorted(set(column))):
        rows = np.any([column == group for column in names], axis=0)
        told: dict[str, float] = {"draws": float(rows.sum())}
        for column, size in enumerate((*SIZES, "field")):
            reach = np.array([found.reach[size][g] for g in some.groups[rows]])
            inside = int((strange[size][rows] <= reach).sum())
            low, high = metrics.interval(inside, int(rows.sum()))
            width = reach[:, None] * expected[rows][..., column]
            told |= {size: inside / int(rows.sum()), f"{size} low": low, f"{size} high": high}
            told[f"{size} half-width"] = float(np.median(width))
        out[group] = told
    return out


def alarms(some: Readings, found: Calibrated) -> dict[str, float]:
    """Of forecasts in distribution: share at or below ALARM, and how far p-values are from even at worst."""
    p = np.sort(p_values(scores_of(some, found), found))
    above = np.max((np.arange(len(p)) + 1) / len(p) - p)
    return {
        "false alarms": float((p <= ALARM).mean()),
        "least p": found.combination.least,
        "largest excess over even": float(above),
        "draws": float(len(p)),
    }


def adaptive(some: Readings, found: Calibrated, rate: float = 0.01) -> dict[str, Any]:
    """Widths in a drifting world: forecasts in turn whose errors grow by half over the second half of them. The misses
    of the last quarter with a fixed reach and with one that adapts (`bands.adapted`)."""
    strange = strangeness(some, found)["width"] * np.where(np.arange(len(some)) < len(some) // 2, 1.0, 1.5)
    first, rest = strange[: len(strange) // 4], strange[len(strange) // 4 :]
    aim, fixed, moved = 1 - found.coverage, [], []
    for value in rest:
        reach = quantile(first, 1 - aim) if 0 < aim < 1 else (np.inf if aim <= 0 else 0.0)
        fixed.append(value > quantile(first, found.coverage))
        moved.append(value > reach)
        aim = adapted(aim, bool(value <= reach), 1 - found.coverage, rate)
    last = len(rest) // 3
    return {"fixed": float(np.mean(fixed[-last:])), "adaptive": float(np.mean(moved[-last:])), "wanted": 1 - found.coverage}
