"""What three suites share whose laws their past tells: sizes, the run of a trajectory, classical rows, convergence.

A suite is a `Line`: its name, what each test split is drawn from, and how its law is fitted. Trajectories are made on a
grid finer than that of the data and averaged to it, so that the data obey the law more nearly than any scheme does on
the 100 cells; cell means stay conserved. No coefficient is told: an operator has the lags alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from torch import Tensor

from operators.problem import Geometry, March, Trajectories
from tests.validation.laws import muscl
from tests.validation.laws.draws import FINEST
from tests.validation.laws.law import Law, State
from tests.validation.laws.size import Size

CELLS, DT, RECORDED, LAGS, HORIZON = 100, 0.005, 81, 20, 20
MEASURED = 4
"""Trajectories of each split on which the reference's own error is measured, over HORIZON steps."""

FINER = 16
"""Trajectories of each test split that are kept on the inner grid."""

Row = Callable[[Tensor, Tensor, Tensor], Tensor]


SIZES = {
    "smoke": Size(8, 4, 4, cells=100),
    "small": Size(300, 30, 40, cells=400),
    "medium": Size(1000, 60, 100, cells=400),
    "full": Size(2000, 100, 200, cells=400),
}


@dataclass(frozen=True)
class Draw:
    """How laws and first states (count, channel, FINEST) are drawn."""

    law: Callable[[np.random.Generator, int], Law]
    first: Callable[[np.random.Generator, int], State]

    def of(self, seed: list[int], count: int) -> tuple[Law, State]:
        random = np.random.default_rng(seed)
        return self.law(random, count), self.first(random, count)


@dataclass(frozen=True)
class Line:
    """A suite. Its fit and validation splits are drawn as `id` is."""

    name: str
    draws: Mapping[str, Draw]
    fitted: Callable[[Tensor, float], Law]
    positive: tuple[int, ...] = ()

    def problem(self, budget: str, seed: int = 0) -> March:
        size = SIZES[budget]
        counts = size.counts(self.draws)
        made = {
            split: self.trajectories(*self._draw(split).of([seed, i], count), size.cells)
            for i, (split, count) in enumerate(counts.items())
        }
        about = {
            "solver": "finite volumes: MUSCL (MC limiter, minmod where f' turns), SSP-RK2, Courant number 1/2, float64",
            "inner cells": size.cells,
            "cells": f"{CELLS}, means of the inner ones",
            "counts": counts,
            "recorded": RECORDED,
            "coefficients": "each trajectory its own, not told",
            "budget": budget,
            "seed": seed,
        }
        tests = {split: made[split] for split in self.draws}
        geometry = Geometry.grid(CELLS, periodic=True)
        return March(
            self.name, geometry, DT, LAGS, made["fit"], made["validation"], tests, HORIZON, about, in_context=True,
            positive=self.positive, conserved=True,
        )  # fmt: skip

    def finer(self, budget: str, seed: int = 0) -> March:
        """Some trajectories of each test split on the cells that they are made on, as far as the horizon."""
        size = SIZES[budget]
        cells = max(size.cells, 2 * CELLS)
        tests = {}
        for i, split in enumerate(self.draws):
            law, first = self._draw(split).of([seed, 2 + i], size.test)
            tests[split] = self.trajectories(law.of(slice(FINER)), first[:FINER], cells, LAGS + HORIZON, cells)
        geometry, any_of = Geometry.grid(cells, periodic=True), next(iter(tests.values()))
        return March(
            self.name, geometry, DT, LAGS, any_of, any_of, tests, HORIZON, in_context=True, positive=self.positive
        )

    def coefficients(self, budget: str, split: str, seed: int = 0) -> Tensor:
        """(trajectory, coefficient): what no operator is told."""
        size = SIZES[budget]
        counts = size.counts(self.draws)
        law, _ = self._draw(split).of([seed, list(counts).index(split)], counts[split])
        return torch.stack([getattr(law, each.name) for each in fields(law)], 1).float()

    def trajectories(
        self, law: Law, first: State, cells: int, recorded: int = RECORDED, kept: int = CELLS
    ) -> Trajectories:
        """Made on so many cells, told on `kept` of them."""
        frames = _means(law, first, cells, recorded, kept=kept)
        if not frames.isfinite().all():
            raise ArithmeticError(f"{self.name} blew up on {cells} cells")
        return Trajectories.of(frames.mT)

    def classical(self, problem: March) -> dict[str, Row]:
        """The law fitted to the lags, its form known, then the solver over one dt from the newest lag: on the grid of
        the data, and on the inner grid from limited lines through the cells."""
        inner = problem.about["inner cells"]
        return {f"fitted flux, {cells} cells": partial(self._step, cells) for cells in (CELLS, inner)}

    def _step(self, cells: int, lags: Tensor, _: Tensor, __: Tensor) -> Tensor:
        past = lags.to("cpu", torch.float64).mT  # b lag channel cell
        with muscl.one_thread():
            fine = muscl.refine(past[:, -1], cells // CELLS)
            ahead = muscl.run(self.fitted(past, DT), fine, DT, 2)[:, 1]
        return muscl.coarsen(ahead, CELLS).mT.to(lags)

    def convergence(self) -> dict[str, float]:
        """Of some trajectories of each test split, relative L2 of the means on 100 cells over HORIZON steps: against 4
        times the inner grid of the medium budget, and against half its steps."""
        inner, errors = SIZES["medium"].cells, {}
        for i, split in enumerate(self.draws):
            law, first = self._draw(split).of([0, 100 + i], MEASURED)
            coarse, made, finest, shorter = (
                _means(law, first, cells, HORIZON + 1, finer)
                for cells, finer in ((CELLS, 1), (inner, 1), (FINEST, 1), (inner, 2))
            )
            errors |= {
                f"{split}, {CELLS} cells": relative(coarse, finest),
                f"{split}, {inner} cells": relative(made, finest),
                f"{split}, time step against half of it": relative(made, shorter),
            }
        return errors

    def _draw(self, split: str) -> Draw:
        return self.draws[split if split in self.draws else "id"]


def _means(law: Law, first: State, cells: int, frames: int, finer: int = 1, kept: int = CELLS) -> Tensor:
    """Frames (b, frame, channel, kept) of a run on so many cells."""
    return muscl.coarsen(muscl.run(law, muscl.coarsen(first, cells), DT, frames, finer), kept)


def relative(a: Tensor, b: Tensor) -> float:
    """Mean over the trajectories."""
    return float(((a - b).flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1)).mean())
