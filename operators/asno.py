"""ASNO: attention over time for the explicit step, a nonlocal attention operator in space for the implicit correction.

After Karkaria et al., arXiv 2506.11328 (Eq. 2-12), with three differences, all deliberate. Attention runs over the
lags of each sample (the released code attends across the batch). The printed Eq. 12 vanishes when the laser is off;
here

    X(z) = H(z) + int K_h(z, z') H(z') dz' + int K_f(z, z') F(z') dz'.

And the lags that the Transformer reads are those of the linear response F of the whole past path
(`operators.response`), which carries turns, steps, laser-off and earlier tracks; the operator learns what a changing
k and c and the latent heat do to it. It does not read its own output back, so a free run cannot drift; nor can it
take up an observed field.

A token is one cross-section of the window (all nodes at one x), weights are shared over them; fields are asinh(theta).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.trajectories import LAGS


class Asno(nn.Module):
    """(forcing at the lags, condition) -> field.

    sections: cross-sections along x; nodes: y times z nodes of each; condition: numbers beside the forcing.
    """

    def __init__(
        self, sections: int, nodes: int, condition: int, lags: int = LAGS, width: int = 64, heads: int = 4,
        time_layers: int = 2, space_layers: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.sizes = {
            "sections": sections, "nodes": nodes, "condition": condition, "lags": lags, "width": width, "heads": heads,
            "time_layers": time_layers, "space_layers": space_layers,
        }  # fmt: skip
        self.embed = nn.Linear(nodes, width)
        self.told = nn.Sequential(nn.Linear(condition, width), nn.GELU(), nn.Linear(width, width))
        self.lag = nn.Parameter(0.02 * torch.randn(lags, width))
        self.place = nn.Parameter(0.02 * torch.randn(sections, width))
        self.time = _encoder(width, heads, time_layers)
        self.explicit = nn.Linear(width, nodes)
        self.join = nn.Linear(2 * width, width)
        self.space = _encoder(width, heads, space_layers)
        self.query_h, self.query_f = nn.Linear(width, width), nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value_h, self.value_f = nn.Linear(nodes, width), nn.Linear(nodes, width)
        self.out_h, self.out_f = nn.Linear(width, nodes), nn.Linear(width, nodes)
        for layer in (self.explicit, self.out_h, self.out_f):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("mean", torch.zeros(condition))
        self.register_buffer("spread", torch.ones(condition))

    def forward(
        self, forcing: Float[Tensor, "b lag x y z"], condition: Float[Tensor, "b c"]
    ) -> Float[Tensor, "b x y z"]:
        field, _, _ = self.explain(forcing, condition)
        return field

    def explain(
        self, forcing: Float[Tensor, "b lag x y z"], condition: Float[Tensor, "b c"]
    ) -> tuple[Float[Tensor, "b x y z"], Float[Tensor, "b x x2"], Float[Tensor, "b x x2"]]:
        """The field and both kernels, K_h and K_f, readable by row: which cross-sections z' drive cross-section z."""
        b, lags, x, y, z = forcing.shape
        sections = forcing.reshape(b, lags, x, y * z)
        told = self.told((condition - self.mean) / self.spread)
        tokens = self.embed(sections) + self.lag[:, None] + self.place + told[:, None, None]
        over_time = self.time(tokens.transpose(1, 2).reshape(b * x, lags, -1)).reshape(b, x, lags, -1)
        newest = sections[:, 0]
        explicit = newest + self.explicit(over_time[:, :, 0])  # H
        joined = self.join(torch.cat([over_time[:, :, 0], self.embed(newest) + self.place], dim=-1))  # J_0 of [H, F]
        j = self.space(joined)
        key = self.key(j) / key_scale(j)
        kernel_h = torch.softmax(self.query_h(j) @ key.transpose(1, 2), dim=-1)
        kernel_f = torch.softmax(self.query_f(j) @ key.transpose(1, 2), dim=-1)
        gated = torch.nn.functional.gelu(kernel_h @ self.value_h(explicit) + j)
        forced = torch.nn.functional.gelu(kernel_f @ self.value_f(newest) + j)
        field = explicit + self.out_h(gated) + self.out_f(forced)
        return field.reshape(b, x, y, z), kernel_h, kernel_f


def key_scale(tokens: Tensor) -> float:
    """sqrt(d_k), as in Eq. 9."""
    return float(tokens.shape[-1] ** 0.5)


def _encoder(width: int, heads: int, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
