"""What a trajectory is drawn from: coefficients, smooth random fields, steps. Fields are means on FINEST cells, to be
averaged to any grid.

A smooth field is Gaussian, periodic, of covariance exp(-(1 - cos 2 pi r)): variance 1, a correlation of e^-2 across the
line. Steps jump at faces of 100 cells, each piece of its own height.
Source: arXiv 2605.05488 and its repository (which also allows a single piece, a constant state: not here).
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

FINEST = 1600
FACES = 100
MODES = 12
PIECES = (2, 5)
COVARIANCE = np.exp(np.cos(2 * np.pi * np.arange(64) / 64) - 1)


def uniform(random: np.random.Generator, count: int, *ranges: tuple[float, float]) -> list[Float[Tensor, " count"]]:
    return [torch.from_numpy(random.uniform(*each, count)) for each in ranges]


def smooth(random: np.random.Generator, count: int) -> Float[Tensor, "count 1 cell"]:
    return gaussian(random, count, waves(COVARIANCE, MODES, FINEST))


def gaussian(
    random: np.random.Generator, count: int, waves: Float[Tensor, "2 wave cell"]
) -> Float[Tensor, "count 1 cell"]:
    """A field of waves, each times a normal number."""
    a, b = torch.from_numpy(random.standard_normal((2, count, waves.shape[1])))
    return (a @ waves[0] + b @ waves[1])[:, None]


def waves(covariance: np.ndarray, modes: int, cells: int) -> Float[Tensor, "2 wave cell"]:
    """Cosines and sines across the line, as large as this covariance, told at distances k / n, k = 0 to n - 1, wants
    them."""
    wave, n = np.arange(modes + 1), len(covariance)
    spread = np.sqrt(np.fft.rfft(covariance).real[: modes + 1].clip(0) / n * np.where(wave > 0, 2, 1))
    angle = 2 * np.pi * wave[:, None] * (np.arange(cells) + 0.5) / cells
    return torch.from_numpy(spread[:, None] * np.stack([np.cos(angle), np.sin(angle)]))


def steps(
    random: np.random.Generator, count: int, low: float = -1.0, high: float = 1.0
) -> Float[Tensor, "count 1 cell"]:
    """2 to 5 pieces of heights uniform in [low, high]."""
    fields = np.empty((count, FACES))
    for field in fields:
        pieces = random.integers(*PIECES, endpoint=True)
        jumps = np.sort(random.choice(FACES, pieces, replace=False))
        heights = random.uniform(low, high, pieces)
        field[:] = heights[np.searchsorted(jumps, np.arange(FACES), side="right") % pieces]
    return torch.from_numpy(fields).repeat_interleave(FINEST // FACES, -1)[:, None]
