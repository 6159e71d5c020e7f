"""The steady Darcy reference converges at its order, keeps the balance, and makes splits that share nothing."""

import numpy as np
import pytest
import torch

from operators.problem import Map
from tests.validation.darcy_steady.case import (
    CELLS,
    PHASES,
    SIZES,
    Stiffness,
    classical,
    convergence,
    outflow,
    problem,
    solve,
)


@pytest.fixture(scope="module")
def smoke() -> Map:
    return problem("smoke")


@pytest.fixture(scope="module")
def media(smoke: Map) -> torch.Tensor:
    return smoke.fit.given[:8, :, 0].double().reshape(8, CELLS, CELLS)


def test_a_smooth_medium_is_solved_to_second_order_and_two_phases_beyond_first() -> None:
    error = convergence()
    for coarse, fine in (("32", "64"), ("64", "128")):
        assert np.log2(error[f"smooth, {coarse} cells"] / error[f"smooth, {fine} cells"]) == pytest.approx(2, abs=0.1)
        assert error[f"two phases, {coarse} cells"] > 2 * error[f"two phases, {fine} cells"]
    assert error["smooth, 64 cells"] < 1e-3
    assert error["two phases, 64 cells"] < 0.01


def test_an_even_medium_has_the_series_of_the_textbook() -> None:
    odd = torch.arange(1, 400, 2, dtype=torch.float64) * torch.pi
    x = (torch.arange(CELLS, dtype=torch.float64) + 0.5) / CELLS
    sine = torch.sin(odd[:, None] * x)
    exact = sine.T @ (16 / torch.outer(odd, odd) / (odd[:, None] ** 2 + odd**2)) @ sine / 6
    u = solve(torch.full((1, CELLS, CELLS), 6.0))[0]
    assert (u - exact).norm() / exact.norm() < 1e-3


def test_the_iteration_is_the_dense_solve() -> None:
    """An oracle that knows nothing of the operator's code: fluxes written cell by cell."""
    n = 7
    a = torch.from_numpy(np.random.default_rng(2).choice(PHASES, (1, n, n)))
    matrix = torch.zeros(n * n, n * n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            for k, m in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                within = 0 <= k < n and 0 <= m < n
                face = 2 / (1 / a[0, i, j] + 1 / a[0, k, m]) if within else 2 * a[0, i, j]
                matrix[i * n + j, i * n + j] += face * n**2
                if within:
                    matrix[i * n + j, k * n + m] -= face * n**2
    dense = torch.linalg.solve(matrix, torch.ones(n * n, dtype=torch.float64)).reshape(1, n, n)
    torch.testing.assert_close(solve(a), dense, rtol=1e-7, atol=0)


def test_the_preconditioner_inverts_the_even_medium() -> None:
    u = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 16, 16)))
    stiffness = Stiffness(torch.ones_like(u))
    torch.testing.assert_close(stiffness.inverse_where_even(stiffness(u)), u)


def test_what_is_poured_in_leaves_by_the_edge(media: torch.Tensor) -> None:
    torch.testing.assert_close(outflow(media, solve(media)), torch.ones(8, dtype=torch.float64), rtol=1e-7, atol=0)


def test_the_pressure_is_positive_and_peaks_within(media: torch.Tensor) -> None:
    u = solve(media)
    assert (u > 0).all()
    inner = u[:, 1:-1, 1:-1].amax((1, 2))
    assert (inner > u.amax((1, 2)) - 1e-15).all()


def test_the_medium_scales_and_a_better_one_dissipates_less(media: torch.Tensor) -> None:
    u = solve(media)
    torch.testing.assert_close(solve(2 * media), u / 2, rtol=1e-6, atol=0)
    better = media.clone()
    better[:, 20:30, 20:30] = PHASES[0]
    changed = (better != media).flatten(1).any(1)
    less = solve(better).mean((1, 2)) < u.mean((1, 2))
    assert changed.any()
    assert (less == changed).all()


def test_mirror_and_turn_go_through_the_solver(media: torch.Tensor) -> None:
    u = solve(media)
    torch.testing.assert_close(solve(media.flip(1)), u.flip(1), rtol=1e-6, atol=0)
    torch.testing.assert_close(solve(media.transpose(1, 2)), u.transpose(1, 2), rtol=1e-6, atol=0)


def test_the_classical_row_is_the_reference(smoke: Map) -> None:
    test = smoke.tests["id"]
    where = smoke.geometry.points.expand(len(test), -1, -1)
    reference, coarse = (row(test.given, where) for row in classical(smoke).values())
    torch.testing.assert_close(reference, test.wanted, rtol=1e-5, atol=1e-8)
    assert 1e-3 < (coarse - reference).norm() / reference.norm() < 0.02
    square, wanted = (x.reshape(-1, CELLS, CELLS) for x in (coarse, reference))
    for row in (square[:, 0] / wanted[:, 0], square[:, :, -1] / wanted[:, :, -1]):
        assert row.mean().item() == pytest.approx(1, abs=0.1)  # interpolated to nothing on the edge


def test_media_have_two_phases_in_equal_parts(smoke: Map) -> None:
    assert set(smoke.fit.given.unique().tolist()) == set(PHASES)
    assert (smoke.fit.given == PHASES[0]).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_splits_have_their_sizes_and_share_no_draw(smoke: Map) -> None:
    splits = [smoke.fit, smoke.validation, smoke.tests["id"]]
    assert [len(x) for x in splits] == list(SIZES["smoke"])
    assert smoke.fit.given.shape == smoke.fit.wanted.shape == (40, CELLS * CELLS, 1)
    rows = torch.cat([x.given for x in splits]).flatten(1)
    assert len(rows.unique(dim=0)) == len(rows)


def test_the_seed_decides(smoke: Map) -> None:
    assert torch.equal(problem("smoke").fit.wanted, smoke.fit.wanted)
    assert not torch.equal(problem("smoke", seed=1).fit.given, smoke.fit.given)
