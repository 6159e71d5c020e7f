"""Residual: what a forecast missed where the field was last seen, carried to the moment that is asked.

    R(t + k dt, z) = w_k(z) R(t, z) + (1 - w_k(z)) (G_k R)(z),       w_k(z) = s b^k exp(-(r/REACH)^2)

r is the distance from the beam. Near it an operator goes on getting wrong what it gets wrong, so that part goes with
the beam as long as the beam is what it was (s, `alike`), and fades (b a frame). The rest is heat that lies in the metal
or is absent from it: G_k leaves it there while the window moves on and turns, and spreads it as a cold plate does
(alpha = k_cold/c_cold) in that time.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from operators.window import WindowGrid

REACH, FADING = 4.0, 0.95  # d; of what goes with the beam, a frame. Chosen on trajectories of no test set
Pose = tuple[float, float, float]  # x, y of the beam, d; heading, rad


def carried(
    missed: np.ndarray, then: Pose, now: Pose, frames: int, spread: float, grid: WindowGrid, share: float = 1.0
) -> np.ndarray:
    """What is missed now (x, y, z) of what was `missed` then, `frames` earlier; spread = alpha t, in d^2; share: s."""
    near = share * FADING**frames * _nearness(grid)
    stays = diffused(moved(missed, then, now, grid), spread, grid)
    return (near * missed + (1 - near) * stays).astype(missed.dtype)


def alike(then: Pose, now: Pose, q_then: float, q_now: float) -> float:
    """How much of a beam is what it was: min(1, q_now/q_then) max(0, cos(turn)). Nothing of one that was off."""
    if q_then <= 0:
        return 0.0
    return min(1.0, q_now / q_then) * max(0.0, math.cos(now[2] - then[2]))


def moved(field: np.ndarray, then: Pose, now: Pose, grid: WindowGrid) -> np.ndarray:
    """A field that stays in the metal, seen from where the window is now; nothing is known of what it did not see."""
    x, y = np.meshgrid(grid.x, grid.y, indexing="ij")
    c, s = math.cos(now[2]), math.sin(now[2])
    east, north = now[0] + c * x - s * y - then[0], now[1] + s * x + c * y - then[1]
    c, s = math.cos(then[2]), math.sin(then[2])
    along, aside = c * east + s * north, -s * east + c * north
    i, a = _between(grid.x, along)
    j, b = _between(grid.y, aside)
    seen = (along >= grid.x[0]) & (along <= grid.x[-1]) & (np.abs(aside) <= grid.y[-1])
    a, b = a[..., None], b[..., None]
    low = (1 - b) * field[i, j] + b * field[i, j + 1]
    high = (1 - b) * field[i + 1, j] + b * field[i + 1, j + 1]
    return np.where(seen[..., None], (1 - a) * low + a * high, 0.0)


def diffused(field: np.ndarray, spread: float, grid: WindowGrid) -> np.ndarray:
    """A field after heat has gone sqrt(4 spread) far; no heat goes through the surface."""
    if spread <= 0:
        return field
    x, y, z = (_kernel(tuple(axis.tolist()), round(math.log(spread), 2), k == 2) for k, axis in enumerate(_axes(grid)))
    return np.einsum("ai,bj,ck,ijk->abc", x, y, z, field, optimize=True)


def _axes(grid: WindowGrid) -> Sequence[np.ndarray]:
    return grid.x, grid.y, grid.z


@lru_cache(maxsize=256)
def _kernel(nodes: tuple[float, ...], log_spread: float, mirrored: bool) -> np.ndarray:
    """Of the heat equation along one axis, by trapezes; rows sum to 1: what lies beyond the ends is as they are."""
    at, spread = np.array(nodes), math.exp(log_spread)
    steps = np.diff(at)
    weight = np.concatenate([[0.0], steps]) + np.concatenate([steps, [0.0]])
    apart = at[:, None] - at
    looks = np.exp(-(apart**2) / (4 * spread))
    if mirrored:
        looks = looks + np.exp(-((at[:, None] + at) ** 2) / (4 * spread))
    looks = looks * weight
    return looks / looks.sum(1, keepdims=True)


def _between(nodes: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the node before, and how far on to the next."""
    i = np.clip(np.searchsorted(nodes, at) - 1, 0, len(nodes) - 2)
    return i, (at - nodes[i]) / (nodes[i + 1] - nodes[i])


def _nearness(grid: WindowGrid) -> np.ndarray:
    x, y, z = grid.points
    return np.exp(-(x**2 + y**2 + z**2) / REACH**2)
