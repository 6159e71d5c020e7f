"""Laws of this suite; those of its solver are in navier_stokes_30."""

from dataclasses import replace

import pytest
import torch

from operators.problem import March
from tests.validation.navier_stokes_30.flow import Draw, Size, relative
from tests.validation.navier_stokes_64 import case


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def test_the_reference_converges() -> None:
    measured = case.convergence()
    assert measured["order in time"] == pytest.approx(4, abs=0.2)
    assert measured["time step against half of it"] < 1e-5
    assert measured["inner grid against 1.5 times as fine"] < 5e-3


def test_shapes_and_counts(problem: March) -> None:
    size = case.SIZES["smoke"]
    splits = (problem.fit, problem.validation, problem.tests["id"], problem.tests["ood"])
    assert [len(s) for s in splits] == [size.fit, size.validation, size.test, size.test]
    assert problem.fit.state.shape == problem.fit.forcing.shape == (size.fit, 30, 4096, 1)
    assert problem.fit.state.mean(2).abs().max() < 1e-6
    assert problem.tests["ood"].forcing.std() > 1.3 * problem.tests["id"].forcing.std()


def test_persistence_is_worth_beating(problem: March) -> None:
    state = problem.fit.state
    steps = (state[:, 5:] - state[:, 4:-1]).norm(dim=2) / state[:, 5:].norm(dim=2)
    assert 0.05 < steps.mean() < 0.2


def test_the_flow_has_finer_scales_than_that_on_30(problem: March) -> None:
    """Modes that a grid of 30 cannot carry count here."""
    last = torch.fft.rfft2(problem.fit.state[:, -1, :, 0].unflatten(-1, (64, 64)).double(), norm="forward").abs() ** 2
    coarse = last[:, torch.fft.fftfreq(64, 1 / 64).abs() < 15][..., :15]
    assert (1 - coarse.sum() / last.sum()).sqrt() > 1e-3


def test_the_classical_row_is_the_reference_and_needs_the_forcing(problem: March) -> None:
    trajectories = problem.tests["id"]
    lags, forcing, wanted = trajectories.state[:, 8:13], trajectories.forcing[:, 8:14], trajectories.state[:, 13]
    for row in case.classical(problem).values():
        got = row(lags, forcing, trajectories.static)
        assert relative(got, wanted) < 1e-4 < 0.1 * relative(lags[:, -1], wanted)
        assert relative(row(lags, 0 * forcing, trajectories.static), wanted) > 100 * relative(got, wanted)


def test_splits_share_no_draw_and_a_seed_decides(problem: March) -> None:
    firsts = torch.cat([s.state[:, 0, :, 0] for s in (problem.fit, problem.validation, *problem.tests.values())])
    assert torch.pdist(torch.nn.functional.normalize(firsts)).min() > 0.05
    few = replace(case.FLOW, sizes={"few": Size(1, 1, 1, cells=24)})
    draw, other = (Draw.of(1, 64, [seed, 0]) for seed in (1, 0))
    assert torch.equal(few.problem("few", seed=1).fit.state, few.trajectories(draw, 24).state)
    assert relative(draw.first, other.first) > 0.1
