"""Laws of the past path: it is kept short and loses nothing that still warms the window."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import response
from operators.path import FEW, OLDEST, ROWS, SHARP, joined, thinned
from tests.operators.walks import walked

Axes = tuple[list[float], list[float], list[float]]


def joined_all(stretches: list[np.ndarray]) -> np.ndarray:
    past = np.zeros((0, 5))
    for rows in stretches:
        past = joined(past, rows)
    return past


NEAR: Axes = ([-3.0, -0.5, 0.0], [0.0, 0.6], [0.0, 0.4])
WIDE: Axes = ([-8.0, -4.0, -1.0, 1.0, 4.0, 8.0], [-3.0, -1.0, 1.0, 3.0], [0.0, 1.0, 2.0])


def warmth(past: np.ndarray, places: Axes = NEAR) -> np.ndarray:
    """theta at some places around the end of a path."""
    sources = response.turned(response.nodes(past, past[-1, 0]), past[-1, 1], past[-1, 2], 0.0)
    axes = (torch.tensor(a, dtype=torch.float64) for a in places)
    return response.field(torch.from_numpy(sources), *axes).numpy()


def test_a_straight_track_is_three_rows_however_long() -> None:
    past = joined_all(walked([(0.5, 0.0, 10.0)] * 300))
    assert len(past) <= 3
    assert past[-1].tolist() == pytest.approx([15.0, 150.0, 0.0, 10.0, 0.9])
    assert past[0, :3].tolist() == [0, 0, 0]


STEP = st.tuples(st.sampled_from([0.0, 0.5, -0.5]), st.sampled_from([0.0, 0.5]), st.sampled_from([0.0, 8.0, 12.0]))


@settings(max_examples=40, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=25))
def test_merging_changes_no_temperature(steps: list[tuple[float, float, float]]) -> None:
    stretches = walked(steps)
    rows = [row for each in stretches for row in (each[:1] if each is not stretches[-1] else each)]
    np.testing.assert_allclose(warmth(joined_all(stretches)), warmth(np.array(rows)), rtol=1e-3, atol=1e-6)


def test_heat_too_old_to_matter_is_dropped_and_memory_is_bounded() -> None:
    zigzag = [(0.5 if n % 2 else -0.5, 0.5, 10.0) for n in range(3000)]
    past = joined_all(walked(zigzag))
    assert len(past) <= ROWS
    slow = joined_all(walked([(0.5 if n % 2 else -0.5, 0.0, 10.0) for n in range(50)], span=OLDEST / 10))
    assert slow[-1, 0] - slow[1, 0] <= OLDEST
    assert slow[-1, 0] - slow[0, 0] >= OLDEST, "what began earlier and lasts is kept whole"


def hatch(frames: int, peclet: float, vector: int, *, noise: float = 0.05, wiggle: float = 0.02) -> np.ndarray:
    """There and back in frames of half a diameter, a diameter apart, as a machine says it: power wavers, and encoders
    know the place to a fiftieth of a diameter. It ends in the middle of a vector."""
    rng = np.random.default_rng(0)
    lit = np.tile([True] * vector + [False] * 2, frames // (vector + 2) + 1)[: frames + vector // 2]
    back = np.arange(len(lit)) // (vector + 2) % 2 == 1
    heading = np.where(lit, np.where(back, math.pi, 0.0), math.pi / 2)
    places = np.cumsum(0.5 * np.stack([np.cos(heading), np.sin(heading)], 1), 0)
    places = np.vstack([np.zeros(2), places]) + wiggle * rng.standard_normal((len(lit) + 1, 2))
    strength = np.append(np.where(lit, 12 * (1 + noise * rng.standard_normal(len(lit))), 0.0), 0.0)
    depth = 0.4 * (1 + 0.1 * noise * rng.standard_normal(len(lit) + 1))
    return np.column_stack([0.5 / peclet * np.arange(len(lit) + 1), places, strength, depth])


def off(some: np.ndarray, truth: np.ndarray) -> float:
    a, b = warmth(some, WIDE), warmth(truth, WIDE)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("peclet", [3.0, 15.0])
@pytest.mark.parametrize("vector", [30, 100])
@pytest.mark.parametrize(("noise", "wiggle"), [(0.0, 0.02), (0.05, 0.0), (0.15, 0.02)])
def test_a_path_that_never_repeats_is_kept_short_and_not_forgotten(
    peclet: float, vector: int, noise: float, wiggle: float
) -> None:
    """Four thousand rows of which no two are alike: a few hundred say as much, where the newest thousand do not."""
    path = hatch(4000, peclet, vector, noise=noise, wiggle=wiggle)
    past = joined_all([path[n : n + 2] for n in range(len(path) - 1)])
    assert len(past) < ROWS / 2
    assert past[0, 0] == 0, "the first vector is still known"
    assert off(past, path) < 5e-3
    if vector == 100:
        assert off(path[-ROWS:], path) > 0.03, "or there would be nothing to remember"


def test_thinning_keeps_what_each_stretch_gave_and_the_newest_rows() -> None:
    path = hatch(3000, 3.0, 60, noise=0.1)
    thin = thinned(path)
    assert len(thin) < len(path) / 5
    np.testing.assert_array_equal(thin[-SHARP:], path[-SHARP:])
    given = np.append(0.0, np.cumsum(path[:-1, 3] * np.diff(path[:, 0])))
    kept = np.append(0.0, np.cumsum(thin[:-1, 3] * np.diff(thin[:, 0])))
    at = np.searchsorted(path[:, 0], thin[:, 0])
    np.testing.assert_array_equal(path[at, :3], thin[:, :3], "rows that are left are where they were")
    np.testing.assert_allclose(kept, given[at], rtol=1e-12, atol=1e-12)
    dark = (path[:-1, 3] == 0) * np.diff(path[:, 0])
    assert ((thin[:-1, 3] == 0) * np.diff(thin[:, 0])).sum() == pytest.approx(dark.sum()), "lit and dark stay apart"


def test_of_a_path_with_more_columns_each_is_averaged() -> None:
    """As that of an attribution, which has the beam power beside the strength."""
    path = hatch(2 * FEW, 3.0, 60)
    with_power = np.column_stack([path, 20 * path[:, 3]])
    thin = thinned(with_power)
    assert len(thin) < len(path)
    np.testing.assert_allclose(thin[:, 5], 20 * thin[:, 3])
    np.testing.assert_array_equal(thin[:, :5], thinned(path))


def test_a_beam_that_stands_or_turns_sharply_keeps_its_place() -> None:
    """Between the rows that are left no place is further off than a twentieth of what its heat has spread over."""
    path = hatch(2000, 3.0, 6, noise=0.1, wiggle=0.05)
    path[700:740, 1:3] = path[700, 1:3]
    thin = thinned(path)
    age = path[-1, 0] - path[:, 0]
    for axis in (1, 2):
        back = np.interp(path[:, 0], thin[:, 0], thin[:, axis])
        lit = np.append(path[:-1, 3] > 0, False)
        assert (np.abs(back - path[:, axis])[lit] < 0.05 * np.sqrt(4 * age[lit] + 0.125) + 1e-9).all()
