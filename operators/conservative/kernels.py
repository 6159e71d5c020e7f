"""Kernels: the scheme's step for one plate on the CPU, the same to rounding as in torch (a test holds them to each
other) and some five times as fast."""

from typing import no_type_check

import numba
import numpy as np

NOTHING = np.float32(1e-9)
"""h of a cell that passes nothing on yet: fronts of heat too small for a float's range cost time and say nothing."""


@numba.njit(cache=True)
@no_type_check
def _at(table, scaled):
    """A table at h in pieces; beyond its ends it goes on as it was."""
    piece = min(max(int(scaled), 0), table.size - 2)
    return table[piece] + (table[piece + 1] - table[piece]) * (scaled - piece)


@numba.njit(cache=True)
@no_type_check
def step(h, rest, phi, phi_table, loss_table, per_h, boiling, r, pace, leak, strength, side_y, side_x):
    """One step in place; h, rest, phi: (z, y, x). r: dt over a cell squared; pace: dt over a cell. strength: of the
    beam in each layer; side_y, side_x: (layer, cell) shares. Gives what was absorbed, went through walls, was lost."""
    nz, ny, nx = h.shape
    layers = strength.size
    zero = np.float32(0.0)
    absorbed = 0.0
    walls = 0.0
    lost = 0.0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                v = h[z, y, x]
                phi[z, y, x] = r * _at(phi_table, v * per_h) if v > NOTHING else zero
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                here = phi[z, y, x]
                out = zero
                gain = zero
                if z > 0:
                    gain += phi[z - 1, y, x] - here
                if z < nz - 1:
                    gain += phi[z + 1, y, x] - here
                else:
                    out += leak * here
                if y > 0:
                    gain += phi[z, y - 1, x] - here
                else:
                    out += leak * here
                if y < ny - 1:
                    gain += phi[z, y + 1, x] - here
                else:
                    out += leak * here
                if x > 0:
                    gain += phi[z, y, x - 1] - here
                else:
                    out += leak * here
                if x < nx - 1:
                    gain += phi[z, y, x + 1] - here
                else:
                    out += leak * here
                if gain == zero and here == zero and z >= layers and z > 0:
                    continue  # cold among the cold
                walls += out
                gain -= out
                was = h[z, y, x]
                if z < layers:
                    put = strength[z] * side_y[z, y] * side_x[z, x]
                    absorbed += put
                    gain += put
                if z == 0:
                    gone = pace * _at(loss_table, min(was, boiling) * per_h)
                    if was > boiling:
                        gone += min(max(pace * _at(loss_table, was * per_h) - gone, 0.0), 0.5 * (was - boiling))
                    lost += gone
                    gain -= gone
                added = np.float32(gain + rest[z, y, x])
                new = np.float32(was + added)
                kept = np.float32(new - was)
                rest[z, y, x] = np.float32(was - np.float32(new - kept)) + np.float32(added - kept)
                h[z, y, x] = new
    return absorbed, walls, lost
