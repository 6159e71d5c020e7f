"""The solver against mathematics: exact solutions, measured orders, the moving beam, and what it diffuses by itself."""

import math

import numpy as np
import pytest

from operators.groups import CONSTANT, Groups
from operators.reference import eagar_tsai
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid

VARIED = Groups(mushy=0.04, latent=0.2, k_cold=0.4, k_liquid=1.3, c_cold=0.6, c_liquid=1.1)
GRID = WindowGrid()
NESTS = {1: (6.0, 3.0), 2: (3.0, 1.5), 3: (2.0, 1.0)}  # levels: sides of the inner box; the outer ones reach 3 to 4 d
ASIDE = (0.7, 0.3)  # of the blob of heat: it straddles a face of the inner box wherever there is one


def nest(cells: int, levels: int) -> Boxes:
    along, deep = NESTS[levels]
    return Boxes(cells, along=along, deep=deep, levels=levels, lead=0.0)


def placed(groups: Groups, boxes: Boxes) -> MeltPoolSolver:
    """A cold solver whose boxes stand around the origin."""
    solver = MeltPoolSolver(groups, boxes, np.float64)
    solver.advance(np.array([[0.0, 0, 0, 0], [1e-15, 0, 0, 0]]))
    return solver


def waiting(solver: MeltPoolSolver, span: float, steps: int) -> None:
    """Let time pass in so many cycles of the outermost box, each no longer than the stable one."""
    rows = np.zeros((steps + 1, 4))
    rows[:, 0] = np.linspace(0.0, span, steps + 1)
    solver.advance(rows)


def cycles(groups: Groups, levels: int, span: float, cells: int) -> int:
    """Cycles for `span` with dt/dx^2 the same at any number of cells that is 4 times a whole number, and stable."""
    coarsest = MeltPoolSolver(groups, nest(4, levels)).largest_step * 2 ** (levels - 1)
    return math.ceil(span / coarsest) * (cells // 4) ** 2


def blob(solver: MeltPoolSolver, level: int, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """G = exp(-r^2/(2 variance)), ASIDE of the origin, and its Laplacian: exact averages over the cells of one box."""
    size = solver.boxes.dx * 2**level
    first = (0, solver.cell[level, 0], solver.cell[level, 1])
    erf = np.vectorize(math.erf)
    mean, curved = [], []
    for count, begin, middle in zip(solver.h.shape[1:], first, (0.0, ASIDE[1], ASIDE[0]), strict=True):
        edges = (begin + np.arange(count + 1)) * size - middle
        mean.append(np.diff(erf(edges / math.sqrt(2 * variance))) * math.sqrt(math.pi * variance / 2) / size)
        curved.append(np.diff(-edges / variance * np.exp(-(edges**2) / (2 * variance))) / size)
    (z, y, x), (zz, yy, xx) = mean, curved

    def product(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return a[:, None, None] * b[None, :, None] * c[None, None, :]

    return product(z, y, x), product(zz, y, x) + product(z, yy, x) + product(z, y, xx)


def blobs(solver: MeltPoolSolver, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """The same in every box."""
    both = [blob(solver, level, variance) for level in range(solver.boxes.levels)]
    return np.array([mean for mean, _ in both]), np.array([curved for _, curved in both])


def free(solver: MeltPoolSolver, level: int) -> np.ndarray:
    """Which cells of a box no finer box covers."""
    _, nz, ny, nx = solver.h.shape
    cells = np.ones((nz, ny, nx), dtype=bool)
    if level > 0:
        j, i = solver.cell[level - 1] // 2 - solver.cell[level]
        cells[: nz // 2, j : j + ny // 2, i : i + nx // 2] = False
    return cells


def wrong(solver: MeltPoolSolver, h: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """(root of the integral of the squared error, largest error) of enthalpies h over the composite of boxes."""
    squares, largest = 0.0, 0.0
    for level in range(solver.boxes.levels):
        error = (h[level] - exact[level])[free(solver, level)]
        squares += float((error**2).sum()) * (solver.boxes.dx * 2**level) ** 3
        largest = max(largest, float(np.abs(error).max()))
    return np.array([math.sqrt(squares), largest])


def orders(errors: list[np.ndarray]) -> np.ndarray:
    """Measured order of each halving, of each norm."""
    return np.log2(np.array(errors)[:-1] / np.array(errors)[1:])


# exact solutions


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_gaussian_of_heat_spreads_at_second_order(levels: int) -> None:
    """theta = T0 (t0/(t0 + t))^(3/2) exp(-r^2/(4 (t0 + t))) under an insulated surface. Measured in the mean 1.9
    to 2.0, at the worst cell 1.76 to 2.0, across boxes as in one."""
    born, span, top = 0.05, 0.12, 0.9

    def exact(solver: MeltPoolSolver, t: float) -> np.ndarray:
        return top * (born / (born + t)) ** 1.5 * blobs(solver, 2 * (born + t))[0]

    stepped, limits = [], []
    for cells in (4, 8, 16):
        fields = []
        for finer in (1, 2):
            solver = placed(CONSTANT, nest(cells, levels))
            solver.h[:] = exact(solver, 0.0)
            waiting(solver, span, finer * cycles(CONSTANT, levels, span, cells))
            fields.append(solver.h.copy())
        stepped.append(wrong(solver, fields[0], exact(solver, span)))
        limits.append(wrong(solver, 2 * fields[1] - fields[0], exact(solver, span)))
    for name, errors in (("dt ~ dx^2", stepped), ("dt -> 0", limits)):
        said = f"{levels} boxes, {name}: errors {np.array(errors).tolist()}, orders {orders(errors).tolist()}"
        print(said)
        assert orders(errors)[-1, 0] >= 1.8, said
        assert orders(errors)[-1, 1] >= (1.8 if levels == 1 else 1.5), said


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_conduction_that_varies_with_temperature_is_second_order(levels: int) -> None:
    """theta = T exp(-RATE t) exp(-r^2/(2 V)), which k(theta), c(theta) and a source of its own make exact:

        h = c0 theta + c1 theta^2/2,   Phi = k0 theta + k1 theta^2/2,   source = dh/dt - div grad Phi.

    The square of a Gaussian is one, so all of it has exact averages over cells. The source is put in after each call.
    Measured: 1.87 to 2.0 in the mean; at the worst cell 1.9 in one box, 1.3 (rising to 1.7 at 32 cells) where three
    boxes meet.
    """
    variance, rate, top, span = 0.16, 2.0, 0.9, 0.2
    law = VARIED.law()
    c0, c1, k0, k1 = law[0], law[1], law[7], law[8]
    errors = []
    for cells in (4, 8, 16):
        solver = placed(VARIED, nest(cells, levels))
        one, one_curved = blobs(solver, variance)
        two, two_curved = blobs(solver, variance / 2)
        solver.h[:] = c0 * top * one + 0.5 * c1 * top**2 * two
        steps = 2 ** (levels - 1) * cycles(VARIED, levels, span, cells)  # as many as one box would take
        times = np.linspace(0.0, span, steps + 1)
        for begin, end in zip(times[:-1], times[1:], strict=True):
            solver.advance(np.array([[begin, 0, 0, 0], [end, 0, 0, 0]]))
            first = top * (math.exp(-rate * begin) - math.exp(-rate * end)) / rate  # theta integrated over the step
            second = top**2 * (math.exp(-2 * rate * begin) - math.exp(-2 * rate * end)) / (2 * rate)
            solver.h -= rate * (first * c0 * one + second * c1 * two)
            solver.h -= first * k0 * one_curved + second * 0.5 * k1 * two_curved
        theta = top * math.exp(-rate * span)
        errors.append(wrong(solver, solver.h, c0 * theta * one + 0.5 * c1 * theta**2 * two))
    said = f"{levels} boxes: errors {np.array(errors).tolist()}, orders {orders(errors).tolist()}"
    print(said)
    assert orders(errors)[-1, 0] >= 1.8, said
    assert orders(errors)[-1, 1] >= (1.8 if levels == 1 else 1.2), said


@pytest.mark.parametrize("groups", [CONSTANT, VARIED], ids=["constant", "varied"])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_steps_in_time_are_of_first_order(levels: int, groups: Groups) -> None:
    """Forward Euler, against the same grid's limit dt -> 0."""
    span, fields = 0.1, []
    for finer in (1, 2, 4, 8, 16):
        solver = placed(groups, nest(8, levels))
        solver.h[:] = 0.9 * blobs(solver, 0.16)[0]
        waiting(solver, span, finer * cycles(groups, levels, span, 8))
        fields.append(solver.h.copy())
    limit = 2 * fields[-1] - fields[-2]
    errors = [wrong(solver, h, limit) for h in fields[:3]]
    said = f"{levels} boxes: errors {np.array(errors).tolist()}, orders {orders(errors).tolist()}"
    print(said)
    assert np.abs(orders(errors) - 1).max() <= 0.1, said


# the moving beam


def track(q: float, peclet: float, run_d: float, boxes: Boxes, heading: float = 0.0) -> np.ndarray:
    """Sizes of the pool at the end of a straight track, in the window that looks along it."""
    c, s = math.cos(heading), math.sin(heading)
    end = (run_d * c, run_d * s)
    solver = MeltPoolSolver(CONSTANT, boxes)
    solver.advance(np.array([[0, 0, 0, q], [run_d / peclet, *end, q]]))
    x, y, z = GRID.points
    return np.array(GRID.sizes(solver.theta(end[0] + c * x - s * y, end[1] + s * x + c * y, z), CONSTANT.solidus))


@pytest.mark.parametrize(
    ("peclet", "q", "run_d", "boxes"),
    [
        (0.5, 7.0, 40.0, Boxes(8, along=8.0, levels=6, lead=0.0)),
        (1.0, 8.0, 40.0, Boxes(8, along=8.0, levels=5, lead=1.0)),
        (2.0, 10.0, 40.0, Boxes(8, along=8.0, levels=4, lead=1.0)),
        (4.0, 13.0, 32.0, Boxes(8, along=8.0, levels=4, lead=2.0)),
        (8.0, 16.0, 24.0, Boxes(12)),
        (16.0, 25.0, 24.0, Boxes(12)),
        (24.0, 35.0, 30.0, Boxes(12)),
        (40.0, 50.0, 36.0, Boxes(12)),
    ],
    ids=lambda value: f"Pe {value}" if isinstance(value, float) else "",
)
def test_the_steady_pool_is_eagar_and_tsais(peclet: float, q: float, run_d: float, boxes: Boxes) -> None:
    exact = np.array(GRID.sizes(eagar_tsai.steady(q, peclet, GRID), CONSTANT.solidus))
    assert exact[2] >= 4 * boxes.dx
    assert exact[0] < 17
    assert exact[1] < 4.8
    solved = track(q, peclet, run_d, boxes)
    said = f"Pe {peclet}: {solved.round(4)}, exact {exact.round(4)}, off by {(100 * (solved / exact - 1)).round(2)} %"
    print(said)
    assert abs(solved[0] / exact[0] - 1) <= 0.02, said
    assert (np.abs(solved - exact)[1:] <= np.maximum(0.02 * exact[1:], 0.5 * boxes.dx)).all(), said


@pytest.mark.parametrize(("peclet", "q", "run_d"), [(40.0, 40.0, 36.0), (12.0, 16.0, 24.0), (4.0, 13.0, 24.0)])
def test_a_slanted_track_melts_what_an_aligned_one_does(peclet: float, q: float, run_d: float) -> None:
    boxes = Boxes(8)
    aligned = track(q, peclet, run_d, boxes)
    slanted = track(q, peclet, run_d, boxes, math.radians(30))
    said = f"Pe {peclet}: aligned {aligned}, slanted {slanted}, by {100 * (slanted / aligned - 1)} %"
    print(said)
    assert (np.abs(slanted - aligned) <= np.maximum(0.02 * aligned, 0.5 * boxes.dx)).all(), said


# numerical diffusion: second moments of cell averages less size^2/12 are those of the field


class Trail(WindowGrid):
    """The surface across a track, at one place behind the beam."""

    def __init__(self, x: float, y: np.ndarray) -> None:
        super().__init__(behind=abs(x))
        self.__dict__.update(x=np.array([x]), y=y, z=np.zeros(1))


def test_the_trail_of_a_fast_beam_is_not_widened() -> None:
    """Variance across the track on the surface is 2 alpha age and more where metal is diffused by the grid. Measured at
    Pe 40 and 8 cells: within 0.02 % of alpha in the inner box, 0.4 % in the next, 0.1 % in the third. One cell before a
    box ends behind the beam it is 3 %, a trace of linear ghosts that stays there: no place is taken beside a face."""
    peclet, q, run_d = 40.0, 40.0, 36.0
    solver = MeltPoolSolver(CONSTANT, Boxes(8), np.float64)
    solver.advance(np.array([[0, 0, 0, q], [run_d / peclet, run_d, 0, q]]))
    _, _, ny, nx = solver.h.shape
    y_fine = np.linspace(-12, 12, 2401)
    found = {}
    for level, behind in ((0, 2), (0, 4), (0, 6), (1, 8), (1, 10), (2, 14), (2, 16)):
        size = solver.boxes.dx * 2**level
        x = (solver.cell[level, 1] + np.arange(nx) + 0.5) * size - run_d
        y = (solver.cell[level, 0] + np.arange(ny) + 0.5) * size
        i = int(np.argmin(np.abs(x + behind)))
        across = solver.h[level, 0, :, i]
        exact = eagar_tsai.steady(q, peclet, Trail(x[i], y_fine))[0, :, 0]
        variance = (across * y**2).sum() / across.sum() - size**2 / 12
        excess = variance - (exact * y_fine**2).sum() / exact.sum()
        found[round(float(x[i]), 2)] = float(excess * peclet / (-2 * x[i]))
    print("added diffusivity, over alpha:", found)
    assert max(map(abs, found.values())) < 0.02, found


def moments(solver: MeltPoolSolver) -> np.ndarray:
    """Variances of the heat along x and y, and its mean square depth."""
    heat, first, second = 0.0, np.zeros(3), np.zeros(3)
    for level in range(solver.boxes.levels):
        size = solver.boxes.dx * 2**level
        h = np.where(free(solver, level), solver.h[level], 0.0) * size**3
        heat += h.sum()
        for axis, begin, others in (
            (0, solver.cell[level, 1], (0, 1)),
            (1, solver.cell[level, 0], (0, 2)),
            (2, 0, (1, 2)),
        ):
            along = h.sum(axis=others)
            at = (begin + np.arange(len(along)) + 0.5) * size
            first[axis] += (along * at).sum()
            second[axis] += (along * (at**2 - size**2 / 12)).sum()
    return second / heat - np.array([1, 1, 0]) * (first / heat) ** 2


@pytest.mark.parametrize("speed", [0.0, 40.0, -40.0])
def test_boxes_that_leave_a_blob_of_heat_behind_do_not_spread_it(speed: float) -> None:
    """Every variance grows by 2 t. Measured: within 0.01 % across; along, where the faces of the boxes go through the
    blob, 3.1 % too little at 6 cells and 0.7 % at 12, at any place of the blob."""
    wrongs = []
    for cells in (6, 8, 12):
        solver = MeltPoolSolver(CONSTANT, Boxes(cells, lead=0.0), np.float64)
        solver.advance(np.array([[0, 0, 0, 10], [0.01, 0, 0, 0], [0.05, 0, 0, 0]]))
        before = moments(solver)
        rows = np.zeros((11, 4))
        rows[:, 0] = np.linspace(0.05, 0.30, 11)
        rows[:, 1] = np.linspace(0.0, 0.25 * speed, 11)
        solver.advance(rows)
        assert abs(solver.ledger.defect) < 1e-12
        wrongs.append((moments(solver) - before) / (2 * 0.25) - 1)
    said = f"added diffusivity along x, y, z over alpha: {np.array(wrongs).tolist()}"
    print(said)
    assert np.abs(wrongs[1:]).max() < 0.02, said
    assert np.abs(np.array(wrongs)[:, 1]).max() < 1e-3, said
    assert np.abs(wrongs[2]).max() < 0.5 * np.abs(wrongs[0]).max(), said
