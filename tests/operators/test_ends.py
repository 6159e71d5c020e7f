"""Laws of ends: what a small error of the field does to length, width and depth, and nothing else."""

import numpy as np
import pytest
import torch
from torch import Tensor

from operators.melt_pool.ends import LEAST, missed
from operators.window import WindowGrid

GRID = WindowGrid()
SOLIDUS = 0.95


def pool(long: float = 1.0, heat: float = 3.0) -> Tensor:
    """A pool with a tail, asinh(theta)."""
    x, y, z = GRID.points
    behind = np.where(x < 0, x / long, x / 0.5)
    return torch.from_numpy(np.arcsinh(heat * np.exp(-(behind**2) - 2 * y**2 - 3 * z**2))).float()


def sizes(field: Tensor) -> np.ndarray:
    return np.array(GRID.sizes(torch.sinh(field.double()).numpy(), SOLIDUS))


@pytest.mark.parametrize("share", [-0.03, -0.01, 0.01, 0.03])
def test_a_small_error_is_told_as_what_it_does_to_the_sizes(share: float) -> None:
    targets = torch.stack([pool(2.0), pool(4.0, 2.0)])
    fields = targets * (1 + share)
    told = missed(fields, targets, torch.full((2,), SOLIDUS), GRID).numpy()
    for field, target, each in zip(fields, targets, told, strict=True):
        true = sizes(target)
        assert each == pytest.approx((sizes(field) - true) / np.maximum(true, LEAST), rel=0.15, abs=1e-4)
        assert (np.sign(each) == np.sign(share)).all()


def test_a_turned_pool_is_as_long_to_either_side() -> None:
    target = pool(2.0)[None]
    field = target + 0.02 * torch.from_numpy(GRID.points[1]).float()
    one, other = (missed(a, b, torch.tensor([SOLIDUS]), GRID) for a, b in ((field, target), (field.flip(2), target)))
    assert torch.allclose(one, other, atol=1e-6)


def test_what_lies_away_from_the_ends_is_not_asked_for() -> None:
    target = pool(2.0)[None]
    field = target.clone().requires_grad_(True)
    x, y, z = GRID.points
    hot = torch.from_numpy(0.2 * np.exp(-8 * (x**2 + y**2 + z**2))).float()
    wrong = missed(field + hot, target, torch.tensor([SOLIDUS]), GRID)
    assert wrong.abs().max() < 0.01
    wrong.abs().sum().backward()
    assert field.grad is not None
    asked = field.grad[0].abs() > 0
    assert 10 <= int(asked.sum()) <= 20, "two nodes of five ends, of the truth and of the estimate"
    assert not asked[int(np.argmin(np.abs(GRID.x))), len(GRID.y) // 2, 0]


@pytest.mark.parametrize("field", [torch.zeros(GRID.shape), pool(2.0), torch.full(GRID.shape, 2.0)])
def test_where_there_is_no_end_nothing_is_missed_and_nothing_breaks(field: Tensor) -> None:
    estimate = field[None].clone().requires_grad_(True)
    cold = torch.zeros(1, *GRID.shape)
    for target in (cold, field[None]):
        wrong = missed(estimate, target, torch.tensor([SOLIDUS]), GRID)
        (slope,) = torch.autograd.grad(wrong.square().sum(), estimate)
        assert torch.isfinite(wrong).all()
        assert torch.isfinite(slope).all()
    assert (missed(cold, cold, torch.tensor([SOLIDUS]), GRID) == 0).all()


def test_a_flat_tail_counts_for_little() -> None:
    """Where the field hardly falls, an error that moves the end by a length of the pool is not told as one."""
    x = torch.from_numpy(GRID.points[0]).float()
    edge = float(np.arcsinh(SOLIDUS))
    target = (pool(2.0) + torch.where(x < 0, edge - pool(2.0) + 0.001 * (x + 6), 0.0) * (x > -12))[None]
    wrong = missed(target + 0.01, target, torch.tensor([SOLIDUS]), GRID)
    assert wrong[0, 0].abs() < 0.1
