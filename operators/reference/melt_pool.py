"""The melt pool by conduction with a phase change: an enthalpy finite-volume solver in nested boxes that follow the
beam.

    dh/dt = div grad Phi(h),    -dPhi/dz = q 8/pi exp(-8 r^2) at the surface (Gaussian beam, d = D4-sigma),

everything dimensionless (`operators.groups`). Phi is the Kirchhoff potential, so face fluxes carry
temperature-dependent k exactly, and h carries the latent heat. Explicit in time (forward Euler, dt <= dx^2/(6 max
dPhi/dh)), second order in space.

Space is covered by nested boxes with the axes of the machine, each twice as coarse as the one inside it. They never
turn, so turns need no interpolation, and they move by whole cells, so moving makes no numerical diffusion; what leaves
the inner box lives on in the outer ones, which is how heat of earlier tracks comes back. Boxes exchange heat through
matched face fluxes (Berger and Colella 1989), so the composite is conservative to round-off: `Ledger` is returned and
closes.

Valid for conduction mode; a keyhole's depth is not in it. Peak temperatures are those of pure conduction, far above
boiling under a tight beam: they are not facts.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np

from operators.groups import Groups

SIGMA = 0.25  # standard deviation of the beam in diameters: D4-sigma = 4 sigma


@dataclass(frozen=True)
class Boxes:
    """Geometry of the nested boxes: `levels` boxes of the same shape, cell sizes dx, 2 dx, 4 dx, ...

    along and deep are the inner box's sides in beam diameters (it is square in the plane), lead is how far the beam
    stands ahead of its centre, in diameters.
    """

    cells_per_diameter: int = 8
    along: float = 9.0
    deep: float = 2.0
    levels: int = 3
    lead: float = 2.5

    @classmethod
    def fitting(cls, depth: float, cells_per_diameter: int = 8) -> "Boxes":
        """Boxes for a pool about so deep (in diameters; Eagar-Tsai will do): what is shallow is also short, and is
        given finer cells in smaller boxes. At 8 cells a pool of 0.05 d comes out 25 % too deep and 16 % too short."""
        n = cells_per_diameter
        if depth < 0.12:
            return cls(2 * n, along=4.5, deep=1.0, levels=4, lead=1.2)
        if depth < 0.25:
            return cls(3 * n // 2, along=6.0, deep=1.25, levels=4, lead=1.5)
        return cls(n)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nz, ny, nx) of each box, each even."""
        n = 2 * round(self.along * self.cells_per_diameter / 2)
        return 2 * round(self.deep * self.cells_per_diameter / 2), n, n

    @property
    def dx(self) -> float:
        return 1.0 / self.cells_per_diameter


@dataclass
class Ledger:
    """Energy in units of rho c_ref dT d^3: what came in, what is stored, what left. `defect` is what does not add
    up."""

    absorbed: float = 0.0  # from the beam
    stored: float = 0.0  # now
    out: float = 0.0  # conducted through the outermost box's faces
    left_behind: float = 0.0  # in cells that the outermost box moved away from

    @property
    def defect(self) -> float:
        """Relative: (absorbed - stored - out - left_behind)/max(absorbed, tiny)."""
        return (self.absorbed - self.stored - self.out - self.left_behind) / max(abs(self.absorbed), 1e-30)


@numba.njit(inline="always")
@no_type_check
def _theta(h, law):
    if h < law[2]:
        # the root of c_cold theta + slope theta^2/2 = h that does not cancel where the slope vanishes
        return 2.0 * h / (law[0] + math.sqrt(max(law[0] * law[0] + 2.0 * law[1] * h, 0.0)))
    if h < law[5]:
        return law[3] + (h - law[2]) * law[4]
    return 1.0 + (h - law[5]) * law[6]


@numba.njit(inline="always")
@no_type_check
def _phi(h, law):
    t = _theta(h, law)
    if t < law[3]:
        return (law[7] + 0.5 * law[8] * t) * t
    if t < 1.0:
        s = t - law[3]
        return law[9] + (1.0 + 0.5 * law[10] * s) * s
    return law[11] + law[12] * (t - 1.0)


@numba.njit(parallel=True, fastmath=False, cache=True)
@no_type_check
def _fill_phi(phi, h, law):
    nz, ny, nx = h.shape
    for k in numba.prange(nz):
        for j in range(ny):
            for i in range(nx):
                phi[k, j + 1, i + 1] = _phi(h[k, j, i], law)


@numba.njit(cache=True)
@no_type_check
def _outer_ghosts(phi):
    """The outermost box stands in cold metal: Phi = 0 on its faces (odd reflection)."""
    n0, n1, n2 = phi.shape
    for k in range(n0 - 1):
        for i in range(n2):
            phi[k, 0, i] = -phi[k, 1, i]
            phi[k, n1 - 1, i] = -phi[k, n1 - 2, i]
        for j in range(n1):
            phi[k, j, 0] = -phi[k, j, 1]
            phi[k, j, n2 - 1] = -phi[k, j, n2 - 2]
    for j in range(n1):
        for i in range(n2):
            phi[n0 - 1, j, i] = -phi[n0 - 2, j, i]


@numba.njit(inline="always")
@no_type_check
def _between(coarse_old, coarse_new, weight, k, j, i):
    return (1.0 - weight) * coarse_old[k, j, i] + weight * coarse_new[k, j, i]


@numba.njit(cache=True)
@no_type_check
def _sample(coarse_old, coarse_new, weight, fk, fj, fi, oj, oi):
    """Coarse Phi, linear in time and trilinear in space, at the centre of fine cell (fk, fj, fi).

    (oj, oi) is where the fine box's first cell lies in coarse cells; coarse arrays carry one ghost layer in y and x.
    """
    nz = coarse_old.shape[0] - 1
    zk = 0.5 * (fk + 0.5) - 0.5
    yj = 0.5 * (fj + 0.5) - 0.5 + oj + 1.0
    xi = 0.5 * (fi + 0.5) - 0.5 + oi + 1.0
    k = int(math.floor(zk))
    j = int(math.floor(yj))
    i = int(math.floor(xi))
    wz = zk - k
    wy = yj - j
    wx = xi - i
    k0 = max(k, 0)
    k1 = min(k + 1, nz)
    total = 0.0
    for a in range(2):
        kk = k0 if a == 0 else k1
        za = 1.0 - wz if a == 0 else wz
        for b in range(2):
            yb = 1.0 - wy if b == 0 else wy
            for c in range(2):
                xc = 1.0 - wx if c == 0 else wx
                total += za * yb * xc * _between(coarse_old, coarse_new, weight, kk, j + b, i + c)
    return total


@numba.njit(cache=True)
@no_type_check
def _inner_ghosts(phi, coarse_old, coarse_new, weight, oj, oi):
    n0, n1, n2 = phi.shape
    for k in range(n0 - 1):
        for i in range(1, n2 - 1):
            phi[k, 0, i] = _sample(coarse_old, coarse_new, weight, k, -1, i - 1, oj, oi)
            phi[k, n1 - 1, i] = _sample(coarse_old, coarse_new, weight, k, n1 - 2, i - 1, oj, oi)
        for j in range(1, n1 - 1):
            phi[k, j, 0] = _sample(coarse_old, coarse_new, weight, k, j - 1, -1, oj, oi)
            phi[k, j, n2 - 1] = _sample(coarse_old, coarse_new, weight, k, j - 1, n2 - 2, oj, oi)
    for j in range(1, n1 - 1):
        for i in range(1, n2 - 1):
            phi[n0 - 1, j, i] = _sample(coarse_old, coarse_new, weight, n0 - 1, j - 1, i - 1, oj, oi)


@numba.njit(parallel=True, fastmath=True, cache=True)
@no_type_check
def _diffuse(h, phi, r):
    """h += r (sum over neighbours of Phi - 6 Phi), no flux through the surface (k = 0). r = dt/dx^2."""
    nz, ny, nx = h.shape
    for k in numba.prange(nz):
        up = max(k - 1, 0)
        for j in range(ny):
            for i in range(nx):
                h[k, j, i] += r * (
                    phi[k, j + 1, i]
                    + phi[k, j + 1, i + 2]
                    + phi[k, j, i + 1]
                    + phi[k, j + 2, i + 1]
                    + phi[up, j + 1, i + 1]
                    + phi[k + 1, j + 1, i + 1]
                    - 6.0 * phi[k, j + 1, i + 1]
                )


@numba.njit(cache=True)
@no_type_check
def _faces(phi, r, flux_y, flux_x, flux_z):
    """Add r (Phi_outside - Phi_inside) through the five faces: what comes into the box, in units of one cell's h."""
    n0, n1, n2 = phi.shape
    for k in range(n0 - 1):
        for i in range(n2 - 2):
            flux_y[0, k, i] += r * (phi[k, 0, i + 1] - phi[k, 1, i + 1])
            flux_y[1, k, i] += r * (phi[k, n1 - 1, i + 1] - phi[k, n1 - 2, i + 1])
        for j in range(n1 - 2):
            flux_x[0, k, j] += r * (phi[k, j + 1, 0] - phi[k, j + 1, 1])
            flux_x[1, k, j] += r * (phi[k, j + 1, n2 - 1] - phi[k, j + 1, n2 - 2])
    for j in range(n1 - 2):
        for i in range(n2 - 2):
            flux_z[j, i] += r * (phi[n0 - 1, j + 1, i + 1] - phi[n0 - 2, j + 1, i + 1])


@numba.njit(cache=True)
@no_type_check
def _heat(h, weights_y, weights_x, q, dt, dx, y0, x0, yb, xb):
    """Put q dt into the surface cells of one box, integrated exactly over each cell. Returns nothing; fills the
    weights."""
    ny, nx = h.shape[1], h.shape[2]
    s = 1.0 / (SIGMA * math.sqrt(2.0))
    last = math.erf((y0 - yb) * s)
    for j in range(ny):
        here = math.erf((y0 + (j + 1) * dx - yb) * s)
        weights_y[j] = 0.5 * (here - last)
        last = here
    last = math.erf((x0 - xb) * s)
    for i in range(nx):
        here = math.erf((x0 + (i + 1) * dx - xb) * s)
        weights_x[i] = 0.5 * (here - last)
        last = here
    scale = q * dt / dx**3
    for j in range(ny):
        if weights_y[j] > 1e-12:
            row = scale * weights_y[j]
            for i in range(nx):
                h[0, j, i] += row * weights_x[i]


@numba.njit(cache=True)
@no_type_check
def _synchronise(fine, coarse, phi_old, r_coarse, flux_y, flux_x, flux_z, oj, oi):
    """Give the coarse cells beside the fine box the flux that the fine box saw, and the covered ones the fine average.

    phi_old is the coarse Phi that the coarse step used; r_coarse its dt/dx^2. Fine fluxes are in units of a fine
    cell's h, 8 of which make a coarse cell.
    """
    nz, ny, nx = fine.shape
    mz, my, mx = nz // 2, ny // 2, nx // 2
    for k in range(mz):
        for i in range(mx):
            for side in range(2):
                seen = 0.0
                for a in range(2):
                    for b in range(2):
                        seen += flux_y[side, 2 * k + a, 2 * i + b]
                j_out = oj - 1 if side == 0 else oj + my
                j_in = oj if side == 0 else oj + my - 1
                used = r_coarse * (phi_old[k, j_in + 1, oi + i + 1] - phi_old[k, j_out + 1, oi + i + 1])
                coarse[k, j_out, oi + i] += -seen / 8.0 - used
        for j in range(my):
            for side in range(2):
                seen = 0.0
                for a in range(2):
                    for b in range(2):
                        seen += flux_x[side, 2 * k + a, 2 * j + b]
                i_out = oi - 1 if side == 0 else oi + mx
                i_in = oi if side == 0 else oi + mx - 1
                used = r_coarse * (phi_old[k, oj + j + 1, i_in + 1] - phi_old[k, oj + j + 1, i_out + 1])
                coarse[k, oj + j, i_out] += -seen / 8.0 - used
    for j in range(my):
        for i in range(mx):
            seen = 0.0
            for a in range(2):
                for b in range(2):
                    seen += flux_z[2 * j + a, 2 * i + b]
            used = r_coarse * (phi_old[mz - 1, oj + j + 1, oi + i + 1] - phi_old[mz, oj + j + 1, oi + i + 1])
            coarse[mz, oj + j, oi + i] += -seen / 8.0 - used
    for k in range(mz):
        for j in range(my):
            for i in range(mx):
                total = 0.0
                for a in range(2):
                    for b in range(2):
                        for c in range(2):
                            total += fine[2 * k + a, 2 * j + b, 2 * i + c]
                coarse[k, oj + j, oi + i] = total / 8.0
    flux_y[:] = 0.0
    flux_x[:] = 0.0
    flux_z[:] = 0.0


@numba.njit(cache=True)
@no_type_check
def _advance(h, phi, phi_before, flux_y, flux_x, flux_z, cell, dx, law, cycles, dt, path):
    """Advance all boxes by cycles * 2**(levels-1) fine steps of dt.

    cell[l] = (y, x) of box l's first cell in cells of that box; path (steps, 3) is (q, y, x) at the middle of each
    fine step. Returns (absorbed, out).
    """
    levels, nz, ny, nx = h.shape
    per_cycle = 2 ** (levels - 1)
    weights_y = np.zeros((levels, ny))
    weights_x = np.zeros((levels, nx))
    absorbed = 0.0
    out = 0.0
    for step in range(cycles * per_cycle):
        for level in range(levels - 1, -1, -1):
            every = 2**level
            if step % every != 0:
                continue
            size = dx * 2**level
            span = dt * every
            r = span / (size * size)
            # where this box's first cell lies in the next coarser box, in coarse cells
            _fill_phi(phi[level], h[level], law)
            if level == levels - 1:
                _outer_ghosts(phi[level])
            else:
                oj = cell[level, 0] // 2 - cell[level + 1, 0]
                oi = cell[level, 1] // 2 - cell[level + 1, 1]
                done = (step % (2 * every)) / (2.0 * every)
                _inner_ghosts(phi[level], phi_before[level + 1], phi[level + 1], done, oj, oi)
            if level > 0:
                phi_before[level] = phi[level]
            _diffuse(h[level], phi[level], r)
            if level == levels - 1:
                _faces(phi[level], r, flux_y[level], flux_x[level], flux_z[level])
            else:
                _faces(phi[level], r, flux_y[level], flux_x[level], flux_z[level])
            q = 0.0
            yb = 0.0
            xb = 0.0
            for s in range(every):
                q = path[step + s, 0]
                if q > 0.0:
                    yb = path[step + s, 1]
                    xb = path[step + s, 2]
                    _heat(
                        h[level],
                        weights_y[level],
                        weights_x[level],
                        q,
                        dt,
                        size,
                        cell[level, 0] * size,
                        cell[level, 1] * size,
                        yb,
                        xb,
                    )
                    inside = weights_y[level].sum() * weights_x[level].sum()
                    covered = 0.0
                    if level > 0:
                        j0 = cell[level - 1, 0] // 2 - cell[level, 0]
                        i0 = cell[level - 1, 1] // 2 - cell[level, 1]
                        covered = weights_y[level][j0 : j0 + ny // 2].sum() * weights_x[level][i0 : i0 + nx // 2].sum()
                    absorbed += q * dt * (inside - covered)
            if level > 0:
                # the coarse Phi after the step, for the finer box's ghosts
                _fill_phi(phi[level], h[level], law)
                if level == levels - 1:
                    _outer_ghosts(phi[level])
                else:
                    oj = cell[level, 0] // 2 - cell[level + 1, 0]
                    oi = cell[level, 1] // 2 - cell[level + 1, 1]
                    after = min(1.0, (step % (2 * every)) / (2.0 * every) + 0.5)
                    _inner_ghosts(phi[level], phi_before[level + 1], phi[level + 1], after, oj, oi)
        for level in range(1, levels):
            if (step + 1) % (2**level) != 0:
                break
            oj = cell[level - 1, 0] // 2 - cell[level, 0]
            oi = cell[level - 1, 1] // 2 - cell[level, 1]
            size = dx * 2**level
            r = dt * 2**level / (size * size)
            _synchronise(
                h[level - 1],
                h[level],
                phi_before[level],
                r,
                flux_y[level - 1],
                flux_x[level - 1],
                flux_z[level - 1],
                oj,
                oi,
            )
    size = dx * 2 ** (levels - 1)
    out = -(flux_y[levels - 1].sum() + flux_x[levels - 1].sum() + flux_z[levels - 1].sum()) * size**3
    flux_y[levels - 1][:] = 0.0
    flux_x[levels - 1][:] = 0.0
    flux_z[levels - 1][:] = 0.0
    return absorbed, out


@numba.njit(inline="always")
@no_type_check
def _minmod(a, b):
    if a * b <= 0.0:
        return 0.0
    return a if abs(a) < abs(b) else b


@numba.njit(cache=True)
@no_type_check
def _move(fine, coarse, shift_j, shift_i, oj, oi):
    """Move the fine box by whole coarse cells (shift_j, shift_i in fine cells, even); new cells come from the coarse
    box.

    (oj, oi): the moved box's first cell in coarse cells. Prolongation is linear with limited slopes: it keeps the
    average.
    """
    nz, ny, nx = fine.shape
    old = fine.copy()
    cz, cy, cx = coarse.shape
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                jj = j + shift_j
                ii = i + shift_i
                if 0 <= jj < ny and 0 <= ii < nx:
                    fine[k, j, i] = old[k, jj, ii]
                    continue
                ck = k // 2
                cj = oj + j // 2
                ci = oi + i // 2
                here = coarse[ck, cj, ci]
                sx = 0.0
                sy = 0.0
                sz = 0.0
                if 0 < ci < cx - 1:
                    sx = _minmod(coarse[ck, cj, ci + 1] - here, here - coarse[ck, cj, ci - 1])
                if 0 < cj < cy - 1:
                    sy = _minmod(coarse[ck, cj + 1, ci] - here, here - coarse[ck, cj - 1, ci])
                if 0 < ck < cz - 1:
                    sz = _minmod(coarse[ck + 1, cj, ci] - here, here - coarse[ck - 1, cj, ci])
                fine[k, j, i] = here + 0.25 * (sx * (2 * (i % 2) - 1) + sy * (2 * (j % 2) - 1) + sz * (2 * (k % 2) - 1))


@numba.njit(cache=True)
@no_type_check
def _composite(h, cell, dx, law, y, x, z, out):
    """theta at points (y, x, z): from the finest box that holds the point, quadratic at the surface, trilinear
    elsewhere."""
    levels, nz, ny, nx = h.shape
    for n in range(y.size):
        out[n] = 0.0
        for level in range(levels):
            size = dx * 2**level
            yj = y[n] / size - cell[level, 0] - 0.5
            xi = x[n] / size - cell[level, 1] - 0.5
            zk = z[n] / size - 0.5
            if not (0.0 <= yj <= ny - 1.0 and 0.0 <= xi <= nx - 1.0 and zk <= nz - 1.0):
                continue
            j = min(int(yj), ny - 2)
            i = min(int(xi), nx - 2)
            k = min(max(int(math.floor(zk)), 0), nz - 2)
            wy = yj - j
            wx = xi - i
            # quadratic Lagrange in z through three cells, also above the first centre
            if k == 0:
                s = zk
                a0 = 0.5 * (s - 1.0) * (s - 2.0)
                a1 = -s * (s - 2.0)
                a2 = 0.5 * s * (s - 1.0)
                k2 = 2
            else:
                a0 = 1.0 - (zk - k)
                a1 = zk - k
                a2 = 0.0
                k2 = k
            total = 0.0
            for b in range(2):
                yb = 1.0 - wy if b == 0 else wy
                for c in range(2):
                    xc = 1.0 - wx if c == 0 else wx
                    total += (
                        yb
                        * xc
                        * (
                            a0 * _theta(h[level, k, j + b, i + c], law)
                            + a1 * _theta(h[level, k + 1, j + b, i + c], law)
                            + a2 * _theta(h[level, k2, j + b, i + c], law)
                        )
                    )
            out[n] = total
            break


class MeltPoolSolver:
    """One stream's reference field: start cold, `advance` along a path, `theta` anywhere.

    >>> solver = MeltPoolSolver(groups)
    >>> solver.advance(path)            # path: rows (t, x, y, q), power holds until the next row
    >>> theta = solver.theta(x, y, z)
    """

    def __init__(self, groups: Groups, boxes: Boxes | None = None, dtype: type = np.float32) -> None:
        self.groups = groups
        self.boxes = boxes or Boxes()
        self.law = groups.law()
        nz, ny, nx = self.boxes.shape
        levels = self.boxes.levels
        self.h: np.ndarray = np.zeros((levels, nz, ny, nx), dtype=dtype)
        self._phi: np.ndarray = np.zeros((levels, nz + 1, ny + 2, nx + 2), dtype=dtype)
        self._phi_before = np.zeros_like(self._phi)
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
        for name in ("h", "_phi", "_phi_before", "_flux_y", "_flux_x", "_flux_z", "cell"):
            setattr(other, name, getattr(self, name).copy())
        other.ledger = Ledger(**vars(self.ledger))
        return other

    def advance(self, path: np.ndarray) -> None:
        """Advance along a path of rows (t, x, y, q): position linear between rows, q holds until the next row."""
        path = np.asarray(path, dtype=np.float64)
        if path.ndim != 2 or path.shape[1] != 4 or len(path) < 2:
            raise ValueError(f"path wants at least two rows (t, x, y, q), got {path.shape}")
        if not np.isfinite(path).all() or (np.diff(path[:, 0]) < 0).any():
            raise ValueError("path must be finite and its times must not go back")
        for i in range(len(path) - 1):
            self._straight(path[i : i + 2])
        self.ledger.stored = self.stored()

    def _straight(self, path: np.ndarray) -> None:
        """Advance along one straight stretch of one power, so that the energy absorbed is exact."""
        begin, end = path[0, 0], path[-1, 0]
        per_cycle = 2 ** (self.boxes.levels - 1)
        if end <= begin:
            return
        # pieces short enough that the boxes, which move between them, keep the beam inside
        pieces = max(1, math.ceil(_length(path) / 1.0)) if path[0, 3] > 0 else 1
        cuts = np.linspace(begin, end, pieces + 1)
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            cycles = max(1, math.ceil((stop - start) / (self.largest_step * per_cycle)))
            dt = (stop - start) / (cycles * per_cycle)
            middles = start + (np.arange(cycles * per_cycle) + 0.5) * dt
            beam = _along(path, middles)
            self._follow(beam)
            absorbed, out = _advance(
                self.h,
                self._phi,
                self._phi_before,
                self._flux_y,
                self._flux_x,
                self._flux_z,
                self.cell,
                self.boxes.dx,
                self.law,
                cycles,
                dt,
                np.ascontiguousarray(beam[:, [0, 2, 1]]),
            )
            self.ledger.absorbed += absorbed
            self.ledger.out += out
            self.time += stop - start

    def stored(self) -> float:
        """Energy in the composite: the outermost box holds the averages of the inner ones."""
        return float(self.h[-1].sum(dtype=np.float64)) * (self.boxes.dx * 2 ** (self.boxes.levels - 1)) ** 3

    def theta(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """theta at points; zero outside the outermost box."""
        x, y, z = np.broadcast_arrays(x, y, z)
        out = np.empty(x.size)
        _composite(
            self.h,
            self.cell,
            self.boxes.dx,
            self.law,
            np.ascontiguousarray(y, dtype=np.float64).ravel(),
            np.ascontiguousarray(x, dtype=np.float64).ravel(),
            np.ascontiguousarray(z, dtype=np.float64).ravel(),
            out,
        )
        return out.reshape(x.shape)

    def _follow(self, beam: np.ndarray) -> None:
        """Move the boxes by whole cells so that the beam of this stretch stands `lead` ahead of their centre."""
        q, x, y = beam.T
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
                _move(self.h[level], self.h[level + 1], int(shift[0]), int(shift[1]), int(origin[0]), int(origin[1]))
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


def _length(path: np.ndarray) -> float:
    return float(np.hypot(np.diff(path[:, 1]), np.diff(path[:, 2])).sum())


def _along(path: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(q, x, y) at times."""
    t = path[:, 0]
    held = np.clip(np.searchsorted(t, times, side="right") - 1, 0, len(t) - 1)
    return np.stack([path[held, 3], np.interp(times, t, path[:, 1]), np.interp(times, t, path[:, 2])], axis=1)
