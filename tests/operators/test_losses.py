"""What the surface loses: the ledger, exact fluxes, and evaporation, which holds the surface near its boiling point."""

import math
from dataclasses import replace

import numpy as np
import pytest

from operators.groups import CONSTANT, Groups
from operators.reference.boxes import FACES, Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.surface import Surface
from operators.window import WindowGrid

ALLOY = Groups(mushy=0.045, latent=0.3, k_cold=0.31, k_liquid=1.0, c_cold=0.57, c_liquid=0.99)
# IN625 under a beam of 100 um
IN625 = Surface(evaporation=1.25, vapour=34.9, boiling=2.264, zero=0.225, radiation=1.75e-4, convection=6.7e-5)
STRONG = replace(IN625, radiation=1e-2, convection=5e-2)  # every loss large enough to be wrong by
SMALL = Boxes(cells_per_diameter=6, along=4.0, deep=1.25, levels=3, lead=1.0)
BOXES = Boxes(cells_per_diameter=8, along=6.0, deep=1.25, levels=3, lead=1.5)
PECLET = 24.0
GRID = WindowGrid()

PATHS = {
    "on": [[0, 0, 0, 15, 0.2], [0.3, 6, 0, 15, 0.2]],
    "off": [[0, 0, 0, 15, 0.2], [0.1, 2, 0, 0, 0], [0.4, 2, 0, 0, 0]],
    "steps": [[0, 0, 0, 20, 0.3], [0.1, 2, 0, 5, 0], [0.2, 4, 0, 0, 0], [0.25, 5, 0, 30, 0.6], [0.35, 7, 0, 0, 0]],
    "turn": [[0, 0, 0, 20, 0.2], [0.15, 3, 0, 20, 0.2], [0.3, 3, 3, 20, 0.2]],
    "there and back": [[0, 0, 0, 20, 0.2], [0.15, 3, 0, 0, 0], [0.2, 3, 0.6, 20, 0.2], [0.35, 0, 0.6, 20, 0.2]],
    "slanted": [[0, 0, 0, 20, 0.4], [0.3, 4, 4, 20, 0.4]],
    "away": [[0, 0, 0, 20, 0.2], [0.1, 2, 0, 0, 0], [0.2, 42, 0, 20, 0.2], [0.3, 44, 0, 20, 0.2]],
}


def run(path: list[list[float]], surface: Surface, dtype: type = np.float32, boxes: Boxes = BOXES) -> MeltPoolSolver:
    solver = MeltPoolSolver(ALLOY, boxes, dtype, surface)
    solver.advance(np.array(path, dtype=float))
    return solver


def track(q: float, depth: float, surface: Surface) -> MeltPoolSolver:
    """A straight track of 6 d along x, until now."""
    return run([[0, 0, 0, q, depth], [6 / PECLET, 6, 0, q, depth]], surface)


def hottest(solver: MeltPoolSolver) -> float:
    """theta of the hottest cell of the surface."""
    return 1.0 + (float(solver.h[0, 0].max()) - solver.groups.h_liquidus) / solver.groups.c_liquid


def sizes(solver: MeltPoolSolver) -> np.ndarray:
    x, y, z = GRID.points
    return np.array(GRID.sizes(solver.theta(x + 6, y, z), solver.groups.solidus))


def steam(surface: Surface, theta: float) -> float:
    """The flux that evaporation takes."""
    t = theta + surface.zero
    return surface.evaporation * math.exp(surface.vapour * (1 / surface.boiling - 1 / t)) / math.sqrt(t)


def uniform(theta: float, surface: Surface, boxes: Boxes, groups: Groups = CONSTANT) -> MeltPoolSolver:
    """Metal of one temperature."""
    solver = MeltPoolSolver(groups, boxes, np.float64, surface)
    solver.h[:] = groups.h_liquidus + (theta - 1) * groups.c_liquid if theta > 1 else theta
    return solver


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("surface", [IN625, STRONG], ids=["IN625", "strong"])
@pytest.mark.parametrize("path", list(PATHS.values()), ids=list(PATHS))
def test_energy_adds_up_and_nothing_comes_in_through_the_surface(
    path: list[list[float]], surface: Surface, dtype: type, close: float
) -> None:
    solver = MeltPoolSolver(ALLOY, SMALL, dtype, surface)
    before = (0.0, 0.0, 0.0)
    for i in range(len(path) - 1):
        solver.advance(np.array(path[i : i + 2], dtype=float))
        ledger = solver.ledger
        assert abs(ledger.defect) <= close
        lost = (ledger.evaporated, ledger.radiated, ledger.convected)
        assert all(now >= earlier for now, earlier in zip(lost, before, strict=True))
        before = lost
    assert min(before) > 0
    assert ledger.stored == solver.stored()


def test_metal_as_cold_as_its_surroundings_loses_nothing() -> None:
    solver = run([[0, 0, 0, 0, 0], [0.2, 2, 0, 0, 0]], STRONG, np.float64, SMALL)
    ledger = solver.ledger
    assert (ledger.evaporated, ledger.radiated, ledger.convected) == (0, 0, 0)
    assert not solver.h.any()


def test_metal_that_does_not_melt_does_not_evaporate() -> None:
    ledger = run([[0, 0, 0, 2, 0.2], [0.3, 6, 0, 2, 0.2]], STRONG, np.float64, SMALL).ledger
    assert ledger.evaporated == 0
    assert min(ledger.radiated, ledger.convected) > 0


def test_an_insulated_surface_loses_nothing() -> None:
    ledger = run(PATHS["on"], Surface()).ledger
    assert (ledger.evaporated, ledger.radiated, ledger.convected) == (0, 0, 0)


def test_each_face_of_the_outermost_box_is_counted() -> None:
    """A standing beam in one small box: as much goes out to the left as to the right, and below."""
    solver = MeltPoolSolver(ALLOY, Boxes(8, along=3.0, deep=1.0, levels=1, lead=0.0), np.float64, STRONG)
    solver.advance(np.array([[0, 0, 0, 15, 0.3], [0.5, 0, 0, 15, 0.3]]))
    out = solver.ledger.out
    assert tuple(out) == FACES
    assert out["y_low"] > 0.01 * solver.ledger.absorbed
    for face in ("y_high", "x_low", "x_high"):
        assert out[face] == pytest.approx(out["y_low"], rel=1e-9)
    assert out["bottom"] > out["y_low"]
    assert abs(solver.ledger.defect) <= 1e-12


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("theta", [0.3, 0.9, 1.5, 2.4])
def test_uniform_metal_loses_flux_times_area_times_time(theta: float, levels: int) -> None:
    boxes = Boxes(6, along=4.0, deep=1.25, levels=levels)
    solver = uniform(theta, STRONG, boxes)
    span = 1e-7
    solver.advance(np.array([[0, 0, 0, 0, 0], [span, 0, 0, 0, 0]]))
    area = (4.0 * 2 ** (levels - 1)) ** 2
    ledger = solver.ledger
    t = theta + STRONG.zero
    assert ledger.convected == pytest.approx(STRONG.convection * theta * area * span, rel=1e-4)
    assert ledger.radiated == pytest.approx(STRONG.radiation * (t**4 - STRONG.zero**4) * area * span, rel=1e-4)
    boils = theta > 1 and t > 0.6 * STRONG.boiling
    assert ledger.evaporated == pytest.approx(boils * steam(STRONG, theta) * area * span, rel=1e-4)


def test_a_half_space_cools_by_convection_as_carslaw_and_jaeger_say() -> None:
    """theta/theta_0 = erf(Z) + exp(H z + H^2 t) erfc(Z + H sqrt t), Z = z/(2 sqrt t) (2.7 (1)). The flux is that of the
    first cell's middle, as if half a cell of metal lay over the surface: first order, and the limit is exact."""
    start, transfer, span = 0.9, 1.5, 0.1
    root = math.sqrt(span)
    z = np.linspace(0, 1, 41)
    grown = [math.exp(transfer * a + transfer**2 * span) * math.erfc(a / (2 * root) + transfer * root) for a in z]
    exact = start * np.array([math.erf(a / (2 * root)) + g for a, g in zip(z, grown, strict=True)])
    given = start / transfer * (grown[0] - 1 + 2 * transfer * root / math.sqrt(math.pi))
    profiles, lost = [], []
    for cells in (8, 16):
        solver = uniform(start, Surface(convection=transfer), Boxes(cells, along=4.0, deep=4.0, levels=1, lead=0.0))
        solver.advance(np.array([[0, 0, 0, 0, 0], [span, 0, 0, 0, 0]]))
        profiles.append(solver.theta(0 * z, 0 * z, z))
        middle = solver.h.shape[-1] // 2
        lost.append(float((start - solver.h[0, : 2 * cells, middle, middle]).sum()) / cells)
    profiles.append(2 * profiles[1] - profiles[0])
    lost.append(2 * lost[1] - lost[0])
    off = [float(np.abs(profile - exact).max()) / (start - exact[0]) for profile in profiles]
    said = f"8, 16 cells and their limit: theta off by {off} of the fall, heat lost {lost} for {given}"
    print(said)
    for cells, by, heat in zip((8, 16), off, lost, strict=False):
        assert by <= 0.5 * transfer / cells, said
        assert abs(heat / given - 1) <= 0.5 * transfer / cells, said
    assert off[2] < 0.01, said
    assert lost[2] == pytest.approx(given, rel=0.005), said


# evaporation


@pytest.mark.parametrize("q", [15.0, 50.0, 150.0])
def test_the_surface_gets_no_hotter_than_where_it_evaporates_all_it_is_given(q: float) -> None:
    """Conduction only takes from the hottest cell, which evaporates no more than the middle of the beam brings."""
    low, high = 1.0, 10.0
    for _ in range(60):
        theta = 0.5 * (low + high)
        low, high = (theta, high) if steam(IN625, theta) < 8 / math.pi * q else (low, theta)
    found = hottest(track(q, 0.0, IN625))
    said = f"q = {q}: hottest cell {found}, bound {low}, boiling {IN625.boiling - IN625.zero}"
    print(said)
    assert found <= 1.01 * low, said


def test_ten_times_the_power_makes_a_boiling_surface_little_hotter() -> None:
    wet = [hottest(track(q, 0.2, IN625)) for q in (15.0, 150.0)]
    dry = [hottest(track(q, 0.2, replace(IN625, evaporation=0.0))) for q in (15.0, 150.0)]
    said = f"with evaporation {wet}, without {dry}"
    print(said)
    assert dry[1] > 5 * dry[0], said
    assert wet[1] < 1.5 * wet[0], said
    assert wet[1] + IN625.zero < 2.0 * IN625.boiling, said


@pytest.mark.parametrize(("q", "depth"), [(25.0, 0.2), (50.0, 0.2), (50.0, 0.6)])
def test_evaporation_does_not_depend_on_the_step(q: float, depth: float) -> None:
    """It is stiff: in one step of the inner box the beam can bring more than what takes the metal to boiling."""

    class Finer(MeltPoolSolver):
        @property
        def largest_step(self) -> float:
            return super().largest_step / 8

    path = np.array([[0, 0, 0, q, depth], [6 / PECLET, 6, 0, q, depth]])
    solvers = [kind(ALLOY, BOXES, np.float32, IN625) for kind in (MeltPoolSolver, Finer)]
    for solver in solvers:
        solver.advance(path)
    found = [(*sizes(solver), hottest(solver), solver.ledger.evaporated) for solver in solvers]
    said = f"length, width, depth, hottest, evaporated: {found[0]}, with an eighth of the step {found[1]}"
    print(said)
    np.testing.assert_allclose(found[0], found[1], rtol=0.03, err_msg=said)


def test_more_evaporation_makes_the_pool_shallower() -> None:
    surfaces = [replace(IN625, evaporation=each) for each in (0.0, 0.1, 1.0, 10.0)]
    solvers = [track(50.0, 0.2, surface) for surface in surfaces]
    depths = [float(sizes(solver)[2]) for solver in solvers]
    shares = [solver.ledger.evaporated / solver.ledger.absorbed for solver in solvers]
    said = f"depths {depths}, evaporated {shares}"
    print(said)
    assert depths[0] > depths[1] > depths[2] > depths[3] > 0.2, said
    assert depths[1] < 0.9 * depths[0], said
    assert 0 == shares[0] < shares[1] < shares[2] < shares[3] < 1, said


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "surface",
    [
        replace(IN625, evaporation=1e3),
        replace(IN625, evaporation=1e6),
        replace(IN625, evaporation=1e3, vapour=200.0),
        replace(IN625, evaporation=1e3, boiling=1.0),
        replace(IN625, radiation=0.01, convection=5.0),
    ],
    ids=["evaporates", "is steam at once", "steep", "boils when it melts", "blown upon"],
)
def test_extreme_losses_stay_finite_and_take_no_more_than_there_is(surface: Surface, dtype: type) -> None:
    solver = run([[0, 0, 0, 100, 0.1], [0.2, 5, 0, 100, 0.1], [0.3, 5, 0, 0, 0], [0.4, 5, 0, 0, 0]], surface, dtype)
    ledger = solver.ledger
    assert np.isfinite(solver.h).all()
    assert solver.h.min() > -1e-3
    assert 0 < ledger.evaporated + ledger.radiated + ledger.convected < ledger.absorbed
    assert abs(ledger.defect) <= (1e-12 if dtype is np.float64 else 1e-5)


@pytest.mark.parametrize(
    "numbers",
    [{"evaporation": -1.0}, {"radiation": math.nan}, {"convection": math.inf}, {"boiling": 0.0}, {"zero": -0.1}],
)
def test_a_surface_that_cannot_be_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="surface"):
        Surface(**numbers)
