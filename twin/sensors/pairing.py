"""Pairing: what a sensor saw beside what had been forecast of that moment.

    residual = ln observed - ln forecast

In the logarithm the scatter of real tracks is the same at every size (11 %), a wrong scale of the sensor is a constant,
and a share more absorbed is a share more width. `COMPARED` lists the signals that a forecast can be held against. Sizes
in metres stand beside the size itself; a photodiode, whose scale nobody states, beside length times width, above the
dark level that it shows with the laser off. Temperatures of a pyrometer are not compared: what it sees of the surface
is nothing that a forecast states as a fact.

Samples come when they come; they are paired by process time with the estimate of that frame (lead 0), and with what was
said of the same moment ahead (the longest lead). Between the ends of two frames the forecast is linear. A frame is told
once a later sample has come. Frames are compared that are lit throughout, and only after the beam has travelled
`SETTLED` pool lengths since the laser came on: before that a camera sees the start of a track. A melt pool that the
window cuts is a lower bound, and compared with nothing.
"""

import math
from bisect import bisect_left
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import NamedTuple

from twin.forecast import Forecast, MeltPool, is_cut
from twin.observation import Samples, Window

KEPT = 256  # frames that wait for their samples
LAYERS = 3  # layers that are open for late samples
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
    samples: tuple[float, ...]  # residuals of the samples; -inf: a reading of nothing
    raw: tuple[float, ...]  # as the sensor said them
    beam_power_w: float
    scan_speed_m_per_s: float
    log_factor: float  # ln of the factor on absorptivity that the forecast was made with


@dataclass(frozen=True)
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


@dataclass
class _Layer:
    """The newest frames of a layer, found by time."""

    ends_s: list[float] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=list)

    def add(self, frame: _Frame) -> None:
        self.ends_s.append(frame.end_s)
        self.frames.append(frame)
        if len(self.frames) > 2 * KEPT:
            del self.ends_s[:KEPT], self.frames[:KEPT]

    def at(self, time_s: float) -> _Frame | None:
        """The frame that a moment is in; its end belongs to it."""
        at = bisect_left(self.ends_s, time_s * (1 - 1e-12))
        if at == len(self.frames) or time_s <= self.frames[at].start_s * (1 - 1e-12):
            return None
        return self.frames[at]


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
        self._layers: OrderedDict[int, _Layer] = OrderedDict()
        self._ahead: OrderedDict[tuple[int, int], MeltPool] = OrderedDict()  # layer, frame that it speaks of
        self._heard: dict[str, dict[tuple[int, int], tuple[_Frame, list[float], list[float]]]] = {}
        self._travel_m = 0.0  # since the laser came on
        self._dark: dict[str, deque[float]] = {}

    def expect(self, window: Window, forecast: Forecast, scan_speed_m_per_s: float, log_factor: float) -> None:
        """A frame's forecast, in order."""
        power = window.path.beam_power_w[:-1]
        lit, whole = bool(power.min() > 0), forecast.leads and not is_cut(forecast.outcome)
        pool = forecast.leads[0].melt_pool if whole else None
        length_s = window.end_s - window.start_s
        layer = self._layer(window.layer)
        last = layer.frames[-1] if layer.frames else None
        joined = last is not None and abs(last.end_s - window.start_s) < 1e-3 * length_s
        if last is not None and window.end_s <= last.end_s:  # a clock stepped back: what came before is over
            layer.ends_s, layer.frames = [], []
        self._travel_m = self._travel_m * joined + scan_speed_m_per_s * length_s if lit else 0.0
        settled = lit and pool is not None and self._travel_m >= SETTLED * pool.length_m * (1 - 1e-9) > 0
        before = last.pool if last is not None and joined else None
        layer.add(
            _Frame(
                window.layer, window.index, window.start_s, window.end_s, pool, before, settled, lit,
                self._ahead.pop((window.layer, window.index), None), float(power.max()), scan_speed_m_per_s, log_factor,
            )
        )  # fmt: skip
        for lead in forecast.leads[1:]:
            ahead = window.index + round(lead.lead_s / length_s)
            self._ahead.setdefault((window.layer, ahead), lead.melt_pool)
        while len(self._ahead) > 4 * KEPT:
            self._ahead.popitem(last=False)

    def hear(self, samples: Sequence[Samples]) -> list[Pair]:
        """What sensors said; the frames that this makes whole."""
        told: list[Pair] = []
        for each in samples:
            if each.name not in COMPARED or each.layer not in self._layers:
                continue
            layer = self._layers[each.layer]
            heard = self._heard.setdefault(each.name, {})
            for time_s, value in zip(each.time_s.tolist(), each.value.tolist(), strict=True):
                frame = layer.at(time_s)
                if frame is not None:
                    self._put(each.name, heard, frame, time_s, value)
            told += self._whole(each.name, heard, each.layer, float(each.time_s[-1]))
        return told

    def _layer(self, number: int) -> "_Layer":
        if number not in self._layers:
            self._layers[number] = _Layer()
            while len(self._layers) > LAYERS:
                self._layers.popitem(last=False)
        return self._layers[number]

    def _put(
        self,
        name: str,
        heard: dict[tuple[int, int], "tuple[_Frame, list[float], list[float]]"],
        frame: "_Frame",
        time_s: float,
        value: float,
    ) -> None:
        if not frame.lit and frame.beam_power_w == 0.0 and COMPARED[name].scaled:
            self._dark.setdefault(name, deque(maxlen=256)).append(value)
        if not frame.settled:
            return
        _, times_s, values = heard.setdefault((frame.layer, frame.frame), (frame, [], []))
        times_s.append(time_s)
        values.append(value)

    def _whole(
        self,
        name: str,
        heard: dict[tuple[int, int], "tuple[_Frame, list[float], list[float]]"],
        layer: int,
        newest_s: float,
    ) -> list[Pair]:
        """Frames before the newest sample, in order."""
        over = [key for key, (frame, _, _) in heard.items() if key[0] != layer or frame.end_s <= newest_s * (1 + 1e-12)]
        pairs = [self._pair(name, *heard.pop(key)) for key in over]
        return [pair for pair in pairs if pair is not None]

    def _pair(self, name: str, frame: "_Frame", times_s: list[float], values: list[float]) -> Pair | None:
        assert frame.pool is not None
        of = COMPARED[name]
        end = of.of(frame.pool)
        begin = (of.of(frame.before) if frame.before is not None else end) or end
        if not end > 0:
            return None
        dark = self._dark.get(name, ())
        dark_level = median(dark) if of.scaled and len(dark) >= DARK else 0.0
        slope = (end - begin) / (frame.end_s - frame.start_s)
        residuals = [
            math.log((value - dark_level) / (begin + slope * (time_s - frame.start_s)))
            if value > dark_level
            else -math.inf
            for time_s, value in zip(times_s, values, strict=True)
        ]
        middle = median(residuals) if min(residuals) > -math.inf else sorted(residuals)[len(residuals) // 2]
        ahead = None
        if frame.ahead is not None and of.of(frame.ahead) > 0 and math.isfinite(middle):
            ahead = middle + math.log(end) - math.log(of.of(frame.ahead))
        return Pair(
            name, frame.layer, frame.frame, frame.end_s, end, middle, ahead, tuple(residuals), tuple(values),
            frame.beam_power_w, frame.scan_speed_m_per_s, frame.log_factor,
        )  # fmt: skip
