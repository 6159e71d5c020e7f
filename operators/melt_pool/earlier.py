"""Earlier: how warm what a path heated some while ago keeps the place of the beam: by linear response, in few numbers.

An operator knows the heat of vectors as long as those that it learned from, and cannot tell that others are longer
(docs/LOG.md, 2026-11-23). The numbers are theta at the surface under the beam, of what the beam left between so many
and twice as many diameters of nominal travel ago, so that a path unlike those that were checked can be told from them.
"""

import numpy as np

from operators.melt_pool.forcing import NARROWED

AGES = (8.0, 16.0, 32.0, 64.0, 128.0)  # d of travel at the nominal scan speed: from each to the next
EARLIER = ("heat of 8 d", "heat of 16 d", "heat of 32 d", "heat of 64 d", "heat of 128 d and more")


def earlier(sources: np.ndarray, peclet: float) -> np.ndarray:
    """EARLIER of sources (age, x, y, weight, depth) as seen from the window (`forcing.sources`). A source that falls
    to nothing at its depth is taken by its second moment: it is old."""
    age, x, y, weight, depth = sources.T
    spread = 4 * age + 2 * NARROWED**2
    theta = weight * np.exp(-(x**2 + y**2) / spread) / spread
    theta = theta * np.sqrt(4 * age / np.maximum(4 * age + depth**2 / 3, 1e-12))
    rung = np.searchsorted(AGES, age * peclet, side="right")
    return np.bincount(rung, theta, minlength=len(AGES) + 1)[1:].astype(np.float32)
