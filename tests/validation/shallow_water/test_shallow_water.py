"""Laws of the data of the shallow water suite, and of the row that fits its three coefficients."""

import pytest
import torch

from operators.problem import March, Trajectories
from tests.validation.laws import fitted
from tests.validation.laws.line import relative
from tests.validation.shallow_water import case


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def splits(problem: March) -> list[Trajectories]:
    return [problem.fit, problem.validation, *problem.tests.values()]


def test_shapes_and_counts(problem: March) -> None:
    size = case.SIZES["smoke"]
    assert [len(s) for s in splits(problem)] == [size.fit, size.validation, size.test, size.test]
    assert list(problem.tests) == ["id", "step"]
    assert problem.fit.state.shape == (size.fit, 81, 100, 2)
    assert problem.fit.forcing.shape[-1] == problem.fit.static.shape[-1] == 0


def test_water_and_momentum_are_conserved(problem: March) -> None:
    for split in splits(problem):
        state = split.state.double()
        assert (state.mean(2) - state[:, :1].mean(2)).abs().max() < 2e-6


def test_there_is_water_everywhere(problem: March) -> None:
    for split in splits(problem):
        assert split.state[..., 0].min() > 0.1


def test_steps_start_within_their_heights(problem: March) -> None:
    height, momentum = problem.tests["step"].state[:, 0].unbind(-1)
    assert height.min() >= case.HEIGHTS[0]
    assert height.max() <= case.HEIGHTS[1]
    assert (momentum / height).abs().max() <= 1


def test_every_law_is_hyperbolic_wherever_there_is_water() -> None:
    law, _ = case.LINE.draws["id"].of([0, 1], 500)
    assert (law.alpha >= law.gamma).all()
    assert law.gamma.min() >= case.ALPHA_GAMMA[0]
    assert law.alpha.max() <= case.ALPHA_GAMMA[1]
    assert law.beta.min() >= case.BETA[0]


def test_energy_falls_where_the_law_is_that_of_water() -> None:
    """With alpha = gamma = 1, m^2 / 2h + beta h^2 / 2 is an entropy."""
    law, first = case.LINE.draws["step"].of([5, 0], 6)
    law = type(law)(torch.ones_like(law.gamma), torch.ones_like(law.alpha), law.beta)
    h, m = case.LINE.trajectories(law, first, 100).state.double().unbind(-1)
    energy = (m * m / h + law.beta[:, None, None] * h * h).mean(-1) / 2
    assert (energy.diff(dim=1) < 1e-5).all()


def test_the_reference_converges() -> None:
    measured = case.convergence()
    for split, most in (("id", 5e-3), ("step", 0.02)):
        assert measured[f"{split}, 400 cells"] < most
        assert measured[f"{split}, 400 cells"] < 0.3 * measured[f"{split}, 100 cells"]
        assert measured[f"{split}, time step against half of it"] < 0.15 * measured[f"{split}, 400 cells"]


def test_the_fit_finds_the_three_coefficients() -> None:
    law, first = case.LINE.draws["id"].of([3, 0], 8)
    lags = case.LINE.trajectories(law, first, 200).state[:, :20].double().mT
    found = fitted.shallow_water(lags, 0.005)
    for name in ("gamma", "alpha", "beta"):
        assert (getattr(found, name) / getattr(law, name) - 1).abs().median() < 0.05


def test_the_fitted_law_beats_persistence_by_far(problem: March) -> None:
    for split in problem.tests.values():
        lags, wanted = split.state[:, 10:30], split.state[:, 30]
        for row in case.classical(problem).values():
            found = row(lags, split.forcing[:, 10:31], split.static)
            assert found.dtype == torch.float32
            assert relative(found, wanted) < 0.15 * relative(lags[:, -1], wanted)


def test_splits_share_no_draw(problem: March) -> None:
    firsts = torch.cat([s.state[:, 0].flatten(1) for s in splits(problem)])
    assert torch.pdist(firsts).min() > 1e-2


def test_a_seed_decides(problem: March) -> None:
    assert torch.equal(case.problem("smoke").validation.state, problem.validation.state)
    assert not torch.equal(case.problem("smoke", seed=1).validation.state, problem.validation.state)
