"""LRSA: low-rank spatial attention (arXiv 2604.03582, ICML 2026): space is looked at through a small set of latents.

    down: latents look at points;  among: latents look at each other;  up: points look at latents

Cost is linear in the points. All from standard primitives, with norms on queries and keys, so that float16 and
bfloat16 train. Points of a structured grid may exchange with their neighbours through a convolution in the point-wise
half of a block. What a block does in space is the product of its three attention matrices, of rank at most M, and can
be read (`Block.factors`). It cannot represent a kernel whose singular values do not fall: a shift (see the transport
suite).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.attention import CONVOLUTIONS, Attention, FeedForward, Place, log_volume
from operators.nets.norm import RmsNorm
from operators.nets.patches import Patches
from operators.problem import Geometry


class Block(nn.Module):
    """Down, feed-forward, attention among latents, feed-forward, up, then the point-wise half."""

    def __init__(
        self, width: int, heads: int, latents: int, shape: tuple[int, ...] | None = None, periodic: bool = False
    ) -> None:
        super().__init__()
        self.shape = shape
        self.latent = nn.Parameter(0.5 * torch.randn(latents, width))
        self.norm, self.latent_norm, self.among_norm = RmsNorm(width), RmsNorm(width), RmsNorm(width)
        self.down, self.among, self.up = (Attention(width, heads) for _ in range(3))
        self.first, self.second, self.feed = FeedForward(width), FeedForward(width), FeedForward(width)
        self.near = None
        if shape is not None:
            mode = "circular" if periodic else "replicate"
            self.near = CONVOLUTIONS[len(shape)](width, width, 3, padding=1, padding_mode=mode)

    def forward(
        self, x: Float[Tensor, "b point width"], log_volume: Tensor | None = None
    ) -> Float[Tensor, "b point width"]:
        y = self.norm(x)
        latent = self._latents(y, log_volume)
        x = x + self.up(y, self.latent_norm(latent))
        if self.near is not None:
            b, _, width = x.shape
            grid = x.transpose(1, 2).reshape(b, width, *self.shape)
            x = x + nn.functional.gelu(self.near(grid).flatten(2).transpose(1, 2))
        return x + self.feed(x)

    def factors(
        self, x: Float[Tensor, "b point width"], log_volume: Tensor | None = None
    ) -> tuple[Float[Tensor, "b point m"], Float[Tensor, "b m m"], Float[Tensor, "b m point"]]:
        """Up, among (with what a latent keeps of itself) and down, averaged over heads: the kernel is their product."""
        y = self.norm(x)
        latent = self.latent.expand(x.shape[0], -1, -1)
        down = self.down.weights(self.latent_norm(latent), y, log_volume).mean(1)
        seen = latent + self.down(self.latent_norm(latent), y, log_volume)
        seen = seen + self.first(seen)
        normed = self.among_norm(seen)
        among = self.among.weights(normed, normed).mean(1) + torch.eye(down.shape[1], device=x.device)
        return self.up.weights(y, self.latent_norm(self._latents(y, log_volume))).mean(1), among, down

    def _latents(self, y: Tensor, log_volume: Tensor | None) -> Tensor:
        latent = self.latent.expand(y.shape[0], -1, -1).to(y.dtype)
        latent = latent + self.down(self.latent_norm(latent), y, log_volume)
        latent = latent + self.first(latent)
        normed = self.among_norm(latent)
        latent = latent + self.among(normed, normed)
        return latent + self.second(latent)


class Lrsa(nn.Module):
    """Fields on points to fields on points: lift, blocks, project. `where` tells each sample's points. On a grid a
    token may be a `patch` of cells instead of a point: as fine, at the cost of the patches."""

    def __init__(
        self, geometry: Geometry, inputs: int, outputs: int, width: int = 64, heads: int = 4, latents: int = 64,
        layers: int = 4, patch: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.patches, cells = None, 1
        if patch > 1:
            self.patches = Patches(geometry, patch)
            geometry, cells = self.patches.geometry(geometry), self.patches.cells
        self.outputs = outputs
        self.register_buffer("log_volume", log_volume(geometry), persistent=False)
        self.lift = nn.Linear(cells * inputs, width)
        self.place = Place(geometry.points.shape[1], width)
        self.blocks = nn.ModuleList(
            Block(width, heads, latents, geometry.shape, geometry.periodic) for _ in range(layers)
        )
        self.norm, self.project = RmsNorm(width), nn.Linear(width, cells * outputs)

    def forward(
        self, x: Float[Tensor, "b point inputs"], where: Float[Tensor, "b point dim"]
    ) -> Float[Tensor, "b point outputs"]:
        if self.patches is not None:
            where = self.patches.grouped(where).unflatten(2, (self.patches.cells, -1)).mean(2)
            x = self.patches.grouped(x)
        y = self.lift(x) + self.place(where)
        for block in self.blocks:
            y = block(y, self.log_volume)
        found = self.project(self.norm(y))
        return found if self.patches is None else self.patches.points(found, self.outputs)
