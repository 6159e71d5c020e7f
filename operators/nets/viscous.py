"""Viscous: a law's own flux, whatever it is, inside a scheme that damps what it has not seen.

    u_t + f(u)_x = (nu u_x)_x,     f and nu from the past frames
    G = (f(u_l) + f(u_r)) / 2 - lambda (u_r - u_l) / 2 - nu (u_right - u_left)

The published HFluxNO learns a flux of many cells at once, and nothing says what that net does at a jump which it
never saw: on shallow-water steps it is the worst of its table. Here the net is of one state alone, f(u), as small as a
law is; jumps are the scheme's: limited slopes to u_l and u_r (MUSCL), the dissipation lambda never
below the fastest wave that f itself has there, and as many Runge-Kutta steps in one of the data as that wave needs. So
for one unknown no step makes a new extremum, whatever f is learned, as long as `RANGED` states show how steep it is; a
wrong f moves a shock to a wrong place, but does not feed it. Waves faster than `FASTEST` cells a step are slowed to it.

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
RANGED = 64
"""States over the range of a sample at which the speed of one unknown's waves is looked for."""


@dataclass(frozen=True)
class Law:
    """f(u) = net(u) + linear u along each axis, and a diffusivity."""

    nets: list[Layers]
    linear: Float[Tensor, "b axis c c"]
    diffusivity: Float[Tensor, "b axis"]

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
        return Law(nets, self.linear[rows], self.diffusivity[rows])

    def finer(self, times: int) -> "Law":
        """The same law in cells that are so many times smaller."""
        nets: list[Layers] = []
        for *inner, (weight, bias) in self.nets:
            nets.append([*inner, (times * weight, times * bias)])
        return Law(nets, times * self.linear, times**2 * self.diffusivity)

    def pace(
        self, u: Float[Tensor, "b c *shape"], fastest_allowed: float = FASTEST
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:  # fmt: skip
        """Of each sample: how many steps of time one of the data takes, and what its waves are slowed by."""
        with torch.no_grad():
            fast = sum(self._fastest_of_sample(axis, u) for axis in range(len(self.nets)))
            slowed = (fastest_allowed / fast.clamp(min=TINY)).clamp(max=1)
            wanted = (fast * slowed + 4 * self.diffusivity.sum(1)) / COURANT
            return torch.ceil(wanted - ROUNDING).clamp(min=1), slowed

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

    def fluxes(self, u: Float[Tensor, "b c *shape"], slowed: Float[Tensor, " b"], periodic: bool) -> Fluxes:
        """Through the faces of each axis."""
        found = []
        for axis in range(len(self.nets)):
            cells = around(u, axis, 2, periodic)
            left, right = sides(cells, self._turns(axis, u, cells, periodic))
            b, jump = len(u), right - left
            (f_left, fast_left), (f_right, fast_right) = (self.flux(axis, s) for s in (left, right))
            rise = f_right - f_left
            fast = torch.maximum(fast_left, fast_right)
            fast = torch.maximum(fast, self.flux(axis, 0.5 * (left + right))[1])
            if u.shape[1] == 1:  # what the jump wants, wherever between the two the flux is steep
                chord = (rise / torch.where(jump.abs() < TINY, torch.ones_like(jump), jump)).abs()[:, 0]
                fast = torch.maximum(fast, torch.where(jump.abs()[:, 0] < TINY, torch.zeros_like(chord), chord))
            each = b, *[1] * (u.dim() - 1)
            passed = slowed.view(each) * 0.5 * (f_left + f_right - fast[:, None] * jump)
            found.append(passed - self.diffusivity[:, axis].view(each) * (cells[..., 2] - cells[..., 1]))
        return found


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
