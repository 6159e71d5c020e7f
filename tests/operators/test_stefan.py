"""The solver against Neumann's solution of the two-phase Stefan problem: a hot melt beside a cold solid.

    -k_l dtheta_l/dx + k_s dtheta_s/dx = L ds/dt,   s = 2 lambda sqrt(t)

with both halves infinite (Carslaw and Jaeger 1959, 11.2). The mushy zone is narrow, so the front is almost sharp.
"""

from math import erf, erfc, exp, pi, sqrt

import numpy as np
import pytest

from operators.groups import Groups
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver

HOT, COLD, FRONT = 2.6, 0.0, 0.99


def groups(latent: float, k_liquid: float, c_liquid: float) -> Groups:
    return Groups(mushy=0.02, latent=latent, k_cold=1.0, k_liquid=k_liquid, c_cold=1.0, c_liquid=c_liquid)


def rate(of: Groups) -> float:
    """lambda, by bisection: positive melts, negative freezes."""
    a = of.k_liquid / of.c_liquid
    latent = of.h_liquidus - of.h_solidus - 0.02 * 0.5 * (1 + of.c_liquid)  # beyond the sensible heat of the mush

    def surplus(x: float) -> float:
        given = of.k_liquid * (HOT - FRONT) * exp(-x * x / a) / (sqrt(pi * a) * (1 + erf(x / sqrt(a))))
        taken = (FRONT - COLD) * exp(-x * x) / (sqrt(pi) * erfc(x))
        return given - taken - latent * x

    low, high = -3.0, 3.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if surplus(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def exact(of: Groups, x: np.ndarray, t: float) -> np.ndarray:
    a, front = of.k_liquid / of.c_liquid, rate(of)
    solid = [COLD + (FRONT - COLD) * erfc(each / (2 * sqrt(t))) / erfc(front) for each in x]
    melt = [HOT + (FRONT - HOT) * erfc(-each / (2 * sqrt(a * t))) / erfc(-front / sqrt(a)) for each in x]
    return np.where(x > 2 * front * sqrt(t), solid, melt)


def solved(of: Groups, cells: int, t: float) -> tuple[np.ndarray, np.ndarray]:
    """theta along x at time t from a step at x = 0; the faces of the box are too far away to be felt."""
    solver = MeltPoolSolver(of, Boxes(cells, along=6.0, deep=2.0, levels=1, lead=0.0), np.float64)
    solver.h[0, :, :, : solver.h.shape[-1] // 2] = of.h_liquidus + (HOT - 1) * of.c_liquid
    solver.advance(np.array([[0.0, 0.0, 0.0, 0.0], [t, 0.0, 0.0, 0.0]]))
    x = np.linspace(-0.6, 0.6, 121)
    return x, solver.theta(x, np.zeros_like(x), np.zeros_like(x))


def front(x: np.ndarray, theta: np.ndarray) -> float:
    """Where theta falls through FRONT."""
    last = int(np.flatnonzero(theta > FRONT)[-1])
    return float(x[last] + (theta[last] - FRONT) / (theta[last] - theta[last + 1]) * (x[last + 1] - x[last]))


CASES = [groups(0.3, 1.0, 1.0), groups(0.3, 1.3, 1.1), groups(0.15, 0.6, 1.3), groups(0.8, 1.0, 1.0)]


@pytest.mark.parametrize("of", CASES)
def test_the_exact_solution_is_one(of: Groups) -> None:
    """It meets the front from both sides and balances heat there; or the test below would compare with nonsense."""
    t, h = 0.04, 1e-5
    at = 2 * rate(of) * sqrt(t)
    left, right = exact(of, np.array([at - h, at - 1e-12]), t), exact(of, np.array([at + 1e-12, at + h]), t)
    assert left[1] == pytest.approx(FRONT) == right[0]
    flux = -of.k_liquid * (left[1] - left[0]) / h + (right[1] - right[0]) / h
    latent = of.h_liquidus - of.h_solidus - 0.02 * 0.5 * (1 + of.c_liquid)
    assert flux == pytest.approx(latent * rate(of) / sqrt(t), rel=1e-3)


@pytest.mark.parametrize("cells", [8, 16, 32])
@pytest.mark.parametrize("of", CASES)
def test_the_front_stands_where_neumann_says_within_half_a_cell(of: Groups, cells: int) -> None:
    t = 0.04
    assert front(*solved(of, cells, t)) == pytest.approx(2 * rate(of) * sqrt(t), abs=0.5 / cells)


def test_finer_cells_come_nearer() -> None:
    """An average over cases: the front of one passes the centres of its cells at odd moments."""
    t = 0.04
    wrong = []
    for cells in (8, 16, 32):
        profiles = [(of, *solved(of, cells, t)) for of in CASES]
        wrong.append(float(np.mean([np.abs(theta - exact(of, x, t)).mean() for of, x, theta in profiles])))
    assert wrong[1] < wrong[0] / 1.5
    assert wrong[2] < wrong[1] / 1.5
    assert wrong[2] < 0.0025


def test_more_latent_heat_holds_the_front_back() -> None:
    fronts = [front(*solved(groups(latent, 1.0, 1.0), 16, 0.04)) for latent in (0.02, 0.4, 1.2)]
    assert fronts[0] > fronts[1] > fronts[2] > 0
