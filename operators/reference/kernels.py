"""Kernels of the reference solver: one explicit step of nested boxes, in numba.

    h += dt/dx^2 sum over faces (Phi_neighbour - Phi) + source - losses through the surface

`advance` is the whole cycle of boxes; what the numbers mean is told in `melt_pool.py`, and `torch_melt_pool.py` says
the same in torch, term by term. All in one file, because numba's cache does not see changes of what a kernel calls
elsewhere."""

import math
from typing import no_type_check

import numba
import numpy as np

NEWTON = 10  # steps for evaporation: its root is met from above, without overshoot
REACH = 7.5  # standard deviations after which a beam is nothing, even in float64


@numba.njit(inline="always")
@no_type_check
def _theta(h, law):
    if h < law[13]:
        # the root of c_cold theta + slope theta^2/2 = h that does not cancel where the slope vanishes
        return 2.0 * h / (law[0] + math.sqrt(max(law[0] * law[0] + 2.0 * law[1] * h, 0.0)))
    if h < law[2]:
        return law[14] + (h - law[13]) * law[15]
    if h < law[5]:
        return law[3] + (h - law[2]) * law[4]
    return 1.0 + (h - law[5]) * law[6]


@numba.njit(fastmath={"contract"}, error_model="numpy", cache=True)
@no_type_check
def _fill_phi(phi, h, short):
    """Phi of every cell, ghosts left alone. Free of branches and of float64 constants: it runs eight cells at once."""
    nz, ny, nx = h.shape
    c, cc, s2, k, half_ks = short[0], short[1], short[2], short[3], short[4]
    h_s, slope, phi_s, half_km = short[5], short[6], short[7], short[8]
    h_l, phi_l, kc = short[9], short[10], short[11]
    h_f, theta_f, tail = short[12], short[13], short[14]
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                v = h[z, y, x]
                t = (v + v) / (c + np.sqrt(np.abs(cc + s2 * v)))
                late = theta_f + (v - h_f) * tail
                t = t if v < h_f else late
                solid = (k + half_ks * t) * t
                m = (v - h_s) * slope
                mushy = phi_s + m + half_km * m * m
                liquid = phi_l + kc * (v - h_l)
                melted = mushy if v < h_l else liquid
                phi[z, y + 1, x + 1] = solid if v < h_s else melted


@numba.njit(fastmath={"contract"}, error_model="numpy", cache=True)
@no_type_check
def _diffuse(h, phi, r):
    """h += r sum over faces of (Phi_neighbour - Phi), no flux through the surface. r = dt/dx^2 in h's own precision."""
    nz, ny, nx = h.shape
    for k in range(nz):
        up = max(k - 1, 0)
        for j in range(ny):
            for i in range(nx):
                p = phi[k, j + 1, i + 1]
                h[k, j, i] += r * (
                    (phi[k, j, i + 1] - p)
                    + (phi[k, j + 2, i + 1] - p)
                    + (phi[k, j + 1, i] - p)
                    + (phi[k, j + 1, i + 2] - p)
                    + (phi[up, j + 1, i + 1] - p)
                    + (phi[k + 1, j + 1, i + 1] - p)
                )


@numba.njit(error_model="numpy", cache=True)
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


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def _refined(plane, out):
    """Bilinear values of a coarse plane, which has one cell more on every side, at the centres of the fine faces."""
    m, n = out.shape
    for a in range(m):
        a0 = (a + 1) // 2
        wa = 0.25 if a % 2 == 0 else 0.75
        for b in range(n):
            b0 = (b + 1) // 2
            wb = 0.25 if b % 2 == 0 else 0.75
            out[a, b] = wa * (wb * plane[a0, b0] + (1.0 - wb) * plane[a0, b0 + 1]) + (1.0 - wa) * (
                wb * plane[a0 + 1, b0] + (1.0 - wb) * plane[a0 + 1, b0 + 1]
            )


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def _inner_ghosts(phi, old, new, weight, oj, oi, plane, fine):
    """Ghosts of a fine box from its coarse one: linear in time (weight 0: old, 1: new), trilinear in space.

    (oj, oi) is where the fine box's first cell lies in coarse cells; coarse arrays carry one ghost layer in y and x.
    """
    nz, ny, nx = phi.shape[0] - 1, phi.shape[1] - 2, phi.shape[2] - 2
    mz, my, mx = nz // 2, ny // 2, nx // 2
    w0, w1 = 1.0 - weight, weight
    for side in range(2):
        near = oj + 1 if side == 0 else oj + my  # the covered coarse row beside the face, then the free one
        far = oj if side == 0 else oj + my + 1
        for k in range(mz + 2):
            z = max(k - 1, 0)
            for i in range(mx + 2):
                inside = w0 * old[z, near, oi + i] + w1 * new[z, near, oi + i]
                outside = w0 * old[z, far, oi + i] + w1 * new[z, far, oi + i]
                plane[k, i] = 0.25 * inside + 0.75 * outside
        _refined(plane, fine[:nz, :nx])
        phi[:nz, 0 if side == 0 else ny + 1, 1 : nx + 1] = fine[:nz, :nx]
        near = oi + 1 if side == 0 else oi + mx
        far = oi if side == 0 else oi + mx + 1
        for k in range(mz + 2):
            z = max(k - 1, 0)
            for j in range(my + 2):
                inside = w0 * old[z, oj + j, near] + w1 * new[z, oj + j, near]
                outside = w0 * old[z, oj + j, far] + w1 * new[z, oj + j, far]
                plane[k, j] = 0.25 * inside + 0.75 * outside
        _refined(plane, fine[:nz, :ny])
        phi[:nz, 1 : ny + 1, 0 if side == 0 else nx + 1] = fine[:nz, :ny]
    for j in range(my + 2):
        for i in range(mx + 2):
            inside = w0 * old[mz - 1, oj + j, oi + i] + w1 * new[mz - 1, oj + j, oi + i]
            outside = w0 * old[mz, oj + j, oi + i] + w1 * new[mz, oj + j, oi + i]
            plane[j, i] = 0.25 * inside + 0.75 * outside
    _refined(plane, fine[:ny, :nx])
    phi[nz, 1 : ny + 1, 1 : nx + 1] = fine[:ny, :nx]


@numba.njit(error_model="numpy", cache=True)
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


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def _shares(weights, first, dx, centre, sigma):
    """What part of a Gaussian falls on each cell of a row: integrated exactly. Returns (from, to) of what is not 0."""
    reach = REACH * sigma
    begin = max(0, int(math.floor((centre - reach - first) / dx)))
    end = min(weights.size, int(math.ceil((centre + reach - first) / dx)))
    scale = 1.0 / (sigma * math.sqrt(2.0))
    last = math.erf((first + begin * dx - centre) * scale)
    for n in range(begin, end):
        here = math.erf((first + (n + 1) * dx - centre) * scale)
        weights[n] = 0.5 * (here - last)
        last = here
    return begin, max(begin, end)


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def _heat(
    h, weights_y, weights_x, q, dt, dx, every, first_y, first_x, y, x, depth, narrowing, spots, j0, i0, mz, my, mx
):
    """Put q dt into one box. The source falls linearly to nothing at `depth` and narrows by `narrowing` down to there.

    spots: rows (y, x, sigma, share) of the Gaussians that make up the beam. Cells [:mz, j0:j0+my, i0:i0+mx] are covered
    by a finer box. Returns the energy that went into cells that are not.
    """
    nz = h.shape[0]
    scale = q * dt / dx**3
    free = 0.0
    thin = dx / every
    for n in range(nz * every):  # layers of the finest box, so that boxes agree where a beam lies across their faces
        k = n // every
        top = n * thin
        share, centroid = 1.0, 0.0
        if depth > 0.0:
            if top >= depth:
                break
            u = 1.0 - top / depth
            v = max(1.0 - (top + thin) / depth, 0.0)
            share = u * u - v * v
            centroid = 1.0 - 2.0 / 3.0 * (u * u + u * v + v * v) / (u + v)
        narrowed = 1.0 - narrowing * centroid
        for s in range(spots.shape[0]):
            sigma = spots[s, 2] * narrowed
            y_begin, y_end = _shares(weights_y, first_y, dx, y + spots[s, 0] * narrowed, sigma)
            x_begin, x_end = _shares(weights_x, first_x, dx, x + spots[s, 1] * narrowed, sigma)
            here = share * spots[s, 3]
            whole = weights_y[y_begin:y_end].sum() * weights_x[x_begin:x_end].sum()
            covered = 0.0
            if k < mz:
                covered_y = weights_y[max(y_begin, j0) : max(min(y_end, j0 + my), max(y_begin, j0))].sum()
                covered_x = weights_x[max(x_begin, i0) : max(min(x_end, i0 + mx), max(x_begin, i0))].sum()
                covered = covered_y * covered_x
            free += here * (whole - covered)
            for j in range(y_begin, y_end):
                row = scale * here * weights_y[j]
                for i in range(x_begin, x_end):
                    h[k, j, i] += row * weights_x[i]
        if depth <= 0.0:
            break
    return q * dt * free


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def _lose(h, law, surface, per_flux, j0, i0, my, mx, lost):
    """Evaporation, radiation and convection of the surface cells over one step; per_flux = dt/dx.

    Evaporation is stiff and taken implicitly; the others are not. Adds what left cells that no finer
    box covers to `lost` (evaporated, radiated, convected), in units of one cell's h.
    """
    evaporation, vapour, boiling, zero, radiation, convection = surface
    ny, nx = h.shape[1], h.shape[2]
    for j in range(ny):
        for i in range(nx):
            v = h[0, j, i]
            rise = _theta(v, law)
            t = rise + zero
            steam = 0.0
            if evaporation > 0.0 and v > law[5] and t > 0.6 * boiling:
                for _ in range(NEWTON):
                    flux = evaporation * math.exp(vapour * (1.0 / boiling - 1.0 / t)) / math.sqrt(t)
                    slope = flux * (vapour / t - 0.5) / t * law[6]
                    steam += (per_flux * flux - steam) / (1.0 + per_flux * max(slope, 0.0))
                    t = _theta(v - steam, law) + zero
                t = rise + zero
            light = 0.0
            if radiation > 0.0:
                light = per_flux * radiation * (t * t * t * t - zero * zero * zero * zero)
            wind = per_flux * convection * rise
            h[0, j, i] = v - (steam + light + wind)
            if not (j0 <= j < j0 + my and i0 <= i < i0 + mx):
                lost[0] += steam
                lost[1] += light
                lost[2] += wind


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def _correct(fine, coarse, phi_old, r_coarse, flux_y, flux_x, flux_z, oj, oi):
    """Give the coarse cells beside the fine box the flux that the fine box saw.

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
    flux_y[:] = 0.0
    flux_x[:] = 0.0
    flux_z[:] = 0.0


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def average(fine, coarse, oj, oi):
    """Give the coarse cells under the fine box its averages."""
    nz, ny, nx = fine.shape
    for k in range(nz // 2):
        for j in range(ny // 2):
            a, b = fine[2 * k, 2 * j], fine[2 * k, 2 * j + 1]
            c, d = fine[2 * k + 1, 2 * j], fine[2 * k + 1, 2 * j + 1]
            for i in range(nx // 2):
                total = 0.0
                for s in range(2):
                    total += (a[2 * i + s] + b[2 * i + s]) + (c[2 * i + s] + d[2 * i + s])
                coarse[k, oj + j, oi + i] = total / 8.0


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def advance(h, phi, old, flux_y, flux_x, flux_z, cell, dx, law, short, surface, spots, narrowing, cycles, dt, path):
    """Advance all boxes by cycles * 2**(levels-1) fine steps of dt.

    cell[l] = (y, x) of box l's first cell in cells of that box; path (steps, 4) is (q, y, x, depth) at the middle of
    each fine step. Returns (absorbed, evaporated, radiated, convected), and leaves the outermost box's fluxes in its
    flux arrays, for the ledger.
    """
    levels, nz, ny, nx = h.shape
    one = np.ones(1, h.dtype)
    weights_y = np.zeros(ny)
    weights_x = np.zeros(nx)
    widest = max(nz, ny, nx)
    plane = np.zeros((widest // 2 + 2, widest // 2 + 2))
    fine = np.zeros((widest, widest))
    losing = surface[0] > 0.0 or surface[4] > 0.0 or surface[5] > 0.0
    out = np.zeros(4)
    lost = np.zeros(3)
    for step in range(cycles * 2 ** (levels - 1)):
        for level in range(levels - 1, -1, -1):
            every = 2**level
            if step % every != 0:
                continue
            size = dx * every
            span = dt * every
            r = span / (size * size)
            current = old[level] if level > 0 else phi[level]
            _fill_phi(current, h[level], short)
            if level == levels - 1:
                _outer_ghosts(current)
            else:
                oj = cell[level, 0] // 2 - cell[level + 1, 0]
                oi = cell[level, 1] // 2 - cell[level + 1, 1]
                done = (step % (2 * every)) / (2.0 * every)
                _inner_ghosts(current, old[level + 1], phi[level + 1], done, oj, oi, plane, fine)
            one[0] = r
            _diffuse(h[level], current, one[0])
            _faces(current, r, flux_y[level], flux_x[level], flux_z[level])
            j0, i0, mz, my, mx = 0, 0, 0, 0, 0
            if level > 0:
                j0 = cell[level - 1, 0] // 2 - cell[level, 0]
                i0 = cell[level - 1, 1] // 2 - cell[level, 1]
                mz, my, mx = nz // 2, ny // 2, nx // 2
            for s in range(every):
                q = path[step + s, 0]
                if q > 0.0:
                    out[0] += _heat(
                        h[level], weights_y, weights_x, q, dt, size, every,
                        cell[level, 0] * size, cell[level, 1] * size, path[step + s, 1], path[step + s, 2],
                        path[step + s, 3], narrowing, spots, j0, i0, mz, my, mx,
                    )  # fmt: skip
            if losing:
                lost[:] = 0.0
                _lose(h[level], law, surface, span / size, j0, i0, my, mx, lost)
                out[1:] += lost * size**3
            if level > 0:
                # the coarse Phi after the step, for the finer box's ghosts
                _fill_phi(phi[level], h[level], short)
                if level == levels - 1:
                    _outer_ghosts(phi[level])
                else:
                    after = min(1.0, (step % (2 * every)) / (2.0 * every) + 0.5)
                    _inner_ghosts(phi[level], old[level + 1], phi[level + 1], after, oj, oi, plane, fine)
        for level in range(1, levels):
            if (step + 1) % (2**level) != 0:
                break
            oj = cell[level - 1, 0] // 2 - cell[level, 0]
            oi = cell[level - 1, 1] // 2 - cell[level, 1]
            size = dx * 2**level
            r = dt * 2**level / (size * size)
            _correct(
                h[level - 1], h[level], old[level], r, flux_y[level - 1], flux_x[level - 1], flux_z[level - 1], oj, oi
            )
            average(h[level - 1], h[level], oj, oi)
    return out


@numba.njit(inline="always")
@no_type_check
def _minmod(a, b):
    if a * b <= 0.0:
        return 0.0
    return a if abs(a) < abs(b) else b


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def move(fine, coarse, shift_j, shift_i, oj, oi):
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


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def composite(h, cell, dx, law, y, x, z, out):
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
