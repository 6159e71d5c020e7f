"""Laws of the reference melt pool: energy, symmetry, cooling, the exact steady state, and trends."""

import numpy as np
import pytest

from operators.groups import CONSTANT, Groups
from operators.reference import eagar_tsai
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver, stretches
from operators.window import WindowGrid

STEEL = Groups(mushy=0.04, latent=0.2, k_cold=0.5, k_liquid=1.3, c_cold=0.7, c_liquid=1.1)
COARSE = Boxes(cells_per_diameter=5, along=8.0)
GRID = WindowGrid()

PATHS = {
    "off": [[0, 0, 0, 0], [0.3, 3, 0, 0]],
    "on": [[0, 0, 0, 10], [0.5, 5, 0, 10]],
    "power steps": [[0, 0, 0, 10], [0.1, 1, 0, 4], [0.2, 2, 0, 0], [0.3, 3, 0, 15], [0.4, 4, 0, 0]],
    "turn": [[0, 0, 0, 10], [0.3, 3, 0, 10], [0.6, 3, 3, 10]],
    "U-turn": [[0, 0, 0, 10], [0.3, 3, 0, 0], [0.35, 3, 0.5, 10], [0.65, 0, 0.5, 10]],
    "jump": [[0, 0, 0, 10], [0.3, 3, 0, 0], [0.4, 23, 0, 10], [0.6, 25, 0, 0], [0.7, 5, 0, 10], [0.8, 6, 0, 10]],
    "slanted": [[0, 0, 0, 10], [0.6, 4.2, 4.2, 10]],
    "out of the boxes": [[0, 0, 0, 10], [0.1, 1, 0, 0], [0.2, 61, 0, 10], [0.3, 62, 0, 10]],
}


def run(path: list[list[float]], groups: Groups = STEEL, boxes: Boxes = COARSE, dtype: type = np.float64):
    """A solver that went along a path row by row."""
    rows = np.array(path, dtype=float)
    solver = MeltPoolSolver(groups, boxes, dtype)
    for i in range(len(rows) - 1):
        solver.advance(rows[i : i + 2])
    return solver


def energy(path: list[list[float]]) -> float:
    rows = np.array(path, dtype=float)
    return float((np.diff(rows[:, 0]) * rows[:-1, 3]).sum())


def sizes(solver: MeltPoolSolver, at: float) -> np.ndarray:
    x, y, z = GRID.points
    return np.array(GRID.sizes(solver.theta(x + at, y, z), solver.groups.solidus))


def track(q: float, peclet: float, run_d: float, groups: Groups, cells: int, **box: float) -> np.ndarray:
    """Sizes at the end of a straight track."""
    path = [[0, 0, 0, q], [run_d / peclet, run_d, 0, q]]
    return sizes(run(path, groups, Boxes(cells_per_diameter=cells, **box), np.float32), run_d)


@pytest.mark.parametrize(
    ("name", "dtype", "close"),
    [
        *[(name, np.float64, 1e-12) for name in PATHS],
        ("power steps", np.float32, 1e-5),
        ("out of the boxes", np.float32, 1e-5),
    ],
)
def test_energy_adds_up(name: str, dtype: type, close: float) -> None:
    solver = run(PATHS[name], dtype=dtype)
    ledger = solver.ledger
    assert ledger.absorbed == pytest.approx(energy(PATHS[name]), rel=1e-12)
    assert abs(ledger.defect) <= close
    assert ledger.stored == solver.stored()
    # the outermost box holds the averages of the inner ones
    levels, nz, ny, nx = solver.h.shape
    for fine in range(levels - 1):
        j, i = solver.cell[fine] // 2 - solver.cell[fine + 1]
        means = solver.h[fine].reshape(nz // 2, 2, ny // 2, 2, nx // 2, 2).mean(axis=(1, 3, 5))
        below = solver.h[fine + 1, : nz // 2, j : j + ny // 2, i : i + nx // 2]
        np.testing.assert_allclose(below, means, atol=1e-5 if dtype is np.float32 else 1e-12)


def test_heat_that_the_boxes_leave_is_counted() -> None:
    ledger = run(PATHS["out of the boxes"]).ledger
    assert ledger.left_behind == pytest.approx(1.0, rel=0.1)  # the first track's q t


def test_power_that_steps_within_a_call_is_absorbed_exactly() -> None:
    path = np.array(PATHS["power steps"], dtype=float)
    solver = MeltPoolSolver(STEEL, COARSE, np.float64)
    solver.advance(path)
    assert solver.ledger.absorbed == pytest.approx(energy(PATHS["power steps"]), rel=1e-12)
    assert abs(solver.ledger.defect) <= 1e-12


def test_one_call_or_many_is_the_same_field() -> None:
    solver = MeltPoolSolver(STEEL, COARSE, np.float64)
    solver.advance(np.array(PATHS["turn"], dtype=float))
    x, y, z = GRID.points
    args = (x + 3, y + 3, z)
    np.testing.assert_allclose(solver.theta(*args), run(PATHS["turn"]).theta(*args), atol=1e-10)


def test_symmetric_in_symmetric_out() -> None:
    solver = run([[0, 0, 0, 10], [0.5, 5, 0, 10]])
    x, y, z = GRID.points
    theta = solver.theta(x + 5, y, z)
    assert theta.max() > 1
    np.testing.assert_allclose(theta, theta[:, ::-1], atol=1e-12)


@pytest.mark.parametrize(
    "path",
    [
        [[0, 0, 0, 10], [0.37, 3.7, 0, 10]],
        [[0, 0, 0, 10], [0.3, 3.1, 0, 10], [0.5, 3.1, 2.3, 10], [0.6, 3.1, 2.3, 0]],
    ],
)
def test_a_track_along_y_is_a_track_along_x_turned(path: list[list[float]]) -> None:
    swapped = [[t, y, x, q] for t, x, y, q in path]
    one, other = run(path), run(swapped)
    x, y, z = GRID.points
    x, y = x + path[-1][1], y + path[-1][2]
    theta = one.theta(x, y, z)
    assert theta.max() > 0.5
    np.testing.assert_allclose(other.theta(y, x, z), theta, atol=1e-12)


def test_power_off_cools() -> None:
    solver = run([[0, 0, 0, 10], [0.3, 3, 0, 10]])
    absorbed, peak = solver.ledger.absorbed, solver.h.max()
    # no maximum principle where boxes of different cells meet: what crosses there is put right only after the step
    undershoot = 1e-5 * peak
    for frame in range(6):
        t = 0.3 + 0.05 * frame
        solver.advance(np.array([[t, 3, 0, 0], [t + 0.05, 3, 0, 0]]))
        assert solver.h.max() < peak
        assert solver.h.min() >= -undershoot
        peak = solver.h.max()
        assert solver.ledger.absorbed == absorbed
    assert abs(solver.ledger.defect) <= 1e-12


def test_a_copy_is_independent() -> None:
    solver = run([[0, 0, 0, 10], [0.2, 2, 0, 10]])
    before, stored = solver.h.copy(), solver.ledger.stored
    ahead = solver.copy()
    later = np.array([[0.2, 2, 0, 10], [0.4, 2, 2, 10]])
    ahead.advance(later)
    np.testing.assert_array_equal(solver.h, before)
    assert (solver.time, solver.ledger.stored) == (0.2, stored)
    solver.advance(later)
    np.testing.assert_array_equal(solver.h, ahead.h)
    assert solver.ledger == ahead.ledger


HATCH = [[0, 0, 0, 10], [0.8, 8, 0, 0], [0.9, 8, 0.8, 10], [1.7, 0, 0.8, 0], [1.8, 0, 1.6, 10], [2.6, 8, 1.6, 10]]


def test_a_solver_that_takes_over_in_the_same_boxes_goes_on_as_the_other_would_have() -> None:
    first = run(HATCH[:5])
    other = MeltPoolSolver(STEEL, COARSE, np.float64)
    other.take_over(first, 0.0, 1.6)
    first.advance(np.array(HATCH[4:], dtype=float))
    other.advance(np.array(HATCH[4:], dtype=float))
    x, y, z = (a[::3] for a in GRID.points)
    np.testing.assert_allclose(other.theta(x + 8, y + 1.6, z), first.theta(x + 8, y + 1.6, z), atol=2e-3)
    assert other.stored() == pytest.approx(first.stored(), rel=1e-3)
    assert abs(other.ledger.defect) < 1e-12


def test_a_finer_solver_that_takes_over_forgets_how_the_past_was_marched() -> None:
    finer = Boxes(cells_per_diameter=8, along=8.0)
    whole, coarse, late = run(HATCH, boxes=finer), run(HATCH), MeltPoolSolver(STEEL, finer, np.float64)
    late.take_over(run(HATCH[:3]), 8.0, 0.8)
    for i in range(2, len(HATCH) - 1):
        late.advance(np.array(HATCH[i : i + 2], dtype=float))
    assert late.stored() == pytest.approx(whole.stored(), rel=0.01)
    seen, right, rough = (sizes(each, 8.0) for each in (late, whole, coarse))
    np.testing.assert_allclose(seen, right, rtol=1e-3)
    assert np.abs(rough / right - 1).max() > 0.01, "else there was nothing to forget"


@pytest.mark.parametrize(("q", "peclet", "run_d"), [(15.0, 16.0, 16.0), (6.0, 3.0, 12.0), (40.0, 40.0, 36.0)])
def test_constant_properties_give_eagar_and_tsai(q: float, peclet: float, run_d: float) -> None:
    cells = 8
    length, width, depth = track(q, peclet, run_d, CONSTANT, cells)
    exact = GRID.sizes(eagar_tsai.steady(q, peclet, GRID), CONSTANT.solidus)
    assert length == pytest.approx(exact[0], rel=0.02)
    assert width == pytest.approx(exact[1], abs=max(0.02 * exact[1], 0.5 / cells))
    assert depth == pytest.approx(exact[2], abs=max(0.02 * exact[2], 0.5 / cells))


def test_width_nears_eagar_and_tsai_as_cells_shrink() -> None:
    exact = GRID.sizes(eagar_tsai.steady(15.0, 16.0, GRID), CONSTANT.solidus)[1]
    coarse, fine = (abs(track(15, 16, 8, CONSTANT, cells, along=6.0, lead=1.5)[1] - exact) for cells in (5, 10))
    assert fine < 0.5 * coarse


@pytest.mark.parametrize(("q", "peclet"), [(4.7, 54.0), (5.8, 36.0), (4.1, 37.0)])
def test_boxes_that_fit_a_shallow_pool_size_it_as_finer_ones_do(q: float, peclet: float) -> None:
    groups = Groups(mushy=0.045, latent=0.3, k_cold=0.31, k_liquid=1.0, c_cold=0.57, c_liquid=0.99)

    def sized(boxes: Boxes) -> np.ndarray:
        return sizes(run([[0, 0, 0, q], [10 / peclet, 10, 0, q]], groups, boxes, np.float32), 10.0)

    depth = GRID.sizes(eagar_tsai.steady(q, peclet, GRID), groups.solidus)[2]
    fine = sized(Boxes(24, along=4.5, deep=1.0, levels=4, lead=1.2))
    assert 0 < fine[2] < 0.12
    fitted, coarse = (np.abs(sized(boxes) / fine - 1) for boxes in (Boxes.fitting(depth), Boxes(8)))
    assert fitted[0] < 0.03
    assert fitted[1] < 0.04
    assert fitted[2] * fine[2] < 0.25 / 16
    assert coarse.sum() > 1.5 * fitted.sum(), "what the finer boxes are for"


def test_a_faster_beam_melts_less_deep() -> None:
    depths = [track(12, peclet, 6, STEEL, 6)[2] for peclet in (6, 12, 24)]
    assert depths[0] > depths[1] > depths[2] > 0.1


def test_latent_heat_makes_the_pool_shallower() -> None:
    dry = Groups(mushy=0.04, latent=1e-9, k_cold=0.5, k_liquid=1.3, c_cold=0.7, c_liquid=1.1)
    wet = Groups(mushy=0.04, latent=0.5, k_cold=0.5, k_liquid=1.3, c_cold=0.7, c_liquid=1.1)
    assert track(12, 12, 6, dry, 6)[2] > 1.02 * track(12, 12, 6, wet, 6)[2] > 0.1


@pytest.mark.parametrize(
    "path",
    [
        [[0, 0, 0, 1], [1, np.nan, 0, 1]],
        [[0, 0, 0, np.inf], [1, 1, 0, 1]],
        [[0, 0, 0, 1], [1, 1, 0, 1], [0.5, 2, 0, 1]],
        [[0, 0, 0, 1]],
        [[0, 0, 0], [1, 1, 0]],
    ],
    ids=["NaN", "infinite", "times back", "one row", "three columns"],
)
def test_a_bad_path_is_refused_and_changes_nothing(path: list[list[float]]) -> None:
    solver = MeltPoolSolver(CONSTANT, COARSE)
    with pytest.raises(ValueError, match="path"):
        solver.advance(np.array(path))
    assert solver.time == 0.0
    assert not solver.h.any()


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_a_jump_with_the_laser_on_is_no_longer_work_than_a_fast_beam(far: float) -> None:
    """A false position must not keep a machine waiting; what is absorbed is what the boxes saw of it."""
    rows = np.array([[0, 0, 0, 10.0, 0], [0.04, far, 0, 10.0, 0]])
    assert len(list(stretches(rows, COARSE, 0.005))) <= 40
    assert len(list(stretches(rows * [1, 3 / far, 1, 1, 1], COARSE, 0.005))) == 3
    solver = run([[0, 0, 0, 10], [0.3, 3, 0, 10], [0.34, far, 0, 10], [0.38, 3.4, 0, 10], [0.6, 5.6, 0, 10]])
    assert abs(solver.ledger.defect) <= 1e-9
    assert 5.2 - 1e-9 <= solver.ledger.absorbed <= 6.0 + 1e-9, "what was near, and no more than came in"
    assert min(sizes(solver, 5.6)) > 0


def test_the_smallest_boxes_hold_one_another_wherever_the_beam_goes() -> None:
    boxes = Boxes(4, along=2.0, deep=1.0, levels=3, lead=0.3)
    rng = np.random.default_rng(0)
    solver = MeltPoolSolver(STEEL, boxes, np.float64)
    x, y, t = 0.0, 0.0, 0.0
    for _ in range(60):
        dx, dy = rng.uniform(-0.6, 0.6, 2)
        solver.advance(np.array([[t, x, y, 10.0], [t + 0.03, x + dx, y + dy, 10.0]]))
        x, y, t = x + dx, y + dy, t + 0.03
        _, _, ny, nx = solver.h.shape
        for fine in range(2):
            j, i = solver.cell[fine] // 2 - solver.cell[fine + 1]
            assert 1 <= j <= ny // 2 - 1
            assert 1 <= i <= nx // 2 - 1
    assert abs(solver.ledger.defect) <= 1e-12
    with pytest.raises(ValueError, match="8, 8 cells"):
        Boxes(4, along=1.5)
