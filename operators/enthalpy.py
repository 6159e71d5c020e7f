"""Enthalpy: h to theta in torch, for batches of materials; differentiable.

`Groups.law` has the constants and what they mean.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

TINY = 1e-30
Numbers = Sequence[Tensor]  # one tensor a constant, spread to be multiplied with fields


def laws(groups: Float[Tensor, "b 9"]) -> Float[Tensor, "b 16"]:
    """`Groups.law` of rows of groups (in the order of `Groups.names`), differentiable."""
    mushy, latent, k_cold, k_liquid, c_cold, c_liquid, _, tail, late = groups.unbind(-1)
    solidus = 1 - mushy
    frozen = solidus - tail
    h_f = (c_cold + 0.5 * (1 - c_cold) * frozen / solidus) * frozen
    h_s = 0.5 * (c_cold + 1) * solidus + late * latent
    h_l = h_s + mushy * 0.5 * (1 + c_liquid) + (1 - late) * latent
    phi_s = 0.5 * (k_cold + 1) * solidus
    phi_l = phi_s + 0.5 * (1 + k_liquid) * mushy
    numbers = [
        c_cold, (1 - c_cold) / solidus, h_s, solidus, mushy / (h_l - h_s), h_l, 1 / c_liquid,
        k_cold, (1 - k_cold) / solidus, phi_s, (k_liquid - 1) / mushy, phi_l, k_liquid,
        h_f, frozen, torch.where(tail > 0, tail / (h_s - h_f).clamp(min=TINY), 0.0),
    ]  # fmt: skip
    return torch.stack(numbers, -1)


def columns(table: Float[Tensor, "b n"], dims: int) -> Numbers:
    """The columns, spread to be multiplied with tensors of so many dimensions."""
    return table[(...,) + (None,) * (dims - 1)].unbind(1)


def root(h: Tensor, c: Tensor, cc: Tensor, s2: Tensor, h_f: Tensor) -> Tensor:
    """theta of the frozen solid: the root of c theta + slope theta^2/2 = h. What is above h_f is held there, where the
    root is real."""
    v = torch.minimum(h, h_f)
    return (v + v) / (c + torch.addcmul(cc, s2, v).clamp(min=TINY).sqrt())


def theta_of(h: Float[Tensor, "b ..."], law: Numbers) -> Float[Tensor, "b ..."]:
    """theta at an enthalpy; `law` as `columns` spreads it."""
    c, slope, h_s, theta_s, mushy, h_l, per_c = law[:7]
    h_f, theta_f, tail = law[13:]
    melted = torch.where(
        h < h_l, torch.addcmul(theta_s, h - h_s, mushy), torch.addcmul(torch.ones_like(per_c), h - h_l, per_c)
    )
    solid = torch.where(h < h_f, root(h, c, c * c, 2 * slope, h_f), torch.addcmul(theta_f, h - h_f, tail))
    return torch.where(h < h_s, solid, melted)


def phi_of(theta: Float[Tensor, "b ..."], law: Numbers) -> Float[Tensor, "b ..."]:
    """The Kirchhoff potential at a theta."""
    theta_s, k_cold, k_slope, phi_s, k_mushy, phi_l, k_liquid = law[3], *law[7:13]
    solid = (k_cold + 0.5 * k_slope * theta) * theta
    above = theta - theta_s
    mushy = phi_s + above + 0.5 * k_mushy * above * above
    melted = torch.where(theta < 1, mushy, phi_l + k_liquid * (theta - 1))
    return torch.where(theta < theta_s, solid, melted)
