"""Pairing: what a sensor saw beside what had been forecast of that moment.

    residual = ln observed - ln forecast

In the logarithm the scatter of real tracks is the same at every size (11 %), a wrong scale of the sensor is a constant,
and a share more absorbed is a share more width. `COMPARED` lists the signals that a forecast can be held against. Sizes
in metres stand beside the size itself; a photodiode, whose scale nobody states, beside length times width, above the
dark level that it shows with the laser off. Temperatures of a pyrometer are not compared: what it sees of the surface
is nothing that a forecast states as a fact.

Samples come when they come; they are paired by process time with the estimate of that frame (lead 0), and with what was
said of the same moment ahead (the longest lead). Between the ends of two frames the forecast is linear. A frame is told once a
later sample has come. Frames are compared that are lit throughout, and only after the beam has travelled
`SETTLED` pool lengths since the laser came on: before that a camera sees the start of a track.
"""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from twin.forecast import Forecast, MeltPool
from twin.observation import Samples, Window

KEPT = 256  # frames that wait for their samples
SETTLED = 1.5  # pool lengths of travel since the laser came on
DARK = 16  # samples with the laser off before a dark level is known


class Compared(NamedTuple):
    """Which number of a forecast a signal is held against. `scaled`: only up to an unknown factor."""

    of: Callable[[MeltPool], float]
    scaled: bool = False


COMPARED: Mapping[str, Compared] = {
    "melt_pool_width_m": Compared(lambda pool: pool.width_m),
    "melt_pool_length_m": Compared(lambda pool: pool.length_m),
    "melt_pool_depth_m": Compared(lambda pool: pool.depth_m),
    "photodiode_v": Compared(lambda pool: pool.length_m * pool.width_m, scaled=True),
}


@dataclass(frozen=True)
class Pair:
    """One frame of one signal: the median of its samples, and its residuals."""

    name: str
    layer: int
    frame: int
    time_s: float
    forecast: float  # the size at lead 0, in the unit of `Compared.of`
    residual: float  # median of ln observed - ln forecast
    ahead: float | None  # the same against the oldest forecast of this moment
    samples: np.ndarray  # residuals of the samples
    raw: np.ndarray  # as the sensor said them
    beam_power_w: float
    scan_speed_m_per_s: float
    log_factor: float  # ln of the factor on absorptivity that the forecast was made with


@dataclass
class _Frame:
    layer: int
    frame: int
    start_s: float
    end_s: float
    pool: MeltPool | None
    before: MeltPool | None  # at start_s
    settled: bool
    lit: bool
    ahead: MeltPool | None
    beam_power_w: float
    scan_speed_m_per_s: float
    log_factor: float
    heard: defaultdict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))


def passed_on(windows: Sequence[Window]) -> list[Window]:
    """The windows with what sensors said of those that are skipped, which nobody else will look at, in the next one of
    their machine that is not."""
    passed: defaultdict[str, tuple[Samples, ...]] = defaultdict(tuple)
    told = []
    for window in windows:
        if window.skipped and window.signals:
            passed[window.machine] += window.signals
        elif passed[window.machine] and not window.skipped:
            window = replace(window, signals=passed.pop(window.machine) + window.signals)
        told.append(window)
    return told


class Pairs:
    """Of one build of one machine. One caller, one thread."""

    def __init__(self) -> None:
        self._frames: OrderedDict[tuple[int, int], _Frame] = OrderedDict()
        self._ahead: OrderedDict[tuple[int, int], MeltPool] = OrderedDict()  # layer, frame that it speaks of
        self._newest: dict[str, tuple[int, float]] = {}
        self._travel_m = 0.0  # since the laser came on
        self._dark: defaultdict[str, list[float]] = defaultdict(list)

    def expect(self, window: Window, forecast: Forecast, scan_speed_m_per_s: float, log_factor: float) -> None:
        """A frame's forecast, in order."""
        power = window.path.beam_power_w[:-1]
        lit, pool = bool(power.min() > 0), forecast.leads[0].melt_pool if forecast.leads else None
        length_s = window.end_s - window.start_s
        last = next(reversed(self._frames.values())) if self._frames else None
        joined = last is not None and last.layer == window.layer and abs(last.end_s - window.start_s) < 1e-3 * length_s
        self._travel_m = self._travel_m * joined + scan_speed_m_per_s * length_s if lit else 0.0
        settled = lit and pool is not None and self._travel_m >= SETTLED * pool.length_m * (1 - 1e-9) > 0
        before = last.pool if last is not None and joined else None
        self._frames[window.layer, window.index] = _Frame(
            window.layer, window.index, window.start_s, window.end_s, pool, before, settled, lit,
            self._ahead.pop((window.layer, window.index), None), float(power.max()), scan_speed_m_per_s, log_factor,
        )  # fmt: skip
        for lead in forecast.leads[1:]:
            ahead = window.index + round(lead.lead_s / length_s)
            self._ahead.setdefault((window.layer, ahead), lead.melt_pool)
        for kept, most in ((self._frames, KEPT), (self._ahead, 4 * KEPT)):
            while len(kept) > most:
                kept.popitem(last=False)  # type: ignore[attr-defined]

    def hear(self, samples: Sequence[Samples]) -> list[Pair]:
        """What sensors said; the frames that this makes whole."""
        told: list[Pair] = []
        for each in samples:
            if each.name not in COMPARED or not len(each.value):
                continue
            frames = [frame for frame in self._frames.values() if frame.layer == each.layer]
            if not frames:
                continue
            at = np.searchsorted([frame.end_s for frame in frames], each.time_s * (1 - 1e-12), side="left")
            for index, time_s, value in zip(at.tolist(), each.time_s.tolist(), each.value.tolist(), strict=True):
                if index < len(frames) and time_s > frames[index].start_s * (1 - 1e-12):
                    self._put(each.name, frames[index], time_s, value)
            self._newest[each.name] = (each.layer, float(each.time_s[-1]))
            told += self._whole(each.name)
        return told

    def _put(self, name: str, frame: _Frame, time_s: float, value: float) -> None:
        if not frame.lit and frame.beam_power_w == 0.0 and COMPARED[name].scaled:
            dark = self._dark[name]
            dark.append(value)
            del dark[:-256]
        frame.heard[name].append((time_s, value))

    def _whole(self, name: str) -> list[Pair]:
        """Frames before the newest sample, in order."""
        layer, newest_s = self._newest[name]
        told = []
        for frame in self._frames.values():
            if name not in frame.heard or not (frame.layer < layer or frame.end_s <= newest_s * (1 + 1e-12)):
                continue
            pair = self._pair(name, frame, frame.heard.pop(name))
            if pair is not None:
                told.append(pair)
        return told

    def _pair(self, name: str, frame: _Frame, heard: list[tuple[float, float]]) -> Pair | None:
        if frame.pool is None or not frame.settled:
            return None
        of = COMPARED[name]
        end = of.of(frame.pool)
        begin = of.of(frame.before) if frame.before is not None else end
        begin = begin or end
        if not (end > 0 and begin > 0):
            return None
        time_s, value = np.array(heard).T
        dark = self._dark[name]
        seen = value - (float(np.median(dark)) if of.scaled and len(dark) >= DARK else 0.0)
        expected = np.interp(time_s, (frame.start_s, frame.end_s), (begin, end))
        with np.errstate(divide="ignore", invalid="ignore"):
            residuals = np.where(seen > 0, np.log(np.maximum(seen, 1e-300)) - np.log(expected), -np.inf)
        middle = float(np.median(residuals))
        ahead = None
        if frame.ahead is not None and of.of(frame.ahead) > 0 and math.isfinite(middle):
            ahead = middle + math.log(end) - math.log(of.of(frame.ahead))
        return Pair(
            name, frame.layer, frame.frame, frame.end_s, end, middle, ahead, residuals, value, frame.beam_power_w,
            frame.scan_speed_m_per_s, frame.log_factor,
        )  # fmt: skip
