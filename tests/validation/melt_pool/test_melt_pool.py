"""The test set has what it says, its fields are means over cells, and the measure is one that can be believed."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from operators.melt_pool.plan import TRAVEL
from operators.melt_pool.trajectories import BOX
from operators.operator import FakeOperator, Task
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid
from tests.validation.harness.rows import Results, Row
from tests.validation.melt_pool import builds, paths, pictures, suite
from tests.validation.melt_pool.case import (
    COARSE,
    KEYHOLE,
    SIZES,
    Case,
    Trajectory,
    boxes_of,
    candidate,
    drawn,
    kept,
    permitted,
    solved,
)
from tests.validation.melt_pool.cells import Cells, seen
from tests.validation.melt_pool.measure import (
    RECENT,
    SIZE_NAMES,
    Score,
    drift,
    errors,
    eventful,
    floor_of,
    norm,
    scored_from,
    size_errors,
)
from tests.validation.melt_pool.paths import HATCHED, OFF, SHORT, STEP, TURNING
from tests.validation.melt_pool.rows import Carried, Free, Persistence
from twin.regime import keyhole_number

DRAWS = 300
FRAMES = 60


@pytest.fixture(scope="module")
def draws() -> list[Case]:
    return [candidate(number, FRAMES) for number in range(DRAWS)]


@pytest.fixture(scope="module")
def trajectory() -> Trajectory:
    """A short one of a case with turns, coarse."""
    return solved(drawn(1, 30), COARSE)


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return WindowGrid().weights()


# --- the measure


def test_the_truth_has_no_error_and_a_cold_forecast_of_a_hot_window_has_all(
    trajectory: Trajectory, volume: np.ndarray
) -> None:
    floor = floor_of(trajectory.theta, volume)
    assert errors(trajectory.theta, trajectory.theta, volume, floor).max() == 0.0
    cold = errors(np.zeros_like(trajectory.theta), trajectory.theta, volume, floor)
    assert cold[5:] == pytest.approx(1.0)


def test_a_wrong_cell_counts_by_its_volume(volume: np.ndarray) -> None:
    assert volume.sum() == pytest.approx((18.0 + 1.6) * 5.2 * 5.2)
    truth = np.ones((1, *volume.shape))
    for cell in ((0, 0, -1), (37, 12, 0)):
        estimate = truth.copy()
        estimate[0][cell] += 2.0
        wanted = 2.0 * math.sqrt(volume[cell] / volume.sum())
        assert errors(estimate, truth, volume, 0.0)[0] == pytest.approx(wanted)


def test_a_window_gone_cold_is_measured_against_a_tenth_of_the_median(volume: np.ndarray) -> None:
    truth = np.ones((5, *volume.shape))
    truth[4] = 0.0
    floor = floor_of(truth, volume)
    assert floor == pytest.approx(0.1 * norm(truth[0], volume))
    assert errors(truth + 0.01, truth, volume, floor) == pytest.approx([0.01] * 4 + [0.1])


@pytest.mark.parametrize("lead", [0, 1, 20, 40])
def test_windows_are_eventful_where_an_event_is_recent_or_to_come(lead: int) -> None:
    events = np.random.default_rng(1).random(200) < 0.01
    found = eventful(events, lead)
    for i, each in enumerate(found):
        assert each == events[max(i - RECENT + 1, 0) : i + lead + 1].any()
    assert len(found) == len(events) - lead


def test_sizes_count_a_pool_in_one_alone_as_lost_and_none_in_both_not_at_all() -> None:
    true = np.array([[1.0, 0.1, 0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = np.array([[1.1, 0.05, 0.0], [0.2, 0.2, 0.2], [0.0, 0.0, 0.0]])
    wrong = size_errors(found, true)
    assert wrong[0] == pytest.approx([0.1, 0.2, 1.0])
    assert wrong[1] == pytest.approx(1.0)
    assert np.isnan(wrong[2]).all()


def test_drift_is_the_end_over_the_beginning() -> None:
    assert drift(np.full(3600, 0.03)) == pytest.approx(1.0)
    assert drift(np.linspace(1.0, 3.0, 5000)) == pytest.approx(2.9 / 1.1, rel=1e-2)
    assert (scored_from(4000), scored_from(120)) == (400, 30)


def test_a_score_of_the_truth_is_nothing_but_what_its_means_do_to_sizes(trajectory: Trajectory) -> None:
    score = Score()
    score.add(trajectory, 0, trajectory.theta)
    score.add(trajectory, 20, trajectory.theta[20:])
    told = score.summary()
    assert told["free"]["event"] == told["lead 20"]["event"] == 0.0
    assert 0 < told["sizes lead 20"]["width median"] < 0.01
    assert told[f"sizes lead 20, {trajectory.case.alloy}"] == told["sizes lead 20"]
    assert told["sizes lead 20"]["alone"] == 0.0
    score.add(trajectory, 1, np.zeros_like(trajectory.theta[1:]))
    assert score.summary()["sizes lead 1"]["alone"] == 1.0, "a cold plate has no pool"


def test_sizes_of_each_regime_and_alloy_stand_in_a_table_of_those_that_learned(tmp_path: Path) -> None:
    told = {f"{name} {level}": at for name in SIZE_NAMES for level, at in (("median", 0.01), ("p95", 0.05))}
    errors = {
        f"sizes {suite.SIZES_AT}{of}": told | {"pools": 1200, "alone": 0.002} for of in ("", ", keyhole", ", IN718")
    }
    results = Results(tmp_path / "results.json")
    for name, kind in (("asno", "learned"), ("persistence", "trivial")):
        results.add(Row("melt_pool", name, kind, 0, "small", errors))
    lines = suite.parts(results, "small").splitlines()[2:]
    assert lines == [
        f"| asno | {of} | 1,200 | 1.00 / 5.00 | 1.00 / 5.00 | 1.00 / 5.00 | 0.2 |" for of in ("IN718", "keyhole")
    ]


# --- the test set


def test_shares_of_features_and_events_hold(draws: list[Case]) -> None:
    def share(count: int) -> float:
        return count / DRAWS

    features = [case.features for case in draws]
    assert share(sum(f.steps for f in features)) == pytest.approx(1 / 2, abs=0.02)
    assert share(sum(f.shape in TURNING for f in features)) == pytest.approx(1 / 2, abs=0.02)
    assert share(sum(f.off for f in features)) == pytest.approx(1 / 3, abs=0.02)
    assert share(sum(f.shape in HATCHED for f in features)) == pytest.approx(1 / 3, abs=0.02)
    assert share(sum(f.shape == "short" for f in features)) == pytest.approx(1 / 5, abs=0.02)
    both = share(sum(f.steps and f.shape in TURNING for f in features))
    assert both == pytest.approx(1 / 4, abs=0.03)  # independent of one another


def test_every_path_has_its_features_and_no_others(draws: list[Case]) -> None:
    for case in draws:
        rows, f = case.rows, case.features
        lit = rows[:-1, 3] > 0
        levels = rows[:-1, 3][lit]
        changes = np.abs(np.diff(levels)) / levels[:-1]
        assert (changes >= STEP - 1e-9).any() == f.steps
        along = np.diff(rows[:, 1:3], axis=0)[lit]
        headings = np.arctan2(along[:, 1], along[:, 0])
        turns = np.abs(np.angle(np.exp(1j * np.diff(headings)))) > 0.02
        assert turns.any() == (f.shape in TURNING)
        for before, after in zip(rows[:-2, 3], rows[1:-1, 3], strict=True):
            assert before == after or 0.0 in (before, after) or abs(after - before) >= STEP * before - 1e-9
        longest = run = 0
        for stretch in case.stretches:
            run = run + 1 if (stretch[:-1, 3] == 0).all() else 0
            longest = max(longest, run)
        assert (longest >= OFF) == f.off
        if f.shape in HATCHED:
            length = abs(np.linalg.norm(rows[1, 1:3] - rows[0, 1:3])) if not f.steps and not f.off else None
            assert length is None or (length < SHORT) == (f.shape == "short")


@pytest.mark.parametrize(
    ("first", "vectors", "frames"),
    [(builds.FIRST, builds.VECTORS, 300), (builds.LONG_FIRST, builds.LONG_VECTORS, 500)],
)
@pytest.mark.parametrize("number", range(6))
def test_builds_have_long_vectors_and_come_back_beside_what_is_long_cold(
    number: int, first: int, vectors: tuple[float, float], frames: int
) -> None:
    build = candidate(first + number, frames, 0, 0, builds.FEATURES[number % 2], vectors)
    lit = [rows for rows in build.stretches if rows[-2, 3] > 0]
    ends = np.array([rows[-1, :3] for rows in lit])
    ways = np.diff(ends[:, 1:], axis=0)
    turns = np.flatnonzero(np.linalg.norm(np.diff(ways, axis=0), axis=1) > 0.1)
    between = [n for n in np.diff(turns) if n > 4]
    assert between, "vectors"
    assert vectors[0] - 1 <= max(between) * TRAVEL <= vectors[1] + 1
    assert paths.vectors(build.rows).max() == pytest.approx(max(between) * TRAVEL, abs=2)
    far = np.linalg.norm(ends[:, None, 1:] - ends[None, :, 1:], axis=-1)
    assert (far[np.tril_indices(len(far), -30)] < 1.6).any()
    assert first + number not in range(sum(count for count, _ in SIZES["full"]))


def test_the_heat_of_the_longest_vectors_is_kept_until_the_beam_comes_back() -> None:
    short, long = (builds.build_cases("small")[n] for n in (0, -1))
    levels = [boxes_of(each, 0.5, 12).levels for each in (short, long)]
    assert paths.vectors(long.rows).max() > 50.5 > paths.vectors(short.rows).max()
    assert levels[1] == levels[0] + 1
    straight = next(case for n in range(20) if (case := candidate(n, 120)).features.shape == "straight")
    assert boxes_of(straight, 0.5, 12).levels == levels[0], "nothing comes back to a track of 60 d"


def test_events_are_where_the_path_says() -> None:
    rows = np.array(
        [
            [0.0, 0.0, 0.0, 1.0],
            [10.0, 5.0, 0.0, 0.9],  # a small step is none
            [20.5, 10.25, 0.0, 0.5],  # a step
            [30.0, 15.0, 0.0, 0.5],  # a corner
            [40.0, 15.0, 5.0, 0.0],  # off
            [43.2, 15.0, 5.0, 0.5],  # on again
            [60.0, 15.0, 13.4, 0.5],
        ]
    )
    assert np.flatnonzero(paths.events(rows, 60)).tolist() == [0, 20, 30, 40, 41, 42, 43]


def test_frames_join_and_go_half_a_diameter_at_nominal_speed(draws: list[Case]) -> None:
    for case in draws[:60]:
        whole = case.stretches
        assert len(whole) == FRAMES
        for before, after in zip(whole[:-1], whole[1:], strict=True):
            assert before[-1] == pytest.approx(after[0])
        for rows in whole:
            assert rows[-1, 0] - rows[0, 0] == pytest.approx(TRAVEL / case.stream.peclet)
            if (rows[:-1, 3] > 0).all():
                far = np.hypot(*np.diff(rows[:, 1:3], axis=0).T).sum()
                assert far == pytest.approx(TRAVEL)


def test_windows_stand_where_an_operator_says(draws: list[Case]) -> None:
    for case in draws[:10]:
        (looks,) = FakeOperator().step([Task(case.stream, case.stretches, [])])
        assert [(look.x, look.y, look.heading) for look in looks] == case.poses


def test_a_draw_is_made_again_by_its_seed_and_number() -> None:
    first, again, other = candidate(7, FRAMES), candidate(7, FRAMES), candidate(7, FRAMES, seed=1)
    assert np.array_equal(first.rows, again.rows)
    assert first.process == again.process
    assert first.process.beam_diameter_m != other.process.beam_diameter_m


def test_what_is_drawn_is_inside_the_envelope_and_the_window() -> None:
    for number in range(2):
        case = drawn(number, 30)
        assert permitted(case)
        assert keyhole_number(case.process, case.beam_power_w, case.scan_speed_m_per_s) <= KEYHOLE
        q, depth = np.vstack(case.stretches)[:, 3:].T
        assert BOX["q"][0] <= q[q > 0].min()
        assert q.max() <= BOX["q"][1]
        assert BOX["depth"][0] <= depth.min()
        assert depth.max() <= BOX["depth"][1]


def test_fields_are_the_same_made_again_and_read_again(tmp_path: Path, trajectory: Trajectory) -> None:
    case = trajectory.case
    first, again = kept(case, tmp_path, COARSE), kept(case, tmp_path, COARSE)
    for name in ("theta", "nodes", "sizes"):
        assert np.array_equal(getattr(first, name), getattr(trajectory, name))
        assert np.array_equal(getattr(again, name), getattr(trajectory, name))
    assert again.seconds == first.seconds


# --- means over cells


def test_a_mean_keeps_a_linear_field_and_the_volumes_of_the_window(volume: np.ndarray) -> None:
    cells, grid = Cells(WindowGrid()), WindowGrid()
    x, y, z = cells.points
    mean = cells.average(1.0 + 2.0 * x - 3.0 * y + 0.5 * z)
    inner = (slice(1, -1),) * 3
    middles = [0.5 * (0.5 * (a[2:] + a[1:-1]) + 0.5 * (a[1:-1] + a[:-2])) for a in (grid.x, grid.y, grid.z)]
    mx, my, mz = np.meshgrid(*middles, indexing="ij")
    assert mean[inner] == pytest.approx(1.0 + 2.0 * mx - 3.0 * my + 0.5 * mz)
    exact = 19.6 * 5.2 * 5.2 * (1.0 + 2.0 * 0.5 * (1.6 - 18.0) + 0.5 * 2.6)
    assert (mean * volume).sum() == pytest.approx(exact)


def test_a_mean_conserves_a_spot_of_the_beams_width(volume: np.ndarray) -> None:
    """int exp(-r^2/2 sigma^2), sigma = 1/4, on the half-space: (2 pi)^(3/2) sigma^3/2. At the nodes it is 0.3 % off."""
    exact = 0.5 * (2 * math.pi) ** 1.5 * 0.25**3

    def integral(values: np.ndarray) -> float:
        return float((values * volume).sum())

    def spot(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.exp(-8.0 * (x**2 + y**2 + z**2))

    cells = Cells(WindowGrid())
    assert integral(cells.average(spot(*cells.points))) == pytest.approx(exact, rel=2e-4)


def test_more_points_change_the_mean_of_a_real_field_by_little(trajectory: Trajectory, volume: np.ndarray) -> None:
    """Of a field of the reference, which is linear between its own cells."""
    case = trajectory.case
    solver = MeltPoolSolver(case.stream.groups, Boxes.fitting(1.0, 8), surface=case.stream.surface)
    for rows in case.stretches[:20]:
        solver.advance(rows)
    few, many = (Cells(WindowGrid(), times).of(solver, *case.poses[19]) for times in (1, 3))
    nodes = solver.theta(*seen(WindowGrid().points, *case.poses[19]))
    assert norm(few - many, volume) < 1.5e-3 * norm(many, volume)
    assert norm(nodes - many, volume) > 5 * norm(few - many, volume)


def test_a_spline_through_the_nodes_gives_their_means_and_back(trajectory: Trajectory, volume: np.ndarray) -> None:
    cells, grid = Cells(WindowGrid()), WindowGrid()
    x, y, z = grid.points
    linear = 1.0 + 2.0 * x - 3.0 * y
    px, py, _ = cells.points
    assert cells.means(linear) == pytest.approx(cells.average(1.0 + 2.0 * px - 3.0 * py))
    several = np.stack([linear, z**2])
    assert cells.nodes(cells.means(several)) == pytest.approx(several)
    theta, nodes = (each[20:].astype(np.float64) for each in (trajectory.theta, trajectory.nodes))
    taken = norm(cells.means(nodes) - theta, volume) / norm(theta, volume)
    as_they_are = norm(nodes - theta, volume) / norm(theta, volume)
    assert taken.max() < 0.01
    assert taken.mean() < 0.4 * as_they_are.mean()


# --- rows and suite


def test_rows_give_every_lead_its_frames(trajectory: Trajectory) -> None:
    free = Free("trivial", lambda t: 0.5 * t.theta.astype(np.float32))
    for row in (Persistence(), free, Carried(free)):
        for lead in (1, 20):
            estimate = row.forecast(trajectory, lead)
            assert estimate is not None
            assert estimate.shape == trajectory.theta[lead:].shape
    assert Persistence().forecast(trajectory, 0) is None
    held = Persistence().forecast(trajectory, 20)
    assert held is not None
    assert np.array_equal(held[0], trajectory.theta[0])


def test_what_was_missed_is_added_where_it_went(trajectory: Trajectory) -> None:
    """A free run that is off by one everywhere: one frame later hardly any of that is left, and later less."""
    off = Free("trivial", lambda t: t.theta.astype(np.float32) - 1.0)
    left = []
    for lead in (1, 20):
        estimate = Carried(off).forecast(trajectory, lead)
        assert estimate is not None
        left.append(np.abs(estimate - trajectory.theta[lead:].astype(np.float32)).mean())
    assert left[0] < 0.35 < left[1] < 1.0


def test_the_suite_tells_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "kept", lambda case, folder: kept(case, folder, COARSE))
    out = tmp_path / "results.json"
    asked = ["--budget", "smoke", "--operators", "persistence,linear response", "--out", str(out)]
    assert suite.main(asked) == 0
    told = capsys.readouterr().out
    assert told.count("\n") == 4
    assert "| linear response | trivial |" in told
    made_at = out.stat().st_mtime_ns
    assert suite.main(asked) == 0  # rows that are there are not made again
    assert out.stat().st_mtime_ns == made_at
    assert suite.main(["--operators", "nobody"]) == 2
    filled = Results(out)
    hatches = suite.hatched(filled, "smoke").splitlines()
    assert [line.split(" | ")[0] for line in hatches[2:]] == ["| linear response"], "persistence has no free run"
    row, shown = filled.rows["melt_pool", "linear response", 0, "smoke"], filled.about["smoke"]["shown"]
    assert len(row.growth) == len(row.profile["depth"]) == len(shown["depth"]) == SIZES["smoke"][0][1]
    assert not filled.rows["melt_pool", "persistence", 0, "smoke"].growth  # it has no free run
    late = filled.rows["melt_pool", "linear response", 0, "smoke"].errors["free"]
    assert min(row.growth) <= max(late["event"], late.get("steady", 0.0))
    svg = ElementTree.fromstring(pictures.sizes(filled, "smoke") or "")
    boxes = [each for each in svg.iter() if each.tag.endswith("rect")]
    assert len(boxes) == 3 * (1 + len(shown["off"]))
    words = [each.text for each in svg.iter() if each.tag.endswith("text")]
    assert {"truth", "linear response", "length", "width", "depth"} <= set(words)
