"""Spatial: which places a number of a forecast hangs on.

`influence`: by how much it changes with a unit of heat (rho c dT d^3) that lay at a place some time ago. The number
reacts to the field at the contour (`contour`), and the heat comes there by conduction:

    I(r') = int dS/dtheta(r) theta'(h(r)) G(r, r'; alpha tau) dr,
    G = (4 pi a)^-3/2 [exp(-|r - r'|^2/4a) + the same mirrored at the surface],

on the field that the operator forecasts, at the mean diffusivity of its first forcing; what the operator's correction
would do with the heat is left out. It is what the adjoint of the reference is at that moment. The operator's own
gradient with respect to heat at a place is not: no training path leaves heat where no beam was, and its far nodes react
to it at random (docs/attribution.md has both).

`rows`: what the kernels of the operator's implicit correction take from each place for one node.
"""

import math

import numpy as np
import torch
from jaxtyping import Float

from operators.attribution.gradients import Gradient, Gradients
from operators.attribution.moments import Moments
from operators.enthalpy import laws
from operators.groups import TOLD
from operators.melt_pool.forcing import diffusivities
from operators.window import WindowGrid


def influence(grid: WindowGrid, gradient: Gradient, path: Moments, lag: float) -> Float[np.ndarray, "x y z"]:
    """d value/d heat that lay at each node of the window of now, `lag` (d^2/alpha, above 0) ago."""
    told = torch.from_numpy(path.condition)[None]
    age = float(diffusivities(told)[0]) * lag
    by = gradient.by_theta * warming(gradient.theta, path)
    greens = (_green(a, age, a is grid.z) for a in (grid.x, grid.y, grid.z))
    return np.einsum("xyz,xa,yb,zc->abc", by, *greens, optimize=True)


def warming(theta: np.ndarray, path: Moments) -> np.ndarray:
    """dtheta/dh where the field is so warm: 1/c, and less where melt freezes."""
    law = laws(torch.from_numpy(path.condition[: len(TOLD)]).double()[None])[0].tolist()
    c, slope, _, theta_s, mushy, _, per_c, *_ = law
    theta_f, tail = law[14:]
    solid = np.where(theta < theta_f, 1 / (c + slope * np.minimum(theta, theta_f)), tail)
    return np.where(theta < theta_s, solid, np.where(theta < 1, mushy, per_c))


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
