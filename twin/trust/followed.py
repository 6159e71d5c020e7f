"""Followed: whether the parameters that a machine reports are what was planned.

A forecast can be no better than what it is told. Where a plan is known, a reading that is biased, frozen, dropped,
spiked or late departs from it, and that needs no observation of the melt. A departure stays in mind for as many windows
as the metal remembers it (MEMORY). Without a plan nothing is said."""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

MEMORY = 8  # windows: four diameters of travel at the usual half a diameter a frame
TOLERATED = {"place": 0.25, "power": 0.05}
"""Departures that count for nothing: beam diameters, and a share of the power. A limit, not a statistic: no machine
told us its noise."""


class Sampled(Protocol):
    """What is read of a path (`twin.observation.Path` is one): power holds to the next sample."""

    @property
    def time_s(self) -> np.ndarray: ...
    @property
    def x_m(self) -> np.ndarray: ...
    @property
    def y_m(self) -> np.ndarray: ...
    @property
    def beam_power_w(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Departure:
    """How far the beam was reported from where it was planned (beam diameters), and how much more (positive) or less
    power was put in, of the larger of the two powers."""

    place: float
    power: float


def departure(planned: Sampled, path: Sampled, beam_diameter_m: float) -> Departure | None:
    """Of a window's path from the plan that was known before; None where the plan does not reach over it."""
    begin_s, end_s = float(path.time_s[0]), float(path.time_s[-1])
    if len(planned.time_s) < 2 or planned.time_s[0] > begin_s + 1e-9 or planned.time_s[-1] < end_s or end_s <= begin_s:
        return None
    far = [
        np.interp(path.time_s, planned.time_s, wanted) - told
        for wanted, told in ((planned.x_m, path.x_m), (planned.y_m, path.y_m))
    ]
    told, wanted = (energy(each, begin_s, end_s) / (end_s - begin_s) for each in (path, planned))
    strongest = max(told, wanted)
    power = (told - wanted) / strongest if strongest > 0 else 0.0
    return Departure(float(np.hypot(*far).max()) / beam_diameter_m, power)


def energy(path: Sampled, begin_s: float, end_s: float) -> float:
    """J of the beam between two moments; power holds to the next sample."""
    edges = np.clip(path.time_s, begin_s, end_s)
    return float((np.diff(edges) * path.beam_power_w[:-1]).sum())


class Followed:
    """What one stream departed from its plans by lately."""

    def __init__(self) -> None:
        self._planned: Sampled | None = None
        self._lately: deque[Departure | None] = deque(maxlen=MEMORY)

    def take(self, path: Sampled, plan: Sampled | None, beam_diameter_m: float) -> dict[str, float]:
        """The next window and the plan from its end on: scores `place` and `power`, empty where no plan was known."""
        known = None if self._planned is None else departure(self._planned, path, beam_diameter_m)
        self._lately.append(known)
        self._planned = plan
        return worst(self._lately)


def worst(several: "deque[Departure | None]") -> dict[str, float]:
    """The largest departures of some windows; empty where none is known."""
    kept = [each for each in several if each is not None]
    if not kept:
        return {}
    found = {"place": max(each.place for each in kept), "power": max(abs(each.power) for each in kept)}
    return {name: max(value, TOLERATED[name]) for name, value in found.items()}
