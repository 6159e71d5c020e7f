"""Laws of the linear response: superposition, energy, and the closed form under a beam that stands."""

import math

import numpy as np
import pytest
import torch

from operators import response
from operators.groups import CONSTANT
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid

GRID = WindowGrid()
TURN = np.array([[0, 0, 0, 12.0], [0.3, 3.0, 0, 12.0], [0.45, 3.0, 1.5, 12.0]])


def field(sources: np.ndarray, grid: WindowGrid = GRID) -> np.ndarray:
    return response.field(torch.from_numpy(sources), *(torch.from_numpy(a) for a in (grid.x, grid.y, grid.z))).numpy()


def seen(path: np.ndarray) -> np.ndarray:
    """The field around the end of a path."""
    return field(response.turned(response.nodes(path, path[-1, 0]), path[-1, 1], path[-1, 2], 0.0))


def split(path: np.ndarray, pieces: int) -> np.ndarray:
    rows = []
    for a, b in zip(path[:-1], path[1:], strict=True):
        rows += [np.append(a[:3] + w * (b[:3] - a[:3]), a[3]) for w in np.arange(pieces) / pieces]
    return np.array([*rows, path[-1]])


@pytest.mark.parametrize("age", [0.01, 0.1, 1.0, 10.0])
def test_a_beam_that_stands_follows_the_arctangent(age: float) -> None:
    q = 3.0
    sources = response.nodes(np.array([[0, 0, 0, q], [age, 0, 0, q]]), age)
    root = math.sqrt(2.0) * response.SIGMA
    exact = q * math.atan(2 * math.sqrt(age) / root) / (math.pi * math.sqrt(math.pi) * root)
    at = field(sources)[np.argmin(np.abs(GRID.x)), np.argmin(np.abs(GRID.y)), 0]
    assert at == pytest.approx(exact, rel=1e-5)


def test_the_field_holds_the_energy_that_came_in() -> None:
    sources = torch.from_numpy(response.nodes(TURN, TURN[-1, 0] + 0.3))
    x, dx = np.linspace(-8, 11, 191, retstep=True)
    z, dz = np.linspace(0, 8, 161, retstep=True)
    theta = response.field(sources, torch.from_numpy(x), torch.from_numpy(x), torch.from_numpy(z)).numpy()
    theta[..., 0] *= 0.5
    assert theta.sum() * dx * dx * dz == pytest.approx(12.0 * 0.45, rel=1e-4)


def test_the_field_is_linear_in_power() -> None:
    weak, strong = TURN.copy(), TURN.copy()
    strong[:, 3] *= 2.5
    np.testing.assert_allclose(seen(strong), 2.5 * seen(weak), rtol=1e-12)


def test_a_path_is_the_sum_of_its_stretches() -> None:
    now = TURN[-1, 0]
    parts = field(response.nodes(TURN[:2], now)) + field(response.nodes(TURN[1:], now))
    np.testing.assert_allclose(field(response.nodes(TURN, now)), parts, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("pieces", [2, 7, 40])
def test_how_a_path_is_cut_into_rows_matters_little(pieces: int) -> None:
    """Within the error of the quadrature, largest one node below the beam: 0.3 % of the peak, far less elsewhere."""
    whole = seen(TURN)
    np.testing.assert_allclose(seen(split(TURN, pieces)), whole, rtol=0, atol=4e-3 * whole.max())


def test_turned_is_a_rigid_motion() -> None:
    sources = response.nodes(TURN, TURN[-1, 0])
    turned = response.turned(sources, 3.0, 1.5, 0.7)
    np.testing.assert_array_equal(turned[:, [0, 3, 4]], sources[:, [0, 3, 4]])

    def apart(rows: np.ndarray) -> np.ndarray:
        return np.hypot(rows[:, None, 1] - rows[None, :, 1], rows[:, None, 2] - rows[None, :, 2])

    np.testing.assert_allclose(apart(turned), apart(sources), atol=1e-12)
    beam = np.array([[0.0, 3.0, 1.5, 1.0, 0.0], [0.0, 3.0 + math.cos(0.7), 1.5 + math.sin(0.7), 1.0, 0.0]])
    np.testing.assert_allclose(response.turned(beam, 3.0, 1.5, 0.7)[:, 1:3], [[0, 0], [1, 0]], atol=1e-12)


@pytest.mark.parametrize("depth", [0.05, 0.2, 1.0, 3.0])
@pytest.mark.parametrize("age", [1e-4, 0.01, 0.1, 1.0, 10.0])
def test_a_source_with_depth_is_spread_as_its_triangle_says(depth: float, age: float) -> None:
    """Against the sum of many thin sources; also in float32, where the closed form would cancel."""
    z = np.linspace(0, 3, 31)
    layers = np.linspace(-depth, depth, 20_001)
    share = (1 - np.abs(layers) / depth) / depth
    spread = np.exp(-((z[:, None] - layers) ** 2) / (4 * age)) * share
    exact = np.trapezoid(spread, layers, axis=1)
    nothing = torch.zeros(1)
    source = torch.tensor([[age, 0.0, 0.0, 1.0, depth]])
    found = response.field(source, nothing, nothing, torch.from_numpy(z).float())[0, 0].numpy()
    flat = response.field(torch.tensor([[age, 0.0, 0.0, 1.0, 0.0]]), nothing, nothing, nothing)[0, 0, 0].item()
    np.testing.assert_allclose(found, exact * flat, atol=3e-5 * flat * exact.max())


def test_deeper_sources_hold_the_same_energy() -> None:
    z = torch.linspace(0, 12, 2401, dtype=torch.float64)
    nothing = torch.zeros(1, dtype=torch.float64)
    held = []
    for depth in (0.0, 0.3, 2.0):
        source = torch.tensor([[0.5, 0.0, 0.0, 1.0, depth]], dtype=torch.float64)
        held.append(torch.trapezoid(response.field(source, nothing, nothing, z)[0, 0], z).item())
    assert held == pytest.approx([held[0]] * 3, rel=1e-3)


def test_a_beam_that_is_off_gives_nothing() -> None:
    off = TURN.copy()
    off[:, 3] = 0.0
    assert (seen(off) == 0).all()


@pytest.mark.parametrize("far", [1e3, 1e5])
def test_a_jump_with_the_laser_on_takes_no_more_nodes_than_a_fast_beam(far: float) -> None:
    """A false position: all the way there and back is lit, and next to nothing stays anywhere."""
    rows = np.array([[0, 0, 0, 12.0], [0.5, 5, 0, 12.0], [0.52, far, 0, 12.0], [0.54, 5.5, 0, 12.0], [0.6, 6, 0, 12.0]])
    assert len(response.nodes(rows, 0.6)) < 1000
    dark = rows.copy()
    dark[1:3, 3] = 0.0
    assert np.abs(seen(rows) - seen(dark)).max() < 0.02 * seen(dark).max()


@pytest.mark.parametrize("peclet", [50.0, 2e3, 2e7])
def test_a_path_has_a_bounded_number_of_nodes_wherever_it_says_that_the_beam_was(peclet: float) -> None:
    past = np.array([[-2000.0, -2000.0 * peclet, 0, 3.0], [0, 0, 0, 3.0]])
    found = response.nodes(past, 0.0)
    assert len(found) <= 12 * 4200
    given = (found[:, 3] * np.sqrt(math.pi * found[:, 0])).sum() * math.pi  # dtau = 2 s ds
    assert given == pytest.approx(3.0 * 2000.0, rel=1e-3), "as much heat as ever"


def test_nodes_refuse_what_is_not_finite() -> None:
    path = TURN.copy()
    path[1, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        response.nodes(path, 1.0)


@pytest.mark.parametrize(("depth", "cells"), [(0.0, 12), (0.2, 16), (1.3, 12)])
def test_the_solver_with_constant_properties_is_the_response(depth: float, cells: int) -> None:
    """A transient with a turn: beneath and behind the beam, within 4 % of the peak everywhere and 1 % on average."""
    path = np.column_stack([TURN, np.full(len(TURN), depth)])
    solver = MeltPoolSolver(CONSTANT, Boxes(cells_per_diameter=cells), narrowing=0.0)
    solver.advance(path)
    exact = seen(path)
    x, y, z = GRID.points
    error = np.abs(solver.theta(x + TURN[-1, 1], y + TURN[-1, 2], z) - exact)
    assert error.max() < 0.04 * exact.max()
    assert (error * GRID.weights()).sum() < 0.01 * (exact * GRID.weights()).sum()
