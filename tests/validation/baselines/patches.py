"""Patches: frames to tokens and back, as the in-context baselines share it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import March

SIDES = (4, 5, 3, 2, 1)  # of a patch, in the order in which they are tried
CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
BACK = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class Patches(nn.Module):
    """Each frame, with the forcing at its time and as planned next and what is static as channels, cut into patches."""

    def __init__(self, problem: March, width: int) -> None:
        super().__init__()
        shape, fit = problem.geometry.shape, problem.fit
        if shape is None:
            raise ValueError("patches want a grid: this geometry is a cloud without a shape")
        side = next(s for s in SIDES if not any(n % s for n in shape))
        self.shape, self.coarse = shape, tuple(n // side for n in shape)
        c, f, s = fit.state.shape[-1], fit.forcing.shape[-1], fit.static.shape[-1]
        self.into = CONVOLUTION[len(shape)](c + 2 * f + s, width, side, stride=side)
        self.out = BACK[len(shape)](width, c, side, stride=side)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.place = nn.Parameter(0.02 * torch.randn(math.prod(self.coarse), width))

    def cut(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b n patch width"]:  # fmt: skip
        b, n = lags.shape[:2]
        still = static[:, None].expand(-1, n, -1, -1)
        frames = torch.cat([lags, forcing[:, :n], forcing[:, 1 : n + 1], still], -1)
        tokens = self.into(frames.flatten(0, 1).mT.unflatten(2, self.shape)).flatten(2).mT
        return tokens.unflatten(0, (b, n)) + self.place

    def joined(self, tokens: Float[Tensor, "b patch width"]) -> Float[Tensor, "b point c"]:
        return self.out(tokens.mT.unflatten(2, self.coarse)).flatten(2).mT
