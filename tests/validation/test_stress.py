"""Laws of what else is asked of a row that reads its law from the past."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor

from operators.problem import Geometry, March, Trajectories
from tests.validation.harness import contenders, plots, score, stress, suite
from tests.validation.harness.budgets import BUDGETS
from tests.validation.harness.rows import Results, Row
from tests.validation.laws import fitted, line
from tests.validation.laws.draws import smooth
from tests.validation.laws.law import Cubic
from tests.validation.laws.line import Draw, Line

RING, STRIP = Geometry.grid(8, periodic=True), Geometry.grid(8)


def standing(positive: tuple[int, ...] = ()) -> March:
    """States that do not move."""
    draw = torch.Generator().manual_seed(0)
    part = Trajectories.of((2 + torch.randn(4, 1, 8, 1, generator=draw)).expand(-1, 12, -1, -1).clone())
    return March("still", RING, 1.0, 3, part, part, {"id": part}, 4, in_context=True, positive=positive)


def test_whoever_holds_the_last_frame_errs_by_its_noise_and_a_mean_of_frames_by_less() -> None:
    problem = standing()
    part = problem.tests["id"]
    held = stress.march(contenders.persistence, problem, part, 1)
    assert held["to the end"] == 0
    assert held["noise 5 %"] == pytest.approx(5 * held["noise 1 %"], rel=0.5)
    spread = (part.state - part.state.mean((1, 2), keepdim=True)).square().mean((1, 2, 3)).sqrt()
    share = float((spread / part.state.square().mean((1, 2, 3)).sqrt()).mean())
    assert held["noise 5 %"] == pytest.approx(0.05 * share, rel=0.3)

    def mean(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        return lags.mean(1, keepdim=True).expand(-1, forcing.shape[1] - lags.shape[1], -1, -1)

    assert stress.march(mean, problem, part, 100)["noise 5 %"] < 0.8 * held["noise 5 %"]


def test_what_is_never_below_zero_is_not_read_so() -> None:
    lowest = []

    def watching(lags: Tensor, forcing: Tensor, static: Tensor) -> Tensor:
        lowest.append(float(lags.min()))
        return lags[:, -1:]

    problem = standing()
    part = Trajectories.of(problem.fit.state - problem.fit.state.amin())
    stress.march(watching, problem, part, 1)
    assert min(lowest) < 0
    lowest.clear()
    stress.march(watching, standing(positive=(0,)), part, 1)
    assert min(lowest) >= 0


@pytest.mark.parametrize("geometry", [RING, STRIP, Geometry.grid(4, 6), Geometry.grid(4, 6, periodic=True)])
def test_lost_cells_are_means_of_their_neighbours(geometry: Geometry) -> None:
    n = len(geometry.points)
    fields = torch.randn(2, 3, n, 2)
    none = torch.zeros(2, 3, n, dtype=torch.bool)
    assert torch.equal(stress.filled(fields, none, geometry), fields)
    level = torch.ones_like(fields) * torch.tensor([1.0, -2.0])
    many = torch.rand(2, 3, n, generator=torch.Generator().manual_seed(1)) < 0.5
    torch.testing.assert_close(stress.filled(level, many, geometry), level)
    one = none.clone()
    one[0, 1, 0] = True
    found = stress.filled(fields, one, geometry)
    wide = geometry.shape[-1]
    near = {1} if len(geometry.shape) == 1 else {1, wide}
    if geometry.periodic:
        near |= {n - 1} if len(geometry.shape) == 1 else {wide - 1, n - wide}
    torch.testing.assert_close(found[0, 1, 0], fields[0, 1, sorted(near)].mean(0))
    assert torch.equal(found[one.logical_not()], fields[one.logical_not()])
    assert not stress.filled(fields, ~none, geometry).any()


def test_a_product_of_matrices_is_counted() -> None:
    net = torch.nn.Linear(50, 20)
    assert score.gflop(lambda: net(torch.zeros(3, 50))) == pytest.approx(2 * 3 * 50 * 20 / 1e9)


def test_memory_is_the_most_that_lives_at_one_time() -> None:
    x, kept = torch.zeros(1000, 250), []

    def chain() -> None:
        y = x
        for _ in range(10):
            y = y + 1

    def hold() -> None:
        for _ in range(5):
            kept.append(x.mT * 2)

    assert score.memory_mb(chain) == pytest.approx(2.0)  # a megabyte before and one after; x is not made here
    assert score.memory_mb(hold) == pytest.approx(5.0)


def test_the_operations_of_every_contender_are_counted() -> None:
    """Also of those that hand a slice of a parameter to a module."""
    problem = replace(standing(), in_context=False, geometry=STRIP)
    part = problem.tests["id"]
    for name, contender in contenders.learned(problem).items():
        if name != "fno":  # neuraloperator is an extra
            model = contender.matched(problem, 20_000)
            assert score.gflop(lambda model=model: model(part.state[:1, :3], part.forcing[:1, :4], part.static[:1])) > 0


def test_a_code_that_holds_the_coefficients_tells_them_and_noise_does_not() -> None:
    draw = torch.Generator().manual_seed(0)
    told = torch.rand(200, 3, generator=draw)
    mix = torch.randn(3, 10, generator=draw)
    known, asked = (told @ mix)[:150], (told @ mix)[150:]
    assert stress.code_tells(known, told[:150], asked, told[150:]) > 0.95
    noise = torch.randn(200, 10, generator=draw)
    assert stress.code_tells(noise[:150], told[:150], noise[150:], told[150:]) < 0.2
    half = torch.cat([told[:, :1], noise], 1)
    assert 0.1 < stress.code_tells(half[:150], told[:150], half[150:], told[150:]) < 0.5


@pytest.mark.parametrize("name", ["cubic", "burgers", "shallow_water"])
def test_coefficients_are_those_of_the_trajectories(name: str) -> None:
    """What least squares on the past finds, knowing a law's form and not its numbers, is nearest to the trajectory's
    own coefficients, of all that there are. A viscosity is left out: on so few cells the scheme has its own."""
    case = suite.case_of(name)
    problem = case.problem("smoke")
    law = case.LINE.fitted(problem.fit.state[:, : problem.lags].double().mT, problem.dt)
    found = torch.stack(list(vars(law).values()), 1)
    true = case.coefficients("smoke", "fit")
    assert true.shape == found.shape
    kept = [k for k, each in enumerate(vars(law)) if each != "nu"]
    size = true[:, kept].std(0)
    nearest = torch.cdist(found[:, kept].float() / size, true[:, kept] / size).argmin(1)
    assert torch.equal(nearest, torch.arange(len(true)))


def test_shocks_are_drawn_where_they_stand(tmp_path: Path) -> None:
    """A panel a split, the truth and the best rows in it, and what is written is read back."""
    problem = standing()
    part = problem.tests["id"]
    held = score.profile(contenders.persistence, problem, part)
    assert held == pytest.approx(part.state[0, 0, :, 0].tolist())
    results = Results(tmp_path / "r.json")
    true = suite._true_profiles(problem)["id"]
    assert true["start"] == true["truth"] == held
    results.about["small"] = {"profiles": {"id": true, "step": true}}
    for n in range(6):
        error = {split: {"rollout": 0.1 * n} for split in ("id", "step")}
        row = Row("s", f"row {n}", "learned", 0, "small", error, profile={"id": held, "step": held})
        results.rows[row.key] = row
    results.write()
    again = Results(results.path)
    assert again.about["small"]["profiles"]["id"]["truth"] == pytest.approx(held, rel=1e-4)
    svg = plots.profiles(again, "small", "s")
    ElementTree.fromstring(svg)
    assert svg.count("<rect") == 2
    assert svg.count("M") >= 2 * (2 + plots.DRAWN)
    assert "row 3" in svg
    assert "row 4" not in svg
    assert plots.profiles(again, "full", "s") is None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Line:
    """The cubic suite's smooth split, few trajectories."""

    def law(random: object, count: int) -> Cubic:
        return Cubic(*(torch.full((count,), value, dtype=torch.float64) for value in (0.0, 0.5, 0.3)))

    monkeypatch.setitem(line.SIZES, "small", line.Size(4, 2, 2, cells=100))
    return Line("cubic", {"id": Draw(law, smooth)}, fitted.cubic)


def test_a_law_read_from_the_past_serves_on_finer_cells(quick: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights, twice the cells, fitted to what they show: no worse than where they come from, and far better
    than standing still. A row whose weights belong to its grid has no such figure."""
    monkeypatch.setattr(quick_case := suite.case_of("cubic"), "LINE", quick)
    suite._finer.cache_clear()
    problem = quick_case.problem("small")
    budget = replace(BUDGETS["smoke"], name="small")
    monkeypatch.setattr(suite, "problem_of", lambda *_: problem)
    found = suite.row("cubic", "fitted-flux-no", 0, budget, "cpu", lambda _: None)
    told = found.errors["id"]
    still = stress.march(contenders.persistence, problem, problem.tests["id"], 1)
    assert {"200 cells", "noise 1 %", "noise 5 %", "cells lost", "to the end"} <= set(told)
    assert told["200 cells"] < max(1.5 * told["rollout"], 0.02) < 0.5 * still["cells lost"]
    assert found.gflop > 0
    assert found.memory_mb > 0
    assert found.code_r2 is not None
    disco = suite.row("cubic", "hfluxno", 0, budget, "cpu", lambda _: None)
    assert "200 cells" not in disco.errors["id"]
    suite._finer.cache_clear()
