"""Contour: a size of the melt pool and its derivative with respect to the field, through the contour.

A size is a sum of crossings of the solidus, x* where T(x*) = Ts. By the implicit derivative

    dx*/dp = -(dT/dp)/(dT/dx)   at x*,

so a size reacts to the field at the nodes around its ends, and there only. A pool that reaches the end of the window
has no derivative there.

The widest section of a pool is hardly wider than those beside it, and which one it is a thousandth decides: of the
deepest section of a fast track, two grids of the reference name two moments whose maps do not agree at all (rank
correlation -.6; docs/attribution.md). So the largest of the sections' ends v_j is taken smoothly,

    S = spread log sum_j w_j exp(v_j/spread),      dS/dv_j = softmax(v_j/spread + log w_j),

w_j what lies around a section, in d. With spread 0 it is the size of `WindowGrid.sizes` to the last bit, and its
derivative.
"""

import math
from typing import Literal, no_type_check

import numba
import numpy as np

from operators.window import WindowGrid, _edge, connected

Size = Literal["length", "width", "depth"]
SIZES: tuple[Size, ...] = ("length", "width", "depth")
SPREAD = 0.03  # d


def gradient(
    grid: WindowGrid, theta: np.ndarray, solidus: float, size: Size, spread: float = SPREAD
) -> tuple[float, np.ndarray]:
    """The size in d (S), and d size/d theta at every node (x, y, z); (0, zeros) where nothing is molten."""
    theta = np.ascontiguousarray(theta, dtype=np.float64)
    out, level = np.zeros_like(theta), float(solidus)
    inside = connected(theta, level)
    if not inside.any():
        return 0.0, out
    if size == "depth":
        return _depth(theta, inside, level, grid, spread, out), out
    along, across = (grid.x, grid.y) if size == "length" else (grid.y, grid.x)
    turn = (lambda a: a.T) if size == "length" else (lambda a: a)
    value = 0.0
    for there in (slice(None), slice(None, None, -1)):
        lines, held = (np.ascontiguousarray(turn(a[:, :, 0])[:, there]) for a in (theta, inside))
        nodes = along if there.step is None else -along[::-1]
        ends = _ends(lines, held, nodes, level)
        end, weights = largest(ends, across, spread)
        by = np.zeros_like(lines)
        _add_slopes(by, lines, held, nodes, level, ends, weights)
        value += end
        out[:, :, 0] += turn(by[:, there])
    return value, out


def _depth(
    theta: np.ndarray, inside: np.ndarray, level: float, grid: WindowGrid, spread: float, out: np.ndarray
) -> float:
    """The deepest section of each line along x, then the deepest line."""
    nx, ny, nz = theta.shape
    lines, held = theta.reshape(-1, nz), inside.reshape(-1, nz)
    ends = _ends(lines, held, grid.z, level).reshape(nx, ny)
    ends[~inside[:, :, 0]] = np.nan
    along = [largest(ends[:, j], grid.x, spread) for j in range(ny)]
    deepest = np.array([value if inside[:, j, 0].any() else np.nan for j, (value, _) in enumerate(along)])
    value, across = largest(deepest, grid.y, spread)
    weights = np.stack([of_line * inner for of_line, (_, inner) in zip(across, along, strict=True)], 1)
    _add_slopes(out.reshape(-1, nz), lines, held, grid.z, level, ends.ravel(), weights.ravel())
    return value


@numba.njit(cache=True)
@no_type_check
def _ends(lines, inside, nodes, level):
    """Where each line's region ends, at its high end; NaN where nothing is inside."""
    out = np.empty(len(lines))
    for n in range(len(lines)):
        out[n] = _edge(lines[n], inside[n], nodes, level, True)
    return out


def largest(values: np.ndarray, nodes: np.ndarray, spread: float) -> tuple[float, np.ndarray]:
    """The largest of some values that are not NaN, smoothly, and the weight of each in it."""
    weights = np.zeros(len(values))
    there = ~np.isnan(values)
    if not there.any():
        return 0.0, weights
    if spread == 0.0:
        return peak(values, nodes)
    around = np.gradient(nodes)
    top = float(values[there].max())
    weights[there] = around[there] * np.exp((values[there] - top) / spread)
    total = float(weights.sum())
    return top + spread * math.log(total), weights / total


def peak(values: np.ndarray, nodes: np.ndarray) -> tuple[float, np.ndarray]:
    """`window._peak`, and its derivative with respect to each value."""
    weights = np.zeros(len(values))
    best = int(np.nanargmax(values))
    weights[best] = 1.0
    top = float(values[best])
    if best in (0, len(values) - 1) or np.isnan(values[[best - 1, best + 1]]).any():
        return top, weights
    a, b = nodes[best] - nodes[best - 1], nodes[best + 1] - nodes[best]
    left, right = (top - values[best - 1]) / a, (values[best + 1] - top) / b
    curvature = (right - left) / (a + b)
    if curvature >= 0:
        return top, weights
    slope = (left * b + right * a) / (a + b)
    of_slope, of_curvature = -slope / (2 * curvature), slope**2 / (4 * curvature**2)
    of_left = of_slope * b / (a + b) - of_curvature / (a + b)
    of_right = of_slope * a / (a + b) + of_curvature / (a + b)
    weights[best - 1 : best + 2] = -of_left / a, 1 + of_left / a - of_right / b, of_right / b
    return float(top - slope**2 / (4 * curvature)), weights


@numba.njit(cache=True)
@no_type_check
def _add_slopes(out, lines, inside, nodes, level, ends, weights):
    """d end/d value of each line at the nodes of the interpolation through its end, times the line's weight, added to
    `out`: -l_k(x*)/p'(x*), l_k Lagrange's."""
    n = nodes.size
    share, used = np.empty(4), np.empty(4, dtype=np.int64)
    for line in range(len(lines)):
        if weights[line] == 0.0 or math.isnan(ends[line]):
            continue
        last = -1
        for i in range(n - 1, -1, -1):
            if inside[line, i]:
                last = i
                break
        if last < 0 or last == n - 1:  # the end of the window
            continue
        first, count = last - 1, 4
        if first < 0 or last + 2 > n - 1:
            first, count = last, 2
        slope = 0.0
        for k in range(count):
            used[k] = first + k
            scale, here, turned = 1.0, 1.0, 0.0
            for m in range(count):
                if m == k:
                    continue
                scale *= nodes[first + k] - nodes[first + m]
                here *= ends[line] - nodes[first + m]
                part = 1.0
                for o in range(count):
                    if o not in (k, m):
                        part *= ends[line] - nodes[first + o]
                turned += part
            share[k] = here / scale
            slope += lines[line, first + k] * turned / scale
        for k in range(count):
            out[line, used[k]] -= weights[line] * share[k] / slope
