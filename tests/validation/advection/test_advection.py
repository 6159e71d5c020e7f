"""Laws of the data of the advection suite, and of the schemes beside it."""

import numpy as np
import pytest
import torch

from operators.problem import March, Trajectories
from tests.validation.advection import case
from tests.validation.harness import contenders
from tests.validation.laws import muscl, one
from tests.validation.laws.line import relative


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def splits(problem: March) -> list[Trajectories]:
    return [problem.fit, problem.validation, *problem.tests.values()]


def test_shapes_and_counts(problem: March) -> None:
    size = case.SIZES["smoke"]
    assert [len(s) for s in splits(problem)] == [size.fit, size.validation, *[size.test] * 4]
    assert list(problem.tests) == ["id", "rough", "triangle", "step"]
    assert problem.fit.state.shape == (size.fit, 65, 256, 1)
    assert problem.tests["id"].state.shape == (size.test, 289, 256, 1)
    assert problem.fit.forcing.shape[-1] == problem.fit.static.shape[-1] == 0
    assert problem.conserved
    assert not problem.in_context


def test_after_a_turn_every_state_is_back(problem: March) -> None:
    state = problem.tests["id"].state
    assert torch.equal(state[:, 256:], state[:, :33])
    assert torch.equal(state[:, 1, 1:], state[:, 0, :-1])


def test_a_triangle_and_a_step_are_what_they_are_called(problem: March) -> None:
    step, triangle = (problem.tests[name].state[:, 0, :, 0] for name in ("step", "triangle"))
    level = (step > 0) & (step < step.amax(1, keepdim=True))
    assert level.sum(1).max() <= 2, "cells in which it jumps"
    assert (triangle.amin(1) == 0).all()
    kinks = (triangle.roll(1, 1) - 2 * triangle + triangle.roll(-1, 1)).abs() > 1e-4
    assert (kinks.sum(1) <= 9).all()
    for field in (step, triangle):
        assert one.HEIGHTS[0] - 0.05 < field.amax() <= one.HEIGHTS[1]


def test_random_fields_have_their_covariance() -> None:
    for draw, length in ((one.smooth, one.LENGTH), (one.rough, one.ROUGH)):
        fields = draw(np.random.default_rng(0), 600)[:, 0]
        apart = one.FINEST // 50  # .02 of the line
        found = (fields * fields.roll(apart, -1)).mean()
        distance = torch.tensor(apart / one.FINEST)
        assert found == pytest.approx(float(torch.exp(-((distance / length) ** 2))), abs=0.04)


def test_upwind_is_exact_at_courant_number_1_and_muscl_is_better_than_it_at_a_half(problem: March) -> None:
    split = problem.tests["id"]
    lags, wanted = split.state[:, 10:15], split.state[:, 15]
    exact, half, limited = (relative(row(lags, lags, lags), wanted) for row in case.classical(problem).values())
    assert exact == 0
    assert 0 < limited < half < relative(lags[:, -1], wanted)


def test_the_scheme_converges_to_the_turned_state() -> None:
    measured = list(case.convergence().values())
    assert measured[0] < 0.03
    assert measured[1] < 0.4 * measured[0]
    assert measured[2] < 0.4 * measured[1]


def test_the_law_is_the_shift() -> None:
    first = case.ONE.first("id", [3], 2)
    ahead = muscl.coarsen(muscl.run(case.law(2), muscl.coarsen(first, 1024), case.DT, 9), 256)
    assert relative(ahead, case.shifted(first, 9)) < 1e-3


def test_the_far_error_is_of_trajectories_that_go_on(problem: March) -> None:
    errors = [case.extra(contenders.persistence, problem, part) for part in problem.tests.values()]
    assert errors[0]["far"] > 0.5
    assert errors[1:] == [{}, {}, {}]


def test_a_learned_flux_stands_beside_what_other_marches_have(problem: March) -> None:
    there = set(contenders.learned(problem))
    assert {"flux-no", "hfluxno-viscous", "fitted-flux-no", "asno", "lrsa", "unet", "fno", "deeponet"} <= there
    assert not {"dpot", "disco", "icon"} & there


def test_splits_share_no_draw_and_a_seed_decides(problem: March) -> None:
    firsts = torch.cat([s.state[:, 0, :, 0] for s in splits(problem)])
    assert torch.pdist(firsts).min() > 1e-2
    assert torch.equal(case.problem("smoke").validation.state, problem.validation.state)
    assert not torch.equal(case.problem("smoke", seed=1).validation.state, problem.validation.state)
