"""Operator: the port through which a melt pool is evaluated, and its implementations' common words.

A `Task` is one stream's work of one step: stretches that were observed, then stretches planned ahead of the newest.
Paths are rows (t, x, y, q), dimensionless, each stretch beginning where the one before it ended.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from operators.groups import Groups
from operators.window import WindowGrid


@dataclass(frozen=True)
class Stream:
    """What stays constant of one stream: its material, and the Peclet number of its nominal scan speed."""

    name: str
    groups: Groups
    peclet: float


@dataclass(frozen=True)
class Task:
    """Observed stretches of a stream, oldest first, and the planned one at each lead (all from the newest end)."""

    stream: Stream
    observed: list[np.ndarray]
    ahead: list[np.ndarray]


@dataclass(frozen=True)
class Look:
    """A field on the window, theta (x, y, z), with where the beam stood and which way it went."""

    theta: np.ndarray
    x: float
    y: float
    heading: float


@runtime_checkable
class Operator(Protocol):
    """Every implementation passes tests/contracts/test_operator.py."""

    card: dict[str, Any]
    grid: WindowGrid

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        """For each task a look at the end of each observed stretch, then one at the end of each stretch ahead."""
        ...

    def forget(self, stream: str) -> None:
        """Let go of a stream; its next task starts on a cold plate."""
        ...


def heading_after(before: float, rows: np.ndarray) -> float:
    """Direction of the newest movement with the laser on; as before where there is none."""
    for i in range(len(rows) - 2, -1, -1):
        dx, dy = rows[i + 1, 1] - rows[i, 1], rows[i + 1, 2] - rows[i, 2]
        if rows[i, 3] > 0 and dx * dx + dy * dy > 1e-12:
            return math.atan2(dy, dx)
    return before


def warm(operator: Operator) -> None:
    """Run every kernel of an operator once, so that nothing is compiled while a machine waits."""
    stream = Stream("warm", Groups(0.05, 0.3, 0.3, 1.0, 0.6, 1.0), 10.0)
    rows = np.array([[0.0, 0.0, 0.0, 10.0], [0.05, 0.5, 0.0, 10.0]])
    ahead = np.array([[0.05, 0.5, 0.0, 10.0], [0.1, 1.0, 0.0, 10.0]])
    for look in operator.step([Task(stream, [rows], [ahead])])[0]:
        operator.grid.sizes(look.theta, stream.groups.solidus)
    operator.forget(stream.name)
