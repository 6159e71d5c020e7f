"""Laws of the residual: at once it is itself, what lies in the metal stays there, and heat spreads as it should."""

import math

import numpy as np
import pytest

from operators.melt_pool.residual import FADING, REACH, alike, carried, diffused, moved
from operators.window import WindowGrid

GRID = WindowGrid()
HERE = (0.0, 0.0, 0.0)


def blob(at: tuple[float, float], wide: float, pose: tuple[float, float, float] = HERE) -> np.ndarray:
    """A bump in the metal at a place on the machine's axes, as a window at `pose` has it."""
    x, y, z = GRID.points
    c, s = math.cos(pose[2]), math.sin(pose[2])
    east, north = pose[0] + c * x - s * y, pose[1] + s * x + c * y
    return np.exp(-((east - at[0]) ** 2 + (north - at[1]) ** 2 + z**2) / wide)


def test_at_once_it_is_itself() -> None:
    missed = blob((-1.0, 0.4), 1.0)
    assert carried(missed, HERE, HERE, 0, 0.0, GRID) == pytest.approx(missed)


@pytest.mark.parametrize("pose", [(0.5, 0.0, 0.0), (0.3, 0.4, math.pi / 2), (-0.2, 0.6, math.pi)])
def test_what_lies_in_the_metal_stays_there(pose: tuple[float, float, float]) -> None:
    at = (-0.6, 0.1)
    seen = moved(blob(at, 1.5), HERE, pose, GRID)
    wanted = blob(at, 1.5, pose)
    x, y, _ = GRID.points
    known = (np.abs(x) < 1.4) & (np.abs(y) < 1.4)
    assert np.abs(seen - wanted)[known].max() < 0.05
    assert np.corrcoef(seen[known], wanted[known])[0, 1] > 0.995


def test_what_the_window_did_not_see_is_not_made_up() -> None:
    seen = moved(np.ones(GRID.shape), HERE, (5.0, 0.0, 0.0), GRID)
    assert (seen[GRID.x > -3.0] == 0).all()
    assert (seen[GRID.x < -3.5] == 1).all()


def test_heat_spreads_by_the_law_and_none_leaves_through_the_surface() -> None:
    spread, wide = 0.2, 0.6
    field = blob((-0.5, 0.0), wide)
    after = diffused(field, spread, GRID)
    wanted = (wide / (wide + 4 * spread)) ** 1.5 * blob((-0.5, 0.0), wide + 4 * spread)
    weight = GRID.weights()
    assert np.sqrt((weight * (after - wanted) ** 2).sum() / (weight * wanted**2).sum()) < 0.05
    assert (weight * after).sum() == pytest.approx((weight * field).sum(), rel=0.05)
    assert diffused(np.full(GRID.shape, 0.3), spread, GRID) == pytest.approx(np.full(GRID.shape, 0.3))


def test_near_the_beam_it_goes_with_the_beam_and_fades() -> None:
    missed = blob((0.0, 0.0), 0.02 * REACH**2)
    ahead = (6.0, 0.0, 0.0)
    now = carried(missed, HERE, ahead, 10, 0.0, GRID)
    centre = tuple(int(np.argmin(np.abs(axis))) for axis in (GRID.x, GRID.y, GRID.z))
    assert now[centre] == pytest.approx(FADING**10, abs=1e-3)
    behind = int(np.argmin(np.abs(GRID.x + 6.0)))
    assert now[behind].max() > 0.2, "and what is in the metal is left behind"


def test_what_goes_with_a_beam_goes_with_the_power_and_the_heading_it_had() -> None:
    """The rest stays in the metal: what is missed is never dropped."""
    assert alike(HERE, HERE, 5.0, 5.0) == alike(HERE, HERE, 5.0, 9.0) == 1.0
    assert alike(HERE, HERE, 5.0, 2.0) == pytest.approx(0.4)
    assert alike(HERE, HERE, 0.0, 5.0) == alike(HERE, HERE, 5.0, 0.0) == 0.0
    assert alike(HERE, (0.0, 0.0, math.pi / 3), 5.0, 5.0) == pytest.approx(0.5)
    assert alike(HERE, (0.0, 0.0, math.pi), 5.0, 5.0) == 0.0
    missed, ahead = blob((0.0, 0.0), 1.0), (0.5, 0.0, 0.0)
    off = carried(missed, HERE, ahead, 1, 0.0, GRID, share=0.0)
    assert off == pytest.approx(moved(missed, HERE, ahead, GRID))
    half = carried(missed, HERE, ahead, 1, 0.0, GRID, share=0.5)
    assert half == pytest.approx((off + carried(missed, HERE, ahead, 1, 0.0, GRID)) / 2)
