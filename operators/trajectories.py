"""Trajectories: what the operators learn from, made by the reference solver.

Draws the dimensionless groups at random over a box, not alloys; half of the trajectories are straight and steady from a
cold plate, half have steps of power, turns and laser-off. Split by trajectory, never by frame.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from operators import response
from operators.groups import Groups
from operators.reference import eagar_tsai
from operators.reference.melt_pool import Boxes, MeltPoolSolver
from operators.window import WindowGrid

LAGS = 4
TRAVEL = 0.5  # the beam travels this many diameters from one lag to the next at its nominal speed

BOX = {
    "mushy": (0.025, 0.11),
    "latent": (0.15, 0.55),
    "k_cold": (0.15, 0.65),
    "k_liquid": (0.55, 1.35),
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


def draw(rng: np.random.Generator, grid: WindowGrid) -> tuple[Groups, float, float]:
    """(groups, q, peclet) inside the box whose pool fits the window."""
    while True:
        values = {name: rng.uniform(*BOX[name]) for name in list(BOX)[:6]}
        q = math.exp(rng.uniform(*np.log(BOX["q"])))
        peclet = math.exp(rng.uniform(*np.log(BOX["peclet"])))
        groups = Groups(**values)
        length, width, depth = grid.sizes(eagar_tsai.steady(q, peclet, grid), groups.solidus)
        if length < 11.0 and width < 4.4 and depth < 1.9 and (width > 0.3 or rng.random() < 0.1):
            return groups, q, peclet


def _plan(rng: np.random.Generator, frames: int, q: float, eventful: bool) -> Iterator[tuple[float, float]]:
    """(heading, q) of each frame."""
    heading, power, off = 0.0, q, 0
    for _ in range(frames):
        if eventful:
            if rng.random() < 0.04:
                heading += rng.choice([math.pi, math.pi / 2, -math.pi / 2])
            if rng.random() < 0.05:
                power = q * rng.uniform(0.6, 1.0)
            if rng.random() < 0.03:
                off = int(rng.integers(1, 8))
        off = max(off - 1, 0)
        yield heading, 0.0 if off else power


def generate(
    count: int, seed: int, grid: WindowGrid, progress: Callable[[int], None] = lambda done: None
) -> list[Sample]:
    """Samples of `count` trajectories."""
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    points = grid.points
    for number in range(count):
        groups, q, peclet = draw(rng, grid)
        eventful = number % 2 == 1
        frames = 45 if eventful else 60
        keep = set(rng.choice(frames, 12, replace=False)) if eventful else {0, 1, 2, 4, 7, 11, 17, 26, 40, 59}
        solver = MeltPoolSolver(groups, Boxes(cells_per_diameter=8 if peclet > 4 else 6))
        frame = TRAVEL / peclet
        path = [(0.0, 0.0, 0.0, 0.0)]
        for index, (heading, power) in enumerate(_plan(rng, frames, q, eventful)):
            t, x, y, _ = path[-1]
            path[-1] = (t, x, y, power)
            path.append((t + frame, x + TRAVEL * math.cos(heading), y + TRAVEL * math.sin(heading), 0.0))
            rows = np.array(path)
            solver.advance(rows[-2:])
            if index not in keep:
                continue
            now, bx, by = rows[-1, :3]
            c, s = math.cos(heading), math.sin(heading)
            theta = solver.theta(bx + c * points[0] - s * points[1], by + s * points[0] + c * points[1], points[2])
            samples.append(
                Sample(
                    np.arcsinh(forcing(rows, now, peclet, grid, heading)).astype(np.float16),
                    condition(groups, peclet),
                    np.arcsinh(theta).astype(np.float16),
                    number,
                )
            )
        progress(number + 1)
    return samples
