"""Points: Poisson's equation in the unit disc, -lap u = f with u = 0 at the edge, on a new cloud for every sample.

f is a sum of two to six Gaussians. The reference is exact but for rounding: a Gaussian's potential in the free plane
has a closed form, and the harmonic function that takes it off the edge is a Fourier series whose coefficients fall
geometrically. See README.md.
"""

import math
from collections.abc import Callable

import numba
import numpy as np
import torch
from torch import Tensor

from operators.problem import Geometry, Map, Samples

NAME = "points"
POINTS = 972
SIZES = {"smoke": (60, 10, 10), "small": (600, 60, 100), "medium": (2000, 200, 200), "full": (4000, 200, 400)}
WIDTHS = {"id": (0.08, 0.30), "ood": (0.04, 0.08)}  # standard deviations of the Gaussians
GAUSSIANS = (2, 6)
FARTHEST = 0.8  # of a Gaussian's centre from the disc's
ANGLES = 256  # on the edge


@numba.njit(cache=True)
def ein(z: float) -> float:
    """The entire exponential integral, int_0^z (1 - exp(-t))/t dt: a series, or ln z + gamma + E1(z) by Lentz."""
    if z < 2.0:
        term, total = z, z
        for k in range(2, 60):
            term *= -z / k
            total += term / k
            if abs(term) < 1e-17 * total:
                break
        return total
    total = math.log(z) + 0.57721566490153286
    if z < 40.0:
        b = z + 1.0
        c, d = 1e300, 1.0 / b
        h = d
        for k in range(1, 300):
            a = -k * k
            b += 2.0
            d = 1.0 / (a * d + b)
            c = b + a / c
            h *= c * d
            if abs(c * d - 1.0) < 1e-15:
                break
        total += h * math.exp(-z)
    return total


@numba.njit(cache=True)
def potential(where: np.ndarray, centre: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """In the free plane, up to a constant: -lap of it is the sum of height exp(-|x - centre|^2 / (2 width^2))."""
    out = np.zeros(len(where))
    for i in range(len(where)):
        for j in range(len(centre)):
            square = (where[i, 0] - centre[j, 0]) ** 2 + (where[i, 1] - centre[j, 1]) ** 2
            out[i] -= 0.5 * height[j] * width[j] ** 2 * ein(square / (2 * width[j] ** 2))
    return out


def density(where: np.ndarray, centre: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    square = ((where[:, None] - centre) ** 2).sum(-1)
    return np.exp(-square / (2 * width**2)) @ height


def solution(
    where: np.ndarray, centre: np.ndarray, width: np.ndarray, height: np.ndarray, angles: int = ANGLES
) -> np.ndarray:
    """u at the places: the free potential less the harmonic function that equals it on the edge."""
    turn = 2 * np.pi * np.arange(angles) / angles
    edge = potential(np.stack([np.cos(turn), np.sin(turn)], -1), centre, width, height)
    series = np.fft.rfft(edge) / angles
    series[1 : (angles + 1) // 2] *= 2
    harmonic = np.polynomial.polynomial.polyval(where[:, 0] + 1j * where[:, 1], series).real
    return potential(where, centre, width, height) - harmonic


def cloud(random: np.random.Generator, count: int = POINTS) -> np.ndarray:
    """Scattered evenly: a sunflower's spiral, turned at random, each seed moved within .4 of the spacing; no order."""
    seed = np.arange(count) + 0.5
    radius, turn = np.sqrt(seed / count), seed * np.pi * (3 - math.sqrt(5)) + random.uniform(0, 2 * np.pi)
    away, direction = (
        0.4 * math.sqrt(np.pi / count) * np.sqrt(random.random(count)),
        random.uniform(0, 2 * np.pi, count),
    )
    z = radius * np.exp(1j * turn) + away * np.exp(1j * direction)
    outside = np.abs(z) > 1
    z[outside] *= 2 / np.abs(z[outside]) - 1  # mirrored at the edge
    return random.permutation(np.stack([z.real, z.imag], -1))


def source(random: np.random.Generator, widths: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres, widths and heights of some Gaussians: heights fall as widths grow, so that each counts alike in u."""
    count = random.integers(GAUSSIANS[0], GAUSSIANS[1] + 1)
    away, turn = FARTHEST * np.sqrt(random.random(count)), random.uniform(0, 2 * np.pi, count)
    width = random.uniform(*widths, count)
    height = random.choice([-1.0, 1.0], count) * random.uniform(0.5, 1.5, count) * 0.15 / width
    return np.stack([away * np.cos(turn), away * np.sin(turn)], -1), width, height


def samples(count: int, widths: tuple[float, float], seed: tuple[int, int]) -> Samples:
    random = np.random.default_rng(seed)
    where, given, wanted = [], [], []
    for _ in range(count):
        places, gaussians = cloud(random), source(random, widths)
        where.append(places)
        given.append(density(places, *gaussians))
        wanted.append(solution(places, *gaussians))
    return Samples(
        torch.tensor(np.stack(given)[..., None], dtype=torch.float32),
        torch.tensor(np.stack(wanted)[..., None], dtype=torch.float32),
        torch.tensor(np.stack(where), dtype=torch.float32),
    )


def problem(budget: str, seed: int = 0) -> Map:
    fit, validation, test = SIZES[budget]
    points = cloud(np.random.default_rng((seed, 9)))
    return Map(
        NAME,
        Geometry(torch.tensor(points, dtype=torch.float32), torch.full((POINTS,), 1 / POINTS)),
        samples(fit, WIDTHS["id"], (seed, 0)),
        samples(validation, WIDTHS["id"], (seed, 1)),
        {"id": samples(test, WIDTHS["id"], (seed, 2)), "ood": samples(test, WIDTHS["ood"], (seed, 3))},
        {
            "solver": f"closed-form potential and a Fourier series of {ANGLES} angles",
            "sizes": SIZES[budget],
            "points": POINTS,
            "widths": WIDTHS,
            "seed": seed,
            "convergence": convergence(),
        },
    )


def convergence() -> dict[str, float]:
    """Relative difference of u from the solution by 1,024 angles, for sources of the test `ood`, the hardest."""
    random = np.random.default_rng(7)
    drawn = [(cloud(random), source(random, WIDTHS["ood"])) for _ in range(8)]
    finest = np.stack([solution(where, *gaussians, angles=1024) for where, gaussians in drawn])
    found = {}
    for angles in (32, 64, 128, 256):
        coarse = np.stack([solution(where, *gaussians, angles=angles) for where, gaussians in drawn])
        found[f"{angles} angles"] = float(np.linalg.norm(coarse - finest) / np.linalg.norm(finest))
    return found


Answer = Callable[[Tensor, Tensor], Tensor]


def classical(problem: Map) -> dict[str, Answer]:
    """`green`: the disc's Green function summed over the cloud with equal weights, its own cell integrated.
    `gaussians`: f interpolated by Gaussians at the points, each solved exactly. `linear`: a ridge map, learned from the
    fit split, between polynomials fitted to f and to u."""
    return {"green": each(green), "gaussians": each(gaussians), "linear": linear(problem)}


def each(solve: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Answer:
    def answer(given: Tensor, where: Tensor) -> Tensor:
        pairs = zip(given[..., 0].double().cpu().numpy(), where.double().cpu().numpy(), strict=True)
        return torch.tensor(np.stack([solve(f, places) for f, places in pairs])[..., None]).float().to(given.device)

    return answer


def green(f: np.ndarray, where: np.ndarray) -> np.ndarray:
    """G(x, y) = ln(|1 - x conj(y)| / |x - y|) / 2 pi in complex numbers. A point's own cell is a disc of area pi/n,
    whose mean of -ln r is 1/2 - ln(its radius)."""
    count = len(f)
    z = where[:, 0] + 1j * where[:, 1]
    apart = np.abs(z[:, None] - z)
    np.fill_diagonal(apart, math.exp(-0.5) / math.sqrt(count))
    return (np.log(np.abs(1 - z[:, None] * z.conj())) - np.log(apart)) @ f / (2 * count)


def gaussians(f: np.ndarray, where: np.ndarray, width: float = 0.09) -> np.ndarray:
    square = ((where[:, None] - where) ** 2).sum(-1)
    matrix = np.exp(-square / (2 * width**2))
    height = np.linalg.solve(matrix + 1e-7 * np.eye(len(f)), f)
    return solution(where, where, np.full(len(f), width), height)


def polynomials(where: Tensor, degree: int) -> Tensor:
    """Re and Im of z^m times T_k(2 r^2 - 1), m + 2 k up to the degree: (..., point, polynomial)."""
    z = torch.complex(*where.double().unbind(-1))
    radial = torch.acos((2 * z.abs().square() - 1).clamp(-1, 1))
    even = [torch.cos(k * radial) for k in range(degree // 2 + 1)]
    columns, power = [], torch.ones_like(z)
    for m in range(degree + 1):
        for factor in even[: (degree - m) // 2 + 1]:
            columns += [power.real * factor, power.imag * factor] if m else [factor]
        power = power * z
    return torch.stack(columns, -1)


def fitted(columns: Tensor, values: Tensor) -> Tensor:
    """Coefficients by least squares with a little ridge: (..., column)."""
    gram = columns.mT @ columns
    shift = 1e-6 * gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None] * torch.eye(gram.shape[-1]).double()
    return torch.linalg.solve(gram + shift, columns.mT @ values.double())[..., 0]


def linear(problem: Map, degree: int = 14) -> Answer:
    def all_of(f: Tensor, where: Tensor, columns: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.cat([fitted(columns(w), g) for g, w in zip(f.split(64), where.split(64), strict=True)])

    def read(f: Tensor, where: Tensor) -> Tensor:
        return all_of(f, where, lambda places: polynomials(places, degree))

    def shapes(where: Tensor) -> Tensor:  # that vanish on the edge
        return polynomials(where, degree) * (1 - where.double().square().sum(-1, keepdim=True))

    fit, check = problem.fit, problem.validation
    known, sought = read(fit.given, fit.where), all_of(fit.wanted, fit.where, shapes)
    gram, right = known.mT @ known, known.mT @ sought
    checked, columns = read(check.given, check.where), shapes(check.where)
    best, weights = math.inf, right
    for ridge in 10.0 ** np.arange(-10, 1):
        trial = torch.linalg.solve(gram + ridge * gram.diagonal().mean() * torch.eye(len(gram)).double(), right)
        error = float((columns @ (checked @ trial)[..., None] - check.wanted).norm())
        if error < best:
            best, weights = error, trial

    def answer(given: Tensor, where: Tensor) -> Tensor:
        return (shapes(where) @ (read(given, where) @ weights)[..., None]).float()

    return answer
