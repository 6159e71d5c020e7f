"""Laws of the plane: its solver against the line's and against exact waves; of its data, its fit and who reads them."""

import math

import pytest
import torch
from torch import Tensor, nn

from operators.problem import March, Trajectories
from tests.validation.cubic_2d import case
from tests.validation.harness import contenders
from tests.validation.laws import fitted, muscl, riemann
from tests.validation.laws.law import Cubic, Plane
from tests.validation.laws.line import relative


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def splits(problem: March) -> list[Trajectories]:
    return [problem.fit, problem.validation, *problem.tests.values()]


def cubic(*coefficients: float, count: int = 1) -> Cubic:
    return Cubic(*(torch.full((count,), c, dtype=torch.float64) for c in coefficients))


F, G, NONE = cubic(0.7, -0.4, 0.9), cubic(-0.9, 0.5, 0.3), cubic(0.0, 0.0, 0.0)


def wave(x: Tensor) -> Tensor:
    return 0.3 + 0.5 * torch.sin(2 * math.pi * x)


def jump(x: Tensor) -> Tensor:
    return torch.where((x > 0.25) & (x < 0.7), 0.9, -0.6).double()


@pytest.mark.parametrize("first", [wave, jump])
def test_what_depends_on_one_coordinate_goes_as_on_the_line(first: object) -> None:
    line = first((torch.arange(64, dtype=torch.float64) + 0.5) / 64)
    ahead = muscl.run(F, line[None, None], 0.05, 5)[:, :, 0]
    along_x = muscl.run(Plane(F, NONE), line[None, :, None].expand(-1, -1, 8).contiguous(), 0.05, 5)
    torch.testing.assert_close(along_x, ahead[..., None].expand(-1, -1, -1, 8))
    along_y = muscl.run(Plane(NONE, F), line[None, None].expand(-1, 8, -1).contiguous(), 0.05, 5)
    torch.testing.assert_close(along_y, ahead[:, :, None].expand(-1, -1, 8, -1))


def diagonal(law: Cubic, time: float, cells: int) -> Tensor:
    """Means over square cells of the wave w(x + y), w_t + 2 f(w)_s = 0, by characteristics on 8 times as many."""
    twice = Cubic(2 * law.a, 2 * law.b, 2 * law.c)
    line = riemann.smooth(twice, wave, time, 8 * cells)
    place = torch.arange(8 * cells)[:, None] + torch.arange(8 * cells)
    fine = (line[place % len(line)] + line[(place + 1) % len(line)]) / 2
    return case.coarsen(fine[None], cells)


def test_along_the_diagonal_the_solver_is_of_second_order() -> None:
    law, time = cubic(0.3, -0.2, 0.5), 0.06

    def error(cells: int) -> float:
        ahead = muscl.run(Plane(law, law), diagonal(law, 0.0, cells), time, 2)[:, 1]
        return float((ahead - diagonal(law, time, cells)).abs().mean())

    assert math.log2(error(32) / error(128)) / 2 == pytest.approx(2, abs=0.25)
    assert error(128) < 3e-4


def test_smooth_states_converge_at_second_order() -> None:
    x, y = torch.meshgrid(*[(torch.arange(256, dtype=torch.float64) + 0.5) / 256] * 2, indexing="ij")
    first = 0.4 * torch.sin(2 * math.pi * x) + 0.3 * torch.cos(2 * math.pi * (x - y))[None]
    law = Plane(F, G)
    finest = muscl.run(law, first, 0.04, 2)[:, 1]
    errors = [
        (muscl.run(law, case.coarsen(first, n), 0.04, 2)[:, 1] - case.coarsen(finest, n)).abs().mean() for n in (16, 64)
    ]
    assert math.log2(errors[0] / errors[1]) / 2 == pytest.approx(2, abs=0.3)


def test_a_plane_turned_over_is_the_plane_of_the_other_law() -> None:
    first = case.coarsen(case.drawn("id", [5], 1)[1], 32)
    ahead = muscl.run(Plane(F, G), first, 0.01, 6)
    torch.testing.assert_close(muscl.run(Plane(G, F), first.mT.contiguous(), 0.01, 6).mT, ahead)


def test_shapes_counts_and_ranges(problem: March) -> None:
    size = case.SIZES["smoke"]
    assert [len(s) for s in splits(problem)] == [size.fit, size.validation, size.test, size.test]
    assert list(problem.tests) == ["id", "step"]
    assert problem.fit.state.shape == (size.fit, 61, 1024, 1)
    assert problem.fit.forcing.shape[-1] == problem.fit.static.shape[-1] == 0
    assert problem.in_context
    assert problem.conserved
    law, first = case.drawn("step", [0, 1], 20)
    assert max(c.abs().max() for one in (law.f, law.g) for c in vars(one).values()) <= 1
    assert first.abs().max() <= 1
    assert all(len(each.unique()) == 4 for each in first)
    smooth = case.drawn("id", [0, 1], 300)[1]
    assert smooth.square().mean() == pytest.approx(case.SPREAD**2, rel=0.15)


def test_the_mean_is_conserved_and_no_extreme_grows(problem: March) -> None:
    """Made on the cells of the data, of which each is one."""
    for split in splits(problem):
        state = split.state.double()
        assert (state.mean(2) - state[:, :1].mean(2)).abs().max() < 1e-6
        assert (state.amax(2).diff(dim=1) < 1e-6).all()
        assert (state.amin(2).diff(dim=1) > -1e-6).all()


def test_the_reference_converges() -> None:
    measured = case.convergence()
    for split, most in (("id", 0.01), ("step", 0.03)):
        assert measured[f"{split}, 64 x 64 cells"] < most
        assert measured[f"{split}, 64 x 64 cells"] < 0.45 * measured[f"{split}, 32 x 32 cells"]
        assert measured[f"{split}, time step against half of it"] < 0.05 * measured[f"{split}, 64 x 64 cells"]


def test_the_fit_finds_both_cubics() -> None:
    law, first = case.drawn("id", [3], 4)
    found = fitted.cubics(case.means(law, first, 64, 20), case.DT)
    for name in "fg":
        for coefficient in "abc":
            off = getattr(getattr(found, name), coefficient) - getattr(getattr(law, name), coefficient)
            assert off.abs().median() < 0.05


def test_the_fitted_fluxes_beat_persistence_by_far(problem: March) -> None:
    for split in problem.tests.values():
        lags, wanted = split.state[:, 10:30], split.state[:, 30]
        for row in case.classical(problem).values():
            found = row(lags, split.forcing[:, 10:31], split.static)
            assert found.dtype == torch.float32
            assert relative(found, wanted) < 0.35 * relative(lags[:, -1], wanted)


@pytest.mark.parametrize("name", ["flux-no", "hfluxno", "hfluxno-viscous", "fitted-flux-no", "dpot", "disco", "icon"])
def test_every_contender_steps_and_learns_on_a_plane(problem: March, name: str) -> None:
    torch.manual_seed(0)
    contender = contenders.learned(problem)[name]
    model: nn.Module = contender.build(problem, 16)
    lags, forcing = problem.fit.state[:2, :20], problem.fit.forcing[:2, :22]
    found = model(lags, forcing, problem.fit.static[:2])
    assert found.shape == (2, 2 if contender.once else 1, 1024, 1)
    assert found.isfinite().all()
    (found - problem.fit.state[:2, 20 : 20 + found.shape[1]]).square().mean().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_splits_share_no_draw_and_a_seed_decides(problem: March) -> None:
    firsts = torch.cat([s.state[:, 0, :, 0] for s in splits(problem)])
    assert torch.pdist(firsts).min() > 1e-2
    assert torch.equal(case.problem("smoke").validation.state, problem.validation.state)
    assert not torch.equal(case.problem("smoke", seed=1).validation.state, problem.validation.state)
