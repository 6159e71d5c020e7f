"""The reference solver behind the `Operator` port: one solver a stream, one copy for each look ahead."""

from dataclasses import replace
from typing import Any

import numpy as np

from operators.operator import Look, Task, heading_after
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid


class ReferenceOperator:
    """Serves the reference solver; cells_per_diameter trades accuracy for speed (5: sizes within about 5 % of 10)."""

    def __init__(self, cells_per_diameter: int = 5) -> None:
        self.grid = WindowGrid()
        self.card: dict[str, Any] = {
            "name": "reference",
            "operator": "enthalpy finite volumes",
            "cells_per_diameter": cells_per_diameter,
            "device": "cpu",
        }
        self._cells = cells_per_diameter
        self._solvers: dict[str, tuple[MeltPoolSolver, float]] = {}

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        """See `Operator.step`."""
        return [self._one(task) for task in tasks]

    def forget(self, stream: str) -> None:
        """See `Operator.forget`."""
        self._solvers.pop(stream, None)

    def _one(self, task: Task) -> list[Look]:
        name = task.stream.name
        if name not in self._solvers:
            self._solvers[name] = (self._solver(task), 0.0)
        solver, heading = self._solvers[name]
        looks = []
        for rows in task.observed:
            solver.advance(rows)
            heading = heading_after(heading, rows)
            looks.append(self._look(solver, rows, heading))
        self._solvers[name] = (solver, heading)
        if task.ahead:
            ahead = solver.copy()
            reached = task.ahead[0][0, 0]
            for rows in task.ahead:  # each begins now: go on from where the shorter one ended
                ahead.advance(_after(rows, reached))
                reached = rows[-1, 0]
                looks.append(self._look(ahead, rows, heading_after(heading, rows)))
        return looks

    def _solver(self, task: Task) -> MeltPoolSolver:
        """A cold plate, in boxes deep enough for the sources that the task names."""
        stream = task.stream
        deepest = max((float(rows[:, 4].max()) for rows in [*task.observed, *task.ahead]), default=0.0)
        boxes = Boxes.fitting(max(deepest, 0.3), self._cells)
        boxes = replace(boxes, levels=boxes.levels + 1)  # tracks of a build are long
        return MeltPoolSolver(stream.groups, boxes, surface=stream.surface, beam=stream.beam)

    def _look(self, solver: MeltPoolSolver, rows: np.ndarray, heading: float) -> Look:
        x, y, z = self.grid.points
        c, s = np.cos(heading), np.sin(heading)
        bx, by = rows[-1, 1], rows[-1, 2]
        return Look(solver.theta(bx + c * x - s * y, by + s * x + c * y, z), float(bx), float(by), heading)


def _after(rows: np.ndarray, begin: float) -> np.ndarray:
    """The part of a path from `begin` on."""
    if begin <= rows[0, 0]:
        return rows
    later = rows[rows[:, 0] > begin]
    t = rows[:, 0]
    held = rows[max(int(np.searchsorted(t, begin, side="right")) - 1, 0), 3:]
    first = [begin, np.interp(begin, t, rows[:, 1]), np.interp(begin, t, rows[:, 2]), *held]
    return np.vstack([first, later]) if len(later) else np.array([first, first])
