"""The laws of the change detector: no more false alarms than promised, a step is told in time, and it is told how
far."""

import math

import numpy as np
import pytest

from tests.conftest import shared_data
from twin.sensors.drift import CALM_S, LEARN, Drift, correlation_frames, limit, normal_of_student, run_length

SD = 15.8 / 145.7
FRAMES = 30_000  # ten minutes at 50 frames a second
REPEATS = 24


def series(rng: np.random.Generator, count: int, tau: float, sd: float = SD) -> np.ndarray:
    """AR(1) noise that decorrelates in tau frames; white for 0."""
    rho = math.exp(-1 / tau) if tau else 0.0
    noise = rng.standard_normal(count) * sd * math.sqrt(1 - rho * rho)
    out, now = np.empty(count), rng.standard_normal() * sd
    for n in range(count):
        now = out[n] = rho * now + noise[n]
    return out


def alarms(drift: Drift, residuals: np.ndarray) -> int:
    """How often an alarm was raised."""
    raised = 0
    for chunk in np.array_split(residuals, max(len(residuals) // 8, 1)):
        stood = drift.standing
        drift.take(chunk)
        raised += drift.standing and not stood
    return raised


@pytest.mark.parametrize("k", [0.5, 0.75])
def test_limit_is_the_inverse_of_the_run_length(k: float) -> None:
    for batches in (1e3, 1e6):
        assert run_length(limit(batches, k), k) == pytest.approx(batches, rel=1e-6)


def test_run_length_is_that_of_the_simulation() -> None:
    """Two-sided CUSUM of white normal noise, h = 4, k = 1/2: 168 (Montgomery, Statistical Quality Control, table
    9.3)."""
    assert run_length(4.0) == pytest.approx(168, rel=0.02)
    assert run_length(5.0) == pytest.approx(465, rel=0.02)


def test_students_t_becomes_normal() -> None:
    stats = pytest.importorskip("scipy.stats")
    for degrees in (3, 8, 40):
        for t in (-3.0, 0.5, 2.0):
            expected = stats.norm.ppf(stats.t.cdf(t, degrees))
            assert normal_of_student(t, degrees) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("tau", [0.0, 1.44, 3.0, 8.0])
def test_false_alarms_are_no_more_than_promised(tau: float) -> None:
    """At most one in ten minutes by all of four signals; 95 % of Poisson's counts of a quarter of that lie below."""
    raised = 0
    for seed in range(REPEATS):
        raised += alarms(Drift(CALM_S / FRAMES), series(np.random.default_rng(seed), FRAMES, tau))
    assert raised <= REPEATS / 4 - 1.6 * math.sqrt(REPEATS / 4)


@pytest.mark.parametrize("heavy", [3, 5])
def test_heavy_tails_do_not_raise_it(heavy: int) -> None:
    raised = sum(
        alarms(Drift(CALM_S / FRAMES), SD / math.sqrt(3) * np.random.default_rng(seed).standard_t(heavy, FRAMES))
        for seed in range(REPEATS)
    )
    assert raised <= REPEATS / 4 - 1.6 * math.sqrt(REPEATS / 4)


def raptor() -> tuple[np.ndarray, float]:
    """ln width of a real track by frames of half a beam diameter, and the length of one, s."""
    path = shared_data("lpbf_raptor_widths") / "ULI_v1700_theta0_widths.txt"
    time_s, width_m = np.loadtxt(path, delimiter=",").T
    frame_s = 50e-6 / 1.7
    at = (time_s / frame_s).astype(int)
    return np.array([np.median(np.log(width_m[at == n])) for n in range(at[-1])]), frame_s


def test_the_real_track_raises_nothing_and_neither_does_what_is_made_of_it() -> None:
    """167 frames are too few for a rate: pieces of 40 frames, drawn at random, make ten seconds of such a track."""
    track, frame_s = raptor()
    assert np.std(track) == pytest.approx(0.107, abs=0.01)
    assert 1.0 < correlation_frames(track) < 4.0
    assert alarms(Drift(frame_s), track) == 0
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(track) - 40, 9000)
    again = np.concatenate([track[start : start + 40] for start in starts])
    assert alarms(Drift(frame_s), again) == 0


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("tau", "within"), [(0.0, 200), (1.44, 500), (3.0, 900)])
def test_a_step_of_ten_percent_is_told_in_time_and_its_size(tau: float, within: int, sign: int) -> None:
    delays, sizes = [], []
    for seed in range(12):
        drift = Drift(0.02)
        drift.take(series(np.random.default_rng(seed), 6000, tau))
        assert not drift.standing
        after = math.log1p(sign * 0.1) + series(np.random.default_rng(1000 + seed), 4000, tau)
        told = next(n for n in range(0, 4000, 4) if drift.take(after[n : n + 4]).size >= 0 and drift.standing)
        delays.append(told)
        drift.take(after[told + 4 : told + 2004])
        assert drift.standing, "it stands while its cause does"
        assert drift.shift is not None
        sizes.append(drift.shift.share)
    assert np.median(delays) <= within
    assert max(delays) <= 2 * within
    assert np.median(sizes) == pytest.approx(sign * 0.1, abs=0.025)


def test_it_clears_when_the_signal_comes_back() -> None:
    rng = np.random.default_rng(3)
    drift = Drift(0.02)
    drift.take(series(rng, 4000, 1.44))
    drift.take(0.15 + series(rng, 2000, 1.44))
    assert drift.standing
    drift.take(series(rng, 2000, 1.44))
    assert not drift.standing
    assert drift.shift is None


def test_while_it_stands_nothing_is_learned() -> None:
    rng = np.random.default_rng(4)
    drift = Drift(0.02)
    drift.take(series(rng, 4000, 1.44))
    drift.take(0.15 + series(rng, 100_000, 1.44))
    assert drift.standing


def test_nothing_is_said_while_it_learns() -> None:
    drift = Drift(0.02)
    assert drift.take(np.full(LEARN - 1, 0.5)).size == 0
    assert not drift.standing


def test_a_spike_is_no_drift() -> None:
    rng = np.random.default_rng(5)
    residuals = series(rng, 8000, 1.44)
    residuals[5000] += 5.0
    assert alarms(Drift(0.02), residuals) == 0


def test_one_at_a_time_is_all_at_once() -> None:
    residuals = series(np.random.default_rng(6), 3000, 1.44)
    whole, single = Drift(0.02), Drift(0.02)
    means = whole.take(residuals)
    parts = np.concatenate([single.take(np.array([residual])) for residual in residuals])
    np.testing.assert_array_equal(means, parts)
    assert whole == single
