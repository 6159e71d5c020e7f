"""Laws of conservation on a line, u_t + f(u)_x = nu u_xx, batched: each trajectory has coefficients (b,) of its own.

States are (b, channel, cell), one channel for a scalar law; a plane has a scalar law along each axis.
Source of the families: arXiv 2605.05488.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

State = Float[Tensor, "b channel cell"]
Speed = Float[Tensor, "b 1 cell"]
Coefficient = Float[Tensor, " b"]


class Law(ABC):
    """What a finite volume asks of a law."""

    @abstractmethod
    def flux(self, u: State) -> State: ...

    @abstractmethod
    def speed(self, left: State, right: State) -> Speed:
        """The largest |wave speed| between two states."""

    @abstractmethod
    def through(self, left: State, right: State) -> tuple[State, Speed]:
        """The numerical flux from left to right, consistent (through(u, u) gives flux(u)), and `speed`."""

    def turns(self, left: State, right: State) -> Bool[Tensor, "b 1 cell"] | None:
        """Whether f' turns between two states; None where no flux of the family does."""
        return None

    def viscosity(self) -> Coefficient | None:
        """nu, None where there is none."""
        return None

    def of(self, rows: slice | Tensor) -> Self:
        """The law of some of the trajectories."""
        return type(self)(*(getattr(self, f.name)[rows] for f in fields(self)))


class Scalar(Law):
    """One conserved quantity; local Lax-Friedrichs, with the exact largest |f'| over the segment: monotone even where f
    is not convex. Entropy solutions then ask for mild slopes too, see muscl.py."""

    def through(self, left: State, right: State) -> tuple[State, Speed]:
        speed = self.speed(left, right)
        return (self.flux(left) + self.flux(right) - speed * (right - left)) / 2, speed


@dataclass(frozen=True)
class Cubic(Scalar):
    """f = a u^3 + b u^2 + c u: convex on one side of u = -b / 3a, concave on the other."""

    a: Coefficient
    b: Coefficient
    c: Coefficient

    def flux(self, u: State) -> State:
        a, b, c = _columns(self.a, self.b, self.c)
        return ((a * u + b) * u + c) * u

    def speed(self, left: State, right: State) -> Speed:
        a, b, c = _columns(self.a, self.b, self.c)
        ends = torch.maximum(((3 * a * left + 2 * b) * left + c).abs(), ((3 * a * right + 2 * b) * right + c).abs())
        return torch.where(self.turns(left, right), torch.maximum(ends, (c - b * b / (3 * a)).abs()), ends)

    def turns(self, left: State, right: State) -> Bool[Tensor, "b 1 cell"]:
        a, b = _columns(self.a, self.b)
        place = -b / (3 * a)  # infinite, or no number, where there is none
        return (left - place) * (right - place) < 0


@dataclass(frozen=True)
class Sine(Scalar):
    """f = a sin(b u)."""

    a: Coefficient
    b: Coefficient

    def flux(self, u: State) -> State:
        a, b = _columns(self.a, self.b)
        return a * torch.sin(b * u)

    def speed(self, left: State, right: State) -> Speed:
        a, b = _columns(self.a, self.b)
        ends = torch.maximum((b * left).cos().abs(), (b * right).cos().abs())
        return (a * b).abs() * torch.where(self.turns(left, right), 1.0, ends)

    def turns(self, left: State, right: State) -> Bool[Tensor, "b 1 cell"]:
        b = self.b[:, None, None] / math.pi
        return (b * left).floor() != (b * right).floor()


@dataclass(frozen=True)
class Burgers(Scalar):
    """f = a u^2 with viscosity nu: no half, as in the source's generator; w = 2 a u obeys w_t + w w_x = nu w_xx."""

    a: Coefficient
    nu: Coefficient

    def flux(self, u: State) -> State:
        return self.a[:, None, None] * u * u

    def speed(self, left: State, right: State) -> Speed:
        return 2 * self.a[:, None, None].abs() * torch.maximum(left.abs(), right.abs())

    def viscosity(self) -> Coefficient:
        return self.nu


@dataclass(frozen=True)
class ShallowWater(Law):
    """h_t + (gamma m)_x = 0, m_t + (alpha m^2 / h + beta h^2 / 2)_x = 0 for u = (h, m), m = h v; HLL.

    gamma = alpha = 1 is shallow water with g = beta. Wave speeds are alpha v -+ sqrt(D), where
    D = alpha (alpha - gamma) v^2 + gamma beta h: with alpha >= gamma hyperbolic wherever there is water; with
    alpha < gamma not where the flow is swift for its height, and the problem is ill posed there."""

    gamma: Coefficient
    alpha: Coefficient
    beta: Coefficient

    def flux(self, u: State) -> State:
        return torch.stack(self._parts(*u.unbind(1))[2:], 1)

    def speed(self, left: State, right: State) -> Speed:
        return self.through(left, right)[1]

    def through(self, left: State, right: State) -> tuple[State, Speed]:
        """The speeds between two states are bounded by Davis' of the two, widened by those of HLL's state in the
        middle, which is swifter than both where alpha / gamma is far from 1."""
        (h, m), (h_right, m_right) = left.unbind(1), right.unbind(1)
        slow, fast, mass, thrust = self._parts(h, m)
        slow_right, fast_right, mass_right, thrust_right = self._parts(h_right, m_right)
        low, high = torch.minimum(slow, slow_right).clamp(max=0), torch.maximum(fast, fast_right).clamp(min=0)
        across = high - low
        slow, fast, *_ = self._parts(
            (high * h_right - low * h - mass_right + mass) / across,
            (high * m_right - low * m - thrust_right + thrust) / across,
        )
        low, high = torch.minimum(low, slow), torch.maximum(high, fast)
        across, crossing = high - low, low * high
        through = [
            (high * mass - low * mass_right + crossing * (h_right - h)) / across,
            (high * thrust - low * thrust_right + crossing * (m_right - m)) / across,
        ]
        return torch.stack(through, 1), torch.maximum(-low, high)[:, None]

    def _parts(self, h: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The slower wave's speed, the faster one's, and the fluxes of h and m, all "b cell"."""
        gamma, alpha, beta = self.gamma[:, None], self.alpha[:, None], self.beta[:, None]
        v = m / h
        push, apart = alpha * v, ((alpha * (alpha - gamma)) * v * v + (gamma * beta) * h).clamp(min=0).sqrt()
        return push - apart, push + apart, gamma * m, push * m + (beta / 2) * h * h


@dataclass(frozen=True)
class Plane:
    """u_t + f(u)_x + g(u)_y = 0: a scalar law along each axis; states are (b, x, y)."""

    f: Scalar
    g: Scalar

    def of(self, rows: slice | Tensor) -> "Plane":
        """The laws of some of the trajectories."""
        return Plane(self.f.of(rows), self.g.of(rows))


def _columns(*coefficients: Coefficient) -> list[Float[Tensor, "b 1 1"]]:
    return [x[:, None, None] for x in coefficients]
