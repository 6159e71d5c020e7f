"""Trajectories: what the operators learn from, made by the reference solver.

Draws the dimensionless groups at random over a box, not alloys; half of the trajectories are one straight track from a
cold plate, half have steps of power and speed, turns, neighbouring tracks and laser-off. Split by trajectory, never by
frame.
"""

import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat

import numba
import numpy as np
import torch

from operators import response
from operators.groups import Groups
from operators.reference import eagar_tsai
from operators.reference.melt_pool import Boxes, MeltPoolSolver
from operators.window import WindowGrid

LAGS = 4
TRAVEL = 0.5  # the beam travels this many diameters from one lag to the next at its nominal speed
CELLS, COARSE_CELLS = 8, 6  # of the teacher a diameter; finer in shallow pools (`Boxes.fitting`)
COARSE_BELOW = 4.0  # Peclet number below which the teacher takes the coarse cells: the pool is round and slow

BOX = {
    "mushy": (0.025, 0.11),
    "latent": (0.15, 0.55),
    "k_cold": (0.15, 0.65),
    "k_liquid": (0.45, 1.35),
    "c_cold": (0.5, 0.85),
    "c_liquid": (0.9, 1.45),
    "q": (2.5, 62.0),  # drawn evenly in its logarithm
    "peclet": (1.2, 75.0),  # likewise
}
"""The trained envelope."""


@dataclass(frozen=True)
class Sample:
    """One moment: forcing at the lags (newest first), the condition, and the reference's field, in asinh(theta)."""

    forcing: np.ndarray  # (lag, x, y, z) float16
    condition: np.ndarray  # (condition,) float32
    target: np.ndarray  # (x, y, z) float16
    trajectory: int


def condition(groups: Groups, peclet: float) -> np.ndarray:
    """What an operator is told beside the forcing: six groups of the material, and log of the Peclet number."""
    return np.concatenate([groups.vector()[:6], [math.log(peclet)]]).astype(np.float32)


def forcing(
    path: np.ndarray, now: float, peclet: float, grid: WindowGrid, heading: float, lags: int = LAGS
) -> np.ndarray:
    """Linear response at now and at the lags before it, all in the window of now: (lag, x, y, z), theta, float32.

    path: rows (t, x, y, q) ending at `now`; the window stands at its last row.
    """
    x, y, z = (torch.from_numpy(a).float() for a in (grid.x, grid.y, grid.z))
    beam_x, beam_y = path[-1, 1], path[-1, 2]
    out = []
    for lag in range(lags):
        moment = now - lag * TRAVEL / peclet
        sources = response.turned(response.nodes(path, moment), beam_x, beam_y, heading)
        out.append(response.field(torch.from_numpy(sources).float(), x, y, z))
    return torch.stack(out).numpy()


def draw(rng: np.random.Generator, grid: WindowGrid) -> tuple[Groups, float, float, float]:
    """(groups, q, peclet) inside the box whose pool fits the window, and about how deep it will be."""
    while True:
        values = {name: rng.uniform(*BOX[name]) for name in list(BOX)[:6]}
        q = math.exp(rng.uniform(*np.log(BOX["q"])))
        peclet = math.exp(rng.uniform(*np.log(BOX["peclet"])))
        groups = Groups(**values)
        length, width, depth = grid.sizes(eagar_tsai.steady(q, peclet, grid), groups.solidus)
        if length < 11.0 and width < 4.4 and depth < 1.9 and (width > 0.3 or rng.random() < 0.1):
            return groups, q, peclet, depth


@dataclass(frozen=True)
class Stretch:
    """What the beam does for one frame: which way, how far (in TRAVEL), how strong."""

    heading: float
    pace: float
    q: float


def plan(rng: np.random.Generator, frames: int, q: float, eventful: bool) -> Iterator[Stretch]:
    """A straight track, or one with steps of power and speed, laser-off, corners, and turns into the next track of a
    hatch."""
    heading, power, pace, off = 0.0, q, 1.0, 0
    turning: list[float] = []  # angles still to turn, a frame each
    for _ in range(frames):
        if eventful:
            if turning:
                heading += turning.pop()
            elif rng.random() < 0.05:
                side = rng.choice([-1.0, 1.0])
                turning = [side * math.pi / 2] + [0.0] * int(rng.integers(0, 2))
                heading += side * math.pi / 2
                if rng.random() < 0.6:  # a laser is off, or on, while it steps aside
                    off = len(turning) + 1
            elif rng.random() < 0.03:
                heading += rng.uniform(-math.pi, math.pi)
            if rng.random() < 0.05:
                power = q * rng.uniform(0.5, 1.0)
            if rng.random() < 0.04:
                pace = rng.uniform(0.4, 1.2)
            if rng.random() < 0.03:
                off = int(rng.integers(1, 8))
        yield Stretch(heading, pace, 0.0 if off else power)
        off = max(off - 1, 0)


def trajectory(number: int, seed: int, grid: WindowGrid) -> list[Sample]:
    """The samples of one trajectory, the same however many are made and in whichever order."""
    rng = np.random.default_rng([seed, number])
    groups, q, peclet, depth = draw(rng, grid)
    eventful = number % 2 == 1
    frames = 45 if eventful else 60
    keep = set(rng.choice(frames, 12, replace=False).tolist()) if eventful else {0, 1, 3, 6, 11, 18, 27, 38, 49, 59}
    solver = MeltPoolSolver(groups, Boxes.fitting(depth, CELLS if peclet > COARSE_BELOW else COARSE_CELLS))
    points = grid.points
    frame = TRAVEL / peclet
    samples: list[Sample] = []
    path = [(0.0, 0.0, 0.0, 0.0)]
    for index, stretch in enumerate(plan(rng, frames, q, eventful)):
        t, x, y, _ = path[-1]
        c, s = math.cos(stretch.heading), math.sin(stretch.heading)
        far = TRAVEL * stretch.pace
        path[-1] = (t, x, y, stretch.q)
        path.append((t + frame, x + far * c, y + far * s, 0.0))
        rows = np.array(path)
        solver.advance(rows[-2:])
        if index not in keep:
            continue
        now, bx, by = rows[-1, :3]
        theta = solver.theta(bx + c * points[0] - s * points[1], by + s * points[0] + c * points[1], points[2])
        samples.append(
            Sample(
                np.arcsinh(forcing(rows, now, peclet, grid, stretch.heading)).astype(np.float16),
                condition(groups, peclet),
                np.arcsinh(theta).astype(np.float16),
                number,
            )
        )
    return samples


def generate(
    count: int, seed: int, grid: WindowGrid, workers: int = 1, progress: Callable[[int], None] = lambda done: None
) -> list[Sample]:
    """Samples of `count` trajectories, in order; `workers` processes make the same as one."""
    if workers == 1:
        made = (trajectory(number, seed, grid) for number in range(count))
        return _gathered(made, progress)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_alone) as pool:
        return _gathered(pool.map(trajectory, range(count), repeat(seed), repeat(grid), chunksize=4), progress)


def _alone() -> None:
    """One thread a worker: the workers are the parallelism."""
    numba.set_num_threads(1)
    torch.set_num_threads(1)


def _gathered(made: Iterable[list[Sample]], progress: Callable[[int], None]) -> list[Sample]:
    samples: list[Sample] = []
    for number, some in enumerate(made):
        samples += some
        progress(number + 1)
    return samples
