"""Laws of what evaporates: nothing in the dark, more with the power, as the ledgers of the reference say; what is kept
reaches the forcing of the engine, of the samples and of the gradients alike."""

from pathlib import Path

import numpy as np
import pytest
import torch

from operators.attribution.gradients import Gradients, Scalar
from operators.attribution.moments import Moments
from operators.engine import Engine
from operators.groups import Groups
from operators.melt_pool import ledgers
from operators.melt_pool.asno import Asno
from operators.melt_pool.losses import Losses, fitted
from operators.melt_pool.trajectories import CONDITION, condition
from operators.operator import Stream, Task
from operators.reference.surface import Surface
from operators.window import WindowGrid

GRID = WindowGrid()
GROUPS = Groups(0.05, 0.3, 0.3, 1.0, 0.6, 1.0)
STREAM = Stream("one", GROUPS, 8.0, Surface(20.0, 40.0, GROUPS.boiling + 0.4, 0.4))


PLACE = (10, 10, 3)  # a node behind the beam


def drawn(count: int) -> tuple[torch.Tensor, ...]:
    """told, q, depth, Peclet number, and a share that a flat strong source has: q/60 exp(-depth)."""
    rng = np.random.default_rng(0)
    told = np.stack([condition(STREAM, 0.2) for _ in range(count)])
    told[:, :12] *= rng.uniform(0.9, 1.1, (count, 12))
    q, depth, peclet = np.exp(rng.uniform(np.log([[2.0], [0.15], [1.2]]), np.log([[60.0], [3.0], [60.0]]), (3, count)))
    parts = (told, q, depth, peclet, q / 60 * np.exp(-depth))
    return tuple(torch.from_numpy(part).float() for part in parts)


@pytest.fixture(scope="module")
def losses() -> Losses:
    return fitted(*drawn(600), steps=600)


def model(losses: Losses) -> Asno:
    torch.manual_seed(0)
    made = Asno(len(GRID.x), len(GRID.y) * len(GRID.z), len(CONDITION), losses=True).eval().requires_grad_(False)
    assert made.losses is not None
    made.losses.load_state_dict(losses.state_dict())
    return made


def path(q: list[float]) -> np.ndarray:
    """A frame of half a diameter at each of these strengths, flat."""
    n = np.arange(len(q) + 1.0)
    return np.column_stack([n * 0.5 / STREAM.peclet, 0.5 * n, 0 * n, [*q, 0.0], np.full(len(n), 0.2)])


def card() -> dict[str, object]:
    return {"name": "made up", "grid": {axis: getattr(GRID, axis).tolist() for axis in "xyz"}}


def test_a_fit_tells_the_share_of_draws_that_it_never_saw() -> None:
    some = drawn(900)
    found = fitted(*(part[:600] for part in some), steps=600)
    told, q, depth, peclet, share = (part[600:] for part in some)
    off = found(told, q[:, None], depth[:, None], peclet[:, None])[:, 0] - share
    assert off.square().mean().sqrt() < 0.3 * share.std()


def test_what_is_kept_is_less_and_only_of_what_was_lit(losses: Losses) -> None:
    told, whole = condition(STREAM, 0.2), path([0.0, 10.0, 40.0, 40.0, 0.0])
    kept = losses.kept(whole, told)
    assert np.array_equal(kept[:, [0, 1, 2, 4]], whole[:, [0, 1, 2, 4]])
    assert (kept[whole[:, 3] == 0, 3] == 0).all()
    assert kept[2, 3] == pytest.approx(kept[3, 3])
    assert 0 < kept[2, 3] / 40 < kept[1, 3] / 10 < 1, "the stronger the more is lost"
    assert kept[1, 3] / 10 == pytest.approx(1 - 10 / 60 * np.exp(-0.2), abs=0.05)
    assert np.array_equal(losses.kept(whole[:1], told), whole[:1])


def test_each_path_keeps_what_it_would_keep_alone(losses: Losses) -> None:
    paths = [path([0.0, 10.0, 40.0, 0.0]), path([5.0])[:1], path([20.0]), path([0.0, 0.0])]
    told = np.stack([condition(STREAM, depth) for depth in (0.2, 0.3, 0.4, 0.2)])
    for found, whole, each in zip(losses.kept_of(paths, told), paths, told, strict=True):
        np.testing.assert_allclose(found, losses.kept(whole, each), rtol=1e-6)


def test_a_ledger_is_the_same_in_any_company_and_says_that_flat_strong_sources_boil() -> None:
    rows = np.stack([ledgers.track(n, 3) for n in range(8)])
    assert np.array_equal(rows[5], ledgers.track(5, 3))
    assert (rows[:, -1] >= 0).all()
    assert (rows[:, -1] < 0.7).all()
    strong = rows[np.argmax(rows[:, -1])]
    assert strong[-1] > 0.02


def test_an_untrained_operator_of_the_engine_says_what_the_forcing_of_the_kept_path_says(losses: Losses) -> None:
    """Old heat counts for what was kept of it, whatever the beam does now."""
    frames = [path([40.0] * 6)[i : i + 2] for i in range(6)]
    for each in frames:
        each[1, 3:] = each[0, 3:]
    plain = Asno(len(GRID.x), len(GRID.y) * len(GRID.z), len(CONDITION)).eval()
    (all_of,) = Engine(plain, card()).step([Task(STREAM, frames, [])])
    (kept,) = Engine(model(losses), card()).step([Task(STREAM, frames, [])])
    share = 1 - losses.kept(path([40.0]), condition(STREAM, 0.2))[0, 3] / 40
    solid = all_of[-1].theta < 0.5 * (1 - GROUPS.mushy)
    warm = solid & (all_of[-1].theta > 0.01)
    lost = 1 - kept[-1].theta[warm] / all_of[-1].theta[warm]
    assert share > 0.3
    assert np.median(lost) == pytest.approx(share, rel=0.35)


def test_gradients_are_those_of_what_is_kept(losses: Losses) -> None:
    made = model(losses)
    whole = path([20.0] * 10)
    moments = Moments.of(whole, STREAM, 0.0)
    ((look,),) = Engine(made, card()).step([Task(STREAM, [whole], [])])
    gradients, scalar = Gradients(made, GRID, "cpu"), Scalar(node=PLACE)
    (value,) = gradients.values([moments], scalar)
    assert value == pytest.approx(float(look.theta[PLACE]), rel=1e-3)
    (found,) = gradients([moments], scalar)
    step = 0.2
    up, down = (moments.put(moments.values + np.array([sign * step, 0, 0, 0])) for sign in (1, -1))
    high, low = gradients.values([up, down], scalar)
    assert found.by_moment[:, 0].sum() == pytest.approx((high - low) / (2 * step), rel=0.1)


def test_ledgers_of_other_draws_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "ledgers.npy"
    first = ledgers.made(2, 3, path)
    written = path.stat().st_mtime_ns
    assert np.array_equal(ledgers.made(2, 3, path), first)
    assert path.stat().st_mtime_ns == written, "what lies there is read"
    other = ledgers.made(2, 4, path)
    assert not np.array_equal(other, first)
    assert np.array_equal(other[1], ledgers.track(1, 4))


def test_what_was_fitted_is_read_again_whatever_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding must not make samples and checkpoints of hours those of other losses."""
    rng, path = np.random.default_rng(0), tmp_path / "losses.npz"
    rows = np.concatenate([rng.uniform(0.2, 1.5, (10, len(CONDITION))), rng.uniform(0.0, 0.4, (10, 2))], 1)
    fits: list[Losses] = []

    def fit(*given: torch.Tensor, seed: int) -> Losses:
        torch.manual_seed(len(fits))  # as another machine would round, and more
        fits.append(Losses().requires_grad_(False))
        return fits[-1]

    monkeypatch.setattr(ledgers, "fitted", fit)
    first, off = ledgers.kept_losses(rows, path)
    again, off_again = ledgers.kept_losses(rows, path)
    assert len(fits) == 2, "one of a part, one of all"
    assert off == off_again > 0
    assert not any(value.requires_grad for value in again.parameters()), "it has been fitted"
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    other, _ = ledgers.kept_losses(rows[:9], path)
    assert len(fits) == 4, "other ledgers, another fit"
    assert not torch.equal(other.nets[0][0].weight, first.nets[0][0].weight)
