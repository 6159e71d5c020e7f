"""Spectral: every cell of a periodic grid by every other, through the lowest modes, in real arithmetic.

    (S u)(z) = int k(z - z') u(z') dz',     k of at most `modes` waves along each axis.

Along an axis a field is cosines and sines; a shift turns each pair, so what commutes with shifts is a + b J on it, J
the quarter turn (cos, sin) -> (-sin, cos). In d dimensions that is 2^d weights for each mode and pair of channels, as
many as the complex ones of a Fourier layer (Li et al., arXiv 2010.08895). Products of matrices alone: it exports.
"""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Spectral(nn.Module):
    """Channels to channels on a periodic grid of this shape."""

    def __init__(self, shape: tuple[int, ...], inputs: int, outputs: int, modes: int, scale: float = 0.1) -> None:
        super().__init__()
        self.dims = len(shape)
        self.turns = list(itertools.product((0, 1), repeat=self.dims))
        count = [min(modes, (n - 1) // 2) + 1 for n in shape]
        spread = scale / math.sqrt(inputs * len(self.turns))
        self.weight = nn.Parameter(spread * torch.randn(len(self.turns), outputs, inputs, *count))
        for axis, (n, m) in enumerate(zip(shape, count, strict=True)):
            self.register_buffer(f"waves_{axis}", waves(n, m), persistent=False)

    def forward(self, u: Float[Tensor, "b inputs *shape"]) -> Float[Tensor, "b outputs *shape"]:
        with torch.autocast(u.device.type, enabled=False):
            return self._through(u.to(self.weight.dtype)).to(u.dtype)

    def _through(self, u: Tensor) -> Tensor:
        for axis in range(self.dims):  # the axis that is next becomes the last two: mode, and cosine or sine
            u = torch.tensordot(u, self.get_buffer(f"waves_{axis}"), ([2], [2]))
        # (b, inputs, mode, 2, mode, 2, ...)
        letters = "xyz"[: self.dims]
        pairs = "".join(mode + part for mode, part in zip(letters, "uvw", strict=False))
        rule = f"oi{letters},bi{pairs}->bo{pairs}"
        out = sum(torch.einsum(rule, self.weight[k], _turned(u, turn)) for k, turn in enumerate(self.turns))
        for axis in range(self.dims):
            out = torch.tensordot(out, self.get_buffer(f"waves_{axis}"), ([2, 3], [0, 1]))
        return out


def waves(points: int, modes: int) -> Float[Tensor, "mode 2 point"]:
    """Orthonormal cosines and sines at cell centres, from the mean on; the mean's sine is nothing."""
    angle = 2 * math.pi * torch.outer(torch.arange(modes), torch.arange(points) + 0.5).double() / points
    both = torch.stack([angle.cos(), angle.sin()], 1) * math.sqrt(2 / points)
    both[0] /= math.sqrt(2)
    return both.float()


def _turned(u: Tensor, turn: tuple[int, ...]) -> Tensor:
    """A quarter turn of the pairs of each axis where `turn` says so."""
    for axis, yes in enumerate(turn):
        if yes:
            cosine, sine = u.unbind(3 + 2 * axis)
            u = torch.stack([-sine, cosine], 3 + 2 * axis)
    return u
