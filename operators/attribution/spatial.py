"""Spatial: which places a number of a forecast hangs on.

`influence`: by how much it changes with a unit of heat (rho c dT d^3) that lay at a place some time ago. The operator
reads heat through fields of one diffusivity each, so this is their gradients carried back by Green's function of the
half-space,

    I(r') = sum_c int dY/dh_c(r) G(r, r'; alpha_c tau) dr,
    G = (4 pi a)^-3/2 [exp(-|r - r'|^2/4a) + the same mirrored at the surface],

which is what the adjoint of the reference is at that moment. `rows`: what the kernels of the operator's implicit
correction take from each place for one node.
"""

import math

import numpy as np
import torch
from jaxtyping import Float

from operators.attribution.gradients import Gradient, Gradients
from operators.attribution.moments import Moments, before
from operators.melt_pool.forcing import diffusivities
from operators.window import WindowGrid


def influence(
    grid: WindowGrid, gradient: Gradient, path: Moments, lag: float
) -> Float[np.ndarray, "x y z"]:  # fmt: skip
    """d value/d heat that lay at each node of the window of now, `lag` (d^2/alpha) ago."""
    told = torch.from_numpy(path.condition)[None]
    alphas = [float(alpha) for alpha in diffusivities(told)]
    out = np.zeros(grid.shape)
    for n, (alpha, by) in enumerate(zip(alphas, gradient.by_heat, strict=True)):
        age = alpha * (lag + (before(path.peclet) if n == len(alphas) - 1 else 0.0))
        if age > 0:
            out += np.einsum(
                "xyz,xa,yb,zc->abc", by, *(_green(a, age, a is grid.z) for a in (grid.x, grid.y, grid.z)), optimize=True
            )
    return out


def _green(nodes: np.ndarray, age: float, mirrored: bool) -> np.ndarray:
    """Heat of one axis: (where it is seen, where it lay)."""
    apart = nodes[:, None] - nodes
    green = np.exp(-(apart**2) / (4 * age))
    if mirrored:
        green += np.exp(-((nodes[:, None] + nodes) ** 2) / (4 * age))
    return green / math.sqrt(4 * math.pi * age)


def rows(
    gradients: Gradients, gradient: Gradient, path: Moments, node: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """What K_h and K_f bring to a node from each place (x, y, z): K_h(z, z') H(z') and K_f(z, z') F(z'), in asinh
    theta; with H(z) they add up to the field there."""
    with torch.no_grad():
        forcing = torch.from_numpy(gradient.forcing)[None].to(gradients.device)
        told = torch.from_numpy(path.condition)[None].to(gradients.device)
        h, of_h, of_f = gradients.model.rows(forcing, told, node)
        return (of_h * h)[0].cpu().numpy(), (of_f * forcing[:, 0])[0].cpu().numpy()
