"""Transolver: points are softly assigned to slices, slices attend to each other and give back (arXiv 2402.02366)."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from operators.problem import Geometry
from tests.validation.baselines.places import Places
from tests.validation.baselines.transformer import heads_of

LAYERS = 4
SLICES = 32


class Layer(nn.Module):
    """Physics attention (its equations 1 to 3): weights of M slices for each point and head by a softmax with a learned
    temperature, slice tokens as weighted means, attention among them, and back by the same weights; then an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = heads_of(width)
        size = width // self.heads
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.slices = nn.Linear(size, SLICES)
        nn.init.orthogonal_(self.slices.weight)  # slices that differ from the first step on
        self.temperature = nn.Parameter(torch.full((self.heads, 1, 1), 0.5))
        self.qkv, self.out = nn.Linear(size, 3 * size, bias=False), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Float[Tensor, "b point width"]) -> Float[Tensor, "b point width"]:
        x = x + self.attend(self.norm(x))
        return x + self.mlp(self.norm_mlp(x))

    def attend(self, x: Float[Tensor, "b point width"]) -> Float[Tensor, "b point width"]:
        key, value = (rearrange(a(x), "b n (h d) -> b h n d", h=self.heads) for a in (self.key, self.value))
        weights = torch.softmax(self.slices(key) / self.temperature.clamp(0.1, 5.0), -1)  # (b, h, point, slice)
        tokens = weights.mT @ value / (weights.sum(2)[..., None] + 1e-5)
        q, k, v = self.qkv(tokens).chunk(3, -1)
        return self.out(rearrange(weights @ scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))


class Transolver(nn.Module):
    """Linear in the number of points, whose order does not matter: clouds and grids alike."""

    def __init__(self, geometry: Geometry, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.places = Places(geometry)
        self.embed = nn.Sequential(
            nn.Linear(inputs + self.places.size, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.layers = nn.Sequential(*(Layer(width) for _ in range(LAYERS)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(
        self, given: Float[Tensor, "b point inputs"], where: Float[Tensor, "b point dim"]
    ) -> Float[Tensor, "b point outputs"]:
        return self.head(self.layers(self.embed(torch.cat([given, self.places(where)], -1))))
