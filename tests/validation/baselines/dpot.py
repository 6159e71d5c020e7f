"""Dpot: patches of all past frames, mixed in Fourier space (Hao et al., arXiv 2403.03542), in a small form."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import March
from tests.validation.baselines.patches import Patches

LAYERS = 4
BLOCKS = 4  # of the block-diagonal weights in Fourier space


class Mixer(nn.Module):
    """z -> z + F^-1 MLP(F z), two complex layers, the same at every wave, in blocks of channels; then an MLP."""

    def __init__(self, width: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, size = shape, width // BLOCKS
        self.norm, self.norm_mlp = nn.GroupNorm(1, width), nn.GroupNorm(1, width)
        scale = 1 / math.sqrt(2 * size)
        self.first, self.second = (nn.Parameter(scale * torch.randn(2, BLOCKS, size, size)) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(2, 2, BLOCKS, size))
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, z: Float[Tensor, "b patch width"]) -> Float[Tensor, "b patch width"]:
        axes = tuple(range(1, 1 + len(self.shape)))
        grid = self.norm(z.mT).mT.unflatten(1, self.shape)
        waves = torch.fft.rfftn(grid, dim=axes, norm="ortho").unflatten(-1, (BLOCKS, -1))
        real, turned = self._layer(waves.real, waves.imag, self.first, self.bias[0])
        real, turned = nn.functional.gelu(real), nn.functional.gelu(turned)
        real, turned = self._layer(real, turned, self.second, self.bias[1])
        mixed = torch.fft.irfftn(torch.complex(real, turned).flatten(-2), s=self.shape, dim=axes, norm="ortho")
        z = z + mixed.flatten(1, len(self.shape))
        return z + self.mlp(self.norm_mlp(z.mT).mT)

    @staticmethod
    def _layer(real: Tensor, turned: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        def times(x: Tensor, w: Tensor) -> Tensor:
            return torch.einsum("...ki,kio->...ko", x, w)

        a, b = weight
        return times(real, a) - times(turned, b) + bias[0], times(turned, a) + times(real, b) + bias[1]


class Dpot(nn.Module):
    """One step from the lags: each frame's patches, gathered over time by learned weights of rising frequency
    (its temporal aggregation), mixers, and patches back. It gives the increment."""

    def __init__(self, problem: March, width: int) -> None:
        super().__init__()
        if width % BLOCKS:
            raise ValueError(f"a width of {width} does not divide into {BLOCKS} blocks")
        self.patches = Patches(problem, width)
        self.over_time = nn.Parameter(torch.randn(problem.lags, width, width) / (width * problem.lags) ** 0.5)
        self.frequency = nn.Parameter(torch.logspace(0, -2, width))
        self.layers = nn.Sequential(*(Mixer(width, self.patches.coarse) for _ in range(LAYERS)))

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b 1 point c"]:  # fmt: skip
        tokens = self.patches.cut(lags, forcing, static)  # (b, n, patch, width)
        ages = torch.arange(lags.shape[1] - 1, -1, -1, device=lags.device)
        waves = torch.cos(ages[:, None] * self.frequency)
        gathered = (tokens * waves[:, None]).transpose(1, 2).flatten(2) @ self.over_time.flatten(0, 1)
        return lags[:, -1:] + self.patches.joined(self.layers(gathered))[:, None]
