"""Fitted: a law from the past by least squares, in a basis that is learned.

    f_a(u) = sum_k w_ak phi_k(u) + L_a u,     diffusivity nu_a
    (w, L, nu) = argmin sum_jk |sum_t chi_k' <psi_j, u> + sum_t chi_k <d_a psi_j, f_a(u) - nu_a d_a u>|^2
                 + ridge |(w, L, nu) - prior|^2

for test functions psi_j (the lowest waves of the box; sines that vanish at its walls) and bumps chi_k in time, at whose
ends the trapezoid rule does not err (Messenger and Bortz, arXiv 2007.02848): the weak form of the law, whose unknowns
are linear in it, and which takes no derivative in time. So a context is not interpreted, it is solved for, and
one from outside the training set is fitted as well as any other, as far as the basis reaches; the basis (a small net of
the state, the same for all samples), the weights of the waves, the ridge and the prior are what training finds. That is
Bayesian linear regression in learned features (Harrison et al., arXiv 1807.08912) for a conservation law; with the
basis u, u^2, u^3 given it is the classical fitted flux.
"""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.hyper import Layers
from operators.nets.viscous import TINY, Law
from operators.nets.volumes import around
from operators.problem import Geometry

WAVES = {1: 12, 2: 4, 3: 2}
"""Along an axis, by how many axes there are."""
HALF = 5
"""Frames, of a bump's width; a shorter past has narrower ones."""
POWER = 4
LEAST_FRAMES = 3
UNIT = 100
"""Cells a side, in whose units the unknowns, their prior and ridge are: so they hold on any grid."""
FALLS = 4.0
"""Waves after which the weight of an equation has fallen to 1/e at the start: time is sampled too coarsely for short
ones."""


class Fitted(nn.Module):
    """(lags) -> Law."""

    def __init__(self, geometry: Geometry, channels: int, width: int = 32, features: int = 8) -> None:
        super().__init__()
        if geometry.shape is None:
            raise ValueError("a law is fitted on a grid: this geometry is a cloud without a shape")
        self.shape, self.channels, self.features = geometry.shape, channels, features
        self.periodic = geometry.periodic
        dims = len(geometry.shape)
        psi, steps, length = waves(geometry)
        self.register_buffer("psi", psi, persistent=False)
        self.register_buffer("steps", steps, persistent=False)
        self.basis = nn.ParameterList()
        sizes = [channels, width, width, features * channels]
        for into, out in itertools.pairwise(sizes):
            self.basis.append(nn.Parameter(torch.randn(into, out) / math.sqrt(into)))
            self.basis.append(nn.Parameter(torch.zeros(out)))
        unknowns = dims * (features + channels**2 + 1)
        # what an unknown is in the units of these cells, from those of UNIT cells a side
        sides = torch.tensor(geometry.shape) / UNIT
        scale = torch.cat([sides[:, None].expand(-1, features + channels**2), sides[:, None] ** 2], 1)
        self.register_buffer("scale", scale.flatten(), persistent=False)
        self.weight = nn.Parameter(-length / FALLS)  # logarithms
        self.ridge = nn.Parameter(torch.full((unknowns,), -9.0))
        self.prior = nn.Parameter(torch.zeros(unknowns))

    def code(self, lags: Float[Tensor, "b n point c"]) -> Float[Tensor, "b unknown"]:
        """(w, L, nu) of each axis, in units that the grid does not change."""
        if lags.shape[1] < LEAST_FRAMES:
            raise ValueError(f"a law is fitted to {LEAST_FRAMES} past frames or more, got {lags.shape[1]}")
        known, wanted = self.equations(lags)
        return self._solved(known * self.scale, wanted)

    def forward(self, lags: Float[Tensor, "b n point c"]) -> Law:
        return self._law(self.code(lags) * self.scale)

    def equations(self, lags: Tensor) -> tuple[Float[Tensor, "b equation unknown"], Float[Tensor, "b equation"]]:
        """What the law says of these frames, weighted."""
        b, n, points, c = lags.shape
        dims = len(self.shape)
        features = self._features(lags)  # (b, n, point, feature, c)
        linear = torch.einsum("btpi,ce->btpcie", lags, torch.eye(c).to(lags)).flatten(3, 4)
        grid = lags.flatten(0, 1).mT.unflatten(2, self.shape)
        columns = []
        for axis in range(dims):
            rises = around(grid, axis, 1, self.periodic).diff(dim=-1)[..., 0]
            gradient = 0.5 * (rises.narrow(2 + axis, 0, self.shape[axis]) + rises.narrow(2 + axis, 1, self.shape[axis]))
            gradient = gradient.flatten(2).mT.unflatten(0, (b, n))
            passed = torch.cat([features, linear, -gradient[:, :, :, None]], 3)
            columns.append(torch.einsum("jp,btpkc->btjkc", self.steps[axis], passed))
        each = torch.cat(columns, 3)  # (b, time, test, unknown, c)
        bump, slope = (x.to(lags) for x in bumps(n))
        over = torch.einsum("kt,bt...->bk...", bump, each)
        moved = -torch.einsum("kt,jp,btpc->bkjc", slope, self.psi, lags)
        weight = self.weight.exp()[:, None]
        known = (weight[..., None] * over.transpose(3, 4)).reshape(b, -1, over.shape[3])
        return known, (weight * moved).reshape(b, -1)

    def _solved(
        self, known: Float[Tensor, "b equation unknown"], wanted: Float[Tensor, "b equation"]
    ) -> Float[Tensor, "b unknown"]:  # fmt: skip
        """In double precision: normal equations square what is small. Equations in units of what moved."""
        size = wanted.square().mean(1, keepdim=True).sqrt().clamp(min=TINY).double()
        known, wanted, prior = known.double() / size[..., None], wanted.double() / size, self.prior.double()
        left = known.mT @ known / known.shape[1] + torch.diag(self.ridge.double().exp())
        off = (wanted - known @ prior)[..., None]
        right = known.mT @ off / known.shape[1]
        return (prior + torch.linalg.solve(left, right)[..., 0]).to(self.prior)

    def _law(self, found: Float[Tensor, "b unknown"]) -> Law:
        dims, c = len(self.shape), self.channels
        each = found.view(len(found), dims, -1)
        weights, linear, thick = each.split((self.features, c * c, 1), 2)
        w1, b1, w2, b2, w3, b3 = self.basis
        nets = []
        for axis in range(dims):
            last = torch.einsum("bk,hkc->bhc", weights[:, axis], w3.unflatten(1, (self.features, c)))
            bias = weights[:, axis] @ b3.view(self.features, c)
            shared = [(w.expand(len(found), -1, -1), v.expand(len(found), 1, -1)) for w, v in ((w1, b1), (w2, b2))]
            net: Layers = [*shared, (last, bias[:, None])]
            nets.append(net)
        return Law(nets, linear.unflatten(2, (c, c)), thick[..., 0].clamp(min=0))

    def _features(self, states: Float[Tensor, "b n point c"]) -> Float[Tensor, "b n point feature c"]:
        w1, b1, w2, b2, w3, b3 = self.basis
        inner = torch.tanh(torch.tanh(states @ w1 + b1) @ w2 + b2)
        return (inner @ w3 + b3).unflatten(-1, (self.features, self.channels))


def bumps(frames: int) -> tuple[Float[Tensor, "bump frame"], Float[Tensor, "bump frame"]]:
    """(1 - s^2)^4 around every frame that has room for it, and its slope, at the frames. It is nothing from the first
    frame beyond its room on, so that the outermost frames count."""
    half = min(HALF, (frames - 1) // 2)
    centre = torch.arange(half, frames - half).double()[:, None]
    s = ((torch.arange(frames) - centre) / (half + 1)).clamp(-1, 1)
    return (1 - s**2) ** POWER, -2 * POWER * s * (1 - s**2) ** (POWER - 1) / (half + 1)


def waves(
    geometry: Geometry,
) -> tuple[Float[Tensor, "test point"], Float[Tensor, "axis test point"], Float[Tensor, " test"]]:
    """Test functions at the cells, how much they rise over each cell along each axis, and the length of their wave
    vector."""
    shape, most = geometry.shape, WAVES[len(geometry.shape)]
    sides = [_sides(n, min(most, (n - 1) // 2), geometry.periodic) for n in shape]
    tests, rises, lengths = [], [], []
    for chosen in itertools.product(*sides):
        length = math.sqrt(sum(m * m for m, _, _ in chosen))
        if not 0 < length <= most:
            continue
        means = [mean for _, mean, _ in chosen]
        tests.append(_product(means))
        along = [
            [rise if a == axis else mean for a, (_, mean, rise) in enumerate(chosen)] for axis in range(len(shape))
        ]
        rises.append(torch.stack([_product(each) for each in along]))
        lengths.append(length)
    scale = math.sqrt(math.prod(shape))
    return (torch.stack(tests) / scale).float(), (torch.stack(rises, 1) / scale).float(), torch.tensor(lengths)


def _sides(n: int, count: int, periodic: bool) -> list[tuple[int, Tensor, Tensor]]:
    """Waves along n cells: how many, their mean in each cell, and their rise over it."""
    faces = torch.arange(n + 1).double() / n
    if periodic:
        turns = [(m, 2 * math.pi * m * faces + p) for m in range(count + 1) for p in ((0.0, -math.pi / 2)[: m + 1])]
    else:
        turns = [(m, math.pi * m * faces - math.pi / 2) for m in range(1, count + 1)]
    found = []
    for m, angle in turns:
        step = angle[1] - angle[0]
        mean = angle.sin().diff() / step if m else torch.ones(n, dtype=torch.float64)
        found.append((m, mean, angle.cos().diff()))
    return found


def _product(sides: list[Tensor]) -> Float[Tensor, " point"]:
    out = torch.ones((), dtype=torch.float64)
    for side in sides:
        out = out[..., None] * side
    return out.flatten()
