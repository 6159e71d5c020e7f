"""Linear response: the temperature that constant properties would give, as a sum of Green's functions over the past
path.

    theta(r) = q int dtau 2/(pi (4 tau + 2 sigma^2) sqrt(4 pi tau)) exp(-rho^2/(4 tau + 2 sigma^2)) Z(z)

with sigma = 1/4 (D4-sigma = 1), lengths in d and times in d^2/alpha. A source in the surface has Z = exp(-z^2/4 tau);
one that falls linearly to nothing at depth D, with its mirror image above the surface, has that convolved with a
triangle,

    Z(z) = 1/D int_-D^D (1 - |z'|/D) exp(-(z - z')^2/(4 tau)) dz'.

rho is the distance in the plane to where the
beam was tau ago (Eagar and Tsai 1983, doi not needed for the form; Carslaw and Jaeger 10.4). Each source is separable
in x, y and z, so a field on a tensor grid is one contraction over sources. It follows turns, steps of power, laser-off
and the heat of earlier tracks exactly, which is why the operators take it as their forcing.
"""

import math
from typing import no_type_check

import numba
import numpy as np
import torch
from torch import Tensor

from operators.path import FASTEST
from operators.reference.beam import SIGMA
from operators.window import WindowGrid

_PIECES = 4096  # of a path, about: at a Peclet number of 200 as many as 2,000 d^2/alpha need; no faster beam melts
_COUNTS = np.array([1, 2, 3, 6, 12])
_UNITS = np.zeros((5, 12))
_GAUSS = np.zeros((5, 12))
for _row, _count in enumerate(_COUNTS):
    _UNITS[_row, :_count], _GAUSS[_row, :_count] = np.polynomial.legendre.leggauss(int(_count))


@numba.njit(cache=True)
@no_type_check
def _nodes(past, now, counts, units, gauss, out):
    """Fill `out` with nodes; returns how many there are, or what is needed where `out` is too short."""
    n = 0
    shortest = math.sqrt(max(now - past[0, 0], 0.0)) / _PIECES
    for i in range(len(past) - 1):
        q = past[i, 3]
        begin = past[i, 0]
        end = min(past[i + 1, 0], now)
        if q <= 0.0 or end <= begin:
            continue
        oldest = math.sqrt(now - begin)
        newest = math.sqrt(max(now - end, 0.0))
        travelled = math.hypot(past[i + 1, 1] - past[i, 1], past[i + 1, 2] - past[i, 2])
        travelled *= (end - begin) / (past[i + 1, 0] - past[i, 0])
        # edges of pieces: within a piece the beam travels a few widths of its heat at most
        s = newest
        speed = min(travelled / (end - begin), FASTEST)
        while s < oldest - 1e-12:
            width = math.sqrt(4.0 * s * s + 2.0 * 0.0625)
            reach = oldest
            if speed > 0.0:
                reach = min(reach, math.sqrt(s * s + 2.5 * width / speed))
            reach = min(max(reach, s + shortest), 2.0 * s + 1.0, oldest)
            if oldest - reach < 1e-9:
                reach = oldest
            span = speed * (reach * reach - s * s) / width
            ratio = max(span, 1.2 * (reach - s) / (s + 0.25))
            row = 4 if ratio > 1.0 else 3 if ratio > 0.4 else 2 if ratio > 0.15 else 1 if ratio > 0.05 else 0
            for k in range(counts[row]):
                if n < len(out):
                    root = 0.5 * (reach - s) * units[row, k] + 0.5 * (reach + s)
                    age = root * root
                    w = (now - age - begin) / (past[i + 1, 0] - begin)
                    out[n, 0] = age
                    out[n, 1] = past[i, 1] + w * (past[i + 1, 1] - past[i, 1])
                    out[n, 2] = past[i, 2] + w * (past[i + 1, 2] - past[i, 2])
                    # dtau/sqrt(4 pi tau) = ds/sqrt(pi)
                    out[n, 3] = q * (reach - s) * gauss[row, k] / (math.pi * math.sqrt(math.pi))
                    out[n, 4] = past[i, 4]
                    out[n, 5] = i
                    out[n, 6] = w
                n += 1
            s = reach
    return n


def nodes(past: np.ndarray, now: float) -> np.ndarray:
    """Quadrature nodes (age, x, y, weight, depth) of a path of rows (t, x, y, q, depth) that ends at `now` or later;
    weight has q. A path without depths lies in the surface.

    In s = sqrt(age) the integrand is smooth; recent stretches get more nodes. A path has so many at most, wherever its
    sender says that the beam was: behind one faster than any that melts they lie further apart than heat is wide.
    """
    return placed(past, now)[:, :5]


def placed(past: np.ndarray, now: float) -> np.ndarray:
    """`nodes`, and where each lies on the path: the row that it belongs to, and which part of the way to the next."""
    if not np.isfinite(past).all():
        raise ValueError("path must be finite")
    past = np.ascontiguousarray(past, dtype=np.float64)
    if past.shape[1] == 4:
        past = np.column_stack([past, np.zeros(len(past))])
    out = np.empty((1024, 7))
    count = _nodes(past, float(now), _COUNTS, _UNITS, _GAUSS, out)
    if count > len(out):
        out = np.empty((count, 7))
        _nodes(past, float(now), _COUNTS, _UNITS, _GAUSS, out)
    return out[:count]


def field(sources: Tensor, x: Tensor, y: Tensor, z: Tensor, sigma: float = SIGMA) -> Tensor:
    """theta on a tensor grid. sources: (..., source, 5) rows (age, x, y, weight, depth) in the grid's frame; result
    (..., x, y, z)."""
    age, sx, sy, weight, depth = sources.unbind(-1)
    spread = 4 * age + 2 * sigma**2
    ex = torch.exp(-((x - sx[..., None]) ** 2) / spread[..., None]) * (weight / spread)[..., None]
    ey = torch.exp(-((y - sy[..., None]) ** 2) / spread[..., None])
    ez = _down(age[..., None], depth[..., None], z)
    across = (ey[..., :, None] * ez[..., None, :]).flatten(-2)  # one matrix product over sources, for every section
    return (ex.transpose(-1, -2) @ across).unflatten(-1, (len(y), len(z)))


def _down(age: Tensor, depth: Tensor, z: Tensor) -> Tensor:
    """Z above: exact while the triangle is wide beside the spread of heat, by its second moment afterwards."""
    s = torch.sqrt(4 * age + 1e-12)
    late = torch.exp(-(z**2) / (s**2 + depth**2 / 3)) * (s / torch.sqrt(s**2 + depth**2 / 3))

    def twice_integrated(u: Tensor) -> Tensor:
        return 0.5 * s * (math.sqrt(math.pi) * u * torch.erf(u / s) + s * torch.exp(-((u / s) ** 2)))

    safe = torch.clamp(depth, min=1e-3)
    early = (twice_integrated(z + safe) - 2 * twice_integrated(z) + twice_integrated(z - safe)) / safe**2
    return torch.where(s > 6 * depth, late, early)


def straight(q: float, peclet: float, grid: WindowGrid, depth: float = 0.0, sigma: float = SIGMA) -> np.ndarray:
    """The response around a beam that has moved along +x for as long as the window can tell, within a thousandth."""
    oldest = (grid.behind + 8.0) / peclet + 40.0 / peclet**2 + 4.0
    sources = nodes(np.array([[-oldest, -peclet * oldest, 0.0, q, depth], [0.0, 0.0, 0.0, q, depth]]), 0.0)
    x, y, z = (torch.from_numpy(a) for a in (grid.x, grid.y, grid.z))
    return np.asarray(field(torch.from_numpy(sources), x, y, z, sigma).numpy())


def turned(sources: np.ndarray, x: float, y: float, heading: float) -> np.ndarray:
    """The sources seen from a window whose beam is at (x, y) and whose x axis points along `heading` (rad)."""
    c, s = math.cos(heading), math.sin(heading)
    dx, dy = sources[:, 1] - x, sources[:, 2] - y
    return np.stack([sources[:, 0], c * dx + s * dy, -s * dx + c * dy, sources[:, 3], sources[:, 4]], axis=1)
