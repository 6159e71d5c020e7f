"""A fake operator: keeps the port's contract with a melt pool of a few lines, for tests of what stands on the port."""

import math
from typing import Any

import numpy as np

from operators.operator import Look, Task, heading_after
from operators.window import WindowGrid

FORGETTING = 20.0  # per d^2/alpha


class FakeOperator:
    """A round pool under the beam, as hot as the power that a stream had lately: ds/dt = FORGETTING (q - s)."""

    def __init__(self, name: str = "fake", envelope: dict[str, list[float]] | None = None) -> None:
        self.grid = WindowGrid()
        self.card: dict[str, Any] = {"name": name, "operator": "fake", "device": "cpu"}
        if envelope is not None:
            self.card["envelope"] = envelope
        self.forgotten: list[str] = []
        self._heat: dict[str, tuple[float, float]] = {}  # strength, heading
        x, y, z = self.grid.points
        self._shape = 0.25 * np.exp(-4.0 * (x**2 + y**2 + z**2))

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        """See `Operator.step`."""
        return [self._one(task) for task in tasks]

    def forget(self, stream: str) -> None:
        """See `Operator.forget`."""
        self.forgotten.append(stream)
        self._heat.pop(stream, None)

    def _one(self, task: Task) -> list[Look]:
        now = self._heat.get(task.stream.name, (0.0, 0.0))
        looks = []
        for rows in task.observed:
            now = _heated(now, rows)
            looks.append(self._look(now, rows))
        self._heat[task.stream.name] = now
        return looks + [self._look(_heated(now, rows), rows) for rows in task.ahead]

    def _look(self, now: tuple[float, float], rows: np.ndarray) -> Look:
        strength, heading = now
        return Look(strength * self._shape, float(rows[-1, 1]), float(rows[-1, 2]), heading)


def _heated(before: tuple[float, float], rows: np.ndarray) -> tuple[float, float]:
    strength, heading = before
    for span, q in zip(np.diff(rows[:, 0]), rows[:-1, 3], strict=True):
        strength = q + (strength - q) * math.exp(-FORGETTING * span)
    return strength, heading_after(heading, rows)
