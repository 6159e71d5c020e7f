"""Walks: paths of a few even steps, for tests of what keeps or reads them."""

import numpy as np


def stretch(t: float, x: float, y: float, dx: float, dy: float, q: float, span: float = 0.05) -> np.ndarray:
    depth = 0.2 if q < 10 else 0.9
    return np.array([[t, x, y, q, depth], [t + span, x + dx, y + dy, q, depth]])


def walked(steps: list[tuple[float, float, float]], span: float = 0.05) -> list[np.ndarray]:
    """Stretches one after another from (dx, dy, q) of each."""
    out, x, y = [], 0.0, 0.0
    for n, (dx, dy, q) in enumerate(steps):
        out.append(stretch(n * span, x, y, dx, dy, q, span))
        x, y = x + dx, y + dy
    return out
