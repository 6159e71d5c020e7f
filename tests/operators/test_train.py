"""Laws of the recipe: trajectories are made alike in any order, splits do not share one, and a killed run goes on."""

import json
import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from operators import card
from operators.camera import recipe as camera
from operators.melt_pool import recipe, shards
from operators.melt_pool.forcing import CHANNELS, forcing, sources, together
from operators.melt_pool.losses import Losses
from operators.melt_pool.plan import TRAVEL, Stretch, far_vector, plan
from operators.melt_pool.recipe import field_errors, loss_of, run_of, size_errors, summary, train, volume_of
from operators.melt_pool.samples import Samples, folder_of, gather, gathered_before, made
from operators.melt_pool.trajectories import (
    BOX,
    Sample,
    condition,
    course,
    depth_now,
    draw,
    frames_far,
    goes_far,
    is_eventful,
    is_fine,
    teacher,
    trajectory,
    until,
)
from operators.operator import Stream
from operators.reference.rule import RULE
from operators.train import main
from operators.window import WindowGrid

GRID = WindowGrid()
STEPS = 4


@pytest.fixture(scope="module")
def data() -> Samples:
    """Forty trajectories of two samples: a bump that the target has a little higher."""
    rng = np.random.default_rng(0)
    x, y, z = GRID.points
    bump = np.exp(-(x**2) - y**2 - z**2)
    height = rng.uniform(1.0, 2.0, (80, 1, 1, 1))
    target = (height * bump).astype(np.float16)
    forcing = np.repeat((0.9 * height * bump)[:, None], len(CHANNELS), axis=1).astype(np.float16)
    told = np.stack([condition(*_drawn(rng)) for _ in range(80)])
    return Samples(*(torch.from_numpy(a) for a in (forcing, told, target)), np.repeat(np.arange(40), 2))


def _drawn(rng: np.random.Generator) -> tuple[Stream, float]:
    stream, beam, _ = draw(rng, GRID)
    return stream, beam.source()[1]


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trajectories of the coarse teacher, one straight and one eventful, written and gathered."""
    folder = tmp_path_factory.mktemp("shard")
    shards.write(folder / "a.npz", [sample for number in (6, 7) for sample in trajectory(number, 5, GRID)])
    gather([folder / "a.npz"], folder)
    return folder


def test_a_trajectory_is_the_same_in_any_company(shard: Path) -> None:
    alone = trajectory(7, 5, GRID)
    together = [s for s in shards.read(shard / "a.npz") if s.trajectory == 7]
    assert len(alone) == len(together) == 12
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a.path, b.path)
        assert np.array_equal(a.target, b.target)
        assert np.array_equal(a.condition, b.condition)
        assert a.heading == b.heading
    assert not np.array_equal(alone[-1].target, trajectory(7, 6, GRID)[-1].target)


def _blank(number: int, seed: int) -> Sample:
    """The first sample of a trajectory, were its metal cold."""
    drawn = course(number, seed, GRID)
    rows = until(drawn.path, min(drawn.kept))
    told = condition(drawn.stream, depth_now(rows), is_fine(number))
    return Sample(rows, 0.5, told, np.zeros(GRID.shape, np.float16), number)


def test_shards_are_made_once_and_a_killed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    monkeypatch.setattr(shards, "trajectory", lambda number, seed, grid: made.append(number) or [_blank(number, seed)])
    paths = shards.made(shards.SIZE + 3, 1, tmp_path)
    assert made == list(range(shards.SIZE + 3))
    assert [s.trajectory for path in paths for s in shards.read(path)] == made
    paths[1].unlink()
    made.clear()
    assert shards.made(shards.SIZE + 3, 1, tmp_path) == paths
    assert made == list(range(shards.SIZE, shards.SIZE + 3))
    shards.made(shards.SIZE + 4, 1, tmp_path)
    assert made[3:] == list(range(shards.SIZE, shards.SIZE + 4)), "a shard of fewer is made anew"


def test_a_shard_of_other_draws_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that an older recipe left in the folder holds trajectories of the same numbers."""
    monkeypatch.setattr(shards, "trajectory", lambda number, seed, grid: [_blank(number, 2)])
    (path,) = shards.made(4, 1, tmp_path)
    made: list[int] = []
    monkeypatch.setattr(shards, "trajectory", lambda number, seed, grid: made.append(number) or [_blank(number, seed)])
    assert shards.made(4, 1, tmp_path) == [path]
    assert made == [0, 1, 2, 3]
    shards.made(4, 1, tmp_path)
    assert made == [0, 1, 2, 3], "and then it holds"


def test_samples_are_gathered_anew_where_losses_or_shards_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def samples(seed: int, losses: Losses | None) -> Samples:  # of blank trajectories
        monkeypatch.setattr(shards, "trajectory", lambda number, seed, grid: [_blank(number, seed)])
        return made(2, seed, 1, tmp_path, lambda done: None, losses=losses)

    bare = samples(1, None).forcing.float()
    checkpoint = folder_of(tmp_path, 2, 1) / "a.checkpoint"
    checkpoint.write_text("hours of work")
    assert torch.equal(samples(1, None).forcing.float(), bare)
    assert checkpoint.is_file(), "nothing was made anew"
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match=r"in .*-before-1 now"):
        kept = samples(1, Losses()).forcing.float()
    assert not torch.equal(kept, bare)
    assert not checkpoint.exists(), "what learned from other samples does not go on"
    checkpoint.write_text("and again")
    with pytest.warns(UserWarning, match=r"in .*-before-2 now"):
        assert torch.equal(samples(1, None).forcing.float(), bare)
    asides = [checkpoint.parent.with_name(f"{checkpoint.parent.name}-before-{n}") / checkpoint.name for n in (1, 2)]
    assert [each.read_text() for each in asides] == ["hours of work", "and again"], "and is not thrown away"
    for each in checkpoint.parent.iterdir():
        each.unlink()
    checkpoint.touch()
    samples(1, None)
    assert checkpoint.is_file(), "one that was brought without its samples goes on"


def test_draws_after_the_first_are_coarse_for_fitting_and_most_have_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(shards, "trajectory", lambda number, seed, grid: made.append(number) or [_blank(number, seed)])
    shards.made(50, 1, tmp_path, more=110)
    assert made[:50] == list(range(50))
    assert not any(map(is_fine, made[50:]))
    eventful = [number for number in made[50:] if is_eventful(number)]
    assert eventful == [number for number in range(50, 160) if is_eventful(number) and not is_fine(number)]
    assert [sum(not is_eventful(n) for n in made if begin <= n < begin + 40) for begin in (80, 120)] == [3, 3]
    rest = Samples(*(torch.zeros(len(made) - 50),) * 3, np.array(made[50:]))
    assert len(rest.part("fit")) == len(made) - 50, "what chooses and scores stays as it was"


def test_samples_are_what_the_engine_would_read(shard: Path) -> None:
    """Gathered forcings are those of each path alone, whatever they were padded with."""
    samples, kept = Samples.read(shard), list(shards.read(shard / "a.npz"))
    axes = [torch.from_numpy(a).float() for a in (GRID.x, GRID.y, GRID.z)]
    assert samples.trajectory.tolist() == [s.trajectory for s in kept]
    for row in (0, 13, 21):
        one = kept[row]
        now, before = (together([s]) for s in sources(one.path, math.exp(one.condition[12]), one.heading))
        alone = forcing(now, before, torch.from_numpy(one.condition)[None], *axes)[0]
        assert torch.allclose(alone, samples.forcing[row].float(), atol=2e-3)
        assert np.array_equal(one.target, samples.target[row].numpy())


def test_all_that_chooses_and_scores_is_of_the_fine_teacher() -> None:
    numbers = np.arange(400)
    fine = np.array([is_fine(number) for number in range(400)])
    samples = Samples(*(torch.zeros(400),) * 3, numbers)
    assert fine[samples.part("validation")].all()
    assert fine[samples.part("test")].all()
    assert 0 < fine[samples.part("fit")].mean() < 0.5
    for peclet, deep in ((2.0, 0.3), (10.0, 0.1), (40.0, 0.3), (40.0, 1.0)):
        assert teacher(peclet, deep, True).dx < teacher(peclet, deep, False).dx


def test_the_forcing_that_is_corrected_is_near_the_target(shard: Path) -> None:
    """Of the same window, place and moment as the field; the mean diffusivity is nearer than constant properties."""
    samples, volume = Samples.read(shard), volume_of(GRID, "cpu")
    rows = torch.arange(5, len(samples.trajectory))
    off = {
        name: field_errors(lambda f, t, i=i: f[:, i], samples, rows, volume).mean() for i, name in enumerate(CHANNELS)
    }
    assert off["mean"] < min(off["constant"], off["mean before"])
    assert off["mean"] < 0.3


def test_drawn_trajectories_lie_in_the_box() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        stream, beam, _ = draw(rng, GRID)
        q, depth = beam.source()
        values = vars(stream.surface) | vars(stream.groups) | {"q": q, "peclet": stream.peclet, "depth": depth}
        for name, (low, high) in BOX.items():
            assert low <= values[name] <= high * (1 + 1e-6)


def test_eventful_plans_have_every_event_and_others_none() -> None:
    plans = [list(plan(np.random.default_rng(seed), 45, eventful=True)) for seed in range(60)]
    every = [s for each in plans for s in each]
    assert all(0 <= s.level <= 1 and s.span == 1 for s in every)
    assert any(0 < s.level < 0.8 for s in every), "power steps"
    assert any(0.4 <= s.pace < 1 for s in every if s.level)
    dark = [s for s in every if s.level == 0]
    assert {"stands": any(s.pace == 0 for s in dark), "goes on": any(s.pace == 1 for s in dark)} == {
        "stands": True, "goes on": True,
    }  # fmt: skip
    assert any(s.pace > 2 for s in dark), "flies back"
    assert all(s.pace <= 1.2 for s in every if s.level), "the laser is off in flight"
    turned = [sum(a.heading != b.heading for a, b in pairwise(each)) for each in plans]
    assert min(turned) == 0
    assert max(turned) > 15, "short vectors"
    assert set(plan(np.random.default_rng(0), 60, eventful=False)) == {Stretch(0.0, 1.0, 1.0)}
    cut = [s.span for seed in range(20) for s in plan(np.random.default_rng(seed), 45, eventful=True, whole=False)]
    assert min(cut) < 0.2, "looked at as soon as it has happened"
    assert max(cut) == 1


def test_a_plan_that_goes_far_comes_back_beside_what_was_heated_long_before() -> None:
    backs, lengths = 0, []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        vector = far_vector(rng)
        each = list(plan(rng, frames_far(rng, vector), eventful=True, vector=vector))
        steps = np.array([[s.pace * math.cos(s.heading), s.pace * math.sin(s.heading)] for s in each])
        places = TRAVEL * np.cumsum(steps, axis=0)
        far = np.linalg.norm(places[:, None] - places, axis=-1)
        backs += bool((far[np.tril_indices(len(far), -60)] < 2).any())
        turns = np.flatnonzero(np.abs(np.diff([s.heading for s in each if s.level])) > 0.1)
        lengths += np.diff(turns).tolist()
    assert backs > 15
    assert max(lengths) > 150, "frames of a vector"


def test_half_of_the_eventful_trajectories_go_far_in_every_part_of_the_split() -> None:
    for part in (range(2), range(2, 18), (18,), (19,)):
        held = [n for n in range(4000) if n // 2 % 20 in part]
        far = [goes_far(n) for n in held if is_eventful(n)]
        assert np.mean(far) == pytest.approx(0.5, abs=0.01)
        assert not any(goes_far(n) for n in held if not is_eventful(n))
    gone = [course(n, 3, GRID) for n in range(41, 80) if goes_far(n)]
    assert max(max(each.kept) for each in gone) > 350
    assert all(each.boxes.levels > 4 for each in gone)
    levels = [teacher(10.0, 0.5, fine=False, vector=vector).levels for vector in (0, 10, 80, 81, 200)]
    assert [each - levels[0] for each in levels] == [0, 1, 1, 2, 2], "heat of long vectors comes back"


def test_one_way_hatches_come_back_to_where_the_next_vector_begins() -> None:
    for seed in range(200):
        place, starts = np.zeros(2), []
        each = list(plan(np.random.default_rng(seed), 60, eventful=True))
        if not any(s.pace > 1.3 for s in each) or any(s.pace == 0 or 0 < s.pace < 1 for s in each):
            continue
        if any(s.level == 0 and s.pace == 1 for s in each):
            continue  # the laser was off for another reason
        for before, s in pairwise([Stretch(0.0, 1.0, 0.0), *each]):
            if s.level and not before.level:
                starts.append(place.copy())
            place += s.pace * np.array([math.cos(s.heading), math.sin(s.heading)])
        apart = np.diff(starts, axis=0)
        assert len(apart) > 0
        assert np.allclose(apart[:, 0], 0, atol=1e-9), "along the vectors"
        assert np.allclose(apart[:, 1], apart[0, 1])
        assert 1 <= abs(apart[0, 1]) <= 3
        return
    pytest.fail("no plan had a hatch one way and nothing else")


def test_a_drawn_beam_goes_from_a_hole_to_a_flat_melt_as_its_power_falls() -> None:
    rng = np.random.default_rng(0)
    beams = [draw(rng, GRID)[1] for _ in range(80)]
    for beam in beams:
        found = np.array([beam.source(level) for level in np.linspace(0.4, 1, 7)])
        assert (np.diff(found, axis=0) >= -1e-6).all(), "q and depth grow with the power"
        assert beam.source(0.0)[0] == 0
        assert (found[:, 1] >= beam.rule.floor - 1e-9).all()
    fallen = [b for b in beams if b.source()[1] > 0.5 and b.source(0.45)[1] < 0.3]
    assert len(fallen) > 3
    flat = [b for b in beams if b.source()[1] < 0.3]
    number = [RULE.boiling_number(b.source()[0], b.peclet, b.boiling) for b in flat]
    assert max(number) > 2.4, "what a told absorptivity may do: strong, and flat"


def test_no_trajectory_is_in_two_parts(data: Samples) -> None:
    parts = [{int(data.trajectory[row]) for row in data.part(which)} for which in ("fit", "validation", "test")]
    assert [len(part) for part in parts] == [36, 2, 2]
    assert set.union(*parts) == set(range(40))
    assert all({number % 2 for number in part} == {0, 1} for part in parts), "straight and eventful ones in each"


def test_a_cold_window_that_is_right_teaches_nothing_and_breaks_nothing() -> None:
    field = torch.zeros(2, *GRID.shape, requires_grad=True)
    loss_of(field, torch.zeros(2, *GRID.shape), torch.full((2,), 0.95), volume_of(GRID, "cpu"), GRID).backward()
    assert field.grad is not None
    assert torch.isfinite(field.grad).all()


def test_a_pool_that_only_one_has_is_wholly_wrong(data: Samples) -> None:
    rows = torch.arange(3)
    assert (size_errors(lambda forcing, told: torch.zeros_like(forcing[:, 0]), data, rows, GRID) == 1).all()
    exact = size_errors(lambda forcing, told: data.target[rows].float(), data, rows, GRID)
    assert (exact == 0).all()
    assert summary(exact)["p90"] == [0, 0, 0]


def test_a_field_is_judged_by_volume(data: Samples) -> None:
    """A cold forecast is wholly wrong, the truth is right, and an error counts by the volume of its node."""
    rows, volume = torch.arange(4), volume_of(GRID, "cpu")
    assert volume.sum().item() == pytest.approx(1)
    cold = field_errors(lambda forcing, told: torch.zeros_like(forcing[:, 0]), data, rows, volume)
    assert cold == pytest.approx(np.ones(4))
    assert (field_errors(lambda forcing, told: data.target[rows].float(), data, rows, volume) == 0).all()
    far, near = torch.zeros(GRID.shape), torch.zeros(GRID.shape)
    far[0, 12, -1] = near[int(np.argmin(np.abs(GRID.x))), 12, 0] = 0.1
    off = [
        field_errors(lambda forcing, told, e=e: data.target[rows].float() + e, data, rows, volume) for e in (far, near)
    ]
    assert (off[0] > 2 * off[1]).all()


def test_one_seed_one_result(data: Samples) -> None:
    one, two, other = (run_of(data, seed, STEPS, "cpu", None) for seed in (1, 1, 2))
    for run in (one, two, other):
        run.go()
    assert one.curve == two.curve
    for name, value in one.learner.model.state_dict().items():
        assert torch.equal(value, two.learner.model.state_dict()[name])
    assert one.curve != other.curve


@pytest.mark.parametrize("others", [1, 2])
def test_an_even_share_of_a_batch_is_taken_from_each_that_lies_beside(
    others: int, data: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = Samples(data.forcing, data.told.clone(), torch.zeros_like(data.target), data.trajectory)
    run = run_of(data, 1, STEPS, "cpu", None, beside=[marked] * others)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(recipe, "loss_of", lambda field, y, *rest: seen.append(y) or field.sum())
    run.learner.loss(torch.Generator().manual_seed(0), 0)
    cold = [bool((y == 0).all()) for y in seen[0]]
    assert len(cold) == recipe.BATCH
    own = recipe.BATCH // (1 + others)
    assert cold == [False] * own + [True] * others * own


def test_samples_of_other_losses_or_none_are_not_taken_beside(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no samples"):
        gathered_before(tmp_path, None)
    for name in ("forcing", "told", "target", "trajectory", "losses"):
        np.save(tmp_path / f"{name}.npy", np.ones(3))
    with pytest.raises(ValueError, match="other losses"):
        gathered_before(tmp_path, Losses())


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_where_it_was(data: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_recipe_writes_weights_and_a_card_that_says_how(
    data: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "made", lambda *told: data)
    folder_of(tmp_path, 40, 0).mkdir()
    train(40, 0, 2, 2, "cpu", 1, tmp_path, tmp_path / "out")
    model, told = card.load("asno-melt-pool", tmp_path / "out")
    assert told["training"]["seed"] in (0, 1)
    assert len(told["validation"]["test_by_seed"]) == 2
    assert told["validation"]["test"] == told["validation"]["test_by_seed"][told["training"]["seed"]]
    assert model.sizes["sections"] == len(told["grid"]["x"])
    assert json.loads(json.dumps(told)) == told


def test_going_on_begins_with_the_shipped_weights_and_needs_draws_that_they_have_not_seen(
    data: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, before = card.load("asno-melt-pool")
    seen = recipe.seeds_of(before)
    assert seen
    begun = run_of(data, 0, STEPS, "cpu", None, shipped.losses, shipped)
    for name, value in begun.learner.model.state_dict().items():
        assert torch.equal(value, shipped.state_dict()[name]), name
    monkeypatch.setattr(recipe, "made", lambda *told: data)
    with pytest.raises(card.CardError, match="other ones"):
        train(40, min(seen), 2, 1, "cpu", 1, tmp_path, tmp_path, go_on=True)
    other = max(seen) + 1
    folder_of(tmp_path, 40, other).mkdir()
    train(40, other, 2, 1, "cpu", 1, tmp_path, tmp_path / "out", go_on=True, back=0.75)
    model, told = card.load("asno-melt-pool", tmp_path / "out")
    last = run_of(data, 0, 2, "cpu", None, shipped.losses, shipped)
    last.go()
    ways = {
        name: (model.state_dict()[name] - value, last.smooth[name] - value)
        for name, value in shipped.state_dict().items()
    }
    assert any(whole.abs().max() > 0 for _, whole in ways.values())
    for name, (left, whole) in ways.items():
        assert torch.allclose(left, whole / 4, atol=1e-6), name
    assert "0.75 of the way back" in told["training"]["weights"]
    (checkpoint,) = folder_of(tmp_path, 40, other).glob("*.checkpoint")
    assert before["sha256"][:12] in checkpoint.name, "one that began with other weights is not gone on with"
    assert told["training"]["went on from"][-1]["sha256"] == before["sha256"]
    assert recipe.seeds_of(told) == {*seen, other}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["melt-pool", "--trajectories", "39"], "at least 40"),
        (["melt-pool", "--trajectories", "none"], "at least 1"),
        (["melt-pool", "--steps", "0"], "at least 1"),
        (["melt-pool", "--more", "-3"], "at least 0"),
        (["melt-pool", "--seeds", "0"], "at least 1"),
        (["melt-pool", "--back", "1.5"], "from 0 to 1"),
        (["melt-pool-camera", "--go-on"], "from scratch"),
        (["melt-pool-camera", "--more", "40"], "from scratch"),
        (["melt-pool-camera", "--beside", "."], "from scratch"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_made(
    asked: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipe, "train", lambda *told: pytest.fail("it began"))
    monkeypatch.setattr(camera, "train", lambda *told: pytest.fail("it began"))
    monkeypatch.setattr(sys, "argv", ["operators.train", *asked])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
