"""Linear response: the temperature that constant properties would give, as a sum of Green's functions over the past path.

    theta(r) = q int dtau 2/(pi (4 tau + 2 sigma^2) sqrt(4 pi tau)) exp(-rho^2/(4 tau + 2 sigma^2) - z^2/(4 tau))

with sigma = 1/4 (D4-sigma = 1), lengths in d and times in d^2/alpha; rho is the distance in the plane to where the beam was tau
ago (Eagar and Tsai 1983, doi not needed for the form; Carslaw and Jaeger 10.4). Each source is separable in x, y and z, so a
field on a tensor grid is one contraction over sources. It follows turns, steps of power, laser-off and the heat of earlier
tracks exactly, which is why the operators take it as their forcing.
"""

import math

import numpy as np
import torch
from torch import Tensor

SIGMA = 0.25
_GAUSS = {n: np.polynomial.legendre.leggauss(n) for n in (1, 2, 3, 6, 12)}


def nodes(past: np.ndarray, now: float) -> np.ndarray:
    """Quadrature nodes (age, x, y, weight) of a path of rows (t, x, y, q) that ends at `now` or later; weight carries q.

    In s = sqrt(age) the integrand is smooth; recent stretches get more nodes.
    """
    t = past[:, 0]
    if not np.isfinite(past).all():
        raise ValueError("path must be finite")
    out = []
    for i in range(len(t) - 1):
        q = past[i, 3]
        begin, end = t[i], min(t[i + 1], now)
        if q <= 0 or end <= begin:
            continue
        oldest, newest = math.sqrt(now - begin), math.sqrt(max(now - end, 0.0))
        travelled = math.hypot(past[i + 1, 1] - past[i, 1], past[i + 1, 2] - past[i, 2])
        age = now - end
        spread = math.sqrt(4 * max(age, 1e-12) + 2 * SIGMA**2)
        ratio = max(travelled / spread, (oldest - newest) / (newest + 0.25))
        pieces = max(1, math.ceil(ratio / 4))
        count = 12 if ratio > 1.2 else 6 if ratio > 0.5 else 3 if ratio > 0.2 else 2 if ratio > 0.08 else 1
        edges = np.linspace(newest, oldest, pieces + 1)
        unit, gauss = _GAUSS[count]
        for a, b in zip(edges[:-1], edges[1:], strict=True):
            s = 0.5 * (b - a) * unit + 0.5 * (a + b)
            ages = s * s
            w = (now - ages - t[i]) / (t[i + 1] - t[i])
            x = past[i, 1] + w * (past[i + 1, 1] - past[i, 1])
            y = past[i, 2] + w * (past[i + 1, 2] - past[i, 2])
            # dtau/sqrt(4 pi tau) = ds/sqrt(pi)
            out.append(np.stack([ages, x, y, q * 0.5 * (b - a) * gauss * 2.0 / (math.pi * math.sqrt(math.pi))], axis=1))
    return np.concatenate(out) if out else np.zeros((0, 4))


def field(sources: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """theta on a tensor grid. sources: (..., source, 4) rows (age, x, y, weight) in the grid's frame; result (..., x, y, z)."""
    age, sx, sy, weight = sources.unbind(-1)
    spread = 4 * age + 2 * SIGMA**2
    ex = torch.exp(-((x - sx[..., None]) ** 2) / spread[..., None]) * (weight / spread)[..., None]
    ey = torch.exp(-((y - sy[..., None]) ** 2) / spread[..., None])
    ez = torch.exp(-(z**2) / (4 * age[..., None] + 1e-12))
    return torch.einsum("...sx,...sy,...sz->...xyz", ex, ey, ez)


def turned(sources: np.ndarray, x: float, y: float, heading: float) -> np.ndarray:
    """The sources seen from a window whose beam is at (x, y) and whose x axis points along `heading` (rad)."""
    c, s = math.cos(heading), math.sin(heading)
    dx, dy = sources[:, 1] - x, sources[:, 2] - y
    return np.stack([sources[:, 0], c * dx + s * dy, -s * dx + c * dy, sources[:, 3]], axis=1)
