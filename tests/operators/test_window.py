"""Laws of the window: the grid is what it says, and sizes measure known shapes."""

import numpy as np
import pytest

from operators.window import WindowGrid

GRID = WindowGrid()
X, Y, Z = GRID.points


def ellipsoid(a: float, b: float, c: float, at: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """theta of a pool with half axes a, b and depth c where theta = 1."""
    return 2.0 - ((X - at[0]) / a) ** 2 - ((Y - at[1]) / b) ** 2 - (Z / c) ** 2


def test_nodes_rise_and_reach_the_ends() -> None:
    for nodes, low, high in (
        (GRID.x, -GRID.behind, GRID.ahead),
        (GRID.y, -GRID.aside, GRID.aside),
        (GRID.z, 0.0, GRID.deep),
    ):
        assert (np.diff(nodes) > 0).all()
        assert nodes[0] == pytest.approx(low)
        assert nodes[-1] == pytest.approx(high)
    assert 0.0 in GRID.x
    np.testing.assert_array_equal(GRID.y, -GRID.y[::-1])


def test_weights_integrate_what_is_linear_exactly() -> None:
    volume = (GRID.behind + GRID.ahead) * 2 * GRID.aside * GRID.deep
    weights = GRID.weights()
    assert weights.sum() == pytest.approx(volume)
    assert (weights * X).sum() == pytest.approx(volume * 0.5 * (GRID.ahead - GRID.behind))
    assert (weights * Z).sum() == pytest.approx(volume * 0.5 * GRID.deep)


@pytest.mark.parametrize(
    ("axes", "at"),
    [((1.2, 0.7, 0.5), (0.0, 0.0)), ((3.0, 0.9, 1.1), (-2.0, 0.0)), ((5.0, 1.6, 0.4), (-4.0, 0.13))],
)
def test_sizes_of_an_ellipsoid(axes: tuple[float, float, float], at: tuple[float, float]) -> None:
    a, b, c = axes
    assert GRID.sizes(ellipsoid(a, b, c, at), 1.0) == pytest.approx((2 * a, 2 * b, c), rel=0.01)


def test_sizes_change_smoothly_with_the_field() -> None:
    sizes = np.array([GRID.sizes(ellipsoid(2.0, 0.8, 0.6, (-1.0, 0.0)), level) for level in np.linspace(0.9, 1.1, 81)])
    expected = np.sqrt(2.0 - np.linspace(0.9, 1.1, 81))[:, None] * [4.0, 1.6, 0.6]
    np.testing.assert_allclose(sizes, expected, rtol=0.01)
    assert (np.diff(sizes, axis=0) < 0).all()


def test_a_molten_spot_apart_is_not_counted() -> None:
    pool = ellipsoid(1.0, 0.6, 0.5)
    apart = ellipsoid(1.0, 0.5, 0.4, (-6.0, 1.5)) - 0.3
    assert (apart[np.abs(X + 6) < 0.7] > 1.0).any()
    assert GRID.sizes(np.maximum(pool, apart), 1.0) == pytest.approx(GRID.sizes(pool, 1.0))


def test_nothing_molten_has_no_size() -> None:
    assert GRID.sizes(np.full(GRID.shape, 0.5), 1.0) == (0.0, 0.0, 0.0)


def test_mirrored_fields_have_the_same_sizes() -> None:
    theta = ellipsoid(3.0, 0.9, 0.7, (-2.0, 0.3)) + 0.15 * np.sin(1.3 * X + 2.0 * Y)
    assert GRID.sizes(theta[:, ::-1], 1.0) == pytest.approx(GRID.sizes(theta, 1.0), rel=1e-9)
