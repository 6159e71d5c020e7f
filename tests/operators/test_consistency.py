"""Laws of the consistency of a learned flux: zero for the flux itself, and what it teaches moves waves rightly."""

import math

import pytest
import torch
from torch import Tensor

from operators.learner import MarchLearner
from operators.nets.conservative import FluxNo
from operators.nets.consistency import consistency
from operators.problem import Geometry, March, Trajectories

CELLS, DT = 64, 1e-3


def march(cells: int = CELLS, channels: int = 1) -> March:
    """Smooth states of mean 2 and height 3: neither is what a scaled operator sees."""
    x = (torch.arange(cells) + 0.5) / cells
    phases = torch.arange(6)[:, None, None]
    states = 2 + 3 * torch.sin(2 * math.pi * (x + phases / 6))[..., None].expand(6, 4, cells, channels)
    part = Trajectories.of(states)
    return March("waves", Geometry.grid(cells, periodic=True), DT, 2, part, part, {"id": part}, 2, conserved=True)


def flux(u: Tensor) -> Tensor:
    return u**2 / 2


def learner(problem: March) -> MarchLearner:
    torch.manual_seed(0)
    return MarchLearner(FluxNo(problem.geometry, 1, width=16), problem, once=True)


def test_a_flux_that_is_the_laws_own_is_consistent() -> None:
    problem = march()
    model = learner(problem).model
    mean, spread = model.state.mean, model.state.spread
    exact = lambda v, axis=0: flux(mean + spread * v) / spread * DT * CELLS  # noqa: E731
    model.stepper.flux.of_one_state = exact
    term = consistency(problem, flux)
    assert float(term(model, torch.Generator().manual_seed(1))) < 1e-6
    model.stepper.flux.of_one_state = lambda v: 1.5 * exact(v)
    assert float(term(model, torch.Generator().manual_seed(1))) == pytest.approx(0.1 * 0.5, rel=1e-5)


def test_consistency_alone_teaches_how_fast_smooth_states_move() -> None:
    """u_t = -u u_x to first order in the cells, though no trajectory was seen: here nothing moves in them."""
    problem = march()
    told = learner(problem)
    term, draw = consistency(problem, flux, 1.0), torch.Generator().manual_seed(2)
    descent = torch.optim.Adam(told.model.parameters(), 1e-2)
    for step in range(400):
        descent.param_groups[0]["lr"] = 1e-2 * (1 - step / 400)
        descent.zero_grad()
        term(told.model, draw).backward()
        descent.step()
    state = problem.fit.state[:1]
    with torch.no_grad():
        after = told.model(state[:, :2], problem.fit.forcing[:1, :3], problem.fit.static[:1])[0, 0, :, 0]
    u = state[0, 1, :, 0]
    x = (torch.arange(CELLS) + 0.5) / CELLS
    wanted = -u * 3 * 2 * math.pi * torch.cos(2 * math.pi * x)
    assert float(((after - u) / DT - wanted).norm() / wanted.norm()) < 0.25


def test_the_loss_is_that_of_the_trajectories_and_what_is_added() -> None:
    problem = march()
    plain = learner(problem)
    with_more = MarchLearner(plain.model.stepper, problem, once=True, also=lambda model, draw: torch.tensor(7.0))
    losses = [float(each.loss(torch.Generator().manual_seed(3), 0).detach()) for each in (plain, with_more)]
    assert losses[1] == pytest.approx(losses[0] + 7.0)


def test_it_is_asked_of_one_quantity_along_a_line() -> None:
    with pytest.raises(ValueError, match="one quantity along a line"):
        consistency(march(channels=2), flux)
