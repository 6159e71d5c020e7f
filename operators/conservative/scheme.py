"""Scheme: enthalpy in a box of cells that stands in the machine's frame and follows the beam by whole cells.

    h_t = div grad Phi(h) + q w(x, t)/d^3,     -Phi_z = loss(h) at the surface

explicit, one flux a face, sums compensated (Kahan), so that what is absorbed, stored, lost, gone through the walls and
left behind when the box moves adds up to round-off, whatever the tables are. The source has the depth that its row
says: it falls linearly to nothing at D and narrows on the way (`operators.reference.beam`). The box follows lazily, as
the beam comes near a wall: the tail stays behind it, and after a turn the old track is still there.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators import response
from operators.conservative import kernels
from operators.conservative.matter import HOTTEST, PIECES, Matter, Tables
from operators.path import joined
from operators.reference.beam import NARROWING, SIGMA

STABLE = 0.95
FEWEST = 4  # steps of a stretch
Box = Float[Tensor, "b z y x"]


@dataclass(frozen=True)
class Shape:
    """Of a box: cells a diameter, sides and depth in diameters, how near a wall the beam may come, and what the walls
    pass, of what would if the cold were one cell beyond them: metal goes on there."""

    cells: int = 4
    side: float = 18.0
    deep: float = 3.5
    margin: float = 3.0
    leak: float = 0.2

    def __post_init__(self) -> None:
        if self.cells < 1 or not 0 < self.margin < self.side / 2 or self.deep * self.cells < 3:
            raise ValueError(f"a box holds its beam off its walls and is three cells deep, got {self}")

    @staticmethod
    def fitting(peclet: float, depth: float, cells: int = 4, leak: float = 0.2) -> "Shape":
        """Of a stream, by the Peclet number and the depth of its source: a fast beam that only conducts makes a pool of
        a quarter of a diameter, which wants twice the cells; a slow one a round and wide one, which does with fewer."""
        if peclet < 4:
            return Shape(max(cells - 1, 2), side=12.0, deep=4.0, leak=leak)
        if depth < 0.25 and peclet > 6:
            return Shape(2 * cells, side=8.0, deep=2.0, margin=2.0, leak=leak)
        return Shape(cells, leak=leak)

    @property
    def counts(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        side = round(self.side * self.cells)
        return round(self.deep * self.cells), side, side


@dataclass
class Ledger:
    """Energy since the stream began, in units of h in one cell."""

    absorbed: float = 0.0
    stored: float = 0.0
    walls: float = 0.0
    surface: float = 0.0
    left_behind: float = 0.0  # in cells that the box moved away from, less what came with those that it moved to

    @property
    def defect(self) -> float:
        """What does not add up, of what was absorbed; 0 where nothing was."""
        off = self.absorbed - self.stored - self.walls - self.surface - self.left_behind
        return off / abs(self.absorbed) if self.absorbed else 0.0


@dataclass
class Plate:
    """One field: h, what rounding has left out of it, the corner's cell in the machine's frame (y, x), the ledger, and
    the path that made it."""

    h: Float[Tensor, "z y x"]
    rest: Float[Tensor, "z y x"]
    corner: np.ndarray
    ledger: Ledger = field(default_factory=Ledger)
    past: np.ndarray = field(default_factory=lambda: np.zeros((0, 5)))

    def copy(self) -> "Plate":
        return Plate(self.h.clone(), self.rest.clone(), self.corner.copy(), Ledger(**vars(self.ledger)), self.past)


@dataclass(frozen=True)
class Drive:
    """Steps of one stretch: how long each is, and in it q in the mean, the beam's (y, x) and the source's depth."""

    dt: float
    q: np.ndarray
    place: np.ndarray
    depth: np.ndarray
    rows: np.ndarray  # the path, with what is absorbed of it

    @staticmethod
    def along(rows: np.ndarray, matter: Matter, cells: int, factor: float = 1.0) -> "Drive":
        """A path (t, x, y, q, depth) in steps that are stable; the energy of each step is exactly that of the path."""
        t = rows[:, 0]
        span = float(t[-1] - t[0])
        if not span > 0:
            none = np.zeros(0)
            return Drive(0.0, none, np.zeros((0, 2)), none, rows)
        count = max(FEWEST, math.ceil(6 * matter.fastest * span * cells**2 / STABLE))
        edges = t[0] + span * np.arange(count + 1) / count
        middle = 0.5 * (edges[1:] + edges[:-1])
        brought = np.concatenate([[0.0], np.cumsum(np.diff(t) * rows[:-1, 3])])
        q = np.diff(np.interp(edges, t, brought)) * count / span
        place = np.stack([np.interp(middle, t, rows[:, axis]) for axis in (2, 1)], axis=1)
        held = np.clip(np.searchsorted(t, middle, side="right") - 1, 0, len(t) - 1)
        return Drive(span / count, factor * q, place, rows[held, 4], rows * [1, 1, 1, factor, 1])


class Scheme:
    """Steps of many plates at once, each with its own matter, drive and pace."""

    def __init__(self, shape: Shape, device: str | torch.device = "cpu") -> None:
        self.shape, self.device = shape, device

    def cold(self, x: float, y: float) -> Plate:
        """A plate without heat, the beam in its middle."""
        z, ny, nx = self.shape.counts
        h = torch.zeros(z, ny, nx, device=self.device)
        corner = np.array([round(y * self.shape.cells) - ny // 2, round(x * self.shape.cells) - nx // 2])
        return Plate(h, torch.zeros_like(h), corner)

    def coarsened(self, plate: Plate) -> Plate:
        """A plate of half these cells in a box of these: the same heat, the corner moved to where cells meet."""
        z, ny, nx = self.shape.counts
        start = self.cold(0.0, 0.0)
        other = Plate(
            start.h, start.rest, start.corner, Ledger(*(v / 8 for v in vars(plate.ledger).values())), plate.past
        )
        sums = []
        for box in (plate.h, plate.rest):
            odd = plate.corner % 2  # a row more on the side where the corner lies between two cells
            pads = [int(odd[1]), int((box.shape[2] + odd[1]) % 2), int(odd[0]), int((box.shape[1] + odd[0]) % 2)]
            pads += [0, box.shape[0] % 2]
            sums.append(torch.nn.functional.avg_pool3d(torch.nn.functional.pad(box, pads)[None], 2)[0])
        at = plate.corner // 2
        dz, dy, dx = sums[0].shape
        if dz > z or dy > ny or dx > nx:
            raise ValueError(f"a box of {self.shape} does not hold {tuple(plate.h.shape)} cells of half its size")
        by, bx = (ny - dy) // 2, (nx - dx) // 2
        for box, part in zip((other.h, other.rest), sums, strict=True):
            box[:dz, by : by + dy, bx : bx + dx] = part
        other.corner = at - np.array([by, bx])
        return other

    def advance(self, plates: list[Plate], matters: list[Matter], drives: list[Drive]) -> None:
        """Every plate along its own drive; those that have come to their end wait."""
        busy = [n for n, drive in enumerate(drives) if len(drive.q)]
        if not busy:
            return
        if torch.device(self.device).type == "cpu":
            for n in busy:
                self._alone(plates[n], matters[n], drives[n])
        else:
            self._together(plates, matters, drives, busy)
        for n in busy:
            plates[n].past = joined(plates[n].past, drives[n].rows)

    def _alone(self, plate: Plate, matter: Matter, drive: Drive) -> None:
        """One plate by the compiled step, in place."""
        h, rest = plate.h.numpy(), plate.rest.numpy()
        phi, cells, ledger = np.empty_like(h), self.shape.cells, plate.ledger
        tables, per_h = (matter.phi.numpy(), matter.loss.numpy()), np.float32(PIECES / HOTTEST)
        for step in range(len(drive.q)):
            self._follow([plate], [matter], [drive], step, plate.h[None], plate.rest[None])
            source = self._source([plate], [drive], step)
            gained = kernels.step(
                h, rest, phi, *tables, per_h, matter.boiling, np.float32(drive.dt * cells**2), drive.dt * cells,
                np.float32(self.shape.leak), *(part[0] for part in source),
            )  # fmt: skip
            ledger.absorbed, ledger.walls = ledger.absorbed + gained[0], ledger.walls + gained[1]
            ledger.surface += gained[2]
        ledger.stored = float(h.sum(dtype=np.float64) + rest.sum(dtype=np.float64))

    def _together(self, plates: list[Plate], matters: list[Matter], drives: list[Drive], busy: list[int]) -> None:
        """Many plates as one batch."""
        plates, drives = [plates[n] for n in busy], [drives[n] for n in busy]
        tables = Tables([matters[n] for n in busy], self.device)
        h, rest = (torch.stack([getattr(plate, name) for plate in plates]) for name in ("h", "rest"))
        sums = torch.zeros(3, len(plates), dtype=torch.float64, device=self.device)
        for step in range(max(len(drive.q) for drive in drives)):
            self._follow(plates, matters, drives, step, h, rest)
            dt = torch.tensor([d.dt if step < len(d.q) else 0.0 for d in drives], device=self.device)
            self._step(h, rest, dt, self._put(plates, drives, step), tables, sums)
        stored = h.double().sum((1, 2, 3)) + rest.double().sum((1, 2, 3))
        for plate, *rows, now, gained in zip(plates, h, rest, stored.tolist(), sums.T.tolist(), strict=True):
            plate.h, plate.rest = rows
            ledger = plate.ledger
            ledger.absorbed, ledger.walls = ledger.absorbed + gained[0], ledger.walls + gained[1]
            ledger.surface, ledger.stored = ledger.surface + gained[2], now

    def _follow(
        self, plates: list[Plate], matters: list[Matter], drives: list[Drive], step: int, h: Box, rest: Box
    ) -> None:
        """Move boxes whose beam comes near a wall. Heat of the cells that are left is booked, and so is what comes with
        new ones: as much as the linear response of the past path tells is there."""
        near, counts = self.shape.margin * self.shape.cells, np.array(self.shape.counts[1:])
        for n, (plate, drive) in enumerate(zip(plates, drives, strict=True)):
            if step >= len(drive.q):
                continue
            place = drive.place[step] * self.shape.cells - plate.corner
            over = np.minimum(place - near, 0.0) + np.maximum(place - (counts - near), 0.0)
            if over.any():
                by = (np.sign(over) * (np.ceil(np.abs(over)) + self.shape.cells)).astype(
                    int
                )  # and a diameter more: seldom
                before = float(h[n].double().sum() + rest[n].double().sum())
                for box in (h, rest):
                    box[n] = _moved(box[n], int(by[0]), int(by[1]))
                plate.ledger.left_behind += before - float(h[n].double().sum() + rest[n].double().sum())
                plate.corner = plate.corner + by
                self._warm(plate, matters[n], drive, step, by, h[n])

    def _warm(self, plate: Plate, matter: Matter, drive: Drive, step: int, by: np.ndarray, h: Tensor) -> None:
        """The cells that came in as the corner went by `by`: heat of earlier tracks."""
        if len(plate.past) < 2:
            return
        cells, (nz, ny, nx), pace = self.shape.cells, self.shape.counts, matter.cool
        scaled = plate.past * [pace, 1, 1, 1 / pace, 1]  # h by a diffusivity `pace`: times and strengths go by it
        lost = plate.ledger.surface / max(plate.ledger.absorbed, 1e-30)  # what evaporated warms nothing
        now = float(drive.rows[0, 0] + step * drive.dt) * pace
        sources = response.turned(response.nodes(scaled, now), *((plate.corner[::-1]) / cells), 0.0)
        z, y, x = (torch.arange(n, dtype=torch.float64).add_(0.5) / cells for n in (nz, ny, nx))
        new_y, new_x = (_new(int(shift), count) for shift, count in zip(by, (ny, nx), strict=True))
        for rows, columns in ((new_y, slice(0, nx)), (slice(0, ny), new_x)):
            if rows.stop > rows.start and columns.stop > columns.start:
                warm = response.field(torch.from_numpy(sources), x[columns], y[rows], z).permute(2, 1, 0)
                warm = (warm * (1 - lost)).to(h)
                came = warm.double().sum() - h[:, rows, columns].double().sum()  # a corner is in both
                h[:, rows, columns] = warm
                plate.ledger.left_behind -= float(came)

    def _put(self, plates: list[Plate], drives: list[Drive], step: int) -> Float[Tensor, "b layer y x"]:
        """What each cell takes up of the beam in this step, in units of h."""
        strength, *sides = (torch.from_numpy(part).to(self.device) for part in self._source(plates, drives, step))
        return strength[:, :, None, None] * sides[0][..., None] * sides[1][:, :, None]

    def _source(self, plates: list[Plate], drives: list[Drive], step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The beam's part in each layer, and in it the shares of rows and columns: exact integrals of the source."""
        cells, (nz, ny, nx) = self.shape.cells, self.shape.counts
        live = [step < len(drive.q) for drive in drives]
        depth = np.array([max(d.depth[step], 1e-6) if on else 1e-6 for d, on in zip(drives, live, strict=True)])
        layers = min(nz, math.ceil(float(depth.max()) * cells))
        top = np.minimum(np.arange(layers + 1) / cells, depth[:, None]) / depth[:, None]  # of the source's own depth
        top[:, -1] = 1.0
        share = np.diff(2 * top - top**2, axis=1)
        sigma = SIGMA * cells * (1 - NARROWING * 0.5 * (top[:, 1:] + top[:, :-1]))
        sides = []
        for axis, count in enumerate((ny, nx)):
            place = np.array(
                [
                    d.place[step, axis] * cells - p.corner[axis] if on else 0.0
                    for p, d, on in zip(plates, drives, live, strict=True)
                ]
            )
            edges = (np.arange(count + 1) - place[:, None, None]) / (sigma[:, :, None] * math.sqrt(2))
            sides.append((0.5 * np.diff(erf(edges), axis=-1)).astype(np.float32))
        brought = [d.q[step] * d.dt * cells**3 if on else 0.0 for d, on in zip(drives, live, strict=True)]
        return (np.array(brought)[:, None] * share).astype(np.float32), sides[0], sides[1]

    def _step(self, h: Box, rest: Box, dt: Tensor, put: Tensor, tables: Tables, sums: Tensor) -> None:
        """In place. sums: absorbed, through the walls, through the surface."""
        cells, leak = self.shape.cells, self.shape.leak
        phi = tables.at(tables.phi, h).mul_((dt * cells**2)[:, None, None, None])
        phi.masked_fill_(h <= float(kernels.NOTHING), 0.0)
        gain = torch.zeros_like(h)
        walls = torch.zeros_like(sums[1])
        for dim in (1, 2, 3):
            n = h.shape[dim]
            flow = phi.diff(dim=dim)
            gain.narrow(dim, 0, n - 1).add_(flow)
            gain.narrow(dim, 1, n - 1).sub_(flow)
            for at in (n - 1,) if dim == 1 else (0, n - 1):
                out = phi.narrow(dim, at, 1) * leak
                gain.narrow(dim, at, 1).sub_(out)
                walls += out.double().sum((1, 2, 3))
        top = h[:, 0]
        pace = (dt * cells)[:, None, None]
        boiling = tables.boiling[:, None, None]
        lost = tables.at(tables.loss, torch.minimum(top, boiling)) * pace
        over = (tables.at(tables.loss, top) * pace - lost).clamp(min=0)
        lost = lost + torch.minimum(over, 0.5 * (top - boiling).clamp(min=0))  # evaporation stops at boiling
        gain[:, 0] -= lost
        gain[:, : put.shape[1]] += put
        gain += rest
        new = h + gain
        kept = new - h
        torch.sub(h, new - kept, out=rest)
        rest += gain - kept
        h.copy_(new)
        sums += torch.stack([put.double().sum((1, 2, 3)), walls, lost.double().sum((1, 2))])


def _new(by: int, count: int) -> slice:
    """Which of so many cells in a row are new after the box moved."""
    return slice(max(count - by, 0), count) if by > 0 else slice(0, min(-by, count))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function; torch has it, numpy does not."""
    return np.asarray(torch.erf(torch.from_numpy(x)).numpy())


def _moved(box: Float[Tensor, "z y x"], dy: int, dx: int) -> Float[Tensor, "z y x"]:
    """The cells as the box sees them after its corner went by (dy, dx); those that come in are cold."""
    new = torch.zeros_like(box)
    _, ny, nx = box.shape
    if abs(dy) < ny and abs(dx) < nx:
        into = slice(max(-dy, 0), ny - max(dy, 0)), slice(max(-dx, 0), nx - max(dx, 0))
        out = slice(max(dy, 0), ny - max(-dy, 0)), slice(max(dx, 0), nx - max(-dx, 0))
        new[:, into[0], into[1]] = box[:, out[0], out[1]]
    return new
