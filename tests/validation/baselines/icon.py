"""Icon: examples of a frame and the next as a prompt, and the newest frame as the question (Yang et al., arXiv
2304.07993), in a small form of our own."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import March
from tests.validation.baselines.patches import Patches
from tests.validation.baselines.transformer import Layer

LAYERS = 3
EXAMPLES = 5


class Icon(nn.Module):
    """Examples are pairs of frames a step apart, spread over the lags; tokens are their patches, told apart by their
    role (condition, outcome, question), and look at each other. The question's patches give the increment."""

    def __init__(self, problem: March, width: int) -> None:
        super().__init__()
        self.patches = Patches(problem, width)
        self.examples = min(EXAMPLES, problem.lags - 1)
        self.roles = nn.Parameter(0.02 * torch.randn(2 * self.examples + 1, 1, width))
        self.layers = nn.Sequential(*(Layer(width) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b 1 point c"]:  # fmt: skip
        tokens = self.patches.cut(lags, forcing, static)
        first = torch.linspace(0, lags.shape[1] - 2, self.examples).round().long()
        at = torch.cat([first, first + 1, torch.tensor([lags.shape[1] - 1])])
        prompt = tokens[:, at] + self.roles
        seen = self.norm(self.layers(prompt.flatten(1, 2))).unflatten(1, prompt.shape[1:3])
        return lags[:, -1:] + self.patches.joined(seen[:, -1])[:, None]
