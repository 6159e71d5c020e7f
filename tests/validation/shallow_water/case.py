"""Shallow water with three coefficients untold, two channels h and m = h v: see README.md beside this."""

import numpy as np
import torch
from torch import Tensor

from operators.problem import March
from tests.validation.laws import draws, fitted, line
from tests.validation.laws.law import ShallowWater, State
from tests.validation.laws.line import Draw, Line, Row

NAME = "shallow_water"
SIZES = line.SIZES
ALPHA_GAMMA, BETA = (0.5, 1.5), (8.0, 12.0)
HEIGHTS = (0.5, 4.5)
"""Of the steps."""
SPREAD = 0.5
"""Standard deviation of log h where it is smooth."""


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


def shallow_water(random: np.random.Generator, count: int) -> ShallowWater:
    """gamma is the smaller of a pair and alpha the larger: then no state is ill posed."""
    one, other, beta = draws.uniform(random, count, ALPHA_GAMMA, ALPHA_GAMMA, BETA)
    return ShallowWater(torch.minimum(one, other), torch.maximum(one, other), beta)


def smooth(random: np.random.Generator, count: int) -> State:
    return _state((SPREAD * draws.smooth(random, count)).exp(), draws.smooth(random, count))


def steps(random: np.random.Generator, count: int) -> State:
    """Height and speed jump each at places of its own; speeds in [-1, 1]."""
    return _state(draws.steps(random, count, *HEIGHTS), draws.steps(random, count))


def _state(h: State, v: State) -> State:
    return torch.cat([h, h * v], 1)


LINE = Line(NAME, {"id": Draw(shallow_water, smooth), "step": Draw(shallow_water, steps)}, fitted.shallow_water, (0,))
