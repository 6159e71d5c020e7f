"""Laws of the suite `radial`: the operator is the one told of, rows find it, the attention operator is as it says."""

import numpy as np
import pytest
import torch

from tests.validation.radial import case
from tests.validation.radial.case import RadialTask
from tests.validation.radial.nao import Nao, score, train


@pytest.fixture(scope="module")
def task() -> RadialTask:
    return case.problem("smoke")


def test_the_operator_takes_constants_to_nothing_and_is_symmetric() -> None:
    for k in (*case.SEEN, *case.UNSEEN):
        matrix = case.matrix(k)
        np.testing.assert_allclose(matrix.sum(1), 0, atol=1e-15)
        np.testing.assert_allclose(matrix, matrix.T, atol=0)


def test_the_matrix_is_the_integral() -> None:
    """For u(y) = y and x at the middle of a cell, by Gauss-Legendre on either side of x."""
    node, weight = np.polynomial.legendre.leggauss(40)
    x = (np.arange(case.POINTS) + 0.5) / case.POINTS
    found = case.matrix(3) @ x
    for i in (0, 31, 79):
        expected = 0.0
        for low, high in ((0, x[i]), (x[i], 1)):
            y = low + (high - low) * (node + 1) / 2
            expected += (case.gamma(np.abs(x[i] - y), 3) * (y - x[i])) @ weight * (high - low) / 2
        assert found[i] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_the_midpoint_rule_is_of_second_order() -> None:
    coarse, middle, fine = case.convergence().values()
    assert coarse / middle == pytest.approx(9, rel=0.05)
    assert middle / fine == pytest.approx(9, rel=0.05)
    assert coarse < 1e-3


def test_pairs_obey_the_kernel_but_for_the_noise(task: RadialTask) -> None:
    for split in (task.fit, task.validation, *task.tests.values()):
        assert case.field_error(split.kernel, split).max() < 1e-5
        exact = split.u @ split.kernel.mT
        share = (split.f - exact).norm(dim=(1, 2)) / exact.norm(dim=(1, 2))
        torch.testing.assert_close(share, torch.full_like(share, case.NOISE), rtol=0.1, atol=0)


def test_the_unseen_kernel_is_unseen_and_splits_share_no_field(task: RadialTask) -> None:
    assert set(task.fit.number.tolist()) == set(task.tests["id"].number.tolist()) == set(case.SEEN)
    assert set(task.tests["ood"].number.tolist()) == set(case.UNSEEN)
    splits = (task.fit, task.validation, *task.tests.values())
    first = torch.cat([torch.cat([s.u[..., 0].flatten(), s.new_u[..., 0].flatten()]) for s in splits])
    assert len(first.unique()) > 0.999 * len(first)


def test_a_task_is_determined_by_its_seed(task: RadialTask) -> None:
    torch.testing.assert_close(case.problem("smoke").fit.f, task.fit.f, rtol=0, atol=0)
    assert (case.problem("smoke", 1).fit.f - task.fit.f).abs().max() > 0.01


def test_classical_rows_stand_in_their_order(task: RadialTask) -> None:
    """What knows that the kernel is radial beats what does not, and both beat what does not read the context."""
    for split in task.tests.values():
        few = slice(None, None, 3)
        found = {name: row(split.u[few], split.f[few]) for name, row in case.classical(task).items()}
        kernel = {name: float(case.kernel_error(k, split.kernel[few]).mean()) for name, k in found.items()}
        assert kernel["radial"] < 0.1 < kernel["mean"]
        out = {
            name: float((split.new_u[few] @ k.mT - split.new_f[few]).norm() / split.new_f[few].norm())
            for name, k in found.items()
        }
        assert out["radial"] < 0.01
        assert out["radial"] < out["full"] < out["mean"]


def test_without_noise_the_radial_row_finds_the_kernel(task: RadialTask) -> None:
    split = task.tests["ood"]
    exact = split.u[0].double() @ split.kernel[0].double().mT
    found = case.radial(split.u[0].double(), exact).float()
    assert case.kernel_error(found[None], split.kernel[:1]) < 0.02


def test_the_attention_operator_scales_with_its_context_and_ignores_constants(task: RadialTask) -> None:
    torch.manual_seed(0)
    model = Nao(case.POINTS, case.PAIRS, 8)
    u, f = task.fit.u[:3], task.fit.f[:3]
    kernel = model.kernel(u, f)
    torch.testing.assert_close(model.kernel(2 * u, 6 * f), 3 * kernel, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        model(u, f, torch.ones(3, 1, case.POINTS)), torch.zeros(3, 1, case.POINTS), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(model.kernel(u[1:2], f[1:2]), kernel[1:2], rtol=1e-4, atol=1e-6)


def test_the_context_sets_the_kernel(task: RadialTask) -> None:
    torch.manual_seed(0)
    model = Nao(case.POINTS, case.PAIRS, 8)
    u, f = task.fit.u[:1], task.fit.f[:1]
    assert (model.kernel(u, f.flip(1)) - model.kernel(u, f)).abs().max() > 1e-4


def test_training_lowers_the_error_of_what_a_kernel_does(task: RadialTask) -> None:
    torch.manual_seed(0)
    before = score(Nao(case.POINTS, case.PAIRS, 20), task.validation)
    assert score(train(task, 4.0, width=20).learner.model, task.validation) < 0.8 * before
