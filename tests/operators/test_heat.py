"""Laws of the conservative operator of the melt pool: whatever its weights are."""

import numpy as np
import pytest
import torch
from torch import Tensor

from operators.enthalpy import columns, theta_of
from operators.groups import Groups
from operators.nets.heat import FASTEST, HOTTEST, Beam, Curve, Heat, Heated, HeatFluxNo, Matter
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.torch_melt_pool import _phi

SHAPE = 6, 16, 24


def wild(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> HeatFluxNo:
    torch.manual_seed(seed)
    model = HeatFluxNo(shape, cells_per_diameter=4.0, frame=0.05, width=16)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.5 * torch.randn_like(value))
    return model.eval()


def seen(batch: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Frames of a surface, the power then and for four frames more, and where the beam will be."""
    draw = torch.Generator().manual_seed(seed)
    frames = torch.rand(batch, 5, *SHAPE[1:], generator=draw)
    power = 5 * torch.rand(batch, 9, generator=draw)
    places = torch.stack([torch.full((5,), 8.0), torch.linspace(6, 14, 5)], -1).expand(batch, -1, -1)
    return frames, power, places


def hot(batch: int) -> Tensor:
    return 2 * torch.rand(batch, *SHAPE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("seed", range(3))
def test_the_ledger_closes_over_a_thousand_steps_in_single_precision(seed: int) -> None:
    """To 1e-6 of what was absorbed, with the beam moving, going off and coming on, and the field far from cold."""
    model = wild(seed)
    frames, power, _ = seen(2, seed)
    with torch.no_grad():
        matter = model.reading(frames, power[:, :5])
        state = Heated.start(hot(2))
        before, steps, t = state.stored(), 0, 0
        while steps < 1000:
            ends = (torch.tensor([[8.0, 4 + 0.3 * (t + k)]] * 2) for k in (0, 1))
            state = model.heat.advance(matter, state, Beam(torch.full((2,), 8.0 if t % 5 else 0.0), *ends))
            steps, t = steps + model.heat.steps, t + 1
    absorbed, walls, surface = state.balance
    assert (absorbed > 1).all()
    assert (walls > 0).all()
    assert (surface > 0).all()
    assert state.h.dtype == torch.float32
    assert state.defect(before).abs().max() < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_without_a_beam_nothing_becomes_hotter_than_the_hottest_or_colder_than_the_cold(seed: int) -> None:
    model = wild(seed)
    frames, power, places = seen(3, seed)
    with torch.no_grad():
        matter = model.reading(frames, power[:, :5])
        state = Heated.start(hot(3) * 2)
        for t in range(4):
            after = model.heat.advance(matter, state, Beam(torch.zeros(3), places[:, t], places[:, t + 1]))
            assert (after.h.flatten(1).amax(1) <= state.h.flatten(1).amax(1)).all()
            assert after.h.min() >= 0
            assert (after.stored() < state.stored()).all()
            state = after
        cold = model.heat.advance(
            matter, Heated.start(torch.zeros(3, *SHAPE)), Beam(torch.zeros(3), *places[:, :2].unbind(1))
        )
    assert not cold.h.any()


def test_what_is_read_rises_with_enthalpy_and_no_faster_than_is_stable() -> None:
    frames, power, _ = seen(4)
    for seed in range(3):
        matter = wild(seed).reading(100 * frames, power[:, :5])
        for curve in (matter.phi, matter.theta):
            h = torch.linspace(0, 1.5 * HOTTEST, 200).expand(4, -1)
            slopes = curve.at(h).diff(dim=1) / h.diff(dim=1)
            assert slopes.min() > 0
            assert slopes.max() < FASTEST * 1.001
            assert not curve.at(torch.zeros(4, 1)).any()
        assert (matter.absorptivity > 0).all()
        assert (matter.absorptivity < 1).all()


def test_a_batch_of_one_is_a_row_of_many_and_the_past_counts() -> None:
    model = wild()
    frames, power, places = seen(3)
    h = hot(3)
    with torch.no_grad():
        many, _ = model(frames, power, places, h)
        one, _ = model(frames[1:2], power[1:2], places[1:2], h[1:2])
        torch.testing.assert_close(many[1:2], one, atol=1e-5, rtol=1e-5)
        changed = frames.clone()
        changed[1] += 1
        others, _ = model(changed, power, places, h)
    assert many.shape == (3, 4, *SHAPE)
    torch.testing.assert_close(others[[0, 2]], many[[0, 2]])
    assert not torch.allclose(others[1], many[1], atol=1e-3)


def test_more_power_is_more_heat_and_absorptivity_has_a_gradient() -> None:
    """Of what a beam brings, its derivative by absorptivity is its own size."""
    heat = Heat(4.0, 0.05)
    absorptivity = torch.tensor([0.4], requires_grad=True)
    line = Curve.rising(torch.ones(1, 8))
    matter = Matter(absorptivity, line, line, torch.zeros(1))
    beam = Beam(torch.tensor([3.0]), *(torch.tensor([[8.0, 12.0]]) for _ in range(2)))
    state = heat.advance(matter, Heated.start(torch.zeros(1, *SHAPE)), beam)
    (slope,) = torch.autograd.grad(state.balance.absorbed.sum(), absorptivity)
    assert slope.item() == pytest.approx(state.balance.absorbed.item() / 0.4, rel=1e-5)
    brought = 0.4 * 3.0 * 0.05 * 4.0**3
    assert state.balance.absorbed.item() == pytest.approx(brought, rel=1e-3)  # all of the beam lies in the box


def test_told_the_true_law_it_is_the_reference() -> None:
    """Phi and theta of an alloy, its absorptivity and no loss: the field of the enthalpy solver on the same cells."""
    groups = Groups(mushy=0.1, latent=0.6, k_cold=0.6, k_liquid=1.3, c_cold=0.7, c_liquid=1.1)
    boxes = Boxes(cells_per_diameter=4, along=8.0, deep=3.0, levels=1, lead=0.0)
    solver = MeltPoolSolver(groups, boxes)
    time, speed, q = 0.3, 4.0, 8.0
    path = np.array([[0.0, 0.0, 0.0, q, 0.0], [time, speed * time, 0.0, q, 0.0]])
    solver.advance(path)
    h = torch.linspace(0, HOTTEST, 801).view(1, 1, 1, -1)
    law, short = (columns(torch.from_numpy(x)[None].float(), 4) for x in (groups.law(), groups.short_law()))
    phi, theta = (Curve(values.flatten(1)) for values in (_phi(h, short), theta_of(h, law)))
    matter = Matter(torch.ones(1), phi, theta, torch.zeros(1))
    nz, ny, nx = boxes.shape
    corner = torch.tensor([[float(-c) for c in solver.cell[0]]])  # where (0, 0) lies, in cells
    far = torch.tensor([[0.0, 4 * speed * time]])
    state = Heat(4.0, time).advance(
        matter, Heated.start(torch.zeros(1, nz, ny, nx)), Beam(torch.tensor([q]), corner, corner + far)
    )
    wanted = torch.from_numpy(solver.h[0])
    assert wanted.max() > 1.5
    assert (state.h[0] - wanted).norm() < 0.01 * wanted.norm()
    assert state.balance.absorbed.item() / 4**3 == pytest.approx(solver.ledger.absorbed, rel=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    model = wild()
    frames, power, places = seen(1)
    with pytest.raises(ValueError, match="want one place more"):
        model(frames, power, places[:, 1:], hot(1))
    with pytest.raises(ValueError, match="a cell or more a diameter"):
        Heat(0.5, 0.1)
