"""Plate: the reference of the camera operator, an enthalpy solver of a plate that does not move, with powder on it.

    h_t = div (f grad Phi(h)) + A q w(x, t),     -Phi_z = loss theta(h) at the surface

in fixed units (`operators.melt_pool.scales`), explicit, second order in space. Cells are even where they are looked at
and grow by GROWTH outside, so the cold is far. Cells of a layer LAYER thick conduct f = `powder` of what metal does
until they have once been liquid; everything else has f = 1. On a bare plate it is `operators.reference.melt_pool` in
other boxes (a test).
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
import torch

from operators.camera.kernel import at, face
from operators.camera.law import matter_of
from operators.nets.heat import LAYER
from operators.reference.beam import SIGMA

CELLS = 8  # a diameter
GROWTH, FAR = 1.35, 9  # of the cells outside, and how many there are
KNOTS = 1024  # of the curves, which are looked up
TABLE = 6.4  # h of the last
STABLE = 0.9
NOTHING = 1e-15  # h of metal that is cold: what is smaller costs time and says nothing


@dataclass(frozen=True)
class Law:
    """The numbers of `law.BOX` of one plate, and (tail, late) of its alloy."""

    numbers: np.ndarray
    tail: tuple[float, float] = (0.0, 0.0)


class Plate:
    """A plate cold at the start. `box`: (depth, low y, high y, low x, high x) in diameters, whole cells, where cells
    are even; `h` has the cells outside too."""

    def __init__(self, law: Law, box: tuple[float, float, float, float, float], cells: int = CELLS) -> None:
        self.cells, self.box = cells, box
        self.table, self.melted = tables(law)
        self.absorptivity, self.powder, self.loss = (float(law.numbers[i]) for i in (0, 10, 11))
        deep, *sides = box
        z, y, x = deep, sides[1] - sides[0], sides[3] - sides[2]
        counts = [round(length * cells) for length in (z, y, x)]
        far = GROWTH ** np.arange(1, FAR + 1) / cells
        self._low = (0, FAR, FAR)
        even = [np.full(n, 1 / cells) for n in counts]
        self.widths = [
            np.concatenate([far[::-1][:low], part, far]).astype(np.float32)
            for low, part in zip(self._low, even, strict=True)
        ]
        self.inside = tuple(slice(low, low + n) for low, n in zip(self._low, counts, strict=True))
        self.h: np.ndarray = np.zeros([len(w) for w in self.widths], dtype=np.float32)
        self._phi = np.zeros_like(self.h)
        layers = round(LAYER * cells)
        self.open = np.full((layers, *self.h.shape[1:]), self.powder, dtype=np.float32)
        slopes = np.diff(self.table[1]) * (KNOTS - 1) / TABLE
        self.largest_step = STABLE / (6 * cells**2 * float(slopes.max()))
        self.absorbed = self.lost = 0.0

    def advance(self, power: float, begin: np.ndarray, end: np.ndarray, time: float) -> None:
        """power: q of the beam, of which the surface absorbs its share; begin, end: (y, x) in diameters."""
        steps = max(2, math.ceil(time / self.largest_step))
        dt = time / steps
        middles = begin + (np.arange(steps)[:, None] + 0.5) / steps * (end - begin)
        shares = [self._shares(axis, middles[:, axis]) for axis in (0, 1)]
        brought = self.absorptivity * power
        self.lost += _advance(
            self.h, self._phi, self.open, *self.widths, *self.table.astype(np.float32), np.float32((KNOTS - 1) / TABLE),
            np.float32(self.melted), np.float32(self.loss), np.float32(brought), np.float32(dt), *shares,
        )  # fmt: skip
        self.absorbed += brought * time

    def _shares(self, axis: int, middles: np.ndarray) -> np.ndarray:
        """What part of the beam falls on each row of cells: (step, cell)."""
        widths = self.widths[1 + axis].astype(np.float64)
        edges = np.concatenate([[0.0], widths.cumsum()])
        edges += self.box[1 + 2 * axis] - edges[self._low[1 + axis]]
        at = torch.from_numpy((edges - middles[:, None]) / (SIGMA * math.sqrt(2)))
        return (0.5 * torch.erf(at).diff(dim=1)).numpy().astype(np.float32)

    def theta(self) -> np.ndarray:
        """Of the even cells (z, y, x)."""
        inside = self.h[self.inside].astype(np.float64)
        return np.interp(inside, np.linspace(0, TABLE, KNOTS), self.table[0]) + self._beyond(inside)

    def _beyond(self, h: np.ndarray) -> np.ndarray:
        slope = (self.table[0, -1] - self.table[0, -2]) * (KNOTS - 1) / TABLE
        return slope * np.maximum(h - TABLE, 0.0)

    def stored(self) -> float:
        """Energy, in units of h d^3."""
        z, y, x = (w.astype(np.float64) for w in self.widths)
        return float(np.einsum("zyx,z,y,x->", self.h, z, y, x, optimize=True))


def tables(law: Law) -> tuple[np.ndarray, float]:
    """(theta, Phi) at KNOTS values of h up to TABLE, and h where powder has melted."""
    from operators.enthalpy import columns, laws, phi_of, theta_of

    _, rise, k, alpha, *groups = law.numbers[:10].tolist()
    row = torch.tensor([[*groups, 2.0, *law.tail]], dtype=torch.float64)
    of = laws(row)
    theta = theta_of(torch.linspace(0, TABLE, KNOTS, dtype=torch.float64)[None] * alpha / (rise * k), columns(of, 2))
    phi = k * rise * phi_of(theta, columns(of, 2))
    return torch.stack([rise * theta[0], phi[0]]).numpy(), float(of[0, 5]) * rise * k / alpha


def coarse_matter(law: Law):
    """The same law as the operator's scheme takes it: told, not inferred."""
    tail = torch.tensor([law.tail], dtype=torch.float32)
    return matter_of(torch.from_numpy(law.numbers).float()[None], tail)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _advance(h, phi, free, wz, wy, wx, theta, potential, per, melted, loss, brought, dt, share_y, share_x):
    """Steps; gives what the surface lost."""
    nz, ny, nx = h.shape
    layers = free.shape[0]
    lost = 0.0
    gz, gy, gx = _between(wz), _between(wy), _between(wx)
    powdery = free.min() < 1.0
    for step in range(share_y.shape[0]):
        for k in range(nz):
            for j in range(ny):
                for i in range(nx):
                    v = h[k, j, i]
                    phi[k, j, i] = at(v, potential, per) if v > NOTHING else np.float32(0.0)
        for j in range(ny):
            for i in range(nx):
                out = loss * at(h[0, j, i], theta, per)
                put = brought * share_y[step, j] * share_x[step, i] / (wy[j] * wx[i]) - out
                h[0, j, i] += dt * put / wz[0]
                lost += out * wy[j] * wx[i] * dt
        for k in range(nz):
            slow = powdery and k <= layers
            for j in range(ny):
                ry0, ry1 = gy[j] / wy[j], gy[j + 1] / wy[j]
                for i in range(nx):
                    p = phi[k, j, i]
                    up = gz[k] * (phi[k - 1, j, i] - p) if k > 0 else np.float32(0.0)
                    down = gz[k + 1] * ((phi[k + 1, j, i] if k < nz - 1 else np.float32(0.0)) - p)
                    back = ry0 * ((phi[k, j - 1, i] if j > 0 else np.float32(0.0)) - p)
                    ahead = ry1 * ((phi[k, j + 1, i] if j < ny - 1 else np.float32(0.0)) - p)
                    left = gx[i] * ((phi[k, j, i - 1] if i > 0 else np.float32(0.0)) - p)
                    right = gx[i + 1] * ((phi[k, j, i + 1] if i < nx - 1 else np.float32(0.0)) - p)
                    if slow:
                        f = free[k, j, i] if k < layers else np.float32(1.0)
                        if k > 0:
                            up *= face(f, free[k - 1, j, i])
                        if k < layers:
                            down *= face(f, free[k + 1, j, i] if k + 1 < layers else np.float32(1.0))
                            back *= face(f, free[k, j - 1, i] if j > 0 else f)
                            ahead *= face(f, free[k, j + 1, i] if j < ny - 1 else f)
                            left *= face(f, free[k, j, i - 1] if i > 0 else f)
                            right *= face(f, free[k, j, i + 1] if i < nx - 1 else f)
                    h[k, j, i] += dt * ((up + down) / wz[k] + back + ahead + (left + right) / wx[i])
        if powdery:
            for k in range(layers):
                for j in range(ny):
                    for i in range(nx):
                        if h[k, j, i] >= melted:
                            free[k, j, i] = 1.0
    return lost


@numba.njit(cache=True)
@no_type_check
def _between(widths):
    """One over the distance of neighbouring cells; at the ends, of the wall."""
    n = len(widths)
    out = np.empty(n + 1, np.float32)
    for i in range(n + 1):
        low = widths[i - 1] if i > 0 else np.float32(0.0)
        high = widths[i] if i < n else np.float32(0.0)
        out[i] = 2.0 / (low + high)
    return out
