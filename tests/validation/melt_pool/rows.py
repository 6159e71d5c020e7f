"""Rows: who stands in the table. Each forecasts the fields of a trajectory at a lead, or runs free from a cold plate.

All fields are means over cells; rows that speak at the nodes are taken to means by `Cells.means`.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Protocol

import numpy as np
import torch

from operators import card, response
from operators.engine import Engine
from operators.melt_pool.forcing import NARROWED
from operators.melt_pool.plan import TRAVEL
from operators.melt_pool.residual import alike, carried
from operators.operator import Operator, Task
from operators.path import joined
from operators.window import WindowGrid
from tests.validation.melt_pool.case import COARSE, Trajectory, solved
from tests.validation.melt_pool.cells import Cells

LEADS = (1, 20, 40)
FREE = 0  # the lead of a free run
CHUNK = 64  # frames of a task


class Contender(Protocol):
    """`kind` is trivial, classical or learned."""

    kind: str
    parameters: int

    def forecast(self, trajectory: Trajectory, lead: int) -> np.ndarray | None:
        """(frame, x, y, z): the means of frames lead, lead + 1, ..., each told `theta` of `lead` frames before and all
        earlier ones, and the whole path; at lead FREE told the path alone. None where it does not do that."""
        ...


class Persistence:
    """The last true field, held."""

    def __init__(self) -> None:
        self.kind, self.parameters = "trivial", 0

    def forecast(self, trajectory: Trajectory, lead: int) -> np.ndarray | None:
        return None if lead == FREE else trajectory.theta[: len(trajectory) - lead]


class Free:
    """What needs only the path: the same at every lead. `run` makes the fields of a whole trajectory."""

    def __init__(self, kind: str, run: Callable[[Trajectory], np.ndarray], parameters: int = 0) -> None:
        self.kind, self.parameters, self._run = kind, parameters, run
        self.seconds, self.frames = 0.0, 0
        self._last: tuple[Trajectory, np.ndarray] | None = None

    def forecast(self, trajectory: Trajectory, lead: int) -> np.ndarray | None:
        if self._last is None or self._last[0] is not trajectory:
            began = time.perf_counter()
            self._last = trajectory, self._run(trajectory)
            self.seconds += time.perf_counter() - began
            self.frames += len(trajectory)
        return self._last[1][lead:]


class Carried:
    """A free run, with what it missed at the last true frame carried on (`operators.melt_pool.residual`)."""

    def __init__(self, base: Free) -> None:
        self.kind, self.parameters, self._base = base.kind, base.parameters, base

    def forecast(self, trajectory: Trajectory, lead: int) -> np.ndarray | None:
        if lead == FREE:
            return None
        free, case, grid = self._base.forecast(trajectory, FREE), trajectory.case, WindowGrid()
        missed = trajectory.theta[:-lead].astype(np.float32) - free[:-lead]
        groups, poses = case.stream.groups, case.poses
        spread = groups.k_cold / groups.c_cold * lead * TRAVEL / case.stream.peclet
        heats = [float(rows[-2, 3]) for rows in case.stretches]
        out = []
        for k, miss in enumerate(missed):
            then, now = poses[k], poses[k + lead]
            share = alike(then, now, heats[k], heats[k + lead])
            out.append(free[k + lead] + carried(miss, then, now, lead, spread, grid, share))
        return np.stack(out)


@cache
def _cells() -> Cells:
    return Cells(WindowGrid())


def linear(trajectory: Trajectory) -> np.ndarray:
    """The linear response of the whole past path (`operators.response`)."""
    grid, past, out = WindowGrid(), np.zeros((0, 5)), []
    x, y, z = (torch.from_numpy(a).float() for a in (grid.x, grid.y, grid.z))
    for rows, pose in zip(trajectory.case.stretches, trajectory.case.poses, strict=True):
        past = joined(past, rows)
        sources = response.turned(response.nodes(past, past[-1, 0]), *pose)
        out.append(response.field(torch.from_numpy(sources).float(), x, y, z, NARROWED).numpy())
    return _cells().means(np.stack(out))


def operator_run(operator: Operator) -> Callable[[Trajectory], np.ndarray]:
    """Any `Operator`, from a cold plate by the path alone."""

    def run(trajectory: Trajectory) -> np.ndarray:
        stream, stretches = trajectory.case.stream, trajectory.case.stretches
        operator.forget(stream.name)
        out = []
        for begin in range(0, len(stretches), CHUNK):
            (looks,) = operator.step([Task(stream, stretches[begin : begin + CHUNK], [])])
            out += [look.theta for look in looks]
        operator.forget(stream.name)
        return _cells().means(np.stack(out).astype(np.float32))

    return run


def shipped(name: str = "asno-melt-pool") -> Free:
    """A card, as the twin serves it."""
    model, told = card.load(name)
    return Free("learned", operator_run(Engine(model, told)), sum(p.numel() for p in model.parameters()))


def coarse(trajectory: Trajectory) -> np.ndarray:
    """The reference at COARSE cells a diameter, averaged as the truth is."""
    return solved(trajectory.case, COARSE).theta


def contenders() -> dict[str, Callable[[], Contender]]:
    """By name, in the order of the table. The last two are floors: what is left where a row that speaks at the nodes
    is taken to means, and where sizes are read from means. Rows of one base share its runs."""

    @cache
    def response_run() -> Free:
        return Free("trivial", linear)

    @cache
    def asno() -> Free:
        return shipped()

    return {
        "persistence": Persistence,
        "linear response": response_run,
        "linear response + residual": lambda: Carried(response_run()),
        "asno-melt-pool": asno,
        "asno-melt-pool + residual": lambda: Carried(asno()),
        f"reference at {COARSE} cells": lambda: Free("classical", coarse),
        "the truth at the nodes": lambda: Free("classical", lambda t: _cells().means(t.nodes.astype(np.float32))),
        "the truth": lambda: Free("classical", lambda t: t.theta),
    }
