"""The camera operator: what it reads does not depend on what is beside it, its two schemes are one, it finds what was
hidden, and its card brings it back."""

from pathlib import Path

import numpy as np
import pytest
import torch

from operators import card
from operators.camera import draws
from operators.camera.law import BOX, NAMES, free_of, matter_of, squash
from operators.camera.operator import CameraFluxNo, Plan
from operators.camera.reading import Seen
from operators.nets.heat import Beam, Heated

SHAPE = 6, 16, 32


@pytest.fixture
def model() -> CameraFluxNo:
    torch.manual_seed(0)
    return CameraFluxNo(SHAPE, layers=(0.5, 0.5, 1.0, 1.0, 1.0, 1.5), window=12, width=16).eval()


def hidden(batch: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, len(NAMES), generator=torch.Generator().manual_seed(seed))


def past(batch: int, frames: int = 5) -> Seen:
    places = torch.stack([torch.full((frames + 1,), 8.0), torch.linspace(6, 6 + 2 * frames, frames + 1)], -1)
    return Seen(
        torch.zeros(batch, frames, *SHAPE[1:]), torch.full((batch, frames), 6.0), places.expand(batch, -1, -1),
        0.05 + 0.02 * torch.arange(batch),
    )  # fmt: skip


def observed(model: CameraFluxNo, numbers: torch.Tensor) -> Seen:
    seen = past(len(numbers))
    with torch.no_grad():
        return seen._replace(frames=model.filmed(numbers, seen, Heated.cold(len(numbers), SHAPE)))


def test_numbers_go_into_the_box_and_back() -> None:
    inside = squash(10 * hidden(50))
    for n, (low, high) in enumerate(BOX.values()):
        assert low <= inside[:, n].min()
        assert inside[:, n].max() <= high
    torch.testing.assert_close(squash(free_of(squash(hidden(50)), 1e-6)), squash(hidden(50)), atol=1e-5, rtol=1e-4)


def test_the_kernel_is_the_scheme(model: CameraFluxNo) -> None:
    """The films of both, and where powder has melted."""
    numbers = hidden(3)
    seen = Seen(*(each[:1].expand(3, *each.shape[1:]) for each in past(1)))
    start = Heated.start(0.3 * torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(1)))
    steps = model.heat.steps(matter_of(squash(numbers)), seen.frame).amax().expand(3)
    fast = model.filmed(numbers, seen, start, steps)
    matter, state = matter_of(squash(numbers)), start
    for n in range(5):
        beam = Beam(seen.power[:, n], seen.places[:, n], seen.places[:, n + 1], seen.frame)
        state = model.heat.advance(matter, state, beam, steps)
        torch.testing.assert_close(fast[:, n], model.camera(matter, state.h), atol=2e-5, rtol=0)
    assert (fast > model.sensor[0]).float().mean() > 0.02


def test_what_was_hidden_is_found_from_frames_without_noise(model: CameraFluxNo) -> None:
    """Not each number, but the frames and, ahead of them, the field."""
    numbers = hidden(2, seed=3)
    seen = observed(model, numbers)
    plan = Plan(
        torch.full((2, 3), 6.0), seen.places[:, -1:] + torch.tensor([[0.0, 2.0 * k] for k in range(4)]), seen.frame
    )
    with torch.no_grad():
        truth, _ = model.run(matter_of(squash(numbers)), Heated.cold(2, SHAPE), Plan(*seen[1:]), fields=False)
        _, state = model.run(matter_of(squash(numbers)), Heated.cold(2, SHAPE), Plan(*seen[1:]), fields=False)
        truth, _ = model.run(matter_of(squash(numbers)), state, plan)
        errors = []
        for rounds in (0, 10):
            found, _ = model(seen, plan, rounds=rounds)
            errors.append(float((found - truth).norm() / truth.norm()))
    assert errors[1] < 0.05
    assert errors[1] < 0.25 * errors[0]


def test_nobody_counts_who_is_beside_in_a_batch(model: CameraFluxNo) -> None:
    seen = observed(model, hidden(3, seed=2))
    many = model.free(seen, rounds=2)
    one = model.free(seen.take(slice(1, 2)), rounds=2)
    torch.testing.assert_close(many[1:2], one, atol=1e-4, rtol=1e-4)


def test_a_pixel_that_is_no_number_says_nothing(model: CameraFluxNo) -> None:
    """Dead pixels: what is solved for stays near what all pixels say, and no other sample notices."""
    seen = observed(model, hidden(2, seed=2))
    dead = seen.frames.clone()
    dead[1, :, 3, 5] = torch.nan
    dead[1, 2, 8, 8] = torch.inf
    found, wanted = model.free(seen._replace(frames=dead)), model.free(seen)
    torch.testing.assert_close(found[0], wanted[0])
    films = [model.filmed(each[1:], seen.take(slice(1, 2)), Heated.cold(1, SHAPE)) for each in (found, wanted)]
    assert (films[0] - films[1]).norm() < 0.02 * films[1].norm()


def test_a_reading_does_not_depend_on_where_in_the_box_the_beam_was(model: CameraFluxNo) -> None:
    with torch.no_grad():
        for value in model.reading.parameters():
            value.add_(0.2 * torch.randn_like(value))
    seen = observed(model, hidden(1))
    moved = seen._replace(frames=seen.frames.roll(4, 3), places=seen.places + torch.tensor([0.0, 4.0]))
    torch.testing.assert_close(model.reading(moved), model.reading(seen), atol=1e-4, rtol=1e-4)
    other = seen._replace(frames=0.5 * seen.frames)
    assert not torch.allclose(model.reading(other), model.reading(seen), atol=1e-3)


def test_what_does_not_fit_is_refused(model: CameraFluxNo) -> None:
    seen = past(1)
    with pytest.raises(ValueError, match="one place more"):
        model.free(seen._replace(places=seen.places[:, 1:]))
    for wrong in ({"frame": 0 * seen.frame}, {"power": seen.power * torch.nan}, {"places": seen.places * torch.inf}):
        with pytest.raises(ValueError, match="must be finite, and a frame lasts longer than 0"):
            model.free(seen._replace(**wrong))


def test_a_card_brings_it_back_and_asno_stays_first(model: CameraFluxNo, tmp_path: Path) -> None:
    card.save(tmp_path, "a-camera", model, {"operator": "HFluxNO"})
    card.save(tmp_path, "of-asno", torch.nn.Linear(1, 1).requires_grad_(False), {"operator": "ASNO", "sizes": {}})
    assert card.names(tmp_path) == ["of-asno", "a-camera"]
    loaded, told = card.load("a-camera", tmp_path)
    assert told["sizes"] == model.sizes
    seen = observed(model, hidden(1))
    torch.testing.assert_close(loaded.free(seen, rounds=1), model.free(seen, rounds=1))
    card.save(tmp_path, "unknown", model, {"operator": "FNO"})
    with pytest.raises(card.CardError, match="not known here, FNO"):
        card.load("unknown", tmp_path)


def test_tracks_are_the_same_however_many_are_drawn_and_stay_in_the_box() -> None:
    for split in draws.SPLITS:
        for number in range(6):
            track, again = draws.track(split, number), draws.track(split, number)
            assert np.array_equal(track.places, again.places)
            assert np.array_equal(track.law.numbers, again.law.numbers)
            assert (track.places >= draws.MARGIN).all()
            ny, nx = (n / draws.CELLS for n in draws.SHAPE[1:])
            assert (track.places <= [ny - draws.MARGIN, nx - draws.MARGIN]).all()
            far = np.hypot(*np.diff(track.places, axis=0).T)
            assert far == pytest.approx(draws.TRAVEL)
            assert draws.ABSORPTIVITY[0] <= track.law.numbers[0] <= draws.ABSORPTIVITY[1]


SHIPPED = "hfluxno-melt-pool"


@pytest.mark.skipif(SHIPPED not in card.names(), reason="no weights of the camera operator are shipped yet")
def test_with_trained_weights_the_ledger_closes_over_a_thousand_steps() -> None:
    """In single precision, to 1e-6 of what was absorbed, whatever the reading says of a film; laser off at times."""
    model, told = card.load(SHIPPED)
    assert told["operator"] == "HFluxNO"
    track = draws.track("validation", 0)
    places = torch.from_numpy(track.places * draws.CELLS).float()[None]
    film = torch.full((1, draws.CONTEXT, *model.shape[1:]), model.sensor[0])
    film[:, :, 10:14, 4:20] = 0.9
    power = torch.from_numpy(track.power).float()[None]
    seen = Seen(film, power[:, : draws.CONTEXT], places[:, : draws.CONTEXT + 1], torch.tensor([track.frame]))
    matter = model.infer(seen, rounds=0)
    state, taken, t = Heated.cold(1, model.shape), 0, 0
    before = model.heat.stored(state)
    while taken < 1000:
        n = t % 30
        beam = Beam(power[:, n] * float(t % 5 != 4), places[:, n], places[:, n + 1], seen.frame)
        with torch.no_grad():
            state = model.heat.advance(matter, state, beam)
        taken, t = taken + int(model.heat.steps(matter, beam.frame)[0]), t + 1
    assert state.h.dtype == torch.float32
    assert state.balance.absorbed.item() > 1
    assert abs(model.heat.defect(state, before).item()) < 1e-6
