"""Exact solutions: Riemann problems u(x / t) from a jump at 0, smooth solutions until they break, and Cole-Hopf's.

They are what the tests hold the finite volumes against, on their own laws of one trajectory.
Sources: Osher 1984 (the extremal formula, which is the convex hull of the flux), LeVeque 2002 (shallow water),
Hopf 1950, Cole 1951.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tests.validation.laws.law import Burgers, Scalar, ShallowWater

VALUES = 2001
"""Between two states of a scalar Riemann problem."""
CURVE = 4000
"""Heights at which a rarefaction is told."""


def scalar(law: Scalar, left: float, right: float, xi: Float[Tensor, " place"]) -> Float[Tensor, " place"]:
    """The entropy solution for any flux: the u between the two states where f(u) - xi u is least if left < right,
    greatest if not."""
    values = torch.linspace(left, right, VALUES, dtype=torch.float64)
    hull = law.flux(values[None, None])[0, 0] - xi[:, None] * values
    return values[hull.argmin(1) if left < right else hull.argmax(1)]


def smooth(law: Scalar, first: Callable[[Tensor], Tensor], time: float, cells: int) -> Float[Tensor, " cell"]:
    """Cell means from first(x) of period 1 along characteristics x + f'(u) t, as long as none have met."""
    start = torch.linspace(-4, 5, 200_001, dtype=torch.float64)
    u = first(start).requires_grad_()
    (speed,) = torch.autograd.grad(law.flux(u[None, None]).sum(), u)
    x = (torch.arange(32 * cells) + 0.5) / (32 * cells)
    found = np.interp(x.numpy(), (start + time * speed).numpy(), u.detach().numpy())
    return torch.from_numpy(found).unflatten(0, (cells, 32)).mean(1)


def sine_wave(law: Burgers, height: float, time: float, cells: int) -> Float[Tensor, " cell"]:
    """Cell means of viscous Burgers from height sin 2 pi x. With w = 2 a u, w = -2 nu (ln q)_x makes heat of it:
    q_t = nu q_xx, q = exp(w0 cos(2 pi x) / (4 pi nu)) at first."""
    a, nu, n = law.a.item(), law.nu.item(), 64 * cells
    faces = np.arange(n) / n
    q = np.fft.rfft(np.exp(2 * a * height * (np.cos(2 * np.pi * faces) - 1) / (4 * np.pi * nu)))
    q = np.fft.irfft(q * np.exp(-nu * (2 * np.pi * np.arange(n // 2 + 1)) ** 2 * time), n)[::64]
    return torch.from_numpy(-nu / a * cells * (np.roll(np.log(q), -1) - np.log(q)))


def shallow_water(
    law: ShallowWater, left: tuple[float, float], right: tuple[float, float], xi: Float[Tensor, " place"]
) -> Float[Tensor, "2 place"]:
    """(h, m) from two states: the height where the left state's curve of shocks and rarefactions meets the right
    state's, by bisection; each curve is Hugoniot's above its state, the integral of dm/dh = speed / gamma below."""
    curves = _Curve(law, left, -1), _Curve(law, right, 1)
    low, high = 1e-3 * min(left[0], right[0]), min(4 * max(left[0], right[0]), *(curve.top for curve in curves))
    for _ in range(80):
        h = (low + high) / 2
        low, high = (h, high) if curves[0].momentum(h) > curves[1].momentum(h) else (low, h)
    middle = h, curves[0].momentum(h)
    at = xi.numpy()
    state = np.where(at < 0, middle[0], middle[0]), np.full_like(at, middle[1])
    for curve in curves:
        state = curve.beyond(at, middle, state)
    return torch.from_numpy(np.stack(state))


class _Curve:
    """States that a wave of one family joins to a state: the slower family (-1) from its left, the other from its
    right."""

    def __init__(self, law: ShallowWater, state: tuple[float, float], family: int) -> None:
        self.gamma, self.alpha, self.beta = law.gamma.item(), law.alpha.item(), law.beta.item()
        self.state, self.family = state, family
        turn = self.alpha / max(self.alpha - self.gamma, 1e-9)  # where |m| of a shock has no bound
        self.top = (1 - 1e-9) * turn * state[0]
        self.h = np.geomspace(state[0], 1e-4 * state[0], CURVE)
        self.m = np.empty(CURVE)
        self.m[0] = state[1]
        slope = lambda h, m: self.speed(h, m) / self.gamma  # noqa: E731
        for i in range(CURVE - 1):  # the midpoint rule
            h, m, step = self.h[i], self.m[i], self.h[i + 1] - self.h[i]
            self.m[i + 1] = m + step * slope(h + step / 2, m + step / 2 * slope(h, m))

    def speed(self, h: float, m: float) -> float:
        v = m / h
        apart = math.sqrt(self.alpha * (self.alpha - self.gamma) * v * v + self.gamma * self.beta * h)
        return self.alpha * v + self.family * apart

    def momentum(self, h: float) -> float:
        h0, m0 = self.state
        if h <= h0:
            return float(np.interp(h, self.h[::-1], self.m[::-1]))
        a = self.gamma - self.alpha * (h - h0) / h
        b = -2 * self.gamma * m0
        c = self.gamma * m0**2 + (h - h0) * (self.alpha * m0**2 / h0 - self.beta / 2 * (h**2 - h0**2))
        return (-b + self.family * math.sqrt(b * b - 4 * a * c)) / (2 * a)

    def beyond(
        self, xi: np.ndarray, middle: tuple[float, float], state: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The state with this curve's wave, and its own state on the far side of it, put in."""
        (h0, m0), side = self.state, self.family
        if middle[0] > h0:
            shock = self.gamma * (middle[1] - m0) / (middle[0] - h0)
            return np.where(side * (xi - shock) > 0, h0, state[0]), np.where(side * (xi - shock) > 0, m0, state[1])
        fan = self.h >= middle[0]
        speeds = np.array([self.speed(h, m) for h, m in zip(self.h[fan], self.m[fan], strict=True)])
        order = speeds.argsort()
        inside = side * (xi - speeds[-1]) > 0
        h, m = (np.interp(xi, speeds[order], x[fan][order]) for x in (self.h, self.m))
        return np.where(inside, h, state[0]), np.where(inside, m, state[1])
