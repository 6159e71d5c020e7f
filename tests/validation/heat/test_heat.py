"""The heat reference obeys the laws of diffusion, converges at its order, and makes splits that share nothing."""

import numpy as np
import pytest
import torch

from operators.problem import March
from tests.validation.heat.case import CELLS, DT, SIZES, STEPS, Draw, classical, convergence, march, problem


@pytest.fixture(scope="module")
def smoke() -> March:
    return problem("smoke")


@pytest.fixture(scope="module")
def draw() -> Draw:
    return Draw(np.random.default_rng(5), count=8, steps=20)


def centres(cells: int) -> np.ndarray:
    return (np.arange(cells) + 0.5) / cells


def test_a_sine_decays_at_its_rate_to_second_order() -> None:
    def error(cells: int, substeps: int) -> float:
        x, kappa = centres(cells), 0.1
        states = march(np.sin(2 * np.pi * x)[None], np.full((1, cells), kappa), np.zeros((1, 5, cells)), DT, substeps)
        exact = np.exp(-kappa * 4 * np.pi**2 * DT * 4) * np.sin(2 * np.pi * x)
        return np.linalg.norm(states[0, -1] - exact) / np.linalg.norm(exact)

    assert error(CELLS, 8) < 2e-3
    assert np.log2(error(32, 64) / error(64, 64)) == pytest.approx(2, abs=0.1)
    assert np.log2(error(2048, 2) / error(2048, 4)) == pytest.approx(2, abs=0.2)


def test_a_warmed_bar_settles_on_the_exact_profile() -> None:
    """-(kappa u')' = 1 has u(x) = int_0^x (c - s) / kappa, with c from u(1) = 0."""

    def error(cells: int) -> float:
        edge = np.linspace(0, 1, 64 * cells + 1)
        middle, width = (edge[1:] + edge[:-1]) / 2, edge[1]
        kappa = lambda x: 0.1 * np.exp(1.2 * np.sin(5 * x))  # noqa: E731
        flux = (middle / kappa(middle)).sum() / (1 / kappa(middle)).sum() - middle
        exact = np.concatenate([[0], np.cumsum(flux / kappa(middle)) * width])[32::64]
        states = march(np.zeros((1, cells)), kappa(centres(cells))[None], np.ones((1, 3, cells)), 500.0, 64)
        return np.linalg.norm(states[0, -1] - exact) / np.linalg.norm(exact)

    assert error(CELLS) < 2e-3
    assert np.log2(error(32) / error(64)) == pytest.approx(2, abs=0.15)


def test_layers_resist_in_series() -> None:
    """A source in one cell warms it by its heat over the walls' two resistances, exactly, however kappa jumps."""
    kappa, source, cell = np.random.default_rng(0).choice([0.02, 0.3], (1, CELLS)), np.zeros((1, 2, CELLS)), 20
    source[..., cell] = 1
    resistance = np.cumsum(1 / kappa[0]) - 0.5 / kappa[0]
    left, right = resistance[cell] / CELLS, ((1 / kappa).sum() - resistance[cell]) / CELLS
    states = march(np.zeros((1, CELLS)), kappa, source, 1000.0, 64)
    assert states[0, -1, cell] == pytest.approx(1 / CELLS / (1 / left + 1 / right), rel=1e-9)


def test_without_forcing_energy_falls_and_no_extreme_grows(draw: Draw) -> None:
    states = march(draw.states(CELLS)[:, 0], draw.kappa(CELLS), np.zeros((8, 21, CELLS)), DT, 8)
    assert (np.diff((states**2).sum(-1), axis=1) < 0).all()
    assert (np.diff(np.abs(states).max(-1), axis=1) < 0).all()


def test_a_source_alone_warms_everywhere(draw: Draw) -> None:
    source = np.abs(draw.forcing(CELLS))
    states = march(np.zeros((8, CELLS)), draw.kappa(CELLS), source, DT, 8)
    assert (states[:, 1:] > 0).all()


def test_heat_is_kept_but_for_what_leaves_by_the_walls() -> None:
    """Behind walls that barely conduct, what is stored is what was there and what was given."""
    kappa = np.full((1, CELLS), 0.1)
    kappa[:, [0, -1]] = 1e-12
    forcing = np.abs(Draw(np.random.default_rng(1), 1, 10).forcing(CELLS))
    start = 1 + np.sin(3 * centres(CELLS))[None]
    states = march(start, kappa, forcing, DT, 8)
    given = np.cumsum((forcing[:, 1:] + forcing[:, :-1]).mean(-1) / 2 * DT, axis=1)
    np.testing.assert_allclose(states[:, 1:].mean(-1), start.mean() + given, rtol=1e-8)


def test_solutions_mirror_and_add(draw: Draw) -> None:
    start, kappa, forcing = draw.states(CELLS)[:, 0], draw.kappa(CELLS), draw.forcing(CELLS)
    whole = march(start, kappa, forcing, DT, 8)
    parts = march(start, kappa, 0 * forcing, DT, 8) + march(0 * start, kappa, forcing, DT, 8)
    np.testing.assert_allclose(parts, whole, atol=1e-11)
    mirrored = (x[..., ::-1] for x in (start, kappa, forcing))
    np.testing.assert_allclose(march(*mirrored, DT, 8)[..., ::-1], whole, atol=1e-11)


def test_random_fields_converge_at_second_order_and_enough() -> None:
    error = convergence()
    assert error["32 cells"] / error["64 cells"] == pytest.approx(4, rel=0.3)
    assert error["4 sub-steps"] / error["8 sub-steps"] == pytest.approx(4, rel=0.3)
    assert error["64 cells"] < 5e-3
    assert error["8 sub-steps"] < 5e-4


def test_the_classical_row_is_the_reference(smoke: March) -> None:
    for test in smoke.tests.values():
        n, at = smoke.lags, 9
        lags, forcing = test.state[:, at - n : at], test.forcing[:, at - n : at + 1]
        rows = classical(smoke)
        reference, cheap = (row(lags, forcing, test.static) for row in rows.values())
        torch.testing.assert_close(reference, test.state[:, at], atol=2e-6, rtol=1e-5)
        assert 1e-5 < (cheap - reference).norm() / reference.norm() < 0.05


def test_a_step_is_worth_learning(smoke: March) -> None:
    for test in smoke.tests.values():
        change = (test.state[:, 5:] - test.state[:, 4:-1]).flatten(2).norm(dim=2) / test.state[:, 5:].flatten(2).norm(
            dim=2
        )
        assert 0.08 < change.mean() < 0.4


def test_splits_have_their_sizes_and_share_no_draw(smoke: March) -> None:
    splits = [smoke.fit, smoke.validation, smoke.tests["id"], smoke.tests["ood"]]
    assert [len(x) for x in splits] == [*SIZES["smoke"], SIZES["smoke"][-1]]
    assert smoke.fit.state.shape == smoke.fit.forcing.shape == (24, STEPS + 1, CELLS, 1)
    for drawn in ([x.static for x in splits], [x.state[:, 0] for x in splits], [x.forcing[:, 0] for x in splits]):
        rows = torch.cat(drawn).flatten(1)
        apart = torch.cdist(rows, rows).fill_diagonal_(1)
        assert apart.min() > 1e-4


def test_kappa_spans_a_decade_and_two_out_of_distribution(smoke: March) -> None:
    spread = {name: x.static.log().std().item() for name, x in smoke.tests.items()}
    assert spread["ood"] > 1.5 * spread["id"]
    decades = [(k.max() / k.min()).log10().item() for k in smoke.fit.static]
    assert 0.5 < np.median(decades) < 1.2


def test_the_seed_decides(smoke: March) -> None:
    assert torch.equal(problem("smoke").fit.state, smoke.fit.state)
    assert not torch.equal(problem("smoke", seed=1).fit.state, smoke.fit.state)
