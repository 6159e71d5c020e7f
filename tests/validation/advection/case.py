"""Linear advection, one law for all trajectories: see README.md beside this."""

from collections.abc import Callable

import torch
from torch import Tensor

from operators.problem import March, Trajectories
from tests.validation.laws import muscl, one
from tests.validation.laws.law import Cubic, State
from tests.validation.laws.line import relative
from tests.validation.laws.one import CELLS, One

NAME = "advection"
SIZES = one.SIZES
DT, UNTIL, FAR = 1 / CELLS, 1.0, 4.5
"""The source goes on to 5, where every state has come back and to hold the last one is nearly right."""

Row = Callable[[Tensor, Tensor, Tensor], Tensor]


def problem(budget: str, seed: int = 0) -> March:
    return ONE.problem(budget, seed)


def classical(problem: March) -> dict[str, Row]:
    """Upwind at two Courant numbers, of which the first is exact, and MUSCL."""
    return {
        "upwind, Courant number 1 (exact)": one.stepped(lambda u: upwind(u, 1)),
        "upwind, Courant number 1/2": one.stepped(lambda u: upwind(u, 2)),
        "MUSCL, Courant number 1/2": one.stepped(lambda u: muscl.run(law(len(u)), u, DT, 2)[:, 1]),
    }


def extra(stepper: Callable[..., Tensor], problem: March, part: Trajectories, steps: int = 1) -> dict[str, float]:
    return ONE.extra(stepper, problem, part, steps)


def convergence() -> dict[str, float]:
    """The data are exact; of the schemes, relative L2 at t = 1 of smooth states, and on twice and four times the
    cells."""
    first, errors = ONE.first("id", [0, 100], 2), {}
    for cells in (CELLS, 2 * CELLS, 4 * CELLS):
        start = muscl.coarsen(first, cells)
        errors[f"MUSCL, {cells} cells"] = relative(muscl.run(law(2), start, UNTIL, 2)[:, 1], start)
    return errors


def flux(u: Tensor) -> Tensor:
    return u


def law(count: int) -> Cubic:
    """f = u."""
    none = torch.zeros(count, dtype=torch.float64)
    return Cubic(none, none, none + 1)


def shifted(first: State, frames: int) -> Tensor:
    """A cell a frame to the right: exact."""
    u = muscl.coarsen(first, CELLS)
    return torch.stack([u.roll(t, -1) for t in range(frames)], 1)


def upwind(u: State, steps: int) -> State:
    """A cell on, in so many steps of first order."""
    for _ in range(steps):
        u = u - (u - u.roll(1, -1)) / steps
    return u


ONE = One(
    NAME, DT, UNTIL, FAR,
    {"id": one.smooth, "rough": one.rough, "triangle": one.triangle, "step": one.step},
    shifted,
    {"solver": "exact: cell means, a cell to the right in a frame"},
)  # fmt: skip
