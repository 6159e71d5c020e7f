"""Laws of the reference melt pool in torch: it is the numba one, in batches, with a gradient."""

from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from operators.enthalpy import laws
from operators.groups import CONSTANT, Groups
from operators.reference.beam import BeamShape
from operators.reference.boxes import Boxes, Ledger
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.surface import Surface
from operators.reference.torch_melt_pool import TorchMeltPoolSolver

STEEL = Groups(mushy=0.04, latent=0.2, k_cold=0.5, k_liquid=1.3, c_cold=0.7, c_liquid=1.1)
SEGREGATING = replace(STEEL, tail=0.1, late=0.2)
OTHER = Groups(
    mushy=0.1, latent=0.4, k_cold=1.2, k_liquid=0.8, c_cold=1.1, c_liquid=0.9, tail=0.1, late=0.2
)  # fmt: skip
TWO = Boxes(cells_per_diameter=4, along=5.0, deep=1.5, levels=2, lead=1.0)
THREE = Boxes(cells_per_diameter=5, along=4.0, deep=1.2, levels=3, lead=0.8)
LOSING = Surface(evaporation=40.0, vapour=30.0, boiling=2.2, zero=0.2, radiation=0.02, convection=0.05)
INSULATED = Surface()

PATHS = {
    "straight": [[0, 0, 0, 10], [0.4, 3.6, 0, 10]],
    "U-turn": [[0, 0, 0, 10], [0.2, 2, 0, 0], [0.25, 2, 0.5, 10], [0.45, 0, 0.5, 10]],
    "slanted": [[0, 0, 0, 10, 0.3], [0.4, 2.8, 2.8, 10, 0.3]],
    "out of the boxes": [[0, 0, 0, 10], [0.1, 1, 0, 0], [0.2, 31, 0, 10], [0.3, 32.1, 0, 10]],
    "power steps": [[0, 0, 0, 9, 0.9], [0.1, 1, 0, 4, 0.5], [0.2, 2, 0, 0, 0], [0.3, 3, 0, 15, 0.2], [0.4, 4, 0, 0, 0]],
    "off": [[0, 0, 0, 0], [0.1, 1, 0, 0]],
    "no time": [[0, 0, 0, 10], [0, 1, 0, 10]],
}  # fmt: skip
BENT = np.array([[0, 0, 0, 12, 0.6], [0.15, 1.6, 0.1, 9, 0.35], [0.22, 2.3, 0.9, 11, 0.55], [0.3, 1.3, 1.3, 0, 0]])


def rows(name: str) -> np.ndarray:
    return np.array(PATHS[name], dtype=float)


def numbers(ledger: Ledger) -> np.ndarray:
    left = [ledger.evaporated, ledger.radiated, ledger.convected, ledger.left_behind]
    return np.array([ledger.absorbed, ledger.stored, *ledger.out.values(), *left])


def points() -> list[np.ndarray]:
    near = np.linspace(-1.2, 1.2, 11)
    return list(np.meshgrid(1.5 + near, 1.0 + near, np.linspace(0, 0.6, 4), indexing="ij"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "boxes", "surface", "beam"),
    [
        ("straight", THREE, INSULATED, "gaussian"),
        ("straight", Boxes(7, along=4.0, deep=1.2, levels=1, lead=1.0, across=3.0), LOSING, "gaussian"),
        ("U-turn", THREE, LOSING, "gaussian"),
        ("U-turn", TWO, INSULATED, "ring"),
        ("slanted", THREE, INSULATED, "ring"),
        ("slanted", TWO, LOSING, "top hat"),
        ("out of the boxes", TWO, LOSING, "gaussian"),
        ("power steps", THREE, LOSING, "gaussian"),
        ("off", TWO, LOSING, "gaussian"),
    ],
)
def test_it_is_the_numba_solver(name: str, boxes: Boxes, surface: Surface, beam: BeamShape, dtype: torch.dtype) -> None:
    one = MeltPoolSolver(STEEL, boxes, np.float64 if dtype is torch.float64 else np.float32, surface, beam)
    other = TorchMeltPoolSolver([STEEL], boxes, dtype, surface=[surface], beam=beam)
    path = rows(name)
    one.advance(path)
    with torch.no_grad():
        other.advance([path])
    peak, close = max(np.abs(one.h).max(), 1e-30), 1e-12 if dtype is torch.float64 else 3e-6
    np.testing.assert_array_equal(other.cell[0], one.cell)
    np.testing.assert_allclose(other.h[0].numpy() / peak, one.h / peak, atol=close, rtol=0)
    x = np.linspace(-11, 11, 29)
    at = path[-1, 1] + x[:, None, None], path[-1, 2] + 0.4 * x[:, None], np.array([0.0, 0.1, 0.5, 1.2, 3.0])
    theta = other.theta(*(a[None] for a in at))
    assert theta.dtype is torch.float64
    np.testing.assert_allclose(theta[0].numpy(), one.theta(*at), atol=2 * close * max(peak, 1.0), rtol=0)
    absorbed = max(one.ledger.absorbed, 1e-30)
    np.testing.assert_allclose(numbers(other.ledger[0]) / absorbed, numbers(one.ledger) / absorbed, atol=close, rtol=0)
    assert abs(other.ledger[0].defect) <= close
    assert other.time[0] == one.time


def test_windows_of_a_batch_know_nothing_of_each_other() -> None:
    groups = [STEEL, OTHER, CONSTANT, STEEL, OTHER]
    surfaces = [INSULATED, LOSING, INSULATED, LOSING, LOSING]
    names = ["U-turn", "power steps", "off", "out of the boxes", "no time"]
    then = [np.array([[1, 0, 0, 5], [1 + 0.03 * n, 0.6, 0.2 * n, 5]]) for n in range(5)]
    with torch.no_grad():
        batch = TorchMeltPoolSolver(groups, TWO, torch.float64, surface=surfaces)
        batch.advance([rows(name) for name in names])
        at = batch.h[0].clone()
        batch.advance(then)
        torch.testing.assert_close(batch.h[0], at, rtol=0, atol=0)  # then[0] takes no time: not a bit changes
        x, y, z = points()
        theta = batch.theta(x[None], y[None], z[None])
        for n in range(5):
            alone = TorchMeltPoolSolver(groups[n : n + 1], TWO, torch.float64, surface=surfaces[n : n + 1])
            alone.advance([rows(names[n])])
            alone.advance([then[n]])
            torch.testing.assert_close(batch.h[n], alone.h[0], rtol=0, atol=1e-13)
            torch.testing.assert_close(theta[n], alone.theta(x[None], y[None], z[None])[0], rtol=0, atol=1e-13)
            np.testing.assert_allclose(numbers(batch.ledger[n]), numbers(alone.ledger[0]), atol=1e-13)
            np.testing.assert_array_equal(batch.cell[n], alone.cell[0])


def test_laws_are_those_of_the_groups() -> None:
    both = torch.tensor([astuple(STEEL), astuple(OTHER)], dtype=torch.float64)
    np.testing.assert_allclose(laws(both).numpy(), [STEEL.law(), OTHER.law()], rtol=1e-14)


def measured(theta: Tensor) -> Tensor:
    """A sum of theta, and about how much is molten."""
    return torch.stack([theta.sum(), torch.sigmoid((theta - 0.96) / 0.1).sum()])


def measured_by_numba(path: np.ndarray, groups: np.ndarray, surface: Surface) -> np.ndarray:
    solver = MeltPoolSolver(Groups(*groups), THREE, np.float64, surface)
    solver.advance(path)
    return measured(torch.as_tensor(solver.theta(*points()))).numpy()


def gradients(surface: Surface, along: np.ndarray = BENT, checkpoint: bool = False) -> tuple[Tensor, Tensor]:
    """Of both measures with respect to the path (measure, row, column) and to the groups (measure, 9)."""
    path = torch.tensor(along, requires_grad=True)
    groups = torch.tensor([astuple(SEGREGATING)], dtype=torch.float64, requires_grad=True)
    solver = TorchMeltPoolSolver(
        [SEGREGATING], THREE, torch.float64, surface=[surface], law=laws(groups), checkpoint=checkpoint
    )
    solver.advance([path])
    measures = measured(solver.theta(*(a[None] for a in points())))
    both = [torch.autograd.grad(measure, (path, groups), retain_graph=True) for measure in measures]
    return torch.stack([p for p, _ in both]), torch.stack([g[0] for _, g in both])


@pytest.mark.parametrize("surface", [INSULATED, LOSING], ids=["insulated", "losing"])
def test_gradients_are_those_of_finite_differences_of_numba(surface: Surface) -> None:
    of_path, of_groups = gradients(surface)
    small, given = 1e-6, np.array(astuple(SEGREGATING))
    for row, column in [(0, 3), (1, 3), (0, 4), (1, 4), (2, 4), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]:
        shift = np.zeros_like(BENT)
        shift[row, column] = small
        up, down = (measured_by_numba(BENT + sign * shift, given, surface) for sign in (1, -1))
        np.testing.assert_allclose(of_path[:, row, column], (up - down) / (2 * small), rtol=1e-4)
    for n in (0, 1, 2, 3, 4, 5, 7, 8):  # all but the boiling point, which is not in the law
        shift = small * np.eye(9)[n]
        up, down = (measured_by_numba(BENT, given + sign * shift, surface) for sign in (1, -1))
        np.testing.assert_allclose(of_groups[:, n], (up - down) / (2 * small), rtol=1e-4)
    assert not of_path[:, :, 0].any(), "times are constants"


def test_checkpoints_change_no_gradient() -> None:
    for kept, recomputed in zip(gradients(LOSING, BENT[:2]), gradients(LOSING, BENT[:2], checkpoint=True), strict=True):
        torch.testing.assert_close(recomputed, kept, rtol=1e-12, atol=1e-12)


def test_gradients_are_finite_in_every_branch() -> None:
    """Cold, mushy and boiling cells; a laser that is off; a source in the surface, one that ends on a face of cells."""
    falling = Groups(mushy=0.04, latent=0.2, k_cold=0.5, k_liquid=1.3, c_cold=3.0, c_liquid=1.1)  # the root ends
    path = torch.tensor([[0, 0, 0, 60, 0], [0.05, 0.5, 0, 0, 0], [0.1, 1, 0, 60, 0.5], [0.15, 1.5, 0, 0, 0]])
    path.requires_grad_()
    law = torch.tensor(np.array([g.law() for g in (falling, OTHER)]), requires_grad=True)
    solver = TorchMeltPoolSolver([falling, OTHER], TWO, torch.float32, surface=[LOSING] * 2, law=law)
    solver.surface.requires_grad_()
    solver.advance([path, path])
    assert solver.h.max() > 2 * OTHER.h_liquidus
    solver.theta(*(a[None] for a in points())).sum().backward()
    for given in (path, law, solver.surface):
        assert given.grad is not None
        assert torch.isfinite(given.grad).all()
        assert given.grad.any()


def test_a_source_that_ends_a_hair_below_a_face_is_the_one_that_ends_there() -> None:
    fields = []
    for depth in (0.5, np.nextafter(0.5, 1), 0.5 + 1e-9):
        solver = TorchMeltPoolSolver([STEEL], TWO, torch.float64)
        solver.advance([np.array([[0, 0, 0, 10, depth], [0.05, 0.5, 0, 10, depth]])])
        fields.append(solver.h)
        assert solver.ledger[0].absorbed == pytest.approx(0.5, rel=1e-12)
    for field in fields[1:]:
        torch.testing.assert_close(field, fields[0], rtol=0, atol=1e-7)


def test_a_copy_is_independent() -> None:
    solver = TorchMeltPoolSolver([STEEL], TWO)
    solver.advance([rows("straight")])
    before, stored = solver.h.clone(), solver.ledger[0].stored
    ahead = solver.copy()
    later = np.array([[0.4, 3.6, 0, 10], [0.5, 3.6, 1, 10]])
    ahead.advance([later])
    assert torch.equal(solver.h, before)
    assert (solver.time[0], solver.ledger[0].stored) == (0.4, stored)
    solver.advance([later])
    assert torch.equal(solver.h, ahead.h)
    assert solver.ledger == ahead.ledger


@pytest.mark.parametrize(
    "path",
    [
        [[0, 0, 0, 1], [1, np.nan, 0, 1]],
        [[0, 0, 0, 1], [1, 1, 0, 1], [0.5, 2, 0, 1]],
        [[0, 0, 0, 1]],
        [[0, 0, 0, 1, -0.1], [1, 1, 0, 1, 0]],
    ],
    ids=["NaN", "times back", "one row", "negative depth"],
)
def test_a_bad_path_is_refused_and_changes_nothing(path: list[list[float]]) -> None:
    solver = TorchMeltPoolSolver([STEEL, STEEL], TWO)
    for bad in (np.array(path), torch.tensor(path)):
        with pytest.raises(ValueError, match="path"):
            solver.advance([rows("straight"), bad])
    with pytest.raises(ValueError, match="path for each of 2 windows"):
        solver.advance([rows("straight")])
    assert not solver.time.any()
    assert not solver.h.any()


def test_boxes_too_small_to_hold_one_another_are_refused() -> None:
    with pytest.raises(ValueError, match="boxes must have"):
        TorchMeltPoolSolver([STEEL], Boxes(cells_per_diameter=2, along=3.0))


@pytest.mark.compile
def test_a_cycle_is_one_graph() -> None:
    solver = TorchMeltPoolSolver([STEEL, OTHER], TWO, surface=[LOSING, INSULATED])
    graphed = solver.copy()
    graphed.cycle = torch.compile(graphed.cycle, backend="eager", fullgraph=True)  # type: ignore[method-assign]
    for each in (solver, graphed):
        with torch.no_grad():
            each.advance([rows("U-turn"), rows("straight")])
    torch.testing.assert_close(graphed.h, solver.h)
