"""Two-dimensional incompressible flow on the periodic unit square, as vorticity: w_t + u.grad w = nu lap w + f.

Pseudo-spectral, every mode above a third of the grid cut (2/3 rule: no product aliases into what is kept), ETDRK4 in
time: the viscous part is exact, the rest is of fourth order. The advection is in Basdevant's form,
u.grad w = (dxx - dyy)(uv) + dxy(v^2 - u^2), which takes four transforms where the plain one takes five.

A spectrum is that of `rfft2` divided by the number of points, its phase told at the origin, so that it means the same
on every grid. Fields stand on cell centres, x first.

What goes wrong: steps beyond about 2.8 / (k_max max(|u| + |v|)) blow up; on a grid too coarse for nu energy piles up at
the last modes.
Sources: Kassam & Trefethen 2005 (ETDRK4, its contour), Basdevant 1983.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Push = Callable[[float], Tensor | float]
"""Spectrum of the forcing at a time since the start."""


def resize(spectrum: Tensor, cells: int) -> Tensor:
    """The same function on another grid: modes cut or put to zero, the unpaired one of an even grid too."""
    top = (min(spectrum.shape[-2], cells) - 1) // 2
    out = spectrum.new_zeros(*spectrum.shape[:-2], cells, cells // 2 + 1)
    out[..., : top + 1, : top + 1] = spectrum[..., : top + 1, : top + 1]
    out[..., -top:, : top + 1] = spectrum[..., -top:, : top + 1]
    return out


def spectrum_of(field: Tensor, cells: int) -> Tensor:
    """From values on cell centres, "... n n"."""
    n = field.shape[-1]
    return resize(torch.fft.rfft2(field, norm="forward") / _centre(n), cells)


def field_of(spectrum: Tensor, cells: int) -> Tensor:
    """Values on so many cell centres a side."""
    return torch.fft.irfft2(resize(spectrum, cells) * _centre(cells), s=(cells, cells), norm="forward")


def modes(cells: int) -> tuple[Tensor, Tensor]:
    """Whole wave numbers along x, a column, and along y, a row."""
    kx = torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64)
    return kx[:, None], torch.arange(cells // 2 + 1, dtype=torch.float64)[None]


def _centre(cells: int) -> Tensor:
    """The half cell between the origin and the first point."""
    kx, ky = modes(cells)
    return torch.exp(1j * math.pi / cells * (kx + ky))


class Vorticity:
    """The stepper on one grid at one viscosity."""

    def __init__(self, cells: int, viscosity: float) -> None:
        kx, ky = (2 * math.pi * k for k in modes(cells))
        square = kx**2 + ky**2
        self.cells, self.top = cells, 2 * math.pi * ((cells - 1) // 3)
        self.kept = ((kx.abs() <= self.top) & (ky <= self.top)).double()
        self.damping = -viscosity * square
        to_stream = self.kept / square.where(square > 0, torch.inf)
        self.to_velocity = torch.stack([1j * ky * to_stream, -1j * kx * to_stream])  # u = d psi/dy, v = -d psi/dx
        self.to_advection = torch.stack([self.kept * (kx**2 - ky**2), self.kept * kx * ky])
        self._schemes: dict[float, list[Tensor]] = {}

    def velocity(self, w: Tensor) -> Tensor:
        """On the grid, "... 2 n n"."""
        return torch.fft.irfft2(w[..., None, :, :] * self.to_velocity, s=(self.cells, self.cells), norm="forward")

    def steps(self, w: Tensor, span: float, courant: float = 2.0) -> int:
        """How many steps the flow wants for a time, a multiple of 4: `courant` is k (|u| + |v|) h, stable to 2.8."""
        fastest = float(self.velocity(w).abs().sum(-3).max())
        return 4 * max(1, math.ceil(self.top * fastest * span / courant / 4))

    def advection(self, w: Tensor) -> Tensor:
        """Spectrum of -u.grad w."""
        u, v = self.velocity(w).unbind(-3)
        products = torch.stack([u * v, (v - u) * (v + u)], -3)
        return (torch.fft.rfft2(products, norm="forward") * self.to_advection).sum(-3)

    def advance(self, w: Tensor, span: float, steps: int, push: Push = lambda time: 0.0, start: float = 0.0) -> Tensor:
        """A time on from `start` in so many steps. Cuts the modes that the grid does not carry."""
        h, w = span / steps, w * self.kept
        decay, half_decay, half, first, middle, last = self._scheme(h)
        for i in range(steps):
            time = start + i * h
            early, mid, late = push(time), push(time + h / 2), push(time + h)
            k1 = self.advection(w) + early
            base = half_decay * w
            a = base + half * k1
            k2 = self.advection(a) + mid
            k3 = self.advection(base + half * k2) + mid
            k4 = self.advection(half_decay * a + half * (2 * k3 - k1)) + late
            w = decay * w + first * k1 + 2 * middle * (k2 + k3) + last * k4
        return w

    def _scheme(self, h: float) -> list[Tensor]:
        """Coefficients of ETDRK4, as means over a ring about each eigenvalue: the formulas cancel badly near zero."""
        if h not in self._schemes:
            z = self.damping * h
            ring = torch.exp(1j * math.pi * (torch.arange(32, dtype=torch.float64) + 0.5) / 32)  # half: z is real
            r = z[..., None] + ring
            means = [
                ((r / 2).exp() - 1) / r,
                (-4 - r + r.exp() * (4 - 3 * r + r**2)) / r**3,
                (2 + r + r.exp() * (r - 2)) / r**3,
                (-4 - 3 * r - r**2 + r.exp() * (4 - r)) / r**3,
            ]
            self._schemes[h] = [z.exp(), (z / 2).exp(), *(h * m.mean(-1).real for m in means)]
        return self._schemes[h]
