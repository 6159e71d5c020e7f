"""Stress: what else is asked of a row that reads a law from its past. The past gets noise, or loses cells; the forecast
goes on to the end of the record; the grid becomes finer, without training."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from operators.learner import relative, rollout
from operators.problem import Geometry, March, Trajectories

NOISES = {"noise 1 %": 0.01, "noise 5 %": 0.05}
"""Of the root mean square of the past about its mean, in every cell and frame on its own."""
LOST = 0.1
"""Of all cells and frames, chosen at random; each is filled from its neighbours of the same frame."""
CELLS_LOST, TO_THE_END, CELLS = "cells lost", "to the end", " cells"
SEED = 7


def is_stress(measure: str) -> bool:
    """Whether a measure is one of this module."""
    return measure in (*NOISES, CELLS_LOST, TO_THE_END) or measure.endswith(CELLS)


def march(stepper: Callable[..., Any], problem: March, part: Trajectories, steps: int) -> dict[str, float]:
    """Relative error of the rollout from the first lags, over the horizon: after noise, after losses; and to the end of
    the trajectories (`to the end`)."""
    n = problem.lags
    draw = torch.Generator().manual_seed(SEED)
    lags = part.state[:, :n]
    about = lags - lags.mean((1, 2), keepdim=True)
    size = about.square().mean((1, 2), keepdim=True).sqrt()
    found = {}
    for name, share in NOISES.items():
        noise = share * size * torch.randn(lags.shape, generator=draw).to(lags)
        found[name] = _error(stepper, problem, part, _kept_positive(lags + noise, problem), problem.horizon, steps)
    gone = (torch.rand(lags.shape[:3], generator=draw) < LOST).to(lags.device)
    found[CELLS_LOST] = _error(stepper, problem, part, filled(lags, gone, problem.geometry), problem.horizon, steps)
    found[TO_THE_END] = _error(stepper, problem, part, lags, part.state.shape[1] - n, steps)
    return found


def finer(stepper: Callable[..., Any], fine: March, part: Trajectories, steps: int) -> dict[str, float]:
    """The same rollout on more cells, by the same weights."""
    lags = part.state[:, : fine.lags]
    return {f"{len(fine.geometry.points)}{CELLS}": _error(stepper, fine, part, lags, fine.horizon, steps)}


def code_tells(
    codes: Float[Tensor, "b code"], coefficients: Float[Tensor, "b k"], test: Float[Tensor, "t code"],
    wanted: Float[Tensor, "t k"],
) -> float:  # fmt: skip
    """Whether codes order by the true coefficients of their laws: R^2, mean over coefficients, of the best linear
    reading of them, fitted to some trajectories and asked of others. 1: they are in it; 0 or less: they are not."""
    middle, size = codes.mean(0), codes.std(0).clamp(min=1e-6)
    known, asked = ((x - middle) / size for x in (codes.double(), test.double()))
    about = coefficients.double().mean(0)
    ridge = 1e-2 * len(known) * torch.eye(known.shape[1], dtype=known.dtype, device=known.device)
    weights = torch.linalg.solve(known.T @ known + ridge, known.T @ (coefficients.double() - about))
    off = (asked @ weights + about - wanted).square().mean(0)
    return float((1 - off / (wanted.double() - wanted.double().mean(0)).square().mean(0)).mean())


def filled(
    fields: Float[Tensor, "b n point c"], gone: Float[Tensor, "b n point"], geometry: Geometry
) -> Float[Tensor, "b n point c"]:
    """Each lost cell the mean of its neighbours that are there, ring by ring. A frame that is lost whole is 0."""
    shape = geometry.shape
    if shape is None:
        raise ValueError("lost cells are filled from their neighbours on a grid: this geometry is a cloud")
    there = (~gone).to(fields)[..., None].unflatten(2, shape)
    grid = fields.unflatten(2, shape) * there
    while bool((there == 0).any()):
        near, count = torch.zeros_like(grid), torch.zeros_like(there)
        for axis in range(len(shape)):
            for side in (-1, 1):
                near = near + _shifted(grid, 2 + axis, side, geometry.periodic)
                count = count + _shifted(there, 2 + axis, side, geometry.periodic)
        empty = (there == 0) & (count > 0)
        if not bool(empty.any()):
            break
        grid = torch.where(empty, near / count.clamp(min=1), grid)
        there = torch.where(empty, torch.ones_like(there), there)
    return grid.flatten(2, 1 + len(shape))


def _shifted(x: Tensor, dim: int, side: int, periodic: bool) -> Tensor:
    moved = x.roll(side, dim)
    if periodic:
        return moved
    edge = [slice(None)] * x.dim()
    edge[dim] = slice(0, 1) if side > 0 else slice(-1, None)
    moved = moved.clone()
    moved[tuple(edge)] = 0
    return moved


def _kept_positive(lags: Float[Tensor, "b n point c"], problem: March) -> Tensor:
    """What is never below zero is not read so either: at least a thousandth of its mean."""
    lags = lags.clone()
    for channel in problem.positive:
        each = lags[..., channel]
        lags[..., channel] = torch.maximum(each, 1e-3 * each.mean((1, 2), keepdim=True))
    return lags


def _error(
    stepper: Callable[..., Any], problem: March, part: Trajectories, lags: Tensor, ahead: int, steps: int
) -> float:
    n = problem.lags
    forcing, wanted = part.forcing[:, : n + ahead], part.state[:, n : n + ahead]
    with torch.no_grad():
        found = rollout(stepper, lags, forcing, part.static, min(steps, ahead))
    errors = relative(found, wanted, problem.geometry.volume.to(found.device))
    return float(torch.nan_to_num(errors, nan=1e3, posinf=1e3).clamp(max=1e3).mean())
