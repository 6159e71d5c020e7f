"""Darcy flow in time through a two-phase medium: u_t = div(chi grad u) + f on the unit square, u = 0 on its edge.

The time-marching Darcy problem of ASNO (arXiv 2506.11328) on its 21 x 21 points. chi is a microstructure of two phases,
f a random field whose pattern drifts in a few slow waves. Splits are by microstructure. Linear in u and f; what is hard
is chi, which has jumps. The forcing is given at the time steps and is linear between them.
"""

from collections.abc import Callable

import numba
import numpy as np
import torch
from torch import Tensor

from operators.problem import Geometry, March, Trajectories

NAME = "darcy_march"
SIZES = {  # microstructures to fit, to validate, in each test; steps; loadings a microstructure
    "smoke": (12, 4, 4, 30, 1),
    "small": (80, 10, 10, 100, 1),
    "medium": (80, 10, 10, 100, 4),
    "full": (400, 50, 50, 100, 4),
}
POINTS = 21  # a side
DT = 1e-3
LAGS = 5
HORIZON = 20
SUBSTEPS = 16

PHASES = (12.0, 3.0)
CHI_LENGTH = 0.15
FORCING = 100.0  # standard deviation
FORCING_LENGTH = 0.3
FORCING_WAVES = 3  # besides one pattern that stays
PERIODS = (20.0, 100.0)  # of the forcing, in steps
START = 0.5
START_LENGTH = 0.3
FIELD_MODES = 20


def problem(budget: str, seed: int = 0) -> March:
    fit, validation, test, steps, loadings = SIZES[budget]
    size = steps, loadings
    return March(
        name=NAME,
        geometry=Geometry.grid(POINTS, POINTS, ends=True),
        dt=DT,
        lags=LAGS,
        fit=_trajectories([seed, 0], fit, *size),
        validation=_trajectories([seed, 1], validation, *size),
        tests={
            "id": _trajectories([seed, 2], test, *size),
            "ood_f": _trajectories([seed, 3], test, *size, length=FORCING_LENGTH / 3),
            "ood_b": _trajectories([seed, 4], test, *size, contrast=2.0),
        },
        horizon=HORIZON,
        about={
            "solver": f"implicit Euler, finite differences with harmonic faces, {SUBSTEPS} sub-steps, float64",
            "grid": f"{POINTS} x {POINTS} points with the edge, {steps} steps of {DT}",
            "counts": {"fit": fit, "validation": validation, "id": test, "ood_f": test, "ood_b": test},
            "loadings": loadings,
            "seed": seed,
        },
    )


def classical(problem: March) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """The reference itself, and its cheapest form."""
    side = problem.geometry.shape[0]

    def stepper(substeps: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        def step(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
            state, chi, acting = (_array(x) for x in (lags[:, -1, :, 0], static[..., 0], forcing[:, -2:, :, 0]))
            state, chi = state.reshape(-1, side, side), chi.reshape(-1, side, side)
            states = march(state, chi, acting.reshape(-1, 2, side, side), problem.dt, substeps)
            return torch.from_numpy(states[:, -1].reshape(len(state), -1, 1)).to(lags)

        return step

    return {
        f"implicit Euler, {side} x {side}, {SUBSTEPS} sub-steps (the reference)": stepper(SUBSTEPS),
        f"implicit Euler, {side} x {side}, 1 sub-step": stepper(1),
    }


def convergence() -> dict[str, float]:
    """Relative L2 over 10 steps: in points a side against 81 where chi is smooth, in sub-steps against 256."""
    smooth = Draw(np.random.default_rng(0), count=2, loadings=1, steps=10)
    finest = smooth.states(81, two_phase=False)
    draw = Draw(np.random.default_rng(1), count=8, loadings=1, steps=10)
    most = draw.states(POINTS, substeps=256)
    errors = {}
    for points in (11, 21, 41):
        every = 80 // (points - 1)
        errors[f"{points} points"] = _distance(smooth.states(points, two_phase=False), finest[..., ::every, ::every])
    for substeps in (4, 8, 16):
        errors[f"{substeps} sub-steps"] = _distance(draw.states(POINTS, substeps=substeps), most)
    return errors


class Draw:
    """Coefficients of the random fields of some trajectories, `loadings` of each microstructure in a row; they can be
    seen on any grid."""

    def __init__(
        self,
        rng: np.random.Generator,
        count: int,
        loadings: int,
        steps: int,
        length: float = FORCING_LENGTH,
        contrast: float = 1.0,
    ) -> None:
        self.phases = PHASES[0] * contrast**0.5, PHASES[1] / contrast**0.5
        self.structure = np.repeat(_smooth(rng, (count,), CHI_LENGTH), loadings, axis=0)
        waves = 1 + FORCING_WAVES
        self.waves = FORCING * waves**-0.5 * _smooth(rng, (count * loadings, waves), length)
        period = np.exp(rng.uniform(*np.log(PERIODS), (count * loadings, waves, 1)))
        phase = rng.uniform(0, 2 * np.pi, (count * loadings, waves, 1))
        self.beat = 2**0.5 * np.sin(2 * np.pi * np.arange(steps + 1) / period + phase)  # (b, wave, t)
        self.beat[:, 0] = 1
        self.start = START * _smooth(rng, (count * loadings,), START_LENGTH)

    def chi(self, points: int, two_phase: bool = True) -> np.ndarray:
        field = _seen(self.structure, points)
        above, below = self.phases
        if two_phase:
            return np.where(field > 0, above, below)
        return (above * below) ** 0.5 * (above / below) ** (0.5 * np.tanh(field))

    def forcing(self, points: int) -> np.ndarray:
        patterns = _seen(self.waves, points).reshape(*self.waves.shape[:2], -1)
        return (self.beat.transpose(0, 2, 1) @ patterns).reshape(len(self.waves), -1, points, points)

    def states(self, points: int, substeps: int = SUBSTEPS, two_phase: bool = True) -> np.ndarray:
        x = np.linspace(0, 1, points)
        start = _seen(self.start, points) * np.outer(np.sin(np.pi * x), np.sin(np.pi * x)) * 2
        return march(start, self.chi(points, two_phase), self.forcing(points), DT, substeps)


def march(start: np.ndarray, chi: np.ndarray, forcing: np.ndarray, dt: float, substeps: int) -> np.ndarray:
    """States (b, t, x, y) from a start (b, x, y), with chi (b, x, y) and forcing (b, t, x, y), linear between times.

    (1 - h L) u' = u + h f' on the inner points, by banded Cholesky, made once for each chi in a row. First order in
    time; an M-matrix, so that no extreme is ever made within.
    """
    return _march(*(np.ascontiguousarray(x, dtype=np.float64) for x in (start, chi, forcing)), dt, substeps)


@numba.njit(error_model="numpy", cache=True)
def _march(start, chi, forcing, dt, substeps):
    count, times, points, _ = forcing.shape
    m = points - 2
    h = dt / substeps
    pull = h * (points - 1) ** 2
    states = np.zeros((count, times, points, points))
    factor = np.empty((m * m, m + 1))
    u = np.empty(m * m)
    for b in range(count):
        if b == 0 or _differ(chi[b], chi[b - 1]):
            _factorise(chi[b], pull, factor)
        for r in range(m * m):
            u[r] = start[b, r // m + 1, r % m + 1]
            states[b, 0, r // m + 1, r % m + 1] = u[r]
        for t in range(1, times):
            for s in range(substeps):
                new = (s + 1) / substeps
                for r in range(m * m):
                    i, j = r // m + 1, r % m + 1
                    u[r] += h * ((1 - new) * forcing[b, t - 1, i, j] + new * forcing[b, t, i, j])
                _solve(factor, u)
            for r in range(m * m):
                states[b, t, r // m + 1, r % m + 1] = u[r]
    return states


@numba.njit(error_model="numpy", cache=True)
def _factorise(chi, pull, factor):
    """Banded Cholesky of 1 - h L; factor[r, m - k] is the entry at (r, r - k)."""
    m = len(chi) - 2
    factor.fill(0)
    for i in range(m):
        for j in range(m):
            r, here = i * m + j, chi[i + 1, j + 1]
            north, south = _between(here, chi[i, j + 1]), _between(here, chi[i + 2, j + 1])
            west, east = _between(here, chi[i + 1, j]), _between(here, chi[i + 1, j + 2])
            factor[r, m] = 1 + pull * (north + south + west + east)
            if i > 0:
                factor[r, 0] = -pull * north
            if j > 0:
                factor[r, m - 1] = -pull * west
    for r in range(m * m):
        for c in range(max(0, r - m), r + 1):
            total = factor[r, m - r + c]
            for k in range(max(0, r - m), c):
                total -= factor[r, m - r + k] * factor[c, m - c + k]
            factor[r, m - r + c] = total / factor[c, m] if c < r else np.sqrt(total)


@numba.njit(error_model="numpy", cache=True)
def _solve(factor, u):
    """Both triangles, in place."""
    size, m = len(u), factor.shape[1] - 1
    for r in range(size):
        low = max(0, r - m)
        total = u[r]
        for c in range(low, r):
            total -= factor[r, m - r + c] * u[c]
        u[r] = total / factor[r, m]
    for r in range(size - 1, -1, -1):
        u[r] /= factor[r, m]
        for c in range(max(0, r - m), r):
            u[c] -= factor[r, m - r + c] * u[r]


@numba.njit(error_model="numpy", cache=True)
def _between(one, other):
    return 2 * one * other / (one + other)


@numba.njit(cache=True)
def _differ(one, other):
    for i in range(len(one)):
        for j in range(len(one)):
            if one[i, j] != other[i, j]:
                return True
    return False


def _trajectories(
    seed: list[int],
    count: int,
    steps: int,
    loadings: int,
    length: float = FORCING_LENGTH,
    contrast: float = 1.0,
) -> Trajectories:
    draw = Draw(np.random.default_rng(seed), count, loadings, steps, length, contrast)
    b = count * loadings
    return Trajectories.of(
        torch.from_numpy(draw.states(POINTS).reshape(b, steps + 1, -1, 1)),
        torch.from_numpy(draw.forcing(POINTS).reshape(b, steps + 1, -1, 1)),
        torch.from_numpy(draw.chi(POINTS).reshape(b, -1, 1)),
    )


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], length: float) -> np.ndarray:
    """Cosine coefficients of fields of mean variance 1, with covariance about exp(-r^2 / 2 length^2)."""
    size = np.exp(-((np.pi * length * np.arange(FIELD_MODES)) ** 2) / 4)
    size /= np.sqrt(size[0] ** 2 + (size[1:] ** 2).sum() / 2)
    return np.outer(size, size) * rng.standard_normal((*shape, FIELD_MODES, FIELD_MODES))


def _seen(coefficients: np.ndarray, points: int) -> np.ndarray:
    """The field (..., x, y) on points from edge to edge."""
    cosines = np.cos(np.pi * np.arange(FIELD_MODES)[:, None] * np.linspace(0, 1, points))
    return cosines.T @ coefficients @ cosines


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))
