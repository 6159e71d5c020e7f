"""Adjoint: maps of the operator beside those of the reference's own adjoint, on trajectories that neither has learned
from.

For each case one number is asked of the melt pool as its last lit frame ends. The reference is differentiated with
respect to the path (parameter map: strength, depth and speed of each frame) and to its field some frames ago (spatial
map: heat in each cell). The operator's maps are those that the twin shows. Entries below LEAST of the largest, in both
maps, are left out: they differ by what neither map can tell from nothing.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from operators.attribution.gradients import Gradients, Scalar
from operators.attribution.moments import Moments
from operators.attribution.spatial import influence
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.torch_melt_pool import TorchMeltPoolSolver
from operators.window import WindowGrid
from tests.validation.melt_pool.case import Case, drawn
from tests.validation.melt_pool.cells import seen

FRAMES = 14  # half a diameter of travel each
LAGS = (1, 2, 4)  # frames ago: of the spatial maps
CELLS, SHALLOW_CELLS = 5, 7  # of the reference a diameter, and in pools shallower than SHALLOW
SHALLOW = 0.45  # d
SEED = 11  # the cases by which the maps were made have another
SCALARS = ("depth", "width", "length", "temperature")
HOT = (28, 12, 3)  # the node that a temperature is asked of: .8 d behind the beam, .21 d deep
LEAST = 0.01  # of the largest: cells that react less are left out of a spatial map
POWER_STEP = 0.01
STEP = 0.02  # of the differences


@dataclass(frozen=True)
class Maps:
    """value; parameter (m, 4) by PARAMETERS, times their values; spatial: by lag (lag, x, y, z)."""

    value: float
    parameter: np.ndarray
    spatial: np.ndarray


@dataclass(frozen=True)
class Asked:
    """A case, the frame that is asked about, and what."""

    case: Case
    last: int
    name: str

    @property
    def scalar(self) -> Scalar:
        return Scalar(None, HOT) if self.name == "temperature" else Scalar(self.name)  # type: ignore[arg-type]

    @property
    def path(self) -> np.ndarray:
        rows = self.case.stretches[: self.last + 1]
        return np.vstack([*(r[:-1] for r in rows), rows[-1][-1:]])


def asked(number: int, seed: int = SEED) -> Asked:
    """The case of this number: its newest frame with the laser on and a pool that the window holds."""
    case = drawn(number, FRAMES, seed)
    lit = np.flatnonzero(case.lit)
    return Asked(case, int(lit[-1]), SCALARS[number % len(SCALARS)])


def of_operator(one: Asked, gradients: Gradients) -> Maps:
    stream, (_, _, heading) = one.case.stream, one.case.poses[one.last]
    path = Moments.of(one.path, stream, heading)
    (found,) = gradients([path], one.scalar)
    frame = 0.5 / stream.peclet
    spatial = [influence(gradients.grid, found, path, lag * frame) for lag in LAGS]
    return Maps(found.value, found.by_moment * path.values, np.stack(spatial))


def boxes_for(case: Case) -> Boxes:
    """Small enough that an adjoint takes half a minute of one core; a quarter finer for what is shallow."""
    if case.depth < SHALLOW:
        return Boxes(SHALLOW_CELLS, along=5.0, deep=1.25, levels=3, lead=1.2)
    return Boxes(CELLS, along=6.0, deep=2.0 if case.depth < 1.2 else 4.0, levels=3, lead=1.5)


def of_reference(one: Asked, grid: WindowGrid) -> Maps:
    """Spatial by autograd through the reference in torch over the last frames; the parameter map by central differences
    of the one in numba (float64) over all of them, which is ten times cheaper than an adjoint of that length."""
    spatial = of_cells(one, grid)
    values = Moments.of(one.path, one.case.stream, one.case.poses[one.last][2]).values
    value = _measured(one, grid, one.path)
    by = np.full((len(values), 4), np.nan)
    for column, name in enumerate(("q", "depth", "speed")):
        for moment in range(len(values)):
            if values[moment, 0] > 0 or name == "speed":
                up, down = (_measured(one, grid, moved(one.path, moment, name, sign * STEP)) for sign in (1, -1))
                by[moment, column] = (up - down) / (2 * STEP)
            else:
                by[moment, column] = 0.0
    return Maps(value, by, spatial)


def moved(path: np.ndarray, moment: int, name: str, step: float) -> np.ndarray:
    """The path with one parameter of one moment changed by a share. Had the beam gone faster, all before would lie
    farther behind."""
    out = path.copy()
    if name == "speed":
        out[: moment + 1, 1:3] -= step * (path[moment + 1, 1:3] - path[moment, 1:3])
    else:
        out[moment, 3 if name == "q" else 4] *= 1 + step
    return out


def _measured(one: Asked, grid: WindowGrid, path: np.ndarray) -> float:
    stream, pose = one.case.stream, one.case.poses[one.last]
    solver = MeltPoolSolver(stream.groups, boxes_for(one.case), np.float64, stream.surface)
    solver.advance(path)
    return one.scalar.of(grid, solver.theta(*seen(grid.points, *pose)), stream.groups.solidus)[0]


def of_cells(one: Asked, grid: WindowGrid) -> np.ndarray:
    """d/d heat in each cell some frames ago: (lag, x, y, z) at the nodes of the window of now."""
    stream, pose, boxes = one.case.stream, one.case.poses[one.last], boxes_for(one.case)
    stretches = one.case.stretches[: one.last + 1]
    first = MeltPoolSolver(stream.groups, boxes, np.float32, stream.surface)
    for rows in stretches[: -max(LAGS)]:
        first.advance(rows)
    solver = TorchMeltPoolSolver([stream.groups], boxes, torch.float32, surface=[stream.surface])
    solver.h = torch.from_numpy(first.h[None].copy()).requires_grad_()
    solver.cell, solver._placed[:], solver._heading[:] = first.cell[None].copy(), first._placed, first._heading
    fields, stood = {}, {}
    for left in range(max(LAGS), 0, -1):
        if left in LAGS:
            fields[left], stood[left] = solver.h, solver.cell[0].copy()
        solver.advance([stretches[-left]])
    theta = solver.theta(*(a[None] for a in seen(grid.points, *pose)))[0]
    _, slopes = one.scalar.of(grid, theta.detach().numpy(), stream.groups.solidus)
    by_field = torch.autograd.grad((theta * torch.from_numpy(slopes)).sum(), [fields[lag] for lag in LAGS])
    points = seen(grid.points, *pose)
    return np.stack([
        composite(by[0].numpy(), stood[lag], boxes, points) for lag, by in zip(LAGS, by_field, strict=True)
    ])  # fmt: skip


def composite(by: np.ndarray, cell: np.ndarray, boxes: Boxes, points: tuple[np.ndarray, ...]) -> np.ndarray:
    """d/d heat at points, from d/dh of the cells (level, z, y, x) of the finest box that holds them; linear between
    centres."""
    out, free = np.zeros(points[0].shape), np.ones(points[0].shape, dtype=bool)
    for level, field in enumerate(by):
        size = boxes.dx * 2**level
        origin = np.array([0, *cell[level]])
        place = [p / size - o - 0.5 for p, o in zip(points[::-1], origin, strict=True)]
        place[0] = np.maximum(place[0], 0.0)
        inside = np.ones_like(free)
        for p, n in zip(place, field.shape, strict=True):
            inside &= (p >= 0) & (p <= n - 1)
        first = [np.clip(np.floor(p).astype(int), 0, n - 2) for p, n in zip(place, field.shape, strict=True)]
        total = np.zeros_like(out)
        for corner in np.ndindex(2, 2, 2):
            weight = np.ones_like(out)
            for p, f, side in zip(place, first, corner, strict=True):
                weight *= (p - f) if side else (1 - (p - f))
            index = [f + side for f, side in zip(first, corner, strict=True)]
            total += weight * field[tuple(index)]
        out = np.where(free & inside, total / size**3, out)
        free &= ~inside
    return out


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; ties share their mean rank."""
    ranks = [_ranks(v) for v in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, at, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - 0.5 * (count + 1))[at]


def _large(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Entries that count in one of two maps."""
    return np.any([np.abs(each) > LEAST * np.abs(each).max() for each in (a, b)], axis=0)


def ranked(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation over the entries that count."""
    kept = _large(a, b)
    return spearman(a[kept], b[kept])


def compared(one: Asked, operator: Maps, reference: Maps) -> dict[str, float]:
    """Rank correlations of the maps of a case."""
    a, b = operator.parameter[:, :3], reference.parameter[:, :3]
    out = {"source": ranked(a, b), "parameter": ranked(*(physical(one, maps) for maps in (operator, reference)))}
    out["entries"] = float(_large(*(physical(one, maps) for maps in (operator, reference))).sum())
    for n, lag in enumerate(LAGS):
        a, b = operator.spatial[n], reference.spatial[n]
        out[f"spatial {lag}"], out[f"cells {lag}"] = ranked(a, b), float(_large(a, b).sum())
    out["value"] = operator.value / reference.value - 1
    return out


def physical(one: Asked, maps: Maps) -> np.ndarray:
    """By power and scan speed of each moment, as the twin shows them: what the rule makes of both included; where the
    laser is on."""
    process, values = one.case.process, Moments.of(one.path, one.case.stream, 0.0).values
    power_of = {}
    for level in np.unique(one.case.rows[:, 3]).tolist():
        if level > 0:
            q = process.source(level * one.case.beam_power_w, one.case.scan_speed_m_per_s).q
            power_of[round(q, 9)] = level * one.case.beam_power_w
    out = []
    for by, value in zip(maps.parameter, values, strict=True):
        if value[0] > 0:
            power, speed = power_of[round(float(value[0]), 9)], one.case.scan_speed_m_per_s
            told = [
                [(np.log(getattr(hi, n)) - np.log(getattr(lo, n))) / (2 * POWER_STEP) for n in ("q", "depth")]
                for lo, hi in (
                    [process.source(power * (1 + s * POWER_STEP), speed) for s in (-1, 1)],
                    [process.source(power, speed * (1 + s * POWER_STEP)) for s in (-1, 1)],
                )
            ]
            out += [by[0] * told[0][0] + by[1] * told[0][1], by[2] + by[0] * told[1][0] + by[1] * told[1][1]]
    return np.array(out)


def kept_at(folder: Path, number: int) -> Path:
    """Where the reference's maps of a case are kept."""
    return folder / f"{SEED}-{number}-{FRAMES}-{CELLS}.npz"


def run(
    numbers: Iterable[int], folder: Path, until: float, gradients: Gradients
) -> Iterator[tuple[int, dict[str, float]]]:
    """Case by case until the clock says so; the reference's maps are kept in a folder."""
    grid = gradients.grid
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        path = kept_at(folder, number)
        one = asked(number)
        operator = of_operator(one, gradients)
        if path.is_file():
            kept = np.load(path)
            reference = Maps(float(kept["value"]), kept["parameter"], kept["spatial"])
            seconds = float(kept["seconds"])
        else:
            if time.time() > until:
                return
            began = time.process_time()
            reference = of_reference(one, grid)
            seconds = time.process_time() - began
            np.savez(path, value=reference.value, parameter=reference.parameter, spatial=reference.spatial,
                     seconds=seconds)  # fmt: skip
        yield number, compared(one, operator, reference) | {"seconds": seconds}
