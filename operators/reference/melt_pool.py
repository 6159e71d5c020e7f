"""The melt pool by conduction with a phase change: an enthalpy finite-volume solver in nested boxes that follow the
beam.

    dh/dt = div grad Phi(h) + source,    -dPhi/dz = losses at the surface,

everything dimensionless (`operators.groups`). Phi is the Kirchhoff potential, so face fluxes carry
temperature-dependent k exactly, and h carries the latent heat. The source is the beam's (`beam.py`), spread over a
depth that comes with the path; the surface loses by evaporation, radiation and convection (`surface.py`). Explicit in
time (forward Euler, dt <= dx^2/(6 max dPhi/dh)), second order in space.

Space is covered by nested boxes with the axes of the machine, each twice as coarse as the one inside it. They never
turn, so turns need no interpolation, and they move by whole cells, so moving makes no numerical diffusion; what leaves
the inner box lives on in the outer ones, which is how heat of earlier tracks comes back. Boxes exchange heat through
matched face fluxes (Berger and Colella 1989), so the composite is conservative to round-off: `Ledger` is returned and
closes.

No melt flows here: what flow and the hole do to depth and width is in the source alone (`rule.py`).
"""

import math
from collections.abc import Iterator

import numpy as np

from operators.groups import Groups
from operators.path import FASTEST
from operators.reference import kernels
from operators.reference.beam import NARROWING, BeamShape, spots
from operators.reference.boxes import FACES, Boxes, Ledger
from operators.reference.surface import Surface

COLUMNS = 5  # of a path: (t, x, y, q, depth)
ITSELF = np.array([1.0, 0.0, np.inf, 0.0, 0.0, np.inf, *[0.0] * 9, 1.0])  # the law (`Groups.law`) that leaves h alone


class MeltPoolSolver:
    """One stream's reference field: start cold, `advance` along a path, `theta` anywhere.

    >>> solver = MeltPoolSolver(groups)
    >>> solver.advance(path)            # rows (t, x, y, q, depth); power and depth hold until the next row
    >>> theta = solver.theta(x, y, z)
    """

    def __init__(
        self,
        groups: Groups,
        boxes: Boxes | None = None,
        dtype: type = np.float32,
        surface: Surface | None = None,
        beam: BeamShape = "gaussian",
        narrowing: float = NARROWING,
    ) -> None:
        self.groups = groups
        self.boxes = boxes or Boxes()
        self.surface = surface or Surface()
        self.law = groups.law()
        self._short = groups.short_law().astype(dtype)
        self._spots, self._narrowing = spots(beam), narrowing
        nz, ny, nx = self.boxes.shape
        levels = self.boxes.levels
        self.h: np.ndarray = np.zeros((levels, nz, ny, nx), dtype=dtype)
        self._phi: np.ndarray = np.zeros((levels, nz + 1, ny + 2, nx + 2), dtype=dtype)
        self._old = np.zeros_like(self._phi)
        self._flux_y = np.zeros((levels, 2, nz, nx))
        self._flux_x = np.zeros((levels, 2, nz, ny))
        self._flux_z = np.zeros((levels, ny, nx))
        self.cell = np.zeros((levels, 2), dtype=np.int64)
        self._placed = False
        self.ledger = Ledger()
        self.time = 0.0
        self._heading = (1.0, 0.0)

    @property
    def largest_step(self) -> float:
        """Stable dt of the inner box; outer boxes take twice the step at four times the limit."""
        return 0.95 * self.boxes.dx**2 / (6.0 * self.groups.fastest_diffusivity)

    def copy(self) -> "MeltPoolSolver":
        """An independent solver in the same state: to look ahead without touching the estimate."""
        other = MeltPoolSolver.__new__(MeltPoolSolver)
        other.__dict__.update(self.__dict__)
        for name in ("h", "_phi", "_old", "_flux_y", "_flux_x", "_flux_z", "cell"):
            setattr(other, name, getattr(self, name).copy())
        other.ledger = self.ledger.copy()
        return other

    def advance(self, path: np.ndarray) -> None:
        """Advance along a path of rows (t, x, y, q, depth): position linear between rows, q and the source's depth (in
        diameters) hold until the next row. Without the last column the source lies in the surface."""
        rows = checked(path)
        for i in range(len(rows) - 1):
            self._straight(rows[i : i + 2])
        self.ledger.stored = self.stored()

    def _straight(self, path: np.ndarray) -> None:
        """Advance along one straight stretch of one power, so that the energy absorbed is exact."""
        for cycles, dt, beam in stretches(path, self.boxes, self.largest_step):
            self._follow(beam)
            absorbed, evaporated, radiated, convected = kernels.advance(
                self.h, self._phi, self._old, self._flux_y, self._flux_x, self._flux_z, self.cell, self.boxes.dx,
                self.law, self._short, self.surface.vector(), self._spots, self._narrowing, cycles, dt,
                np.ascontiguousarray(beam[:, [0, 2, 1, 3]]),
            )  # fmt: skip
            self.ledger.absorbed += absorbed
            self.ledger.evaporated += evaporated
            self.ledger.radiated += radiated
            self.ledger.convected += convected
            self._count_out()
        self.time += max(path[-1, 0] - path[0, 0], 0.0)

    def _count_out(self) -> None:
        """What went through the faces of the outermost box since it was last counted."""
        cell = (self.boxes.dx * 2 ** (self.boxes.levels - 1)) ** 3
        fluxes = (*self._flux_y[-1], *self._flux_x[-1], self._flux_z[-1])
        for face, flux in zip(FACES, fluxes, strict=True):
            self.ledger.out[face] -= float(flux.sum()) * cell
            flux[:] = 0.0

    def take_over(self, other: "MeltPoolSolver", x: float, y: float) -> None:
        """Go on, in these boxes, from another solver's field, with the beam at (x, y): its enthalpy at the centres of
        cells, linear between its own, and averages where boxes overlap. What is stored then counts as absorbed."""
        self._heading, self.time, self._placed = other._heading, other.time, False
        self._follow(np.array([[0.0, x, y, 0.0]]))
        levels, nz, ny, nx = self.h.shape
        for level in range(levels):
            size = self.boxes.dx * 2**level
            zc, yc, xc = np.meshgrid(
                (np.arange(nz) + 0.5) * size,
                (self.cell[level, 0] + np.arange(ny) + 0.5) * size,
                (self.cell[level, 1] + np.arange(nx) + 0.5) * size,
                indexing="ij",
            )
            self.h[level] = other._composite(xc, yc, zc, ITSELF)
            if level:
                origin = self.cell[level - 1] // 2 - self.cell[level]
                kernels.average(self.h[level - 1], self.h[level], int(origin[0]), int(origin[1]))
        self.ledger = Ledger(absorbed=self.stored(), stored=self.stored())

    def stored(self) -> float:
        """Energy in the composite: the outermost box holds the averages of the inner ones."""
        return float(self.h[-1].sum(dtype=np.float64)) * (self.boxes.dx * 2 ** (self.boxes.levels - 1)) ** 3

    def theta(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """theta at points; zero outside the outermost box."""
        return self._composite(x, y, z, self.law)

    def _composite(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, law: np.ndarray) -> np.ndarray:
        """What a law makes of the enthalpy, between cells."""
        x, y, z = np.broadcast_arrays(x, y, z)
        out = np.empty(x.size)
        kernels.composite(
            self.h,
            self.cell,
            self.boxes.dx,
            law,
            np.ascontiguousarray(y, dtype=np.float64).ravel(),
            np.ascontiguousarray(x, dtype=np.float64).ravel(),
            np.ascontiguousarray(z, dtype=np.float64).ravel(),
            out,
        )
        return out.reshape(x.shape)

    def _follow(self, beam: np.ndarray) -> None:
        """Move the boxes by whole cells so that the beam of this stretch stands `lead` ahead of their centre."""
        q, x, y, _ = beam.T
        dx, dy = x[-1] - x[0], y[-1] - y[0]
        travelled = math.hypot(dx, dy)
        if travelled > 1e-9 and (q > 0).any():
            self._heading = (dx / travelled, dy / travelled)
        middle = (0.5 * (x[0] + x[-1]), 0.5 * (y[0] + y[-1]))
        lead = self.boxes.lead
        levels, _, ny, nx = self.h.shape
        for level in range(levels - 1, -1, -1):
            size = self.boxes.dx * 2**level
            centre_x = middle[0] - lead * self._heading[0]
            centre_y = middle[1] - lead * self._heading[1]
            # even cells, so that each box stands on whole cells of the next coarser one
            want = np.array(
                [2 * round((centre_y / size - ny / 2) / 2), 2 * round((centre_x / size - nx / 2) / 2)], dtype=np.int64
            )
            shift = want - self.cell[level]
            if not self._placed:
                self.cell[level] = want
                continue
            if not shift.any():
                continue
            if level == levels - 1:
                before = self.h[level].sum(dtype=np.float64)
                self.h[level] = _shifted(self.h[level], int(shift[0]), int(shift[1]))
                self.ledger.left_behind += float(before - self.h[level].sum(dtype=np.float64)) * size**3
            else:
                origin = want // 2 - self.cell[level + 1]
                coarse = self.h[level + 1]
                kernels.move(self.h[level], coarse, int(shift[0]), int(shift[1]), int(origin[0]), int(origin[1]))
            self.cell[level] = want
        self._placed = True


def _shifted(box: np.ndarray, shift_j: int, shift_i: int) -> np.ndarray:
    """The outermost box moved by whole cells over cold metal."""
    moved = np.zeros_like(box)
    _, ny, nx = box.shape
    if abs(shift_j) >= ny or abs(shift_i) >= nx:
        return moved
    src_j = slice(max(shift_j, 0), ny + min(shift_j, 0))
    dst_j = slice(max(-shift_j, 0), ny + min(-shift_j, 0))
    src_i = slice(max(shift_i, 0), nx + min(shift_i, 0))
    dst_i = slice(max(-shift_i, 0), nx + min(-shift_i, 0))
    moved[:, dst_j, dst_i] = box[:, src_j, src_i]
    return moved


def checked(path: np.ndarray) -> np.ndarray:
    """A path as rows (t, x, y, q, depth), or ValueError."""
    path = np.asarray(path, dtype=np.float64)
    if path.ndim != 2 or path.shape[1] not in (COLUMNS - 1, COLUMNS) or len(path) < 2:
        raise ValueError(f"path wants at least two rows (t, x, y, q, depth), got {path.shape}")
    if not np.isfinite(path).all() or (np.diff(path[:, 0]) < 0).any():
        raise ValueError("path must be finite and its times must not go back")
    if path.shape[1] == COLUMNS - 1:
        path = np.column_stack([path, np.zeros(len(path))])
    if (path[:, 4] < 0).any():
        raise ValueError("path must have source depths of at least 0")
    return path


def stretches(path: np.ndarray, boxes: Boxes, largest_step: float) -> Iterator[tuple[int, float, np.ndarray]]:
    """The pieces of a straight stretch of two rows, short enough that the boxes, which move between them, keep the beam
    inside: (cycles, fine step, beam at the middle of each fine step, rows (q, x, y, depth)). Of a beam faster than
    FASTEST only what it leaves inside counts."""
    begin, end = path[0, 0], path[-1, 0]
    per_cycle = 2 ** (boxes.levels - 1)
    if end <= begin:
        return
    length = math.hypot(path[-1, 1] - path[0, 1], path[-1, 2] - path[0, 2])
    pieces = max(1, math.ceil(min(length, FASTEST * (end - begin)))) if path[0, 3] > 0 else 1
    cuts = np.linspace(begin, end, pieces + 1)
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        cycles = max(1, math.ceil((stop - start) / (largest_step * per_cycle)))
        dt = (stop - start) / (cycles * per_cycle)
        middles = start + (np.arange(cycles * per_cycle) + 0.5) * dt
        done = (middles - begin) / (end - begin)
        beam = np.empty((len(middles), 4))
        beam[:, 0], beam[:, 3] = path[0, 3], path[0, 4]
        beam[:, 1] = path[0, 1] + done * (path[-1, 1] - path[0, 1])
        beam[:, 2] = path[0, 2] + done * (path[-1, 2] - path[0, 2])
        yield cycles, dt, beam
