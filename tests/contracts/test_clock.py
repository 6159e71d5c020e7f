"""Every Clock keeps one contract: seconds that do not go back, and a sleep that lasts at least as long as asked."""

import time
from collections.abc import Callable

import pytest

from twin.clock import Clock, FakeClock, SystemClock


@pytest.fixture(params=[SystemClock, FakeClock, lambda: FakeClock(1.7e9)])
def clock(request: pytest.FixtureRequest) -> Clock:
    new: Callable[[], Clock] = request.param
    return new()


def test_time_does_not_go_back(clock: Clock) -> None:
    moments = [clock.now_s() for _ in range(100)]
    assert moments == sorted(moments)


@pytest.mark.parametrize("seconds", [0.02, 0.05])
def test_a_sleep_lasts_as_long_as_asked(clock: Clock, seconds: float) -> None:
    before_s = clock.now_s()
    clock.sleep_s(seconds)
    assert seconds - 1e-3 <= clock.now_s() - before_s < seconds + 1.0


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_there_is_no_sleep_that_is_not_positive(clock: Clock, seconds: float) -> None:
    before_s = clock.now_s()
    clock.sleep_s(seconds)
    assert 0 <= clock.now_s() - before_s < 0.05


def test_the_systems_clock_is_utc() -> None:
    assert SystemClock().now_s() == pytest.approx(time.time(), abs=1.0)


def test_only_a_test_moves_the_fake() -> None:
    clock = FakeClock(5.0)
    time.sleep(0.01)
    assert clock.now_s() == 5.0
    clock.sleep_s(3600.0)
    assert clock.now_s() == 3605.0
