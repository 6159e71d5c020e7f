"""Radial: which nonlocal operator made these pairs? f(x) = int_0^1 gamma(|x - y|) (u(y) - u(x)) dy, of a hidden kernel
gamma_k(r) = exp(-k r) sin(6 r). Seven kernels to learn from, one (k = 5) never seen. See README.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

NAME = "radial"
POINTS = 80  # cell centres: dx = .0125
PAIRS = 50
NEW = 20  # pairs that measure what a kernel does to what it was not made from
SEEN, UNSEEN = (1, 2, 3, 4, 6, 7, 8), (5,)
LENGTH = 0.1  # of u's squared-exponential covariance
NOISE = 0.01  # of f in a context, as a share of its root mean square
SIZES = {"smoke": (4, 2, 2), "small": (20, 4, 5), "medium": (100, 10, 20), "full": (200, 20, 40)}  # contexts a kernel


@dataclass(frozen=True)
class Contexts:
    """Pairs told (u exact, f with noise), the matrix that made them (f = K u), and new pairs, exact."""

    u: Float[Tensor, "context pair point"]
    f: Float[Tensor, "context pair point"]
    kernel: Float[Tensor, "context point point"]
    new_u: Float[Tensor, "context new point"]
    new_f: Float[Tensor, "context new point"]
    number: Int[Tensor, " context"]
    """k, to sort results by; no row may read it."""

    def __len__(self) -> int:
        return len(self.u)


@dataclass(frozen=True)
class RadialTask:
    """A map from a context to a kernel; `new_u` and `new_f` of the fit split may be trained on, `kernel` only by the
    row that is told kernels (`mean`)."""

    name: str
    points: Float[Tensor, " point"]
    fit: Contexts
    validation: Contexts
    tests: dict[str, Contexts]
    about: dict[str, Any] = field(default_factory=dict)


def gamma(r: np.ndarray, k: float) -> np.ndarray:
    return np.exp(-k * r) * np.sin(6 * r)


def matrix(k: float, points: int = POINTS) -> np.ndarray:
    """The integral by the midpoint rule. Its rows sum to zero: a constant u gives no f."""
    x = (np.arange(points) + 0.5) / points
    weights = gamma(np.abs(x[:, None] - x), k) / points
    return weights - np.diag(weights.sum(1))


def functions(random: np.random.Generator, count: int) -> np.ndarray:
    """Gaussian random fields with variance 1 and covariance exp(-(x - y)^2 / (2 length^2))."""
    x = (np.arange(POINTS) + 0.5) / POINTS
    values, vectors = np.linalg.eigh(np.exp(-((x[:, None] - x) ** 2) / (2 * LENGTH**2)))
    return random.standard_normal((count, POINTS)) * np.sqrt(values.clip(min=0)) @ vectors.T


def contexts(
    kernels: tuple[int, ...], each: int, seed: tuple[int, int], of: Callable[[float], np.ndarray] = matrix
) -> Contexts:  # fmt: skip
    random = np.random.default_rng(seed)
    number = np.repeat(kernels, each)
    kernel = np.stack([of(k) for k in number])
    u = functions(random, len(number) * (PAIRS + NEW)).reshape(len(number), PAIRS + NEW, POINTS)
    exact = u @ kernel.transpose(0, 2, 1)
    noise = NOISE * np.sqrt((exact**2).mean((1, 2), keepdims=True)) * random.standard_normal(exact.shape)

    def told(fields: np.ndarray) -> Tensor:
        return torch.tensor(fields, dtype=torch.float32)

    return Contexts(
        told(u[:, :PAIRS]),
        told((exact + noise)[:, :PAIRS]),
        told(kernel),
        told(u[:, PAIRS:]),
        told(exact[:, PAIRS:]),
        torch.tensor(number),
    )


def problem(budget: str, seed: int = 0) -> RadialTask:
    fit, validation, test = SIZES[budget]
    return RadialTask(
        NAME,
        torch.tensor((np.arange(POINTS) + 0.5) / POINTS, dtype=torch.float32),
        contexts(SEEN, fit, (seed, 0)),
        contexts(SEEN, validation, (seed, 1)),
        {"id": contexts(SEEN, test, (seed, 2)), "ood": contexts(UNSEEN, len(SEEN) * test, (seed, 3))},
        {
            "solver": "midpoint rule",
            "contexts a kernel": SIZES[budget],
            "pairs": PAIRS,
            "noise": NOISE,
            "seed": seed,
            "convergence": convergence(),
        },
    )


def convergence() -> dict[str, float]:
    """Relative difference of f at the 80 points' cells from that of 81 * 80 points, u = cos 5 x, k = 5: order 2."""

    def result(points: int) -> np.ndarray:
        x, u = (np.arange(points) + 0.5) / points, np.cos(5 * (np.arange(points) + 0.5) / points)
        at = np.arange(points // 160, points, points // 80)  # the 80 cells' centres, for odd multiples of 80
        weights = gamma(np.abs(x[at, None] - x), 5) / points
        return (weights * (u - u[at, None])).sum(1)

    finest = result(81 * POINTS)
    return {
        f"{times * POINTS} points": float(np.linalg.norm(result(times * POINTS) - finest) / np.linalg.norm(finest))
        for times in (1, 3, 9)
    }


def kernel_error(found: Float[Tensor, "b point point"], true: Float[Tensor, "b point point"]) -> Float[Tensor, " b"]:
    """Relative L2 of gamma(x, y) as a function of both: the diagonal, where gamma is not seen, is left out."""
    off = 1 - torch.eye(true.shape[-1])
    return ((found - true) * off).norm(dim=(1, 2)) / (true * off).norm(dim=(1, 2))


def field_error(found: Float[Tensor, "b point point"], data: Contexts) -> Float[Tensor, " b"]:
    """Relative L2 of K u for new u."""
    return (data.new_u @ found.mT - data.new_f).norm(dim=(1, 2)) / data.new_f.norm(dim=(1, 2))


Answer = Callable[[Tensor, Tensor], Tensor]


def classical(problem: RadialTask) -> dict[str, Answer]:
    """`mean`: the mean of the fit split's kernels, whatever the context. `radial`: gamma(r) at the 79 distances by
    least squares with a penalty on second differences. `full`: every K_ij free, by ridge. Both set their penalty by
    five folds of the context; none but `mean` reads the fit split."""
    mean = problem.fit.kernel.mean(0)
    return {"mean": lambda u, f: mean.expand(len(u), -1, -1), "radial": each(radial), "full": each(full)}


def each(solve: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    def answer(u: Tensor, f: Tensor) -> Tensor:
        return torch.stack([solve(a, b) for a, b in zip(u.double(), f.double(), strict=True)]).float()

    return answer


def folds(pairs: int, count: int = 5) -> list[tuple[Tensor, Tensor]]:
    """(kept, left out)."""
    number = torch.arange(pairs) % count
    return [(number != k, number == k) for k in range(count)]


def radial(u: Float[Tensor, "pair point"], f: Float[Tensor, "pair point"]) -> Float[Tensor, "point point"]:
    points = u.shape[1]
    padded = pad(u, (points, points))
    inside = pad(torch.ones_like(u), (points, points))
    at = torch.arange(points, 2 * points)
    columns = torch.stack(
        [
            (padded[:, at + r] - u * inside[:, at + r] + padded[:, at - r] - u * inside[:, at - r]) / points
            for r in range(1, points)
        ],
        -1,
    )  # (pair, point, distance)
    second = torch.diff(torch.eye(points - 1).double(), n=2, dim=0)
    penalty = second.mT @ second + 1e-8 * torch.eye(points - 1).double()
    grams = torch.einsum("ipr,ips->irs", columns, columns)
    rights = torch.einsum("ipr,ip->ir", columns, f)
    scale = float(grams.sum(0).diagonal().mean())
    ridges = [scale * 10.0**e for e in range(-6, 7)]

    def solved(kept: Tensor, ridge: float) -> Tensor:
        return torch.linalg.solve(grams[kept].sum(0) + ridge * penalty, rights[kept].sum(0))

    def missed(ridge: float) -> float:
        return sum(float((columns[out] @ solved(kept, ridge) - f[out]).square().sum()) for kept, out in folds(len(u)))

    every = torch.ones(len(u), dtype=torch.bool)
    found = pad(solved(every, min(ridges, key=missed)), (1, 0)) / points  # from distance 0
    x = torch.arange(points)
    weights = found[(x[:, None] - x).abs()]
    return weights - torch.diag(weights.sum(1))


def full(u: Float[Tensor, "pair point"], f: Float[Tensor, "pair point"]) -> Float[Tensor, "point point"]:
    scale = float(u.square().sum(0).mean())
    eye = torch.eye(u.shape[1]).double()

    def solved(kept: Tensor, ridge: float) -> Tensor:  # (point of f, point of u)
        a, b = u[kept], f[kept]
        return torch.linalg.solve(a.mT @ a + ridge * scale * eye, a.mT @ b).mT

    def missed(ridge: float) -> float:
        return sum(float((u[out] @ solved(kept, ridge).mT - f[out]).square().sum()) for kept, out in folds(len(u)))

    every = torch.ones(len(u), dtype=torch.bool)
    return solved(every, min((10.0**e for e in range(-8, 2)), key=missed))
