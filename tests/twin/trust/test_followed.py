"""The laws of a plan that is followed, and of what a path did lately."""

import numpy as np
import pytest

from operators.melt_pool.recent import RECENT, recent
from operators.path import joined
from twin.observation import Path
from twin.trust.followed import MEMORY, TOLERATED, Followed, departure

D = 1e-4
TIMES = np.linspace(0.0, 20.0, 201)
PLAN = Path(TIMES, 0.8 * TIMES * D, 0 * TIMES, 0 * TIMES, np.where(TIMES < 12, 200.0, 150.0))


def cut(path: Path, begin: float, end: float) -> Path:
    kept = (path.time_s >= begin - 1e-9) & (path.time_s <= end + 1e-9)
    return Path(*(column[kept] for column in path))


def test_who_follows_the_plan_departs_by_nothing() -> None:
    for begin in range(19):
        found = departure(PLAN, cut(PLAN, begin, begin + 1), D)
        assert found is not None
        assert found.place == pytest.approx(0.0, abs=1e-9)
        assert found.power == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("wrong", "place", "power"),
    [
        (PLAN._replace(beam_power_w=PLAN.beam_power_w * 0.7), 0.0, -0.3),
        (PLAN._replace(beam_power_w=PLAN.beam_power_w * 0.0), 0.0, -1.0),
        (PLAN._replace(y_m=PLAN.y_m + 0.5 * D), 0.5, 0.0),
        (PLAN._replace(x_m=PLAN.x_m - 0.8 * 2 * D), 1.6, 0.0),  # two seconds late
    ],
)
def test_a_departure_is_in_beam_diameters_and_shares_of_the_power(wrong: Path, place: float, power: float) -> None:
    found = departure(PLAN, cut(wrong, 3, 4), D)
    assert found is not None
    assert (found.place, found.power) == (pytest.approx(place, abs=1e-9), pytest.approx(power, abs=1e-9))


def test_without_a_plan_that_reaches_over_the_window_nothing_is_said() -> None:
    assert departure(cut(PLAN, 0, 3), cut(PLAN, 3, 4), D) is None
    assert departure(cut(PLAN, 4, 9), cut(PLAN, 3, 4), D) is None
    one = Followed()
    assert one.take(cut(PLAN, 0, 1), None, D) == {}
    assert one.take(cut(PLAN, 1, 2), PLAN, D) == {}, "this window's plan is of what comes"


def test_a_departure_stays_in_mind_as_long_as_the_metal_remembers_and_small_ones_are_tolerated() -> None:
    mine, spiked = Followed(), PLAN._replace(beam_power_w=PLAN.beam_power_w * 3.0)
    mine.take(cut(PLAN, 0, 1), PLAN, D)
    assert mine.take(cut(PLAN, 1, 2), PLAN, D) == TOLERATED
    found = [mine.take(cut(spiked if n == 2 else PLAN, n, n + 1), PLAN, D)["power"] for n in range(2, 14)]
    assert found[:MEMORY] == [pytest.approx(2 / 3)] * MEMORY
    assert found[MEMORY:] == [TOLERATED["power"]] * (12 - MEMORY)
    near = PLAN._replace(x_m=PLAN.x_m + 0.2 * D, beam_power_w=PLAN.beam_power_w * 1.04)
    other = Followed()
    other.take(cut(PLAN, 0, 1), PLAN, D)
    assert other.take(cut(near, 1, 2), PLAN, D) == TOLERATED


def rows(*corners: tuple[float, float, float, float]) -> np.ndarray:
    """(t, x, y, q) each, source depth 0.2."""
    return np.column_stack([np.array(corners), np.full(len(corners), 0.2)])


def told(path: np.ndarray, heading: float = 0.0, peclet: float = 10.0) -> dict[str, float]:
    return dict(zip(RECENT, recent(path, peclet, heading).tolist(), strict=True))


def test_a_straight_track_is_lit_even_and_at_its_pace() -> None:
    found = told(rows((0, 0, 0, 20), (2.0, 20, 0, 0)))
    assert found == {"on": 1, "lit": 1, "step": 0, "turned": 0, "pace": 1, "aside": 0, "even": 1, "age": 1}


def test_a_corner_a_step_and_darkness_are_told() -> None:
    corner = told(rows((0, 0, 0, 20), (2.0, 20, 0, 20), (2.1, 20, 1, 0)), heading=np.pi / 2)
    assert corner["turned"] == pytest.approx(0.5)
    assert corner["even"] == pytest.approx(0.25)
    step = told(rows((0, 0, 0, 20), (1.9, 19, 0, 10), (2.0, 20, 0, 0)))
    assert step["step"] == pytest.approx(0.5)
    dark = told(rows((0, 0, 0, 20), (1.8, 18, 0, 0), (2.0, 18, 2, 0)))
    assert (dark["on"], dark["lit"]) == (0.0, pytest.approx(0.5))
    assert dark["aside"] == pytest.approx(1.0), "it steps aside while the window still points along the track"


def test_samples_of_one_stretch_say_the_same_as_the_stretch() -> None:
    fine = rows(*((t, 10 * t, 0.0, 20.0) for t in np.linspace(0, 2, 41)))
    whole = told(rows((0, 0, 0, 20), (2.0, 20, 0, 20)))
    assert told(fine) == pytest.approx(whole, abs=1e-5)
    past = np.zeros((0, 5))
    for n in range(0, 40, 4):
        past = joined(past, fine[n : n + 5])
    assert told(past) == pytest.approx(whole, abs=1e-5)
