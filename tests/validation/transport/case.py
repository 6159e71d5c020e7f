"""A shift by a told distance: a kernel that does not compress. See README.md beside this."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from operators.problem import Geometry, Map, Samples

NAME = "transport"
POINTS, MODES = 256, 24


@dataclass(frozen=True)
class Size:
    """Counts of samples."""

    fit: int
    validation: int
    test: int


SIZES = {
    "smoke": Size(100, 20, 20),
    "small": Size(2000, 200, 200),
    "medium": Size(8000, 400, 400),
    "full": Size(8000, 400, 400),
}


def problem(budget: str, seed: int = 0) -> Map:
    size = SIZES[budget]
    counts = {"fit": size.fit, "validation": size.validation, "id": size.test}
    made = {split: samples(count, [seed, i]) for i, (split, count) in enumerate(counts.items())}
    about = {
        "solver": "exact: the series of u0 summed at x - s, float64",
        "points": POINTS,
        "modes": MODES,
        "rank": 2 * MODES,
        "counts": counts,
        "budget": budget,
        "seed": seed,
    }
    geometry = Geometry.grid(POINTS, periodic=True)
    return Map(NAME, geometry, made["fit"], made["validation"], {"id": made["id"]}, about)


def samples(count: int, seed: list[int]) -> Samples:
    """Every mode as strong as every other, each point's variance 1; s uniform in [0, 1]."""
    random = np.random.default_rng(seed)
    a, b = torch.from_numpy(random.standard_normal((2, count, MODES)) / math.sqrt(MODES))
    shift = torch.from_numpy(random.uniform(0, 1, (count, 1)))
    x = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS
    given = torch.stack([series(a, b, x.expand(count, -1)), shift.expand(-1, POINTS)], -1)
    return Samples(given.float(), series(a, b, x - shift)[..., None].float())


def series(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """sum_k a_k cos 2 pi k x + b_k sin 2 pi k x, "sample point"."""
    angle = 2 * math.pi * torch.arange(1, MODES + 1, dtype=torch.float64)[:, None, None] * x  # mode sample point
    return torch.einsum("sk,ksp->sp", a, angle.cos()) + torch.einsum("sk,ksp->sp", b, angle.sin())


def classical(problem: Map) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The shift theorem on the field as given: exact for what the grid carries."""
    return {"spectral shift": lambda given, where: shifted(given[..., 0], given[:, :1, 1])[..., None].to(given)}


def shifted(field: Tensor, shift: Tensor) -> Tensor:
    """u(x - s) by FFT: field "... point", shift "... 1"."""
    field, shift = (t.to("cpu", torch.float64) for t in (field, shift))
    k = torch.arange(field.shape[-1] // 2 + 1, dtype=torch.float64)
    return torch.fft.irfft(torch.fft.rfft(field) * torch.exp(-2j * math.pi * k * shift), n=field.shape[-1])


def kernel(shift: float, modes: int = MODES) -> Tensor:
    """Matrix (point, point) that takes u0 to u0(x - s), modes beyond the band to zero."""
    k = torch.arange(POINTS // 2 + 1)
    unit = torch.fft.irfft(torch.fft.rfft(torch.eye(POINTS, dtype=torch.float64)) * ((k >= 1) & (k <= modes)), n=POINTS)
    return shifted(unit, torch.tensor([[shift]])).T


def singular_values(draws: int = 8) -> Tensor:
    """Of the exact kernel, largest first, their mean over draws of the shift: 48 ones, then nothing. (The values are
    averaged, not the kernels: those average to zero.)"""
    shifts = np.random.default_rng(0).uniform(0, 1, draws)
    return torch.stack([torch.linalg.svdvals(kernel(s)) for s in shifts]).mean(0)


def convergence() -> dict[str, float]:
    """There is nothing to refine: the FFT row against the series, relative L2, and in steps as a scheme would go."""
    random = np.random.default_rng(0)
    a, b = torch.from_numpy(random.standard_normal((2, 16, MODES)))
    shift = torch.from_numpy(random.uniform(0, 1, (16, 1)))
    x = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS
    start, wanted = series(a, b, x.expand(16, -1)), series(a, b, x - shift)
    many = start
    for _ in range(100):
        many = shifted(many, shift / 100)
    return {"spectral shift": relative(shifted(start, shift), wanted), "in 100 shifts": relative(many, wanted)}


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())
