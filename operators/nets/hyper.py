"""Hyper: a code to the weights of a small net, one for each sample, and the net itself, for all samples at once.

The generated weights start as those of one ordinary net, in the bias of the head (bias-hyperinit: Beck et al., arXiv
2210.11348), and the code moves them from there.
"""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

Layers = list[tuple[Float[Tensor, "b _ _"], Float[Tensor, "b 1 _"]]]
MOVED = 0.1  # how far a code moves the weights at the start, of their own size


class Hyper(nn.Module):
    """Weights of a net of these sizes, from its inputs to its outputs."""

    def __init__(self, code: int, sizes: tuple[int, ...], trunk: int = 64) -> None:
        super().__init__()
        self.sizes = list(pairwise(sizes))
        self.trunk = nn.Sequential(nn.Linear(code, trunk), nn.GELU(), nn.Linear(trunk, trunk), nn.GELU())
        self.heads = nn.ModuleList(nn.Linear(trunk, (into + 1) * out) for into, out in self.sizes)
        for head, (into, out) in zip(self.heads, self.sizes, strict=True):
            own = torch.randn(into, out) / math.sqrt(into)
            with torch.no_grad():
                head.bias.copy_(torch.cat([own.flatten(), torch.zeros(out)]))
                head.weight.normal_(0, MOVED / math.sqrt(into * trunk))

    def forward(self, code: Float[Tensor, "b code"]) -> Layers:
        seen = self.trunk(code)
        layers = []
        for head, (into, out) in zip(self.heads, self.sizes, strict=True):
            weight, bias = head(seen).split((into * out, out), 1)
            layers.append((weight.view(-1, into, out), bias[:, None]))
        return layers


def applied(layers: Layers, x: Float[Tensor, "b n into"]) -> Float[Tensor, "b n out"]:
    """Each sample's own net on its points: GELU between layers."""
    for k, (weight, bias) in enumerate(layers):
        x = torch.baddbmm(bias, x if k == 0 else nn.functional.gelu(x), weight)
    return x


def applied_with_slopes(
    layers: Layers, x: Float[Tensor, "b n into"]
) -> tuple[Float[Tensor, "b n out"], Float[Tensor, "b n out into"]]:
    """The same with tanh between layers, and the Jacobian at each point."""
    (first, bias), *rest = layers
    into, x = first.shape[1], torch.baddbmm(bias, x, first)
    slopes = first[:, None].expand(-1, x.shape[1], -1, -1)  # (b, n, into, out of the layer)
    for weight, bias in rest:
        x = torch.tanh(x)
        slopes = ((slopes * (1 - x * x)[:, :, None]).flatten(1, 2) @ weight).unflatten(1, (-1, into))
        x = torch.baddbmm(bias, x, weight)
    return x, slopes.mT
