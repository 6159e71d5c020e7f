"""Laws of the shift and of its kernel, and of the suite."""

import math

import pytest
import torch

from operators.problem import Map
from tests.validation.transport import case
from tests.validation.transport.case import relative


@pytest.fixture(scope="module")
def problem() -> Map:
    return case.problem("smoke")


def test_a_wave_arrives_at_its_place() -> None:
    x = (torch.arange(256).double() + 0.5) / 256
    wave = lambda x: torch.exp(torch.sin(2 * math.pi * x))  # noqa: E731
    torch.testing.assert_close(case.shifted(wave(x), torch.tensor([0.3])), wave(x - 0.3))


def test_shifts_add_and_keep_the_norm() -> None:
    u = case.samples(3, [4]).given[..., 0].double()
    s, t = torch.tensor([0.37]).double(), torch.tensor([0.81]).double()
    twice = case.shifted(case.shifted(u, s), t)
    torch.testing.assert_close(twice, case.shifted(u, s + t))
    torch.testing.assert_close(twice.norm(dim=1), u.norm(dim=1))
    torch.testing.assert_close(case.shifted(u, torch.ones(1)), u)


def test_the_classical_row_is_exact(problem: Map) -> None:
    test = problem.tests["id"]
    got = case.classical(problem)["spectral shift"](test.given, problem.geometry.points.expand(len(test), -1, -1))
    assert got.shape == test.wanted.shape
    assert relative(got, test.wanted) < 1e-5
    assert relative(test.given[..., :1], test.wanted) > 1


def test_the_kernel_is_the_map(problem: Map) -> None:
    given, wanted = problem.fit.given[0].double(), problem.fit.wanted[0, :, 0].double()
    assert relative(case.kernel(float(given[0, 1])) @ given[:, 0], wanted) < 1e-5


def test_singular_values_are_flat_to_rank_48_and_then_nothing() -> None:
    values = case.singular_values()
    assert values.shape == (256,)
    torch.testing.assert_close(values[:48], torch.ones(48).double())
    assert values[48:].max() < 1e-12


@pytest.mark.parametrize("rank", [12, 24, 36])
def test_a_bottleneck_of_m_loses_what_it_must(rank: int) -> None:
    """The best kernel of rank M, its shift known, errs by sqrt(1 - M/48) on white fields."""
    fields = case.samples(1000, [6]).given[..., 0].double()
    kernel = case.kernel(0.3)
    u, s, v = torch.linalg.svd(kernel)
    best = u[:, :rank] * s[:rank] @ v[:rank]
    assert relative(fields @ best.T, fields @ kernel.T) == pytest.approx(math.sqrt(1 - rank / 48), abs=0.015)


def test_fields_are_white_in_their_band_and_shifts_uniform() -> None:
    made = case.samples(2000, [7])
    power = torch.fft.rfft(made.given[..., 0].double(), norm="forward").abs().pow(2).mean(0)
    torch.testing.assert_close(power[1:25], torch.full((24,), 1 / 48).double(), rtol=0.15, atol=0)
    assert power[0] < 1e-12
    assert power[25:].max() < 1e-12
    shift = made.given[:, 0, 1]
    assert torch.equal(made.given[..., 1], shift[:, None].expand(-1, 256))
    assert 0 <= shift.min() < 0.01 < 0.99 < shift.max() <= 1
    assert shift.mean() == pytest.approx(0.5, abs=0.02)


def test_nothing_is_left_to_refine() -> None:
    assert max(case.convergence().values()) < 1e-12


def test_counts_seed_and_splits(problem: Map) -> None:
    again, other = case.problem("smoke"), case.problem("smoke", seed=1)
    assert torch.equal(again.fit.given, problem.fit.given)
    assert torch.equal(again.tests["id"].wanted, problem.tests["id"].wanted)
    splits = [s for p in (problem, other) for s in (p.fit, p.validation, *p.tests.values())]
    assert [len(s) for s in splits[:3]] == [100, 20, 20]
    shifts = torch.cat([s.given[:, 0, 1] for s in splits])
    assert len(shifts.unique()) == len(shifts)
    fields = torch.nn.functional.normalize(torch.cat([s.given[..., 0] for s in splits]))
    assert torch.pdist(fields).min() > 0.1
