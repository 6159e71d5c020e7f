"""Unet: convolutions at three resolutions with paths across (arXiv 1505.04597, as operator baselines build it)."""

import math
from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from operators.problem import Geometry
from tests.validation.baselines.places import Places

CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SMALLEST = 8  # an axis with fewer points is not halved


class Pair(nn.Sequential):
    """Twice convolution, normalisation, GELU."""

    def __init__(self, dim: int, inputs: int, outputs: int, padding: str) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [
                CONVOLUTION[dim](channels, outputs, 3, padding=1, padding_mode=padding),
                nn.GroupNorm(math.gcd(8, outputs), outputs),
                nn.GELU(),
            ]
        super().__init__(*layers)


class Unet(nn.Module):
    """Each axis is halved as often as its size allows, at most `levels - 1` times; a size that does not halve is padded
    at its end (circular on a periodic grid, else replicated) and cropped after. On a periodic grid whose sizes halve it
    commutes with shifts by `stride` points. Coordinates are given to it where the grid is not periodic."""

    def __init__(self, geometry: Geometry, inputs: int, outputs: int, width: int, levels: int = 3) -> None:
        super().__init__()
        if geometry.shape is None:
            raise ValueError("a U-Net needs a grid: this geometry is a cloud without a shape")
        dim = len(geometry.shape)
        self.shape = geometry.shape
        self.padding = "circular" if geometry.periodic else "replicate"
        self.places = None if geometry.periodic else Places(geometry)
        sizes, self.factors = list(geometry.shape), []
        while len(self.factors) < levels - 1 and max(sizes) >= SMALLEST:
            self.factors.append(tuple(2 if n >= SMALLEST else 1 for n in sizes))
            sizes = [-(-n // f) for n, f in zip(sizes, self.factors[-1], strict=True)]
        self.stride = tuple(math.prod(f[axis] for f in self.factors) for axis in range(dim))
        widths = [width * 2**level for level in range(len(self.factors) + 1)]
        first = inputs + (0 if self.places is None else self.places.size)
        self.down = nn.ModuleList(Pair(dim, a, b, self.padding) for a, b in pairwise([first, *widths]))
        self.halve = nn.ModuleList(
            CONVOLUTION[dim](w, w, factor, stride=factor) for w, factor in zip(widths[:-1], self.factors, strict=True)
        )
        self.up = nn.ModuleList(Pair(dim, a + b, a, self.padding) for a, b in pairwise(widths))
        self.head = CONVOLUTION[dim](width, outputs, 1)

    def forward(
        self, given: Float[Tensor, "b point inputs"], where: Float[Tensor, "b point dim"]
    ) -> Float[Tensor, "b point outputs"]:
        if self.places is not None:
            given = torch.cat([given, self.places(where)], -1)
        x = rearrange(given, "b point c -> b c point").unflatten(-1, self.shape)
        over = [-n % s for n, s in zip(self.shape, self.stride, strict=True)]
        x = pad(x, [side for more in reversed(over) for side in (0, more)], mode=self.padding)
        kept = []
        for level, pair in enumerate(self.down):
            x = pair(x)
            if level < len(self.halve):
                kept.append(x)
                x = self.halve[level](x)
        for level in reversed(range(len(kept))):
            x = interpolate(x, size=kept[level].shape[2:], mode="nearest")
            x = self.up[level](torch.cat([kept[level], x], 1))
        x = self.head(x)
        for axis, n in enumerate(self.shape):
            x = x.narrow(2 + axis, 0, n)
        return rearrange(x, "b c ... -> b (...) c")
