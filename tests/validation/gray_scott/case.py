"""Gray-Scott reaction-diffusion, two coupled channels on 32 x 32: see README.md beside this."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import log2

import numpy as np
import torch
from torch import Tensor

from operators.problem import Geometry, March, Trajectories
from tests.validation.gray_scott.solver import SIDE, GrayScott
from tests.validation.navier_stokes_30.solver import field_of, spectrum_of

NAME = "gray_scott"
CELLS, DT, LAGS, HORIZON, RECORDED = 32, 20.0, 3, 20, 30
BURN_IN = 60.0
"""Time before the first state that is kept: the spots of the start have become fronts."""
INNER = 48
"""Cells a side on which trajectories are made."""
TOGETHER = 4
RANGES = {"usual": ((0.023, 0.045), (0.059, 0.064)), "ood": ((0.045, 0.0467), (0.057, 0.059))}
"""Of feed and kill."""
ALIVE = 0.1
"""The least maximum of v in the last state: where it ends below this the spots have died."""


@dataclass(frozen=True)
class Size:
    """Counts of trajectories, and the steps a dt with which they are made."""

    fit: int
    validation: int
    test: int
    steps: int


SIZES = {
    "smoke": Size(10, 4, 4, steps=20),
    "small": Size(150, 20, 30, steps=60),
    "medium": Size(600, 50, 100, steps=80),
    "full": Size(1000, 50, 100, steps=80),
}


@dataclass(frozen=True)
class Draw:
    """Feed and kill (b, 1, 1), and spots (b, spot): places from 0 to SIDE, radii."""

    feed: Tensor
    kill: Tensor
    x: Tensor
    y: Tensor
    radius: Tensor

    @staticmethod
    def of(count: int, seed: list[int], ranges: str = "usual") -> "Draw":
        random = np.random.default_rng(seed)
        draws = [random.uniform(*r, (count, 1, 1)) for r in RANGES[ranges]]
        draws += [random.uniform(0, SIDE, (count, 4)) for _ in "xy"]
        draws.append(random.uniform(2.5, 4.0, (count, 4)))
        return Draw(*map(torch.from_numpy, draws))

    @staticmethod
    def alive(count: int, seed: list[int], ranges: str = "usual") -> "Draw":
        """The first so many whose spots live on: a run on a coarse grid tells, about one in six dies."""
        draw = Draw.of(2 * count + 8, seed, ranges)
        stepper, span = GrayScott(CELLS), BURN_IN + (RECORDED - 1) * DT
        ends = [stepper.advance(d.first(CELLS), d.feed, d.kill, span, round(span / 2)) for d in draw.split(16)]
        chosen = torch.cat([end[:, 1].amax((1, 2)) for end in ends]).gt(ALIVE).nonzero()[:count, 0]
        if len(chosen) < count:
            raise ValueError(f"of {len(draw.feed)} draws only {len(chosen)} live, {count} are wanted")
        return Draw(*(part[chosen] for part in (draw.feed, draw.kill, draw.x, draw.y, draw.radius)))

    def first(self, cells: int) -> Tensor:
        """u = 1, v = 0, but for smooth spots where u falls to a half and v rises to a third."""
        centres = SIDE * (torch.arange(cells, dtype=torch.float64) + 0.5) / cells

        def apart(place: Tensor) -> Tensor:  # the shorter way round, squared
            return ((centres - place[..., None] + SIDE / 2) % SIDE - SIDE / 2) ** 2

        distance = apart(self.x)[..., None] + apart(self.y)[..., None, :]  # b spot n n
        outside = (1 - torch.exp(-distance / self.radius[..., None, None] ** 2)).prod(1)
        return torch.stack([0.5 + 0.5 * outside, (1 - outside) / 3], 1)

    def split(self, count: int) -> list["Draw"]:
        parts = (part.split(count) for part in (self.feed, self.kill, self.x, self.y, self.radius))
        return [Draw(*part) for part in zip(*parts, strict=True)]


def problem(budget: str, seed: int = 0) -> March:
    size = SIZES[budget]
    counts = {"fit": size.fit, "validation": size.validation, "id": size.test, "ood": size.test}
    made = {
        split: trajectories(Draw.alive(count, [seed, i], "ood" if split == "ood" else "usual"), size.steps)
        for i, (split, count) in enumerate(counts.items())
    }
    about = {
        "solver": "Strang: spectral diffusion, RK4 reaction, float64",
        "inner cells a side": INNER,
        "steps a dt": size.steps,
        "counts": counts,
        "recorded": RECORDED,
        "feed and kill": RANGES,
        "budget": budget,
        "seed": seed,
    }
    tests = {split: made[split] for split in ("id", "ood")}
    geometry = Geometry.grid(CELLS, CELLS, periodic=True)
    return March(NAME, geometry, DT, LAGS, made["fit"], made["validation"], tests, HORIZON, about)


def trajectories(draw: Draw, steps: int) -> Trajectories:
    stepper = GrayScott(INNER)
    state = torch.cat([_run(stepper, part, steps) for part in draw.split(TOGETHER)])
    static = torch.cat([draw.feed, draw.kill], -1).expand(-1, CELLS * CELLS, -1)
    return Trajectories.of(state, static=static)


def _run(stepper: GrayScott, draw: Draw, steps: int) -> Tensor:
    """States (b, time, point, 2)."""
    before = round(BURN_IN / DT)
    state = stepper.advance(draw.first(stepper.cells), draw.feed, draw.kill, BURN_IN, before * steps)
    kept = [state]
    for _ in range(RECORDED - 1):
        kept.append(state := stepper.advance(state, draw.feed, draw.kill, DT, steps))
    return torch.stack([_sampled(state) for state in kept], 1)


def _sampled(state: Tensor) -> Tensor:
    return field_of(spectrum_of(state, CELLS), CELLS).flatten(-2).mT


def classical(problem: March) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """The solver over one dt from the newest field, on the grid of the data and on that which made them."""
    steps = problem.about["steps a dt"]
    return {f"Strang {n}x{n}, {steps} steps": partial(_step, GrayScott(n), steps) for n in (CELLS, INNER)}


def _step(stepper: GrayScott, steps: int, lags: Tensor, _: Tensor, static: Tensor) -> Tensor:
    def one(state: Tensor, rates: Tensor) -> Tensor:
        fine = field_of(spectrum_of(state.mT.unflatten(-1, (CELLS, CELLS)), CELLS), stepper.cells)
        return _sampled(stepper.advance(fine, rates[:, 0, None, None], rates[:, 1, None, None], DT, steps))

    parts = zip(lags[:, -1].split(TOGETHER), static[:, 0].split(TOGETHER), strict=True)
    return torch.cat([one(*(p.to("cpu", torch.float64) for p in part)) for part in parts]).to(lags)


def convergence() -> dict[str, float]:
    """On two trajectories as the medium budget makes them, over lags and horizon, and over one dt from their start."""
    draw, steps, end = Draw.alive(2, [0, 0]), SIZES["medium"].steps, LAGS + HORIZON
    stepper, finer = GrayScott(INNER), GrayScott(INNER * 3 // 2)
    made, shorter, wider = (
        _run(s, draw, n)[:, :end] for s, n in ((stepper, steps), (stepper, 2 * steps), (finer, steps))
    )
    start = stepper.advance(draw.first(INNER), draw.feed, draw.kill, BURN_IN, 3 * steps)
    ends = [stepper.advance(start, draw.feed, draw.kill, DT, n) for n in (20, 40, 80)]
    first, second = (relative(a, b) for a, b in pairwise(ends))
    return {
        "inner grid against 1.5 times as fine": relative(made, wider),
        "time step against half of it": relative(made, shorter),
        "order in time": log2(first / second),
    }


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())
