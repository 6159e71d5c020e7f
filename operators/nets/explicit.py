"""Explicit: the first half of ASNO's step, H from the lags and the planned forcing by attention over time.

    H_{m+1}(z) = sum_k a_k X_{m-k+1}(z) + ...,     k = 1..n,

as a backward difference formula does (Karkaria et al., arXiv 2506.11328, Eq. 2-3), with weights that attention gives.
Attention runs over the times of one sample and never across a batch. Two forms: `Flat`, the paper's, one token for the
whole field at one time; `Local`, one token for each patch and time, weights shared over space, whose values stay
linear in the lags, so that BDF-k is among what it can represent.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.attention import Attention, Layer, Place
from operators.problem import Geometry


class Flat(nn.Module):
    """One token a time. The tokens of the planned times look back at the lags; each gives its H.

    H_j = sum_k a_{jk} X_k + dense(token_j), a starting at persistence and dense at nothing.
    """

    def __init__(
        self, geometry: Geometry, channels: int, forcing: int, static: int, lags: int, steps: int = 1,
        width: int = 96, heads: int = 4, layers: int = 2,
    ) -> None:  # fmt: skip
        super().__init__()
        points = len(geometry.points)
        self.lags, self.steps, self.channels = lags, steps, channels
        self.embed = nn.Linear(points * channels, width)
        self.forced = nn.Linear(points * forcing, width) if forcing else None
        self.still = nn.Linear(points * static, width) if static else None
        self.moment = nn.Parameter(0.02 * torch.randn(lags + steps, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.backward_weights = nn.Linear(width, lags * channels)
        self.dense = nn.Linear(width, points * channels)
        _persist(self.backward_weights, lags, channels)
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        """lags oldest first; forcing at the lags, then as planned."""
        b, n, points, c = lags.shape
        steps = forcing.shape[1] - n
        tokens = torch.cat([self.embed(lags.flatten(2)), lags.new_zeros(b, steps, self.moment.shape[1])], 1)
        tokens = tokens + self.moment[: n + steps]
        if self.forced is not None:
            tokens = tokens + self.forced(forcing.flatten(2))
        if self.still is not None:
            tokens = tokens + self.still(static.flatten(1))[:, None]
        for layer in self.layers:
            tokens = layer(tokens)
        ahead = self.norm(tokens[:, n:])
        weight = self.backward_weights(ahead).view(b, steps, n, c)
        return torch.einsum("bjkc,bkpc->bjpc", weight, lags) + self.dense(ahead).view(b, steps, points, c)


class Local(nn.Module):
    """One token a patch and time, the same weights in every patch. With p the points of a patch as one vector,

        H_j = sum_heads O_h sum_k a_{jk}^h X_k + B_h sum_k b_{jk}^h F_k,

    linear in the values; only a and b look at the tokens (states, forcing, what is static, place). They are not
    normalised, so that they may be negative as those of BDF-k are, and start at persistence.
    """

    def __init__(
        self, geometry: Geometry, channels: int, forcing: int, static: int, lags: int, steps: int = 1,
        width: int = 48, heads: int = 4, layers: int = 1, patch: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.lags, self.steps, self.heads, self.patch = lags, steps, heads, patch
        self._stand_on(geometry)
        size = self.order.shape[1]
        self.embed = nn.Linear(size * (channels + forcing), width)
        self.ahead = nn.Linear(size * forcing, width) if forcing else None
        self.still = nn.Linear(size * static, width) if static else None
        self.place = Place(geometry.points.shape[1], width)
        self.moment = nn.Parameter(0.02 * torch.randn(lags + steps, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.back, self.driven = Attention(width, heads), Attention(width, heads)
        start = torch.zeros(heads, lags)
        start[0, -1] = 1.0
        self.persistence = nn.Parameter(start)
        self.given = nn.Parameter(torch.zeros(heads, lags + steps))
        self.gain = nn.Parameter(torch.zeros(2, heads))  # of what the tokens say over the constant weights
        mix = torch.zeros(heads, size * channels, size * channels)
        mix[0] = torch.eye(size * channels)
        self.mix = nn.Parameter(mix + 1e-3 * torch.randn_like(mix))
        self.drive = nn.Parameter(1e-2 * torch.randn(heads, size * forcing, size * channels)) if forcing else None

    def _stand_on(self, geometry: Geometry) -> None:
        self.register_buffer("order", patches(geometry, self.patch), persistent=False)
        self.register_buffer("centres", geometry.points[self.order].mean(1), persistent=False)

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        b, n, points, c = lags.shape
        steps, patches_ = forcing.shape[1] - n, len(self.order)
        states, forced = self._gather(lags), self._gather(forcing)  # (b, patch, time, size * channels)
        tokens = self.embed(torch.cat([states, forced[:, :, :n]], -1))
        plan = lags.new_zeros(b, patches_, steps, tokens.shape[-1])
        if self.ahead is not None:
            plan = plan + self.ahead(forced[:, :, n:])
        tokens = torch.cat([tokens, plan], 2) + self.moment[: n + steps] + self.place(self.centres)[:, None]
        if self.still is not None:
            tokens = tokens + self.still(static[:, self.order].flatten(2))[:, :, None]
        tokens = tokens.flatten(0, 1)
        for layer in self.layers:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        back = self._weights(self.back, 0, self.persistence, tokens[:, n:], tokens[:, :n])
        values = torch.einsum("bhjk,bkv->bjhv", back, states.flatten(0, 1))
        ahead = torch.einsum("bjhv,hvw->bjw", values, self.mix)
        if self.drive is not None:
            driven = self._weights(self.driven, 1, self.given, tokens[:, n:], tokens)
            pushed = torch.einsum("bhjk,bkv->bjhv", driven, forced.flatten(0, 1))
            ahead = ahead + torch.einsum("bjhv,hvw->bjw", pushed, self.drive)
        ahead = ahead.view(b, patches_, steps, self.order.shape[1], c).transpose(1, 2).flatten(2, 3)
        out = torch.empty(b, steps, points, c, dtype=ahead.dtype, device=ahead.device)
        out[:, :, self.order.flatten()] = ahead
        return out

    def _weights(self, attention: Attention, which: int, constant: Tensor, ahead: Tensor, past: Tensor) -> Tensor:
        query, key = attention.scores(ahead, past)
        return constant[:, None] + self.gain[which, :, None, None] * (query @ key.transpose(-1, -2)) / query.shape[-1]

    def _gather(self, fields: Tensor) -> Tensor:
        """(b, time, point, c) -> (b, patch, time, size * c)"""
        return fields[:, :, self.order].flatten(3).transpose(1, 2)


def patches(geometry: Geometry, side: int) -> Tensor:
    """Points of each patch, (patch, side**dim): on a grid whose sides `side` divides; single points with side 1."""
    count = len(geometry.points)
    if side == 1:
        return torch.arange(count)[:, None]
    if geometry.shape is None or any(n % side for n in geometry.shape):
        raise ValueError(f"patches of {side} want a grid whose sides they divide, got {geometry.shape}")
    index = torch.arange(count).view(geometry.shape)
    for axis in range(len(geometry.shape)):
        index = index.unfold(axis, side, side)
    return index.reshape(-1, side ** len(geometry.shape)).contiguous()


def _persist(layer: nn.Linear, lags: int, channels: int) -> None:
    """Start a layer of weights of the lags (oldest first) at 1 for the newest and 0 for the others."""
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.bias.zero_()
        layer.bias.view(lags, channels)[-1] = 1.0
