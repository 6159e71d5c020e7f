"""Written: a law from the past by a context encoder and a hypernetwork, as HFluxNO has them (arXiv 2605.05488)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.context import Context
from operators.nets.hyper import Hyper
from operators.nets.viscous import Law
from operators.problem import Geometry

STARTS = 0.3
"""Size of the flux at the start, of an ordinary net's."""


class Written(nn.Module):
    """(lags) -> Law."""

    def __init__(self, geometry: Geometry, channels: int, width: int = 64, flux_width: int = 16) -> None:
        super().__init__()
        dims = len(geometry.shape)
        self.channels, self.dims = channels, dims
        self.context = Context(geometry, channels, width)
        self.hypers = nn.ModuleList(Hyper(width, (channels, flux_width, flux_width, channels)) for _ in range(dims))
        with torch.no_grad():
            for hyper in self.hypers:
                hyper.heads[-1].bias.mul_(STARTS)
        self.more = nn.Linear(width, dims * (channels * channels + 1))
        nn.init.zeros_(self.more.weight)
        nn.init.zeros_(self.more.bias)
        with torch.no_grad():
            self.more.bias[-dims:] = -3.0

    def code(self, lags: Float[Tensor, "b n point c"]) -> Float[Tensor, "b code"]:
        return self.context(lags)

    def forward(self, lags: Float[Tensor, "b n point c"]) -> Law:
        code = self.code(lags)
        linear, thick = self.more(code).split((self.dims * self.channels**2, self.dims), 1)
        nets = [hyper(code) for hyper in self.hypers]
        linear = linear.view(-1, self.dims, self.channels, self.channels)
        return Law(nets, linear, nn.functional.softplus(thick))
