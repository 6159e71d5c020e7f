"""Steady Darcy flow: -div(a grad u) = 1 on the unit square, u = 0 on its edge, a in {12, 3}.

The benchmark of FNO (arXiv 2010.08895): a is a Gaussian field N(0, (-Laplace + 9)^-2) with Neumann edges, cut at zero.
The map a -> u is not linear; u has kinks where a jumps, so errors gather at the interfaces and where a is small.
Made here on 64 x 64 cell centres: numbers of the 85 x 85 and 421 x 421 files of the literature are not of this data.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from operators.problem import Geometry, Map, Samples

NAME = "darcy_steady"
SIZES = {  # samples to fit, to validate, to test
    "smoke": (40, 10, 10),
    "small": (400, 50, 50),
    "medium": (1000, 100, 200),
    "full": (1000, 100, 200),
}
CELLS = 64  # a side
PHASES = (12.0, 3.0)
INVERSE_LENGTH = 3.0
FIELD_MODES = 64
TOLERANCE = 1e-8  # of the residual against the right side
BATCH = 50


def problem(budget: str, seed: int = 0) -> Map:
    fit, validation, test = SIZES[budget]
    return Map(
        name=NAME,
        geometry=Geometry.grid(CELLS, CELLS),
        fit=_samples([seed, 0], fit),
        validation=_samples([seed, 1], validation),
        tests={"id": _samples([seed, 2], test)},
        about={
            "solver": "finite volumes with harmonic faces; conjugate gradients, sine-transform preconditioner, "
            f"residual {TOLERANCE}, float64",
            "grid": f"{CELLS} x {CELLS} cells",
            "counts": {"fit": fit, "validation": validation, "id": test},
            "seed": seed,
        },
    )


def classical(problem: Map) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The reference itself, and the same on cells twice as wide."""
    side = problem.geometry.shape[0]

    def fine(given: Tensor, where: Tensor) -> Tensor:
        return solve(_square(given, side)).reshape(len(given), -1, 1).to(given)

    def coarse(given: Tensor, where: Tensor) -> Tensor:
        harmonic = 1 / functional.avg_pool2d(1 / _square(given, side), 2)
        straight = functional.avg_pool2d(_square(given, side), 2)
        u = solve((harmonic * straight) ** 0.5)
        walled = functional.pad(u, (1, 1, 1, 1))
        for edge, inner in ((0, 1), (-1, -2)):  # ghosts that make u = 0 on the edge
            walled[:, edge] = -walled[:, inner]
            walled[:, :, edge] = -walled[:, :, inner]
        u = functional.interpolate(walled[:, None], scale_factor=2, mode="bilinear")[:, 0, 2:-2, 2:-2]
        return u.reshape(len(given), -1, 1).to(given)

    return {
        f"finite volumes, {side} x {side} (the reference)": fine,
        f"finite volumes, {side // 2} x {side // 2}, interpolated": coarse,
    }


def convergence() -> dict[str, float]:
    """Relative L2: where a is smooth against an exact solution, for two phases against 256 x 256 cells."""
    errors = {}
    for cells in (32, 64, 128):
        a, source, exact = smooth_case(cells)
        errors[f"smooth, {cells} cells"] = _distance(solve(a, source), exact)
    coefficients = _coefficients(np.random.default_rng(0), 3)
    finest = solve(_permeability(coefficients, 256))
    for cells in (32, 64, 128):
        wanted = functional.avg_pool2d(finest, 256 // cells)
        errors[f"two phases, {cells} cells"] = _distance(solve(_permeability(coefficients, cells)), wanted)
    return errors


def smooth_case(cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """(a, source, exact u) with u = sin(pi x) sin(2 pi y) and a = 6 exp(sin(pi x) cos(pi y) / 2), each (1, x, y)."""
    axis = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells * torch.pi
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    a = 6 * torch.exp(x.sin() * y.cos() / 2)
    u = x.sin() * (2 * y).sin()
    a_x, a_y = a * x.cos() * y.cos() / 2, -a * x.sin() * y.sin() / 2
    u_x, u_y = x.cos() * (2 * y).sin(), 2 * x.sin() * (2 * y).cos()
    source = torch.pi**2 * (5 * a * u - a_x * u_x - a_y * u_y)
    return a[None], source[None], u[None]


def solve(a: Tensor, source: Tensor | None = None, tolerance: float = TOLERANCE) -> Tensor:
    """u (b, x, y) of -div(a grad u) = source (1 where None), in batches.

    Preconditioned by the sine-transform inverse of the constant problem: iterations depend on the contrast of a, not on
    the grid (about 20 for a contrast of 4).
    """
    a = a.double()
    source = torch.ones_like(a) if source is None else source
    return torch.cat(
        [_conjugate_gradients(*x, tolerance) for x in zip(a.split(BATCH), source.split(BATCH), strict=True)]
    )


def outflow(a: Tensor, u: Tensor) -> Tensor:
    """What leaves by the edge, a sample (b)."""
    walls = [x.sum(-1) for x in ((a * u)[:, 0], (a * u)[:, -1], (a * u)[..., 0], (a * u)[..., -1])]
    return 2 * sum(walls)


class Stiffness:
    """The finite-volume operator u -> -div(a grad u), zero on the edge; its inverse where a is 1."""

    def __init__(self, a: Tensor) -> None:
        n = a.shape[-1]
        self.walls = 2 * n**2 * a
        self.down = n**2 * 2 * a[:, 1:] * a[:, :-1] / (a[:, 1:] + a[:, :-1])
        self.along = n**2 * 2 * a[:, :, 1:] * a[:, :, :-1] / (a[:, :, 1:] + a[:, :, :-1])
        mode = torch.arange(1, n + 1, dtype=a.dtype)
        sine = torch.sin(torch.pi / n * mode[:, None] * (torch.arange(n) + 0.5))
        self.sine = sine / sine.norm(dim=1, keepdim=True)
        rate = 4 * n**2 * torch.sin(torch.pi / 2 / n * mode) ** 2
        self.rates = rate[:, None] + rate

    def __call__(self, u: Tensor) -> Tensor:
        out = torch.zeros_like(u)
        for edge in (0, -1):
            out[:, edge] += self.walls[:, edge] * u[:, edge]
            out[:, :, edge] += self.walls[:, :, edge] * u[:, :, edge]
        flux = self.down * (u[:, 1:] - u[:, :-1])
        out[:, 1:] += flux
        out[:, :-1] -= flux
        flux = self.along * (u[:, :, 1:] - u[:, :, :-1])
        out[:, :, 1:] += flux
        out[:, :, :-1] -= flux
        return out

    def inverse_where_even(self, r: Tensor) -> Tensor:
        return self.sine.T @ ((self.sine @ r @ self.sine.T) / self.rates) @ self.sine


def _conjugate_gradients(a: Tensor, source: Tensor, tolerance: float, most: int = 500) -> Tensor:
    stiffness = Stiffness(a)
    u, r = torch.zeros_like(a), source.clone()
    z = stiffness.inverse_where_even(r)
    p, rz = z, _dot(r, z)
    for _ in range(most):
        q = stiffness(p)
        step = rz / _dot(p, q).clamp_min(1e-300)
        u, r = u + step * p, r - step * q
        if (_dot(r, r) <= tolerance**2 * _dot(source, source)).all():
            return u
        z = stiffness.inverse_where_even(r)
        rz, last = _dot(r, z), rz
        p = z + rz / last.clamp_min(1e-300) * p
    raise ArithmeticError(f"conjugate gradients did not reach {tolerance} in {most} iterations")


def _samples(seed: list[int], count: int) -> Samples:
    a = _permeability(_coefficients(np.random.default_rng(seed), count), CELLS)
    return Samples(a.reshape(count, -1, 1).float(), solve(a).reshape(count, -1, 1).float())


def _coefficients(rng: np.random.Generator, count: int) -> Tensor:
    """Cosine coefficients of N(0, (-Laplace + 9)^-2) with no mean, as in the benchmark."""
    wave = (np.pi * np.arange(FIELD_MODES)) ** 2
    size = 1 / (wave[:, None] + wave + INVERSE_LENGTH**2)
    size[0, 0] = 0
    size[0] /= 2**0.5
    size[:, 0] /= 2**0.5
    return torch.from_numpy(size * rng.standard_normal((count, FIELD_MODES, FIELD_MODES)))


def _permeability(coefficients: Tensor, cells: int) -> Tensor:
    modes = torch.arange(FIELD_MODES, dtype=torch.float64)[:, None]
    cosines = torch.cos(torch.pi / cells * modes * (torch.arange(cells) + 0.5))
    above, below = PHASES
    return torch.where(cosines.T @ coefficients @ cosines > 0, above, below).double()


def _square(given: Tensor, side: int) -> Tensor:
    return given[..., 0].double().cpu().reshape(-1, side, side)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((1, 2), keepdim=True)


def _distance(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / other.norm()).item()
