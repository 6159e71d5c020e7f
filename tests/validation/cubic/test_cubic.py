"""Laws of the data of the cubic suite, and of the row that fits the flux."""

import pytest
import torch

from operators.problem import March, Trajectories
from tests.validation.cubic import case
from tests.validation.laws import draws
from tests.validation.laws.law import Cubic, Sine
from tests.validation.laws.line import relative


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def splits(problem: March) -> list[Trajectories]:
    return [problem.fit, problem.validation, *problem.tests.values()]


def test_shapes_and_counts(problem: March) -> None:
    size = case.SIZES["smoke"]
    assert [len(s) for s in splits(problem)] == [size.fit, size.validation, *[size.test] * 4]
    assert list(problem.tests) == ["id", "step", "sine", "sine_step"]
    assert problem.fit.state.shape == (size.fit, 81, 100, 1)
    assert problem.fit.forcing.shape[-1] == problem.fit.static.shape[-1] == 0
    assert (problem.lags, problem.horizon, problem.dt) == (20, 20, 0.005)


def test_the_mean_is_conserved_and_no_extreme_grows(problem: March) -> None:
    for split in splits(problem):
        state = split.state.double()
        assert (state.mean(2) - state[:, :1].mean(2)).abs().max() < 1e-6
        assert (state.amax(2).diff(dim=1) < 1e-6).all()
        assert (state.amin(2).diff(dim=1) > -1e-6).all()


def test_steps_stay_within_their_heights(problem: March) -> None:
    for name in ("step", "sine_step"):
        assert problem.tests[name].state.abs().max() <= 1
        jumps = problem.tests[name].state[:, 0].diff(dim=1).abs() > 1e-6
        assert jumps.sum(1).max() <= draws.PIECES[1]


def test_coefficients_are_in_their_ranges() -> None:
    for draw, kind, count in (("id", Cubic, 3), ("step", Cubic, 3), ("sine", Sine, 2), ("sine_step", Sine, 2)):
        law, _ = case.LINE.draws[draw].of([0, 1], 50)
        coefficients = torch.stack(list(vars(law).values()))
        assert isinstance(law, kind)
        assert len(coefficients) == count
        assert coefficients.abs().max() <= 1
        assert coefficients.std() > 0.4


def test_the_reference_converges() -> None:
    measured = case.convergence()
    for split in case.LINE.draws:
        assert measured[f"{split}, 400 cells"] < 0.01
        assert measured[f"{split}, 400 cells"] < 0.35 * measured[f"{split}, 100 cells"]
        assert measured[f"{split}, time step against half of it"] < 0.1 * measured[f"{split}, 400 cells"] + 1e-5


def test_the_fitted_flux_beats_persistence_by_far(problem: March) -> None:
    for split in problem.tests.values():
        lags, wanted = split.state[:, 10:30], split.state[:, 30]
        for row in case.classical(problem).values():
            found = row(lags, split.forcing[:, 10:31], split.static)
            assert found.dtype == torch.float32
            assert relative(found, wanted) < 0.3 * relative(lags[:, -1], wanted)


def test_splits_share_no_draw(problem: March) -> None:
    firsts = torch.cat([s.state[:, 0, :, 0] for s in splits(problem)])
    assert torch.pdist(firsts).min() > 1e-2


def test_a_seed_decides(problem: March) -> None:
    assert torch.equal(case.problem("smoke").validation.state, problem.validation.state)
    assert not torch.equal(case.problem("smoke", seed=1).validation.state, problem.validation.state)
