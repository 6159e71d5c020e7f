"""Laws of the data of the viscous Burgers suite, and of the row that fits its two coefficients."""

import pytest
import torch

from operators.problem import March, Trajectories
from tests.validation.burgers import case
from tests.validation.laws import fitted
from tests.validation.laws.line import relative


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def splits(problem: March) -> list[Trajectories]:
    return [problem.fit, problem.validation, *problem.tests.values()]


def test_shapes_and_counts(problem: March) -> None:
    size = case.SIZES["smoke"]
    assert [len(s) for s in splits(problem)] == [size.fit, size.validation, size.test, size.test]
    assert list(problem.tests) == ["id", "step"]
    assert problem.fit.state.shape == (size.fit, 81, 100, 1)
    assert problem.fit.forcing.shape[-1] == problem.fit.static.shape[-1] == 0


def test_the_mean_is_conserved_energy_falls_and_no_extreme_grows(problem: March) -> None:
    for split in splits(problem):
        state = split.state.double()
        assert (state.mean(2) - state[:, :1].mean(2)).abs().max() < 1e-6
        assert (state.square().mean((2, 3)).diff(dim=1) < 1e-6).all()
        assert (state.amax(2).diff(dim=1) < 1e-6).all()
        assert (state.amin(2).diff(dim=1) > -1e-6).all()


def test_steps_start_within_their_heights(problem: March) -> None:
    assert problem.tests["step"].state[:, 0].abs().max() <= 1


def test_the_reference_converges() -> None:
    measured = case.convergence()
    for split in case.LINE.draws:
        assert measured[f"{split}, 400 cells"] < 1e-3
        assert measured[f"{split}, 400 cells"] < 0.12 * measured[f"{split}, 100 cells"]
        assert measured[f"{split}, time step against half of it"] < 1e-4


def test_the_fit_finds_both_coefficients() -> None:
    law, first = case.LINE.draws["id"].of([3, 0], 8)
    lags = case.LINE.trajectories(law, first, 400).state[:, :20].double().mT
    found = fitted.burgers(lags, 0.005)
    assert ((found.a - law.a) / law.a).abs().median() < 0.02
    assert ((found.nu - law.nu) / law.nu).abs().median() < 0.1


def test_the_fitted_law_beats_persistence_by_far(problem: March) -> None:
    for split in problem.tests.values():
        lags, wanted = split.state[:, 10:30], split.state[:, 30]
        for row in case.classical(problem).values():
            found = row(lags, split.forcing[:, 10:31], split.static)
            assert found.dtype == torch.float32
            assert relative(found, wanted) < 0.15 * relative(lags[:, -1], wanted)


def test_splits_share_no_draw(problem: March) -> None:
    firsts = torch.cat([s.state[:, 0, :, 0] for s in splits(problem)])
    assert torch.pdist(firsts).min() > 1e-2


def test_a_seed_decides(problem: March) -> None:
    assert torch.equal(case.problem("smoke").validation.state, problem.validation.state)
    assert not torch.equal(case.problem("smoke", seed=1).validation.state, problem.validation.state)
