"""Transformer: points (or patches of a large grid) are tokens that attend to all (arXiv 1706.03762, pre-norm)."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from operators.problem import Geometry
from tests.validation.baselines.places import Places

LAYERS = 4
MOST_TOKENS = 1024


def heads_of(width: int, size: int = 16) -> int:
    """The most heads of at least `size` features that divide the width."""
    return max(h for h in range(1, max(width // size, 1) + 1) if width % h == 0)


class Layer(nn.Module):
    """Attention, then an MLP, each on a normalised input and added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = heads_of(width)
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Float[Tensor, "b token width"]) -> Float[Tensor, "b token width"]:
        q, k, v = rearrange(self.qkv(self.norm(x)), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        x = x + self.out(rearrange(scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))
        return x + self.mlp(self.norm_mlp(x))


def patch_of(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Sides of a patch so that no more than `most` cover the grid: the axis with most patches grows first."""
    patch = [1] * len(shape)
    counts = list(shape)
    while torch.Size(counts).numel() > most:
        axis = counts.index(max(counts))
        patch[axis] += 1
        counts[axis] = -(-shape[axis] // patch[axis])
    return tuple(patch)


def cut(grid: Tensor, patch: tuple[int, ...]) -> Tensor:
    """A grid of numbers as (token, place in its patch)."""
    for axis, side in reversed(list(enumerate(patch))):
        grid = grid.unflatten(axis, (-1, side))
    dim = len(patch)
    return grid.permute(*range(0, 2 * dim, 2), *range(1, 2 * dim, 2)).reshape(-1, torch.Size(patch).numel())


class Transformer(nn.Module):
    """Full attention among points; a cloud's order does not matter. A grid of more than 1,024 points is cut into
    patches (padded by replication where they do not fit), a token each: what its points hold and where they are."""

    def __init__(self, geometry: Geometry, inputs: int, outputs: int, width: int, most: int = MOST_TOKENS) -> None:
        super().__init__()
        self.places = Places(geometry)
        patch = () if geometry.shape is None else patch_of(geometry.shape, most)
        each = torch.Size(patch).numel()
        self.patched = each > 1
        if self.patched:
            self._tables(geometry.shape, patch)
        self.embed = nn.Linear((inputs + self.places.size) * each, width)
        self.layers = nn.Sequential(*(Layer(width) for _ in range(LAYERS)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs * each))

    def _tables(self, shape: tuple[int, ...], patch: tuple[int, ...]) -> None:
        """Which points each token holds, and where in the tokens each point is."""
        padded = [n + -n % side for n, side in zip(shape, patch, strict=True)]
        points = torch.arange(torch.Size(shape).numel()).reshape(shape)
        for axis, n in enumerate(padded):
            points = points.index_select(axis, torch.arange(n).clamp(max=shape[axis] - 1))
        found = cut(torch.arange(torch.Size(padded).numel()).reshape(padded), patch).flatten().argsort().reshape(padded)
        for axis, n in enumerate(shape):
            found = found.narrow(axis, 0, n)
        self.register_buffer("held", cut(points, patch), persistent=False)  # (token, place in patch)
        self.register_buffer("found", found.flatten(), persistent=False)  # (point)

    def forward(
        self, given: Float[Tensor, "b point inputs"], where: Float[Tensor, "b point dim"]
    ) -> Float[Tensor, "b point outputs"]:
        x = torch.cat([given, self.places(where)], -1)
        if not self.patched:
            return self.head(self.layers(self.embed(x)))
        tokens = self.head(self.layers(self.embed(x[:, self.held].flatten(2))))
        return rearrange(tokens, "b token (place c) -> b (token place) c", place=self.held.shape[1])[:, self.found]
