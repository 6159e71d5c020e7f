"""Contour: a size of the melt pool and its derivative with respect to the field, through the contour.

A size is a sum of crossings of the solidus, x* where T(x*) = Ts. By the implicit derivative

    dx*/dp = -(dT/dp)/(dT/dx)   at x*,

so a size reacts to the field at the few nodes around its ends, and there only. Sizes are those of `WindowGrid.sizes`,
to the last bit; a pool that reaches the end of the window has no derivative there.
"""

from typing import Literal, no_type_check

import numba
import numpy as np

from operators.window import WindowGrid, _connected, _edge

Size = Literal["length", "width", "depth"]
SIZES: tuple[Size, ...] = ("length", "width", "depth")
Node = tuple[int, ...]
Part = tuple[Node, float]  # a node, and the derivative with respect to what is there


def gradient(grid: WindowGrid, theta: np.ndarray, solidus: float, size: Size) -> tuple[float, np.ndarray]:
    """The size in d, and d size/d theta at every node (x, y, z); (0, zeros) where nothing is molten."""
    theta = np.ascontiguousarray(theta, dtype=np.float64)
    out = np.zeros_like(theta)
    inside = _connected(theta, float(solidus))
    if not inside.any():
        return 0.0, out
    total, parts = _size(theta, inside, solidus, grid, size)
    for node, slope in parts:
        out[node] += slope
    return total, out


def _size(
    theta: np.ndarray, inside: np.ndarray, level: float, grid: WindowGrid, size: Size
) -> tuple[float, list[Part]]:
    if size == "depth":
        return _depth(theta, inside, level, grid)
    along, across = (grid.x, grid.y) if size == "length" else (grid.y, grid.x)
    lines, held = theta[:, :, 0], inside[:, :, 0]
    if size == "length":
        lines, held = lines.T, held.T

    def place(line: int, node: int) -> Node:
        return (node, line, 0) if size == "length" else (line, node, 0)

    total, parts = 0.0, []
    for turned in (False, True):
        nodes = -along[::-1] if turned else along
        there, within = (a[:, ::-1] if turned else a for a in (lines, held))
        ends = _ends(np.ascontiguousarray(there), np.ascontiguousarray(within), nodes, level)
        value, weights = peak(ends, across)
        total += value
        for line, weight in weights:
            for node, slope in _slopes(there[line], within[line], nodes, level, ends[line]):
                parts.append((place(line, len(nodes) - 1 - node if turned else node), weight * slope))
    return total, parts


def _depth(theta: np.ndarray, inside: np.ndarray, level: float, grid: WindowGrid) -> tuple[float, list[Part]]:
    nx, ny, nz = theta.shape
    ends = _ends(theta.reshape(-1, nz), inside.reshape(-1, nz), grid.z, level).reshape(nx, ny)
    ends[~inside[:, :, 0]] = np.nan
    along = [peak(ends[:, j], grid.x) for j in range(ny)]
    value, across = peak(np.array([v if v > 0 else np.nan for v, _ in along]), grid.y)
    parts = []
    for j, of_line in across:
        for i, weight in along[j][1]:
            for k, slope in _slopes(theta[i, j], inside[i, j], grid.z, level, ends[i, j]):
                parts.append(((i, j, k), of_line * weight * slope))
    return value, parts


@numba.njit(cache=True)
@no_type_check
def _ends(lines, inside, nodes, level):
    """Where each line's region ends, at its high end; NaN where nothing is inside."""
    out = np.empty(len(lines))
    for n in range(len(lines)):
        out[n] = _edge(lines[n], inside[n], nodes, level, True)
    return out


def peak(values: np.ndarray, nodes: np.ndarray) -> tuple[float, list[tuple[int, float]]]:
    """`window._peak`, and its derivative with respect to the values that it hangs on."""
    if np.isnan(values).all():
        return 0.0, []
    best = int(np.nanargmax(values))
    top = float(values[best])
    if best in (0, len(values) - 1) or np.isnan(values[[best - 1, best + 1]]).any():
        return top, [(best, 1.0)]
    a, b = nodes[best] - nodes[best - 1], nodes[best + 1] - nodes[best]
    left, right = (top - values[best - 1]) / a, (values[best + 1] - top) / b
    curvature = (right - left) / (a + b)
    if curvature >= 0:
        return top, [(best, 1.0)]
    slope = (left * b + right * a) / (a + b)
    of_slope, of_curvature = -slope / (2 * curvature), slope**2 / (4 * curvature**2)
    of_left = of_slope * b / (a + b) - of_curvature / (a + b)
    of_right = of_slope * a / (a + b) + of_curvature / (a + b)
    weights = [(best - 1, -of_left / a), (best, 1 + of_left / a - of_right / b), (best + 1, of_right / b)]
    return float(top - slope**2 / (4 * curvature)), weights


def _slopes(line: np.ndarray, inside: np.ndarray, nodes: np.ndarray, level: float, at: float) -> list[tuple[int, float]]:
    """d end/d value at the nodes that the interpolation through the end uses: -l_k(x*)/p'(x*), l_k Lagrange's."""
    last = int(np.flatnonzero(inside)[-1])
    n = len(nodes)
    if last == n - 1:
        return []  # the end of the window
    used = np.arange(last - 1, last + 3)
    if used[0] < 0 or used[-1] > n - 1:
        used = np.array([last, last + 1])
    x, v = nodes[used], line[used]
    weights, slope = np.empty(len(used)), 0.0
    for k in range(len(used)):
        others = np.delete(x, k)
        scale = np.prod(x[k] - others)
        weights[k] = np.prod(at - others) / scale
        slope += v[k] * sum(np.prod(at - np.delete(others, m)) for m in range(len(others))) / scale
    return [(int(i), float(-w / slope)) for i, w in zip(used, weights, strict=True)]
