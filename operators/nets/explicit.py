"""Explicit: the first half of ASNO's step, H from the lags and the planned forcing by attention over time.

    H_{m+1}(z) = sum_k a_k X_{m-k+1}(z) + ...,     k = 1..n,

as a backward difference formula does (Karkaria et al., arXiv 2506.11328, Eq. 2-3), with weights that attention gives.
Attention runs over the times of one sample and never across a batch. Two forms: `Flat`, the paper's, one token for the
whole field at one time; `Local`, one token for each patch and time, weights shared over space, whose values stay
linear in the lags, so that BDF-k (and a stencil beside it) is among what it can represent.
"""

from itertools import pairwise
from math import prod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from operators.nets.attention import CONVOLUTIONS, Layer
from operators.nets.norm import RmsNorm
from operators.nets.spectral import Spectral
from operators.problem import Geometry

WIDEST = 3.0  # of what a gate adds: without a bound, layers of gates are a polynomial of the state, and may run away
LARGEST = 1.5  # root mean square of a state that gates are shown, of one whose spread is 1: beyond, H is linear in it
RIM = 3.0  # the same of a state that a whole field's token shows: beyond, the step is the rim's


class Flat(nn.Module):
    """One token a time: the whole field. Tokens look at each other; then all are read side by side, since a softmax is
    slow to learn the small differences of neighbouring lags, and each planned time gives its H.

        H_j = sum_k a_k X_k + dense(m, net(m)),     m = v (1 + g),   v and g linear in the tokens,

    a learned and the same for every sample, starting at persistence; dense starts at nothing. The product is that of
    two states, which most of the field's equations have; g is bounded, and states beyond RIM add what the one there
    adds, or a rollout that once leaves what was learned never comes back. What is static is left to the correction, and
    unless `driven` so is the forcing: with weights of its own for every point, a net learns the media and the patterns
    that it was shown by heart.
    """

    def __init__(
        self, geometry: Geometry, channels: int, forcing: int, static: int, lags: int, steps: int = 1,
        width: int = 192, token: int = 16, heads: int = 4, layers: int = 1, driven: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        points = len(geometry.points)
        self.lags, self.steps = lags, steps
        self.embed = nn.Linear(points * channels, token)
        self.forced = nn.Linear(points * forcing, token) if forcing and driven else None
        self.moment = nn.Parameter(0.02 * torch.randn(lags + steps, token))
        self.layers = nn.ModuleList(Layer(token, heads) for _ in range(layers))
        self.read = nn.Linear((lags + steps) * token, 2 * width)
        self.own = nn.Linear(token, 2 * width, bias=False)
        self.net = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.dense = nn.Linear(2 * width, points * channels)
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)
        weights = torch.zeros(lags, channels)
        weights[-1] = 1.0
        self.backward_weights = nn.Parameter(weights)

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        """lags oldest first; forcing at the lags, then as planned, for all of `steps`."""
        b, n, points, c = lags.shape
        ahead = _planned(self, lags, forcing)
        if ahead < self.steps:  # the end of a rollout: the plan's last is held
            forcing = torch.cat([forcing, forcing[:, -1:].expand(-1, self.steps - ahead, -1, -1)], 1)
        shown = lags * (RIM / lags[:, -1:].square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=RIM))
        tokens = torch.cat([self.embed(shown.flatten(2)), lags.new_zeros(b, self.steps, self.moment.shape[1])], 1)
        tokens = tokens + self.moment
        if self.forced is not None:
            tokens = tokens + self.forced(forcing.flatten(2))
        later, hidden = _later(n, self.steps, tokens)
        for layer in self.layers:
            tokens = layer(tokens, hidden)
        seen = tokens[:, None].masked_fill(later[n:, :, None], 0.0)  # side by side, for each planned time
        value, gate = (self.read(seen.flatten(2)) + self.own(tokens[:, n:])).chunk(2, -1)
        mixed = value * (1 + WIDEST * torch.tanh(gate / WIDEST))
        added = self.dense(torch.cat([mixed, self.net(mixed)], -1)).view(b, self.steps, points, c)
        held = torch.einsum("kc,bkpc->bpc", self.backward_weights, lags)
        return held[:, None] + added[:, :ahead]


class Local(nn.Module):
    """One token a patch and time, the same weights in every patch of a grid: a scheme with learned stencils.

        V^h = sum_k a_{jk}^h X_k + sum_k b_{jk}^h B_h F_k            by attention over time, patch by patch
        V <- V + g_l (S_l * V),   l = 1..depth                       stencils, gated cell by cell
        H_j = O V

    On a periodic grid a stencil may also reach everywhere, through so many `modes` (`spectral`), and the gates see as
    far: a gate that is a velocity times a stencil that is a gradient is advection by a flow that all of space drives.
    With modes a `reach` of 0 leaves the neighbours to them, as a Fourier layer does, which is faster.

    What is so far is separable: time first, then space. With `joint` a layer's gates also see what the layers before
    have made of all lags, cell by cell; then it is linear in nothing, and a strongly coupled system may want that.

    Tokens see states, forcing and what is static in and around their patch, and each other over time. a and b are not
    normalised, so that they may be negative as those of BDF-k are, and start at persistence. Gates come from
    convolutions of the newest state, the planned forcing and what is static: where coefficients vary in space, they do.
    Given a, b and g it is linear in the lags and in the forcing.
    """

    def __init__(
        self, geometry: Geometry, channels: int, forcing: int, static: int, lags: int, steps: int = 1,
        width: int = 32, heads: int = 12, layers: int = 1, patch: int = 1, reach: int = 2, depth: int = 3,
        attention_heads: int = 4, modes: int = 0, joint: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if geometry.shape is None or any(n % patch for n in geometry.shape):
            raise ValueError(f"patches of {patch} want a grid whose sides they divide, got {geometry.shape}")
        self.lags, self.steps, self.heads, self.patch, self.shape = lags, steps, heads, patch, geometry.shape
        convolution = CONVOLUTIONS[len(geometry.shape)]
        mode = "circular" if geometry.periodic else "replicate"
        # a kernel of 3 (4 with patches of 2) sees one cell around its patch
        near = {"stride": patch, "padding": 1, "padding_mode": mode}
        self.embed = convolution(channels + forcing + static, width, patch + 2, **near)
        self.plan = convolution(forcing + static, width, patch + 2, **near) if forcing + static else None
        self.moment = nn.Parameter(0.02 * torch.randn(lags + steps, width))
        self.layers = nn.ModuleList(Layer(width, attention_heads) for _ in range(layers))
        self.norm = RmsNorm(width)
        self.back, self.driven = _Weights(width, heads), _Weights(width, heads)
        persistence = 0.1 * torch.randn(heads, lags)
        persistence[0] = torch.eye(lags)[-1]
        self.persistence = nn.Parameter(persistence)
        self.given = nn.Parameter(0.1 * torch.randn(heads, lags + steps))
        self.drive = nn.Parameter(0.1 * torch.randn(heads, forcing, channels)) if forcing else None
        held = heads * channels
        if modes and not geometry.periodic:
            raise ValueError("modes want a periodic grid")
        # where the gates see everywhere by their modes, one look around is enough
        seen = [channels + forcing + static, *[width] * (1 if modes else 2)]
        around = {"kernel_size": 2 * min(reach, 1) + 1, "padding": min(reach, 1), "padding_mode": mode}
        looks = [convolution(a, b, **around) for a, b in pairwise(seen)]
        self.gates = nn.Sequential(
            *(part for look in looks for part in (look, nn.GELU())), convolution(width, depth * held, 1)
        )
        # joint: what a layer's gates see beside the newest state is what the layers before have made of all lags
        seen_again = channels + forcing + static + held
        self.again = nn.ModuleList(
            nn.Sequential(convolution(seen_again, width, 1), nn.GELU(), convolution(width, held, 1))
            for _ in range(depth if joint else 0)
        )
        for net in self.again:
            nn.init.zeros_(net[-1].weight)
            nn.init.zeros_(net[-1].bias)
        self.flow = Spectral(self.shape, channels + forcing + static, depth * held, modes) if modes else None
        self.far = nn.ModuleList(Spectral(self.shape, held, held, modes) for _ in range(depth if modes else 0))
        nn.init.zeros_(self.gates[-1].weight)
        nn.init.zeros_(self.gates[-1].bias)
        # what lies beyond a wall is nothing
        beyond = {"padding": reach, "padding_mode": "circular" if geometry.periodic else "zeros", "bias": False}
        self.stencils = nn.ModuleList(convolution(held, held, 2 * reach + 1, **beyond) for _ in range(depth))
        out = 1e-3 * torch.randn(channels, held)
        out[:, :channels] = torch.eye(channels)
        self.out = nn.Parameter(out)
        with torch.no_grad():
            for stencil in self.stencils:
                stencil.weight.mul_(0.3)
                stencil.weight[:channels] = 0  # the first head starts as persistence
            for far in self.far:
                far.weight[:, :channels] = 0

    def forward(
        self, lags: Float[Tensor, "b n point c"], forcing: Float[Tensor, "b m point f"],
        static: Float[Tensor, "b point s"],
    ) -> Float[Tensor, "b step point c"]:  # fmt: skip
        """lags oldest first; forcing at the lags, then as planned."""
        b, n, _, _ = lags.shape
        steps = _planned(self, lags, forcing)
        still = static[:, None].expand(-1, n + steps, -1, -1)
        tokens = self._over_times(self.embed, torch.cat([lags, forcing[:, :n], still[:, :n]], -1))
        if self.plan is None:
            plan = tokens.new_zeros(b, tokens.shape[1], steps, tokens.shape[-1])
        else:
            plan = self._over_times(self.plan, torch.cat([forcing[:, n:], still[:, n:]], -1))
        tokens = (torch.cat([tokens, plan], 2) + self.moment[: n + steps]).flatten(0, 1)
        later, hidden = _later(n, steps, tokens)
        for layer in self.layers:
            tokens = layer(tokens, hidden)
        tokens = self.norm(tokens)
        values = self._weighed(self.back(self.persistence, tokens[:, n:], tokens[:, :n]), lags)
        if self.drive is not None:
            weights = self.driven(self.given[:, : n + steps], tokens[:, n:], tokens).masked_fill(later[n:], 0.0)
            driven = self._weighed(weights, forcing)
            values = values + torch.einsum("bphjf,hfc->bphjc", driven, self.drive)
        values = self._cells(values)
        shown = lags[:, -1:]
        shown = shown * (LARGEST / shown.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=LARGEST))
        newest = torch.cat([shown.expand(-1, steps, -1, -1), forcing[:, n:], still[:, n:]], -1)
        newest = self._grid(newest)
        gates = self.gates(newest)
        if self.flow is not None:
            gates = gates + self.flow(newest)
        for layer, gate in enumerate(gates.chunk(len(self.stencils), 1)):
            if self.again:
                gate = gate + self.again[layer](torch.cat([newest, values], 1))
            gate = 1 + WIDEST * torch.tanh(gate / WIDEST)
            seen = self.stencils[layer](values)
            values = values + gate * (seen + self.far[layer](values) if self.far else seen)
        return torch.einsum("dm,bmp->bpd", self.out, values.flatten(2)).unflatten(0, (b, steps))

    def _over_times(self, convolution: nn.Module, fields: Float[Tensor, "b t point c"]) -> Tensor:
        """Tokens (b, patch, time, width)."""
        b, t = fields.shape[:2]
        out = convolution(self._grid(fields)).flatten(2)
        return out.view(b, t, *out.shape[1:]).permute(0, 3, 1, 2)

    def _grid(self, fields: Tensor) -> Tensor:
        """(b, time, point, c) -> (b * time, c, *shape)"""
        return fields.flatten(0, 1).transpose(1, 2).unflatten(2, self.shape)

    def _weighed(self, weights: Float[Tensor, "patches heads j t"], fields: Float[Tensor, "b t point c"]) -> Tensor:
        """Sums over times, the same weights for every cell of a patch: (b * patch, cell, heads, j, c)."""
        b, t, _, c = fields.shape
        sides = [side for n in self.shape for side in (n // self.patch, self.patch)]
        dims = len(self.shape)
        apart = fields.reshape(b, t, *sides, c)
        order = [0, *range(2, 2 + 2 * dims, 2), 1, *range(3, 3 + 2 * dims, 2), 2 + 2 * dims]
        patches = apart.permute(order).reshape(weights.shape[0], t, -1)  # a patch's times by its cells and channels
        out = weights.flatten(1, 2) @ patches
        return out.view(weights.shape[0], *weights.shape[1:3], -1, c).permute(0, 3, 1, 2, 4)

    def _cells(self, values: Float[Tensor, "patches cell heads j c"]) -> Tensor:
        """Patches back to the grid: (b * j, heads * c, *shape)."""
        patches, _, heads, steps, c = values.shape
        dims = len(self.shape)
        coarse = [n // self.patch for n in self.shape]
        batch = patches // prod(coarse)
        apart = values.reshape(batch, *coarse, *(self.patch,) * dims, heads, steps, c)
        order = [0, 2 + 2 * dims, 1 + 2 * dims, 3 + 2 * dims]
        order += [axis for a in range(dims) for axis in (1 + a, 1 + dims + a)]
        return apart.permute(order).reshape(batch * steps, heads * c, *self.shape)


def _planned(step: Flat | Local, lags: Tensor, forcing: Tensor) -> int:
    """How many times ahead are asked for; ValueError where they, or the lags, are not what it was built for."""
    n, ahead = lags.shape[1], forcing.shape[1] - lags.shape[1]
    if n != step.lags or not 1 <= ahead <= step.steps:
        raise ValueError(f"{step.lags} lags and 1 to {step.steps} planned times are wanted, got {n} and {ahead}")
    return ahead


def _later(lags: int, steps: int, tokens: Tensor) -> tuple[Bool[Tensor, "time time"], Tensor | None]:
    """Which times a time may not look at (a forecast knows the lags and the plan until then, none of later), and what
    attention adds to their scores; None where there are none."""
    times = torch.arange(lags + steps, device=tokens.device)
    later = times > times.clamp(min=lags)[:, None]
    if steps == 1:
        return later, None
    return later, torch.zeros_like(later, dtype=tokens.dtype).masked_fill(later, -torch.inf)


class _Weights(nn.Module):
    """What each planned time takes of each time: constants, and what queries and keys add to them."""

    def __init__(self, width: int, heads: int, size: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, heads * size), nn.Linear(width, heads * size)
        self.gain = nn.Parameter(torch.full((heads,), 0.1))

    def forward(
        self, constant: Float[Tensor, "heads t"], ahead: Float[Tensor, "b j width"], past: Float[Tensor, "b t width"]
    ) -> Float[Tensor, "b heads j t"]:
        query, key = (
            net(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for net, x in ((self.query, ahead), (self.key, past))
        )
        told = query @ key.transpose(-1, -2) / query.shape[-1]
        return constant[:, None] + self.gain[:, None, None] * told
