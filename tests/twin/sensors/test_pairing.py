"""The laws of pairing: a sample stands beside the forecast of its moment, whenever it comes."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.twin.test_twin import FRAME_S, window
from twin.forecast import OK, Forecast, Lead, MeltPool, cut
from twin.observation import Samples
from twin.sensors.pairing import DARK, KEPT, Pair, Pairs, passed_on

SPEED = 0.8
TRAVEL_FRAMES = 6  # of a pool of 0.2 mm: 1.5 lengths at 50 um a frame


def forecast(index: int, width_m: float = 100e-6, ahead: tuple[float, ...] = ()) -> Forecast:
    pool = MeltPool(200e-6, width_m, 50e-6)
    now = (index + 1) * FRAME_S
    leads = [Lead(0.0, now, pool, 0, 0, 195.0)]
    leads += [
        Lead(n * FRAME_S, now + n * FRAME_S, MeltPool(200e-6, w, 50e-6), 0, 0, 195.0) for n, w in enumerate(ahead, 1)
    ]
    return Forecast(
        "m", "b", 1, index, now, 0.0, None, "asno", OK, "conduction", 1.0, True, leads=tuple(leads),
    )  # fmt: skip


def expecting(count: int, **fields: object) -> Pairs:
    pairs = Pairs()
    for n in range(count):
        pairs.expect(window(n), forecast(n, **fields), SPEED, 0.0)  # type: ignore[arg-type]
    return pairs


def samples(times: list[float], values: list[float], name: str = "melt_pool_width_m", layer: int = 1) -> Samples:
    return Samples(name, layer, np.array(times), np.array(values))  # type: ignore[arg-type]


def test_residual_is_observed_over_forecast_of_the_same_frame() -> None:
    pairs = Pairs()
    for n in range(20):
        pairs.expect(window(n), forecast(n, 100e-6 + n * 1e-6), SPEED, 0.25)
    times = [(n + part) * FRAME_S for n in range(20) for part in (0.5, 1.0)]
    told = pairs.hear([samples(times, [1.1 * (100e-6 + (t / FRAME_S - 1) * 1e-6) for t in times])])
    assert [p.frame for p in told] == list(range(TRAVEL_FRAMES - 1, 20))
    assert [p.residual for p in told] == pytest.approx([math.log(1.1)] * len(told))
    assert {p.log_factor for p in told} == {0.25}


def test_whenever_samples_come_the_pairs_are_the_same() -> None:
    times = [(n + part) * FRAME_S for n in range(40) for part in (0.25, 0.5, 0.75, 1.0)]
    values = np.random.default_rng(0).normal(100e-6, 10e-6, len(times)).tolist()
    whole = expecting(40).hear([samples(times, values)])
    for step in (1, 3, 7):
        pairs = expecting(40)
        parts = [p for a, b in pairwise([*range(0, len(times), step), len(times)])
                 for p in pairs.hear([samples(times[a:b], values[a:b])])]  # fmt: skip
        assert [(p.frame, p.residual) for p in parts] == [(p.frame, p.residual) for p in whole]


def test_only_settled_lit_frames_of_their_layer_are_compared() -> None:
    pairs = Pairs()
    for n in range(30):
        pairs.expect(window(n, power_w=0.0 if n == 12 else 195.0), forecast(n), SPEED, 0.0)
    told = pairs.hear([samples([(n + 0.5) * FRAME_S for n in range(30)] + [30 * FRAME_S], [1e-4] * 31)])
    settled = TRAVEL_FRAMES - 1
    lit = [*range(settled, 12), *range(13 + settled, 30)]
    assert [p.frame for p in told] == lit
    assert expecting(10).hear([samples([9.5 * FRAME_S, 10 * FRAME_S], [1e-4] * 2, layer=2)]) == []


def test_a_melt_pool_that_the_window_cuts_is_compared_with_nothing() -> None:
    pool = forecast(0).leads[0].melt_pool
    short = cut(pool, replace(pool, length_m=pool.length_m / 1.02))
    assert short is not None
    pairs = Pairs()
    for n in range(30):
        said = replace(forecast(n), outcome=short) if 12 <= n < 15 else forecast(n)
        pairs.expect(window(n), said, SPEED, 0.0)
    told = pairs.hear([samples([(n + 0.5) * FRAME_S for n in range(30)] + [30 * FRAME_S], [1e-4] * 31)])
    assert [p.frame for p in told] == [*range(TRAVEL_FRAMES - 1, 12), *range(15, 30)]


def test_what_was_said_ahead_of_a_moment_is_held_against_it_too() -> None:
    pairs = expecting(20, ahead=(110e-6, 120e-6))
    told = pairs.hear([samples([(n + 0.5) * FRAME_S for n in range(20)] + [20 * FRAME_S], [1e-4] * 21)])
    assert told[-1].residual == pytest.approx(0.0)
    assert told[-1].ahead == pytest.approx(-math.log(1.2)), "the oldest forecast of this moment"


def test_a_photodiode_is_compared_above_its_dark_level() -> None:
    pairs = Pairs()
    for n in range(60):
        lit = n >= 20
        pairs.expect(window(n, power_w=195.0 * lit), forecast(n, 100e-6 * (1 + 0.01 * (n % 5))), SPEED, 0.0)
    times = [(n + 1.0) * FRAME_S for n in range(60)]
    area = [200e-6 * 100e-6 * (1 + 0.01 * (n % 5)) for n in range(60)]
    volts = [0.3 + (4e7 * a if n >= 20 else 0.0) for n, a in enumerate(area)]
    told = pairs.hear([samples(times, volts, "photodiode_v")])
    assert len(told) > DARK
    assert [p.residual for p in told] == pytest.approx([math.log(4e7)] * len(told))


def test_what_is_held_is_bounded() -> None:
    assert len(expecting(5 * KEPT)._layers[1].frames) <= 2 * KEPT


def test_a_reading_of_nothing_is_no_number() -> None:
    (pair,) = expecting(9).hear([samples([8.5 * FRAME_S, 9 * FRAME_S], [0.0, -1.0])])
    assert isinstance(pair, Pair)
    assert pair.residual == -math.inf
    assert pair.ahead is None


def test_signals_of_skipped_windows_are_not_lost() -> None:
    one, two = samples([0.0], [1.0]), samples([1.0], [2.0])
    windows = [window(0, skipped=True, signals=(one,)), window(1, signals=(two,)), window(2)]
    assert [w.signals for w in passed_on(windows)] == [(one,), (one, two), ()]
