"""Operator: the port through which a melt pool is evaluated, and its implementations' common words.

A `Task` is one stream's work of one step: stretches that were observed, then stretches planned ahead of the newest.
Paths are rows (t, x, y, q, depth), dimensionless, q and the source's depth held to the next row, each stretch beginning
where the one before it ended."""

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from operators.groups import Groups
from operators.path import thinned
from operators.reference.beam import BeamShape
from operators.reference.surface import Surface
from operators.window import WindowGrid

INSULATED = Surface()
FAKE_FORGETTING = 20.0  # per d^2/alpha


@dataclass(frozen=True)
class Scales:
    """Units of the groups over the fixed ones of an operator that is not told the alloy (`melt_pool.scales`): Tl - T0,
    k_ref and alpha. Times are divided by `diffusivity` on the way there, theta multiplied by `rise`, q by both of
    `rise` and `conductivity`."""

    rise: float = 1.0
    conductivity: float = 1.0
    diffusivity: float = 1.0


@dataclass(frozen=True)
class Picture:
    """What a camera saw of the surface around the beam: theta on square pixels, rows along y and columns along x of the
    beam's own place before they are turned by `turn` about it. Pixels are `pixel` wide, (x, y) of the picture's centre
    is from the beam, both in diameters. Beyond low and high the sensor is blind: theta is clipped there."""

    time: float
    theta: np.ndarray
    pixel: float
    low: float
    high: float
    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Stream:
    """What stays constant of one stream: its material, the Peclet number of its nominal scan speed, what its surface
    loses, and the shape of its beam. What is inferred of a stream holds for all of its kin."""

    name: str
    groups: Groups
    peclet: float
    surface: Surface = INSULATED
    beam: BeamShape = "gaussian"
    scales: Scales = Scales()
    kin: str = ""


@dataclass(frozen=True)
class Task:
    """Observed stretches of a stream, oldest first, and the planned one at each lead (all from the newest end).

    A path without the last column has its source in the surface. Pictures are those that a camera took up to now, the
    oldest first; the same one may come again with later tasks.
    """

    stream: Stream
    observed: list[np.ndarray]
    ahead: list[np.ndarray]
    pictures: tuple[Picture, ...] = ()

    def __post_init__(self) -> None:
        for name in ("observed", "ahead"):
            object.__setattr__(self, name, [_with_depth(rows) for rows in getattr(self, name)])


def _with_depth(rows: np.ndarray) -> np.ndarray:
    return rows if rows.shape[1] == 5 else np.column_stack([rows, np.zeros(len(rows))])


@dataclass(frozen=True)
class Look:
    """A field on the window, theta (x, y, z), with where the beam stood and which way it went.

    `defect`: what does not add up of the energy absorbed since the stream began, of that energy; None where an operator
    keeps no ledger. `absorbs`: what the metal takes up over what the rows say, inferred from so many `pictures` (0: as
    the rows say); None where an operator infers nothing. `encoded`: what an operator with an encoder read and made of
    it: what it was told, what the path did lately (`melt_pool.recent`), the heat of what it did before
    (`melt_pool.earlier`), and the mean of its tokens; None where it has none."""

    theta: np.ndarray
    x: float
    y: float
    heading: float
    defect: float | None = None
    absorbs: float | None = None
    pictures: int = 0
    encoded: np.ndarray | None = None


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
    rows = np.array([[0.0, 0.0, 0.0, 10.0, 0.2], [0.05, 0.5, 0.0, 10.0, 0.2]])
    ahead = np.array([[0.05, 0.5, 0.0, 10.0, 0.2], [0.1, 1.0, 0.0, 10.0, 0.2]])
    thinned(np.zeros((4, 5)), 1)
    for look in operator.step([Task(stream, [rows], [ahead])])[0]:
        operator.grid.sizes(look.theta, stream.groups.solidus)
    operator.forget(stream.name)


class FakeOperator:
    """A round pool under the beam, as hot as the power that a stream had lately: ds/dt = FAKE_FORGETTING (q - s).

    For tests of what stands on the port.
    """

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
        strength = q + (strength - q) * math.exp(-FAKE_FORGETTING * span)
    return strength, heading_after(heading, rows)
