"""Consistency: where the law's flux f is known, a learned numerical flux G is held to it on constant states.

    G(u, ..., u) = f(u)

Without it G is right only where trajectories have been, and up to what no difference of fluxes shows: a divergence sees
no constant. Source: the second term of the loss of Flux NO (Kim and Kang, arXiv 2401.01783), there as here on states
drawn evenly over a range.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from operators.learner import Scaled, Term
from operators.problem import March

STATES = 64
Flux = Callable[[Float[Tensor, "n 1"]], Float[Tensor, "n 1"]]
"""f of a state, in units of the line's length and of time."""


def consistency(march: March, flux: Flux, weight: float = 0.1) -> Term:
    """weight * ||G(u, ..., u) - f(u)|| / ||f(u)|| over states drawn from the range of the fitted split; for one
    quantity along a line. G works in cells, steps of the data and spreads of the state, f is brought there."""
    if march.geometry.shape is None or len(march.geometry.shape) != 1 or march.fit.state.shape[-1] != 1:
        raise ValueError("the consistency of a flux is asked of one quantity along a line")
    low, high = float(march.fit.state.min()), float(march.fit.state.max())
    per_cell = march.dt * march.geometry.shape[0]

    def term(model: Scaled, draw: torch.Generator) -> Tensor:
        u = (low + (high - low) * torch.rand(STATES, 1, generator=draw)).to(march.fit.state)
        wanted = flux(u) * per_cell / model.state.spread
        found = model.stepper.flux.of_one_state(model.state.down(u))
        return weight * (found - wanted).norm() / wanted.norm()

    return term
