"""Laws of the conservative engine: its ledger closes wherever the beam goes, and pictures tell what is absorbed."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from operators.conservative.engine import Conservative, cut
from operators.conservative.inferred import KEPT, MORE, Inferred, Word, said
from operators.conservative.matter import HOTTEST, Matter
from operators.conservative.scheme import Drive, Scheme, Shape
from operators.groups import Groups
from operators.operator import Picture, Scales, Stream, Task
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.operator import ReferenceOperator
from operators.reference.surface import Surface

GROUPS = Groups(mushy=0.0453, latent=0.3041, k_cold=0.3142, k_liquid=1.0005, c_cold=0.5711, c_liquid=0.9852)
SURFACE = Surface(evaporation=1.0, vapour=40.0, boiling=2.3, zero=0.22, radiation=1e-3, convection=1e-4)
PECLET = 16.0
FRAME = 0.5 / PECLET
STREAM = Stream("s", GROUPS, PECLET, SURFACE, scales=Scales(rise=0.88))


def stretch(
    n: int, begin: tuple[float, float], end: tuple[float, float], q: float = 30.0, depth: float = 0.8
) -> np.ndarray:
    return np.array([[n * FRAME, *begin, q, depth], [(n + 1) * FRAME, *end, q, depth]])


def straight(frames: int, q: float = 30.0, depth: float = 0.8) -> list[np.ndarray]:
    return [stretch(n, (0.5 * n, 0.0), (0.5 * (n + 1), 0.0), q, depth) for n in range(frames)]


def hatch(tracks: int, long: int = 50) -> list[np.ndarray]:
    """To and fro over 25 diameters, the laser off in the turns: the box moves on every track."""
    rows, n = [], 0
    for track in range(tracks):
        x, step = (0.0, 0.5) if track % 2 == 0 else (0.5 * long, -0.5)
        for k in range(long):
            rows.append(stretch(n, (x + k * step, track), (x + (k + 1) * step, track)))
            n += 1
        x += long * step
        rows.append(stretch(n, (x, track), (x, track + 1), q=0.0))
        n += 1
    return rows


def engine() -> Conservative:
    return Conservative({"name": "hflux"})


def test_the_ledger_closes_over_turns_and_with_the_box_on_its_way() -> None:
    mine = engine()
    looks = mine.step([Task(STREAM, hatch(3), [straight(1)[0] + [153 * FRAME, 0, 0, 0, 0]])])[0]
    plate = mine._streams["s"].plate
    assert plate.ledger.left_behind > 0.01 * plate.ledger.absorbed, "heat was left, and is booked"
    assert plate.ledger.surface > 0
    for look in looks:
        assert look.defect is not None
        assert abs(look.defect) < 1e-6
    absorbed = sum(float(np.diff(rows[:, 0])[0] * rows[0, 3]) for rows in hatch(3)) * 4**3
    assert plate.ledger.absorbed == pytest.approx(absorbed, rel=1e-5), "and all of the beam came in"


def test_a_ledger_that_is_wrong_is_seen() -> None:
    mine = engine()
    mine.step([Task(STREAM, straight(4), [])])
    plate = mine._streams["s"].plate
    plate.h = plate.h * 1.01
    look = mine.step([Task(STREAM, [straight(5)[4]], [])])[0][0]
    assert look.defect is not None
    assert look.defect < -1e-3


@pytest.mark.parametrize(("q", "depth", "peclet"), [(34.0, 1.0, 16.0), (8.2, 0.18, 27.5), (3.2, 0.18, 1.4)])
def test_pools_are_those_of_the_reference(q: float, depth: float, peclet: float) -> None:
    stream = replace(STREAM, peclet=peclet)
    rows = [each * [FRAME and PECLET / peclet, 1, 1, 1, 1] for each in straight(30, q, depth)]
    sizes = [
        operator.grid.sizes(operator.step([Task(stream, rows, [])])[0][-1].theta, GROUPS.solidus)
        for operator in (engine(), ReferenceOperator(8))
    ]
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=0.16)


def test_after_a_turn_the_old_track_is_still_warm() -> None:
    there = straight(24)
    back = [stretch(24 + n, (12 - 0.5 * n, 1.0), (11.5 - 0.5 * n, 1.0)) for n in range(6)]
    depths = []
    for rows in (there + back, back):
        mine = engine()
        depths.append(mine.grid.sizes(mine.step([Task(STREAM, rows, [])])[0][-1].theta, GROUPS.solidus)[2])
    assert depths[0] > 1.02 * depths[1]


def test_heat_of_a_long_track_is_there_when_the_beam_comes_back_along_it() -> None:
    """Two tracks of thirty diameters, longer than the box: it leaves the first one's heat, and finds it again."""
    rows = hatch(2, long=60)
    plates = [operator.step([Task(STREAM, rows, [])])[0] for operator in (engine(), ReferenceOperator(5))]
    mine = engine()
    middle = len(mine.grid.y) // 2
    for n in (85, 95, 105, 115):  # on the way back, far from the turn
        ahead = [float(looks[n].theta[-1, middle, 0]) for looks in plates]
        assert ahead[1] > 0.1
        assert ahead[0] == pytest.approx(ahead[1], rel=0.15)
        sizes = [mine.grid.sizes(looks[n].theta, GROUPS.solidus) for looks in plates]
        np.testing.assert_allclose(sizes[0], sizes[1], rtol=0.1)
        assert abs(plates[0][n].defect or 0.0) < 1e-6


@pytest.mark.parametrize("begin", [0, 1, 2, 3])
def test_a_beam_that_digs_deep_after_it_only_conducted_keeps_its_heat(begin: int) -> None:
    """Twice the cells until then: the field goes over whole, wherever the corner of its box was."""
    fast = replace(STREAM, peclet=16.0)
    at = 0.125 * begin
    shallow = [stretch(n, (0.5 * n + at, at), (0.5 * (n + 1) + at, at), q=9.0, depth=0.18) for n in range(30)]
    deep = [stretch(n, (0.5 * n + at, at), (0.5 * (n + 1) + at, at)) for n in range(30, 50)]
    mine, other = engine(), ReferenceOperator(8)
    mine.step([Task(fast, shallow, [])])
    fine = mine._streams["s"].plate
    kept = mine._kept(fast, deep[0])
    assert (fine.h.shape, kept.plate.h.shape) == ((16, 64, 64), (14, 72, 72))
    assert float(kept.plate.h.double().sum()) == pytest.approx(float(fine.h.double().sum()) / 8, rel=1e-6)
    looks = mine.step([Task(fast, deep, [])])[0]
    assert abs(looks[-1].defect or 0.0) < 1e-6
    wanted = other.step([Task(fast, shallow + deep, [])])[0]
    for n in (2, 19):
        sizes = [mine.grid.sizes(look.theta, GROUPS.solidus) for look in (looks[n], wanted[30 + n])]
        np.testing.assert_allclose(sizes[0], sizes[1], rtol=0.1)


def test_a_plate_that_goes_ahead_is_a_copy_and_streams_of_other_shapes_do_not_meet() -> None:
    slow = replace(STREAM, name="slow", peclet=1.4)
    mine, alone = engine(), engine()
    ahead = [np.vstack([straight(5)[4][0], straight(9)[8][1]])]
    both = mine.step([Task(STREAM, straight(4), ahead), Task(slow, straight(4), [])])
    one = alone.step([Task(STREAM, straight(4), [])])
    for a, b in zip(both[0][:4], one[0], strict=True):
        np.testing.assert_allclose(a.theta, b.theta, atol=1e-4)
    later = [
        mine.step([Task(STREAM, [straight(5)[4]], [])])[0][0],
        alone.step([Task(STREAM, [straight(5)[4]], [])])[0][0],
    ]
    np.testing.assert_allclose(later[0].theta, later[1].theta, atol=1e-4)


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_ten_pictures_of_the_reference_tell_what_is_absorbed(factor: float, turn: float) -> None:
    """A reference solver absorbs a factor of what is told; a camera of its surface, clipped and noisy, tells so."""
    hidden = MeltPoolSolver(GROUPS, surface=SURFACE)
    rng = np.random.default_rng(0)
    mine, looks, pictures = engine(), [], []
    u = (np.arange(24) - 11.5) / 4
    c, s = math.cos(turn), math.sin(turn)
    for n, rows in enumerate(straight(24)):
        hidden.advance(rows * [1, 1, 1, factor, 1])
        x, y = rows[-1, 1] + c * u[None] - s * u[:, None], s * u[None] + c * u[:, None]
        theta = hidden.theta(x, y, np.full_like(x, 0.03)) * (1 + 0.03 * rng.standard_normal(x.shape))
        pictures.append(Picture(rows[-1, 0], theta.clip(0.28, 1.36), 0.25, 0.28, 1.36, turn=turn))
        looks += mine.step([Task(STREAM, [rows], [], tuple(pictures[-KEPT:]) if n >= 4 else ())])[0]
    assert [looks[n].pictures for n in (0, 3, 23)] == [0, 0, KEPT]
    assert looks[3].absorbs == 1.0
    assert looks[-1].absorbs == pytest.approx(factor, rel=0.08)
    assert abs(looks[-1].defect or 0.0) < 1e-6


def test_pictures_tell_the_same_whether_frames_come_one_by_one_or_in_a_long_stretch() -> None:
    """When a twin is behind, frames are passed over and their path is one stretch: pictures keep their moments."""
    hidden, pictures = MeltPoolSolver(GROUPS, surface=SURFACE), []
    u = (np.arange(24) - 11.5) / 4
    for n, rows in enumerate(straight(16)):
        hidden.advance(rows * [1, 1, 1, 1.4, 1])
        x = rows[-1, 1] + np.broadcast_to(u[None], (24, 24))
        theta = hidden.theta(x, np.broadcast_to(u[:, None], (24, 24)), np.full((24, 24), 0.03))
        if n >= 6:
            pictures.append(Picture(rows[-1, 0] - (1e-9 if n == 15 else 0.0), theta.clip(0.28, 1.36), 0.25, 0.28, 1.36))
    found = []
    for stretches in ([np.vstack(straight(16))], straight(16)):
        mine = engine()
        mine.step([Task(STREAM, stretches[: len(stretches) // 4], [], ())])
        look = mine.step([Task(STREAM, stretches[len(stretches) // 4 :], [], tuple(pictures))])[0][-1]
        assert look.pictures == KEPT
        found.append(look.absorbs)
    assert found == pytest.approx([1.4, 1.4], rel=0.1)


def test_a_path_is_cut_where_pictures_were_taken_and_loses_nothing() -> None:
    rows = np.array([[0, 0, 0, 10, 0.5], [1, 2, 0, 30, 0.9], [2, 2, 4, 0, 0.2]], dtype=float)
    parts = cut(rows, [0.5, 1.0, 1.5, 2.0, 7.0, -1.0, 0.5])
    assert [part[0, 0] for part in parts] == [0, 0.5, 1.0, 1.5]
    assert [part[-1, 0] for part in parts] == [0.5, 1.0, 1.5, 2.0]
    assert parts[0][-1, 1] == 1.0
    assert parts[2][-1, 2] == 2.0
    energy = sum(float((np.diff(part[:, 0]) * part[:-1, 3]).sum()) for part in parts)
    assert energy == pytest.approx(float((np.diff(rows[:, 0]) * rows[:-1, 3]).sum()))
    assert len(cut(rows, [])) == 1


def test_kin_know_what_one_of_them_has_learned_and_others_do_not() -> None:
    mine = engine()
    own = replace(STREAM, kin="m/b")
    mine.inferred(own).heard(said_word(0.5))
    mine.forget("s")
    assert mine.inferred(replace(own, name="next layer")).factor > 1.2
    assert mine.inferred(replace(own, name="s", kin="m/other")).factor == 1.0


def said_word(u: float) -> object:
    flat = np.full((4, 4), 0.8)
    word = said(Picture(1.0, flat * math.exp(u), 0.25, 0.1, 3.0), flat, flat * (1 + MORE), 0.0, 4, 1.0)
    assert word is not None
    assert word.time == 1.0
    return word


def test_what_was_known_before_the_last_ten_pictures_steadies_and_does_not_rule() -> None:
    rng, mine = np.random.default_rng(0), Inferred()
    told = [0.2 + 0.1 * rng.standard_normal() for _ in range(60)]
    found = []
    for u in told:
        mine.heard(Word(0.0, 40.0, 40.0 * u))
        found.append(mine.log_factor)
    ten = np.convolve(told, np.ones(KEPT) / KEPT, "valid")
    assert np.std(found[20:]) < 0.8 * np.std(ten[11:])
    for _ in range(3 * KEPT):
        mine.heard(Word(0.0, 40.0, 40.0 * -0.2))
    assert mine.log_factor == pytest.approx(-0.2, abs=0.06)
    assert mine.pictures == KEPT


def test_a_picture_of_nothing_warm_says_nothing_and_the_prior_stands() -> None:
    dark = np.full((8, 8), 0.25)
    assert said(Picture(0.0, dark, 0.25, 0.25, 1.2), 0 * dark, 0 * dark, 0.0, 4, 1.0) is None
    glare = np.full((8, 8), 1.2)
    assert said(Picture(0.0, glare, 0.25, 0.25, 1.2), 2 * glare, 2.2 * glare, 0.0, 4, 1.0) is None
    none = Inferred((math.log(1.1), 0.2))
    assert none.factor == pytest.approx(1.1)
    assert none.spread == pytest.approx(0.2)


def test_a_dead_pixel_silences_no_other() -> None:
    """One that is no number takes what it would have said out of a picture, and nothing else."""
    shown = np.linspace(0.3, 1.1, 64).reshape(8, 8)
    picture = Picture(0.0, 1.05 * shown, 0.25, 0.25, 1.2)
    whole = said(picture, shown, 1.1 * shown, 0.0, 4, 1.0)
    for dead in (np.nan, np.inf, -np.inf):
        theta = picture.theta.copy()
        theta[2, 3] = dead
        one = said(replace(picture, theta=theta), shown, 1.1 * shown, 0.0, 4, 1.0)
        assert 0.95 * whole.information < one.information < whole.information
        assert one.weighted / one.information == pytest.approx(whole.weighted / whole.information, rel=0.02)
    assert said(replace(picture, theta=np.full((8, 8), np.nan)), shown, 1.1 * shown, 0.0, 4, 1.0) is None


def test_energy_of_a_drive_is_that_of_its_path_whatever_the_steps_are() -> None:
    matter = Matter.of(GROUPS, SURFACE)
    rows = np.array(
        [[0, 0, 0, 10, 0.5], [0.013, 1, 0, 30, 0.9], [0.05, 2, 0, 0, 0.2], [0.11, 2, 3, 7, 0.2]], dtype=float
    )
    drive = Drive.along(rows, matter, 4, factor=1.5)
    assert drive.q.sum() * drive.dt == pytest.approx(1.5 * float((np.diff(rows[:, 0]) * rows[:-1, 3]).sum()))
    assert 6 * matter.fastest * drive.dt * 16 <= 0.951
    assert len(Drive.along(rows[:1].repeat(2, 0), matter, 4).q) == 0


def test_tables_rise_and_a_plate_without_a_beam_makes_no_new_extremum() -> None:
    matter = Matter.of(GROUPS, SURFACE)
    for table in (matter.phi, matter.theta, matter.loss):
        assert (table.diff() >= 0).all()
    assert float(matter.theta[-1]) == pytest.approx(1 + (HOTTEST - GROUPS.h_liquidus) / GROUPS.c_liquid, rel=1e-4)
    scheme = Scheme(Shape(4, side=8.0, deep=2.0))
    plate = scheme.cold(0.0, 0.0)
    plate.h = 3 * torch.rand(plate.h.shape, generator=torch.Generator().manual_seed(0))
    hottest, stored = float(plate.h.max()), float(plate.h.double().sum())
    dark = Drive.along(stretch(0, (0, 0), (0, 0), q=0.0), matter, 4)
    scheme.advance([plate], [matter], [dark])
    assert float(plate.h.max()) <= hottest
    assert float(plate.h.min()) >= 0
    assert plate.ledger.stored < stored
    assert plate.ledger.stored + plate.ledger.walls + plate.ledger.surface == pytest.approx(stored, rel=1e-6)


def test_the_compiled_step_and_the_one_in_torch_are_the_same() -> None:
    matter, scheme = Matter.of(GROUPS, SURFACE), Scheme(Shape(4, side=8.0, deep=2.0, margin=2.0))
    plates = [scheme.cold(0.0, 0.0) for _ in range(2)]
    for n in range(12):
        drive = Drive.along(
            stretch(n, (0.5 * n, 0.1 * n), (0.5 * (n + 1), 0.1 * (n + 1)), depth=0.2 + 0.1 * n), matter, 4
        )
        scheme._alone(plates[0], matter, drive)
        scheme._together(plates[1:], [matter], [drive], [0])
    assert (plates[0].corner == plates[1].corner).all()
    assert plates[0].ledger.left_behind > 0
    torch.testing.assert_close(plates[0].h, plates[1].h, atol=2e-5, rtol=2e-5)
    for name, value in vars(plates[0].ledger).items():
        assert value == pytest.approx(getattr(plates[1].ledger, name), rel=1e-5), name
    assert max(abs(plate.ledger.defect) for plate in plates) < 1e-6
