"""Laws of the Lorenz suite."""

import torch

from tests.validation.lorenz import case


def test_the_solver_is_of_fourth_order() -> None:
    found = case.convergence()
    assert 3.7 < found["order"] < 4.3
    assert found["error at 10"] < 1e-4


def test_without_forcing_the_volume_shrinks_as_it_must() -> None:
    """div of the flow is -(10 + 1 + 8/3): the determinant of the step's Jacobian is exp of that over dt."""
    state = torch.tensor([[1.0, 2.0, 20.0]], dtype=torch.float64)

    def step(s: torch.Tensor) -> torch.Tensor:
        return case.solve(s, lambda time: torch.zeros(1, 3, dtype=torch.float64), 0.0, 1)[:, -1].sum(0)

    jacobian = torch.autograd.functional.jacobian(step, state)[:, 0]
    torch.testing.assert_close(
        torch.linalg.det(jacobian).log(), torch.tensor(-(11 + 8 / 3) * case.DT).double(), rtol=1e-5, atol=0
    )


def test_splits_share_no_draw_and_a_seed_gives_one_problem() -> None:
    a, b, c = (case.problem("smoke", seed) for seed in (0, 0, 1))
    assert torch.equal(a.fit.state, b.fit.state)
    assert not torch.equal(a.fit.state, c.fit.state)
    forces = torch.cat([part.forcing[:, 0, :, 0] for part in (a.fit, a.validation, a.tests["id"], c.fit)])
    assert len(torch.unique(forces, dim=0)) == len(forces)


def test_the_classical_row_is_the_solver_but_for_a_straight_forcing() -> None:
    problem = case.problem("smoke")
    part, n = problem.tests["id"], case.LAGS
    found = case.classical(problem)["runge-kutta"](part.state[:, :n], part.forcing[:, : n + 1], part.static)
    off = (found - part.state[:, n]).norm() / part.state[:, n].norm()
    assert off < 1e-3
    assert (part.state[:, n - 1] - part.state[:, n]).norm() / part.state[:, n].norm() > 50 * off


def test_valid_time_and_statistics() -> None:
    truth = case.problem("smoke").tests["id"].state
    assert (case.valid_time(truth[:, :50], truth[:, :50]) == 50 * case.DT).all()
    assert (case.valid_time(truth[:, :50] + 100, truth[:, :50]) == 0).all()
    assert case.statistics(truth[:2], truth[2:]) < 0.3
    assert case.statistics(torch.zeros_like(truth), truth) > 0.5
