"""Kernel: the scheme of `operators.nets.heat` in numba, for the many short runs of a solve on a CPU: no ledger, no
gradient, float32. A test holds the two to each other."""

from typing import no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators.nets.heat import HOTTEST, Beam, Heat, Heated, Matter

NOTHING = 1e-15  # h of metal that is cold


class Films:
    """Samples of one box, to be advanced together; all take the same steps."""

    def __init__(self, heat: Heat, matter: Matter, start: Heated) -> None:
        self.heat, self.matter = heat, matter
        self.h, self.fused = (np.ascontiguousarray(each.numpy()).copy() for each in (start.h, start.fused))
        self._phi = np.zeros_like(self.h)
        self._curves = [
            np.ascontiguousarray(c.values.detach().numpy(), dtype=np.float32) for c in (matter.phi, matter.theta)
        ]
        told = (matter.absorptivity, matter.loss, matter.powder, *matter.melting.unbind(1))
        self._told = np.ascontiguousarray(torch.stack(told, 1).detach().numpy(), dtype=np.float32)
        self._powdered = heat.powdered(start.h)
        self._thick = heat.thickness(start.h).numpy()

    def advance(self, beam: Beam, steps: int) -> None:
        """One frame; beam of one sample, for all."""
        frame, power = float(beam.frame[0]), float(beam.power[0])
        begin, end = (each[0].double() for each in (beam.begin, beam.end))
        middles = begin + (torch.arange(steps, dtype=torch.float64)[:, None] + 0.5) / steps * (end - begin)
        shares = [self.heat.along(self.h.shape[2 + axis], middles[:, axis].float(), "cpu").numpy() for axis in (0, 1)]
        dt = frame / steps
        _films(
            self.h, self._phi, self.fused, *self._curves, self._told, *shares, np.float32(dt * self.heat.cells**2),
            np.float32(dt * self.heat.cells**3 * power), np.float32(dt * self.heat.cells), np.float32(self.heat.sides),
            np.float32(self.heat.bottom), self._powdered, self._thick,
            np.float32((self._curves[0].shape[1] - 1) / HOTTEST),
        )  # fmt: skip

    def theta(self) -> Float[Tensor, "b z y x"]:
        return self.matter.theta.at(torch.from_numpy(self.h))

    def top(self) -> Float[Tensor, "b 2 y x"]:
        """theta of the first two layers."""
        return self.matter.theta.at(torch.from_numpy(self.h[:, :2].copy()))


@numba.njit(inline="always")
@no_type_check
def at(v, table, per):
    where = v * per
    i = min(int(where), len(table) - 2)
    return table[i] + (where - i) * (table[i + 1] - table[i])


@numba.njit(inline="always")
@no_type_check
def face(a, b):
    return np.float32(2.0) * a * b / (a + b)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _films(
    h, phi, fused, potential, theta, told, share_y, share_x, r, brought, lossy, sides, bottom, layers, thick, per
):
    samples, nz, ny, nx = h.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    flowing = np.empty((layers, ny, nx), np.float32)
    between = np.empty(nz + 1, np.float32)  # one over the distance of layers
    between[0], between[nz] = zero, bottom / thick[nz - 1]
    for k in range(1, nz):
        between[k] = np.float32(2.0) / (thick[k - 1] + thick[k])
    for b in range(samples):
        absorptivity, loss, powder, low, high = told[b]
        powdery = powder < one
        for step in range(share_y.shape[0]):
            for k in range(nz):
                for j in range(ny):
                    for i in range(nx):
                        v = h[b, k, j, i]
                        phi[b, k, j, i] = at(v, potential[b], per) if v > NOTHING else zero
            if powdery:
                for k in range(layers):
                    for j in range(ny):
                        for i in range(nx):
                            flowing[k, j, i] = powder + (one - powder) * fused[b, k, j, i]
                            part = min(max((h[b, k, j, i] - low) / (high - low), zero), one)
                            fused[b, k, j, i] = max(fused[b, k, j, i], part)
            for j in range(ny):
                for i in range(nx):
                    v = h[b, 0, j, i]
                    put = brought * absorptivity * share_y[step, j] * share_x[step, i]
                    h[b, 0, j, i] = v + (put - lossy * loss * at(v, theta[b], per)) / thick[0]
            for k in range(nz):
                slow = powdery and k <= layers
                for j in range(ny):
                    for i in range(nx):
                        p = phi[b, k, j, i]
                        up = between[k] * (phi[b, k - 1, j, i] - p) if k > 0 else zero
                        down = between[k + 1] * (phi[b, k + 1, j, i] - p if k < nz - 1 else -p)
                        back = phi[b, k, j - 1, i] - p if j > 0 else -sides * p
                        ahead = phi[b, k, j + 1, i] - p if j < ny - 1 else -sides * p
                        left = phi[b, k, j, i - 1] - p if i > 0 else -sides * p
                        right = phi[b, k, j, i + 1] - p if i < nx - 1 else -sides * p
                        if slow:
                            f = flowing[k, j, i] if k < layers else one
                            if k > 0:
                                up *= face(f, flowing[k - 1, j, i])
                            if k < layers:
                                down *= face(f, flowing[k + 1, j, i] if k + 1 < layers else one)
                                back *= face(f, flowing[k, j - 1, i]) if j > 0 else one
                                ahead *= face(f, flowing[k, j + 1, i]) if j < ny - 1 else one
                                left *= face(f, flowing[k, j, i - 1]) if i > 0 else one
                                right *= face(f, flowing[k, j, i + 1]) if i < nx - 1 else one
                        h[b, k, j, i] += r * ((up + down) / thick[k] + back + ahead + left + right)
