"""Trajectories: what the operators learn from, made by the reference solver.

Draws the dimensionless groups at random over a box, not alloys; half of the trajectories are one straight track from a
cold plate, half are eventful (`plan`). Split by trajectory, never by frame.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from operators import response
from operators.groups import TOLD, Groups
from operators.melt_pool.beam import Beam
from operators.melt_pool.forcing import NARROWED
from operators.melt_pool.plan import TRAVEL, far_vector, plan
from operators.operator import Stream, heading_after
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.surface import Surface
from operators.window import WindowGrid

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
KINDS: dict[str, tuple[float, dict[str, tuple[float, float]]]] = {
    "LPBF": (0.4, {"peclet": (2.0, 75.0), "evaporation": (0.3, 8.0)}),
    "DED": (0.4, {"peclet": (1.2, 24.0), "evaporation": (4.0, 40.0)}),
    "any": (0.2, {}),
}
"""Share of the draws, and where they lie in the box."""
PAIRS = 20  # of trajectories, one straight and one eventful, of which one chooses and one scores
VALIDATION, TEST = PAIRS - 2, PAIRS - 1
FRAMES, FRAMES_STRAIGHT = 45, 60  # of an eventful trajectory, of a straight one
FRAMES_FAR, VECTORS_FAR = (120, 480), 2.5  # of one that goes far, or as many as so many vectors take
LEVEL_HOLDS = 80  # frames of a vector whose heat one level more keeps until the beam comes back
STRAIGHT_KEPT = frozenset({0, 1, 3, 6, 11, 18, 27, 38, 49, 59})  # frames of a straight track


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


def lit(path: np.ndarray) -> int:
    """The newest row of a path that has the laser on (the last row, where the path ends, holds nothing yet); the first
    where it never was. While the laser is off its depth says nothing: what was heated before goes on cooling."""
    on = np.flatnonzero(path[:-1, 3] > 0)
    return int(on[-1]) if len(on) else 0


def depth_now(path: np.ndarray) -> float:
    """Depth of the newest source of a path."""
    return float(path[lit(path), 4])


def draw(rng: np.random.Generator, grid: WindowGrid) -> tuple[Stream, Beam, float]:
    """(stream, beam, about how deep the pool will be) inside the box whose pool fits the window. Peclet and evaporation
    number are those of LPBF, of DED, or any; the source is as a rule of the served kind would have it."""
    while True:
        slow = KINDS[rng.choice(list(KINDS), p=[share for share, _ in KINDS.values()])][1]
        values = {name: rng.uniform(*BOX[name]) for name in list(BOX)[:9]}
        values |= {name: math.exp(rng.uniform(*np.log((BOX | slow)[name]))) for name in ("evaporation", "q", "peclet")}
        tail, late = (rng.uniform(0.02, BOX["tail"][1]), rng.uniform(0.05, BOX["late"][1]))
        values |= {"tail": tail, "late": late} if rng.random() < 0.5 else {"tail": 0.0, "late": 0.0}
        groups = Groups(**{name: values[name] for name in TOLD})
        peclet, zero = values["peclet"], values["zero"]
        beam = Beam.drawn(rng, values["q"], peclet, groups.boiling)
        q, depth = beam.source()
        if not all(BOX[name][0] <= value <= BOX[name][1] for name, value in (("q", q), ("depth", depth))):
            continue
        length, width, deep = grid.sizes(response.straight(q, peclet, grid, depth, NARROWED), groups.solidus)
        if length < 15.0 and width < 4.4 and deep < 4.5 and (width > 0.3 or rng.random() < 0.1):
            surface = Surface(values["evaporation"], values["vapour"], groups.boiling + zero, zero)
            return Stream("", groups, peclet, surface), beam, deep


def is_fine(number: int) -> bool:
    """Whether the fine teacher makes a trajectory: two pairs of twenty to learn from, and all that choose and
    score (`samples.Samples.part`). The others are the coarse teacher's, at a tenth of the time."""
    return number // 2 % PAIRS in (0, 1, VALIDATION, TEST)


def is_eventful(number: int) -> bool:
    """Whether a trajectory has steps, turns and laser-off, or is one straight track; half of them each."""
    return number % 2 == 1


def goes_far(number: int) -> bool:
    """Whether an eventful trajectory has long vectors and a long past: half of them. A build's beam comes back beside
    what it heated a hundred frames ago."""
    return is_eventful(number) and (number // 2 + number // (2 * PAIRS)) % 2 == 0


def frames_far(rng: np.random.Generator, vector: int) -> int:
    """Frames of a trajectory with such vectors: the beam comes back beside the first at least once."""
    return max(int(rng.integers(*FRAMES_FAR)), round(VECTORS_FAR * vector))


def teacher(peclet: float, deep: float, fine: bool, vector: int = 0) -> Boxes:
    """Boxes of the teacher for a pool about so deep. The fine one's field is within 1 % of one of 1.5 times its
    cells: shallow pools get more cells, and where they are fast longer boxes, for the wake is thin. `vector`: frames of
    the vectors, where their heat comes back (`plan`): a level more, or two."""
    cells = FINE_CELLS if peclet > COARSE_BELOW else FINE_SLOW
    if not fine:
        boxes = Boxes.fitting(deep, CELLS if peclet > COARSE_BELOW else COARSE_CELLS)
    elif deep < SHALLOW and peclet > FAST:
        boxes = Boxes(2 * cells, deep=1.5, levels=5)
    else:
        boxes = Boxes.fitting(min(deep, FINER) if deep < SHALLOW else deep, cells)
    return replace(boxes, levels=boxes.levels + (vector > 0) + (vector > LEVEL_HOLDS))


@dataclass(frozen=True)
class Course:
    """What happens in one trajectory: the metal, the boxes that its reference takes, what the beam does frame by frame,
    and after which of these a sample is kept."""

    stream: Stream
    boxes: Boxes  # of its teacher
    path: np.ndarray  # rows (t, x, y, q, depth); a frame is from one row to the next
    kept: frozenset[int]


def course(number: int, seed: int, grid: WindowGrid) -> Course:
    """Of one trajectory, the same however many are made and in whichever order."""
    rng = np.random.default_rng([seed, number])
    stream, beam, deep = draw(rng, grid)
    eventful, fine = is_eventful(number), is_fine(number)
    vector = far_vector(rng) if goes_far(number) else 0
    frames = frames_far(rng, vector) if vector else FRAMES if eventful else FRAMES_STRAIGHT
    some = rng.choice(frames, 20 if fine else 12, replace=False)
    frame, path = TRAVEL / stream.peclet, [(0.0, 0.0, 0.0, 0.0, 0.0)]
    for stretch in plan(rng, frames, eventful, whole=False, vector=vector):
        t, x, y, *_ = path[-1]
        far = TRAVEL * stretch.pace * stretch.span
        path[-1] = (t, x, y, *beam.source(stretch.level))
        there = x + far * math.cos(stretch.heading), y + far * math.sin(stretch.heading)
        path.append((t + frame * stretch.span, *there, 0.0, 0.0))
    kept = frozenset(some.tolist()) if eventful else STRAIGHT_KEPT
    return Course(stream, teacher(stream.peclet, deep, fine, vector), np.array(path), kept)


def until(path: np.ndarray, frame: int) -> np.ndarray:
    """A path to the end of a frame, whose row holds nothing yet."""
    rows = path[: frame + 2].copy()
    rows[-1, 3:] = 0.0
    return rows


def trajectory(number: int, seed: int, grid: WindowGrid) -> list[Sample]:
    """The samples of one."""
    drawn, fine = course(number, seed, grid), is_fine(number)
    stream = drawn.stream
    solver = MeltPoolSolver(stream.groups, drawn.boxes, surface=stream.surface)
    points = grid.points
    samples: list[Sample] = []
    heading = 0.0
    for frame in range(len(drawn.path) - 1):
        rows = until(drawn.path, frame)
        solver.advance(rows[-2:])
        heading = heading_after(heading, rows[-2:])
        if frame not in drawn.kept:
            continue
        x, y = rows[-1, 1:3]
        c, s = math.cos(heading), math.sin(heading)
        theta = solver.theta(x + c * points[0] - s * points[1], y + s * points[0] + c * points[1], points[2])
        told = condition(stream, depth_now(rows), fine)
        samples.append(Sample(rows, heading, told, np.arcsinh(theta).astype(np.float16), number))
    return samples
