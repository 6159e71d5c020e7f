"""Disco: a Transformer reads the past and writes the weights of a small convolutional net, whose output is du/dt and is
integrated (Morel et al., arXiv 2504.19496), in a small form of our own."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import March
from tests.validation.baselines.patches import Patches
from tests.validation.baselines.transformer import Layer

LAYERS = 2
INNER = 8  # channels of the written net
STEPS = 2  # of the fourth-order Runge-Kutta method, in one of the data: fixed, where the original adapts
REACH = 5  # cells that its first and last layer see; the middle one works at half the resolution


class Disco(nn.Module):
    """du/dt = net(u): in (REACH cells), half resolution and back beside a straight path, out. Weights are each sample's
    own, around weights that all share."""

    def __init__(self, problem: March, width: int) -> None:
        super().__init__()
        self.patches = Patches(problem, width)
        self.shape, self.periodic = self.patches.shape, problem.geometry.periodic
        self.moments = nn.Parameter(0.02 * torch.randn(problem.lags, 1, width))
        self.space, self.time = (nn.ModuleList(Layer(width) for _ in range(LAYERS)) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        dims, c = len(self.shape), problem.fit.state.shape[-1]
        self.sizes = [
            (INNER, c, *[REACH] * dims), (INNER, INNER, *[REACH] * dims), (INNER, INNER, *[1] * dims),
            (c, INNER, *[REACH] * dims),
        ]  # fmt: skip
        self.counts = [torch.Size(size).numel() for size in self.sizes]
        self.write = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, sum(self.counts)))
        shared = [torch.randn(n) * (size[0] / n) ** 0.5 for n, size in zip(self.counts, self.sizes, strict=True)]
        with torch.no_grad():
            self.write[-1].bias.copy_(torch.cat([*shared[:-1], 0.3 * shared[-1]]))
            self.write[-1].weight.mul_(0.1)

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        weights = self.write(self._code(self.patches.cut(lags, forcing, static) + self.moments))
        layers = [w.view(-1, *s) for w, s in zip(weights.split(self.counts, 1), self.sizes, strict=True)]
        u, states, h = lags[:, -1].mT.unflatten(2, self.shape), [], 1 / STEPS
        for _ in range(forcing.shape[1] - lags.shape[1]):
            for _ in range(STEPS):
                a = self._rate(layers, u)
                b = self._rate(layers, u + h / 2 * a)
                c = self._rate(layers, u + h / 2 * b)
                u = u + h / 6 * (a + 2 * b + 2 * c + self._rate(layers, u + h * c))
            states.append(u.flatten(2).mT)
        return torch.stack(states, 1)

    def _code(self, tokens: Float[Tensor, "b n patch width"]) -> Float[Tensor, "b width"]:
        b, n, patches, _ = tokens.shape
        for space, time in zip(self.space, self.time, strict=True):
            tokens = space(tokens.flatten(0, 1)).unflatten(0, (b, n))
            tokens = time(tokens.transpose(1, 2).flatten(0, 1)).unflatten(0, (b, patches)).transpose(1, 2)
        return self.norm(tokens).mean((1, 2))

    def _rate(self, layers: list[Tensor], u: Float[Tensor, "b c *shape"]) -> Float[Tensor, "b c *shape"]:
        first, down, straight, last = layers
        x = nn.functional.gelu(self._own(first, u))
        small = nn.functional.gelu(self._own(down, x[(..., *[slice(None, None, 2)] * len(self.shape))]))
        back = nn.functional.interpolate(small, u.shape[2:], mode="nearest")
        return self._own(last, nn.functional.gelu(self._own(straight, x) + back))

    def _own(self, weight: Float[Tensor, "b out into *reach"], x: Float[Tensor, "b into *cells"]) -> Tensor:
        """Each sample by its own kernel: one convolution in groups."""
        b, out = weight.shape[:2]
        dims, around = x.dim() - 2, weight.shape[-1] // 2
        mode = "circular" if self.periodic else "replicate"
        side = nn.functional.pad(x, [around] * 2 * dims, mode=mode).flatten(0, 1)[None]
        call = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}[dims]
        return call(side, weight.flatten(0, 1), groups=b).unflatten(1, (b, out))[0]
