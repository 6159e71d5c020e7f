"""Laws of the contour: its sizes are the window's, its derivatives those of finite differences."""

import numpy as np
import pytest

from operators.attribution.contour import SIZES, SPREAD, Size, gradient, largest, peak
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
    for field in (pool(), pool(-0.4, -0.3), 0.3 * pool(), 40 * pool()):
        of_window = GRID.sizes(field, SOLIDUS)[SIZES.index(size)]
        assert gradient(GRID, field, SOLIDUS, size, 0.0)[0] == pytest.approx(of_window, abs=1e-9)
        smooth, _ = gradient(GRID, field, SOLIDUS, size)
        assert smooth == pytest.approx(of_window, abs=0.12), "a few spreads, of two ends"


@pytest.mark.parametrize("spread", [0.0, SPREAD])
@pytest.mark.parametrize("size", SIZES)
def test_derivatives_are_those_of_finite_differences(size: Size, spread: float) -> None:
    field, step = pool(), 1e-5
    _, by = gradient(GRID, field, SOLIDUS, size, spread)
    assert 4 <= np.count_nonzero(by) <= (1000 if spread else 40)
    strongest = np.argsort(np.abs(by), axis=None)[-40:]
    chosen = [list(np.unravel_index(n, by.shape)) for n in strongest if by.flat[n] != 0]
    for node in [*chosen, [20, 12, 0], [3, 3, 3]]:
        sides = []
        for sign in (1, -1):
            moved = field.copy()
            moved[tuple(node)] += sign * step
            sides.append(gradient(GRID, moved, SOLIDUS, size, spread)[0])
        assert by[tuple(node)] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=2e-6, rel=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_a_warmer_field_makes_a_larger_pool(size: Size) -> None:
    """dx*/dp = -(dT/dp)/(dT/dx), for p that lifts the whole field."""
    field, lift = pool(), 1e-4
    found, by = gradient(GRID, field, SOLIDUS, size, 0.0)
    larger = GRID.sizes(field + lift, SOLIDUS)[SIZES.index(size)]
    assert by.sum() > 0
    assert larger - found == pytest.approx(lift * by.sum(), rel=1e-2)


def test_a_cold_window_has_no_size_and_no_derivative() -> None:
    found, by = gradient(GRID, np.zeros(GRID.shape), SOLIDUS, "depth")
    assert found == 0.0
    assert not by.any()


def test_a_pool_that_fills_the_window_ends_where_the_window_ends() -> None:
    found, by = gradient(GRID, np.full(GRID.shape, 2.0), SOLIDUS, "width", 0.0)
    assert found == pytest.approx(GRID.y[-1] - GRID.y[0])
    assert not by.any()


def test_a_heat_apart_from_the_pool_does_not_count() -> None:
    x, y, z = GRID.points
    field = pool() + 1.5 * np.exp(-((x + 8) ** 2 + y**2 + z**2))
    assert gradient(GRID, field, SOLIDUS, "length", 0.0)[0] == pytest.approx(GRID.sizes(field, SOLIDUS)[0])


def test_peaks_know_what_they_hang_on() -> None:
    nodes, values = np.array([0.0, 1.0, 2.5, 3.0]), np.array([1.0, 2.0, 1.9, np.nan])
    top, weights = peak(values, nodes)
    assert top > 2.0
    for line, weight in enumerate(weights):
        moved = values.copy()
        moved[line] += 1e-6
        assert weight == pytest.approx((peak(moved, nodes)[0] - top) / 1e-6, rel=1e-3)
    assert peak(np.array([3.0, 2.0, 1.0]), nodes[:3])[1].tolist() == [1.0, 0.0, 0.0]


def test_the_smooth_largest_is_above_its_sections_and_weighs_them() -> None:
    nodes, values = np.linspace(0.0, 3.0, 31), np.linspace(1.0, 1.0, 31)
    flat, weights = largest(values, nodes, SPREAD)
    assert flat == pytest.approx(1.0 + SPREAD * np.log(3.1), rel=1e-3)
    assert weights.sum() == pytest.approx(1.0)
    values[7] = 1.5
    assert largest(values, nodes, SPREAD)[1][7] == pytest.approx(1.0, abs=1e-3)
    assert largest(np.full(31, np.nan), nodes, SPREAD)[0] == 0.0
