"""One: a single law that is the same for all trajectories, as Flux NO learns it; what its two suites share.

    u_t + f(u)_x = 0 on the periodic unit line, 256 cells

Nothing is told but states, and nothing needs to be read from the past: an operator learns f, or how f moves things. The
first states of the source (arXiv 2401.01783, sections 4.1 and 4.2): Gaussian of covariance exp(-(r / length)^2), and
off the training set rougher ones, a triangle or a step. It draws one triangle and one step; here places, widths and
heights are drawn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from operators.learner import relative, rollout
from operators.problem import Geometry, March, Trajectories
from tests.validation.laws import draws, muscl
from tests.validation.laws.law import State
from tests.validation.laws.size import Size

CELLS, LAGS, HORIZON = 256, 5, 32
FINEST = 4096
MODES = 64
"""Of the Gaussian states: beyond them less than 1e-12 of the variance, at either length."""
LENGTH, ROUGH = 0.1, 0.03
HEIGHTS, HALF_WIDTHS = (0.5, 1.5), (0.1, 0.3)
FAR = 4
"""Trajectories of a split whose whole length is forecast from their first lags."""


SIZES = {
    "smoke": Size(8, 4, 4, shorter=4),
    "small": Size(100, 10, 20),
    "medium": Size(200, 20, 40),
    "full": Size(400, 40, 80),
}

First = Callable[[np.random.Generator, int], State]
Frames = Callable[[State, int], Tensor]


@dataclass(frozen=True)
class One:
    """A suite: what first states (count, 1, FINEST) its test splits are drawn from, and how one goes on for so many
    frames (b, frame, 1, CELLS). Trajectories of `id` go on until `far`, about the source's last time; the others end
    where the fitted ones do, at `until`."""

    name: str
    dt: float
    until: float
    far: float
    firsts: Mapping[str, First]
    frames: Frames
    about: Mapping[str, object]

    def problem(self, budget: str, seed: int = 0) -> March:
        size = SIZES[budget]
        counts = size.counts(self.firsts)
        made = {
            split: self.trajectories(split, [seed, i], count, size.shorter)
            for i, (split, count) in enumerate(counts.items())
        }
        about = {**self.about, "cells": CELLS, "counts": counts, "budget": budget, "seed": seed}
        tests = {split: made[split] for split in self.firsts}
        geometry = Geometry.grid(CELLS, periodic=True)
        return March(
            self.name, geometry, self.dt, LAGS, made["fit"], made["validation"], tests, HORIZON, about, conserved=True
        )

    def trajectories(self, split: str, seed: list[int], count: int, shorter: int = 1) -> Trajectories:
        until = (self.far if split == "id" else self.until) / shorter
        return Trajectories.of(self.frames(self.first(split, seed, count), round(until / self.dt) + 1).mT)

    def first(self, split: str, seed: list[int], count: int) -> State:
        return self.firsts[split if split in self.firsts else "id"](np.random.default_rng(seed), count)

    def extra(self, stepper: Callable[..., Tensor], problem: March, part: Trajectories, steps: int) -> dict[str, float]:
        """far: relative error at the last time of the trajectories that go on beyond the fitted ones."""
        if part.state.shape[1] <= problem.fit.state.shape[1]:
            return {}
        state, n = part.state[:FAR], problem.lags
        with torch.no_grad():
            found = rollout(stepper, state[:, :n], part.forcing[:FAR], part.static[:FAR], steps)
        off = relative(found[:, -1:], state[:, -1:]).nan_to_num(1e3, 1e3).clamp(max=1e3)
        return {"far": float(off.mean())}


def smooth(random: np.random.Generator, count: int, length: float = LENGTH) -> State:
    """The distance is round the circle, which the source leaves open."""
    distance = np.arange(FINEST) / FINEST
    covariance = np.exp(-((np.minimum(distance, 1 - distance) / length) ** 2))
    return draws.gaussian(random, count, draws.waves(covariance, MODES, FINEST))


def rough(random: np.random.Generator, count: int) -> State:
    return smooth(random, count, ROUGH)


def triangle(random: np.random.Generator, count: int) -> State:
    distance, half, height = _placed(random, count)
    return height * (1 - distance / half).clamp(min=0)


def step(random: np.random.Generator, count: int) -> State:
    distance, half, height = _placed(random, count)
    return height * (distance < half)


def _placed(random: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Distances round the circle from a place of each sample's own (count, 1, FINEST), half-widths, heights."""
    place, half, height = (x[:, None, None] for x in draws.uniform(random, count, (0, 1), HALF_WIDTHS, HEIGHTS))
    away = ((torch.arange(FINEST, dtype=torch.float64) + 0.5) / FINEST - place) % 1
    return torch.minimum(away, 1 - away), half, height


def stepped(one: Callable[[State], State]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A scheme as a classical row: from the newest lag to the next state, in double precision."""

    def row(lags: Tensor, _: Tensor, __: Tensor) -> Tensor:
        with muscl.one_thread():
            return one(lags[:, -1].to("cpu", torch.float64).mT).mT.to(lags)

    return row
