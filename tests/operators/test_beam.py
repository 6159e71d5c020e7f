"""The beam: shapes and their moments, the energy it leaves and where, and what shape and depth do to a pool."""

import math

import numpy as np
import pytest

from operators.groups import CONSTANT, Groups
from operators.reference.beam import NARROWING, BeamShape, spots
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid

SHAPES: list[BeamShape] = ["gaussian", "top hat", "ring"]
ALLOY = Groups(mushy=0.045, latent=0.3, k_cold=0.31, k_liquid=1.0, c_cold=0.57, c_liquid=0.99)
ONE = Boxes(cells_per_diameter=10, along=8.0, deep=2.0, levels=1, lead=0.0)
NEST = Boxes(cells_per_diameter=6, along=8.0, deep=1.25, levels=3, lead=1.5)
TIGHT = Boxes(cells_per_diameter=6, along=4.0, deep=0.7, levels=4, lead=1.6)  # the beam straddles faces, and goes below
GRID = WindowGrid()


def intensity(shape: BeamShape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Power per d^2 at points of the surface."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for y_spot, x_spot, sigma, share in spots(shape):
        rho2 = (x - x_spot) ** 2 + (y - y_spot) ** 2
        total += share * np.exp(-rho2 / (2 * sigma**2)) / (2 * math.pi * sigma**2)
    return total


def around(shape: BeamShape, radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * math.pi, 97)
    return intensity(shape, radius * np.cos(turn), radius * np.sin(turn))


def track(q: float, depth: float, shape: BeamShape = "gaussian", heading: float = 0.0) -> np.ndarray:
    """Sizes of the pool at the end of a straight track."""
    peclet, c, s = 16.0, math.cos(heading), math.sin(heading)
    solver = MeltPoolSolver(ALLOY, Boxes(8, along=6.0, deep=2.0, lead=1.5), beam=shape)
    solver.advance(np.array([[0, 0, 0, q, depth], [8 / peclet, 8 * c, 8 * s, q, depth]]))
    x, y, z = GRID.points
    theta = solver.theta(8 * c + c * x - s * y, 8 * s + s * x + c * y, z)
    return np.array(GRID.sizes(theta, ALLOY.solidus))


def flash(shape: BeamShape, depth: float, at: tuple[float, float] = (0.0, 0.0), q: float = 10.0) -> MeltPoolSolver:
    """What one short step leaves in one box before any of it is conducted."""
    solver = MeltPoolSolver(CONSTANT, ONE, np.float64, beam=shape)
    solver.advance(np.array([[0, *at, q, depth], [1e-3, *at, q, depth]]))
    return solver


def layers(depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact shares of the layers of ONE box, and where their energy has its middle, as z/depth."""
    edges = np.minimum(np.arange(ONE.shape[0] + 1) * ONE.dx / depth, 1.0)
    shares = np.diff(2 * edges - edges**2)
    firsts = np.diff(edges**2 - 2 / 3 * edges**3)
    return shares, np.divide(firsts, shares, out=np.zeros_like(shares), where=shares > 0)


# shapes


@pytest.mark.parametrize("shape", SHAPES)
def test_a_beam_has_unit_power_and_is_one_diameter_wide_by_second_moments(shape: BeamShape) -> None:
    """D4-sigma = 4 sigma = 1 in every direction."""
    y, x, sigma, share = spots(shape).T
    assert (share > 0).all()
    assert (sigma > 0).all()
    assert share.sum() == pytest.approx(1, abs=1e-12)
    assert (share * x).sum() == pytest.approx(0, abs=1e-12)
    assert (share * y).sum() == pytest.approx(0, abs=1e-12)
    assert (share * (x**2 + sigma**2)).sum() == pytest.approx(1 / 16, abs=1e-12)
    assert (share * (y**2 + sigma**2)).sum() == pytest.approx(1 / 16, abs=1e-12)
    assert (share * x * y).sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_beam_is_its_own_mirror_image(shape: BeamShape) -> None:
    x, y = np.meshgrid(np.linspace(-0.8, 0.8, 33), np.linspace(-0.8, 0.8, 33))
    here = intensity(shape, x, y)
    np.testing.assert_allclose(intensity(shape, -x, y), here, atol=1e-12)
    np.testing.assert_allclose(intensity(shape, x, -y), here, atol=1e-12)


def test_a_top_hat_is_flat_in_its_middle_and_falls_at_its_edge() -> None:
    middle = np.array([around("top hat", radius) for radius in np.linspace(0, 0.25, 26)])
    said = f"from {middle.min()} to {middle.max()} within 0.25 d, {around('top hat', 0.7).max()} at 0.7 d"
    print(said)
    assert np.abs(middle / middle.mean() - 1).max() < 0.02, said
    assert around("top hat", 0.7).max() < 0.05 * middle.mean(), said
    assert middle.max() < 0.6 * intensity("gaussian", np.zeros(1), np.zeros(1))[0], said


def test_a_ring_has_a_hole_and_is_round() -> None:
    radii = np.linspace(0, 0.6, 61)
    rings = np.array([around("ring", radius) for radius in radii])
    profile = rings.mean(axis=1)
    said = f"{profile[0]} in the middle, {profile.max()} at {radii[profile.argmax()]} d"
    print(said)
    assert profile[0] < 0.5 * profile.max(), said
    assert 0.2 < radii[profile.argmax()] < 0.35, said
    assert (np.ptp(rings, axis=1) < 0.02 * profile.max()).all(), said


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises((ValueError, TypeError)):
        MeltPoolSolver(CONSTANT, ONE, beam="doughnut")  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [-0.1, math.nan, math.inf])
def test_a_depth_that_cannot_be_is_refused_and_changes_nothing(depth: float) -> None:
    solver = MeltPoolSolver(CONSTANT, ONE)
    with pytest.raises(ValueError, match="path"):
        solver.advance(np.array([[0, 0, 0, 1, 0], [0.1, 1, 0, 1, depth]]))
    assert not solver.h.any()


# the energy, and where it goes


@pytest.mark.parametrize("boxes", [NEST, TIGHT], ids=["inside", "across faces"])
@pytest.mark.parametrize("depth", [0.0, 0.05, 0.6, 1.7])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_that_is_absorbed_is_q_t(shape: BeamShape, depth: float, boxes: Boxes) -> None:
    solver = MeltPoolSolver(CONSTANT, boxes, np.float64, beam=shape)
    solver.advance(np.array([[0, 0, 0, 10, depth], [0.2, 2, 0, 10, depth], [0.3, 2, 1, 4, depth], [0.4, 0, 0, 0, 0]]))
    assert solver.ledger.absorbed == pytest.approx(10 * 0.3 + 4 * 0.1, rel=1e-12)
    assert abs(solver.ledger.defect) < 1e-12


@pytest.mark.parametrize("depth", [0.0, 0.04, 0.25, 0.7, 1.53])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_layer_gets_its_exact_share_of_a_source_that_falls_linearly(shape: BeamShape, depth: float) -> None:
    """The integral of 2/D (1 - z/D) over the layer."""
    solver = flash(shape, depth)
    found = solver.h[0].sum(axis=(1, 2)) * ONE.dx**3
    shares = layers(depth)[0] if depth > 0 else np.eye(ONE.shape[0])[0]
    np.testing.assert_allclose(found, 10 * 1e-3 * shares, atol=1e-14)


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.33, -0.21)])
@pytest.mark.parametrize("depth", [0.0, 0.04, 0.7, 1.53])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_source_stands_where_the_beam_is_and_narrows_as_it_says(
    shape: BeamShape, depth: float, at: tuple[float, float]
) -> None:
    """Variance in a layer: (1 - narrowing z/D)^2/16 at the middle of its energy, and dx^2/12 of averages over cells."""
    solver = flash(shape, depth, at)
    _, ny, nx = ONE.shape
    x = (solver.cell[0, 1] + np.arange(nx) + 0.5) * ONE.dx - at[0]
    y = (solver.cell[0, 0] + np.arange(ny) + 0.5) * ONE.dx - at[1]
    shares, middles = layers(depth) if depth > 0 else (np.ones(1), np.zeros(1))
    for share, middle, layer in zip(shares, middles, solver.h[0], strict=False):
        if share == 0:
            assert not layer.any()
            continue
        weights = layer / layer.sum()
        expected = (1 - NARROWING * middle) ** 2 / 16 + ONE.dx**2 / 12
        assert (weights.sum(axis=0) * x).sum() == pytest.approx(0, abs=1e-5)
        assert (weights.sum(axis=1) * y).sum() == pytest.approx(0, abs=1e-5)
        assert (weights.sum(axis=0) * x**2).sum() == pytest.approx(expected, rel=1e-3)
        assert (weights.sum(axis=1) * y**2).sum() == pytest.approx(expected, rel=1e-3)


def test_power_and_depth_hold_until_the_next_row() -> None:
    """A row's depth is that of the stretch it begins."""
    rows = np.array([[0, 0, 0, 10, 0.3], [1e-3, 0, 0, 10, 1.0], [2e-3, 0, 0, 0, 1.9]])
    solver = MeltPoolSolver(CONSTANT, ONE, np.float64)
    solver.advance(rows[:2])
    assert not solver.h[0, 4:].any()
    solver.advance(rows[1:])
    assert solver.h[0, 9].any()
    assert solver.h[0, 11:].sum() < 1e-3 * solver.h[0, 9].sum()
    assert solver.ledger.absorbed == pytest.approx(10 * 2e-3, rel=1e-12)


# what it does to a pool


@pytest.mark.parametrize("depth", [0.0, 0.7])
@pytest.mark.parametrize("shape", SHAPES)
def test_symmetric_in_symmetric_out(shape: BeamShape, depth: float) -> None:
    solver = MeltPoolSolver(ALLOY, NEST, np.float64, beam=shape)
    solver.advance(np.array([[0, 0, 0, 20, depth], [0.4, 5, 0, 20, depth]]))
    x, y, z = GRID.points
    theta = solver.theta(x + 5, y, z)
    assert theta.max() > 1
    np.testing.assert_allclose(theta, theta[:, ::-1], atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_beam_melts_the_same_along_y_and_aslant(shape: BeamShape) -> None:
    """Within half a cell; the patch of a top hat has six corners, which do not turn with the track."""
    aligned = track(25.0, 0.4, shape)
    for heading in (math.radians(30), math.pi / 2):
        turned = track(25.0, 0.4, shape, heading)
        said = f"{shape} at {heading}: {turned}, aligned {aligned}"
        assert (np.abs(turned - aligned) <= np.maximum(0.02 * aligned, 0.5 / 8)).all(), said


@pytest.mark.parametrize("shape", SHAPES)
def test_a_deeper_source_makes_a_deeper_pool(shape: BeamShape) -> None:
    depths = [float(track(25.0, depth, shape)[2]) for depth in (0.0, 0.3, 0.6, 1.0)]
    print(depths)
    assert all(b > 1.02 * a > 0.1 for a, b in zip(depths[:-1], depths[1:], strict=True)), depths


def test_rings_and_top_hats_make_wider_and_shallower_pools_than_a_gaussian() -> None:
    """Of the same second moments, where the pool is about as wide as the beam."""
    gaussian, top_hat, ring = (track(8.0, 0.2, shape) for shape in SHAPES)
    said = f"gaussian {gaussian}, top hat {top_hat}, ring {ring}"
    print(said)
    for other in (top_hat, ring):
        assert other[1] > 1.02 * gaussian[1], said
        assert other[2] < 0.985 * gaussian[2], said
