"""Heat in a bar of uneven conductivity: u_t = (kappa(x) u_x)_x + f(x, t) on [0, 1], u = 0 at both walls.

Linear and dissipative: what an operator must find is how kappa, which spans about a decade, shapes the decay. Errors
grow where kappa is small beside large; `ood` doubles that contrast. The forcing is given at the time steps and is
linear between them, so that one step is an exact function of (state, forcing now, forcing next, kappa).
"""

import math
from collections.abc import Callable

import numba
import numpy as np
import torch
from torch import Tensor

from operators.problem import Geometry, March, Trajectories

NAME = "heat"
SIZES = {  # trajectories to fit, to validate, in each test
    "smoke": (24, 6, 6),
    "small": (200, 25, 50),
    "medium": (800, 50, 100),
    "full": (4000, 100, 200),
}
CELLS = 64
STEPS = 40
DT = 0.04
LAGS = 4
HORIZON = 20
SUBSTEPS = 8

KAPPA = 0.1  # geometric mean
SPREAD = 0.8  # standard deviation of log kappa: along a bar it varies by a factor of 6 (median), 13 (90 %)
KAPPA_LENGTH = 0.15
FORCING = 4.0  # standard deviation
FORCING_LENGTH = 0.15
FORCING_WAVES = 3
PERIODS = (15.0, 60.0)  # of the forcing, in steps
START_MODES = 10
FIELD_MODES = 24


def problem(budget: str, seed: int = 0) -> March:
    fit, validation, test = SIZES[budget]
    return March(
        name=NAME,
        geometry=Geometry.grid(CELLS),
        dt=DT,
        lags=LAGS,
        fit=_trajectories([seed, 0], fit),
        validation=_trajectories([seed, 1], validation),
        tests={
            "id": _trajectories([seed, 2], test),
            "ood": _trajectories([seed, 3], test, contrast=2.0),
        },
        horizon=HORIZON,
        about={
            "solver": f"TR-BDF2, finite volumes with harmonic faces, {SUBSTEPS} sub-steps, float64",
            "grid": f"{CELLS} cells, {STEPS} steps of {DT}",
            "counts": {"fit": fit, "validation": validation, "id": test, "ood": test},
            "seed": seed,
        },
    )


def classical(problem: March) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """The reference itself, and its cheapest form."""

    def stepper(substeps: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        def step(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
            state, kappa, acting = (_array(x) for x in (lags[:, -1, :, 0], static[..., 0], forcing[:, -2:, :, 0]))
            return torch.from_numpy(march(state, kappa, acting, problem.dt, substeps)[:, -1, :, None]).to(lags)

        return step

    cells = len(problem.geometry.points)
    return {
        f"TR-BDF2, {cells} cells, {SUBSTEPS} sub-steps (the reference)": stepper(SUBSTEPS),
        f"TR-BDF2, {cells} cells, 1 sub-step": stepper(1),
    }


def convergence() -> dict[str, float]:
    """Relative L2 over 10 steps of 16 draws: in cells against 1024 cells, in sub-steps against 128."""
    draw = Draw(np.random.default_rng(0), count=16, steps=10)
    finest = draw.states(1024)
    most = draw.states(CELLS, substeps=128)
    errors = {}
    for cells in (32, 64, 128):
        errors[f"{cells} cells"] = _distance(draw.states(cells), finest.reshape(16, 11, cells, -1).mean(-1))
    for substeps in (2, 4, 8):
        errors[f"{substeps} sub-steps"] = _distance(draw.states(CELLS, substeps=substeps), most)
    return errors


class Draw:
    """Coefficients of the random fields of some trajectories; they can be seen on any grid."""

    def __init__(self, rng: np.random.Generator, count: int, steps: int, contrast: float = 1.0) -> None:
        self.log_kappa = contrast * SPREAD * _smooth(rng, (count,), KAPPA_LENGTH)
        self.waves = FORCING * math.sqrt(2 / FORCING_WAVES) * _smooth(rng, (count, FORCING_WAVES), FORCING_LENGTH)
        period = np.exp(rng.uniform(*np.log(PERIODS), (count, FORCING_WAVES, 1)))
        phase = rng.uniform(0, 2 * np.pi, (count, FORCING_WAVES, 1))
        self.beat = np.sin(2 * np.pi * np.arange(steps + 1) / period + phase)  # (b, wave, t)
        self.start = rng.standard_normal((count, START_MODES)) / np.arange(1, START_MODES + 1)

    def kappa(self, cells: int) -> np.ndarray:
        return KAPPA * np.exp(self.log_kappa @ np.cos(_phases(FIELD_MODES, cells)))

    def forcing(self, cells: int) -> np.ndarray:
        return self.beat.transpose(0, 2, 1) @ (self.waves @ np.cos(_phases(FIELD_MODES, cells)))

    def states(self, cells: int, substeps: int = SUBSTEPS) -> np.ndarray:
        start = self.start @ np.sin(_phases(START_MODES + 1, cells)[1:])
        return march(start, self.kappa(cells), self.forcing(cells), DT, substeps)


def march(start: np.ndarray, kappa: np.ndarray, forcing: np.ndarray, dt: float, substeps: int) -> np.ndarray:
    """States (b, t, cell) from a start (b, cell), with kappa (b, cell) and forcing (b, t, cell), linear between times.

    TR-BDF2 (Bank et al. 1985): a trapezoid to gamma h, then BDF2 to h; gamma = 2 - sqrt 2 gives both one matrix.
    Second order and L-stable: rough starts are damped, not rung.
    """
    return _march(*(np.ascontiguousarray(x, dtype=np.float64) for x in (start, kappa, forcing)), dt, substeps)


@numba.njit(error_model="numpy", cache=True)
def _march(start, kappa, forcing, dt, substeps):
    count, times, cells = forcing.shape
    gamma = 2 - np.sqrt(2.0)
    h = dt / substeps
    share = h * gamma / 2
    new_weight, old_weight = 1 / (gamma * (2 - gamma)), (1 - gamma) ** 2 / (gamma * (2 - gamma))
    states = np.empty((count, times, cells))
    face = np.empty(cells + 1)
    upper, pivot, right, u = np.empty(cells), np.empty(cells), np.empty(cells), np.empty(cells)
    for b in range(count):
        face[0], face[cells] = 2 * kappa[b, 0] * cells**2, 2 * kappa[b, cells - 1] * cells**2
        for i in range(1, cells):
            face[i] = 2 * kappa[b, i - 1] * kappa[b, i] / (kappa[b, i - 1] + kappa[b, i]) * cells**2
        for i in range(cells):
            pivot[i] = 1 + share * (face[i] + face[i + 1])
            if i > 0:
                pivot[i] -= share * face[i] * upper[i - 1]
            upper[i] = share * face[i + 1] / pivot[i]
        for i in range(cells):
            u[i] = states[b, 0, i] = start[b, i]
        for t in range(1, times):
            for s in range(substeps):
                at, mid, end = s / substeps, (s + gamma) / substeps, (s + 1) / substeps
                for i in range(cells):
                    flow = -face[i + 1] * u[i] - face[i] * u[i]
                    if i > 0:
                        flow += face[i] * u[i - 1]
                    if i < cells - 1:
                        flow += face[i + 1] * u[i + 1]
                    old, new = forcing[b, t - 1, i], forcing[b, t, i]
                    right[i] = u[i] + share * (flow + 2 * old + (at + mid) * (new - old))
                _solve(right, face, upper, pivot, share)
                for i in range(cells):
                    old, new = forcing[b, t - 1, i], forcing[b, t, i]
                    right[i] = new_weight * right[i] - old_weight * u[i] + share * (old + end * (new - old))
                _solve(right, face, upper, pivot, share)
                for i in range(cells):
                    u[i] = states[b, t, i] = right[i]
    return states


@numba.njit(error_model="numpy", cache=True)
def _solve(right, face, upper, pivot, share):
    """(1 - share L) x = right in place, with the eliminated rows."""
    right[0] /= pivot[0]
    for i in range(1, len(right)):
        right[i] = (right[i] + share * face[i] * right[i - 1]) / pivot[i]
    for i in range(len(right) - 2, -1, -1):
        right[i] += upper[i] * right[i + 1]


def _trajectories(seed: list[int], count: int, contrast: float = 1.0) -> Trajectories:
    draw = Draw(np.random.default_rng(seed), count, STEPS, contrast)
    fields = draw.states(CELLS), draw.forcing(CELLS), draw.kappa(CELLS)
    return Trajectories.of(*(torch.from_numpy(x[..., None]) for x in fields))


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], length: float) -> np.ndarray:
    """Cosine coefficients of fields of unit variance (mean over x) with covariance about exp(-r^2 / 2 length^2)."""
    size = np.exp(-((np.pi * length * np.arange(FIELD_MODES)) ** 2) / 4)
    size /= np.sqrt(size[0] ** 2 + (size[1:] ** 2).sum() / 2)
    return size * rng.standard_normal((*shape, FIELD_MODES))


def _phases(modes: int, cells: int) -> np.ndarray:
    return np.pi * np.arange(modes)[:, None] * (np.arange(cells) + 0.5) / cells


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))
