"""Laws of the conservative operator of the melt pool: whatever its weights are."""

import numpy as np
import pytest
import torch
from torch import Tensor

from operators.camera.law import NAMES, matter_of, squash
from operators.enthalpy import columns, theta_of
from operators.groups import Groups
from operators.nets.heat import FASTEST, HOTTEST, STEEPEST, Beam, Curve, Heat, Heated, Matter
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.reference.torch_melt_pool import _phi

SHAPE = 6, 16, 24
HEAT = Heat(4.0, 0.3, 0.2, (0.5, 0.5, 1.0, 1.0, 1.0, 1.5))


def wild(batch: int, seed: int = 0) -> Matter:
    """Whatever a net may say of a sample."""
    draw = torch.Generator().manual_seed(seed)
    return matter_of(squash(3 * torch.randn(batch, len(NAMES), generator=draw)))


def moving(batch: int, t: float = 0.0, power: float = 8.0) -> Beam:
    """A frame's way; each sample's frame is longer than the one's before it."""
    begin, end = (torch.tensor([[8.0, 4 + 0.3 * (t + k)]] * batch) for k in (0, 1))
    return Beam(torch.full((batch,), power), begin, end, 0.05 * (1 + torch.arange(batch)))


def bare(absorptivity: Tensor, phi: Curve, theta: Curve) -> Matter:
    return Matter(absorptivity, phi, theta, torch.zeros(1), torch.ones(1), torch.tensor([[0.8, 1.2]]))


def hot(batch: int) -> Tensor:
    return 2 * torch.rand(batch, *SHAPE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("seed", range(3))
def test_the_ledger_closes_over_a_thousand_steps_in_single_precision(seed: int) -> None:
    """To 1e-6 of what was absorbed, with the beam moving, going off and coming on, and the field far from cold."""
    matter, state = wild(2, seed), Heated.start(hot(2))
    before, taken, t = HEAT.stored(state), 0, 0
    while taken < 1000:
        beam = moving(2, t, 8.0 if t % 5 else 0.0)
        taken += int(HEAT.steps(matter, beam.frame).min())
        state, t = HEAT.advance(matter, state, beam), t + 1
    absorbed, walls, surface = state.balance
    assert (absorbed > 1).all()
    assert (walls > 0).all()
    assert (surface > 0).all()
    assert state.h.dtype == torch.float32
    assert HEAT.defect(state, before).abs().max() < 1e-6


def test_a_defect_is_of_the_larger_of_what_was_there_and_what_came() -> None:
    """A hot plate under next to no laser: rounding of what is there is no error of what came."""
    state = Heated.start(hot(1))
    before = HEAT.stored(state)
    for t in range(20):
        state = HEAT.advance(wild(1), state, moving(1, t, 1e-6))
    assert HEAT.defect(state, before).abs().max() < 1e-6
    off = state._replace(h=1.01 * state.h)
    assert HEAT.defect(off, before).abs().max() > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_without_a_beam_nothing_becomes_hotter_than_the_hottest_or_colder_than_the_cold(seed: int) -> None:
    matter, state = wild(3, seed), Heated.start(hot(3) * 2)
    for t in range(4):
        after = HEAT.advance(matter, state, moving(3, t, 0.0))
        assert (after.h.flatten(1).amax(1) <= state.h.flatten(1).amax(1)).all()
        assert after.h.min() >= 0
        assert (HEAT.stored(after) < HEAT.stored(state)).all()
        assert (after.fused >= state.fused).all()  # what has melted stays metal
        state = after
    assert not HEAT.advance(matter, Heated.cold(3, SHAPE), moving(3, 0.0, 0.0)).h.any()


def test_what_is_read_rises_with_enthalpy_and_no_faster_than_is_stable() -> None:
    for seed in range(3):
        matter = wild(4, seed)
        for curve, steepest in ((matter.phi, FASTEST), (matter.theta, STEEPEST)):
            h = torch.linspace(0, 1.5 * HOTTEST, 200).expand(4, -1)
            slopes = curve.at(h).diff(dim=1) / h.diff(dim=1)
            assert slopes.min() > 0
            assert slopes.max() < steepest * 1.001
            assert not curve.at(torch.zeros(4, 1)).any()
        assert (matter.absorptivity > 0).all()
        assert (matter.absorptivity < 1).all()


def test_a_batch_of_one_is_a_row_of_many() -> None:
    """Each takes its own steps, whoever is beside it."""
    matter, beam = wild(3), moving(3)
    assert len(set(HEAT.steps(matter, beam.frame).tolist())) > 1
    many = HEAT.advance(matter, Heated.start(hot(3)), beam)
    row = torch.tensor([1])
    one = HEAT.advance(matter.take(row), Heated.start(hot(3)[1:2]), Beam(*(each[1:2] for each in beam)))
    torch.testing.assert_close(many.h[1:2], one.h, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(many.balance.absorbed[1:2], one.balance.absorbed)


def test_powder_keeps_heat_up_until_it_melts() -> None:
    """The same power over a layer that conducts less: hotter above, colder below; and the ledger says no more than
    before."""
    matter = matter_of(squash(torch.zeros(1, len(NAMES))))
    tops, bottoms = [], []
    for powder in (1.0, 0.2):
        told = matter._replace(powder=torch.tensor([powder]))
        state = HEAT.advance(told, Heated.cold(1, SHAPE), moving(1, power=2.0))
        assert not state.fused.any()
        tops.append(float(state.h[:, 0].max()))
        bottoms.append(float(state.h[:, 1].max()))
        assert state.balance.absorbed.item() == pytest.approx(
            HEAT.stored(state).item() + state.balance.walls.item() + state.balance.surface.item(), rel=1e-6
        )
    assert tops[1] > tops[0]
    assert bottoms[1] < bottoms[0]
    melted = HEAT.advance(told, Heated.start(3 + torch.zeros(1, *SHAPE)), moving(1))
    assert (melted.fused == 1).all()


def test_more_power_is_more_heat_and_absorptivity_has_a_gradient() -> None:
    """Of what a beam brings, its derivative by absorptivity is its own size."""
    absorptivity = torch.tensor([0.4], requires_grad=True)
    matter = bare(absorptivity, *[Curve.rising(torch.ones(1, 8))] * 2)
    beam = Beam(torch.tensor([3.0]), *(torch.tensor([[8.0, 12.0]]) for _ in range(2)), torch.tensor([0.05]))
    state = Heat(4.0).advance(matter, Heated.cold(1, SHAPE), beam)
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
    matter = bare(torch.ones(1), phi, theta)
    nz, ny, nx = boxes.shape
    corner = torch.tensor([[float(-c) for c in solver.cell[0]]])  # where (0, 0) lies, in cells
    far = torch.tensor([[0.0, 4 * speed * time]])
    state = Heat(4.0).advance(
        matter, Heated.cold(1, (nz, ny, nx)), Beam(torch.tensor([q]), corner, corner + far, torch.tensor([time]))
    )
    wanted = torch.from_numpy(solver.h[0])
    assert wanted.max() > 1.5
    assert (state.h[0] - wanted).norm() < 0.01 * wanted.norm()
    assert state.balance.absorbed.item() / 4**3 == pytest.approx(solver.ledger.absorbed, rel=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a cell or more a diameter"):
        Heat(0.5)
    with pytest.raises(ValueError, match="walls pass"):
        Heat(4.0, sides=0.0)
    beam = moving(1)
    with pytest.raises(ValueError, match="lasts longer than 0"):
        HEAT.advance(wild(1), Heated.cold(1, SHAPE), beam._replace(frame=torch.zeros(1)))
