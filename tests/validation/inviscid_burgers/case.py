"""Inviscid Burgers, one law for all trajectories: see README.md beside this."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from operators.problem import March, Trajectories
from tests.validation.laws import muscl, one
from tests.validation.laws.law import Burgers, State
from tests.validation.laws.line import relative
from tests.validation.laws.one import CELLS, FINEST, One

NAME = "inviscid_burgers"
SIZES = one.SIZES
DT, UNTIL, FAR = 0.4 / CELLS, 0.3, 0.6
INNER = 1024
MEASURED, MEASURED_FRAMES = 2, 49
"""Trajectories, and their frames, on which the reference's own error is measured: to t = .075, when shocks stand."""

Row = Callable[[Tensor, Tensor, Tensor], Tensor]


def problem(budget: str, seed: int = 0) -> March:
    return ONE.problem(budget, seed)


def classical(problem: March) -> dict[str, Row]:
    """Godunov's scheme of first order, and the data's own, on the cells of the data and on its own from limited lines
    through them: it meets a state that has been averaged after each frame."""
    return {
        f"Godunov, {CELLS} cells": one.stepped(godunov),
        f"MUSCL, {CELLS} cells": one.stepped(partial(ahead, cells=CELLS)),
        f"MUSCL, {INNER} cells": one.stepped(partial(ahead, cells=INNER)),
    }


def extra(stepper: Callable[..., Tensor], problem: March, part: Trajectories, steps: int = 1) -> dict[str, float]:
    return ONE.extra(stepper, problem, part, steps)


def convergence() -> dict[str, float]:
    """Of some trajectories of each test split, relative L2 of the means on 256 cells to t = .075: against 4 times the
    inner cells, and against half its steps."""
    errors = {}
    for i, split in enumerate(ONE.firsts):
        first = ONE.first(split, [0, 100 + i], MEASURED)
        coarse, made, finest, shorter = (
            solved(first, MEASURED_FRAMES, cells, finer)
            for cells, finer in ((CELLS, 1), (INNER, 1), (FINEST, 1), (INNER, 2))
        )
        errors |= {
            f"{split}, {CELLS} cells": relative(coarse, finest),
            f"{split}, {INNER} cells": relative(made, finest),
            f"{split}, time step against half of it": relative(made, shorter),
        }
    return errors


def flux(u: Tensor) -> Tensor:
    return u**2 / 2


def law(count: int) -> Burgers:
    """f = u^2 / 2, without viscosity."""
    none = torch.zeros(count, dtype=torch.float64)
    return Burgers(none + 0.5, none)


def solved(first: State, frames: int, cells: int = INNER, finer: int = 1) -> Tensor:
    return muscl.coarsen(muscl.run(law(len(first)), muscl.coarsen(first, cells), DT, frames, finer), CELLS)


def ahead(u: State, cells: int) -> State:
    """A frame on."""
    fine = muscl.refine(u, cells // CELLS)
    return muscl.coarsen(muscl.run(law(len(u)), fine, DT, 2)[:, 1], CELLS)


def godunov(u: State) -> State:
    """A frame on, of first order: the exact flux of the Riemann problem at each face."""
    steps = max(1, math.ceil(DT * CELLS * float(u.abs().max())))
    for _ in range(steps):
        through = torch.maximum(u.clamp(min=0), -u.roll(-1, -1).clamp(max=0)) ** 2 / 2
        u = u - DT * CELLS / steps * (through - through.roll(1, -1))
    return u


ONE = One(
    NAME, DT, UNTIL, FAR,
    {"id": one.smooth, "rough": one.rough, "step": one.step},
    solved,
    {
        "solver": "finite volumes: MUSCL (MC limiter), local Lax-Friedrichs, SSP-RK2, Courant number 1/2, float64",
        "inner cells": INNER,
    },
)  # fmt: skip
