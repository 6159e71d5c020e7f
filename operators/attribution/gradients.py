"""Gradients: how a number of the operator's forecast reacts to each moment, and to what the operator reads.

One pass forward and one back through the operator and its forcings. Exact but for quadrature: forcings are sums over
the sources of the path, and their nodes are held in place.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators.attribution import contour, moments
from operators.attribution.contour import Size
from operators.attribution.moments import DEPTH, LEAST_DEPTH, Moments
from operators.melt_pool.asno import Asno
from operators.melt_pool.forcing import heats, read
from operators.window import WindowGrid

TOGETHER = {"cpu": 8}  # paths at a time: what a backward pass holds of 64 fits no cache, and takes 2.5 times as long


@dataclass(frozen=True)
class Scalar:
    """What is asked of a field: a size of the melt pool (d), or theta at a node of the window."""

    size: Size | None = None
    node: tuple[int, int, int] = (0, 0, 0)

    def of(self, grid: WindowGrid, theta: np.ndarray, solidus: float) -> tuple[float, np.ndarray]:
        """Its value, and the derivative with respect to theta at every node."""
        if self.size is not None:
            return contour.gradient(grid, theta, solidus, self.size)
        out = np.zeros_like(theta, dtype=np.float64)
        out[self.node] = 1.0
        return float(theta[self.node]), out


@dataclass(frozen=True)
class Gradient:
    """value; by_moment (m, 4): with respect to PARAMETERS of each moment; by_forcing: with respect to what the operator
    reads (channel, x, y, z); by_theta: with respect to the field (x, y, z); forcing and theta: these themselves."""

    value: float
    by_moment: np.ndarray
    by_forcing: np.ndarray
    by_theta: np.ndarray
    forcing: np.ndarray
    theta: np.ndarray


class Gradients:
    """Of one operator, on its device. Samples of a batch know nothing of each other."""

    def __init__(self, model: Asno, grid: WindowGrid, device: str = "cpu") -> None:
        self.model, self.grid, self.device = model.requires_grad_(False), grid, device
        self._axes = [torch.from_numpy(a).float().to(device) for a in (grid.x, grid.y, grid.z)]

    def __call__(self, several: list[Moments], scalar: Scalar) -> list[Gradient]:
        """The scalar of each path, and what it hangs on."""
        count = TOGETHER.get(torch.device(self.device).type, len(several))
        found: list[Gradient] = []
        for begin in range(0, len(several), count):
            found += self._of(several[begin : begin + count], scalar)
        return found

    def _of(self, several: list[Moments], scalar: Scalar) -> list[Gradient]:
        values, dt, told = self._told(several)
        values.requires_grad_()
        heat = self._heats(several, values, dt, told)
        told = _with_depth(told, _lit(several, values))
        forcing = read(heat, told)
        theta = torch.sinh(self.model(forcing, told))
        slopes, found = self._measured(several, theta, scalar)
        by_moment, by_forcing = torch.autograd.grad((theta * slopes).sum(), [values, forcing])
        by_moment = by_moment.double()
        parts = [part.detach().cpu().numpy() for part in (by_moment, by_forcing, slopes, forcing, theta)]
        return [
            Gradient(found[b], parts[0][b, -len(one) :], *(part[b] for part in parts[1:]))
            for b, one in enumerate(several)
        ]  # fmt: skip

    def values(self, several: list[Moments], scalar: Scalar) -> list[float]:
        """The scalar alone."""
        with torch.no_grad():
            values, dt, told = self._told(several)
            told = _with_depth(told, _lit(several, values))
            theta = torch.sinh(self.model(read(self._heats(several, values, dt, told), told), told))
            return self._measured(several, theta, scalar)[1]

    def _told(self, several: list[Moments]) -> tuple[Tensor, Tensor, Tensor]:
        """values, durations and conditions of paths; shorter ones begin with moments that take no time."""
        longest = max(map(len, several))
        values, dt = np.zeros((len(several), longest, 4)), np.zeros((len(several), longest))
        for b, one in enumerate(several):
            values[b, longest - len(one) :], dt[b, longest - len(one) :] = one.values, -np.diff(one.ages)
        told = np.stack([one.condition for one in several])
        put = [torch.from_numpy(part).float().to(self.device) for part in (values, dt, told)]
        return put[0], put[1], put[2]

    def _heats(self, several: list[Moments], values: Tensor, dt: Tensor, told: Tensor) -> list[Tensor]:
        rows, longest = [one.rows() for one in several], values.shape[1]
        if self.model.losses is not None:
            q, depth, speed, direction = values.unbind(-1)
            values = torch.stack([q * (1 - self.model.losses(told, q, depth, speed)), depth, speed, direction], -1)
        pairs = []
        for now in ([0.0] * len(several), [moments.before(one.peclet) for one in several]):
            at = moments.nodes(rows, now, self.device)
            skipped = torch.tensor([longest - len(one) for one in several], device=self.device)[:, None]
            at = moments.Nodes(at.age, at.unit, at.row + skipped, at.way)
            pairs.append(moments.sources(values, dt, at))
        return heats(*pairs, told, *self._axes)

    def _measured(self, several: list[Moments], theta: Tensor, scalar: Scalar) -> tuple[Tensor, list[float]]:
        fields = theta.detach().cpu().numpy()
        each = [
            scalar.of(self.grid, field, float(1 - one.condition[0])) for field, one in zip(fields, several, strict=True)
        ]
        slopes = torch.from_numpy(np.stack([slope for _, slope in each])).to(theta)
        return slopes, [value for value, _ in each]


def _lit(several: list[Moments], values: Tensor) -> Float[Tensor, " b"]:
    """The depth of the newest source of each."""
    skipped = values.shape[1] - np.array([len(one) for one in several])
    return values[range(len(several)), [int(n) + one.lit for n, one in zip(skipped, several, strict=True)], 1]


def _with_depth(told: Tensor, depth: Tensor) -> Tensor:
    """What the operator is told, with the depth of the newest source."""
    column = torch.log(depth.clamp(min=LEAST_DEPTH))[:, None]
    return torch.cat([told[:, :DEPTH], column, told[:, DEPTH + 1 :]], 1)
