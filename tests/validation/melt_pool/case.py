"""Case: the trajectories of the test set, drawn in SI over the envelope, and their fields from the reference.

Drawn by a stream of random numbers of its own (training has `default_rng([seed, number])`): none is shared. What a
trajectory is told is what the twin would tell: `twin.process` makes groups, losses, absorptivity and depth of the
source. Redrawn until the card's BOX holds it at each of its powers, its keyhole number is at most KEYHOLE, and on a
coarse reference its pool is MIN_WIDTH wide and fits the window all along the path.
"""

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from operators import response
from operators.groups import TOLD
from operators.melt_pool.forcing import NARROWED
from operators.melt_pool.plan import TRAVEL
from operators.melt_pool.trajectories import BOX
from operators.operator import Stream, heading_after
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid
from tests.validation.melt_pool import paths
from tests.validation.melt_pool.cells import Cells, seen
from tests.validation.melt_pool.paths import Features, even
from twin.material import IN625, IN718, SS316L, TI64
from twin.process import Process
from twin.regime import keyhole_number, regime

NAME = "melt_pool"
SIZES = {  # (trajectories, frames)
    "smoke": ((2, 30),),
    "small": ((16, 120),),
    "medium": ((60, 300), (4, 1000)),
    "full": ((200, 500), (20, 4000)),
}
SEED = 0
STREAM = 0x4D454C54  # first word of the test set's random numbers
CELLS = 12  # of the reference a diameter: refined 1.5 times, sizes change by less than 1 % (`convergence`)
COARSE = 4
SHALLOW, FINER = 0.45, 0.2  # d: pools below the first get the boxes of one as deep as the second, at most
FAST = 20.0  # Peclet number
ALLOYS = (IN625, IN718, SS316L, TI64)
MACHINES = {  # power W, scan speed m/s, beam diameter m
    "LPBF": ((50.0, 500.0), (0.2, 2.5), (50e-6, 200e-6)),
    "DED": ((200.0, 2000.0), (3e-3, 40e-3), (0.4e-3, 3e-3)),
}
PREHEAT_K = (293.0, 773.0)
ABSORPTIVITY = (0.2, 0.9)
KEYHOLE = 20.0
MIN_WIDTH = 0.4  # d, of nine tenths of the frames with the laser on
LARGEST = (16.0, 4.7, 4.7)  # d: length, width, depth that the window holds with a margin
LONG = 50.5  # d
LOOK = 3  # frames between two looks at the coarse reference


@dataclass(frozen=True)
class Case:
    """One trajectory before it is solved. `rows` are (frame, x, y, level), as `paths` draws them."""

    seed: int
    number: int
    attempt: int
    frames: int
    features: Features
    machine: str
    process: Process
    beam_power_w: float  # the highest
    scan_speed_m_per_s: float
    rows: np.ndarray

    @cached_property
    def stream(self) -> Stream:
        name = f"test {self.seed}/{self.number}"
        return Stream(name, self.process.groups(), self.process.peclet(self.scan_speed_m_per_s), self.process.surface())

    @property
    def alloy(self) -> str:
        return self.process.material.name

    @property
    def regime(self) -> str:
        """At the highest power."""
        return regime(self.process.source(self.beam_power_w, self.scan_speed_m_per_s).boiling_number)

    @cached_property
    def events(self) -> np.ndarray:
        return paths.events(self.rows, self.frames)

    @cached_property
    def lit(self) -> np.ndarray:
        """Whether the laser is on as each frame ends."""
        return np.array([rows[-2, 3] > 0 for rows in self.stretches])

    @cached_property
    def stretches(self) -> list[np.ndarray]:
        """Rows (t, x, y, q, depth) of each frame: what an `Operator` takes as observed."""
        frame = TRAVEL / self.stream.peclet
        sources = {level: self._source(level) for level in np.unique(self.rows[:, 3]).tolist()}
        lowest = sources[min(level for level in sources if level > 0)][1]
        out = []
        for rows in paths.stretches(self.rows, self.frames):
            put = np.array([sources[level] if level > 0 else (0.0, lowest) for level in rows[:, 3].tolist()])
            out.append(np.column_stack([rows[:, 0] * frame, rows[:, 1:3], put]))
        return out

    def _source(self, level: float) -> tuple[float, float]:
        source = self.process.source(level * self.beam_power_w, self.scan_speed_m_per_s)
        return source.q, source.depth

    @cached_property
    def poses(self) -> list[tuple[float, float, float]]:
        """(x, y, heading) of the window as each frame ends."""
        out, heading = [], 0.0
        for rows in self.stretches:
            heading = heading_after(heading, rows)
            out.append((float(rows[-1, 1]), float(rows[-1, 2]), heading))
        return out

    @cached_property
    def linear_sizes(self) -> tuple[float, float, float]:
        """Of a straight track at the highest power, by linear response."""
        grid, (q, depth) = WindowGrid(), self._source(1.0)
        return grid.sizes(response.straight(q, self.stream.peclet, grid, depth, NARROWED), self.stream.groups.solidus)

    @cached_property
    def coarse_sizes(self) -> np.ndarray:
        """(look, 3) sizes on the coarse reference, every LOOK frames; ends where a pool leaves the window."""
        grid, solver, found = WindowGrid(), _solver(self, self.linear_sizes[2], COARSE), []
        for index, (rows, pose) in enumerate(zip(self.stretches, self.poses, strict=True)):
            solver.advance(rows)
            if index % LOOK == 0:
                found.append(grid.sizes(solver.theta(*seen(grid.points, *pose)), self.stream.groups.solidus))
                if any(a > b for a, b in zip(found[-1], LARGEST, strict=True)):
                    break
        return np.array(found)

    @property
    def depth(self) -> float:
        """About how deep the pool is while the laser is on, d."""
        return float(np.median(self.coarse_sizes[self.lit[::LOOK], 2]))


@dataclass(frozen=True)
class Trajectory:
    """A case with its fields: `theta` are means over the cells of the window, `nodes` values at its nodes, both
    (frame, x, y, z) float16; `sizes` (frame, 3) of the pool, in d, read from the nodes before they are rounded."""

    case: Case
    theta: np.ndarray
    nodes: np.ndarray
    sizes: np.ndarray
    seconds: float  # of the reference, without averaging
    seconds_averaging: float

    def __len__(self) -> int:
        return len(self.theta)


def budget_cases(budget: str, seed: int = SEED) -> list[Case]:
    """The cases of a budget; numbers go on from one length to the next."""
    made, number = [], 0
    for count, frames in SIZES[budget]:
        for _ in range(count):
            made.append(drawn(number, frames, seed))
            number += 1
    return made


def candidate(
    number: int, frames: int, seed: int = SEED, attempt: int = 0, features: Features | None = None,
    vectors: tuple[float, float] | None = None,
) -> Case:  # fmt: skip
    """One draw over the envelope; nothing is looked at yet. `features`: others than the number's; `vectors`: between
    which lengths they lie, d."""
    rng = np.random.default_rng([STREAM, seed, number, attempt])
    machine = "LPBF" if even(number, 7) < 0.5 else "DED"
    alloy = ALLOYS[int(len(ALLOYS) * even(number, 11))]
    powers, speeds, diameters = MACHINES[machine]
    absorptivity = None if even(number, 13) < 0.5 else rng.uniform(*ABSORPTIVITY)
    process = Process(alloy, rng.uniform(*diameters), rng.uniform(*PREHEAT_K), absorptivity)
    power, speed = rng.uniform(*powers), math.exp(rng.uniform(*np.log(speeds)))
    features = features or Features.of(number)
    rows = paths.draw(rng, features, frames, vectors)
    return Case(seed, number, attempt, frames, features, machine, process, power, speed, rows)


@lru_cache(maxsize=512)
def drawn(number: int, frames: int, seed: int = SEED) -> Case:
    """The first draw of a number that may stand in the test set."""
    attempt = 0
    while True:
        case = candidate(number, frames, seed, attempt)
        if permitted(case) and fits(case):
            return case
        attempt += 1


def permitted(case: Case) -> bool:
    """Whether envelope and BOX hold the draw, at each of its powers."""
    stream, groups = case.stream, case.stream.groups
    told = {name: getattr(groups, name) for name in TOLD} | {"peclet": stream.peclet}
    told |= {name: getattr(stream.surface, name) for name in ("evaporation", "vapour", "zero")}
    if not all(BOX[name][0] <= value <= BOX[name][1] for name, value in told.items()):
        return False
    if keyhole_number(case.process, case.beam_power_w, case.scan_speed_m_per_s) > KEYHOLE:
        return False
    for level in np.unique(case.rows[case.rows[:, 3] > 0, 3]).tolist():
        source = case.process.source(level * case.beam_power_w, case.scan_speed_m_per_s)
        held = {"q": source.q, "depth": source.depth}
        if not all(BOX[name][0] <= value <= BOX[name][1] for name, value in held.items()):
            return False
        if not ABSORPTIVITY[0] <= source.absorptivity <= ABSORPTIVITY[1]:
            return False
    return True


def fits(case: Case) -> bool:
    """Whether the pool is wide enough and stays in the window, on the coarse reference."""
    if case.linear_sizes[1] < 0.5 * MIN_WIDTH or any(a > b for a, b in zip(case.linear_sizes, LARGEST, strict=True)):
        return False
    sizes = case.coarse_sizes
    if (sizes > LARGEST).any():
        return False
    on = sizes[case.lit[::LOOK], 1]
    return bool(len(on) and np.quantile(on, 0.1) >= MIN_WIDTH)


def boxes_of(case: Case, about: float, cells: int) -> Boxes:
    """Boxes for a pool about so deep; one level more than for a single track. Shallow pools get more cells than
    `Boxes.fitting` gives them, whose length changes by 2.4 % when refined; and where they are fast, longer boxes, for
    the wake is thin. Vectors longer than LONG get another level: their heat comes back."""
    vectors = paths.vectors(case.rows)
    long = bool(len(vectors) > 1 and vectors.max() > LONG)
    if about < SHALLOW and case.stream.peclet > FAST:
        return Boxes(2 * cells, deep=1.5, levels=5 + long)
    boxes = Boxes.fitting(min(about, FINER) if about < SHALLOW else about, cells)
    return replace(boxes, levels=boxes.levels + 1 + long)


def _solver(case: Case, about: float, cells: int) -> MeltPoolSolver:
    """A cold plate."""
    return MeltPoolSolver(case.stream.groups, boxes_of(case, about, cells), surface=case.stream.surface)


def solved(case: Case, cells: int = CELLS, averaging: Cells | None = None) -> Trajectory:
    """The fields of a case."""
    averaging = averaging or Cells(WindowGrid())
    grid = averaging.grid
    solver = _solver(case, case.depth, cells)
    theta, nodes = (np.empty((case.frames, *grid.shape), dtype=np.float16) for _ in range(2))
    sizes, took, averaged = np.empty((case.frames, 3)), 0.0, 0.0
    for index, (rows, pose) in enumerate(zip(case.stretches, case.poses, strict=True)):
        began = time.perf_counter()
        solver.advance(rows)
        took += time.perf_counter() - began
        at_nodes = solver.theta(*seen(grid.points, *pose))
        sizes[index], nodes[index] = grid.sizes(at_nodes, case.stream.groups.solidus), at_nodes
        began = time.perf_counter()
        theta[index] = averaging.of(solver, *pose)
        averaged += time.perf_counter() - began
    return Trajectory(case, theta, nodes, sizes, took, averaged)


def kept(case: Case, folder: Path | None, cells: int = CELLS) -> Trajectory:
    """`solved`, read from a folder where it was kept (and kept there)."""
    if folder is None:
        return solved(case, cells)
    path = folder / f"{case.seed}-{case.number}-{case.frames}-{cells}.npz"
    whole, boxes, grid = np.vstack(case.stretches), str(boxes_of(case, case.depth, cells)), WindowGrid()
    nodes = np.concatenate([grid.x, grid.y, grid.z])
    if path.is_file():
        with np.load(path) as stored:
            alike = np.array_equal(stored["path"], whole) and stored["boxes"] == boxes
            if alike and "window" in stored and np.array_equal(stored["window"], nodes):
                names = ("theta", "nodes", "sizes")
                return Trajectory(case, *(stored[name] for name in names), *stored["seconds"].tolist())
    made = solved(case, cells)
    folder.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half.npz")
    seconds = [made.seconds, made.seconds_averaging]
    np.savez(
        half,
        path=whole,
        boxes=boxes,
        window=nodes,
        theta=made.theta,
        nodes=made.nodes,
        sizes=made.sizes,
        seconds=seconds,
    )
    half.replace(path)
    return made


STEADY = (  # alloy, power W, scan speed m/s, beam diameter m
    (IN625, 195.0, 0.8, 100e-6),
    (IN718, 360.0, 0.02, 0.8e-3),
    (TI64, 120.0, 1.0, 60e-6),
    (IN625, 310.0, 2.4, 150e-6),
)


def convergence(cells: int = CELLS, refined: float = 1.5, frames: int = 40) -> dict[str, dict[str, float]]:
    """Of the reference: change of length, width and depth, and of the field (volume-weighted, of cell means), after a
    straight track of so many frames, when its cells are refined."""
    averaging, out = Cells(WindowGrid()), {}
    for alloy, power, speed, diameter in STEADY:
        rows = np.array([[0.0, 0.0, 0.0, 1.0], [frames, frames * TRAVEL, 0.0, 1.0]])
        features = Features("straight", steps=False, off=False)
        case = Case(-1, 0, 0, frames, features, "", Process(alloy, diameter), power, speed, rows)
        fields, sizes = [], []
        for each in (cells, round(refined * cells)):
            solver = _solver(case, case.depth, each)
            for stretch in case.stretches:
                solver.advance(stretch)
            at_nodes = solver.theta(*seen(averaging.grid.points, *case.poses[-1]))
            sizes.append(averaging.grid.sizes(at_nodes, case.stream.groups.solidus))
            fields.append(averaging.of(solver, *case.poses[-1]))
        volume = averaging.grid.weights()
        change = {name: a / b - 1 for name, a, b in zip(("length", "width", "depth"), sizes[0], sizes[1], strict=True)}
        change["field"] = math.sqrt((volume * (fields[0] - fields[1]) ** 2).sum() / (volume * fields[1] ** 2).sum())
        out[f"{alloy.name}, {power:g} W, {speed:g} m/s, {diameter * 1e6:g} um"] = change
    return out
