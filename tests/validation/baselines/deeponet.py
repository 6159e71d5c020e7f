"""DeepOnet: a branch reads the whole input, a trunk the place, and their product is the output (arXiv 1910.03193)."""

from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import Geometry
from tests.validation.baselines.places import Places


def mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class DeepOnet(nn.Module):
    """The branch's input is the geometry's points in their order, so it must be the same in every sample; where samples
    bring their own cloud, the branch does not know where its readings are. Each output has its scale and offset."""

    def __init__(self, geometry: Geometry, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.places = Places(geometry)
        self.branch = mlp(len(geometry.points) * inputs, width, width, width, outputs * width)
        self.trunk = mlp(self.places.size, width, width, width, outputs * width)
        self.scale = nn.Parameter(torch.full((outputs,), width**-0.5))
        self.offset = nn.Parameter(torch.zeros(outputs))

    def forward(
        self, given: Float[Tensor, "b point inputs"], where: Float[Tensor, "b point dim"]
    ) -> Float[Tensor, "b point outputs"]:
        branch = rearrange(self.branch(given.flatten(1)), "b (out basis) -> b out basis", out=self.outputs)
        trunk = rearrange(self.trunk(self.places(where)), "b point (out basis) -> b point out basis", out=self.outputs)
        return torch.einsum("bok,bpok->bpo", branch, trunk) * self.scale + self.offset
