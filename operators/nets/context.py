"""Context: past frames to one code, by a recurrent vision Transformer: attention in space, a gated recurrence in time.

Patches of each frame are tokens. In a block every patch remembers its own past by a real-gated linear recurrence

    h_t = a_t h_{t-1} + sqrt(1 - a_t^2) (i_t x_t),     a_t = a^(8 r_t),     i, r = sigmoid(linear x)

(De et al., arXiv 2402.19427, Eq. 1-4) after a short causal convolution, then the patches of a frame look at each other.
The code is the mean of the last frame's tokens. Nothing in it depends on other samples of a batch; a longer past is
taken as it comes.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.attention import CONVOLUTIONS, Layer
from operators.nets.norm import RmsNorm
from operators.problem import Geometry

SHARPNESS = 8.0  # of the recurrence's gate, as published
REMEMBERED = (0.5, 0.99)  # of a state after one frame, at the start: from short to long memories
CAUSAL = 4  # frames that the convolution in time sees


class Recurrence(nn.Module):
    """Over time, each patch alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = RmsNorm(width)
        self.into, self.gate, self.out = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.short = nn.Conv1d(width, width, CAUSAL, groups=width)
        self.input, self.recall = nn.Linear(width, width), nn.Linear(width, width)
        kept = torch.linspace(*REMEMBERED, width)  # a at r = 1/2, where the gates start
        self.decay = nn.Parameter(torch.expm1(-2 / SHARPNESS * kept.log()).log())  # softplus of it: -log a

    def forward(self, tokens: Float[Tensor, "b t patch width"]) -> Float[Tensor, "b t patch width"]:
        b, t, patches, width = tokens.shape
        y = self.norm(tokens)
        past = self.into(y).permute(0, 2, 3, 1).reshape(b * patches, width, t)
        seen = self.short(nn.functional.pad(past, (CAUSAL - 1, 0)))
        seen = seen.view(b, patches, width, t).permute(0, 3, 1, 2)
        log_a = -SHARPNESS * torch.sigmoid(self.recall(seen)) * nn.functional.softplus(self.decay)
        taken = torch.sqrt(-torch.expm1(2 * log_a)) * torch.sigmoid(self.input(seen)) * seen
        held, states = torch.zeros_like(taken[:, 0]), []
        for kept, came in zip(log_a.exp().unbind(1), taken.unbind(1), strict=True):
            held = kept * held + came
            states.append(held)
        return tokens + self.out(torch.stack(states, 1) * nn.functional.gelu(self.gate(y)))


class Context(nn.Module):
    """Frames (and what acts on them) to a code."""

    def __init__(
        self, geometry: Geometry, channels: int, width: int = 64, heads: int = 4, depth: int = 2, patch: int = 4
    ) -> None:
        super().__init__()
        if geometry.shape is None or any(n % patch for n in geometry.shape):
            raise ValueError(f"patches of {patch} want a grid whose sides they divide, got {geometry.shape}")
        self.shape = geometry.shape
        self.cut = CONVOLUTIONS[len(self.shape)](channels, width, patch, stride=patch)
        patches = math.prod(n // patch for n in self.shape)
        self.place = nn.Parameter(0.02 * torch.randn(patches, width))
        self.past = nn.ModuleList(Recurrence(width) for _ in range(depth))
        self.among = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.norm = RmsNorm(width)

    def forward(self, frames: Float[Tensor, "b t point channels"]) -> Float[Tensor, "b width"]:
        b, t = frames.shape[:2]
        grids = frames.flatten(0, 1).mT.unflatten(2, self.shape)
        tokens = self.cut(grids).flatten(2).mT.unflatten(0, (b, t)) + self.place
        for past, among in zip(self.past, self.among, strict=True):
            tokens = past(tokens)
            tokens = among(tokens.flatten(0, 1)).unflatten(0, (b, t))
        return self.norm(tokens[:, -1]).mean(1)
