"""Laws of the data of the inviscid Burgers suite: exact where a solution is known, and of the schemes beside it."""

import math

import pytest
import torch
from torch import Tensor

from operators.problem import March, Trajectories
from tests.validation.harness import contenders
from tests.validation.inviscid_burgers import case
from tests.validation.laws import one, riemann
from tests.validation.laws.line import relative


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def splits(problem: March) -> list[Trajectories]:
    return [problem.fit, problem.validation, *problem.tests.values()]


def test_shapes_and_counts(problem: March) -> None:
    size = case.SIZES["smoke"]
    assert [len(s) for s in splits(problem)] == [size.fit, size.validation, *[size.test] * 3]
    assert list(problem.tests) == ["id", "rough", "step"]
    assert problem.fit.state.shape == (size.fit, 49, 256, 1)
    assert problem.tests["id"].state.shape == (size.test, 97, 256, 1)
    assert problem.conserved
    assert not problem.in_context
    assert "flux-no" in contenders.learned(problem)


def test_the_mean_is_conserved(problem: March) -> None:
    for split in splits(problem):
        state = split.state.double()
        assert (state.mean(2) - state[:, :1].mean(2)).abs().max() < 1e-6


def test_energy_falls_and_no_extreme_grows() -> None:
    """On the cells of the scheme: means of more than one depend on where a shock stands in them."""
    for split in case.ONE.firsts:
        frames = case.solved(case.ONE.first(split, [7], 4), 49, cells=one.CELLS)[:, :, 0]
        assert (frames.square().mean(-1).diff() < 1e-5).all()
        assert (frames.amax(-1).diff() < 1e-12).all()
        assert (frames.amin(-1).diff() > -1e-12).all()


def block(height: float, time: float, cells: int = one.CELLS, samples: int = 16) -> Tensor:
    """Means of the entropy solution from `height` between 1/4 and 3/4 and 0 elsewhere, until fan and shock meet."""
    law = case.law(1)
    x = (torch.arange(samples * cells, dtype=torch.float64) + 0.5) / (samples * cells)
    fan = riemann.scalar(law, 0.0, height, (x - 0.25) / max(time, 1e-9))
    shock = riemann.scalar(law, height, 0.0, (x - 0.75) / max(time, 1e-9))
    return torch.where(x < 0.5, fan, shock).unflatten(0, (cells, samples)).mean(1)


def test_a_step_becomes_a_fan_and_a_shock() -> None:
    """The step of the source, for which the exact solution is known: fronts at 1/4 + t and 3/4 + t / 2."""
    first = ((torch.arange(one.FINEST) // (one.FINEST // 4)) % 3 > 0).double()[None, None]
    frames = case.solved(first, 97)
    for frame in (0, 48, 96):
        exact = block(1.0, frame * case.DT)
        assert (frames[0, frame, 0] - exact).abs().mean() < 1e-3
    errors = [
        (case.solved(first, 65, cells)[0, -1, 0] - block(1.0, 64 * case.DT)).abs().mean() for cells in (256, 1024)
    ]
    assert errors[1] < 0.4 * errors[0]


def test_smooth_states_follow_their_characteristics_until_they_meet() -> None:
    wave = lambda x: 0.5 + 0.4 * torch.sin(2 * math.pi * x)  # noqa: E731
    first = wave((torch.arange(one.FINEST, dtype=torch.float64) + 0.5) / one.FINEST)[None, None]
    frames = 129  # t = .2; they meet at .4
    errors = [
        relative(case.solved(first, frames, cells)[:, -1, 0], riemann.smooth(case.law(1), wave, 0.2, 256)[None])
        for cells in (256, 1024)
    ]
    assert errors[1] < 2e-5
    assert errors[1] < 0.1 * errors[0], "second order"


def test_the_reference_converges() -> None:
    measured = case.convergence()
    for split in case.ONE.firsts:
        assert measured[f"{split}, 1024 cells"] < 0.01
        assert measured[f"{split}, 1024 cells"] < 0.3 * measured[f"{split}, 256 cells"]
        assert measured[f"{split}, time step against half of it"] < 0.15 * measured[f"{split}, 1024 cells"]


def test_every_scheme_beats_persistence(problem: March) -> None:
    for split in problem.tests.values():
        lags, wanted = split.state[:, 10:15], split.state[:, 15]
        for row in case.classical(problem).values():
            found = row(lags, lags, lags)
            assert found.dtype == torch.float32
            assert relative(found, wanted) < 0.5 * relative(lags[:, -1], wanted)


def test_godunovs_scheme_conserves_and_makes_no_new_extrema() -> None:
    u = torch.randn(3, 1, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ahead = case.godunov(u)
    torch.testing.assert_close(ahead.mean(-1), u.mean(-1))
    assert (ahead.amax(-1) <= u.amax(-1) + 1e-12).all()
    assert (ahead.amin(-1) >= u.amin(-1) - 1e-12).all()


def test_splits_share_no_draw_and_a_seed_decides(problem: March) -> None:
    firsts = torch.cat([s.state[:, 0, :, 0] for s in splits(problem)])
    assert torch.pdist(firsts).min() > 1e-2
    assert torch.equal(case.problem("smoke").validation.state, problem.validation.state)
    assert not torch.equal(case.problem("smoke", seed=1).validation.state, problem.validation.state)
