"""Finite volumes for laws on the periodic unit line or square: MUSCL, SSP-RK2, float64, means conserved exactly.

Slopes of the conserved quantities by the MC limiter, the law's own numerical flux at the faces, viscosity by central
differences. Where f' turns among a cell and its neighbours the slope is minmod's: steeper ones settle on shocks that no
entropy allows, and no finer grid mends it (u^3 from -1 to 1). Steps obey k (2 s / dx + 2 nu / dx^2) <= 1, s the largest
wave speed: a Courant number of 1/2 without viscosity, within which a scalar law makes no new extrema. Of second order
where the solution is smooth; of first at shocks (in L1), and where the limiter clips. What goes wrong: water next to
less than a thirtieth of its height. What is no number stays so, in its own trajectory alone.
Sources: van Leer 1977 (MC), Kurganov, Petrova & Popov 2007 (fluxes that are not convex), Gottlieb, Shu & Tadmor 2001.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tests.validation.laws.law import Law, Plane, State

TOGETHER, CACHED = 32, 32_768
"""Trajectories marched at once, with one step for all, and numbers: what fits a core's cache."""


def advance(law: Law | Plane, u: State, span: float, finer: int = 1) -> State:
    """A time on, in steps `finer` times as short as they need to be."""
    while span > 0:
        slope, rate = change(law, u)
        steps = max(1, math.ceil(span * finer * float(rate.nan_to_num(0.0, 0.0).max())))
        k = span / steps
        once = u + k * slope
        u = (u + once + k * change(law, once)[0]) / 2
        span = span - k if steps > 1 else 0.0
    return u


def change(law: Law | Plane, u: State) -> tuple[State, Float[Tensor, " b"]]:
    """du/dt of the cell means, and how many steps a unit of time wants at least. On a plane axis by axis: to the law
    along one of them the lines of cells along it are what channels are on a line."""
    if isinstance(law, Plane):
        (along_x, rate_x), (along_y, rate_y) = change(law.f, u.mT.contiguous()), change(law.g, u)
        return along_x.mT + along_y, rate_x + rate_y
    cells, ahead = u.shape[-1], u.roll(-1, -1) - u
    half = half_slopes(ahead, law.turns(u - ahead.roll(1, -1), u + ahead))
    out, speed = law.through(u + half, (u - half).roll(-1, -1))
    rate = 2 * cells * speed.amax((1, 2))
    nu = law.viscosity()
    if nu is not None:
        out = out - cells * nu[:, None, None] * ahead
        rate = rate + 2 * cells**2 * nu
    return cells * (out.roll(1, -1) - out), rate


def half_slopes(ahead: State, turns: Bool[Tensor, "b 1 cell"] | None = None) -> State:
    """From the differences to the next cell what to add at a cell's right face: MC, (a + b) / 4 within 0 and the
    smaller of a and b; minmod, half the smaller, where f' turns."""
    behind = ahead.roll(1, -1)
    most = torch.minimum(ahead.abs(), behind.abs()) * (ahead * behind > 0)
    if turns is not None:
        most = torch.where(turns, most / 2, most)
    return ((ahead + behind) / 4).clamp(-most, most)


def run(
    law: Law | Plane, first: State, dt: float, frames: int, finer: int = 1
) -> Float[Tensor, "b frame channel cell"]:
    """States at 0, dt, ..., the fast trajectories apart from the slow ones."""
    kept = first.new_empty(len(first), frames, *first.shape[1:])
    with one_thread():
        together = max(1, min(TOGETHER, CACHED // first[0].numel()))
        for rows in change(law, first)[1].argsort().split(together):
            some, u = law.of(rows), first[rows]
            kept[rows, 0] = u
            for i in range(1, frames):
                u = advance(some, u, dt, finer)
                kept[rows, i] = u
    return kept


@contextmanager
def one_thread() -> Iterator[None]:
    """Arrays as small as these wait longer for a second thread than they gain from it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def coarsen(u: Tensor, cells: int) -> Tensor:
    """Means of neighbouring cells, the last axis: conserves, and makes no new extrema."""
    return u.unflatten(-1, (cells, -1)).mean(-1)


def refine(u: State, times: int) -> State:
    """The limited lines in each cell as means on a finer grid: `coarsen` gives back u."""
    place = (torch.arange(times, dtype=u.dtype) + 0.5) / times * 2 - 1  # -1 to 1 across the cell
    return (u[..., None] + half_slopes(u.roll(-1, -1) - u)[..., None] * place).flatten(-2)
