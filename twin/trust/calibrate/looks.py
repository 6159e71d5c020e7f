"""Looks: what an operator forecasts for draws, as the twin would ask it, and what of it trust is judged by."""

from collections.abc import Iterator, Sequence

import numpy as np

from operators.operator import Look, Operator, Task
from twin.trust.calibrate.draws import LEADS, Draw

AT_ONCE = 8  # draws


def looked(operator: Operator, draws: Sequence[Draw]) -> Iterator[list[Look]]:
    """For each draw the looks at LEADS; the path until now is observed, what comes is as it was planned."""
    for begin in range(0, len(draws), AT_ONCE):
        some = draws[begin : begin + AT_ONCE]
        yield from operator.step([task(draw) for draw in some])
        for draw in some:
            operator.forget(draw.stream.name)


def task(draw: Draw) -> Task:
    """A draw as the engine is given it."""
    ahead = [path(draw.rows[draw.issued + 1 : draw.issued + 1 + lead]) for lead in LEADS[1:]]
    return Task(draw.stream, [path(draw.rows[: draw.issued + 1])], ahead)


def path(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Frames that follow each other as one stretch."""
    return np.vstack([*(rows[0] for rows in frames), frames[-1][1]])
