"""Forcing: what the melt-pool operator reads: how the past path would have heated the window if conduction were linear.

Temperature does not spread linearly: a cold solid conducts and stores less, and melting takes heat. Enthalpy of one
diffusivity does,

    dh/dt = alpha laplace h + source,       h = sum of Green's functions over the past path (`operators.response`),

and the true field lies between what it gives at the diffusivity of the solid at its solidus (alpha = 1, right near the
beam) and at that of the cold plate (alpha_cold = k_cold/c_cold, right far away). So the channels are theta(h) at
alpha_cold^e, e in EXPONENTS; h itself at alpha = 1, the theta of constant properties; and the first once more, as it
was AGO earlier. Alone they are 16, 28, 20 and 30 % off (docs/LOG.md). Weights that know `losses` get them of a path
whose sources count what evaporation leaves.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators import response
from operators.enthalpy import columns, laws, theta_of
from operators.groups import TOLD
from operators.reference.beam import NARROWING, SIGMA

EXPONENTS = (0.5, 1.0, 0.0)  # of k_cold/c_cold: the diffusivities
AGO = 1.0  # d of travel at the nominal scan speed
CHANNELS = ("mean", "cold", "hot", "constant", "mean before")
NARROWED = SIGMA * (1 - NARROWING / 3)  # the source's mean width: that of the forcing


def sources(path: np.ndarray, peclet: float, heading: float) -> tuple[np.ndarray, np.ndarray]:
    """Quadrature nodes of a path that ends now, and of it as it was AGO, both seen from the window of now.

    path: rows (t, x, y, q, depth); result: rows (age, x, y, weight, depth), as `response.nodes` has them.
    """
    now, x, y = path[-1, :3].tolist()
    at, before = (response.nodes(path, moment) for moment in (now, now - AGO / peclet))
    return response.turned(at, x, y, heading), response.turned(before, x, y, heading)


def together(several: list[np.ndarray]) -> Tensor:
    """Sources of some windows as one tensor (b, longest, 5); what pads them weighs nothing."""
    out = np.zeros((len(several), max(1, max(len(each) for each in several)), 5), dtype=np.float32)
    out[:, :, 0] = 1.0  # an age
    for row, each in zip(out, several, strict=True):
        row[: len(each)] = each
    return torch.from_numpy(out)


def forcing(
    now: Float[Tensor, "b s 5"], before: Float[Tensor, "b s2 5"], told: Float[Tensor, "b c"],
    x: Float[Tensor, " x"], y: Float[Tensor, " y"], z: Float[Tensor, " z"],
) -> Float[Tensor, "b channel x y z"]:  # fmt: skip
    """asinh(theta) of CHANNELS. `told` begins with the groups of TOLD."""
    return read(heats(now, before, told, x, y, z), told)


def heats(
    now: Float[Tensor, "b s 5"], before: Float[Tensor, "b s2 5"], told: Float[Tensor, "b c"],
    x: Float[Tensor, " x"], y: Float[Tensor, " y"], z: Float[Tensor, " z"],
) -> list[Float[Tensor, "b x y z"]]:  # fmt: skip
    """h of one diffusivity each: at EXPONENTS, and the first as it was AGO earlier."""

    def heat(some: Tensor, alpha: Tensor) -> Tensor:
        age, sx, sy, weight, depth = some.unbind(-1)
        return response.field(torch.stack([age * alpha, sx, sy, weight / alpha.sqrt(), depth], -1), x, y, z, NARROWED)

    *at, then = diffusivities(told)
    return [*(heat(now, alpha[:, None]) for alpha in at), heat(before, then[:, None])]


def diffusivities(told: Float[Tensor, "b c"]) -> list[Float[Tensor, " b"]]:
    """Those of `heats`, over that of the solid at its solidus."""
    cold = told[:, TOLD.index("k_cold")] / told[:, TOLD.index("c_cold")]
    return [cold**exponent for exponent in (*EXPONENTS, EXPONENTS[0])]


def read(
    heats: list[Float[Tensor, "b x y z"]], told: Float[Tensor, "b c"]
) -> Float[Tensor, "b channel x y z"]:  # fmt: skip
    """asinh(theta) of CHANNELS from `heats`."""
    law = columns(laws(told[:, : len(TOLD)]), 4)
    thetas = [theta_of(h, law) for h in heats]
    return asinh(torch.stack([*thetas[:3], heats[EXPONENTS.index(0.0)], thetas[3]], 1))


def asinh(theta: Tensor) -> Tensor:
    """ln(theta + sqrt(1 + theta^2)), to 1e-7; ten times as fast as torch.asinh, which takes numbers one by one on a
    CPU. With a gradient out of place."""
    if theta.requires_grad:
        return torch.log(theta + torch.sqrt(theta * theta + 1))
    return (theta * theta).add_(1).sqrt_().add_(theta).log_()
