"""Moments: a past path as its moments, each with the parameters that can be held responsible for what it left behind.

A moment is a straight stretch of one source, given by its two ages (before now, d^2/alpha) and by PARAMETERS: strength
q, depth of the source, scan speed (d per d^2/alpha) and direction (rad, against the window's x axis). Seen from the
window of now, the place where the beam was is

    p_j = -sum_{k >= j} speed_k dt_k (cos, sin)(direction_k),

so had the beam gone faster in one moment, all that came before it would lie farther behind. Times do not change: a
derivative with respect to a speed is that of what happened at this time.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from operators import response
from operators.melt_pool.forcing import AGO
from operators.melt_pool.trajectories import CONDITION, condition, depth_now
from operators.operator import Stream

PARAMETERS = ("q", "depth", "speed", "direction")
DEPTH = CONDITION.index("depth")
LEAST_DEPTH = 0.05  # as `trajectories.condition` has it
LEAST_S = 1e-9  # d^2/alpha: shorter ones are no moments


@dataclass(frozen=True)
class Moments:
    """ages (m + 1), the oldest first, 0 last; values (m, 4) of PARAMETERS; what else the operator is told."""

    ages: np.ndarray
    values: np.ndarray
    condition: np.ndarray
    peclet: float

    def __post_init__(self) -> None:
        if len(self.ages) != len(self.values) + 1 or (np.diff(self.ages) >= 0).any():
            raise ValueError("moments want falling ages, one more than values")

    def __len__(self) -> int:
        return len(self.values)

    @staticmethod
    def of(path: np.ndarray, stream: Stream, heading: float, cuts: np.ndarray | None = None) -> "Moments":
        """Of a path of rows (t, x, y, q, depth) that ends now; `cuts` are further ages at which a stretch is parted, so
        that what comes of it can be told apart."""
        ages = path[-1, 0] - path[:, 0]
        rows = np.flatnonzero(-np.diff(ages) > LEAST_S)
        edges = [ages[rows[0]] if len(rows) else 0.0]
        values: list[list[float]] = []
        more = np.sort(np.asarray([] if cuts is None else cuts, dtype=float))[::-1]
        for row in rows.tolist():
            (dx, dy), dt = path[row + 1, 1:3] - path[row, 1:3], ages[row] - ages[row + 1]
            speed = float(np.hypot(dx, dy) / dt)
            turned = float(np.arctan2(dy, dx) - heading) if speed > 1e-9 else 0.0
            direction = (turned + np.pi) % (2 * np.pi) - np.pi
            inner = more[(more < ages[row] - LEAST_S) & (more > ages[row + 1] + LEAST_S)]
            edges += [*inner.tolist(), float(ages[row + 1])]
            values += [[path[row, 3], path[row, 4], speed, direction]] * (len(inner) + 1)
        told = condition(stream, depth_now(path))
        return Moments(np.array(edges), np.array(values).reshape(-1, 4), told, stream.peclet)

    @property
    def lit(self) -> int:
        """The newest moment with the laser on, whose depth an operator is told (`trajectories.depth_now`)."""
        on = np.flatnonzero(self.values[:, 0] > 0)
        return int(on[-1]) if len(on) else 0

    def put(self, values: np.ndarray) -> "Moments":
        """The same ages with other values."""
        return replace(self, values=values)

    def rows(self) -> np.ndarray:
        """Rows (t, x, y, q, depth) that end at 0 in (0, 0), in the window's frame."""
        return _rows(self.ages, self.values)


def _rows(ages: np.ndarray, values: np.ndarray) -> np.ndarray:
    q, depth, speed, direction = values.T
    steps = (speed * -np.diff(ages))[:, None] * np.stack([np.cos(direction), np.sin(direction)], 1)
    places = np.vstack([-np.cumsum(steps[::-1], 0)[::-1], np.zeros(2)])
    out = np.zeros((len(ages), 5))
    out[:, 0], out[:, 1:3], out[:-1, 3], out[:-1, 4] = -ages, places, q, depth
    return out


@dataclass(frozen=True)
class Nodes:
    """Quadrature nodes of some paths, their places held: (b, s) each; `unit` is the weight of a source of q = 1."""

    age: Tensor
    unit: Tensor
    row: Tensor
    way: Tensor


def nodes(rows: list[np.ndarray], now: list[float], device: str) -> Nodes:
    """Of paths, looked at from some moments."""
    each = [response.placed(path, moment) for path, moment in zip(rows, now, strict=True)]
    longest = max(1, max(len(one) for one in each))
    out = np.zeros((4, len(each), longest), dtype=np.float32)
    out[0] = 1.0  # an age; what pads weighs nothing
    for b, (one, path) in enumerate(zip(each, rows, strict=True)):
        row = one[:, 5].astype(np.int64)
        for column, part in enumerate((one[:, 0], one[:, 3] / path[row, 3] if len(one) else one[:, 3], row, one[:, 6])):
            out[column, b, : len(one)] = part
    age, unit, row, way = (torch.from_numpy(part).to(device) for part in out)
    return Nodes(age, unit, row.long(), way)


def sources(
    values: Float[Tensor, "b m 4"], dt: Float[Tensor, "b m"], at: Nodes
) -> Float[Tensor, "b s 5"]:  # fmt: skip
    """Sources (age, x, y, weight, depth) of moments with these values, with a gradient."""
    q, depth, speed, direction = values.unbind(-1)
    step = (speed * dt)[..., None] * torch.stack([direction.cos(), direction.sin()], -1)
    places = -step.flip(1).cumsum(1).flip(1)
    places = torch.cat([places, torch.zeros_like(places[:, :1])], 1)
    here, there = (places.gather(1, (at.row + n)[..., None].expand(-1, -1, 2)) for n in (0, 1))
    x, y = (here + at.way[..., None] * (there - here)).unbind(-1)
    return torch.stack([at.age, x, y, at.unit * q.gather(1, at.row), depth.gather(1, at.row)], -1)


def before(peclet: float) -> float:
    """When the window before was, on the clock that is 0 now."""
    return -AGO / peclet
