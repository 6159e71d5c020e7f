"""Measure: coverage and width of bands, and how each score tells each family from forecasts in distribution."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.validation.trust import metrics
from twin.trust.bands import SIZES, adapted, scale
from twin.trust.calibrate.readings import Readings
from twin.trust.calibrate.recipe import groups_of, scores_of, strangeness
from twin.trust.calibrated import SCORES, Calibrated
from twin.trust.conformal import quantile
from twin.trust.judge import ALARM

COMBINED, OBSERVED = "combined", "observed width"
ALONG, SEEN = (
    0.11,
    50,
)  # spread of real widths along a track (lpbf_raptor_widths), and over how many frames they are meant


def p_values(scores: np.ndarray, found: Calibrated) -> np.ndarray:
    """(n,) combined; a score that is not a number was not to be had."""
    rows = [{n: float(v) for n, v in zip(SCORES, row, strict=True) if np.isfinite(v)} for row in scores]
    return np.array([found.combination(row)[0] for row in rows])


def columns(some: Readings, found: Calibrated) -> dict[str, np.ndarray]:
    """Every score, and the combined one (-log p); larger is stranger."""
    scores = np.nan_to_num(scores_of(some, found), nan=-np.inf)
    every = {name: scores[:, column] for column, name in enumerate(SCORES)}
    return every | {
        COMBINED: -np.log(p_values(scores_of(some, found), found)),
        OBSERVED: observed(some, found),
    }


def observed(some: Readings, found: Calibrated) -> np.ndarray:
    """(n,) what a width that was observed now would say: its distance from the forecast over what is to be expected. Of
    no use to the combined score, for nothing here observes; it shows what needs an observation (`drift`)."""
    rng = np.random.default_rng(0)
    seen = some.true[:, 0, 1] * (1 + rng.normal(0.0, ALONG / SEEN**0.5, len(some)))
    forecast = some.sizes[:, 0, 1]
    return np.asarray(np.abs(seen - forecast) / (found.expected(some.encoded, some.sizes)[:, 0, 1] * scale(forecast)))


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


Tested = Sequence[tuple[Readings, Calibrated]]  # draws, and a calibration that never saw them


def coverage(tested: Tested) -> dict[str, dict[str, float]]:
    """By group (all, each regime, each stratum): the share of draws inside at every lead, its 95 % interval, and the
    half-width of the band over the size, in the median. A draw counts once."""
    inside: dict[str, np.ndarray] = {}
    width: dict[str, np.ndarray] = {}
    strange = [strangeness(some, found) for some, found in tested]
    expected = [found.expected(some.encoded, some.sizes) for some, found in tested]
    for column, size in enumerate((*SIZES, "field")):
        reach = [
            np.array([found.reach[size].get(g, np.inf) for g in groups_of(some, found.tokens)])
            for some, found in tested
        ]
        inside[size] = np.concatenate([s[size] <= r for s, r in zip(strange, reach, strict=True)])
        width[size] = np.concatenate([r[:, None] * e[..., column] for r, e in zip(reach, expected, strict=True)])
    groups = np.concatenate([some.groups for some, _ in tested])
    path = np.array([g.split(", ")[1] for some, found in tested for g in groups_of(some, found.tokens)])
    strata = np.array([draw.stratum for some, _ in tested for draw in some.draws])
    out: dict[str, dict[str, float]] = {}
    for name, rows in [
        ("all", np.ones(len(groups), dtype=bool)),
        *((g, groups == g) for g in sorted(set(groups))),
        *((p, path == p) for p in sorted(set(path))),
        *((s, strata == s) for s in sorted(set(strata))),
    ]:
        count = int(rows.sum())
        told: dict[str, float] = {"draws": float(count)}
        for size, covered in inside.items():
            hits = int(covered[rows].sum())
            low, high = metrics.interval(hits, count)
            told |= {size: hits / count, f"{size} low": low, f"{size} high": high}
            told[f"{size} half-width"] = float(np.median(width[size][rows]))
        out[str(name)] = told
    return out


def alarms(tested: Tested) -> dict[str, Any]:
    """Of forecasts in distribution: share at or below ALARM, how far p-values are from even at worst, and their
    quantiles."""
    p = np.sort(np.concatenate([p_values(scores_of(some, found), found) for some, found in tested]))
    above = np.max((np.arange(len(p)) + 1) / len(p) - p)
    return {
        "at": ALARM,
        "false alarms": float((p <= ALARM).mean()),
        "least p": max(found.combination.least for _, found in tested),
        "largest excess over even": float(above),
        "draws": float(len(p)),
        "quantiles": np.quantile(p, np.linspace(0, 1, 41)).round(4).tolist(),
    }


def adaptive(tested: Tested, growth: float = 2.0, rate: float = 0.01) -> dict[str, float]:
    """The band of the width in a world that drifts: all draws in turn, whose errors grow to `growth` times over their
    course. Misses of the last quarter, with the quantile of the first quarter held and with one that adapts
    (`bands.adapted`)."""
    parts = []
    for some, found in tested:
        reach = np.array([found.reach["width"].get(g, np.inf) for g in groups_of(some, found.tokens)])
        parts.append(strangeness(some, found)["width"] / reach)
    ratios = np.random.default_rng(0).permutation(np.concatenate(parts)) * np.linspace(
        1.0, growth, sum(map(len, parts))
    )
    wanted = 1 - tested[0][1].coverage
    quarter = max(len(ratios) // 4, 1)
    first, aim, fixed, moved = ratios[:quarter], wanted, [], []
    for value in ratios[quarter:]:
        reach_now = quantile(first, 1 - aim) if 0 < aim < 1 else (np.inf if aim <= 0 else 0.0)
        fixed.append(value > quantile(first, 1 - wanted))
        moved.append(value > reach_now)
        aim = adapted(aim, not moved[-1], wanted, rate)
    return {"fixed": float(np.mean(fixed[-quarter:])), "adaptive": float(np.mean(moved[-quarter:])), "wanted": wanted}
