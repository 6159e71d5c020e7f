"""The laws of the calibration: its interval holds what is hidden, it says when it cannot know, and it keeps its
bounds."""

import math

import numpy as np
import pytest

from operators.operator import FakeOperator
from operators.reference.operator import ReferenceOperator
from tests.twin.sensors.test_drift import series
from twin.material import material
from twin.process import Process
from twin.sensors.calibration import BIAS, SPREAD, WIDEST, Calibration, Estimate, Slopes, bounded, signals_of
from twin.sensors.drift import Drift

WIDTH, LENGTH = "melt_pool_width_m", "melt_pool_length_m"
SLOPES = {WIDTH: (0.4, 0.3), LENGTH: (0.9, 0.15)}
FRAME_S = 62.5e-6


def watched(
    u: float, seed: int, frames: int = 2000, biases: dict[str, float] | None = None, **fields: object
) -> Calibration:
    """What is made of so many frames of a machine that absorbs exp(u) of the nominal."""
    biases = {WIDTH: 0.0, LENGTH: 0.0} if biases is None else biases
    calibration = Calibration(tuple(biases), **fields)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    noise = {name: (Drift(FRAME_S), series(rng, frames, 1.44)) for name in biases}
    for chunk in range(0, frames, 100):
        for name, (drift, residuals) in noise.items():
            for mean in drift.take(SLOPES[name][0] * u + biases[name] + residuals[chunk : chunk + 100]):
                calibration.take(name, mean, drift.noise, drift.batch, chunk * FRAME_S, SLOPES[name])
    return calibration


@pytest.mark.parametrize("bias", [0.005, BIAS])
def test_the_interval_holds_what_is_hidden_as_often_as_it_says(bias: float) -> None:
    """Everything that the prior knows of drawn from it: 95 %, within what 400 draws allow (92.5 to 97.5 %)."""
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(400):
        u = float(np.clip(rng.normal(0, 0.15), -0.3, 0.3))
        biases = {name: float(rng.normal(0, bias)) for name in SLOPES}
        found = watched(u, seed, frames=600, biases=biases, bias=bias).absorptivity
        held += found.low <= math.exp(u) <= found.high
    assert 0.925 <= held / 400 <= 0.985


def test_more_frames_tell_more_but_never_more_than_the_bias_allows() -> None:
    widths = [
        math.log(e.high / e.low) for e in (watched(0.1, 1, frames).absorptivity for frames in (400, 2000, 20_000))
    ]
    assert widths[0] > widths[1] > widths[2]
    alone = watched(0.1, 1, 20_000, {WIDTH: 0.0}).absorptivity
    assert math.log(alone.high / alone.low) / (2 * 1.96) >= 0.95 * BIAS / SLOPES[WIDTH][0]


def test_an_estimate_that_nothing_tells_is_not_identifiable() -> None:
    calibration = Calibration((WIDTH,))
    assert not calibration.absorptivity.identifiable
    calibration.take(WIDTH, 0.1, 0.01, 64, 1.0, (0.0, 0.0))
    assert not calibration.absorptivity.identifiable, "the size does not answer to it"
    assert calibration.absorptivity.high == pytest.approx(math.exp(1.96 * SPREAD), rel=1e-3)
    assert watched(0.1, 2).absorptivity.identifiable


def test_signals_that_contradict_each_other_are_said() -> None:
    assert watched(0.15, 3).consistent
    assert not watched(0.0, 3, 6000, {WIDTH: 0.25, LENGTH: -0.1}).consistent


def test_it_follows_what_changes_slowly() -> None:
    calibration = Calibration((WIDTH, LENGTH))
    rng = np.random.default_rng(5)
    for second in range(1200):
        u = 0.15 * second / 1200
        for name, (slope, _) in SLOPES.items():
            calibration.take(name, slope * u + rng.normal(0, 0.03), 0.03, 32, float(second), SLOPES[name])
    found = calibration.absorptivity
    assert found.low <= math.exp(0.15) <= found.high
    assert abs(math.log(found.factor) - 0.15) < 0.05


def test_the_bounds_are_kept_whatever_is_said() -> None:
    for said in (50.0, -50.0, math.nan, math.inf):
        calibration = Calibration((WIDTH,))
        for n in range(50):
            calibration.take(WIDTH, said, 1e-6, 64, float(n), SLOPES[WIDTH])
        found = calibration.absorptivity
        assert all(1 / 3 - 1e-9 <= each <= 3 + 1e-9 for each in (found.low, found.factor, found.high))
        assert found.low <= found.factor <= found.high
        assert pytest.approx(math.log(3)) == WIDEST
    assert bounded(3.0, 0.5) == 2.0
    assert bounded(0.8, 0.5) == 0.8


def test_forecasts_made_with_the_estimate_tell_the_same() -> None:
    """Residuals shrink as the factor is followed; the factor that each was made with is added back."""
    followed, nominal = Calibration((WIDTH,)), Calibration((WIDTH,))
    rng = np.random.default_rng(6)
    for n in range(60):
        noise = rng.normal(0, 0.02)
        factor = 0.1 if n > 20 else 0.0
        followed.take(WIDTH, 0.4 * (0.2 - factor) + noise, 0.02, 32, float(n), SLOPES[WIDTH], factor)
        nominal.take(WIDTH, 0.4 * 0.2 + noise, 0.02, 32, float(n), SLOPES[WIDTH])
    assert followed.absorptivity.factor == pytest.approx(nominal.absorptivity.factor, rel=1e-9)


def test_what_an_earlier_run_had_come_to_is_taken_up() -> None:
    before = watched(0.2, 7, 6000).absorptivity
    again = Calibration((WIDTH, LENGTH))
    again.recall(before, 6000)
    assert again.absorptivity.factor == pytest.approx(before.factor)
    assert again.absorptivity.low == pytest.approx(before.low)
    assert again.absorptivity.identifiable


def test_after_a_drift_it_is_known_less_well() -> None:
    calibration = watched(0.1, 8)
    before = calibration.absorptivity
    calibration.loosen()
    assert calibration.absorptivity.high > before.high
    again = Calibration((WIDTH,))
    again.recall(Estimate(1.0, math.exp(-10 * SPREAD), math.exp(10 * SPREAD), False))
    assert again.absorptivity.high <= math.exp(1.96 * SPREAD) * 1.001, "never less well than before anything was seen"


def test_slopes_are_those_of_the_operator_and_told_once() -> None:
    process, slopes = Process(material("IN625"), 100e-6), Slopes()
    reference = slopes.at(ReferenceOperator(), process, 195.0, 0.8)  # told by the analytic source
    assert 0.3 < reference[WIDTH][0] < 0.7, "between the thin and the point source"
    assert 0.7 < reference[LENGTH][0] < 1.3, "Rosenthal: as long as what is absorbed"
    assert abs(reference[LENGTH][1]) < 0.3, "a tail does not know how wide the beam is"
    fake = FakeOperator()
    calls = []
    step = fake.step
    fake.step = lambda tasks: calls.append(1) or step(tasks)  # type: ignore[method-assign, func-returns-value]
    first = slopes.at(fake, process, 195.0, 0.8)
    assert slopes.at(fake, process, 196.0, 0.8) == first
    assert len(calls) == 3
    assert fake.forgotten == ["slopes"] * 3
    assert slopes.at(fake, process, 0.0, 0.8) == {} == slopes.at(fake, process, 195.0, 0.0)


def test_only_sizes_say_how_much() -> None:
    assert signals_of(["photodiode_v", WIDTH, LENGTH]) == (LENGTH, WIDTH)
