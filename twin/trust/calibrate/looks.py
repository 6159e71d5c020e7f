"""Looks: what an operator forecasts for draws, as the twin would ask it, and what of it trust is judged by."""

from collections.abc import Iterator, Sequence

import numpy as np

from operators.operator import Look, Operator, Task
from twin.trust.calibrate.draws import LEADS, Draw

AT_ONCE = 8  # draws


def looked(
    operator: Operator, draws: Sequence[Draw], said: Sequence[Sequence[np.ndarray]] | None = None
) -> Iterator[list[Look]]:
    """For each draw the looks at LEADS; the path until now is observed, what comes is as it was planned. `said`: the
    frames as they are reported, in the place of the draws' own."""
    frames = said if said is not None else [draw.rows for draw in draws]
    for begin in range(0, len(draws), AT_ONCE):
        some = range(begin, min(begin + AT_ONCE, len(draws)))
        yield from operator.step([task(draws[n], frames[n]) for n in some])
        for n in some:
            operator.forget(draws[n].stream.name)


def task(draw: Draw, frames: Sequence[np.ndarray]) -> Task:
    """A draw as the engine is given it."""
    ahead = [path(frames[draw.issued + 1 : draw.issued + 1 + lead]) for lead in LEADS[1:]]
    return Task(draw.stream, [path(frames[: draw.issued + 1])], ahead)


def path(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Frames that follow each other as one stretch."""
    return np.vstack([*(rows[0] for rows in frames), frames[-1][1]])
