"""Trajectories: what the operators learn from, made by the reference solver.

Draws the dimensionless groups at random over a box, not alloys; half of the trajectories are one straight track from a
cold plate, half have steps of power and speed, turns, neighbouring tracks and laser-off. Split by trajectory, never by
frame.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from operators import response
from operators.groups import TOLD, Groups
from operators.melt_pool.forcing import NARROWED
from operators.operator import Stream
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.rule import RULE
from operators.reference.surface import Surface
from operators.window import WindowGrid

TRAVEL = 0.5  # the beam travels this many diameters in a frame at its nominal speed
HOLE, FLAT = 3.3, 0.2  # about the rule's gain and floor; not tied to them: the data stay when the rule is refitted
CELLS, COARSE_CELLS = 8, 6  # of the coarse teacher a diameter; finer in shallow pools (`Boxes.fitting`)
FINE_CELLS, FINE_SLOW = 12, 10  # of the fine one
COARSE_BELOW = 4.0  # Peclet number below which a teacher takes the second of its two: the pool is round and slow
SHALLOW, FINER, FAST = 0.45, 0.2, 20.0  # pools shallower than the first, d, get the boxes of the second; Peclet number

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
    "tail": (0.0, 0.2),  # half of the materials have one
    "late": (0.0, 0.35),
}
"""The trained envelope. Radiation and convection are left out: together they take a thousandth."""


@dataclass(frozen=True)
class Sample:
    """One moment of a trajectory: the path until then, which way the beam went, what is told, and the field of the
    reference at the nodes of the window around its last row."""

    path: np.ndarray  # rows (t, x, y, q, depth)
    heading: float  # rad
    condition: np.ndarray  # (condition,) float32
    target: np.ndarray  # (x, y, z) float16, asinh(theta)
    trajectory: int


CONDITION = (*TOLD, "vapour", "zero", "evaporation", "peclet", "depth", "fine")
"""What `condition` holds, in order; evaporation, Peclet number and depth by their logarithms."""


def condition(stream: Stream, depth: float, fine: bool = True) -> np.ndarray:
    """What an operator is told beside the forcing: the groups of the material, what its surface loses, the Peclet
    number, the depth of the source, and whether the fine teacher is meant or the coarse one (served: the fine)."""
    surface, told = stream.surface, [getattr(stream.groups, name) for name in TOLD]
    logs = np.log([max(surface.evaporation, 1e-6), stream.peclet, max(depth, 0.05)])
    return np.concatenate([told, [surface.vapour, surface.zero], logs, [float(fine)]]).astype(np.float32)


def depth_now(path: np.ndarray) -> float:
    """Depth of the newest source of a path (the last row, where the path ends, holds nothing yet)."""
    return float(path[max(len(path) - 2, 0), 4])


def draw(rng: np.random.Generator, grid: WindowGrid) -> tuple[Stream, float, float, float]:
    """(stream, q, source depth, about how deep the pool will be) inside the box whose pool fits the window.

    Half of the sources are flat; the others have about the depth that the rule gives a hole at this strength.
    """
    while True:
        values = {name: rng.uniform(*BOX[name]) for name in list(BOX)[:9]}
        values |= {name: math.exp(rng.uniform(*np.log(BOX[name]))) for name in ("evaporation", "q", "peclet")}
        tail, late = (rng.uniform(0.02, BOX["tail"][1]), rng.uniform(0.05, BOX["late"][1]))
        values |= {"tail": tail, "late": late} if rng.random() < 0.5 else {"tail": 0.0, "late": 0.0}
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


def is_fine(number: int) -> bool:
    """Whether the fine teacher makes a trajectory: three pairs of twenty to learn from, and all that choose and
    score (`recipe.Data.part`). The others are the coarse teacher's, at a tenth of the time."""
    return number // 2 % 20 in (0, 1, 2, 18, 19)


def is_eventful(number: int) -> bool:
    """Whether a trajectory has steps, turns and laser-off, or is one straight track; half of them each."""
    return number % 2 == 1


def teacher(peclet: float, deep: float, fine: bool) -> Boxes:
    """Boxes of the teacher for a pool about so deep. The fine one's field is within 1 % of one of 1.5 times its
    cells: shallow pools get more cells, and where they are fast longer boxes, for the wake is thin."""
    if not fine:
        return Boxes.fitting(deep, CELLS if peclet > COARSE_BELOW else COARSE_CELLS)
    cells = FINE_CELLS if peclet > COARSE_BELOW else FINE_SLOW
    if deep < SHALLOW and peclet > FAST:
        return Boxes(2 * cells, deep=1.5, levels=5)
    return Boxes.fitting(min(deep, FINER) if deep < SHALLOW else deep, cells)


def trajectory(number: int, seed: int, grid: WindowGrid) -> list[Sample]:
    """The samples of one trajectory, the same however many are made and in whichever order."""
    rng = np.random.default_rng([seed, number])
    stream, q, depth, deep = draw(rng, grid)
    peclet, fine, eventful = stream.peclet, is_fine(number), is_eventful(number)
    frames = 45 if eventful else 60
    some = rng.choice(frames, 20 if fine else 12, replace=False)
    keep = set(some.tolist()) if eventful else {0, 1, 3, 6, 11, 18, 27, 38, 49, 59}
    solver = MeltPoolSolver(stream.groups, teacher(peclet, deep, fine), surface=stream.surface)
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
        bx, by = rows[-1, 1:3]
        theta = solver.theta(bx + c * points[0] - s * points[1], by + s * points[0] + c * points[1], points[2])
        told = condition(stream, stretch.depth, fine)
        samples.append(Sample(rows, stretch.heading, told, np.arcsinh(theta).astype(np.float16), number))
    return samples
