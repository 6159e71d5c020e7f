"""Viscous Burgers with both its coefficients untold: see README.md beside this."""

import numpy as np
from torch import Tensor

from operators.problem import March
from tests.validation.laws import draws, fitted, line
from tests.validation.laws.law import Burgers
from tests.validation.laws.line import Draw, Line, Row

NAME = "burgers"
SIZES = line.SIZES
STRENGTH, VISCOSITY = (0.5, 1.5), (0.005, 0.015)


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


def burgers(random: np.random.Generator, count: int) -> Burgers:
    return Burgers(*draws.uniform(random, count, STRENGTH, VISCOSITY))


LINE = Line(NAME, {"id": Draw(burgers, draws.smooth), "step": Draw(burgers, draws.steps)}, fitted.burgers)
