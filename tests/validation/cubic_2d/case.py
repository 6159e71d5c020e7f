"""Cubic fluxes along both axes of a square, told by their past alone: see README.md beside this."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators.problem import Geometry, March, Trajectories
from tests.validation.laws import draws, fitted, muscl
from tests.validation.laws.law import Cubic, Plane
from tests.validation.laws.line import relative
from tests.validation.laws.size import Size

NAME = "cubic_2d"
CELLS, DT, RECORDED, LAGS, HORIZON = 32, 0.01, 61, 20, 20
FINEST = 256
COEFFICIENT = (-1.0, 1.0)
SPREAD = 0.5
"""Standard deviation of the smooth first states."""
MEASURED, MEASURED_FRAMES = 2, 11
"""Trajectories of each split, and their frames, on which the reference's own error is measured."""

Square = Float[Tensor, "b x y"]
Row = Callable[[Tensor, Tensor, Tensor], Tensor]


SIZES = {
    "smoke": Size(8, 4, 4, cells=32),
    "small": Size(200, 20, 20, cells=64),
    "medium": Size(400, 40, 60, cells=64),
    "full": Size(1000, 60, 100, cells=64),
}


def problem(budget: str, seed: int = 0) -> March:
    size = SIZES[budget]
    counts = size.counts(("id", "step"))
    made = {
        split: trajectories(*drawn(split, [seed, i], count), size.cells)
        for i, (split, count) in enumerate(counts.items())
    }
    about = {
        "solver": "finite volumes, axis by axis: MUSCL (MC limiter, minmod where f' turns), SSP-RK2, Courant number "
        "1/2, float64",
        "inner cells": size.cells,
        "cells": f"{CELLS} x {CELLS}, means of the inner ones",
        "counts": counts,
        "recorded": RECORDED,
        "coefficients": "each trajectory its own, not told",
        "budget": budget,
        "seed": seed,
    }
    tests = {split: made[split] for split in ("id", "step")}
    return March(
        NAME, Geometry.grid(CELLS, CELLS, periodic=True), DT, LAGS, made["fit"], made["validation"], tests, HORIZON,
        about, in_context=True, conserved=True,
    )  # fmt: skip


def drawn(split: str, seed: list[int], count: int) -> tuple[Plane, Square]:
    """Laws, and first states on FINEST cells a side."""
    random = np.random.default_rng(seed)
    f, g = (Cubic(*draws.uniform(random, count, COEFFICIENT, COEFFICIENT, COEFFICIENT)) for _ in "xy")
    return Plane(f, g), (quadrants if split == "step" else smooth)(random, count)


def smooth(random: np.random.Generator, count: int) -> Square:
    """Gaussian, covariance SPREAD^2 exp(cos 2 pi r_x + cos 2 pi r_y - 2): of the line's along each axis."""
    waves = draws.waves(draws.COVARIANCE, draws.MODES, FINEST).flatten(0, 1)
    drawn = torch.from_numpy(random.standard_normal((count, len(waves), len(waves))))
    return SPREAD * waves.mT @ drawn @ waves


def quadrants(random: np.random.Generator, count: int) -> Square:
    """Four heights uniform in [-1, 1], two along each axis, which jump at faces of the CELLS."""
    heights = random.uniform(-1, 1, (count, 2, 2))
    fields = np.empty((count, CELLS, CELLS))
    for field, height in zip(fields, heights, strict=True):
        x, y = (np.isin(np.arange(CELLS), np.arange(*np.sort(random.choice(CELLS, 2, replace=False)))) for _ in "xy")
        field[:] = height[np.ix_(x.astype(int), y.astype(int))]
    times = FINEST // CELLS
    return torch.from_numpy(fields).repeat_interleave(times, 1).repeat_interleave(times, 2)


def trajectories(law: Plane, first: Square, cells: int) -> Trajectories:
    frames = means(law, first, cells, RECORDED)
    if not frames.isfinite().all():
        raise ArithmeticError(f"{NAME} blew up on {cells} x {cells} cells")
    return Trajectories.of(frames.flatten(2)[..., None])


def means(law: Plane, first: Square, cells: int, frames: int, finer: int = 1) -> Float[Tensor, "b frame x y"]:
    """Frames on CELLS a side, of a run on so many."""
    return coarsen(muscl.run(law, coarsen(first, cells), DT, frames, finer), CELLS)


def coarsen(u: Float[Tensor, "*b x y"], cells: int) -> Float[Tensor, "*b coarse coarse"]:
    return muscl.coarsen(muscl.coarsen(u, cells).mT, cells).mT


def refine(u: Square, times: int) -> Square:
    return muscl.refine(muscl.refine(u, times).mT, times).mT


def classical(problem: March) -> dict[str, Row]:
    """Both cubics fitted to the lags, then the solver over one dt from the newest, on the cells of the data and on the
    inner ones from limited lines through the cells."""
    return {
        f"fitted flux, {cells} x {cells} cells": partial(_step, cells)
        for cells in (CELLS, problem.about["inner cells"])
    }


def _step(cells: int, lags: Tensor, _: Tensor, __: Tensor) -> Tensor:
    past = lags[..., 0].to("cpu", torch.float64).unflatten(2, (CELLS, CELLS))  # b lag x y
    with muscl.one_thread():
        law = fitted.cubics(past, DT)
        ahead = coarsen(muscl.run(law, refine(past[:, -1], cells // CELLS), DT, 2)[:, 1], CELLS)
    return ahead.flatten(1)[..., None].to(lags)


def convergence() -> dict[str, float]:
    """Of some trajectories of each split, relative L2 of the means on 32 x 32 cells over some frames: against twice the
    inner cells a side, and against half the steps."""
    inner, errors = SIZES["medium"].cells, {}
    for i, split in enumerate(("id", "step")):
        law, first = drawn(split, [0, 100 + i], MEASURED)
        coarse, made, finest, shorter = (
            means(law, first, cells, MEASURED_FRAMES, finer)
            for cells, finer in ((CELLS, 1), (inner, 1), (2 * inner, 1), (inner, 2))
        )
        errors |= {
            f"{split}, {CELLS} x {CELLS} cells": relative(coarse, finest),
            f"{split}, {inner} x {inner} cells": relative(made, finest),
            f"{split}, time step against half of it": relative(made, shorter),
        }
    return errors
