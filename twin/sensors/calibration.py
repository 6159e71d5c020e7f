"""Calibration: how much of the beam a machine's metal takes up, estimated from the sizes that its sensors see.

The unknowns are u = ln(absorptivity over the nominal one), w = ln(beam diameter over the stated one) and, of each
signal, a bias b_i = ln(scale). What an operator forecasts of a size S_i answers to them by slopes that it tells itself,
by finite difference (`slopes`), so that the mean residual of a batch of frames, against a forecast made with factor
exp(u_f), is

    y_i = S_i,u (u - u_f) + S_i,w w + b_i + noise,    noise of variance spread^2 of the batch means (`drift.py`).

Recursive Bayesian least squares (a Kalman filter): u ~ N(0, 0.35^2), w ~ N(0, 0.1^2), b_i ~ N(0, 0.03^2) before
anything is seen; between batches u walks by `WANDER` in ten minutes, since optics warm up and powder changes. The
biases do not walk: one signal alone tells u no better than 0.03/S, which the interval says. Where the signals' biases
come out far beyond what was thought of them, sensors or the operator are wrong and nothing is followed (`consistent`).

The interval is of 95 %. `identifiable`: the data have at least halved the spread that was there before them.
Bounds: at most 1 is absorbed, and the factor stays within a third and three times.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from operators.operator import Operator, Stream, Task
from twin.process import Process

SPREAD, SPREAD_DIAMETER, BIAS = 0.35, 0.1, 0.03
WANDER = 0.05 / math.sqrt(600.0)  # of u, a root second
WIDEST = math.log(3.0)
Z95 = 1.959964
STEP = 0.1  # of ln q and of ln d, for the slopes
ROUGH = 0.1  # of ln power and ln speed: slopes are told once in it
TRACK_DIAMETERS = 30.0
STRANGE = 3.0  # spreads of a bias
LOOSE = 0.1  # spread that is added to u when a signal has drifted
SIZES = ("melt_pool_length_m", "melt_pool_width_m", "melt_pool_depth_m")  # as `WindowGrid.sizes` gives them


@dataclass(frozen=True)
class Estimate:
    """A factor over the nominal value, with its interval of 95 %."""

    factor: float
    low: float
    high: float
    identifiable: bool


@dataclass
class Calibration:
    """Of one build of one machine, from the signals named, in this order."""

    signals: tuple[str, ...]
    frames: dict[str, int] = field(default_factory=dict)
    bias: float = BIAS
    _x: np.ndarray = field(init=False)
    _p: np.ndarray = field(init=False)
    _time_s: float = math.nan

    def __post_init__(self) -> None:
        count = len(self.signals)
        self._x = np.zeros(2 + count)
        self._p = np.diag([SPREAD**2, SPREAD_DIAMETER**2, *[self.bias**2] * count])

    def recall(self, estimate: Estimate, frames: int = 0) -> None:
        """What an earlier run had come to is the prior of this one."""
        self._x[0] = math.log(estimate.factor)
        self._p[0, 0] = min((math.log(estimate.high / estimate.low) / (2 * Z95)) ** 2, SPREAD**2)
        if self.signals:
            self.frames[self.signals[0]] = frames

    def take(
        self, name: str, mean: float, spread: float, frames: int, time_s: float, slope: tuple[float, float],
        log_factor: float = 0.0,
    ) -> None:  # fmt: skip
        """The mean residual of a batch. `log_factor`: that of the forecasts; slope: of the size, by u and by w."""
        if not (math.isfinite(mean) and 0 < spread < math.inf) or name not in self.signals:
            return
        if time_s > self._time_s:
            self._p[0, 0] = min(self._p[0, 0] + WANDER**2 * (time_s - self._time_s), SPREAD**2)
        self._time_s = time_s if math.isnan(self._time_s) else max(time_s, self._time_s)
        h = np.zeros(len(self._x))
        h[:2] = slope
        h[2 + self.signals.index(name)] = 1.0
        innovation = mean + slope[0] * log_factor - float(h @ self._x)
        gain = self._p @ h / (float(h @ self._p @ h) + spread**2)
        self._x = self._x + gain * innovation
        rest = np.eye(len(h)) - np.outer(gain, h)
        self._p = rest @ self._p @ rest.T + np.outer(gain, gain) * spread**2  # Joseph's form stays positive
        self._x[0] = min(max(self._x[0], -WIDEST), WIDEST)
        self.frames[name] = self.frames.get(name, 0) + frames

    def loosen(self) -> None:
        """Something has changed at once: what was known of u is known less well."""
        self._p[0, 0] = min(self._p[0, 0] + LOOSE**2, SPREAD**2)

    @property
    def absorptivity(self) -> Estimate:
        """Over the nominal one."""
        return self._estimate(0, SPREAD, WIDEST)

    @property
    def beam_diameter(self) -> Estimate:
        """Over the stated one."""
        return self._estimate(1, SPREAD_DIAMETER, 3 * SPREAD_DIAMETER)

    @property
    def biases(self) -> dict[str, float]:
        """ln of the scale that each signal seems to have."""
        return dict(zip(self.signals, self._x[2:].tolist(), strict=True))

    @property
    def consistent(self) -> bool:
        """Whether no signal needs a bias far beyond what was thought of it."""
        return (
            bool(np.abs(self._x[2:]).max(initial=0.0) <= STRANGE * self.bias)
            and abs(self._x[1]) <= STRANGE * SPREAD_DIAMETER
        )

    def _estimate(self, at: int, before: float, widest: float) -> Estimate:
        spread = math.sqrt(self._p[at, at])
        middle, low, high = (float(self._x[at]) + z * spread for z in (0.0, -Z95, Z95))
        ends = [math.exp(min(max(each, -widest), widest)) for each in (middle, low, high)]
        return Estimate(ends[0], ends[1], ends[2], identifiable=spread <= before / 2 and bool(self.frames))


class Slopes:
    """d ln size / d ln absorptivity and / d ln beam diameter of an operator, at a power and a speed, told once in each
    `ROUGH` of both. Three more windows of a straight track, on a stream of their own."""

    def __init__(self) -> None:
        self._known: dict[tuple[Operator, Process, int, int], dict[str, tuple[float, float]]] = {}

    def at(
        self, operator: Operator, process: Process, beam_power_w: float, scan_speed_m_per_s: float
    ) -> dict[str, tuple[float, float]]:
        """By signal; empty where nothing melts or the beam stands."""
        if not (beam_power_w > 0 and scan_speed_m_per_s > 0):
            return {}
        power, speed = (round(math.log(value) / ROUGH) for value in (beam_power_w, scan_speed_m_per_s))
        key = (operator, process, power, speed)
        if key not in self._known:
            if len(self._known) > 256:
                self._known.clear()
            self._known[key] = _slopes(operator, process, math.exp(power * ROUGH), math.exp(speed * ROUGH))
        return self._known[key]


def _slopes(
    operator: Operator, process: Process, beam_power_w: float, scan_speed_m_per_s: float
) -> dict[str, tuple[float, float]]:
    """ln sizes are differenced between q and q (1 + STEP), and between d and d (1 + STEP): there q falls as 1/d, the
    Peclet number grows as d, lengths in m are d times more, and the source is as deep in m as it was."""
    source, peclet = process.source(beam_power_w, scan_speed_m_per_s), process.peclet(scan_speed_m_per_s)
    wide = 1 + STEP
    cases = [
        (source.q, peclet, source.depth, 1.0),
        (source.q * wide, peclet, source.depth, 1.0),
        (source.q / wide, peclet * wide, source.depth / wide, wide),
    ]
    if operator.card.get("operator") == "enthalpy finite volumes":  # a solver would take seconds
        fields = [_analytic(operator, q, pe) for q, pe, _, _ in cases]
    else:
        fields = [_steady(operator, process, q, pe, depth) for q, pe, depth, _ in cases]
    solidus = process.groups().solidus
    sizes = [np.array(operator.grid.sizes(f, solidus)) * case[3] for f, case in zip(fields, cases, strict=True)]
    if min(float(each.min()) for each in sizes) <= 0:
        return {}
    by_u, by_w = ((np.log(sizes[i]) - np.log(sizes[0])) / math.log(wide) for i in (1, 2))
    return {name: (float(a), float(b)) for name, a, b in zip(SIZES, by_u, by_w, strict=True)}


def _steady(operator: Operator, process: Process, q: float, peclet: float, depth: float) -> np.ndarray:
    rows = np.array([[0.0, 0.0, 0.0, q, depth], [TRACK_DIAMETERS / peclet, TRACK_DIAMETERS, 0.0, q, depth]])
    shape, surface, scales = process.beam_shape, process.surface(), process.scales()
    name = "slopes"
    look = operator.step([Task(Stream(name, process.groups(), peclet, surface, shape, scales, name), [rows], [])])[0][0]
    operator.forget(name)
    return look.theta


def _analytic(operator: Operator, q: float, peclet: float) -> np.ndarray:
    from operators.reference.eagar_tsai import steady

    return steady(q, peclet, operator.grid)


def bounded(factor: float, nominal: float) -> float:
    """The factor that a window's rows take: no more than all of the beam is absorbed."""
    return min(factor, 1.0 / nominal) if nominal > 0 else factor


def signals_of(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names that are sizes in metres: only they say how large."""
    return tuple(name for name in SIZES if name in names)
