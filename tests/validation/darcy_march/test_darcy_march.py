"""The marching Darcy reference obeys diffusion's laws, converges at its order, and makes splits that share nothing."""

import numpy as np
import pytest
import torch

from operators.problem import March
from tests.validation.darcy_march.case import DT, POINTS, SIZES, SUBSTEPS, Draw, classical, convergence, march, problem


@pytest.fixture(scope="module")
def smoke() -> March:
    return problem("smoke")


@pytest.fixture(scope="module")
def draw() -> Draw:
    return Draw(np.random.default_rng(5), count=4, loadings=1, steps=10)


def sine(points: int) -> np.ndarray:
    return np.sin(np.pi * np.linspace(0, 1, points))


def test_an_even_medium_decays_at_its_rate_first_order_in_time_second_in_space() -> None:
    def error(points: int, substeps: int) -> float:
        mode = np.outer(sine(points), sine(points))[None]
        states = march(mode, np.full((1, points, points), 6.0), np.zeros((1, 6, points, points)), DT, substeps)
        return abs(states[0, -1].max() / np.exp(-2 * np.pi**2 * 6 * DT * 5) - 1)

    assert np.log2(error(61, 2) / error(61, 4)) == pytest.approx(1, abs=0.1)
    assert np.log2(error(11, 1024) / error(21, 1024)) == pytest.approx(2, abs=0.15)


def test_one_step_is_the_dense_solve() -> None:
    """An oracle that knows nothing of the band: the fluxes between neighbours, point by point."""
    n, m = 7, 5
    rng = np.random.default_rng(2)
    chi, u, f = rng.choice([12.0, 3.0], (n, n)), rng.standard_normal((n, n)), rng.standard_normal((2, n, n))
    matrix = np.eye(m * m)
    for i in range(m):
        for j in range(m):
            for k, s in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                face = DT * (n - 1) ** 2 * 2 / (1 / chi[i + 1, j + 1] + 1 / chi[k + 1, s + 1])
                matrix[i * m + j, i * m + j] += face
                if 0 <= k < m and 0 <= s < m:
                    matrix[i * m + j, k * m + s] -= face
    inner = (slice(1, -1), slice(1, -1))
    dense = np.linalg.solve(matrix, (u + DT * f[1])[inner].ravel()).reshape(m, m)
    stepped = march(u[None], chi[None], f[None], DT, 1)[0, 1]
    np.testing.assert_allclose(stepped[inner], dense, rtol=1e-12)
    assert not stepped[[0, -1]].any()
    assert not stepped[:, [0, -1]].any()


def test_a_steady_source_settles_where_flow_balances_it(draw: Draw) -> None:
    """At rest the flux out by the edge is all that the source gives."""
    chi = draw.chi(POINTS)
    u = march(np.zeros_like(chi), chi, np.ones((4, 2, POINTS, POINTS)), 100.0, 16)[:, -1]
    for k in range(4):
        assert (u[k, 1:-1, 1:-1] > 0).all()
        turned = [np.rot90(x, q) for q in range(4) for x in (u[k], chi[k])]
        out = sum(
            (2 / (1 / c[0, 1:-1] + 1 / c[1, 1:-1]) * v[1, 1:-1]).sum()
            for v, c in zip(turned[::2], turned[1::2], strict=True)
        )
        assert out == pytest.approx((POINTS - 2) ** 2 / (POINTS - 1) ** 2, rel=1e-9)


def test_without_forcing_energy_falls_and_no_extreme_is_made(draw: Draw) -> None:
    start = np.random.default_rng(0).standard_normal((4, POINTS, POINTS))
    start[:, [0, -1]] = start[:, :, [0, -1]] = 0
    states = march(start, draw.chi(POINTS), np.zeros((4, 11, POINTS, POINTS)), DT, SUBSTEPS)
    assert (np.diff((states**2).sum((2, 3)), axis=1) < 0).all()
    assert (np.diff(states.max((2, 3)), axis=1) <= 0).all()
    assert (np.diff(states.min((2, 3)), axis=1) >= 0).all()


def test_solutions_turn_and_add(draw: Draw) -> None:
    start, chi, forcing = draw.states(POINTS)[:, 0], draw.chi(POINTS), draw.forcing(POINTS)
    whole = march(start, chi, forcing, DT, 2)
    parts = march(start, chi, 0 * forcing, DT, 2) + march(0 * start, chi, forcing, DT, 2)
    np.testing.assert_allclose(parts, whole, atol=1e-12)
    turned = (np.rot90(x, axes=(-2, -1)) for x in (start, chi, forcing))
    np.testing.assert_allclose(march(*turned, DT, 2), np.rot90(whole, axes=(-2, -1)), atol=1e-12)


def test_random_fields_converge_at_their_orders_and_enough() -> None:
    error = convergence()
    assert error["11 points"] / error["21 points"] == pytest.approx(4, rel=0.2)
    assert error["8 sub-steps"] / error["16 sub-steps"] == pytest.approx(2, rel=0.1)
    assert error["21 points"] < 0.01
    assert error["16 sub-steps"] < 0.01


def test_the_classical_row_is_the_reference(smoke: March) -> None:
    for test in smoke.tests.values():
        n, at = smoke.lags, 12
        rows = classical(smoke)
        lags, forcing = test.state[:, at - n : at], test.forcing[:, at - n : at + 1]
        reference, cheap = (row(lags, forcing, test.static) for row in rows.values())
        torch.testing.assert_close(reference, test.state[:, at], atol=2e-6, rtol=1e-5)
        assert 1e-4 < (cheap - reference).norm() / reference.norm() < 0.05


def test_a_step_is_worth_learning(smoke: March) -> None:
    for test in smoke.tests.values():
        change = (test.state[:, 5:] - test.state[:, 4:-1]).norm() / test.state[:, 5:].norm()
        assert 0.05 < change < 0.15


def test_splits_have_their_sizes_and_share_no_microstructure(smoke: March) -> None:
    splits = [smoke.fit, smoke.validation, *smoke.tests.values()]
    fit, validation, test, steps, loadings = SIZES["smoke"]
    assert [len(x) for x in splits] == [n * loadings for n in (fit, validation, test, test, test)]
    assert smoke.fit.state.shape == smoke.fit.forcing.shape == (fit, steps + 1, POINTS**2, 1)
    for drawn in ([x.static > 6 for x in splits], [x.state[:, 0] for x in splits], [x.forcing[:, 0] for x in splits]):
        rows = torch.cat(drawn).flatten(1)
        assert len(rows.unique(dim=0)) == len(rows)


def test_loadings_of_one_microstructure_differ() -> None:
    draw = Draw(np.random.default_rng(0), count=3, loadings=2, steps=2)
    chi, forcing = draw.chi(POINTS), draw.forcing(POINTS)
    assert np.array_equal(chi[0::2], chi[1::2])
    assert not np.array_equal(chi[0], chi[2])
    assert np.abs(forcing[0::2] - forcing[1::2]).max() > 10


def test_each_shift_shifts_what_it_says(smoke: March) -> None:
    def contrast(name: str) -> float:
        return (smoke.tests[name].static.max() / smoke.tests[name].static.min()).item()

    def roughness(name: str) -> float:
        f = smoke.tests[name].forcing.reshape(-1, POINTS, POINTS)
        return (f.diff(dim=1).square().mean() / f.square().mean()).item()

    assert [round(contrast(name), 4) for name in ("id", "ood_f", "ood_b")] == [4, 4, 8]
    assert roughness("ood_f") > 4 * roughness("id")
    assert roughness("ood_b") < 2 * roughness("id")


def test_the_seed_decides(smoke: March) -> None:
    assert torch.equal(problem("smoke").fit.state, smoke.fit.state)
    assert not torch.equal(problem("smoke", seed=1).fit.state, smoke.fit.state)
