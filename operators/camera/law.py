"""Law: the numbers that are hidden from the camera operator, and the matter that they make.

Twelve numbers, in the fixed units of `operators.melt_pool.scales`: what the surface absorbs and loses, what a layer of
powder conducts, and the law of an alloy as `operators.groups` has it (without a tail), with the liquidus, conductivity
and diffusivity that the groups are measured by. Inferring goes on without bounds: `squash` of any vector lies in BOX,
so whatever a net says is a metal, and its curves rise no faster than the scheme is stable for.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from operators.enthalpy import columns, laws, phi_of, theta_of
from operators.nets.heat import FASTEST, HOTTEST, PIECES, SLOWEST, STEEPEST, Curve, Matter

BOX = {
    "absorptivity": (0.15, 0.95),
    "rise": (0.55, 1.1),  # (Tl - T0)/RISE_K
    "conductivity": (0.8, 1.6),  # of the solid at the solidus
    "diffusivity": (0.7, 1.8),  # likewise
    "mushy": (0.025, 0.13),
    "latent": (0.15, 0.65),
    "k_cold": (0.15, 0.75),
    "k_liquid": (0.45, 1.35),
    "c_cold": (0.5, 0.95),
    "c_liquid": (0.9, 1.45),
    "powder": (0.05, 1.0),  # what the layer conducts until it melts; 1: a bare plate
    "loss": (0.0, 0.03),
}
"""Each between its bounds. What is drawn is narrower in absorptivity and powder (`draws`)."""
NAMES = tuple(BOX)
ALLOY = slice(1, 10)


def squash(free: Float[Tensor, "... number"]) -> Float[Tensor, "... number"]:
    """Any vector to numbers in the box."""
    low, high = torch.tensor(list(BOX.values()), device=free.device, dtype=free.dtype).unbind(-1)
    return low + (high - low) * torch.sigmoid(free)


def free_of(numbers: Float[Tensor, "... number"], margin: float = 0.02) -> Float[Tensor, "... number"]:
    """The vector that `squash` makes these of; what lies at a bound is taken to be a share `margin` inside."""
    low, high = torch.tensor(list(BOX.values()), device=numbers.device, dtype=numbers.dtype).unbind(-1)
    return torch.logit(((numbers - low) / (high - low)).clamp(margin, 1 - margin))


def matter_of(
    numbers: Float[Tensor, "b number"],
    tail: Float[Tensor, "b 2"] | None = None,
) -> Matter:
    """The curves, tabulated at the knots. tail: (tail, late) of `operators.groups`, where an alloy has one: inference
    does not ask for it."""
    a, rise, k, alpha, mushy, latent, k_cold, k_liquid, c_cold, c_liquid, powder, loss = numbers.unbind(1)
    late = torch.zeros_like(numbers[:, :2]) if tail is None else tail
    boiling = torch.full_like(a, 2.0)  # asked by nobody here
    groups = torch.stack([mushy, latent, k_cold, k_liquid, c_cold, c_liquid, boiling, *late.unbind(1)], 1)
    law = laws(groups)
    unit = (rise * k / alpha)[:, None]  # of h
    knots = torch.linspace(0, HOTTEST, PIECES + 1, device=a.device, dtype=a.dtype)
    theta = theta_of(knots / unit, columns(law, 2))
    phi = (k * rise)[:, None] * phi_of(theta, columns(law, 2))
    melting = torch.stack([law[:, 2], law[:, 5]], 1) * unit
    return Matter(a, _tamed(phi, FASTEST), _tamed(rise[:, None] * theta, STEEPEST), loss, powder, melting)


def _tamed(values: Float[Tensor, "b knot"], steepest: float) -> Curve:
    piece = HOTTEST / PIECES
    return Curve.rising((values.diff(dim=1) / piece).clamp(SLOWEST, steepest))
