"""The laws of conformal p-values, of their combination, and of bands: on made-up exchangeable data, no melt pool."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.trust import bands
from twin.trust.bands import adapted, interval, mondrian
from twin.trust.conformal import Combination, p_value, quantile

LEVELS = np.array([0.02, 0.05, 0.1, 0.2, 0.5, 0.8])
RNG = np.random.default_rng(5)


def shares(p: np.ndarray) -> np.ndarray:
    return (p[:, None] <= LEVELS).mean(0)


def slack(trials: int) -> np.ndarray:
    """Four standard deviations of a share."""
    return 4 * np.sqrt(LEVELS * (1 - LEVELS) / trials)


def test_p_values_of_what_is_exchangeable_are_no_smaller_than_even() -> None:
    trials, n = 4000, 60
    scores = RNG.standard_cauchy((trials, n + 1))
    p = np.array([p_value(row[-1], np.sort(row[:-1])) for row in scores])
    assert (shares(p) <= LEVELS + slack(trials)).all()
    assert (shares(p) >= LEVELS - slack(trials) - 1 / (n + 1)).all(), "and no larger than they must be"


def test_ties_and_what_is_no_number() -> None:
    known = np.sort(np.array([1.0, 1.0, 2.0]))
    assert p_value(1.0, known) == 1.0, "a tie counts as at least as strange"
    assert p_value(3.0, known) == 1 / 4
    assert p_value(np.nan, known) == 1 / 4, "what is no number is the strangest there is"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.floats(-1e6, 1e6))
def test_a_single_score_combined_is_its_own_p_value(known: list[float], score: float) -> None:
    combined, which = Combination(("a",), np.array(known)[:, None])({"a": score})
    assert combined == pytest.approx(float(p_value(score, np.sort(known))))
    assert which == "a"


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(-1e6, 1e6))
def test_a_score_told_twice_counts_once(known: list[float], score: float) -> None:
    column = np.array(known)[:, None]
    once = Combination(("a",), column)({"a": score})[0]
    twice = Combination(("a", "b"), np.hstack([column, 3 * column + 1]))({"a": score, "b": 3 * score + 1})[0]
    assert twice == pytest.approx(once)


@pytest.mark.parametrize("dependence", ["same", "independent", "opposed", "heavy"])
def test_combined_p_values_are_valid_however_the_scores_depend(dependence: str) -> None:
    trials, n, p = 2500, 50, []
    for _ in range(trials):
        a = RNG.normal(size=n + 1)
        b = {"same": a, "independent": RNG.normal(size=n + 1), "opposed": -a, "heavy": RNG.standard_cauchy(n + 1)}
        both = np.stack([a, b[dependence]], axis=1)
        p.append(Combination(("a", "b"), both[:-1])({"a": both[-1, 0], "b": both[-1, 1]})[0])
    found = shares(np.array(p))
    assert (found <= LEVELS + slack(trials)).all()
    assert (found >= LEVELS - slack(trials) - 0.05).all(), "no power is given away to be safe"


def test_a_score_that_is_not_there_keeps_what_is_promised_and_names_are_told() -> None:
    known = RNG.normal(size=(99, 2))
    both = Combination(("a", "b"), known)
    assert both({"a": 50.0}) == (1 / 100, "a")
    assert both({"b": 50.0, "a": -50.0}) == (2 / 100, "b"), "beside the strangest by a"
    assert both({}) == (1.0, "")
    assert both.least == 2 / 100


def test_a_quantile_is_reached_as_often_as_stated_and_needs_enough_draws() -> None:
    trials, n, coverage = 4000, 29, 0.9
    scores = RNG.exponential(size=(trials, n + 1))
    inside = np.array([row[-1] <= quantile(row[:-1], coverage) for row in scores]).mean()
    assert inside == pytest.approx(0.9, abs=4 * math.sqrt(0.09 / trials)), "ceil(30 * .9) of 30 is .9 exactly"
    assert quantile(np.arange(8.0), 0.9) == math.inf, "of eight draws nine tenths cannot be promised"
    assert quantile(np.arange(9.0), 0.9) == 8.0


def tracks(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(true, forecast, difficulty, group) of made-up draws, four leads and three sizes, harder in one group."""
    group = np.where(rng.random(count) < 0.3, "hard", "easy")
    spread = np.where(group == "hard", 4.0, 1.0)[:, None, None] * rng.uniform(0.5, 2.0, (count, 1, 1))
    forecast = rng.uniform(0.3, 3.0, (count, 4, 3))
    noise = rng.normal(size=(count, 1, 3)) + 0.3 * rng.normal(size=(count, 4, 3))  # leads go together
    return forecast + 0.02 * spread * noise * bands.scale(forecast), forecast, 0.02 * spread**0.5 + 0 * forecast, group


def test_bands_hold_at_all_leads_together_in_each_group() -> None:
    rng, inside = np.random.default_rng(1), {"easy": [], "hard": [], "": []}  # type: ignore[var-annotated]
    for _ in range(60):
        true, forecast, difficulty, group = tracks(300, rng)
        known, new = slice(0, 200), slice(200, None)
        score = bands.score(true[known], forecast[known], difficulty[known])[:, 0]
        reach = mondrian(score, group[known], 0.9)
        again = bands.score(true[new], forecast[new], difficulty[new])[:, 0]
        for name in ("easy", "hard"):
            inside[name] += (again[group[new] == name] <= reach[name]).tolist()
        inside[""] += (again <= reach[""]).tolist()
    for name, found in inside.items():
        # a quantile of n draws covers ceil((n + 1) .9)/(n + 1), at most 1/(n + 1) more than was asked
        assert 0.885 <= np.mean(found) <= 0.925, name


def test_a_band_is_the_set_of_sizes_that_score_below_the_reach() -> None:
    rng = np.random.default_rng(2)
    true, forecast, difficulty, _ = tracks(200, rng)
    score = bands.score(true, forecast, difficulty)
    for n in range(200):
        found = [interval(forecast[n, lead, 1], difficulty[n, lead, 1], 1.3) for lead in range(4)]
        inside = all(f is not None and f.low <= t <= f.high for f, t in zip(found, true[n, :, 1], strict=True))
        assert inside == (score[n, 1] <= 1.3)


@given(st.floats(0.0, 10.0), st.floats(1e-3, 1.0), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_bands_grow_with_the_reach_and_never_below_nothing(size: float, hard: float, a: float, b: float) -> None:
    small, large = (interval(size, hard, reach) for reach in sorted([a, b]))
    assert small is not None
    assert large is not None
    assert 0 <= large.low <= small.low <= size <= small.high <= large.high
    assert interval(size, hard, math.inf) is None
    assert interval(math.nan, hard, 1.0) is None


def test_reach_grows_with_coverage() -> None:
    scores = RNG.exponential(size=500)
    reaches = [quantile(scores, c) for c in (0.5, 0.8, 0.9, 0.95, 0.99)]
    assert reaches == sorted(reaches)


def test_a_band_of_a_field_is_simultaneous_over_nodes_and_leads() -> None:
    rng = np.random.default_rng(3)
    profile = rng.uniform(0.5, 2.0, (5, 4, 3))
    difficulty = rng.uniform(0.5, 2.0, (400, 2))
    error = rng.normal(size=(400, 2, 5, 4, 3)) * profile * difficulty[..., None, None, None]
    score = bands.field_score(error, np.zeros_like(error), difficulty, profile)
    reach = quantile(score[:200], 0.9)
    inside = (np.abs(error) <= reach * profile * difficulty[..., None, None, None]).all(axis=(1, 2, 3, 4))
    np.testing.assert_array_equal(inside, score <= reach)
    assert 0.82 <= inside[200:].mean() <= 0.97


def test_an_adapted_band_misses_as_often_as_wanted_in_a_world_that_drifts() -> None:
    rng, first = np.random.default_rng(4), np.abs(np.random.default_rng(0).normal(size=400))
    aim, missed, rate, steps = 0.1, [], 0.02, 6000
    for step in range(steps):
        reach = quantile(first, 1 - aim) if 0 < aim < 1 else (math.inf if aim <= 0 else 0.0)
        miss = abs(rng.normal()) * (1 + step / steps) > reach
        missed.append(miss)
        aim = adapted(aim, not miss, 0.1, rate)
    assert np.mean(missed) == pytest.approx(0.1, abs=(1 + rate) / (rate * steps)), "Gibbs and Candes, Proposition 4.1"
    fixed = np.abs(rng.normal(size=2000)) * 2 > quantile(first, 0.9)
    assert fixed.mean() > 0.3, "where one that does not adapt is wrong"
