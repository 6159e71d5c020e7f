"""Eagar and Tsai's moving Gaussian source with constant properties: the semi-analytic oracle of the reference solver.

T. W. Eagar and N.-S. Tsai, Welding Journal 62 (1983) 346s. Steady state, half space, no latent heat. Its peak
temperatures are not facts.
"""

import numpy as np
import torch

from operators import response
from operators.window import WindowGrid


def steady(q: float, peclet: float, grid: WindowGrid) -> np.ndarray:
    """theta on the window of a beam of strength q that has always moved along +x at Peclet number v d/alpha."""
    if not (np.isfinite(q) and np.isfinite(peclet) and q >= 0 and peclet > 0):
        raise ValueError(f"q must be at least 0 and peclet positive, got {q}, {peclet}")
    # ages spaced evenly in their root, each step a small part of the beam's or the heat's width
    oldest = (grid.behind + 8.0) / peclet + 40.0 / peclet**2 + 4.0
    edges = np.concatenate([np.linspace(0, 1, 400) ** 2 * oldest])
    path = np.stack([-edges[::-1], -peclet * edges[::-1], np.zeros_like(edges), np.full_like(edges, q)], axis=1)
    sources = torch.from_numpy(response.nodes(path, 0.0))
    x, y, z = (torch.from_numpy(a) for a in (grid.x, grid.y, grid.z))
    return response.field(sources, x, y, z).numpy()
