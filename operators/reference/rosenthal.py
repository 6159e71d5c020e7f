"""Rosenthal's moving point source with constant properties: the oldest melt-pool formula, kept as a row of the tables.

    theta = q/(2 pi R) exp(-Pe (R + x)/2),   R^2 = x^2 + y^2 + z^2,

x along the motion from the source, lengths in d (D. Rosenthal, Trans. ASME 68 (1946) 849). It has no spot: width is
twice the depth always, and the temperature at the source is infinite.
"""

import numpy as np

from operators.window import WindowGrid

NEAREST = 1e-3  # d: the field is cut off here, so that it stays finite


def steady(q: float, peclet: float, grid: WindowGrid) -> np.ndarray:
    """theta on the window of a point source of strength q that has always moved along +x at Peclet number v d/alpha."""
    if not (np.isfinite(q) and np.isfinite(peclet) and q >= 0 and peclet > 0):
        raise ValueError(f"q must be at least 0 and peclet positive, got {q}, {peclet}")
    x, y, z = grid.points
    r = np.maximum(np.sqrt(x**2 + y**2 + z**2), NEAREST)
    return np.asarray(q / (2 * np.pi * r) * np.exp(-0.5 * peclet * (r + x)))
