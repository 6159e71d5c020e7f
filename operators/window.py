"""Window: the graded grid that follows the beam, and the melt pool's size measured on it.

x runs along the scan (the beam is at 0, behind it is negative), y across, z down; all in beam diameters. Nodes are
dense around the beam and sparse in the tail. Sizes are extents of the connected region above the solidus, by cubic
sub-cell crossings.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import no_type_check

import numba
import numpy as np


def _graded(first: float, ratio: float, end: float, uniform: int) -> np.ndarray:
    """Nodes from 0 to `end`: `uniform` steps of `first`, then steps growing by `ratio`, stretched to end exactly."""
    steps = [first] * uniform
    while sum(steps) < end:
        steps.append(steps[-1] * ratio)
    nodes = np.concatenate([[0.0], np.cumsum(steps)])
    flat = nodes[uniform]
    nodes[uniform:] = flat + (nodes[uniform:] - flat) * (end - flat) / (nodes[-1] - flat)
    return nodes


@dataclass(frozen=True)
class WindowGrid:
    """Node positions of the window; the default holds pools of 17 d behind, 4.8 d wide and 5 d deep. `growth` is that
    of the steps behind the beam: lengths of flat tails, read at 1.1, are up to 2 % off; at 1.02 a tenth of that."""

    behind: float = 18.0
    ahead: float = 1.6
    aside: float = 2.6
    deep: float = 5.2
    growth: float = 1.1

    @cached_property
    def x(self) -> np.ndarray:
        back = _graded(0.16, self.growth, self.behind, 8)
        front = _graded(0.14, 1.3, self.ahead, 4)
        return np.concatenate([-back[:0:-1], front])

    @cached_property
    def y(self) -> np.ndarray:
        half = _graded(0.12, 1.3, self.aside, 5)
        return np.concatenate([-half[:0:-1], half])

    @cached_property
    def z(self) -> np.ndarray:
        return _graded(0.07, 1.35, self.deep, 4)

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.x), len(self.y), len(self.z)

    @cached_property
    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(x, y, z) of every node, each of `shape`."""
        x, y, z = np.meshgrid(self.x, self.y, self.z, indexing="ij")
        return x, y, z

    def weights(self) -> np.ndarray:
        """Volume of each node (trapezoidal), of `shape`: the quadrature of integrals over the window."""

        def one(nodes: np.ndarray) -> np.ndarray:
            width = np.zeros_like(nodes)
            steps = np.diff(nodes)
            width[:-1] += 0.5 * steps
            width[1:] += 0.5 * steps
            return width

        wx, wy, wz = one(self.x), one(self.y), one(self.z)
        return wx[:, None, None] * wy[None, :, None] * wz[None, None, :]

    def sizes(self, theta: np.ndarray, solidus: float) -> tuple[float, float, float]:
        """(length, width, depth) in d of the connected region with theta above the solidus; zeros where nothing is
        molten."""
        length, width, depth = _sizes(
            np.ascontiguousarray(theta, dtype=np.float64), float(solidus), self.x, self.y, self.z
        )
        return float(length), float(width), float(depth)


@numba.njit(cache=True)
@no_type_check
def _crossing(v0, v1, v2, v3, p0, p1, p2, p3, level):
    """Where the cubic through four nodes crosses `level` between p1 (above it) and p2 (below it); by bisection."""
    a, b = p1, p2
    for _ in range(40):
        m = 0.5 * (a + b)
        l0 = (m - p1) * (m - p2) * (m - p3) / ((p0 - p1) * (p0 - p2) * (p0 - p3))
        l1 = (m - p0) * (m - p2) * (m - p3) / ((p1 - p0) * (p1 - p2) * (p1 - p3))
        l2 = (m - p0) * (m - p1) * (m - p3) / ((p2 - p0) * (p2 - p1) * (p2 - p3))
        l3 = (m - p0) * (m - p1) * (m - p2) / ((p3 - p0) * (p3 - p1) * (p3 - p2))
        if l0 * v0 + l1 * v1 + l2 * v2 + l3 * v3 > level:
            a = m
        else:
            b = m
    return 0.5 * (a + b)


@numba.njit(cache=True)
@no_type_check
def _edge(line, inside, nodes, level, from_end):
    """Outermost crossing of a line's region, from its high end (from_end) or its low end; NaN where nothing is
    inside."""
    n = nodes.size
    last = -1
    if from_end:
        for i in range(n - 1, -1, -1):
            if inside[i]:
                last = i
                break
        if last < 0:
            return math.nan
        if last == n - 1:
            return nodes[n - 1]
        a, b = max(last - 1, 0), min(last + 2, n - 1)
        if a == last or b == last + 1:
            w = (line[last] - level) / (line[last] - line[last + 1])
            return nodes[last] + w * (nodes[last + 1] - nodes[last])
        return _crossing(
            line[a], line[last], line[last + 1], line[b], nodes[a], nodes[last], nodes[last + 1], nodes[b], level
        )
    for i in range(n):
        if inside[i]:
            last = i
            break
    if last < 0:
        return math.nan
    if last == 0:
        return nodes[0]
    a, b = min(last + 1, n - 1), max(last - 2, 0)
    if a == last or b == last - 1:
        w = (line[last] - level) / (line[last] - line[last - 1])
        return nodes[last] + w * (nodes[last - 1] - nodes[last])
    return _crossing(
        line[a], line[last], line[last - 1], line[b], nodes[a], nodes[last], nodes[last - 1], nodes[b], level
    )


@numba.njit(cache=True)
@no_type_check
def _peak(values, nodes):
    """Largest value over the nodes, refined by the parabola through the largest and its neighbours; NaN is absent."""
    best = -1
    for i in range(values.size):
        if not math.isnan(values[i]) and (best < 0 or values[i] > values[best]):
            best = i
    if best < 0:
        return 0.0
    if best == 0 or best == values.size - 1 or math.isnan(values[best - 1]) or math.isnan(values[best + 1]):
        return values[best]
    a = nodes[best] - nodes[best - 1]
    b = nodes[best + 1] - nodes[best]
    left = (values[best] - values[best - 1]) / a
    right = (values[best + 1] - values[best]) / b
    curvature = (right - left) / (a + b)
    if curvature >= 0.0:
        return values[best]
    slope = (left * b + right * a) / (a + b)
    return values[best] - 0.25 * slope * slope / curvature


@numba.njit(cache=True)
@no_type_check
def connected(theta, level):
    """The nodes above `level` that hang together with the hottest of the surface."""
    nx, ny, nz = theta.shape
    inside = np.zeros((nx, ny, nz), dtype=np.bool_)
    best = 0
    hottest = -1e30
    for i in range(nx):
        for j in range(ny):
            if theta[i, j, 0] > hottest:
                hottest = theta[i, j, 0]
                best = i * ny + j
    if not hottest > level:
        return inside
    stack = np.empty((nx * ny * nz, 3), dtype=np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = best // ny, best % ny, 0
    inside[best // ny, best % ny, 0] = True
    top = 1
    while top > 0:
        top -= 1
        i, j, k = stack[top, 0], stack[top, 1], stack[top, 2]
        for side in range(6):
            a = i + (1 if side == 0 else -1 if side == 1 else 0)
            b = j + (1 if side == 2 else -1 if side == 3 else 0)
            c = k + (1 if side == 4 else -1 if side == 5 else 0)
            if 0 <= a < nx and 0 <= b < ny and 0 <= c < nz and not inside[a, b, c] and theta[a, b, c] > level:
                inside[a, b, c] = True
                stack[top, 0], stack[top, 1], stack[top, 2] = a, b, c
                top += 1
    return inside


@numba.njit(cache=True)
@no_type_check
def _sizes(theta, level, x, y, z):
    nx, ny, _ = theta.shape
    inside = connected(theta, level)
    if not inside.any():
        return 0.0, 0.0, 0.0
    front = np.full(ny, math.nan)
    back = np.full(ny, math.nan)
    for j in range(ny):
        front[j] = _edge(theta[:, j, 0], inside[:, j, 0], x, level, True)
        back[j] = -_edge(theta[:, j, 0], inside[:, j, 0], x, level, False)
    left = np.full(nx, math.nan)
    right = np.full(nx, math.nan)
    depths = np.full((nx, ny), math.nan)
    for i in range(nx):
        right[i] = _edge(theta[i, :, 0], inside[i, :, 0], y, level, True)
        left[i] = -_edge(theta[i, :, 0], inside[i, :, 0], y, level, False)
        for j in range(ny):
            if inside[i, j, 0]:
                depths[i, j] = _edge(theta[i, j, :], inside[i, j, :], z, level, True)
    deepest = np.full(ny, math.nan)
    for j in range(ny):
        value = _peak(depths[:, j], x)
        if value > 0.0:
            deepest[j] = value
    return _peak(front, y) + _peak(back, y), _peak(right, x) + _peak(left, x), _peak(deepest, y)
