"""Cells: averages of a field over the cells of the window, each bounded by the midpoints between nodes.

    T_i = 1/V_i int_{cell i} T dV,   by Gauss-Legendre points in every direction, 2 to 4 a side by its width.

The cells at the edges of the window end at its outermost nodes, as in `WindowGrid.weights`, whose volumes these are. A
linear field keeps its integral exactly; what the rule leaves out is measured in `test_melt_pool.py`.

A mean is not the value at the node: on fields of melt pools they are 2 % apart, as much as the bars. `means` takes
values at the nodes to means, and `nodes` back, as a cubic spline through the nodes would have them (separable: one
small matrix an axis; even about the surface, without curvature at the other ends); 0.2 to 0.6 % is left.
"""

from functools import cached_property

import numpy as np

from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid

NARROW, WIDE = 0.2, 0.5  # widths of a cell, d: 2 points below the first, 4 above the second, else 3


class Cells:
    """The averaging of a grid. `times`: so many times the points."""

    def __init__(self, grid: WindowGrid, times: int = 1) -> None:
        self.grid = grid
        rules = [_rule(axis, times) for axis in (grid.x, grid.y, grid.z)]
        self._points = [points for points, _ in rules]
        self._shares = [shares for _, shares in rules]
        self._to_means = [
            shares @ _spline(axis, points, even)
            for (points, shares), axis, even in zip(rules, (grid.x, grid.y, grid.z), (False, False, True), strict=True)
        ]
        self._to_nodes = [np.linalg.inv(matrix) for matrix in self._to_means]

    @cached_property
    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(x, y, z) of all points, in d."""
        x, y, z = np.meshgrid(*self._points, indexing="ij")
        return x, y, z

    def average(self, values: np.ndarray) -> np.ndarray:
        """Values at the points to means of the cells."""
        return _along(self._shares, values)

    def means(self, nodes: np.ndarray) -> np.ndarray:
        """Values at the nodes (..., x, y, z) to means of the cells."""
        return _along(self._to_means, nodes)

    def nodes(self, means: np.ndarray) -> np.ndarray:
        """Means of the cells to values at the nodes: `means` undone."""
        return _along(self._to_nodes, means)

    def of(self, solver: MeltPoolSolver, x: float, y: float, heading: float) -> np.ndarray:
        """theta of a solver in the window that stands at (x, y) and looks along `heading`."""
        return self.average(solver.theta(*seen(self.points, x, y, heading)))


def seen(
    points: tuple[np.ndarray, np.ndarray, np.ndarray], x: float, y: float, heading: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a window on the machine's axes."""
    c, s = np.cos(heading), np.sin(heading)
    return x + c * points[0] - s * points[1], y + s * points[0] + c * points[1], points[2]


def _along(matrices: list[np.ndarray], values: np.ndarray) -> np.ndarray:
    """A matrix along each of the last three axes."""
    x, y, z = (matrix.astype(np.result_type(values, np.float32)) for matrix in matrices)
    across = y @ (values @ z.T)  # (..., x, y, z)
    return (x @ across.reshape(*across.shape[:-2], -1)).reshape(*across.shape[:-3], len(x), *across.shape[-2:])


def _spline(nodes: np.ndarray, points: np.ndarray, even: bool) -> np.ndarray:
    """The cubic spline through values at the nodes, at points: (point, node). `even`: about the first node."""
    if even:
        n = len(nodes)
        both = _spline(np.concatenate([-nodes[:0:-1], nodes]), points, even=False)
        whole = both[:, n - 1 :].copy()
        whole[:, 1:] += both[:, n - 2 :: -1]
        return whole
    h, n = np.diff(nodes), len(nodes)
    unit, left, right = np.eye(n), np.eye(n), np.zeros((n, n))
    for i in range(1, n - 1):  # the second derivatives m: h m_- + 2 (h + h_+) m + h_+ m_+ = 6 (jump of the slope)
        left[i, i - 1 : i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
        right[i, i - 1 : i + 2] = 6 / h[i - 1], -6 / h[i - 1] - 6 / h[i], 6 / h[i]
    bend = np.linalg.solve(left, right)
    i = np.clip(np.searchsorted(nodes, points) - 1, 0, n - 2)
    b = ((points - nodes[i]) / h[i])[:, None]
    a, square = 1 - b, h[i, None] ** 2 / 6
    return a * unit[i] + b * unit[i + 1] + square * ((a**3 - a) * bend[i] + (b**3 - b) * bend[i + 1])


def _rule(nodes: np.ndarray, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of all cells along one axis, and the share of each in the mean of each cell: (cell, point)."""
    edges = np.concatenate([nodes[:1], 0.5 * (nodes[1:] + nodes[:-1]), nodes[-1:]])
    points, shares = [], np.zeros((len(nodes), 0))
    for i, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        count = times * (2 if b - a < NARROW else 3 if b - a < WIDE else 4)
        unit, weight = np.polynomial.legendre.leggauss(count)
        points.append(0.5 * (a + b) + 0.5 * (b - a) * unit)
        mine = np.zeros((len(nodes), count))
        mine[i] = 0.5 * weight
        shares = np.hstack([shares, mine])
    return np.concatenate(points), shares
