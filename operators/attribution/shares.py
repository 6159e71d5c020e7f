"""Shares: what each moment has contributed to the difference between a path and a baseline, by integrated gradients.

    share_i = (p_i - b_i) int_0^1 dY/dp_i (b + s (p - b)) ds,    sum share_i = Y(p) - Y(b)

(Sundararajan, Taly and Yan, arXiv 1703.01365), the integral by Gauss-Legendre. What does not add up is `defect`: of the
difference, or of a hundredth of Y where that is more.
"""

from dataclasses import dataclass

import numpy as np

from operators.attribution.gradients import Gradient, Gradients, Scalar
from operators.attribution.moments import Moments

POINTS = (3, 8, 64)  # of the integral: more where fewer do not do, as between vectors of a hatch
GOOD = 0.03  # defect: above it more points are taken
MOST = 64_000  # moments at all points together: some seconds on two cores


@dataclass(frozen=True)
class Shares:
    """parts (m, 4): of PARAMETERS of each moment; `at`: the gradient on the path itself."""

    value: float
    baseline: float
    parts: np.ndarray
    at: Gradient
    points: int

    @property
    def difference(self) -> float:
        return self.value - self.baseline

    @property
    def defect(self) -> float:
        """What the parts miss of the difference."""
        return float(abs(self.parts.sum() - self.difference) / max(abs(self.difference), 0.01 * abs(self.value), 1e-9))


def between(
    gradients: Gradients, path: Moments, baseline: np.ndarray, scalar: Scalar, points: int | None = None
) -> Shares:
    """From a baseline (values of the same moments) to a path."""
    step = path.values - baseline
    if np.allclose(path.values, baseline, rtol=1e-9, atol=1e-9):
        (at,) = gradients([path], scalar)
        return Shares(at.value, at.value, np.zeros_like(step), at, 0)
    may = [n for n in POINTS if n * len(path.values) <= MOST] or [POINTS[0]]
    for count in may if points is None else [points]:
        found = _between(gradients, path, baseline, step, scalar, count)
        if found.defect <= GOOD:
            break
    return found


def _between(
    gradients: Gradients, path: Moments, baseline: np.ndarray, step: np.ndarray, scalar: Scalar, points: int
) -> Shares:
    places, weights = np.polynomial.legendre.leggauss(points)
    along = [path.put(baseline + 0.5 * (1 + place) * step) for place in places]
    *inner, at = gradients([*along, path], scalar)
    (start,) = gradients.values([path.put(baseline)], scalar)
    mean = sum(0.5 * weight * each.by_moment for weight, each in zip(weights, inner, strict=True))
    return Shares(at.value, start, mean * step, at, points)
