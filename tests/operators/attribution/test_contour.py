"""Laws of the contour: its sizes are the window's, its derivatives those of finite differences."""

import numpy as np
import pytest

from operators.attribution.contour import SIZES, Size, gradient, peak
from operators.window import WindowGrid

GRID = WindowGrid()
SOLIDUS = 0.95


def pool(shift: float = 0.03, tilt: float = 0.1) -> np.ndarray:
    """A smooth pool whose ends and deepest place lie between nodes, off the middle."""
    x, y, z = GRID.points
    behind = np.where(x < 0, 0.25, 1.7)
    return 4.0 * np.exp(-behind * (x - shift) ** 2 - 2.1 * (y - 0.07 - tilt * x) ** 2 - 2.6 * z**2)


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_those_of_the_window(size: Size) -> None:
    for field in (pool(), pool(-0.4, -0.3), 0.2 * pool(), 40 * pool()):
        found, _ = gradient(GRID, field, SOLIDUS, size)
        assert found == pytest.approx(GRID.sizes(field, SOLIDUS)[SIZES.index(size)], abs=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_derivatives_are_those_of_finite_differences(size: Size) -> None:
    field, step = pool(), 1e-5
    _, by = gradient(GRID, field, SOLIDUS, size)
    assert 4 <= np.count_nonzero(by) <= 40
    for node in [*np.argwhere(by != 0).tolist(), [20, 12, 0], [3, 3, 3]]:
        sides = []
        for sign in (1, -1):
            moved = field.copy()
            moved[tuple(node)] += sign * step
            sides.append(GRID.sizes(moved, SOLIDUS)[SIZES.index(size)])
        assert by[tuple(node)] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=2e-6, rel=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_warmer_field_makes_a_larger_pool(size: Size) -> None:
    """dx*/dp = -(dT/dp)/(dT/dx), for p that lifts the whole field."""
    field, lift = pool(), 1e-4
    found, by = gradient(GRID, field, SOLIDUS, size)
    larger = GRID.sizes(field + lift, SOLIDUS)[SIZES.index(size)]
    assert by.sum() > 0
    assert larger - found == pytest.approx(lift * by.sum(), rel=1e-2)


def test_a_cold_window_has_no_size_and_no_derivative() -> None:
    found, by = gradient(GRID, np.zeros(GRID.shape), SOLIDUS, "depth")
    assert found == 0.0
    assert not by.any()


def test_a_pool_that_fills_the_window_ends_where_the_window_ends() -> None:
    found, by = gradient(GRID, np.full(GRID.shape, 2.0), SOLIDUS, "width")
    assert found == pytest.approx(GRID.y[-1] - GRID.y[0])
    assert not by.any()


def test_a_heat_apart_from_the_pool_does_not_count() -> None:
    x, y, z = GRID.points
    field = pool() + 1.5 * np.exp(-((x + 8) ** 2 + y**2 + z**2))
    assert gradient(GRID, field, SOLIDUS, "length")[0] == pytest.approx(GRID.sizes(field, SOLIDUS)[0])


def test_peaks_know_what_they_hang_on() -> None:
    nodes, values = np.array([0.0, 1.0, 2.5, 3.0]), np.array([1.0, 2.0, 1.9, np.nan])
    top, weights = peak(values, nodes)
    assert top > 2.0
    for line, weight in weights:
        moved = values.copy()
        moved[line] += 1e-6
        assert weight == pytest.approx((peak(moved, nodes)[0] - top) / 1e-6, rel=1e-3)
    assert peak(np.full(3, np.nan), nodes[:3]) == (0.0, [])
    assert peak(np.array([3.0, 2.0, 1.0]), nodes[:3]) == (3.0, [(0, 1.0)])
