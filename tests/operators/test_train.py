"""Laws of the recipe: trajectories are made alike in any order, splits do not share one, and a killed run goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from operators import card
from operators.operator import Stream
from operators.recipe import Data, field_errors, loss_of, run_of, size_errors, summary, train, volume_of
from operators.trajectories import BOX, LAGS, condition, draw, generate, plan, trajectory
from operators.window import WindowGrid

GRID = WindowGrid()
STEPS = 4


@pytest.fixture(scope="module")
def data() -> Data:
    """Twenty trajectories of two samples: a bump that the target has a little higher."""
    rng = np.random.default_rng(0)
    x, y, z = GRID.points
    bump = np.exp(-(x**2) - y**2 - z**2)
    height = rng.uniform(1.0, 2.0, (40, 1, 1, 1))
    target = (height * bump).astype(np.float16)
    forcing = np.repeat((0.9 * height * bump)[:, None], LAGS, axis=1).astype(np.float16)
    told = np.stack([condition(*_drawn(rng)) for _ in range(40)])
    return Data(*(torch.from_numpy(a) for a in (forcing, told, target)), np.repeat(np.arange(20), 2))


def _drawn(rng: np.random.Generator) -> tuple[Stream, float]:
    stream, _, depth, _ = draw(rng, GRID)
    return stream, depth


def test_a_trajectory_is_the_same_in_any_company() -> None:
    alone = trajectory(3, 5, GRID)
    together = [s for s in generate(4, 5, GRID) if s.trajectory == 3]
    assert len(alone) == len(together) == 12
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a.forcing, b.forcing)
        assert np.array_equal(a.target, b.target)
    assert not np.array_equal(alone[-1].target, trajectory(3, 6, GRID)[-1].target)


def test_the_newest_forcing_is_near_the_target() -> None:
    """The linear response is what the operator corrects: of the same window, place and moment."""
    for sample in trajectory(0, 1, GRID):
        a, b = sample.forcing[0].astype(float), sample.target.astype(float)
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_drawn_trajectories_lie_in_the_box() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        stream, q, depth, _ = draw(rng, GRID)
        values = vars(stream.surface) | vars(stream.groups) | {"q": q, "peclet": stream.peclet, "depth": depth}
        for name, (low, high) in BOX.items():
            assert low <= values[name] <= high * (1 + 1e-6)


def test_an_eventful_plan_has_every_event() -> None:
    stretches = [s for seed in range(20) for s in plan(np.random.default_rng(seed), 45, 10.0, 0.8, eventful=True)]
    assert any(s.q == 0 for s in stretches)
    assert any(0 < s.q < 10 for s in stretches)
    assert any(s.pace != 1 for s in stretches)
    assert len({round(s.heading, 3) for s in stretches}) > 5
    assert all(s.depth == pytest.approx(0.08 * s.q) for s in stretches if s.q), "a hole goes by its power"
    assert {
        (s.heading, s.pace, s.q, s.depth) for s in plan(np.random.default_rng(0), 60, 10.0, 0.8, eventful=False)
    } == {(0.0, 1.0, 10.0, 0.8)}


def test_no_trajectory_is_in_two_parts(data: Data) -> None:
    parts = [{int(data.trajectory[row]) for row in data.part(which)} for which in ("fit", "validation", "test")]
    assert [len(part) for part in parts] == [16, 2, 2]
    assert set.union(*parts) == set(range(20))
    assert all({number % 2 for number in part} == {0, 1} for part in parts), "straight and eventful ones in each"


def test_a_cold_window_that_is_right_teaches_nothing_and_breaks_nothing() -> None:
    field = torch.zeros(2, *GRID.shape, requires_grad=True)
    loss_of(field, torch.zeros(2, *GRID.shape), torch.full((2,), 0.95), volume_of(GRID, "cpu")).backward()
    assert field.grad is not None
    assert torch.isfinite(field.grad).all()


def test_a_pool_that_only_one_has_is_wholly_wrong(data: Data) -> None:
    rows = torch.arange(3)
    assert (size_errors(lambda forcing, told: torch.zeros_like(forcing[:, 0]), data, rows, GRID) == 1).all()
    exact = size_errors(lambda forcing, told: data.target[rows].float(), data, rows, GRID)
    assert (exact == 0).all()
    assert summary(exact)["p90"] == [0, 0, 0]


def test_a_field_is_judged_by_volume(data: Data) -> None:
    """A cold forecast is wholly wrong, the truth is right, and an error counts by the volume of its node."""
    rows, volume = torch.arange(4), volume_of(GRID, "cpu")
    assert volume.sum().item() == pytest.approx(1)
    cold = field_errors(lambda forcing, told: torch.zeros_like(forcing[:, 0]), data, rows, volume)
    assert cold == pytest.approx(np.ones(4))
    assert (field_errors(lambda forcing, told: data.target[rows].float(), data, rows, volume) == 0).all()
    far, near = torch.zeros(GRID.shape), torch.zeros(GRID.shape)
    far[0, 12, 15] = near[int(np.argmin(np.abs(GRID.x))), 12, 0] = 0.1
    off = [
        field_errors(lambda forcing, told, e=e: data.target[rows].float() + e, data, rows, volume) for e in (far, near)
    ]
    assert (off[0] > 2 * off[1]).all()


def test_one_seed_one_result(data: Data) -> None:
    one, two, other = (run_of(data, seed, STEPS, "cpu", None) for seed in (1, 1, 2))
    for run in (one, two, other):
        run.go()
    assert one.curve == two.curve
    for name, value in one.learner.model.state_dict().items():
        assert torch.equal(value, two.learner.model.state_dict()[name])
    assert one.curve != other.curve


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_where_it_was(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_of(data, 0, STEPS, "cpu", None)
    whole.go()
    broken = run_of(data, 0, STEPS, "cpu", tmp_path / "c")
    one = broken._one

    def dies() -> float:
        if broken.step == 2:
            raise KilledError
        return one()

    monkeypatch.setattr(broken, "_one", dies)
    with pytest.raises(KilledError):
        broken.go()
    resumed = run_of(data, 0, STEPS, "cpu", tmp_path / "c")
    assert resumed.step == 2
    resumed.go()
    assert resumed.curve == whole.curve
    for name, value in whole.learner.model.state_dict().items():
        assert torch.equal(value, resumed.learner.model.state_dict()[name])
    with pytest.raises(ValueError, match="steps"):
        run_of(data, 0, STEPS + 1, "cpu", tmp_path / "c")


def test_the_recipe_writes_weights_and_a_card_that_says_how(data: Data, tmp_path: Path) -> None:
    kept = {name: getattr(data, name) for name in ("forcing", "told", "target", "trajectory")}
    np.savez(tmp_path / "asno-melt-pool.npz", **kept)
    train(20, 0, 2, 2, "cpu", 1, tmp_path, tmp_path / "out")
    model, told = card.load("asno-melt-pool", tmp_path / "out")
    assert told["training"]["seed"] in (0, 1)
    assert len(told["validation"]["test_by_seed"]) == 2
    assert told["validation"]["test"] == told["validation"]["test_by_seed"][told["training"]["seed"]]
    assert model.sizes["sections"] == len(told["grid"]["x"])
    assert json.loads(json.dumps(told)) == told
