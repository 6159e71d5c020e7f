"""Cubic fluxes, and sine fluxes as what was never seen: see README.md beside this."""

import numpy as np
from torch import Tensor

from operators.problem import March
from tests.validation.laws import draws, fitted, line
from tests.validation.laws.law import Cubic, Sine
from tests.validation.laws.line import Draw, Line, Row

NAME = "cubic"
SIZES = line.SIZES
COEFFICIENT = (-1.0, 1.0)


def problem(budget: str, seed: int = 0) -> March:
    return LINE.problem(budget, seed)


def finer(budget: str) -> March:
    return LINE.finer(budget)


def coefficients(budget: str, split: str) -> Tensor:
    return LINE.coefficients(budget, split)


def classical(problem: March) -> dict[str, Row]:
    return LINE.classical(problem)


def convergence() -> dict[str, float]:
    return LINE.convergence()


def cubic(random: np.random.Generator, count: int) -> Cubic:
    return Cubic(*draws.uniform(random, count, COEFFICIENT, COEFFICIENT, COEFFICIENT))


def sine(random: np.random.Generator, count: int) -> Sine:
    return Sine(*draws.uniform(random, count, COEFFICIENT, COEFFICIENT))


LINE = Line(
    NAME,
    {
        "id": Draw(cubic, draws.smooth),
        "step": Draw(cubic, draws.steps),
        "sine": Draw(sine, draws.smooth),
        "sine_step": Draw(sine, draws.steps),
    },
    fitted.cubic,
)
