"""Laws of the vorticity solver against mathematics, and of the suite that it makes."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from operators.problem import March
from tests.validation.navier_stokes_30 import case
from tests.validation.navier_stokes_30.flow import Draw, Size, relative
from tests.validation.navier_stokes_30.solver import Vorticity, field_of, modes, spectrum_of


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def centres(cells: int) -> tuple[Tensor, Tensor]:
    x = 2 * math.pi * (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    return x[:, None], x[None]


def rough(cells: int, count: int = 1) -> Tensor:
    """Spectra of a vorticity of order one."""
    return 5 * spectrum_of(field_of(Draw.of(count, cells, [9]).first, cells), cells)


def test_a_field_is_sampled_at_cell_centres_whatever_the_grid() -> None:
    def wave(cells: int) -> Tensor:
        x, y = centres(cells)
        return torch.sin(2 * x - 3 * y) + 0.3 * torch.cos(y) + 0.1

    torch.testing.assert_close(field_of(spectrum_of(wave(20), 48), 31), wave(31))


def test_advection_is_velocity_times_gradient() -> None:
    """The plain form on a grid where no product aliases."""
    cells, fine = 24, 72
    w = rough(cells)
    stepper = Vorticity(cells, 0.0)
    w = w * stepper.kept
    kx, ky = (2 * math.pi * k for k in modes(cells))
    square = (kx**2 + ky**2).clamp(min=1.0)
    u, v, w_x, w_y = (field_of(w * f, fine) for f in (1j * ky / square, -1j * kx / square, 1j * kx, 1j * ky))
    wanted = spectrum_of(-(u * w_x + v * w_y), cells) * stepper.kept
    torch.testing.assert_close(stepper.advection(w), wanted)


def test_a_forced_shear_follows_its_exact_solution() -> None:
    """w = a(t) sin(x + y) advects itself nowhere: a' = -8 pi^2 nu a + cos(3t)."""
    x, y = centres(16)
    form, nu, span = spectrum_of(torch.sin(x + y)[None], 24), 0.01, 2.0
    got = Vorticity(24, nu).advance(0.7 * form, span, 40, lambda time: math.cos(3 * time) * form)
    rate = 8 * math.pi**2 * nu
    settled = lambda t: (rate * math.cos(3 * t) + 3 * math.sin(3 * t)) / (rate**2 + 9)  # noqa: E731
    wanted = settled(span) + (0.7 - settled(0)) * math.exp(-rate * span)
    torch.testing.assert_close(field_of(got, 16), wanted * field_of(form, 16), rtol=1e-6, atol=1e-6)


def test_without_viscosity_energy_and_enstrophy_stay() -> None:
    stepper = Vorticity(32, 0.0)
    before = rough(32) * stepper.kept
    after = stepper.advance(before, 1.0, 40)
    assert relative(after, before) > 0.2
    doubled = torch.full((17,), 2.0, dtype=torch.float64)
    doubled[[0, -1]] = 1.0  # each other mode stands for its conjugate too
    energy = lambda w: (stepper.to_velocity.abs().pow(2).sum(0) * w.abs() ** 2 * doubled).sum()  # noqa: E731
    enstrophy = lambda w: (w.abs() ** 2 * doubled).sum()  # noqa: E731
    torch.testing.assert_close(energy(after), energy(before), rtol=1e-6, atol=0)
    torch.testing.assert_close(enstrophy(after), enstrophy(before), rtol=1e-6, atol=0)


def test_the_reference_converges() -> None:
    measured = case.convergence()
    assert measured["order in time"] == pytest.approx(4, abs=0.2)
    assert measured["time step against half of it"] < 1e-6
    assert measured["inner grid against 1.5 times as fine"] < 1e-6


def test_shapes_and_counts(problem: March) -> None:
    size = case.SIZES["smoke"]
    splits = (problem.fit, problem.validation, problem.tests["id"], problem.tests["ood"])
    assert [len(s) for s in splits] == [size.fit, size.validation, size.test, size.test]
    assert problem.fit.state.shape == problem.fit.forcing.shape == (size.fit, 30, 900, 1)
    assert problem.lags + problem.horizon <= 30
    assert {s.state.dtype for s in splits} == {torch.float32}


def test_the_mean_vorticity_stays_zero(problem: March) -> None:
    assert problem.fit.state.mean(2).abs().max() < 1e-6


def test_persistence_is_worth_beating(problem: March) -> None:
    state = problem.fit.state
    steps = (state[:, 5:] - state[:, 4:-1]).norm(dim=2) / state[:, 5:].norm(dim=2)
    assert 0.05 < steps.mean() < 0.2


def test_out_of_distribution_is_pushed_twice_as_hard(problem: March) -> None:
    usual, hard = (Draw.of(50, 16, [1, 2], amplitude=a).amplitude for a in (1.0, 2.0))
    torch.testing.assert_close(hard, 2 * usual)
    assert problem.tests["ood"].forcing.std() > 1.3 * problem.tests["id"].forcing.std()


def test_the_classical_row_is_the_reference_and_needs_the_forcing(problem: March) -> None:
    for trajectories in problem.tests.values():
        lags, forcing = trajectories.state[:, 8:13], trajectories.forcing[:, 8:14]
        wanted = trajectories.state[:, 13]
        for row in case.classical(problem).values():
            got = row(lags, forcing, trajectories.static)
            assert got.dtype == torch.float32
            assert relative(got, wanted) < 5e-3 < 0.1 * relative(lags[:, -1], wanted)
            assert relative(row(lags, 0 * forcing, trajectories.static), wanted) > 5 * relative(got, wanted)


def test_splits_share_no_draw(problem: March) -> None:
    splits = (problem.fit, problem.validation, *problem.tests.values())
    firsts = torch.cat([s.state[:, 0, :, 0] for s in splits])
    assert torch.pdist(torch.nn.functional.normalize(firsts)).min() > 0.05


def test_a_seed_decides() -> None:
    few = replace(case.FLOW, sizes={"few": Size(1, 1, 1, cells=24)})
    draw, other = (Draw.of(1, 30, [seed, 0]) for seed in (1, 0))
    assert torch.equal(few.problem("few", seed=1).fit.state, few.trajectories(draw, 24).state)
    assert relative(draw.first, other.first) > 0.1
