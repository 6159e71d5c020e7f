"""What the two Navier-Stokes suites share: the draws, the run of a trajectory, the classical rows, the convergence.

A suite is a `Flow`: its name, output grid, viscosity and sizes. The forcing has one form and its own strength in time,
f = A m(t) (sin + cos)(2 pi (x + y)), A about .1, m(t) = 1 + half a sine of each of two periods drawn from 8 to 24.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise

import numpy as np
import torch
from torch import Tensor

from operators.problem import Geometry, March, Trajectories
from tests.validation.navier_stokes_30.solver import Push, Vorticity, field_of, modes, resize, spectrum_of

LAGS, HORIZON, RECORDED = 5, 10, 30
BURN_IN = 5.0
"""Time before the first state that is kept."""
AMPLITUDE = (0.05, 0.15)
PERIODS = (8.0, 24.0)
TOGETHER = 4
"""Trajectories marched at once: what fits a core's cache."""

Row = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Size:
    """Counts of trajectories, and the inner grid on which they are made."""

    fit: int
    validation: int
    test: int
    cells: int


@dataclass(frozen=True)
class Draw:
    """Spectra of the first vorticity (b, n, n/2+1) and strengths of the forcing in time."""

    first: Tensor
    amplitude: Tensor
    period: Tensor
    phase: Tensor

    @staticmethod
    def of(count: int, cells: int, seed: list[int], amplitude: float = 1.0) -> "Draw":
        """First vorticity from N(0, 7^3 (-lap + 49)^-2.5), the forcing's usual amplitude times `amplitude`."""
        random = np.random.default_rng(seed)
        white = torch.from_numpy(random.standard_normal((count, cells, cells)))
        kx, ky = modes(cells)
        spread = cells * 7**1.5 * (4 * math.pi**2 * (kx**2 + ky**2) + 49) ** -1.25
        spread[0, 0] = 0.0  # in a periodic box vorticity has no mean
        return Draw(
            spectrum_of(white, cells) * spread,
            amplitude * torch.from_numpy(random.uniform(*AMPLITUDE, count)),
            torch.from_numpy(random.uniform(*PERIODS, (count, 2))),
            torch.from_numpy(random.uniform(0, 2 * math.pi, (count, 2))),
        )

    def strength(self, time: float) -> Tensor:
        return self.amplitude * (1 + 0.5 * torch.sin(2 * math.pi * time / self.period + self.phase).sum(-1))

    def push(self, cells: int) -> Push:
        """The forcing's spectrum on a grid."""
        form = torch.zeros(cells, cells // 2 + 1, dtype=torch.complex128)
        form[1, 1] = (1 - 1j) / 2  # sin + cos of 2 pi (x + y)
        return lambda time: self.strength(time)[:, None, None] * form

    def split(self, count: int) -> list["Draw"]:
        parts = (part.split(count) for part in (self.first, self.amplitude, self.period, self.phase))
        return [Draw(*part) for part in zip(*parts, strict=True)]


@dataclass(frozen=True)
class Flow:
    """A suite on `cells` x `cells` points."""

    name: str
    cells: int
    viscosity: float
    dt: float
    sizes: Mapping[str, Size]

    def problem(self, budget: str, seed: int = 0) -> March:
        size = self.sizes[budget]
        counts = {"fit": size.fit, "validation": size.validation, "id": size.test, "ood": size.test}
        made = {
            split: self.trajectories(
                Draw.of(count, self.cells, [seed, i], amplitude=2.0 if split == "ood" else 1.0), size.cells
            )
            for i, (split, count) in enumerate(counts.items())
        }
        about = {
            "solver": "pseudo-spectral vorticity, 2/3 dealiased, ETDRK4, float64",
            "inner cells a side": size.cells,
            "step": "k (|u| + |v|) h at most 2 at each dt",
            "viscosity": self.viscosity,
            "counts": counts,
            "recorded": RECORDED,
            "ood": "amplitude of the forcing doubled",
            "budget": budget,
            "seed": seed,
        }
        geometry = Geometry.grid(self.cells, self.cells, periodic=True)
        tests = {split: made[split] for split in ("id", "ood")}
        return March(self.name, geometry, self.dt, LAGS, made["fit"], made["validation"], tests, HORIZON, about)

    def trajectories(self, draw: Draw, cells: int) -> Trajectories:
        stepper = Vorticity(cells, self.viscosity)
        state = torch.cat([self._run(stepper, part) for part in draw.split(TOGETHER)])
        if not state.isfinite().all():
            raise ArithmeticError(f"{self.name} blew up on {cells} cells")
        form = field_of(draw.push(self.cells)(0.0) / draw.strength(0.0)[:, None, None], self.cells).flatten(1)
        strength = torch.stack([draw.strength(BURN_IN + i * self.dt) for i in range(RECORDED)], 1)
        return Trajectories.of(state[..., None], (strength[..., None] * form[:, None])[..., None])

    def _run(self, stepper: Vorticity, draw: Draw) -> Tensor:
        """States (b, time, point)."""
        states = self.states(stepper, draw)
        return torch.stack([field_of(w, self.cells).flatten(1) for w in states], 1)

    def states(self, stepper: Vorticity, draw: Draw, courant: float = 2.0) -> Iterator[Tensor]:
        """Spectra at the recorded times."""
        w, push = resize(draw.first, stepper.cells), draw.push(stepper.cells)
        before = round(BURN_IN / self.dt)
        for i in range(before + RECORDED):
            if i >= before:
                yield w
            w = stepper.advance(w, self.dt, stepper.steps(w, self.dt, courant), push, i * self.dt)

    def classical(self, problem: March) -> dict[str, Row]:
        """The solver over one dt from the newest field: on the grid of the data, and on the inner grid that made them.

        Both see the field only on the output grid, and the forcing only at the steps: in between it is the cubic
        through the last four times."""
        return {
            f"ETDRK4 {cells}x{cells}": partial(self._step, Vorticity(cells, self.viscosity))
            for cells in sorted({self.cells, problem.about["inner cells a side"]})
        }

    def _step(self, stepper: Vorticity, lags: Tensor, forcing: Tensor, _: Tensor) -> Tensor:
        def spectra(fields: Tensor) -> Tensor:  # "... point 1"
            fields = fields[..., 0].to("cpu", torch.float64)
            return spectrum_of(fields.unflatten(-1, (self.cells, self.cells)), stepper.cells)

        def one(state: Tensor, around: Tensor) -> Tensor:
            w, around = spectra(state), spectra(around)
            push = lambda time: torch.einsum("t,bt...->b...", cubic(time / self.dt).to(around), around)  # noqa: E731
            w = stepper.advance(w, self.dt, stepper.steps(w, self.dt), push)
            return field_of(w, self.cells).flatten(1)[..., None]

        parts = zip(lags[:, -1].split(TOGETHER), forcing[:, -4:].split(TOGETHER), strict=True)
        return torch.cat([one(*part) for part in parts]).to(lags)

    def convergence(self) -> dict[str, float]:
        """On the first trajectory of fit, as the medium budget makes it: relative L2 after its first lags and horizon
        against a finer grid and shorter steps, and the order in time over one dt from there."""
        cells = self.sizes["medium"].cells
        draw = Draw.of(1, self.cells, [0, 0])
        stepper, finer = Vorticity(cells, self.viscosity), Vorticity(cells * 3 // 2, self.viscosity)
        made, shorter, wider = (
            next(islice(self.states(of, draw, courant), LAGS + HORIZON - 1, None))
            for of, courant in ((stepper, 2.0), (stepper, 1.0), (finer, 2.0))
        )
        few, push = stepper.steps(made, self.dt), draw.push(cells)
        ends = [stepper.advance(made, self.dt, few * 2**i, push) for i in range(3)]
        first, second = (relative(a, b) for a, b in pairwise(ends))
        return {
            "inner grid against 1.5 times as fine": relative(field_of(made, self.cells), field_of(wider, self.cells)),
            "time step against half of it": relative(made, shorter),
            "order in time": math.log2(first / second),
        }


def cubic(at: float) -> Tensor:
    """Weights of the values at -2, -1, 0 and 1."""
    nodes = (-2, -1, 0, 1)
    return torch.tensor([math.prod((at - n) / (m - n) for n in nodes if n != m) for m in nodes])


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())
