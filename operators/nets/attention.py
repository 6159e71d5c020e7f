"""Attention from standard primitives: scaled dot products, RMS norms on queries and keys, a gated feed-forward.

Scores take the logarithm of the quadrature weights where the keys are points, so that a sum over points is an
integral and does not change with the resolution. Queries and keys are normalised per head, which keeps half precision
stable (LRSA, arXiv 2604.03582).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from operators.nets.norm import RmsNorm
from operators.problem import Geometry

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
FREQUENCIES = 6  # octaves of a coordinate's sines and cosines


def log_volume(geometry: Geometry) -> Float[Tensor, "1 point"] | None:
    """What scores over these points take; None where all weigh the same, which a softmax does not notice."""
    volume = geometry.volume.float()
    return None if torch.allclose(volume, volume.mean(), rtol=1e-4) else volume.log()[None]


class Attention(nn.Module):
    """Queries of one set look at another. width = heads x size of a head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of heads {heads}")
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.query_norm, self.key_norm = RmsNorm(width // heads), RmsNorm(width // heads)

    def forward(
        self, x: Float[Tensor, "b q width"], other: Float[Tensor, "b k width"], log_weight: Tensor | None = None
    ) -> Float[Tensor, "b q width"]:
        """log_weight: of the keys, broadcast to (b, heads, q, k); None where they are alike."""
        seen = self.carry(x, other, self._split(self.value(other)), log_weight)
        return self.out(seen.transpose(1, 2).flatten(2))

    def carry(
        self, x: Tensor, other: Tensor, value: Float[Tensor, "b heads k size"], log_weight: Tensor | None = None
    ) -> Float[Tensor, "b heads q size"]:
        """These values, looked at with these weights (`weights`), without forming them."""
        query, key = self.scores(x, other)
        mask = None if log_weight is None else log_weight.to(query.dtype)
        size, wide = value.shape[-1], query.shape[-1]
        if size < wide:  # the fast kernels want values as wide as keys
            value = functional.pad(value, (0, wide - size))
        seen = functional.scaled_dot_product_attention(query, key, value.to(query.dtype), attn_mask=mask)
        return seen[..., :size]

    def scores(self, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised queries and keys, (b, heads, q or k, size)."""
        value = self.value.weight.dtype
        query = self._split(self.query(x), self.query_norm).to(x.dtype if x.dtype != value else value)
        return query, self._split(self.key(other), self.key_norm).to(query.dtype)

    def weights(self, x: Tensor, other: Tensor, log_weight: Tensor | None = None) -> Float[Tensor, "b heads q k"]:
        """Who looks at whom: rows sum to 1."""
        query, key = self.scores(x, other)
        logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        return torch.softmax(logits if log_weight is None else logits + log_weight, dim=-1)

    def _split(self, x: Tensor, norm: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        """(b, n, width) -> (b, heads, n, size); normed while it lies in one piece, which is faster."""
        return norm(x.unflatten(-1, (self.heads, -1))).transpose(1, 2)


class FeedForward(nn.Module):
    """Norm, widen, GELU, narrow."""

    def __init__(self, width: int, ratio: int = 2) -> None:
        super().__init__()
        self.norm = RmsNorm(width)
        self.up, self.down = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, x: Float[Tensor, "*b width"]) -> Float[Tensor, "*b width"]:
        return self.down(functional.gelu(self.up(self.norm(x))))


class Layer(nn.Module):
    """A Transformer layer among one set, norm first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention, self.feed = RmsNorm(width), Attention(width, heads), FeedForward(width)

    def forward(self, x: Float[Tensor, "b n width"], log_weight: Tensor | None = None) -> Float[Tensor, "b n width"]:
        y = self.norm(x)
        x = x + self.attention(y, y, log_weight)
        return x + self.feed(x)


class Place(nn.Module):
    """Coordinates as sines and cosines of rising octaves, through a small net: it knows no resolution."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.register_buffer("octaves", torch.pi * 2.0 ** torch.arange(FREQUENCIES), persistent=False)
        self.net = nn.Sequential(nn.Linear(dim * (1 + 2 * FREQUENCIES), width), nn.GELU(), nn.Linear(width, width))

    def forward(self, points: Float[Tensor, "*b n dim"]) -> Float[Tensor, "*b n width"]:
        angles = (points[..., None] * self.octaves).flatten(-2)
        return self.net(torch.cat([points, angles.sin(), angles.cos()], -1))
