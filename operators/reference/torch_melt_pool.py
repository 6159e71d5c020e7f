"""The reference solver of `melt_pool.py` in torch, term by term: a batch of windows at once, and differentiable.

    dh/dt = div grad Phi(h) + source,    -dPhi/dz = losses at the surface

The same nested boxes, sub-cycled steps, matched fluxes, moves and ledger, so the same field to round-off. What is
differentiable: q, depth, x and y of the paths' rows, the law of the material (`laws` makes it from the groups), the
numbers of the surface, and the field that it starts from. Times, the number of steps and where the boxes stand are
constants, and no branch is taken where its gradient is not finite.

Each window has its own dt and boxes; one that is done takes steps of dt = 0, which change nothing. What happens when is
planned on the host before, so that nothing waits for the device while it steps.
"""

import copy
import math
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint as checkpointed

from operators.enthalpy import TINY, Numbers, columns, root, theta_of
from operators.groups import Groups
from operators.reference.beam import NARROWING, BeamShape, spots
from operators.reference.boxes import FACES, Boxes, Ledger
from operators.reference.kernels import NEWTON
from operators.reference.melt_pool import COLUMNS, checked, stretches
from operators.reference.surface import Surface

COUNTED = ("absorbed", "evaporated", "radiated", "convected", "left_behind")  # of the ledger; then the faces

Box = Float[Tensor, "b z y x"]
Crop = Float[Tensor, "b cz cy cx"]  # what a coarse box holds under a fine one and one cell around it
Faces = tuple[Float[Tensor, "b z 2 x"], Float[Tensor, "b z y 2"], Float[Tensor, "b 1 y x"]]  # of y, of x, the bottom


class _Stand(NamedTuple):
    """Where the boxes stand. A crop is given by its flat places in the coarse box, from the finest pair on."""

    cell: Tensor  # (b, level, 2): the boxes' first cells
    crops: list[Tensor]
    free: list[Tensor]  # (b, z, y, x): cells of each box that no finer one covers


class _Move(NamedTuple):
    """What the boxes of some windows do before a cycle."""

    cell: Tensor  # (b, level, 2) of all windows afterwards
    windows: Tensor  # (w)
    shift: Tensor  # (w, level, 2)


class _Cycle(NamedTuple):
    """All that one cycle of steps wants beside the fields."""

    step: Tensor  # (b): dt of the finest box
    beam: Tensor  # (b, fine step, 4): (q, y, x, depth) at the middle of each
    layers: int  # of the finest box that some source reaches; 0 where all are off
    stand: _Stand
    short: Numbers  # as `Groups.short_law`
    law: Numbers
    surface: Numbers


class TorchMeltPoolSolver:
    """The reference fields of a batch of windows: start cold, `advance` along their paths, `theta` anywhere.

    >>> solver = TorchMeltPoolSolver([groups, groups])
    >>> solver.advance([path, other_path])      # rows (t, x, y, q, depth), arrays or tensors
    >>> theta = solver.theta(x, y, z)           # (batch, ...), float64, with a gradient where something asks for one

    law: (batch, 13) as `Groups.law`; it may ask for a gradient. checkpoint: keep few fields and recompute those between
    on the way back, so that the memory of a long adjoint grows like the root of the number of steps.
    `solver.cycle = torch.compile(solver.cycle)` fuses what happens in a cycle.
    """

    def __init__(
        self, groups: Sequence[Groups], boxes: Boxes | None = None, dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu", surface: Sequence[Surface] | None = None, beam: BeamShape = "gaussian",
        narrowing: float = NARROWING, law: Float[Tensor, "b 16"] | None = None, checkpoint: bool = False,
    ) -> None:  # fmt: skip
        self.groups, self.boxes, self.checkpoint = list(groups), boxes or Boxes(), checkpoint
        surface = surface or [Surface()] * len(groups)
        nz, ny, nx = self.boxes.shape
        if not len(groups) == len(surface) == len(groups if law is None else law) > 0:
            raise ValueError("wants groups, a surface and a law for each window")
        wide = partial(torch.as_tensor, dtype=torch.float64, device=device)
        self.law = wide(np.stack([g.law() for g in groups])) if law is None else law
        self.surface = wide(np.stack([s.vector() for s in surface]))
        self._losing = any(s.evaporation > 0 or s.radiation > 0 or s.convection > 0 for s in surface)
        self._spots, self._narrowing = wide(spots(beam)), narrowing
        self._count = torch.arange(max(nz, ny, nx) + 1, device=device)
        self._ends = wide([-1.0, 1.0]).to(dtype)
        batch, levels = len(groups), self.boxes.levels
        self.h = torch.zeros((batch, levels, nz, ny, nx), dtype=dtype, device=device)
        self.cell = np.tile(-2 * np.round(np.array([ny, nx]) / 4).astype(np.int64), (batch, levels, 1))
        self.ledger = [Ledger() for _ in groups]
        self.time = np.zeros(batch)
        self._placed = np.zeros(batch, dtype=bool)
        self._heading = np.tile([1.0, 0.0], (batch, 1))

    def copy(self) -> "TorchMeltPoolSolver":
        """An independent solver in the same state; its field hangs on the same graph."""
        other = copy.copy(self)
        for name in ("cell", "time", "_placed", "_heading"):
            setattr(other, name, getattr(self, name).copy())
        other.h, other.ledger = self.h.clone(), [ledger.copy() for ledger in self.ledger]
        return other

    def advance(self, paths: Sequence[np.ndarray | Tensor]) -> None:
        """Advance each window along its path of rows (t, x, y, q, depth): position linear between rows, q and the
        source's depth (in diameters) hold until the next row. The paths may differ in length and time."""
        if len(paths) != len(self.groups):
            raise ValueError(f"wants a path for each of {len(self.groups)} windows, got {len(paths)}")
        rows = [checked(p.detach().cpu().numpy() if isinstance(p, Tensor) else p) for p in paths]
        asked = [p if isinstance(p, Tensor) else torch.as_tensor(r) for p, r in zip(paths, rows, strict=True)]
        plan = self._plan(rows, asked)
        law = columns(self.law, 4)
        c, slope, h_s, _, mushy, h_l, per_c, k, k_slope, phi_s, k_mushy, phi_l, k_liquid, *tail = law
        short = c, c * c, 2 * slope, k, k_slope / 2, h_s, mushy, phi_s, k_mushy / 2, h_l, phi_l, k_liquid * per_c, *tail
        matter = [[n.to(self.h.dtype) for n in numbers] for numbers in (short, law, columns(self.surface, 4))]
        run, bounded = partial(self._run, matter), self.checkpoint and torch.is_grad_enabled()
        if bounded:
            run = partial(checkpointed, run, use_reentrant=False, preserve_rng_state=False)
        # what a cycle leaves for the way back weighs 20 to 45 times what the fields do
        chunk = max(1, math.isqrt(len(plan) // 30) if bounded else len(plan))
        counted, fields = self._zeros(), [box.contiguous() for box in self.h.unbind(1)]
        for n in range(0, len(plan), chunk):
            counted, *fields = run(plan[n : n + chunk], counted, *fields)
        self.h = torch.stack(fields, 1)
        self.time += [max(path[-1, 0] - path[0, 0], 0.0) for path in rows]
        for ledger, numbers, stored in zip(self.ledger, counted.tolist(), self.stored().tolist(), strict=True):
            for name, number in zip(COUNTED, numbers, strict=False):
                setattr(ledger, name, getattr(ledger, name) + number)
            for face, number in zip(FACES, numbers[len(COUNTED) :], strict=True):
                ledger.out[face] += number
            ledger.stored = stored

    def stored(self) -> Float[Tensor, " b"]:
        """Energy in the composite: the outermost box holds the averages of the inner ones."""
        return self._energy(self.h[:, -1], self.boxes.levels - 1)

    def theta(self, x: np.ndarray | Tensor, y: np.ndarray | Tensor, z: np.ndarray | Tensor) -> Float[Tensor, "b ..."]:
        """theta at points, their first axis the windows (or 1: the same points in each): from the finest box that
        holds the point, quadratic at the surface, trilinear elsewhere; zero outside the outermost box."""
        wide = partial(torch.as_tensor, dtype=torch.float64, device=self.h.device)
        points = torch.stack(torch.broadcast_tensors(wide(z), wide(y), wide(x)), -1)
        shape = (len(self.groups), *points.shape[1:-1])
        points = points.expand(*shape, 3).flatten(1, -2)
        law, origin = columns(self.law, 5), pad(wide(self.cell), (1, 0))[:, :, None]  # (b, level, 1, 3)
        last = wide(self.h.shape[2:]).long() - 1
        out, free = torch.zeros_like(points[..., 0]), torch.ones_like(points[..., 0], dtype=torch.bool)
        for level in range(self.boxes.levels):
            place = points / self._size(level) - origin[:, level] - 0.5
            first = place.detach().floor().long().clamp(min=0).minimum(last - 1)
            beyond = place - first
            s, linear = beyond[..., 0], torch.stack([1 - beyond, beyond], -1)
            bend = torch.where(first[..., 0] == 0, 0.5 * s * (s - 1), 0.0)  # also above the first centre
            in_z = torch.stack([1 - s + bend, s - 2 * bend, bend], -1)
            k, j, i = (first[..., a, None] + self._count[:n] for a, n in enumerate((3, 2, 2)))
            _, ny, nx = self.boxes.shape
            index = (k.minimum(last[0])[..., None, None] * ny + j[:, :, None, :, None]) * nx + i[:, :, None, None]
            values = theta_of(_taken(self.h[:, level], index).double(), law)
            total = torch.einsum("bnkji,bnk,bnj,bni->bn", values, in_z, linear[:, :, 1], linear[:, :, 2])
            inside = (place[..., 1:] >= 0).all(-1) & (place <= last).all(-1)
            out, free = torch.where(inside & free, total, out), free & ~inside
        return out.view(shape)

    def cycle(self, fields: list[Box], now: _Cycle) -> tuple[list[Box], Float[Tensor, "b 10"]]:
        """One step of the outermost box and 2**n of the others. Returns the fields and what is to be counted."""
        fields, counts, level = list(fields), self._zeros(), self.boxes.levels - 1
        y, x, z = self._step(level, fields, counts, None, now, 0)
        for n, face in enumerate([*y.split(1, 2), *x.split(1, 3), z]):
            counts[:, len(COUNTED) + n] -= self._energy(face.detach(), level)
        return fields, counts

    def _step(
        self, level: int, fields: list[Box], counts: Float[Tensor, "b 10"], ghosts: Faces | None, now: _Cycle, done: int
    ) -> Faces:  # fmt: skip
        """One step of a box and those of the finer ones in it; `done`: fine steps of this cycle before. Returns what
        came in through its faces, in units of one cell's h.

        The next finer box takes two steps with ghosts from this one, linear in time. Then the cells beside it are given
        the flux that it saw, and those under it its averages.
        """
        every, size, h = 2**level, self._size(level), fields[level]
        _, _, ny, nx = h.shape
        r = (now.step * every / size**2).to(h.dtype)[:, None, None, None]
        phi = _phi(h, now.short)
        if ghosts is None:  # cold metal: Phi = 0 on the faces (odd reflection)
            ghosts = -phi[:, :, :: ny - 1], -phi[..., :: nx - 1], -phi[:, -1:]
        y, x, z = ghosts
        flux_y = phi.diff(dim=2, prepend=y[:, :, :1], append=y[:, :, 1:])
        flux_x = phi.diff(dim=3, prepend=x[..., :1], append=x[..., 1:])
        flux_z = phi.diff(dim=1, append=z)
        net = flux_y.diff(dim=2) + flux_x.diff(dim=3) + flux_z.diff(dim=1, prepend=torch.zeros_like(z))
        h = torch.addcmul(h, r, net)
        if now.layers > 0:
            heat = self._heat(level, now.beam[:, done : done + every], now)
            counts[:, 0] += self._energy((heat * now.stand.free[level]).detach(), level)
            h = h + heat.to(h.dtype)
        if self._losing:
            lost = self._lost(h[:, :1], now.step * every / size, now)
            for n, part in enumerate(lost):
                counts[:, 1 + n] += self._energy((part * now.stand.free[level][:, :1]).detach(), level)
            h = torch.cat([h[:, :1] - sum(lost), h[:, 1:]], 1)
        fields[level] = h
        through = r * self._ends[:, None] * flux_y[:, :, ::ny], r * self._ends * flux_x[..., ::nx], r * flux_z[:, -1:]
        if level > 0:
            crop = now.stand.crops[level - 1]
            old, new = _taken(phi, crop), _taken(h, crop)
            half_way = 0.5 * (old + _phi(new, now.short))
            seen = self._step(level - 1, fields, counts, _ghosts(old), now, done)
            also = self._step(level - 1, fields, counts, _ghosts(half_way), now, done + every // 2)
            new = _matched(new, old, r, [a + b for a, b in zip(seen, also, strict=True)], fields[level - 1])
            fields[level] = h.flatten(1).scatter(1, crop.flatten(1), new.flatten(1)).view_as(h)
        return through

    def _heat(self, level: int, beam: Float[Tensor, "b s 4"], now: _Cycle) -> Box:
        """What the beam puts into a box over some fine steps, in float64.

        The source falls linearly to nothing at its depth D and narrows down to there. It is summed over layers of the
        finest box, so that boxes agree where a beam lies across their faces. With u and v what 1 - z/D is at top and
        bottom of a layer, its share is u^2 - v^2 and the mean of 1 - z/D in it 2/3 (u^2 + uv + v^2)/(u + v).
        """
        _, _, nz, ny, nx = self.h.shape
        size, every, dx = self._size(level), 2**level, self.boxes.dx
        q, y, x, depth = beam[..., None].unbind(2)  # each (b, s, 1)
        top, deep = torch.arange(min(now.layers, nz * every), device=beam.device).double() * dx, depth > 0
        u, v = (torch.where(deep, 1 - z / torch.where(deep, depth, 1.0), 0.0).clamp(min=0.0) for z in (top, top + dx))
        share = torch.where(deep, u * u - v * v, (top == 0).double())
        mean = torch.where(deep, 2 / 3 * (u * u + u * v + v * v) / (u + v).clamp(min=TINY), 1.0)
        narrowed = (1 - self._narrowing * (1 - mean))[:, :, None]  # (b, s, 1, layer)
        spot_y, spot_x, sigma, part = self._spots.T[..., None]  # each (spot, 1)
        sigma = sigma * narrowed
        edges_y, edges_x = (
            (now.stand.cell[:, level, a, None] + self._count[: n + 1]).double() * size for a, n in enumerate((ny, nx))
        )
        on_y = _shares(edges_y, y[..., None] + spot_y * narrowed, sigma)
        on_x = _shares(edges_x, x[..., None] + spot_x * narrowed, sigma)
        put = (torch.relu(q) * now.step[:, None, None] / size**3 * share)[:, :, None] * part
        on_y, on_x = (a.unflatten(3, (-1, every)) for a in (put[..., None] * on_y, on_x))
        heat = torch.einsum("bspzey,bspzex->bzyx", on_y, on_x)
        return pad(heat, (0, 0, 0, 0, 0, nz - heat.shape[1]))

    def _lost(self, h: Float[Tensor, "b 1 y x"], per_flux: Float[Tensor, " b"], now: _Cycle) -> list[Tensor]:
        """What the surface cells lose over one step by evaporation (stiff: implicit), radiation and convection;
        per_flux = dt/dx."""
        evaporation, vapour, boiling, zero, radiation, convection = now.surface
        per_flux = per_flux.to(h.dtype)[:, None, None, None]
        rise = theta_of(h, now.law)
        t = rise + zero
        hot = (evaporation > 0) & (h > now.law[5]) & (t > 0.6 * boiling)
        steam = torch.zeros_like(h)
        for _ in range(NEWTON):
            safe = torch.where(hot, theta_of(h - steam, now.law) + zero, boiling)
            flux = evaporation * torch.exp(vapour * (1 / boiling - 1 / safe)) / safe.sqrt()
            slope = flux * (vapour / safe - 0.5) / safe * now.law[6]
            steam = steam + (per_flux * flux - steam) / (1 + per_flux * slope.clamp(min=0.0))
        steam = torch.where(hot, steam, 0.0)
        return [steam, per_flux * radiation * (t * t * t * t - zero * zero * zero * zero), per_flux * convection * rise]

    def _run(self, matter: list[Numbers], plan: list[tuple], counted: Tensor, *fields: Box) -> tuple[Tensor, ...]:
        """Some cycles of a plan. Returns what is counted by then and the fields."""
        boxes, stand = list(fields), None
        for move, beam in plan:
            if stand is None or len(move.windows) > 0:
                stand = self._stand(move.cell)
            if len(move.windows) > 0:
                boxes, left = self._moved(boxes, move, stand)
                counted = counted.index_add(0, move.windows, left)
            boxes, counts = self.cycle(boxes, _Cycle(*beam, stand, *matter))
            counted = counted + counts
        return counted, *boxes

    def _moved(self, fields: list[Box], move: _Move, stand: _Stand) -> tuple[list[Box], Float[Tensor, "w 10"]]:
        """The boxes of some windows moved by whole cells: new cells of the outermost are cold, those of the others come
        from the next coarser one. Counts the energy in cells that the outermost moved away from."""
        last, counts = len(fields) - 1, self._zeros()[move.windows]
        for level in range(last, -1, -1):
            box, shift = fields[level][move.windows], move.shift[:, level]
            if level == last:
                moved = _shifted(box, shift, torch.zeros_like(box))
                left = self._energy(box, level) - self._energy(moved, level)
                counts[:, COUNTED.index("left_behind")] = left.detach()
            else:
                coarse = _taken(fields[level + 1][move.windows], stand.crops[level][move.windows])
                moved = _shifted(box, shift, _prolonged(coarse))
            fields[level] = fields[level].index_copy(0, move.windows, moved)
        return fields, counts

    def _stand(self, cell: Int[Tensor, "b level 2"]) -> _Stand:
        _, _, nz, ny, nx = self.h.shape
        crops, free = [], [torch.ones_like(self.h[:, 0], dtype=torch.bool)]
        for level in range(1, self.boxes.levels):
            j, i = (cell[:, level - 1] // 2 - cell[:, level] - 1)[..., None].unbind(1)
            j, i, k = j + self._count[: ny // 2 + 2], i + self._count[: nx // 2 + 2], self._count[: nz // 2 + 1]
            crop = (k[:, None, None] * ny + j[:, None, :, None]) * nx + i[:, None, None]
            crops.append(crop)
            free.append(free[0].flatten(1).scatter(1, crop[:, :-1, 1:-1, 1:-1].flatten(1), False).view_as(free[0]))
        return _Stand(cell, crops, free)

    def _plan(self, rows: list[np.ndarray], paths: list[Tensor]) -> list[tuple[_Move, tuple[Tensor, Tensor, int]]]:
        """What happens in which cycle: a window that begins a piece of its path moves its boxes, whatever others do."""
        per = 2 ** (self.boxes.levels - 1)
        cells, steps, places = [], [], []  # of each window, a row each cycle
        for w, path in enumerate(rows):
            largest = 0.95 * self.boxes.dx**2 / (6.0 * self.groups[w].fastest_diffusivity)
            cell, step, place = [self.cell[w][None]], [np.zeros((0, 2))], [np.zeros((0, per, 2))]
            for n in range(len(path) - 1):
                begin, end = path[n : n + 2, 0]
                start = begin
                for cycles, dt, beam in stretches(path[n : n + 2], self.boxes, largest):
                    want = self._follow(w, beam)
                    if not self._placed[w]:
                        cell, self._placed[w] = [want[None]], True
                    done = (start + (np.arange(cycles * per) + 0.5) * dt - begin) / (end - begin)
                    start += cycles * per * dt
                    cell.append(np.repeat(want[None], cycles, 0))
                    step.append(np.tile([dt, beam[0, 0]], (cycles, 1)))
                    place.append(np.stack([np.full_like(done, n), done], 1).reshape(cycles, per, 2))
            for whole, parts in ((cells, cell), (steps, step), (places, place)):
                whole.append(np.concatenate(parts))
        total = max(map(len, steps))
        cell = np.stack([np.pad(c, ((0, total + 1 - len(c)), (0, 0), (0, 0)), "edge") for c in cells], 1)
        step = np.stack([np.pad(s, ((0, total - len(s)), (0, 0))) for s in steps], 1)
        place = np.stack([np.pad(p, ((0, total - len(p)), (0, 0), (0, 0))) for p in places])
        self.cell = cell[-1].copy()
        shift = np.diff(cell, axis=0)
        moving = [np.flatnonzero(m).tolist() for m in shift.any((2, 3))]
        put = partial(torch.as_tensor, device=self.h.device)
        dt, at, shifts = put(step[..., 0].copy()), put(cell[1:]), put(shift[shift.any((2, 3))])
        windows = put(list(chain(*moving)), dtype=torch.int64)
        sizes = [len(m) for m in moving]
        moves = map(_Move, at, windows.split(sizes), shifts.split(sizes))
        beams = _beams(paths, put(place).flatten(1, 2)).split(per, 1)
        deepest = max(path[:, 4].max() for path in rows)
        layers = per * max(1, math.ceil(deepest / self.boxes.dx / per))  # whole cells of each box
        heated = (layers * (step[..., 1] > 0).any(1)).tolist()
        return list(zip(moves, zip(dt, beams, heated, strict=False), strict=False))

    def _follow(self, window: int, beam: np.ndarray) -> np.ndarray:
        """Where the boxes of a window must stand (level, 2) so that the beam of this stretch is `lead` ahead of their
        centre; even cells, so that each box stands on whole cells of the next coarser one."""
        first, last = beam[0, 1:3], beam[-1, 1:3]
        travelled = math.hypot(*(last - first))
        if travelled > 1e-9 and beam[0, 0] > 0:
            self._heading[window] = (last - first) / travelled
        centre = 0.5 * (first + last) - self.boxes.lead * self._heading[window]
        sizes = self.boxes.dx * 2.0 ** np.arange(self.boxes.levels)[:, None]
        return 2 * np.round((centre[::-1] / sizes - np.array(self.boxes.shape[1:]) / 2) / 2).astype(np.int64)

    def _size(self, level: int) -> float:
        return self.boxes.dx * 2**level

    def _energy(self, h: Float[Tensor, "b ..."], level: int) -> Float[Tensor, " b"]:
        """Energy in cells of a box."""
        return h.flatten(1).sum(1, dtype=torch.float64) * self._size(level) ** 3

    def _zeros(self) -> Float[Tensor, "b 10"]:
        return self._spots.new_zeros(len(self.groups), len(COUNTED) + len(FACES))


def _beams(paths: list[Tensor], where: Float[Tensor, "b n 2"]) -> Float[Tensor, "b n 4"]:
    """(q, y, x, depth) at places (row, part of the way to the next one) of the paths."""
    rows = pad_sequence([pad(p.to(where), (0, COLUMNS - p.shape[1])) for p in paths], batch_first=True)
    index = where[..., :1].long().expand(-1, -1, COLUMNS)
    here, there = rows.gather(1, index), rows.gather(1, index + 1)
    position = here + where[..., 1:] * (there - here)
    return torch.stack([here[..., 3], position[..., 2], position[..., 1], here[..., 4]], -1)


def _shares(
    edges: Float[Tensor, "b edge"], centre: Float[Tensor, "b s spot layer"], sigma: Float[Tensor, "b s spot layer"]
) -> Float[Tensor, "b s spot layer cell"]:
    """What part of a Gaussian falls on each cell of a row: integrated exactly."""
    return 0.5 * torch.erf((edges[:, None, None, None] - centre[..., None]) / (math.sqrt(2) * sigma)[..., None]).diff()


def _phi(h: Box, short: Numbers) -> Box:
    c, cc, s2, k, half_ks, h_s, slope, phi_s, half_km, h_l, phi_l, kc, h_f, theta_f, tail = short
    t = torch.where(h < h_f, root(h, c, cc, s2, h_f), theta_f + (h - h_f) * tail)
    m = (h - h_s) * slope
    melted = torch.where(h < h_l, phi_s + m + half_km * m * m, phi_l + kc * (h - h_l))
    return torch.where(h < h_s, (k + half_ks * t) * t, melted)


def _taken(box: Box, places: Int[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
    return box.flatten(1).gather(1, places.flatten(1)).view(places.shape)


def _ghosts(crop: Crop) -> Faces:
    """Ghosts of a box, trilinear in what the coarse one holds."""
    _, _, cy, cx = crop.shape
    crop = torch.cat([crop[:, :1], crop], 1)  # no flux through the surface
    y = 0.25 * crop[:, :, 1 : -1 : cy - 3] + 0.75 * crop[:, :, :: cy - 1]
    x = 0.25 * crop[..., 1 : -1 : cx - 3] + 0.75 * crop[..., :: cx - 1]
    z = 0.25 * crop[:, -2:-1] + 0.75 * crop[:, -1:]
    return _refined(y, 1, 3), _refined(x, 1, 2), _refined(z, 2, 3)


def _refined(plane: Tensor, *dims: int) -> Tensor:
    """Linear values at twice as many points along some dimensions, less a coarse one at each end."""
    for dim in dims:
        low, here, high = (plane.narrow(dim, n, plane.shape[dim] - 2) for n in range(3))
        plane = torch.stack([0.25 * low + 0.75 * here, 0.75 * here + 0.25 * high], dim + 1).flatten(dim, dim + 1)
    return plane


def _summed(a: Tensor, *dims: int) -> Tensor:
    """Sums of pairs along some dimensions."""
    for dim in dims:
        a = a.unflatten(dim, (-1, 2)).sum(dim + 1)
    return a


def _matched(crop: Crop, phi: Crop, r: Float[Tensor, "b 1 1 1"], seen: list[Tensor], fine: Box) -> Crop:
    """The coarse cells under and around a box that has caught up with them: those beside it are given the flux that it
    saw for the one that they used (phi, r), those under it its averages. 8 of its cells make one of theirs."""
    _, _, cy, cx = crop.shape
    y, x, z = seen
    inner, ends_y, ends_x = slice(1, -1), slice(None, None, cy - 1), slice(None, None, cx - 1)
    under = phi[:, :-1, inner, inner]
    used_y = under[:, :, :: cy - 3] - phi[:, :-1, ends_y, inner]
    used_x = under[..., :: cx - 3] - phi[:, :-1, inner, ends_x]
    used_z = under[:, -1:] - phi[:, -1:, inner, inner]
    crop = crop.clone()
    crop[:, :-1, ends_y, inner] -= _summed(y, 1, 3) / 8 + r * used_y
    crop[:, :-1, inner, ends_x] -= _summed(x, 1, 2) / 8 + r * used_x
    crop[:, -1:, inner, inner] -= _summed(z, 2, 3) / 8 + r * used_z
    crop[:, :-1, inner, inner] = _summed(fine, 1, 2, 3) / 8
    return crop


def _prolonged(crop: Crop) -> Box:
    """A fine box from the coarse cells under and around it, linear with limited slopes: it keeps the average."""
    z, y, x = crop[:, :, 1:-1, 1:-1].diff(dim=1), crop[:, :-1, :, 1:-1].diff(dim=2), crop[:, :-1, 1:-1].diff(dim=3)
    z = torch.cat([torch.zeros_like(z[:, :1]), _minmod(z[:, 1:], z[:, :-1])], 1)
    y, x = _minmod(y[:, :, 1:], y[:, :, :-1]), _minmod(x[..., 1:], x[..., :-1])
    here, z, y, x = (a[:, :, None, :, None, :, None] for a in (crop[:, :-1, 1:-1, 1:-1], z, y, x))
    quarter = 0.5 * torch.arange(2, dtype=crop.dtype, device=crop.device) - 0.25
    fine = here + (x * quarter + y * quarter[:, None, None] + z * quarter[:, None, None, None, None])
    return fine.flatten(5).flatten(3, 4).flatten(1, 2)


def _minmod(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a * b <= 0, 0.0, torch.where(a.abs() < b.abs(), a, b))


def _shifted(box: Box, shift: Int[Tensor, "b 2"], fill: Box) -> Box:
    """A box moved by whole cells; what it did not hold before is from `fill`."""
    _, nz, ny, nx = box.shape
    j, i = (torch.arange(n, device=box.device) + shift[:, a, None] for a, n in enumerate((ny, nx)))
    held = ((j >= 0) & (j < ny))[:, None, :, None] & ((i >= 0) & (i < nx))[:, None, None]
    index = j.clamp(0, ny - 1)[:, :, None] * nx + i.clamp(0, nx - 1)[:, None]
    moved = box.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, nz, -1))
    return torch.where(held, moved.view_as(box), fill)
