"""Laws of the Gray-Scott solver against mathematics, and of the suite that it makes."""

import math

import pytest
import torch

from operators.problem import March
from tests.validation.gray_scott import case
from tests.validation.gray_scott.case import Draw, Size, relative
from tests.validation.gray_scott.solver import DIFFUSIVITY, SIDE, GrayScott, reaction

FEED, KILL = torch.tensor(0.046).double(), torch.tensor(0.058).double()


@pytest.fixture(scope="module")
def problem() -> March:
    return case.problem("smoke")


def spots(cells: int = 32) -> torch.Tensor:
    return Draw.of(2, [5]).first(cells)


def test_without_activator_a_wave_of_substrate_decays_as_known() -> None:
    """v = 0 leaves u_t = Du lap u + F (1 - u)."""
    x = (torch.arange(24).double() + 0.5) / 24
    wave = torch.cos(2 * math.pi * (2 * x[:, None] + x))
    got = GrayScott(24).advance(torch.stack([1 + 0.1 * wave, 0 * wave])[None], FEED, KILL, 20.0, 40)
    rate = DIFFUSIVITY[0] * 5 * (2 * math.pi / SIDE) ** 2 + FEED
    torch.testing.assert_close(got[0, 0], 1 + 0.1 * wave * torch.exp(-20 * rate), rtol=1e-7, atol=1e-7)
    assert not got[0, 1].any()


def test_the_uniform_steady_state_stays() -> None:
    """u v = F + k and F (1 - u) = u v^2: the root with more v."""
    total = FEED + KILL
    v = (FEED + (FEED**2 - 4 * FEED * total**2).sqrt()) / (2 * total)
    state = torch.stack([total / v, v])[None, :, None, None].expand(1, 2, 16, 16)
    torch.testing.assert_close(GrayScott(16).advance(state, FEED, KILL, 50.0, 50), state)


def test_diffusion_conserves_and_the_activator_spreads_half_as_fast() -> None:
    before = spots()
    after = GrayScott(32).diffuse(before, 3.0)
    torch.testing.assert_close(after.mean((2, 3)), before.mean((2, 3)))
    twice = GrayScott(32).diffuse(before, 6.0)
    same = GrayScott(32).diffuse(before.flip(1), 3.0)[:, 0]  # v, spread as u is
    torch.testing.assert_close(same, twice[:, 1])


def test_what_is_fed_and_killed_is_what_changes() -> None:
    """d/dt mean(u + v) = F (1 - mean u) - (F + k) mean v, whatever diffuses and reacts."""
    stepper, h = GrayScott(32), 0.01
    now = stepper.advance(spots(), FEED, KILL, 30.0, 60)
    before, after = (stepper.advance(now, FEED, KILL, sign * h, 1) for sign in (-1, 1))
    rate = (after - before).sum(1).mean((1, 2)) / (2 * h)
    u, v = now.mean((2, 3)).T
    torch.testing.assert_close(rate, FEED * (1 - u) - (FEED + KILL) * v, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(reaction(now, FEED, KILL).sum(1).mean((1, 2)), rate, rtol=1e-5, atol=1e-9)


def test_a_shift_of_the_start_is_a_shift_of_the_end() -> None:
    stepper = GrayScott(32)
    end = stepper.advance(spots(), FEED, KILL, 40.0, 40)
    shifted = stepper.advance(spots().roll((3, -7), (2, 3)), FEED, KILL, 40.0, 40)
    torch.testing.assert_close(shifted, end.roll((3, -7), (2, 3)))


def test_the_reference_converges() -> None:
    measured = case.convergence()
    assert measured["order in time"] == pytest.approx(2, abs=0.1)
    assert measured["time step against half of it"] < 5e-4
    assert measured["inner grid against 1.5 times as fine"] < 1e-6


def test_shapes_counts_and_ranges(problem: March) -> None:
    size = case.SIZES["smoke"]
    splits = {"fit": problem.fit, "validation": problem.validation, **problem.tests}
    assert [len(s) for s in splits.values()] == [size.fit, size.validation, size.test, size.test]
    assert problem.fit.state.shape == (size.fit, 30, 1024, 2)
    assert problem.fit.forcing.shape[-1] == 0
    assert problem.lags + problem.horizon <= 30
    for name, split in splits.items():
        assert torch.equal(split.static, split.static[:, :1].expand_as(split.static))
        for channel, (low, high) in zip(
            split.static.unbind(-1), case.RANGES["ood" if name == "ood" else "usual"], strict=True
        ):
            assert low <= channel.min() <= channel.max() <= high


def test_every_trajectory_lives_and_moves(problem: March) -> None:
    for split in (problem.fit, problem.validation, *problem.tests.values()):
        assert (split.state[..., 1].amax(-1) > 0.1).all()
        assert split.state.min() > -1e-3
        v = split.state[:, 3:23, :, 1]
        assert relative(v[:, :-1], v[:, 1:]) > 0.03
        assert relative(v[:, :1], v[:, -1:]) > 0.3
    patterned = problem.tests["id"].state[:, -1, :, 1].std(-1)
    assert (patterned > 0.03).all()


def test_the_classical_rows_are_the_reference_and_need_feed_and_kill(problem: March) -> None:
    for trajectories in problem.tests.values():
        lags, forcing, wanted = trajectories.state[:, 5:8], trajectories.forcing[:, 5:9], trajectories.state[:, 8]
        coarse, fine = case.classical(problem).values()
        assert relative(fine(lags, forcing, trajectories.static), wanted) < 1e-5
        assert relative(coarse(lags, forcing, trajectories.static), wanted) < 1e-3
        assert relative(fine(lags, forcing, 0.95 * trajectories.static), wanted) > 1e-3
        assert relative(lags[:, -1], wanted) > 1e-2


def test_splits_share_no_draw(problem: March) -> None:
    rates = torch.cat([s.static[:, 0] for s in (problem.fit, problem.validation, *problem.tests.values())])
    assert len(rates.unique(dim=0)) == len(rates)
    firsts = torch.cat([s.state[:, 0, :, 1] for s in (problem.fit, problem.validation, *problem.tests.values())])
    assert torch.pdist(torch.nn.functional.normalize(firsts)).min() > 0.05


def test_a_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(case.SIZES, "smoke", Size(1, 1, 1, steps=10))
    draw, other = (Draw.alive(1, [seed, 0]) for seed in (1, 0))
    assert torch.equal(case.problem("smoke", seed=1).fit.state, case.trajectories(draw, 10).state)
    assert relative(draw.first(16), other.first(16)) > 0.1
