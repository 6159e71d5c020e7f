"""Heat: the conservative scheme of the melt pool, with enthalpy for what is kept and the beam for a source.

    h_t = div (f grad Phi(h)) + A P w(x, t),     -Phi_z = loss theta(h) at the surface

h is enthalpy per volume and Phi the Kirchhoff potential, in the units of `operators.melt_pool.scales`; A the
absorptivity, P the power, w the beam's share of each cell; f is 1 but in a layer of powder, which conducts `powder` of
what metal does until it has melted. What passes through faces is a sample's `Matter`: Phi, theta, loss, powder and A,
which `operators.camera` infers. Whatever that says, Phi rises with h no faster than `FASTEST`, so heat goes from hot to
cold, a step without beam makes no new extremum, and the ledger closes to round-off: each face has one flux, and sums
are compensated (Kahan).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from operators.reference.beam import SIGMA

HOTTEST = 3.2
"""h of the last knot; beyond it the last slope goes on, and a melt of constant k and c is a straight line there. In
fixed units melting ends between .6 and 1.7."""
PIECES = 32
FASTEST = 2.4
"""dPhi/dh at most, in units of `scales.DIFFUSIVITY`: metals of the trained box have 2.4, Ti-6Al-4V 1.9."""
STEEPEST = 3.2
"""dtheta/dh at most."""
SLOWEST = 0.02
STABLE = 0.95
LAYER = 0.25
"""Thickness of a layer of powder, in diameters."""
FEWEST = 4
"""Steps a frame at least: the beam goes half a cell in one."""

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
        flat = h.flatten(1) / step
        piece = flat.detach().clamp(0, pieces - 1).long()
        below, above = self.values.gather(1, piece), self.values.gather(1, piece + 1)
        return torch.lerp(below, above, flat - piece).view(h.shape)


class Matter(NamedTuple):
    """The law of a sample. `powder`: what its layer conducts before it melts, of what metal does (1: a bare plate);
    `melting`: h at the solidus and at the liquidus, between which powder becomes metal."""

    absorptivity: Float[Tensor, " b"]
    phi: Curve
    theta: Curve
    loss: Float[Tensor, " b"]
    powder: Float[Tensor, " b"]
    melting: Float[Tensor, "b 2"]

    @property
    def fastest(self) -> Float[Tensor, " b"]:
        """Largest dPhi/dh: what limits an explicit step."""
        values = self.phi.values.detach()
        return values.diff(dim=1).amax(1) * (values.shape[1] - 1) / HOTTEST

    def take(self, rows: Tensor) -> "Matter":
        """Some samples of a batch, in this order."""
        a, phi, theta, loss, powder, melting = self
        return Matter(
            a[rows], Curve(phi.values[rows]), Curve(theta.values[rows]), loss[rows], powder[rows], melting[rows]
        )


class Balance(NamedTuple):
    """Energy since the start, in double precision, in units of h in one cubic cell: what the beam brought, what passed
    the walls and what the surface lost."""

    absorbed: Float[Tensor, " b"]
    walls: Float[Tensor, " b"]
    surface: Float[Tensor, " b"]


class Heated(NamedTuple):
    """h, what rounding has left out of it so far, which share of each of the first cells has melted yet, and the
    balance."""

    h: Box
    rest: Box
    fused: Float[Tensor, "b 2 y x"]
    balance: Balance

    @staticmethod
    def start(h: Box) -> "Heated":
        """Of any field; powder as yet unmelted."""
        none = torch.zeros(len(h), dtype=torch.float64, device=h.device)
        return Heated(h, torch.zeros_like(h), torch.zeros_like(h[:, :2]), Balance(none, none, none))

    @staticmethod
    def cold(batch: int, shape: tuple[int, int, int], device: str | torch.device = "cpu") -> "Heated":
        return Heated.start(torch.zeros(batch, *shape, device=device))


class Beam(NamedTuple):
    """Over one frame: the power, where the beam goes from and to, in cells from the box's corner (y, x), and how long
    the frame is, in diameters^2 over `scales.DIFFUSIVITY`; each sample its own."""

    power: Float[Tensor, " b"]
    begin: Float[Tensor, "b 2"]
    end: Float[Tensor, "b 2"]
    frame: Float[Tensor, " b"]


class Heat:
    """The scheme: explicit steps in a box around which metal is cold. It has nothing to learn.

    cells_per_diameter: of the beam; sides, bottom: what passes through the walls there, of what would if the cold were
    one cell beyond them (1: it is; .1: some ten cells beyond, as where the metal goes on). layers: thickness of each,
    from the surface down, in cells; left out: cells are cubes.
    """

    def __init__(
        self, cells_per_diameter: float, sides: float = 1.0, bottom: float = 1.0, layers: Sequence[float] | None = None
    ) -> None:
        if not cells_per_diameter >= 1:
            raise ValueError(f"wants a cell or more a diameter, got {cells_per_diameter}")
        if not (0 < sides <= 1 and 0 < bottom <= 1):
            raise ValueError(f"walls pass more than 0 and at most 1, got {sides}, {bottom}")
        self.cells, self.sides, self.bottom = cells_per_diameter, sides, bottom
        self.layers = tuple(layers) if layers is not None else None
        if self.layers is not None and not all(thick > 0 for thick in self.layers):
            raise ValueError(f"layers have a thickness above 0, got {self.layers}")

    def thickness(self, h: Box) -> Float[Tensor, " z"]:
        """Of the layers, in cells."""
        layers = (1.0,) * h.shape[1] if self.layers is None else self.layers
        if len(layers) != h.shape[1]:
            raise ValueError(f"the scheme has {len(layers)} layers, the field {h.shape[1]}")
        return torch.tensor(layers, device=h.device)

    def powdered(self, h: Box) -> int:
        """How many layers a layer of powder has."""
        deep = int((self.thickness(h).cumsum(0) <= LAYER * self.cells + 1e-6).sum())
        return min(max(1, deep), 2, h.shape[1] - 1)

    @property
    def neighbours(self) -> float:
        """What leaves a cell for all its neighbours at most, in units of r: 6 where cells are cubes."""
        if self.layers is None:
            return 6.0
        thick = (*self.layers, self.layers[-1])
        between = [0.0, *(2 / (a + b) for a, b in pairwise(thick))]
        return 4 + max((a + b) / t for a, b, t in zip(between[:-1], between[1:], self.layers, strict=True))

    def stored(self, state: Heated) -> Float[Tensor, " b"]:
        """Energy, in units of h in one cubic cell."""
        thick = self.thickness(state.h)[:, None, None]
        return _sum(state.h, thick) + _sum(state.rest, thick)

    def defect(self, state: Heated, before: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """What does not add up since `before` was stored, over the larger of that and what was absorbed."""
        absorbed, walls, surface = state.balance
        off = self.stored(state) - before - absorbed + walls + surface
        return off / torch.maximum(absorbed.abs(), before.abs()).clamp(min=1e-30)

    def steps(self, matter: Matter, frame: Float[Tensor, " b"]) -> Int[Tensor, " b"]:
        """Of each sample in a frame: as many as its own law and frame want, whoever is beside it in the batch."""
        wanted = self.neighbours * matter.fastest * frame * self.cells**2 / STABLE
        return (wanted - 1e-4).ceil().long().clamp(min=FEWEST)

    def advance(
        self, matter: Matter, state: Heated, beam: Beam, steps: Int[Tensor, " b"] | None = None, ledger: bool = True
    ) -> Heated:
        """One frame. Samples that have taken their steps wait for the others. Without `ledger` nothing is added up,
        and rounding is not made good."""
        if not (beam.frame > 0).all():
            raise ValueError(f"a frame lasts longer than 0, got {beam.frame.min().item()}")
        steps = self.steps(matter, beam.frame) if steps is None else steps
        powdery = bool((matter.powder < 1).any())
        for step in range(int(steps.max())):
            dt = torch.where(step < steps, beam.frame / steps, 0.0)
            place = beam.begin + ((step + 0.5) / steps)[:, None] * (beam.end - beam.begin)
            state = self._step(matter, state, beam.power, place, dt, powdery, ledger)
        return state

    def _step(
        self, matter: Matter, state: Heated, power: Tensor, place: Float[Tensor, "b 2"], dt: Float[Tensor, " b"],
        powdery: bool, ledger: bool,
    ) -> Heated:  # fmt: skip
        h, fused = state.h, state.fused
        phi = matter.phi.at(h)
        r = (dt * self.cells**2)[:, None, None, None]
        thick = self.thickness(h)[:, None, None]
        deep = self.powdered(h)
        powder = matter.powder[:, None, None, None]
        flowing = powder + (1 - powder) * fused[:, :deep] if powdery else None
        gain, walls = torch.zeros_like(h), []
        for dim in (1, 2, 3):
            n = h.shape[dim]
            # into a cell from the one behind it, and from beyond the walls, where all is cold; not through the surface
            inward, last = r * phi.diff(dim=dim), -r * phi.narrow(dim, n - 1, 1)
            if dim == 1:
                inward = inward * 2 / (thick[1:] + thick[:-1])
                last = self.bottom * last / thick[-1:]
                first = torch.zeros_like(last)
            else:
                last, first = self.sides * last, -self.sides * r * phi.narrow(dim, 0, 1)
            if flowing is not None:
                if dim == 1:
                    below = torch.cat([flowing[:, 1:], torch.ones_like(flowing[:, :1])], 1)
                    between = _in_series(flowing, below)
                else:
                    m = flowing.shape[dim] - 1
                    between = _in_series(flowing.narrow(dim, 0, m), flowing.narrow(dim, 1, m))
                inward = torch.cat([inward[:, :deep] * between, inward[:, deep:]], 1)
            came = torch.cat([inward, last], dim) - torch.cat([-first, inward], dim)
            gain = gain + (came / thick if dim == 1 else came)
            weight = 1.0 if dim == 1 else thick
            walls += [first * weight, last * weight]
        put = (dt * self.cells**3 * matter.absorptivity * power)[:, None, None] * self.shares(h, place)
        top = h[:, :1]
        loss = (dt * self.cells * matter.loss)[:, None, None, None] * matter.theta.at(top)
        gain = torch.cat([gain[:, :1] + (put[:, None] - loss) / thick[0], gain[:, 1:]], 1)
        if powdery:
            low, high = matter.melting[:, :, None, None, None].unbind(1)
            fused = torch.maximum(fused, ((h[:, :2] - low) / (high - low)).clamp(0, 1))
        if not ledger:
            return Heated(h + gain, state.rest, fused, state.balance)
        absorbed, through, surface = state.balance
        through = through - torch.stack([_sum(wall) for wall in walls]).sum(0)
        balance = Balance(absorbed + _sum(put), through, surface + _sum(loss))
        return Heated(*_added(h, state.rest, gain), fused, balance)

    def shares(self, h: Box, place: Float[Tensor, "b 2"]) -> Float[Tensor, "b y x"]:
        """What part of the beam falls on each surface cell: a Gaussian, integrated exactly."""
        y, x = (self.along(n, place[:, axis], h.device) for axis, n in enumerate(h.shape[2:]))
        return y[:, :, None] * x[:, None]

    def along(self, cells: int, place: Float[Tensor, " b"], device: str | torch.device) -> Float[Tensor, "b cell"]:
        """The same of one axis."""
        edges = torch.arange(cells + 1, device=device) - place[:, None]
        return 0.5 * torch.erf(edges / (SIGMA * self.cells * math.sqrt(2))).diff(dim=1)


def _in_series(a: Tensor, b: Tensor) -> Tensor:
    """What the face between two cells conducts: half of the way in each."""
    return 2 * a * b / (a + b)


def _added(h: Box, rest: Box, gain: Box) -> tuple[Box, Box]:
    """h + gain, and what rounding left out of it (two-sum: Knuth)."""
    with_rest = gain + rest
    new = h + with_rest
    kept = new - h
    return new, (h - (new - kept)) + (with_rest - kept)


def _sum(x: Tensor, weight: Tensor | float = 1.0) -> Float[Tensor, " b"]:
    return (x.double() * weight).flatten(1).sum(1)
