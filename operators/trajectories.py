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
from operators.groups import TOLD, Groups
from operators.operator import Stream
from operators.reference.beam import NARROWING, SIGMA
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.rule import RULE
from operators.reference.surface import Surface
from operators.window import WindowGrid

LAGS = 4
TRAVEL = 0.5  # the beam travels this many diameters from one lag to the next at its nominal speed
HOLE, FLAT = (
    3.3,
    0.2,
)  # about the rule's gain and floor; not tied to them, so that the data stay when the rule is refitted
NARROWED = SIGMA * (1 - NARROWING / 3)  # the source's mean width: that of the forcing
CELLS, COARSE_CELLS = 8, 6  # of the teacher a diameter; finer in shallow pools (`Boxes.fitting`)
COARSE_BELOW = 4.0  # Peclet number below which the teacher takes the coarse cells: the pool is round and slow

BOX = {
    "mushy": (0.025, 0.13),
    "latent": (0.15, 0.65),
    "k_cold": (0.15, 0.75),
    "k_liquid": (0.45, 1.35),
    "c_cold": (0.5, 0.95),
    "c_liquid": (0.9, 1.45),
    "boiling": (1.7, 3.1),
    "vapour": (25.0, 75.0),
    "zero": (0.15, 0.95),
    "evaporation": (0.3, 40.0),  # drawn evenly in its logarithm
    "q": (2.0, 80.0),  # likewise
    "peclet": (1.2, 75.0),  # likewise
    "depth": (0.15, 4.0),
}
"""The trained envelope. Radiation and convection are left out: together they take a thousandth."""


@dataclass(frozen=True)
class Sample:
    """One moment: forcing at the lags (newest first), the condition, and the reference's field, in asinh(theta)."""

    forcing: np.ndarray  # (lag, x, y, z) float16
    condition: np.ndarray  # (condition,) float32
    target: np.ndarray  # (x, y, z) float16
    trajectory: int


def condition(stream: Stream, depth: float) -> np.ndarray:
    """What an operator is told beside the forcing: the groups of the material, what its surface loses, the Peclet
    number and the depth of the source."""
    surface, told = stream.surface, [getattr(stream.groups, name) for name in TOLD]
    logs = np.log([max(surface.evaporation, 1e-6), stream.peclet, max(depth, 0.05)])
    return np.concatenate([told, [surface.vapour, surface.zero], logs]).astype(np.float32)


def depth_now(path: np.ndarray) -> float:
    """Depth of the newest source of a path (the last row, where the path ends, holds nothing yet)."""
    return float(path[max(len(path) - 2, 0), 4])


def forcing(
    path: np.ndarray, now: float, peclet: float, grid: WindowGrid, heading: float, lags: int = LAGS
) -> np.ndarray:
    """Linear response at now and at the lags before it, all in the window of now: (lag, x, y, z), theta, float32.

    path: rows (t, x, y, q, depth) ending at `now`; the window stands at its last row.
    """
    x, y, z = (torch.from_numpy(a).float() for a in (grid.x, grid.y, grid.z))
    beam_x, beam_y = path[-1, 1], path[-1, 2]
    out = []
    for lag in range(lags):
        moment = now - lag * TRAVEL / peclet
        sources = response.turned(response.nodes(path, moment), beam_x, beam_y, heading)
        out.append(response.field(torch.from_numpy(sources).float(), x, y, z, NARROWED))
    return torch.stack(out).numpy()


def draw(rng: np.random.Generator, grid: WindowGrid) -> tuple[Stream, float, float, float]:
    """(stream, q, source depth, about how deep the pool will be) inside the box whose pool fits the window.

    Half of the sources are flat; the others have about the depth that the rule gives a hole at this strength.
    """
    while True:
        values = {name: rng.uniform(*BOX[name]) for name in list(BOX)[:9]}
        values |= {name: math.exp(rng.uniform(*np.log(BOX[name]))) for name in ("evaporation", "q", "peclet")}
        groups = Groups(**{name: values[name] for name in TOLD})
        q, peclet, zero = values["q"], values["peclet"], values["zero"]
        boils = RULE.boiling_number(q, peclet, groups.boiling)
        depth = rng.uniform(BOX["depth"][0], 0.3)
        if rng.random() < 0.5:
            depth = rng.uniform(0.6, 1.3) * HOLE * q / (2 * math.pi * groups.boiling) * math.log1p(2 / peclet)
        # a flat melt does not boil much, a hole does
        if not BOX["depth"][0] <= depth <= BOX["depth"][1] or (boils > 2.4 if depth < 0.3 else boils < 1.2):
            continue
        length, width, deep = grid.sizes(response.straight(q, peclet, grid, depth, NARROWED), groups.solidus)
        if length < 15.0 and width < 4.4 and deep < 4.5 and (width > 0.3 or rng.random() < 0.1):
            surface = Surface(values["evaporation"], values["vapour"], groups.boiling + zero, zero)
            return Stream("", groups, peclet, surface), q, depth, deep


@dataclass(frozen=True)
class Stretch:
    """What the beam does for one frame: which way, how far (in TRAVEL), how strong, how deep."""

    heading: float
    pace: float
    q: float
    depth: float


def plan(rng: np.random.Generator, frames: int, q: float, depth: float, eventful: bool) -> Iterator[Stretch]:
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
        hole = max(min(depth, FLAT), depth * power / q)  # a hole goes by its power
        yield Stretch(heading, pace, 0.0 if off else power, hole)
        off = max(off - 1, 0)


def trajectory(number: int, seed: int, grid: WindowGrid) -> list[Sample]:
    """The samples of one trajectory, the same however many are made and in whichever order."""
    rng = np.random.default_rng([seed, number])
    stream, q, depth, deep = draw(rng, grid)
    peclet = stream.peclet
    eventful = number % 2 == 1
    frames = 45 if eventful else 60
    keep = set(rng.choice(frames, 12, replace=False).tolist()) if eventful else {0, 1, 3, 6, 11, 18, 27, 38, 49, 59}
    cells = CELLS if peclet > COARSE_BELOW else COARSE_CELLS
    solver = MeltPoolSolver(stream.groups, Boxes.fitting(deep, cells), surface=stream.surface)
    points = grid.points
    frame = TRAVEL / peclet
    samples: list[Sample] = []
    path = [(0.0, 0.0, 0.0, 0.0, 0.0)]
    for index, stretch in enumerate(plan(rng, frames, q, depth, eventful)):
        t, x, y, *_ = path[-1]
        c, s = math.cos(stretch.heading), math.sin(stretch.heading)
        far = TRAVEL * stretch.pace
        path[-1] = (t, x, y, stretch.q, stretch.depth)
        path.append((t + frame, x + far * c, y + far * s, 0.0, 0.0))
        rows = np.array(path)
        solver.advance(rows[-2:])
        if index not in keep:
            continue
        now, bx, by = rows[-1, :3]
        theta = solver.theta(bx + c * points[0] - s * points[1], by + s * points[0] + c * points[1], points[2])
        samples.append(
            Sample(
                np.arcsinh(forcing(rows, now, peclet, grid, stretch.heading)).astype(np.float16),
                condition(stream, stretch.depth),
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
