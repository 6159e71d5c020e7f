"""Laws of learning from a problem: rollouts feed on themselves, errors are relative, a run is one seed's alone."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from operators.learner import (
    MapLearner,
    MarchLearner,
    Scale,
    Scaled,
    Stepping,
    mapped,
    relative,
    rolled,
    rollout,
)
from operators.nets.lrsa import Lrsa
from operators.problem import Geometry, Map, March, Samples, Trajectories
from operators.train import Manner, Run

GRID = Geometry.grid(8, periodic=True)


def shifting(count: int, seed: int) -> Trajectories:
    """Waves that move one cell a step, pushed by a forcing that all points share: state[t] = shifted + forcing[t]."""
    draw = torch.Generator().manual_seed(seed)
    state = [torch.randn(count, 8, 1, generator=draw)]
    forcing = 0.1 * torch.randn(count, 12, 1, 1, generator=draw).expand(-1, -1, 8, -1)
    for t in range(1, 12):
        state.append(state[-1].roll(1, 1) + forcing[:, t])
    return Trajectories.of(torch.stack(state, 1), forcing)


@pytest.fixture(scope="module")
def march() -> March:
    return March("waves", GRID, 1.0, 2, shifting(30, 0), shifting(6, 1), {"id": shifting(6, 2)}, 5)


def truth(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
    """The rule itself, for however many planned times."""
    states = [lags[:, -1]]
    for t in range(lags.shape[1], forcing.shape[1]):
        states.append(states[-1].roll(1, 1) + forcing[:, t])
    return torch.stack(states[1:], 1)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_a_rollout_of_the_rule_is_the_trajectory(march: March, steps: int) -> None:
    part = march.tests["id"]
    found = rollout(truth, part.state[:, :2], part.forcing, part.static, steps)
    torch.testing.assert_close(found, part.state[:, 2:])


def test_the_rule_scores_nothing_and_a_dead_stepper_one(march: March) -> None:
    part = march.tests["id"]
    assert rolled(truth, march, part, 1, 3).max() < 1e-6
    dead = rolled(lambda lags, forcing, static: torch.zeros_like(lags[:, :1]), march, part, 1, 3)
    torch.testing.assert_close(dead, torch.ones(3 * len(part)))
    assert (rolled(lambda lags, *_: lags[:, :1] * torch.nan, march, part, 1, 2) == 1e3).all(), (
        "not a number is very wrong"
    )


def test_a_relative_error_weighs_by_volume() -> None:
    wanted, found = torch.ones(1, 2, 1), torch.tensor([[[1.0], [2.0]]])
    assert relative(found, wanted, torch.tensor([0.75, 0.25])).item() == pytest.approx(0.5)
    assert relative(found, wanted).item() == pytest.approx(0.5**0.5)


class Shift(nn.Module):
    """Learns five weights: two of the newest state's neighbours, two of the forcing, one of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        newest, planned, past = x[..., 1:2], x[..., 4:5], x[..., 3:4]
        near = newest.roll(1, 1), newest, planned, past, torch.ones_like(past)
        return sum(w * v for w, v in zip(self.weight, near, strict=True))


def test_what_can_be_learned_is_learned_in_physical_units(march: March) -> None:
    far = {
        name: replace(part, state=100 + 7 * part.state, forcing=7 * part.forcing)
        for name, part in (("fit", march.fit), ("validation", march.validation))
    }
    moved = replace(march, **far)
    torch.manual_seed(0)
    learner = MarchLearner(Stepping(Shift(), GRID), moved, batch=16, unroll=2)
    Run(learner, Manner(1000, 0.03, smoothing=0.9, looks=4), 0, say=lambda line: None).go()
    part = far["validation"]
    found = learner.model(part.state[:, :2], part.forcing[:, :3], part.static)
    torch.testing.assert_close(found[:, 0], part.state[:, 2], atol=0.05, rtol=0)


def _short(march: March, seed: int = 0, checkpoint: Path | None = None, **manner: object) -> Run:
    torch.manual_seed(seed)
    net = Lrsa(GRID, 5, 1, width=8, heads=2, latents=4, layers=1)
    learner = MarchLearner(Stepping(net, GRID), march, batch=4, noise=0.01)
    return Run(learner, Manner(**{"steps": 6, "looks": 3, **manner}), seed, checkpoint, say=lambda line: None)


def test_one_seed_one_result_also_with_noise(march: March) -> None:
    one, two, other = _short(march), _short(march), _short(march, 1)
    for run in (one, two, other):
        run.go()
    assert one.curve == two.curve != other.curve


def test_half_precision_trains(march: March) -> None:
    run = _short(march, precision=torch.bfloat16)
    run.go()
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in run.learner.model.parameters())
    single = _short(march)
    single.go()
    assert run.curve[-1][2] == pytest.approx(single.curve[-1][2], rel=0.05)


def test_seconds_cut_the_steps(march: March) -> None:
    run = _short(march, steps=1_000_000, seconds=0.6)
    run.go()
    assert 6 < run.step < 2000
    assert run.spent < 3


def test_a_scaled_stepper_sees_unit_spread(march: March) -> None:
    seen = []

    def look(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        seen.append((lags.mean().item(), lags.std().item()))
        return lags[:, -1:]

    class Looking(nn.Module):
        forward = staticmethod(look)

    far = replace(march.fit, state=5 + 3 * march.fit.state)
    given = far.state[:, :2]
    found = Scaled(Looking(), far)(given, far.forcing[:, :3], far.static)
    assert seen[0] == pytest.approx((0, 1), abs=0.15)
    torch.testing.assert_close(found[:, 0], given[:, -1])


def test_a_map_is_learned_where_points_differ() -> None:
    draw = torch.Generator().manual_seed(0)

    def part(n: int) -> Samples:
        where = torch.rand(n, 30, 2, generator=draw)
        height = torch.rand(n, 1, 1, generator=draw).expand(-1, 30, -1)
        return Samples(height, 50 + height * where[..., :1], where)

    cloud = Geometry(torch.rand(30, 2, generator=draw), torch.full((30,), 1 / 30))
    problem = Map("tilt", cloud, part(64), part(16), {"id": part(16)})
    torch.manual_seed(0)
    learner = MapLearner(Lrsa(cloud, 1, 1, width=16, heads=2, latents=4, layers=1), problem)
    before = mapped(learner.model, problem, problem.tests["id"]).mean()
    Run(learner, Manner(150, 2e-2, smoothing=0.9, looks=3), 0, say=lambda line: None).go()
    after = mapped(learner.model, problem, problem.tests["id"]).mean()
    assert after < 0.3 * before


def test_a_problem_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises((ValueError, TypeError), match=r"agree|forcing"):  # by whichever looks first
        Trajectories(torch.zeros(2, 3, 4, 1), torch.zeros(2, 3, 5, 1), torch.zeros(2, 4, 0))
    with pytest.raises(ValueError, match="sum to 1"):
        Geometry(torch.zeros(4, 1), torch.ones(4))
    with pytest.raises(ValueError, match="does not have 4 points"):
        Geometry(torch.zeros(4, 1), torch.full((4,), 0.25), (5,))
    fit = shifting(3, 0)
    for name, wrong, match in (
        ("too short", {"horizon": 11}, "validation has 12 times, and wants 13"),
        ("empty", {"fit": shifting(0, 0)}, "fit is empty"),
        ("no lag", {"lags": 0}, "a lag and a step"),
        ("elsewhere", {"geometry": Geometry.grid(4)}, "fit has 8 points, and the geometry 4"),
        ("other channels", {"validation": Trajectories.of(fit.state.repeat(1, 1, 1, 2))}, "2 channels, and fit 1"),
        ("no forcing", {"tests": {"id": Trajectories.of(fit.state)}}, "other channels of forcing"),
    ):
        told = {"geometry": GRID, "dt": 1.0, "lags": 2, "fit": fit, "validation": fit, "tests": {}, "horizon": 5}
        with pytest.raises(ValueError, match=match):
            March(name, **(told | wrong))
    short = March("short", GRID, 1.0, 2, shifting(3, 0), fit, {}, 5)
    with pytest.raises(ValueError, match="too few for 11 forecasts"):
        MarchLearner(Stepping(Shift(), GRID), short, unroll=11)
    with pytest.raises(ValueError, match="none of them negative"):
        Geometry(torch.zeros(2, 1), torch.tensor([1.5, -0.5]))
    with pytest.raises(ValueError, match="finite"):
        Geometry(torch.full((2, 1), torch.nan), torch.full((2,), 0.5))
    Geometry(torch.zeros(2, 1), torch.full((2,), 0.5).double())


def test_a_channel_that_is_the_same_throughout_stays_of_its_size_elsewhere() -> None:
    """Laser at 195 W in all that was learned from: 0 W is one size away, not a million spreads; units do not matter."""
    for size in (195.0, 1563.0, 1e-9):
        scale = Scale(torch.full((4, 3, 1), size))
        assert scale.down(torch.tensor([size])).abs() < 1e-6
        assert scale.down(torch.zeros(1)) == pytest.approx(-1.0)
    assert torch.equal(Scale(torch.zeros(4, 3, 1)).down(torch.ones(1)), torch.ones(1))
    tiny = Scale(1e-9 * torch.randn(50, 40, 1, generator=torch.Generator().manual_seed(0)))
    assert tiny.spread == pytest.approx(1e-9, rel=0.1)
    with pytest.raises(ValueError, match="not finite"):
        Scale(torch.tensor([[[1.0], [torch.nan]]]))


class Breaking(Shift):
    """NaN from so many evaluations in training on."""

    def __init__(self, good: int, until: float = math.inf) -> None:
        super().__init__()
        self.good, self.until, self.count = good, until, 0

    def forward(self, side: Tensor, where: Tensor) -> Tensor:
        self.count += self.training
        return super().forward(side, where) * (torch.nan if self.good < self.count <= self.until else 1.0)


def test_a_step_whose_gradient_is_not_finite_is_not_taken(march: March) -> None:
    torch.manual_seed(0)
    run = Run(MarchLearner(Stepping(Breaking(4, 9), GRID), march), Manner(20, looks=2), 0, say=lambda line: None)
    run.go()
    assert all(torch.isfinite(p).all() for p in run.learner.model.parameters())
    never = Run(MarchLearner(Stepping(Breaking(0), GRID), march), Manner(100), 0, say=lambda line: None)
    with pytest.raises(ArithmeticError, match="no finite gradient"):
        never.go()


def test_a_training_of_which_no_score_is_finite_is_no_training(march: March) -> None:
    run = _short(march)
    run.learner.score = lambda: (math.nan, "")
    with pytest.raises(ArithmeticError, match="no score of seed 0"):
        run.go()


def test_a_checkpoint_of_another_run_is_refused(march: March, tmp_path: Path) -> None:
    path = tmp_path / "new" / "c.pt"
    _short(march, 0, path).go()
    assert _short(march, 0, path).step == 6
    for other in ({"seed": 1}, {"steps": 7}, {"rate": 1e-4}, {"precision": torch.bfloat16}):
        with pytest.raises(ValueError, match="another run"):
            _short(march, checkpoint=path, **other)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        _short(march, 0, path)


def test_a_curve_keeps_what_is_small(march: March) -> None:
    run = _short(march)
    run.learner.score = lambda: (3.21e-7, "")
    run.go()
    assert [score for _, _, score in run.curve] == [3.21e-7] * 3
