"""Viscous: a law's own flux, whatever it is, inside a scheme that damps what it has not seen.

    u_t + f(u)_x = (nu u_x)_x,     f and nu from the past frames
    G = (f(u_l) + f(u_r)) / 2 - lambda (u_r - u_l) / 2 - nu (u_right - u_left)

The published HFluxNO learns a flux of many cells at once, and nothing says what that net does at a jump which it
never saw: on shallow-water steps it is the worst of its table. Here the net is of one state alone, f(u), as small as a
law is; jumps are the scheme's: limited slopes to u_l and u_r (MUSCL), the dissipation lambda never
below the fastest wave that f itself has there, and as many Runge-Kutta steps in one of the data as that wave needs,
guessed from `RANGED` states. Where f turns out to be steeper than those show, the whole sample is slowed to what the
steps allow. So for one unknown no step makes a new extremum, whatever f is learned: a wrong f moves a shock to a wrong
place, but does not feed it. Waves faster than `FASTEST` cells a step are slowed to it.

Axes have a flux each. All in cells and steps of the data. Who reads a law from the past is told in `written` (a
hypernetwork) and `fitted` (least squares).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from operators.nets.hyper import Layers, applied_with_slopes
from operators.nets.volumes import Fluxes, around

COURANT = 0.5
FASTEST = 6.0
TINY = 1e-6
ROUNDING = 1e-3
"""Of a step: waves that are slowed want a whole number of steps, which rounding must not make one more."""
MOST_STEPS = 10_000.0
"""In one of the data, whatever diffusivity was fitted."""
WIDE = 1e-3
"""Between two states across which a slope counts: below, it is the last digits'."""
RANGED = 64
"""States over the range of a sample at which the speed of one unknown's waves is looked for."""


@dataclass(frozen=True)
class Law:
    """f(u) = net(u) + linear u along each axis, and a diffusivity; states that it stays between, if told."""

    nets: list[Layers]
    linear: Float[Tensor, "b axis c c"]
    diffusivity: Float[Tensor, "b axis"]
    least: Float[Tensor, "b c"] | None = None
    most: Float[Tensor, "b c"] | None = None

    def flux(
        self, axis: int, u: Float[Tensor, "b c *cells"]
    ) -> tuple[Float[Tensor, "b c *cells"], Float[Tensor, " b *cells"]]:
        """f(u) along an axis, and the speed of its fastest wave there."""
        found, slopes = self._with_slopes(axis, u)
        return found, fastest(slopes).view(u.shape[0], *u.shape[2:])

    def _with_slopes(self, axis: int, u: Float[Tensor, "b c *cells"]) -> tuple[Tensor, Float[Tensor, "b n c c"]]:
        """f(u) and its Jacobian."""
        flat, linear = u.flatten(2).mT, self.linear[:, axis]
        found, slopes = applied_with_slopes(self.nets[axis], flat)
        return (found + flat @ linear.mT).mT.reshape(u.shape), slopes + linear[:, None]

    def of(self, rows: Tensor) -> "Law":
        """The laws of some of the samples."""
        nets: list[Layers] = [[(weight[rows], bias[rows]) for weight, bias in net] for net in self.nets]
        least, most = (None if side is None else side[rows] for side in (self.least, self.most))
        return Law(nets, self.linear[rows], self.diffusivity[rows], least, most)

    def finer(self, times: int) -> "Law":
        """The same law in cells that are so many times smaller."""
        nets: list[Layers] = []
        for *inner, (weight, bias) in self.nets:
            nets.append([*inner, (times * weight, times * bias)])
        return Law(nets, times * self.linear, times**2 * self.diffusivity, self.least, self.most)

    def pace(
        self, u: Float[Tensor, "b c *shape"], fastest_allowed: float = FASTEST
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:  # fmt: skip
        """Of each sample: how many steps of time one of the data takes, and what its waves are slowed by."""
        with torch.no_grad():
            fast = sum(self._fastest_of_sample(axis, u) for axis in range(len(self.nets)))
            slowed = (fastest_allowed / fast.clamp(min=TINY)).clamp(max=1)
            wanted = (fast * slowed + 4 * self.diffusivity.sum(1)) / COURANT
            # a sample that is no number is no other's affair
            return torch.ceil(wanted.nan_to_num(1.0, MOST_STEPS, 1.0) - ROUNDING).clamp(1, MOST_STEPS), slowed

    def _fastest_of_sample(self, axis: int, u: Float[Tensor, "b c *shape"]) -> Float[Tensor, " b"]:
        """At its cells and half-way between neighbours; of one unknown at every state between its least and largest,
        among which it stays."""
        b = len(u)
        if u.shape[1] > 1:
            seen = torch.stack([u, 0.5 * (u + u.roll(1, 2 + axis))], 2)
            return self.flux(axis, seen)[1].flatten(1).amax(1)
        low, high = (getattr(u.flatten(1), side)(1, keepdim=True) for side in ("amin", "amax"))
        states = low + (high - low) * torch.linspace(0, 1, RANGED).to(u)
        f, speeds = self.flux(axis, states.view(b, 1, RANGED))
        chords = (f[:, 0].diff(dim=1) / (states.diff(dim=1) + TINY)).abs()
        return torch.maximum(speeds.amax(1), chords.amax(1))

    def _turns(
        self, axis: int, u: Float[Tensor, "b c *shape"], cells: Float[Tensor, "b c *faces stencil"], periodic: bool
    ) -> tuple[Tensor, Tensor] | None:
        """Of one unknown: whether f' rises with the state on one side of a cell and falls on the other. There central
        slopes may settle on shocks that no entropy allows (Kurganov, Petrova and Popov 2007)."""
        if u.shape[1] > 1:
            return None
        with torch.no_grad():
            speed = self._with_slopes(axis, u)[1].reshape(u.shape)
            bends = around(speed, axis, 2, periodic).diff(dim=-1) * cells.diff(dim=-1)
            return bends[..., 0] * bends[..., 1] < 0, bends[..., 1] * bends[..., 2] < 0

    def fluxes(
        self, u: Float[Tensor, "b c *shape"], slowed: Float[Tensor, " b"], steps: Float[Tensor, " b"], periodic: bool
    ) -> Fluxes:
        """Through the faces of each axis, in one of so many `steps` that one of the data is cut into. Waves that turn
        out to be faster than those allow are slowed, with the whole sample."""
        found, fastest_of_axes = [], []
        for axis in range(len(self.nets)):
            cells = around(u, axis, 2, periodic)
            left, right = sides(cells, self._turns(axis, u, cells, periodic))
            (f_left, fast_left), (f_right, fast_right) = (self.flux(axis, s) for s in (left, right))
            fast = torch.maximum(fast_left, fast_right)
            fast = torch.maximum(fast, self.flux(axis, 0.5 * (left + right))[1])
            seen = [fast]
            if u.shape[1] == 1:  # what the jump wants, wherever between the two the flux is steep
                fast = torch.maximum(fast, _chord(f_right - f_left, right - left, TINY))
                seen += [_chord(f_right - f_left, right - left, WIDE), self._across(axis, f_left, f_right, left, right)]
            fastest_of_axes.append(torch.stack([each.detach().flatten(1).amax(1) for each in seen]).amax(0))
            found.append((0.5 * (f_left + f_right - fast[:, None] * (right - left)), cells))
        courant = COURANT if u.shape[1] == 1 else 2 * COURANT  # of several unknowns against running away alone
        allowed = courant * steps - 4 * self.diffusivity.detach().sum(1)
        slowed = torch.minimum(slowed, allowed.clamp(min=TINY) / sum(fastest_of_axes).clamp(min=TINY))
        each = len(u), *[1] * (u.dim() - 1)
        return [
            slowed.view(each) * flux - self.diffusivity[:, axis].view(each) * (cells[..., 2] - cells[..., 1])
            for axis, (flux, cells) in enumerate(found)
        ]

    @staticmethod
    def _across(axis: int, f_left: Tensor, f_right: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """The slope of the flux across each cell, from its first side to its last."""
        dim, n = 2 + axis, left.shape[2 + axis] - 1
        rise = f_left.narrow(dim, 1, n) - f_right.narrow(dim, 0, n)
        return _chord(rise, left.narrow(dim, 1, n) - right.narrow(dim, 0, n), WIDE)


def _chord(rise: Float[Tensor, "b 1 *n"], jump: Float[Tensor, "b 1 *n"], least: float) -> Tensor:
    """Slope of a flux between two states, 0 where they are less apart."""
    near = jump.abs() < least
    return torch.where(near, 0.0, (rise / torch.where(near, 1.0, jump)).abs())[:, 0]


def sides(
    cells: Float[Tensor, "b c *faces stencil"], turns: tuple[Tensor, Tensor] | None = None
) -> tuple[Float[Tensor, "b c *faces"], Float[Tensor, "b c *faces"]]:
    """The states on both sides of each face, from four cells, by limited slopes: monotonised central, minmod where the
    speed of waves `turns` (before the face, behind it)."""
    before, over, after = cells.diff(dim=-1).unbind(-1)
    here, there = turns or (None, None)
    return cells[..., 1] + 0.5 * _limited(before, over, here), cells[..., 2] - 0.5 * _limited(over, after, there)


def _limited(one: Tensor, other: Tensor, turns: Tensor | None) -> Tensor:
    """MC: the least of twice one, twice the other and their mean; minmod: the least of both. 0 where they differ in
    sign."""
    small = torch.minimum(one.abs(), other.abs())
    least = torch.minimum(2 * small, 0.5 * (one + other).abs())
    if turns is not None:
        least = torch.where(turns, small, least)
    return torch.where(one * other > 0, one.sign() * least, torch.zeros_like(least))


def fastest(slopes: Float[Tensor, "b n c d"]) -> Float[Tensor, "b n"]:
    """The largest |eigenvalue| of each Jacobian: exact up to two unknowns, no less than it beyond (Frobenius)."""
    c = slopes.shape[-1]
    if c == 1:
        return slopes[..., 0, 0].abs()
    if c == 2:
        half = 0.5 * (slopes[..., 0, 0] + slopes[..., 1, 1])
        det = slopes[..., 0, 0] * slopes[..., 1, 1] - slopes[..., 0, 1] * slopes[..., 1, 0]
        under = half * half - det
        real = half.abs() + torch.sqrt(under.clamp(min=TINY))
        return torch.where(under >= 0, real, torch.sqrt(det.abs().clamp(min=TINY)))
    return torch.sqrt(slopes.square().sum((-2, -1)) + TINY)
