"""Heat: the conservative operator of the melt pool, with enthalpy for what is kept and the beam for a source.

    h_t = div grad Phi(h) + A P w(x, t),     -Phi_z = loss theta(h) at the surface

h is enthalpy per volume and Phi the Kirchhoff potential, in the units of `operators.groups`; A the absorptivity, P the
power, w the beam's share of each cell. Only what passes through faces is learned: Phi, theta, the loss and A come from
the past frames of a camera (`Reading`), one of each for a sample, and nothing tells alloy, powder or absorptivity.
Whatever the weights are, Phi rises with h no faster than `FASTEST`, so heat goes from hot to cold, a step without beam
makes no new extremum, and the ledger closes to round-off: each face has one flux, and sums are compensated (Kahan).
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from operators.nets.context import Context
from operators.problem import Geometry
from operators.reference.beam import SIGMA

HOTTEST = 4.0
"""h of the last knot; beyond it the last slope goes on. Melting ends near 1.5, nickel boils near 3."""
PIECES = 16
FASTEST = 3.0
"""dPhi/dh at most: diffusivity over that of the solid at its solidus."""
SLOWEST = 0.02
MOST_LOSS = 1.0
STABLE = 0.95

Box = Float[Tensor, "b z y x"]


class Curve(NamedTuple):
    """A function of h, linear between knots 0, HOTTEST / PIECES, ..., HOTTEST; each sample its own."""

    values: Float[Tensor, "b knot"]

    @staticmethod
    def rising(slopes: Float[Tensor, "b piece"]) -> "Curve":
        """0 at 0."""
        return Curve(nn.functional.pad((slopes * (HOTTEST / slopes.shape[1])).cumsum(1), (1, 0)))

    def at(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        pieces = self.values.shape[1] - 1
        step = HOTTEST / pieces
        flat = h.flatten(1)
        piece = (flat.detach() / step).floor().long().clamp(0, pieces - 1)
        below, above = self.values.gather(1, piece), self.values.gather(1, piece + 1)
        return (below + (above - below) * (flat / step - piece)).view(h.shape)


class Matter(NamedTuple):
    """What the past says of a sample."""

    absorptivity: Float[Tensor, " b"]
    phi: Curve
    theta: Curve
    loss: Float[Tensor, " b"]


class Balance(NamedTuple):
    """Energy since the start, in double precision, in units of h in one cell: what the beam brought, what passed the
    walls and what the surface lost."""

    absorbed: Float[Tensor, " b"]
    walls: Float[Tensor, " b"]
    surface: Float[Tensor, " b"]


class Heated(NamedTuple):
    """h, what rounding has left out of it so far, and the balance."""

    h: Box
    rest: Box
    balance: Balance

    @staticmethod
    def start(h: Box) -> "Heated":
        none = torch.zeros(len(h), dtype=torch.float64, device=h.device)
        return Heated(h, torch.zeros_like(h), Balance(none, none, none))

    def stored(self) -> Float[Tensor, " b"]:
        return _sum(self.h) + _sum(self.rest)

    def defect(self, before: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """What does not add up since `before` was stored, over what was absorbed (over what was stored where nothing
        was)."""
        absorbed, walls, surface = self.balance
        off = self.stored() - before - absorbed + walls + surface
        return off / torch.where(absorbed > 0, absorbed, before.abs().clamp(min=1e-30))


class Beam(NamedTuple):
    """Over one frame: the power, and where the beam goes from and to, in cells from the box's corner (y, x)."""

    power: Float[Tensor, " b"]
    begin: Float[Tensor, "b 2"]
    end: Float[Tensor, "b 2"]


class Heat:
    """The scheme: explicit steps in a box of metal that is cold around it. It has nothing to learn.

    cells_per_diameter: of the beam; frame: its time, in diameters^2 over diffusivity. Beyond the walls of the box lies
    one cell that stays cold.
    """

    def __init__(self, cells_per_diameter: float, frame: float) -> None:
        if not (cells_per_diameter >= 1 and frame > 0):
            raise ValueError(f"wants a cell or more a diameter and a frame above 0, got {cells_per_diameter}, {frame}")
        dx = 1 / cells_per_diameter
        self.cells, self.steps = cells_per_diameter, math.ceil(6 * FASTEST * frame / dx**2 / STABLE)
        self.r = frame / self.steps / dx**2
        self.brought = frame / self.steps / dx**3  # to h of one cell by a beam of A P = 1 that is all in it
        self.lossy = frame / self.steps / dx

    def advance(self, matter: Matter, state: Heated, beam: Beam) -> Heated:
        """One frame."""
        for step in range(self.steps):
            place = beam.begin + (step + 0.5) / self.steps * (beam.end - beam.begin)
            state = self._step(matter, state, beam.power, place)
        return state

    def _step(self, matter: Matter, state: Heated, power: Tensor, place: Float[Tensor, "b 2"]) -> Heated:
        h = state.h
        phi = matter.phi.at(h)
        gain, through = torch.zeros_like(h), torch.zeros_like(state.balance.walls)
        for dim in (1, 2, 3):
            n = h.shape[dim]
            # into a cell from the one behind it, and from beyond the walls, where all is cold; not through the surface
            inward, last = self.r * phi.diff(dim=dim), -self.r * phi.narrow(dim, n - 1, 1)
            first = torch.zeros_like(last) if dim == 1 else -self.r * phi.narrow(dim, 0, 1)
            gain = gain + torch.cat([inward, last], dim) - torch.cat([-first, inward], dim)
            through = through - _sum(first) - _sum(last)
        put = (self.brought * matter.absorptivity * power)[:, None, None] * self.shares(h, place)
        top = h[:, :1]
        loss = (self.lossy * matter.loss)[:, None, None, None] * matter.theta.at(top)
        gain = torch.cat([gain[:, :1] + put[:, None] - loss, gain[:, 1:]], 1)
        absorbed, walls, surface = state.balance
        balance = Balance(absorbed + _sum(put), walls + through, surface + _sum(loss))
        return Heated(*_added(h, state.rest, gain), balance)

    def shares(self, h: Box, place: Float[Tensor, "b 2"]) -> Float[Tensor, "b y x"]:
        """What part of the beam falls on each surface cell: a Gaussian, integrated exactly."""
        sides = []
        for axis, n in enumerate(h.shape[2:]):
            edges = torch.arange(n + 1, device=h.device) - place[:, axis, None]
            sides.append(0.5 * torch.erf(edges / (SIGMA * self.cells * math.sqrt(2))).diff(dim=1))
        return sides[0][:, :, None] * sides[1][:, None]


class Reading(nn.Module):
    """Past frames of the surface, as a camera gives them, and the power then: to the code of a sample, and its matter.
    The code starts at what all samples share."""

    def __init__(self, shape: tuple[int, int], width: int = 32, patch: int = 4) -> None:
        super().__init__()
        self.context = Context(Geometry.grid(*shape), 2, width, patch=patch)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 + 2 * PIECES))
        with torch.no_grad():
            self.head[-1].weight.mul_(0.1)
            self.head[-1].bias.zero_()

    def code(
        self, frames: Float[Tensor, "b n y x"], power: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b width"]:  # fmt: skip
        given = torch.stack([frames, power[:, :, None, None].expand_as(frames)], -1)
        return self.context(given.flatten(2, 3))

    def forward(self, frames: Float[Tensor, "b n y x"], power: Float[Tensor, "b n"]) -> Matter:
        """frames: theta of the surface; power in units that A makes q of."""
        absorptivity, loss, phi, theta = self.head(self.code(frames, power)).split((1, 1, PIECES, PIECES), 1)
        return Matter(
            torch.sigmoid(absorptivity[:, 0]),
            Curve.rising(_between(phi)),
            Curve.rising(_between(theta)),
            MOST_LOSS * torch.sigmoid(loss[:, 0] - 4),
        )


class HeatFluxNo(nn.Module):
    """HFluxNO of the melt pool: reads its matter from the past once, then goes on frame by frame."""

    def __init__(
        self, shape: tuple[int, int, int], cells_per_diameter: float, frame: float, width: int = 32, patch: int = 4
    ) -> None:
        super().__init__()
        self.shape, self.heat = shape, Heat(cells_per_diameter, frame)
        self.reading = Reading(shape[1:], width, patch)

    def forward(
        self, frames: Float[Tensor, "b n y x"], power: Float[Tensor, "b m"], places: Float[Tensor, "b k 2"], h: Box
    ) -> tuple[Float[Tensor, "b ahead z y x"], Heated]:
        """m = n + ahead: the power of the frames seen, then as planned. places: of the beam at the ends of the frames
        ahead, k = ahead + 1, in cells. h: the field now. Gives theta after each, and how it stands at the end."""
        n = frames.shape[1]
        if places.shape[1] != power.shape[1] - n + 1:
            raise ValueError(f"{power.shape[1] - n} frames ahead want one place more, got {places.shape[1]}")
        matter = self.reading(frames, power[:, :n])
        state, seen = Heated.start(h), []
        for t in range(power.shape[1] - n):
            state = self.heat.advance(matter, state, Beam(power[:, n + t], places[:, t], places[:, t + 1]))
            seen.append(matter.theta.at(state.h))
        return torch.stack(seen, 1), state


def _between(x: Tensor) -> Tensor:
    """Slopes that rise with h nowhere faster than is stable, 1 where x is 0."""
    start = math.log((1 - SLOWEST) / (FASTEST - 1))
    return SLOWEST + (FASTEST - SLOWEST) * torch.sigmoid(x + start)


def _added(h: Box, rest: Box, gain: Box) -> tuple[Box, Box]:
    """h + gain, and what rounding left out of it (two-sum: Knuth)."""
    with_rest = gain + rest
    new = h + with_rest
    kept = new - h
    return new, (h - (new - kept)) + (with_rest - kept)


def _sum(x: Tensor) -> Float[Tensor, " b"]:
    return x.flatten(1).double().sum(1)
