"""Gray-Scott on a periodic square: u_t = Du lap u - u v^2 + F (1 - u), v_t = Dv lap v + u v^2 - (F + k) v.

Strang's splitting: half a step of diffusion, exact in Fourier space, a step of reaction by RK4, half a step of
diffusion; neighbouring halves are taken as one. Second order. u, the substrate, spreads twice as fast as v, the
activator: with the two exchanged nothing patterns. Sources: Pearson 1993, Strang 1968.
"""

import math

import torch
from torch import Tensor

from tests.validation.navier_stokes_30.solver import modes

DIFFUSIVITY = (0.204, 0.102)
"""Of u and of v."""
SIDE = 32.0
"""Of the square."""


class GrayScott:
    """The stepper on cells x cells; `feed` and `kill` are (b, 1, 1), a state is (b, 2, n, n)."""

    def __init__(self, cells: int) -> None:
        kx, ky = (2 * math.pi / SIDE * k for k in modes(cells))
        self.cells = cells
        self.damping = -torch.tensor(DIFFUSIVITY, dtype=torch.float64)[:, None, None] * (kx**2 + ky**2)

    def diffuse(self, state: Tensor, time: float) -> Tensor:
        shape = (self.cells, self.cells)
        return torch.fft.irfft2(torch.fft.rfft2(state) * (self.damping * time).exp(), s=shape)

    def advance(self, state: Tensor, feed: Tensor, kill: Tensor, span: float, steps: int) -> Tensor:
        h = span / steps
        state = self.diffuse(state, h / 2)
        for i in range(steps):
            a = reaction(state, feed, kill)
            b = reaction(state + h / 2 * a, feed, kill)
            c = reaction(state + h / 2 * b, feed, kill)
            d = reaction(state + h * c, feed, kill)
            state = state + h / 6 * (a + 2 * (b + c) + d)
            state = self.diffuse(state, h if i + 1 < steps else h / 2)
        return state


def reaction(state: Tensor, feed: Tensor, kill: Tensor) -> Tensor:
    u, v = state.unbind(-3)
    eaten = u * v * v
    return torch.stack([feed * (1 - u) - eaten, eaten - (feed + kill) * v], -3)
