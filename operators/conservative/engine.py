"""Engine: the conservative operator behind the `Operator` port. A plate for each stream, a copy for each look ahead.

It serves cards of HFluxNO (`operators.camera`). The alloy is told with the stream, so of the twelve numbers that the
camera operator reads from pictures one is left: how much of the beam is absorbed. That one is solved for as there, by
least squares of the scheme against the pictures, from the nominal one on (`inferred`): the card's reading is not asked,
it was trained on pictures of every frame and on sources in the surface. Signals correct that number and never a cell:
the ledger of every plate closes to round-off.
"""

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators.conservative.inferred import MORE, Inferred, said
from operators.conservative.matter import Matter
from operators.conservative.scheme import Drive, Plate, Scheme, Shape
from operators.operator import Look, Picture, Stream, Task, heading_after
from operators.window import WindowGrid

CLOSE = 0.3
"""Diameters that the beam may go between a picture and the surface that it is compared with."""
SNAPSHOTS = 40  # of the surface, at the ends of stretches: pictures come after the frame that they show
LIFT = 0.32
"""The surface is as hot as the first cells and so much of what they are hotter than the second."""
KIN = 256  # whose absorptivity is remembered
ENVELOPE = {"peclet": [0.4, 60.0], "q": [0.0, 60.0], "depth": [0.0, 2.5]}
"""Where sizes were held against the reference solver (tests/operators/test_conservative_engine.py), of any alloy."""


@dataclass(frozen=True)
class Surface:
    """The two upper layers of cells at a moment, at the factor in hand and at MORE more of it."""

    time: float
    x: float
    y: float
    log_factor: float
    corner: np.ndarray
    theta: Float[Tensor, "two upper y x"]


@dataclass
class Kept:
    """One stream: its matter, its plate, and once there are pictures the same plate with more absorbed."""

    matter: Matter
    scheme: Scheme
    plate: Plate
    more: Plate | None = None
    heading: float = 0.0
    surfaces: deque[Surface] = field(default_factory=lambda: deque(maxlen=SNAPSHOTS))
    last: float = -math.inf  # time of the newest picture taken

    @property
    def cells(self) -> int:
        """A diameter."""
        return self.scheme.shape.cells


class Move(NamedTuple):
    """A plate of a stream, and how it is driven."""

    kept: Kept
    plate: Plate
    drive: Drive


class Conservative:
    """`Operator` by the conservative scheme. `card`: its `sizes` may tell `cells_per_diameter`."""

    def __init__(self, card: dict[str, Any], device: str = "cpu") -> None:
        sizes = card.get("sizes", {})
        self.grid = WindowGrid()
        self.card: dict[str, Any] = {**card, "envelope": ENVELOPE, "device": device}
        self._cells = round(sizes.get("cells_per_diameter", 4))
        self._schemes: dict[Shape, Scheme] = {}
        self._streams: dict[str, Kept] = {}
        self._kin: OrderedDict[str, Inferred] = OrderedDict()
        self._nodes = torch.from_numpy(np.stack(self.grid.points[:2])).float().to(device)
        self._deep = torch.from_numpy(self.grid.z).float().to(device)
        self._device = device
        self._lock = threading.Lock()

    def forget(self, stream: str) -> None:
        """See `Operator.forget`. What was inferred of its kin stays."""
        with self._lock:
            self._streams.pop(stream, None)

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        """See `Operator.step`."""
        with self._lock, torch.inference_mode():
            looks: list[list[Look]] = [[] for _ in tasks]
            for n in range(max((len(task.observed) for task in tasks), default=0)):
                work = [(k, task, task.observed[n]) for k, task in enumerate(tasks) if n < len(task.observed)]
                self._observe(work, looks)
            self._look_ahead(tasks, looks)
            return looks

    def inferred(self, stream: Stream) -> Inferred:
        """What is known of a stream's kin."""
        kin = stream.kin or stream.name
        known = self._kin.setdefault(kin, Inferred())
        self._kin.move_to_end(kin)
        while len(self._kin) > KIN:
            self._kin.popitem(last=False)
        return known

    def _observe(self, work: list[tuple[int, Task, np.ndarray]], looks: list[list[Look]]) -> None:
        """One stretch of every stream that has one, in pieces that end where a picture was taken."""
        pieces = [(task, cut(rows, [picture.time for picture in task.pictures])) for _, task, rows in work]
        for n in range(max(len(parts) for _, parts in pieces)):
            self._go([(task, parts[n]) for task, parts in pieces if n < len(parts)])
        views, infers = [], []
        for _, task, rows in work:
            kept = self._streams[task.stream.name]
            kept.heading = heading_after(kept.heading, rows)
            views.append((kept, kept.plate, rows, kept.heading))
            infers.append(self.inferred(task.stream))
        for (k, _, _), look in zip(work, self._looks(views, infers), strict=True):
            looks[k].append(look)

    def _go(self, work: list[tuple[Task, np.ndarray]]) -> None:
        """Advance plates along a path each, then hear the pictures that are due."""
        moves: list[Move] = []
        for task, rows in work:
            kept, known = self._kept(task.stream, rows), self.inferred(task.stream)
            if task.pictures and kept.more is None:
                kept.more = kept.plate.copy()
                kept.more.h *= 1 + MORE  # heat so far, were it as much more: nearly linear, and soon gone
            for plate, factor in ((kept.plate, known.factor), (kept.more, known.factor * (1 + MORE))):
                if plate is not None:
                    moves.append(Move(kept, plate, Drive.along(rows, kept.matter, kept.cells, factor)))
        advance(moves)
        for task, rows in work:
            kept, known = self._streams[task.stream.name], self.inferred(task.stream)
            if kept.more is not None:
                kept.surfaces.append(self._surface(kept, rows, known.log_factor))
                self._compare(kept, task, known)

    def _look_ahead(self, tasks: list[Task], looks: list[list[Look]]) -> None:
        """Copies go on along the plan; each lead begins now, and goes on from where the shorter one ended."""
        begun = [(k, task, self._kept(task.stream, task.ahead[0])) for k, task in enumerate(tasks) if task.ahead]
        copies = {k: kept.plate.copy() for k, _, kept in begun}
        reached = {k: float(task.ahead[0][0, 0]) for k, task, _ in begun}
        for n in range(max((len(task.ahead) for _, task, _ in begun), default=0)):
            now = [(k, task, kept) for k, task, kept in begun if n < len(task.ahead)]
            known = [self.inferred(task.stream) for _, task, _ in now]
            advance(
                Move(
                    kept, copies[k], Drive.along(after(task.ahead[n], reached[k]), kept.matter, kept.cells, each.factor)
                )
                for (k, task, kept), each in zip(now, known, strict=True)
            )
            views = [
                (kept, copies[k], task.ahead[n], heading_after(kept.heading, task.ahead[n])) for k, task, kept in now
            ]
            for (k, task, _), look in zip(now, self._looks(views, known), strict=True):
                reached[k] = float(task.ahead[n][-1, 0])
                looks[k].append(look)

    def _kept(self, stream: Stream, rows: np.ndarray) -> Kept:
        """A stream's own, or a cold plate under where its path begins."""
        depth = float(rows[rows[:, 3] > 0, 4].max(initial=0.0))
        shape = Shape.fitting(stream.peclet, depth, self._cells)
        scheme = self._schemes.setdefault(shape, Scheme(shape, self._device))
        kept = self._streams.get(stream.name)
        if kept is None:
            plate = scheme.cold(float(rows[0, 1]), float(rows[0, 2]))
            kept = self._streams[stream.name] = Kept(Matter.of(stream.groups, stream.surface), scheme, plate)
        elif kept.cells > shape.cells:  # it conducted so far, and now digs deep
            kept.plate = scheme.coarsened(kept.plate)
            kept.more = None if kept.more is None else scheme.coarsened(kept.more)
            kept.scheme = scheme
            kept.surfaces.clear()
        return kept

    def _surface(self, kept: Kept, rows: np.ndarray, log_factor: float) -> Surface:
        assert kept.more is not None
        upper = torch.stack([kept.plate.h[:2], kept.more.h[:2]])
        theta = kept.matter.lookup(upper)
        return Surface(
            float(rows[-1, 0]),
            float(rows[-1, 1]),
            float(rows[-1, 2]),
            log_factor,
            kept.plate.corner.copy(),
            theta,
        )

    def _compare(self, kept: Kept, task: Task, known: Inferred) -> None:
        """Each picture not yet taken whose moment has come, with the surface that stood nearest to it in time."""
        for picture in task.pictures:
            if picture.time <= kept.last or picture.time > kept.surfaces[-1].time + CLOSE / task.stream.peclet:
                continue
            nearest = min(kept.surfaces, key=lambda surface: abs(surface.time - picture.time))
            kept.last = picture.time
            if abs(nearest.time - picture.time) <= CLOSE / task.stream.peclet:
                now, more = self._seen(nearest, picture, kept.cells)
                rise = task.stream.scales.rise
                known.heard(said(picture, now, more, nearest.log_factor, kept.cells, rise))

    def _seen(self, surface: Surface, picture: Picture, cells: int) -> np.ndarray:
        """theta that the picture's pixels should show, (2, rows, columns)."""
        rows, columns = picture.theta.shape
        u = (np.arange(columns) - (columns - 1) / 2) * picture.pixel
        v = (np.arange(rows) - (rows - 1) / 2) * picture.pixel
        c, s = math.cos(picture.turn), math.sin(picture.turn)
        x = surface.x + picture.x + c * u[None] - s * v[:, None]
        y = surface.y + picture.y + s * u[None] + c * v[:, None]
        top, below = surface.theta.unbind(1)
        theta = top + LIFT * (top - below)
        ys, xs = (torch.from_numpy(a * cells - n - 0.5).to(theta) for a, n in zip((y, x), surface.corner, strict=True))
        return bilinear(theta, ys, xs).cpu().numpy()

    def _looks(self, views: Sequence[tuple[Kept, Plate, np.ndarray, float]], known: Sequence[Inferred]) -> list[Look]:
        """The window around each beam: from the cells, trilinear, the surface as LIFT has it; cold outside."""
        out = []
        for (kept, plate, rows, heading), inferred in zip(views, known, strict=True):
            cells, matter = kept.cells, kept.matter
            x, y = float(rows[-1, 1]), float(rows[-1, 2])
            c, s = math.cos(heading), math.sin(heading)
            along, across = self._nodes[:, :, :, 0]
            ys = (y + s * along + c * across) * cells - plate.corner[0] - 0.5
            xs = (x + c * along - s * across) * cells - plate.corner[1] - 0.5
            theta = matter.lookup(plate.h)
            layers = torch.cat([theta[:1] + 2 * LIFT * (theta[:1] - theta[1:2]), theta])
            planes = bilinear(layers, ys, xs)  # (z, window x, window y)
            depth = (self._deep * cells + 0.5).clamp(max=len(planes) - 1 - 1e-3)
            low = depth.long()
            part = (depth - low)[:, None, None]
            field = torch.lerp(planes[low], planes[low + 1], part)
            field[self._deep * cells + 0.5 > len(planes) - 1] = 0.0
            out.append(
                Look(
                    field.permute(1, 2, 0).cpu().numpy(), x, y, heading,
                    defect=plate.ledger.defect, absorbs=inferred.factor, pictures=inferred.pictures,
                )
            )  # fmt: skip
        return out


def advance(moves: Iterable[Move]) -> None:
    """Plates of one shape are one batch."""
    by_scheme: dict[Scheme, list[Move]] = {}
    for move in moves:
        by_scheme.setdefault(move.kept.scheme, []).append(move)
    for scheme, mine in by_scheme.items():
        scheme.advance([m.plate for m in mine], [m.kept.matter for m in mine], [m.drive for m in mine])


def bilinear(layers: Float[Tensor, "layer y x"], y: Tensor, x: Tensor) -> Tensor:
    """Each layer at places in cells; cold outside."""
    _, ny, nx = layers.shape
    inside = (y > -0.5) & (y < ny - 0.5) & (x > -0.5) & (x < nx - 0.5)
    y, x = y.clamp(0, ny - 1.001), x.clamp(0, nx - 1.001)
    y0, x0 = y.long(), x.long()
    fy, fx = y - y0, x - x0
    flat = layers.flatten(1)
    first = y0 * nx + x0
    upper = torch.lerp(flat[:, first], flat[:, first + 1], fx)
    lower = torch.lerp(flat[:, first + nx], flat[:, first + nx + 1], fx)
    return torch.lerp(upper, lower, fy) * inside


def cut(rows: np.ndarray, times: Sequence[float]) -> list[np.ndarray]:
    """A path in pieces that end at these times, where they lie inside it."""
    pieces, rest = [], rows
    for time in sorted({time for time in times if rows[0, 0] < time < rows[-1, 0]}):
        following = after(rest, time)
        pieces.append(np.vstack([rest[rest[:, 0] < time], [*following[0, :3], *rest[rest[:, 0] < time][-1, 3:]]]))
        rest = following
    return [*pieces, rest]


def after(rows: np.ndarray, begin: float) -> np.ndarray:
    """The part of a path from `begin` on."""
    if begin <= rows[0, 0]:
        return rows
    t = rows[:, 0]
    held = rows[max(int(np.searchsorted(t, begin, side="right")) - 1, 0), 3:]
    first = [begin, np.interp(begin, t, rows[:, 1]), np.interp(begin, t, rows[:, 2]), *held]
    later = rows[t > begin]
    return np.vstack([first, later]) if len(later) else np.array([first, first])
