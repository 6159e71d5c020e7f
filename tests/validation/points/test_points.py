"""Laws of the suite `points`: the reference solves the equation, splits share nothing, and rows beat nothing."""

import numpy as np
import pytest
import torch

from operators.problem import Map
from tests.validation.points import case


@pytest.fixture(scope="module")
def problem() -> Map:
    return case.problem("smoke")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_exponential_integral_is_the_integral_it_is_named_for() -> None:
    node, weight = np.polynomial.legendre.leggauss(60)
    for z in (1e-9, 0.3, 1.99, 2.01, 7.0, 39.0):
        t = z * (node + 1) / 2
        assert case.ein(z) == pytest.approx((-np.expm1(-t) / t) @ weight * z / 2, rel=1e-12)
    assert case.ein(40.0001) == pytest.approx(case.ein(39.9999), rel=1e-5)


def test_the_laplacian_of_the_solution_is_the_source(random: np.random.Generator) -> None:
    """A fourth-order stencil, whose error falls by 16 when it is halved."""
    for widths in case.WIDTHS.values():
        source, where = case.source(random, widths), 0.9 * case.cloud(random, 100)
        f, errors = case.density(where, *source), []
        for step in (0.02, 0.01):
            u = {
                (axis, k): case.solution(where + k * step * np.eye(2)[axis], *source)
                for axis in (0, 1)
                for k in range(-2, 3)
            }
            weights = {-2: -1 / 12, -1: 4 / 3, 0: -5 / 2, 1: 4 / 3, 2: -1 / 12}
            minus = -sum(weights[k] * value for (_, k), value in u.items()) / step**2
            errors.append(np.abs(minus - f).max() / np.abs(f).max())
        assert errors[1] < 1e-2
        assert 10 < errors[0] / errors[1] < 20


def test_the_solution_vanishes_at_the_edge(random: np.random.Generator) -> None:
    source, turn = case.source(random, case.WIDTHS["ood"]), random.uniform(0, 2 * np.pi, 50)
    edge = case.solution(np.stack([np.cos(turn), np.sin(turn)], -1), *source)
    inside = case.solution(case.cloud(random), *source)
    assert np.abs(edge).max() < 1e-9 * np.abs(inside).max()


def test_the_centre_is_what_greens_function_says(random: np.random.Generator) -> None:
    """u(0) = int f(y) ln(1/|y|) dy / 2 pi, by Gauss-Legendre in the radius and equal angles."""
    node, weight = np.polynomial.legendre.leggauss(200)
    r, turn = (node + 1) / 2, 2 * np.pi * np.arange(256) / 256
    places = np.stack([np.outer(r, np.cos(turn)), np.outer(r, np.sin(turn))], -1)
    for widths in case.WIDTHS.values():
        source = case.source(random, widths)
        f = case.density(places.reshape(-1, 2), *source).reshape(200, 256).mean(1)
        expected = (f * r * -np.log(r)) @ weight / 2
        assert case.solution(np.zeros((1, 2)), *source)[0] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_reference_converges_geometrically() -> None:
    errors = list(case.convergence().values())
    assert errors[0] > 30 * errors[1] > 900 * errors[2]
    assert errors[-1] < 1e-10


def test_clouds_are_even_and_differ(problem: Map, random: np.random.Generator) -> None:
    spacing = np.sqrt(np.pi / case.POINTS)
    for where in problem.fit.where[:5].double():
        assert where.norm(dim=1).max() <= 1
        apart = torch.cdist(where, where).fill_diagonal_(9).amin(0)
        assert 0.5 * spacing < apart.mean() < spacing
        z = random.uniform(-1, 1, (4000, 2))
        inside = torch.tensor(z[np.hypot(*z.T) < 1])
        assert torch.cdist(inside, where).amin(1).max() < 1.6 * spacing
    assert (problem.fit.where[0] - problem.fit.where[1]).abs().min(0).values.max() > 0
    assert (problem.fit.where[0].mean(0)).abs().max() < 0.02


def test_the_order_of_a_cloud_tells_nothing(problem: Map) -> None:
    """A point's number and its radius are not related: 3 standard errors over all points."""
    radius = problem.fit.where.norm(dim=-1)
    number = torch.arange(case.POINTS).expand_as(radius)
    related = torch.corrcoef(torch.stack([radius.flatten(), number.flatten().float()]))[0, 1]
    assert related.abs() < 3 / radius.numel() ** 0.5


def test_a_problem_is_determined_by_its_seed_and_splits_share_nothing(problem: Map) -> None:
    again, other = case.problem("smoke"), case.problem("smoke", 1)
    torch.testing.assert_close(again.fit.given, problem.fit.given, rtol=0, atol=0)
    splits = [problem.fit, problem.validation, *problem.tests.values(), other.fit]
    first = {round(float(s.given[i].sum()), 4) for s in splits for i in range(len(s))}
    assert len(first) == sum(len(s) for s in splits)
    assert problem.tests["ood"].given.abs().amax() > problem.tests["id"].given.abs().amax()


def test_classical_rows_solve_the_equation(problem: Map) -> None:
    def error(name: str, split: str) -> float:
        test = problem.tests[split]
        out = rows[name](test.given[:4], test.where[:4])
        return float(((out - test.wanted[:4]).norm(dim=1) / test.wanted[:4].norm(dim=1)).mean())

    rows = case.classical(problem)
    assert error("green", "id") < 0.1
    assert error("gaussians", "id") < 1e-3
    assert error("gaussians", "ood") < 0.1
    assert error("linear", "id") < 0.8  # 60 samples
