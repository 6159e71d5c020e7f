"""Track: the steady melt pool of a straight track, found by scanning on until its size stands still."""

import math
from dataclasses import dataclass, replace

import numpy as np

from operators import response
from operators.groups import Groups
from operators.reference.beam import BeamShape
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.surface import Surface
from operators.window import WindowGrid

FRAME = 0.5  # how far the beam goes between two looks, d
STEADY_CHANGE = 0.003  # over STEADY_FRAMES
STEADY_FRAMES = 8
READ_GROWTH = 1.02  # of the window on which sizes are read in the end: lengths of flat tails want nodes
FEWEST_FRAMES, MOST_FRAMES = 20, 200
CELLS_PER_DIAMETER = 10  # more in shallow pools


@dataclass(frozen=True)
class Track:
    """What a straight track came to, in d, d^2/alpha and units of dT."""

    theta: np.ndarray  # on the window
    length: float
    width: float
    depth: float
    above_melt: float  # how long the middle of the surface stays above the solidus
    cooling: float  # mean rate from the solidus to `drop` below it, on the middle of the surface; NaN without a pool
    change: float  # of the sizes over the last frames: steady below STEADY_CHANGE


def steady(
    groups: Groups,
    surface: Surface,
    q: float,
    peclet: float,
    depth: float,
    *,
    drop: float = 0.075,
    beam: BeamShape = "gaussian",
    cells_per_diameter: int = CELLS_PER_DIAMETER,
    grid: WindowGrid | None = None,
) -> Track:
    """The track of a source of strength q and of this depth (both absorbed, dimensionless) at this Peclet number."""
    grid = grid or WindowGrid()
    x, y, z = grid.points
    about = grid.sizes(response.straight(q, peclet, grid, depth), groups.solidus)[2]
    solver = MeltPoolSolver(groups, Boxes.fitting(about, cells_per_diameter), surface=surface, beam=beam)
    frame = FRAME / peclet
    sizes: list[np.ndarray] = []
    change, theta, at = math.inf, np.zeros(grid.shape), 0.0
    for n in range(MOST_FRAMES):
        at = (n + 1) * FRAME
        solver.advance(np.array([[n * frame, n * FRAME, 0.0, q, depth], [(n + 1) * frame, at, 0.0, q, depth]]))
        if n + 1 < FEWEST_FRAMES - STEADY_FRAMES:
            sizes.append(np.zeros(3))
            continue
        theta = solver.theta(x + at, y, z)
        if not np.isfinite(theta).all():
            break
        sizes.append(np.array(grid.sizes(theta, groups.solidus)))
        if n + 1 >= FEWEST_FRAMES:
            before, now = sizes[-1 - STEADY_FRAMES], sizes[-1]
            change = float(np.max(np.abs(now - before) / np.maximum(now, 1e-9)))
            if change < STEADY_CHANGE:
                break
    fine = replace(grid, growth=READ_GROWTH)
    x, y, z = fine.points
    length, width, deep = fine.sizes(solver.theta(x + at, y, z), groups.solidus)
    end, later = (_crossing(solver, at, level) for level in (groups.solidus, groups.solidus - drop))
    cooling = drop * peclet / (later - end)
    return Track(theta, float(length), float(width), float(deep), float(length) / peclet, cooling, change)


def _crossing(solver: MeltPoolSolver, at: float, level: float) -> float:
    """How far behind the beam the middle of the surface falls through `level` for the last time, in d."""
    behind = np.linspace(0.0, 20.0, 4001)
    line = solver.theta(at - behind, np.zeros_like(behind), np.zeros_like(behind))
    above = np.flatnonzero(line > level)
    if not len(above) or above[-1] == len(behind) - 1:
        return math.nan
    i = int(above[-1])
    return float(behind[i] + (behind[i + 1] - behind[i]) * (line[i] - level) / (line[i] - line[i + 1]))
