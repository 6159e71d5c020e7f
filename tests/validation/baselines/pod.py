"""Pod: a march in the coefficients of proper orthogonal bases, stepped by an MLP (as in arXiv 1809.07086 and many)."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from operators.problem import March

SNAPSHOTS = 1024  # of the fit split, evenly spaced: as many as a basis is made of


class Basis(nn.Module):
    """The leading modes of centred snapshots, channels scaled to a standard deviation of 1, coefficients too.
    Directions that hold no more than rounding are left out; fields without channels have no coefficients."""

    def __init__(self, fields: Float[Tensor, "snapshot point channel"], modes: int) -> None:
        super().__init__()
        fields = fields[:: -(-len(fields) // SNAPSHOTS)].double()
        mean = fields.mean(0)
        scale = (fields - mean).pow(2).mean((0, 1)).sqrt()
        scale = torch.where(scale > 1e-6 * mean.abs().amax(0).clamp(min=1e-12), scale, torch.ones_like(scale))
        flat = ((fields - mean) / scale).flatten(1)
        if flat.shape[1]:
            _, s, rows = torch.linalg.svd(flat, full_matrices=False)
            count = min(modes, int((s > 1e-5 * s[0].clamp(min=1e-5)).sum()))
            s, rows = s[:count] / len(flat) ** 0.5, rows[:count]
        else:
            s, rows = flat.new_zeros(0), flat.new_zeros(0, 0)
        self.size = len(s)
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", scale.float())
        self.register_buffer("spread", s.float())
        self.register_buffer("rows", rows.float())

    def coefficients(self, fields: Float[Tensor, "*b point channel"]) -> Float[Tensor, "*b mode"]:
        return ((fields - self.mean) / self.scale).flatten(-2) @ self.rows.mT / self.spread

    def field(self, coefficients: Float[Tensor, "*b mode"]) -> Float[Tensor, "*b point channel"]:
        """A difference of fields: the mean is not added."""
        return ((coefficients * self.spread) @ self.rows).unflatten(-1, self.mean.shape) * self.scale


class Pod(nn.Module):
    """The next state is the newest lag plus what an MLP (three hidden layers, and a linear path beside them) makes of
    the coefficients of all lags, of the forcing then and as planned, and of what is static. What the state's basis does
    not hold is carried over. It begins as persistence."""

    def __init__(self, march: March, width: int, modes: int = 64) -> None:
        super().__init__()
        fit = march.fit
        self.state = Basis(rearrange(fit.state, "b t n c -> (b t) n c"), modes)
        self.forcing = Basis(rearrange(fit.forcing, "b t n c -> (b t) n c"), modes)
        self.static = Basis(fit.static, modes)
        size = march.lags * self.state.size + (march.lags + 1) * self.forcing.size + self.static.size
        step = self.state.coefficients(fit.state[:, 1:]) - self.state.coefficients(fit.state[:, :-1])
        self.register_buffer("step", step.flatten(0, 1).std(0).clamp(min=1e-6))
        self.linear = nn.Linear(size, self.state.size)
        self.mlp = nn.Sequential(
            nn.Linear(size, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, self.state.size),
        )
        for last in (self.linear, self.mlp[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(
        self,
        lags: Float[Tensor, "b n point channel"],
        forcing: Float[Tensor, "b n_and_1 point forcing"],
        static: Float[Tensor, "b point static"],
    ) -> Float[Tensor, "b point channel"]:
        known = torch.cat(
            [
                self.state.coefficients(lags).flatten(1),
                self.forcing.coefficients(forcing).flatten(1),
                self.static.coefficients(static),
            ],
            -1,
        )
        return lags[:, -1] + self.state.field((self.linear(known) + self.mlp(known)) * self.step)
