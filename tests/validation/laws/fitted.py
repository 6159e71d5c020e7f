"""Fitted flux: the coefficients of a law that is known in form, by least squares over the lags. Nothing is trained.

Weak form: u_t + f(u)_x = nu u_xx times exp(-2 pi i k x), k = 1..12 (24 real test functions), and a bump psi(t), is

    -int psi' u_k = int psi (-2 pi i k f(u)_k - nu (2 pi k)^2 u_k)

where no derivative of the data is taken; trapezoid in time. Bumps (1 - s^2)^4 vanish at their ends, where the trapezoid
errs. With psi = 1 between two frames, that is without bumps, waves that cross half their length in a frame are lost: no
worse for the scalar laws, 3 to 9 times the error of one step in shallow water.
What goes wrong: a state that takes few values leaves the coefficients open (the shortest solution is taken); f of a
cell's mean is not the mean of f where a shock stands.
Sources: Messenger & Bortz 2021 (weak form, bumps), Brunton et al. 2016 (the least squares).
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from tests.validation.laws.law import Burgers, Cubic, Plane, ShallowWater

MODES = 12
PLANE_MODES = 4
"""Along each axis: frames of a plane are farther apart."""
HALF = 5
"""Of a bump's width, in frames."""
POWER = 4
LEAST = 1e-6
"""Singular values below this share of the largest count as none."""

Lags = Float[Tensor, "b lag channel cell"]
Spectrum = Complex[Tensor, "b lag mode"]


def cubic(lags: Lags, dt: float) -> Cubic:
    u = lags[:, :, 0]
    return Cubic(*_solve(_modes(u), [_inflow(u**3), _inflow(u**2), _inflow(u)], dt))


def burgers(lags: Lags, dt: float) -> Burgers:
    """A viscosity below 0 counts as none."""
    u = _modes(lags[:, :, 0])
    a, nu = _solve(u, [_inflow(lags[:, :, 0] ** 2), -(_waves() ** 2) * u], dt)
    return Burgers(a, nu.clamp(min=0))


def shallow_water(lags: Lags, dt: float) -> ShallowWater:
    h, m = lags.unbind(2)
    (gamma,) = _solve(_modes(h), [_inflow(m)], dt)
    alpha, beta = _solve(_modes(m), [_inflow(m * m / h), _inflow(h * h / 2)], dt)
    return ShallowWater(gamma, alpha, beta)


def cubics(lags: Float[Tensor, "b lag x y"], dt: float) -> Plane:
    """On a plane: a cubic along each axis, from the same equations. What does not vary along one tells nothing of its
    cubic, which is then none."""
    along = torch.cat([torch.arange(PLANE_MODES + 1), torch.arange(-PLANE_MODES, 0)])

    def modes(u: Tensor) -> Spectrum:
        return torch.fft.rfft2(u, norm="forward")[..., along, : PLANE_MODES + 1].flatten(-2)

    x, y = torch.meshgrid(along, torch.arange(PLANE_MODES + 1), indexing="ij")
    tendencies = [-2j * math.pi * waves.flatten() * modes(lags**power) for waves in (x, y) for power in (3, 2, 1)]
    found = _solve(modes(lags), tendencies, dt)
    return Plane(Cubic(*found[:3]), Cubic(*found[3:]))


def _solve(u: Spectrum, tendencies: list[Spectrum], dt: float) -> tuple[Tensor, ...]:
    """Coefficients (b,) with u_t = sum of coefficient times tendency."""
    bump, slope = _bumps(u.shape[1], dt)
    wanted = _real(-slope.to(u) @ u)
    given = torch.stack([_real(bump.to(u) @ tendency) for tendency in tendencies], -1)
    size = given.norm(dim=1, keepdim=True).clamp(min=1e-12)
    found = torch.linalg.lstsq(given / size, wanted[..., None], rcond=LEAST, driver="gelsd").solution
    return (found[..., 0] / size[:, 0]).unbind(-1)


def _bumps(frames: int, dt: float) -> tuple[Float[Tensor, "bump frame"], Float[Tensor, "bump frame"]]:
    """psi and psi' dt at the frames; each bump a frame later than the one before."""
    half = min(HALF, (frames - 1) // 2)
    centre = torch.arange(half, frames - half, dtype=torch.float64)[:, None]
    s = ((torch.arange(frames) - centre) / half).clamp(-1, 1)
    return (1 - s**2) ** POWER, -2 * POWER * s * (1 - s**2) ** (POWER - 1) / (half * dt)


def _inflow(flux: Float[Tensor, "b lag cell"]) -> Spectrum:
    return -1j * _waves() * _modes(flux)


def _modes(u: Float[Tensor, "b lag cell"]) -> Spectrum:
    return torch.fft.rfft(u, norm="forward")[..., 1 : MODES + 1]


def _waves() -> Float[Tensor, " mode"]:
    return 2 * math.pi * torch.arange(1, MODES + 1, dtype=torch.float64)


def _real(rows: Complex[Tensor, "b bump mode"]) -> Float[Tensor, "b row"]:
    return torch.view_as_real(rows).flatten(1)
