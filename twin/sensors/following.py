"""Following: each machine's sensors against its forecasts: which have drifted, which fail, and what the metal absorbs.

    samples of a window -> Pairs -> Sensor -> Drift (an outcome) and Calibration (an estimate, and the factor to follow)

One object for all machines of a twin. A build's residuals are learned from its beginning; the estimate of an earlier
run of the same build is taken up. Forecasts are made with the estimate (`follow`) only once it is identifiable, its
signals agree and none of them fails; which absorptivity a forecast was made with stands in its row. How soon the factor
follows depends on how windows come in steps: it is the same for all windows of a step. An operator that infers what
is absorbed from a camera is left alone.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np

from operators.operator import Operator
from twin.alarms.kinds import FAULT
from twin.forecast import OK, Absorbed, Alert, Calibrated, Forecast, Outcome
from twin.observation import Build, Window
from twin.process import Process, Source
from twin.sensors import calibration
from twin.sensors.calibration import Calibration, Estimate, Slopes, bounded
from twin.sensors.drift import Drift, Shift
from twin.sensors.pairing import COMPARED, Pair, Pairs
from twin.sensors.sensor import Fault, Sensor
from twin.units import from_si, length_unit

EVERYBODY = "*"  # in `follow`
TOLD_FRAMES = 64  # compared frames between two rows of an estimate, until there are
OFTEN = 16  # of them; then so many frames more seldom
CALM_S = 10.0
AGREE = 9.0  # chi-squared of what a common change leaves of the signals' shifts
_WORDS = {
    "melt_pool_width_m": "melt-pool width", "melt_pool_length_m": "melt-pool length",
    "melt_pool_depth_m": "melt-pool depth", "photodiode_v": "photodiode",
}  # fmt: skip


class Place(Protocol):
    """A window with what is constant around it (`twin.twin.Place`)."""

    @property
    def window(self) -> Window: ...
    @property
    def build(self) -> Build: ...
    @property
    def beam_power_w(self) -> float: ...
    @property
    def scan_speed_m_per_s(self) -> float: ...


Remembered = Callable[[str, str], Estimate | None]  # machine, build -> what an earlier run had come to


def nobody(machine: str, build: str) -> Estimate | None:
    """There was no earlier run."""
    return None


@dataclass
class _Signal:
    sensor: Sensor
    drift: Drift
    forecast: float = 0.0  # the newest, in the unit of the signal
    slope: tuple[float, float] = (0.0, 0.0)


@dataclass
class _Machine:
    """One build of one machine."""

    frame_s: float
    calibration: Calibration
    pairs: Pairs = field(default_factory=Pairs)
    signals: dict[str, _Signal] = field(default_factory=dict)
    factor: float = 1.0  # in force
    following: float = 1.0  # from the next step on
    infers: bool = False
    told: int = 0  # rows of estimates
    told_frames: int = 0
    nominal: float = math.nan

    @property
    def frames(self) -> int:
        return sum(self.calibration.frames.values())


class Following:
    """See the module. `follow`: names of machines whose sensors are calibrated, or `*`. What is `deaf` compares
    nothing: a twin of second opinions."""

    def __init__(self, follow: Collection[str] = (), remembered: Remembered = nobody, *, deaf: bool = False) -> None:
        self._follow, self._remembered, self._deaf = follow, remembered, deaf
        self._machines: dict[str, _Machine] = {}
        self._slopes = Slopes()
        self._open: dict[tuple[str, str, str], Alert] = {}

    def absorbs(self, kin: str) -> float:
        """What is absorbed over what the rule says, by the sensors. kin: `machine/build`; of any other name nothing is
        known, and of what the operator infers itself nothing is told."""
        known = self._machines.get(kin)
        return 1.0 if known is None or known.infers else known.following

    def q(self, kin: str, source: Source) -> float:
        """What is absorbed of a source: as the rule says, or as much more or less as the sensors say."""
        known = self._machines.get(kin)
        if known is None or known.infers:
            return source.q
        known.factor = self.absorbs(kin)
        return source.q * bounded(known.factor, source.absorptivity)

    def compare(
        self, places: Sequence[Place], process: Process, operator: Operator, forecasts: list[Forecast]
    ) -> list[Forecast]:
        """The forecasts of one stream and step, with what the sensors say of them: an outcome, an estimate."""
        if self._deaf:
            return forecasts
        told = []
        for place, forecast in zip(places, forecasts, strict=True):
            known = self._known(place)
            known.infers = known.infers or forecast.absorbed is not None
            source = process.source(place.beam_power_w, place.scan_speed_m_per_s)
            factor = 1.0 if known.infers else bounded(known.factor, source.absorptivity)
            if place.beam_power_w > 0:
                known.nominal = source.absorptivity
                if factor != 1.0:
                    absorbed = Absorbed(factor * source.absorptivity, source.absorptivity, 0)
                    forecast = replace(forecast, absorbed=absorbed)
            known.pairs.expect(place.window, forecast, place.scan_speed_m_per_s, math.log(factor))
            if place.window.signals:
                for pair in known.pairs.hear(place.window.signals):
                    self._take(known, pair, process, operator)
            outcome = self._outcome(known)
            if outcome.kind != "ok" and forecast.outcome.kind == "ok":
                forecast = replace(forecast, outcome=outcome)
            told.append(
                replace(forecast, calibrated=estimates) if (estimates := self._told(known, place)) else forecast
            )
        return told

    def alerts(self, forecasts: Sequence[Forecast], now_s: float) -> list[Alert]:
        """Faults of sensors, raised, seen again or cleared in this step."""
        told: list[Alert] = []
        for machine, build in dict.fromkeys((f.machine, f.build) for f in forecasts):
            known = self._machines.get(f"{machine}/{build}")
            wrong = _wrong(known) if known else {}
            for name in known.signals if known else ():
                key = (machine, build, f"{FAULT}{name}")
                if name in wrong:
                    layer = next(f.layer for f in forecasts if (f.machine, f.build) == (machine, build))
                    evidence = wrong[name]
                    first = self._open.get(key) or Alert(
                        *key, "medium", layer, None, None, now_s, now_s, evidence, "look at the sensor and its optics"
                    )
                    self._open[key] = replace(first, last_seen_s=now_s, evidence=evidence)
                    told.append(self._open[key])
                elif key in self._open and now_s - self._open[key].last_seen_s > CALM_S:
                    told.append(replace(self._open.pop(key), cleared_s=now_s))
        return told

    def take_up(self, alerts: Sequence[Alert]) -> None:
        """Alerts that an earlier run left open."""
        self._open |= {(a.machine, a.build, a.kind): a for a in alerts if a.kind.startswith(FAULT)}

    def _known(self, place: Place) -> _Machine:
        machine, build = place.window.machine, place.window.build
        key = f"{machine}/{build}"
        if key not in self._machines:
            for other in [other for other in self._machines if other.partition("/")[0] == machine]:
                del self._machines[other]  # a machine has one build at a time
            names = calibration.signals_of(list(COMPARED))
            known = self._machines[key] = _Machine(place.build.frame_s, Calibration(names))
            before = self._remembered(machine, build)
            if before is not None:
                known.calibration.recall(before)
                if self._may_follow(machine, known):
                    known.factor = known.following = before.factor
        return self._machines[key]

    def _take(self, known: _Machine, pair: Pair, process: Process, operator: Operator) -> None:
        signal = known.signals.get(pair.name)
        if signal is None:
            signal = known.signals[pair.name] = _Signal(Sensor(pair.name), Drift(known.frame_s, len(COMPARED)))
        signal.forecast = pair.forecast
        residual = signal.sensor.take(pair)
        if residual is None or not math.isfinite(residual):
            return
        stood = signal.drift.standing
        slopes = self._slopes.at(operator, process, pair.beam_power_w, pair.scan_speed_m_per_s)
        signal.slope = slopes.get(pair.name, (0.0, 0.0))
        means = signal.drift.take(np.array([residual]))
        if signal.drift.standing and not stood:
            known.calibration.loosen()
        if COMPARED[pair.name].scaled or known.infers or signal.sensor.fault is not None or not slopes:
            return
        for mean in means.tolist():
            spread, batch = signal.drift.noise, signal.drift.batch
            known.calibration.take(pair.name, mean, spread, batch, pair.time_s, signal.slope, pair.log_factor)

    def _outcome(self, known: _Machine) -> Outcome:
        """The first signal that has drifted, in the user's unit; which of sensor and process, where that can be
        told."""
        shifts = {name: shift for name, signal in known.signals.items() if (shift := signal.drift.shift) is not None}
        if not shifts:
            return OK
        name = max(shifts, key=lambda each: abs(shifts[each].log) / shifts[each].spread)
        by = shifts[name].share * known.signals[name].forecast
        if COMPARED[name].scaled:
            return Outcome("drift", name, 100 * shifts[name].share, "%")
        unit = length_unit(known.signals[name].forecast)
        return Outcome("drift", name, from_si(by, unit, "length"), unit)

    def _told(self, known: _Machine, place: Place) -> tuple[Calibrated, ...]:
        """Rows of the estimates, at their cadence; what is to be followed changes with them."""
        every = TOLD_FRAMES * (1 if known.told < OFTEN else OFTEN)
        if known.frames - known.told_frames < every or math.isnan(known.nominal):
            return ()
        known.told, known.told_frames = known.told + 1, known.frames
        of, absorbed = known.calibration, known.calibration.absorptivity
        follows = self._may_follow(place.window.machine, known)
        if follows and known.following == 1.0:
            for signal in known.signals.values():
                signal.drift.begin_anew()
        known.following = absorbed.factor if follows else 1.0
        names = ",".join(name for name in of.frames if of.frames[name])
        behind = {"signals": names, "frames": known.frames, "consistent": of.consistent}
        return (
            _row("absorptivity", known.nominal, absorbed, 1.0, followed=follows, **behind),
            _row("beam_diameter_m", place.build.beam_diameter_m, of.beam_diameter, math.inf, followed=False, **behind),
        )

    def _may_follow(self, machine: str, known: _Machine) -> bool:
        of = known.calibration
        asked = machine in self._follow or EVERYBODY in self._follow
        sound = all(signal.sensor.fault is None for signal in known.signals.values())
        return asked and not known.infers and sound and of.consistent and of.absorptivity.identifiable


def _row(
    quantity: Literal["absorptivity", "beam_diameter_m"], nominal: float, estimate: Estimate, most: float, **behind: Any
) -> Calibrated:
    middle, low, high = (min(nominal * each, most) for each in (estimate.factor, estimate.low, estimate.high))
    return Calibrated(quantity, float(nominal), middle, low, high, identifiable=estimate.identifiable, **behind)


class Gone(Following):
    """Of a frame gone by: the metal took up `share` of what the rule says, as was known when it was forecast."""

    def __init__(self, share: float) -> None:
        super().__init__(deaf=True)
        self._share = share

    def absorbs(self, kin: str) -> float:
        return self._share

    def q(self, kin: str, source: Source) -> float:
        return source.q * bounded(self._share, source.absorptivity)


def _wrong(known: _Machine) -> dict[str, str]:
    """Sensors that fail, and how: by themselves, or because they moved otherwise than the process can have."""
    faults = [signal.sensor.fault for signal in known.signals.values()]
    wrong = {fault.name: fault_in_words(fault) for fault in faults if fault is not None}
    sizes = {n: s for n, s in known.signals.items() if not COMPARED[n].scaled and n not in wrong}
    shifts = {n: shift for n, s in sizes.items() if (shift := s.drift.lately) is not None}
    moved = [n for n in shifts if sizes[n].drift.standing]
    if moved and cause(shifts, {n: sizes[n].slope[0] for n in shifts}) == "sensor":
        most = max(moved, key=lambda n: abs(shifts[n].log) / shifts[n].spread)
        others = ", ".join(_WORDS[n] for n in shifts if n != most)
        wrong[most] = f"{_WORDS[most]}: moved by {shifts[most].share:+.0%}, which does not go with {others}"
    return wrong


def cause(shifts: dict[str, Shift], slopes: dict[str, float]) -> str:
    """`process` where one change of what is absorbed explains how all signals have moved, `sensor` where none does,
    `either` where fewer than two signals that answer to it are seen. `shifts`: of all signals, those that have not
    moved among them."""
    names = [name for name in shifts if abs(slopes.get(name, 0.0)) > 0.05 and math.isfinite(shifts[name].spread)]
    if len(names) < 2:
        return "either"
    s, y, sd = (
        np.array(each) for each in zip(*((slopes[n], shifts[n].log, shifts[n].spread) for n in names), strict=True)
    )
    u = float((s * y / sd**2).sum() / (s * s / sd**2).sum())
    return "process" if float((((y - s * u) / sd) ** 2).sum()) <= AGREE * (len(names) - 1) else "sensor"


def fault_in_words(fault: Fault) -> str:
    """`melt-pool width: the same value for 40 frames`."""
    said = {
        "freeze": f"the same value for {fault.count} frames",
        "spikes": f"{fault.count} single readings far from all others",
        "dropouts": f"{fault.count} readings of next to nothing while the laser was on",
    }
    return f"{_WORDS.get(fault.name, fault.name)}: {said[fault.kind]}"
