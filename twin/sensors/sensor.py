"""Sensor: is it the sensor that fails, rather than the process that changes?

    freeze    the same value again and again: for `FROZEN` frames, and so long that a sensor whose neighbouring samples
              are alike as often as this one's does it by chance once in 1e9 times
    spikes    samples further than `FAR` spreads of the frames from the middle of theirs, or frames from that of all
    before dropouts  zero, or less than a tenth of what is expected, while the laser is on

A spike or a dropout is left out and counted; `MANY` of them in `AMONG` frames are a fault. A sensor that says nothing
at all is `silence` (`twin/watch.py`). A bias from the start on is no fault that one signal can show: it is told by the
calibration, where two signals disagree (`twin/sensors/calibration.py`).
"""

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

import numpy as np

from twin.sensors.pairing import Pair

FaultKind = Literal["freeze", "spikes", "dropouts"]
KINDS = ("spikes", "dropouts")
FROZEN = 16  # frames
CHANCE = 1e-9
FAR = 6.0
MANY, AMONG = 5, 128
STEP = 4  # frames far off, among twice as many: that is for `drift` to tell
LEARNED, MEMORY = 128, 512  # frames before a spread is known, and of which it is
DROPPED = math.log(0.1)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a sensor, since when, and how much of it: alike frames, or single readings of the last
    ones."""

    kind: FaultKind
    name: str
    since_s: float
    count: int


@dataclass
class Sensor:
    """One signal of one build."""

    name: str
    fault: Fault | None = None
    _residuals: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY))
    _spread: tuple[float, float] = (0.0, math.inf)  # middle and spread of the residuals
    _away: deque[bool] = field(default_factory=lambda: deque(maxlen=2 * STEP))
    _stepped: int = -MEMORY - 1
    _last: float = math.nan
    _alike: int = 0  # samples in a row
    _alike_frames: int = 0
    _alike_since_s: float = 0.0
    _pairs: int = 0
    _same: int = 0  # of neighbours
    _neighbours: int = 0
    _odd: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=AMONG))

    def take(self, pair: Pair) -> float | None:
        """The residual of a frame, or None where it is not to be used."""
        self._pairs += 1
        frozen = self._frozen(pair)
        odd, residual = self._sorted_out(pair)
        self._odd.append((odd, pair.time_s))
        many = [(kind, [time_s for each, time_s in self._odd if each == kind]) for kind in KINDS]
        self.fault = None
        if frozen:
            self.fault = Fault("freeze", self.name, self._alike_since_s, self._alike_frames)
        for kind, times_s in many:
            if self.fault is None and len(times_s) >= MANY:
                self.fault = Fault(kind, self.name, times_s[0], len(times_s))  # type: ignore[arg-type]
        if residual is None or (self.fault is not None and self.fault.kind == "freeze"):
            return None
        self._residuals.append(residual)
        if len(self._residuals) >= LEARNED and (self._pairs % 128 == 0 or self._spread[1] == math.inf):
            self._spread = _middle_and_spread(np.array(self._residuals))
        return residual

    def _frozen(self, pair: Pair) -> bool:
        for value in pair.raw:
            self._neighbours += 1
            if value == self._last:
                self._alike += 1
                self._same += self._alike < 64  # a frozen stretch does not become what is usual
            else:
                self._alike, self._alike_frames, self._alike_since_s = 1, 0, pair.time_s
            self._last = value
        self._alike_frames += 1
        share = min(max(self._same / self._neighbours, 0.01), 0.999) if self._neighbours > 256 else 0.5
        least = math.log(CHANCE) / math.log(share)
        return self._alike_frames > FROZEN and self._alike >= least

    def _sorted_out(self, pair: Pair) -> tuple[str, float | None]:
        """What is odd about a frame, and its residual without that."""
        samples = [each for each in pair.samples if each > DROPPED + self._spread[0]]
        dropped = len(samples) < len(pair.samples)
        if not samples:
            return "dropouts", None
        middle, far = median(samples), FAR * self._spread[1]
        spiked = len(samples) > 2 and (max(samples) - middle > far or middle - min(samples) > far)
        away = abs(middle - self._spread[0]) / self._spread[1]
        self._away.append(away > FAR / 2)
        if away > FAR:
            if sum(self._away) >= STEP:
                self._stepped = self._pairs
            if self._pairs - self._stepped > MEMORY:
                return "spikes", None
        return ("dropouts" if dropped else "spikes" if spiked else ""), middle


def _middle_and_spread(values: np.ndarray) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(values - middle))), 1e-4)
