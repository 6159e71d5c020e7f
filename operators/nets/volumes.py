"""Volumes: the finite-volume half of a Flux NO, of cells, faces and what passes through them.

    u_i <- u_i - sum_a dt / dx_a (G_{i + e_a/2} - G_{i - e_a/2})

in one, two or three dimensions. Whatever the fluxes are, the sum over cells is kept to round-off where the box is
periodic and changes by the fluxes of the outer faces where it is not. Faces of an axis are one more than its cells; in
a periodic box the first is also the last.
"""

import torch
from jaxtyping import Float
from torch import Tensor

TINY = 1e-12
ROUNDING = 8  # of the last digit: a share that is all of it may round to more
Fluxes = list[Float[Tensor, "b c ..."]]
"""One an axis."""


def around(
    u: Float[Tensor, "b c *shape"], axis: int, reach: int, periodic: bool
) -> Float[Tensor, "b c *faces stencil"]:
    """The 2 * reach cells around each face of an axis (0 is the first of space), nearest in the middle. Beyond a wall
    its own cell goes on."""
    dim = 2 + axis
    n = u.shape[dim]
    if periodic:
        where = torch.arange(-reach, n + reach, device=u.device) % n
    else:
        where = torch.arange(-reach, n + reach, device=u.device).clamp(0, n - 1)
    return u.index_select(dim, where).unfold(dim, 2 * reach, 1)


def gain(fluxes: Fluxes, spacing: tuple[float, ...]) -> Float[Tensor, "b c *shape"]:
    """du/dt: what comes in through the faces of a cell, by its volume."""
    return -sum(g.diff(dim=2 + axis) / dx for axis, (g, dx) in enumerate(zip(fluxes, spacing, strict=True)))


def kept_above(
    u: Float[Tensor, "b c *shape"], fluxes: Fluxes, spacing: tuple[float, ...], dt: Tensor | float,
    floor: Float[Tensor, "*b c"], periodic: bool,
) -> Fluxes:  # fmt: skip
    """These fluxes, lessened where they would take a cell below the floor of a channel within dt (-inf: none): each
    cell gives at most what it has above the floor, and every face that takes from it gets the same share (Hu, Adams and
    Shu, J. Comput. Phys. 242, 2013, in their spirit). Nothing is lost: a face has one flux."""
    if not torch.isfinite(floor).any():
        return fluxes
    out = torch.zeros_like(u)
    for axis, (g, dx) in enumerate(zip(fluxes, spacing, strict=True)):
        dim = 2 + axis
        n = u.shape[dim]
        out = out + (g.narrow(dim, 1, n).clamp(min=0) - g.narrow(dim, 0, n).clamp(max=0)) * dt / dx
    floor = floor.view(*floor.shape, *[1] * (u.dim() - 2))
    held = torch.isfinite(floor)
    above = u - torch.where(held, floor, torch.zeros_like(floor))  # an infinity has no gradient
    some = (1 - ROUNDING * torch.finfo(u.dtype).eps) * above.clamp(min=0) / out.clamp(min=TINY)
    share = torch.where(held & (out > above), some, torch.ones_like(out))
    lessened = []
    for axis, g in enumerate(fluxes):
        dim = 2 + axis
        last, first = share.narrow(dim, -1, 1), share.narrow(dim, 0, 1)
        if not periodic:  # what is beyond a wall has enough
            last, first = torch.ones_like(last), torch.ones_like(first)
        before, behind = torch.cat([last, share], dim), torch.cat([share, first], dim)
        lessened.append(torch.where(g > 0, before, behind) * g)
    return lessened


def kept_below(
    u: Float[Tensor, "b c *shape"], fluxes: Fluxes, spacing: tuple[float, ...], dt: Tensor | float,
    ceiling: Float[Tensor, "*b c"], periodic: bool,
) -> Fluxes:  # fmt: skip
    """The same for a ceiling (inf: none). After `kept_above` it leaves what that has kept, since either only lessens
    fluxes and counts on nothing that comes in."""
    turned = kept_above(-u, [-g for g in fluxes], spacing, dt, -ceiling, periodic)
    return [-g for g in turned]


def coarsened(u: Float[Tensor, "b c *fine"], times: int) -> Float[Tensor, "b c *shape"]:
    """Means of so many cells along each axis."""
    for dim in range(2, u.dim()):
        u = u.unflatten(dim, (-1, times)).mean(dim + 1)
    return u


def refined(u: Float[Tensor, "b c *shape"], times: int, periodic: bool) -> Float[Tensor, "b c *fine"]:
    """Limited lines through the cells (minmod), as means of cells so many times smaller; `coarsened` gives back u."""
    place = (torch.arange(times).to(u) + 0.5) / times - 0.5
    for axis in range(u.dim() - 2):
        dim, n = 2 + axis, u.shape[2 + axis]
        rises = around(u, axis, 1, periodic).diff(dim=-1)[..., 0]
        one, other = rises.narrow(dim, 0, n), rises.narrow(dim, 1, n)
        slope = torch.where(one * other > 0, one.sign() * torch.minimum(one.abs(), other.abs()), torch.zeros_like(one))
        u = (u.unsqueeze(dim + 1) + slope.unsqueeze(dim + 1) * place.view(-1, *[1] * (u.dim() - 1 - dim))).flatten(
            dim, dim + 1
        )
    return u
