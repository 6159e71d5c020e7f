"""Places: coordinates as features."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import Geometry


class Places(nn.Module):
    """Coordinates from -1 to 1 over the geometry's extent, and their sines and cosines of pi, 2 pi, 4 pi. On a periodic
    grid of the unit cube only those of 2 pi, 4 pi, 8 pi, so that the features join where the grid does."""

    def __init__(self, geometry: Geometry, octaves: int = 3) -> None:
        super().__init__()
        low, high = geometry.points.amin(0), geometry.points.amax(0)
        if geometry.periodic:  # the unit cube, whole: the last point is not its end
            low, high = torch.zeros_like(low), torch.ones_like(high)
        span = torch.where(high > low, high - low, torch.ones_like(high))
        self.periodic = geometry.periodic
        self.register_buffer("middle", (low + high) / 2, persistent=False)
        self.register_buffer("reach", span / 2, persistent=False)
        self.register_buffer("waves", math.pi * 2.0 ** torch.arange(octaves), persistent=False)
        self.size = geometry.points.shape[1] * (2 * octaves + (0 if geometry.periodic else 1))

    def forward(self, where: Float[Tensor, "*b point dim"]) -> Float[Tensor, "*b point feature"]:
        scaled = (where - self.middle) / self.reach
        phase = (scaled[..., None] * self.waves).flatten(-2)
        features = [torch.sin(phase), torch.cos(phase)]
        return torch.cat(features if self.periodic else [scaled, *features], -1)
