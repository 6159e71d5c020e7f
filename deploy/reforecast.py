"""Reforecast: a stretch of a stored layer forecast again by another operator, or as if the beam had been another.

What was observed is told anew with the asked factors on beam power, scan speed and absorptivity, to a twin of its own,
from the beginning of the layer, because the heat is carried from there; frames before the asked moment get no forecast.
The rows are second opinions under a name that says what was changed; what is stored is never changed. The work is a
generator that stops after each `PIECE_S`, so that who answers (`deploy/answers.py`) can let live forecasting go on.
"""

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deploy.answers import UnansweredError
from ingest.files.again import windows_of
from twin.clock import Clock
from twin.forecast import Forecast
from twin.observation import Build, Layer, Observation, Parameters, Plan, Window
from twin.store.port import Step, Store

if TYPE_CHECKING:
    from operators.operator import Operator
    from twin.twin import Twin

KIND = "reforecast"
PIECE_S = 0.25  # of wall time, then live forecasting goes first
MOST_FRAMES = 5000
FACTORS: Mapping[str, str] = {"power": "beam power", "speed": "scan speed", "absorptivity": "absorptivity"}
LEAST, MOST = 0.5, 2.0  # of a factor
PASSED = 8  # windows that are only passed over, at a time


@dataclass(frozen=True)
class Asked:
    """Frames of a layer from a process time on, by an operator (empty: that of record), with factors."""

    machine: str
    build: str
    layer: int
    from_s: float
    frames: int
    operator: str = ""
    power: float = 1.0
    speed: float = 1.0
    absorptivity: float = 1.0

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> "Asked":
        """What a request asks. Raises UnansweredError for a number that makes no sense; KeyError for one missing."""
        asked = cls(
            str(arguments["machine"]), str(arguments["build"]), int(arguments["layer"]), float(arguments["from_s"]),
            int(arguments["frames"]), str(arguments.get("operator", "")),
            **{name: float(arguments.get(name, 1.0)) for name in FACTORS},
        )  # fmt: skip
        if not 1 <= asked.frames <= MOST_FRAMES or not math.isfinite(asked.from_s):
            raise UnansweredError(f"between 1 and {MOST_FRAMES:,} frames are forecast again at a time")
        for name, words in FACTORS.items():
            if not LEAST <= getattr(asked, name) <= MOST:
                raise UnansweredError(f"the factor on the {words} lies between {LEAST:g} and {MOST:g}")
        return asked

    def name(self, card: str) -> str:
        """Under which the opinion is kept: `asno-melt-pool, beam power x 1.1`."""
        changed = [
            f"{words} x {getattr(self, factor):.4g}" for factor, words in FACTORS.items() if getattr(self, factor) != 1
        ]
        return ", ".join([card, *changed])

    def changed(self, observation: Observation, begun_s: float) -> Observation:
        """What the machine would have said with the factors: the same places at `speed` times the scan speed, counted
        from the beginning of the layer, at `power` times the beam power."""
        message: Any = observation.message

        def then(times_s: list[float]) -> list[float]:
            return times_s if self.speed == 1 else [begun_s + (time_s - begun_s) / self.speed for time_s in times_s]

        if isinstance(message, Parameters | Plan):
            said: dict[str, Any] = {"beam_power_w": [self.power * power_w for power_w in message.beam_power_w]}
            if isinstance(message, Parameters):
                said["sample_time_s"] = then(message.sample_time_s)
            else:
                said |= {"start_s": then(message.start_s)}
                said["scan_speed_m_per_s"] = [self.speed * each for each in message.scan_speed_m_per_s]
                if message.dwell_s is not None:
                    said["dwell_s"] = [each / self.speed for each in message.dwell_s]
            return replace(observation, message=message.model_copy(update=said))
        if isinstance(message, Build):
            return replace(observation, message=self.build_of(message))
        return observation

    def build_of(self, message: Build) -> Build:
        """The build with the factors on its nominal power and speed."""
        return message.model_copy(
            update={
                "nominal_beam_power_w": self.power * message.nominal_beam_power_w,
                "nominal_scan_speed_m_per_s": self.speed * message.nominal_scan_speed_m_per_s,
            }
        )


class Reforecasts:
    """Answers `reforecast`, a piece at a time."""

    def __init__(
        self, store: Store, clock: Clock, operator_of: "Callable[[str], Operator]", new_twin: Callable[..., "Twin"]
    ) -> None:
        """`operator_of`: an operator by name, warm; raises `ValueError` where there is none. `new_twin`: a twin over an
        operator, given the keywords `opinion` and `following`."""
        self._store, self._clock = store, clock
        self._operator_of, self._new_twin = operator_of, new_twin

    def __call__(self, arguments: dict[str, Any]) -> Generator[float, None, dict[str, Any]]:
        """Yields the share that is done after each piece; gives the opinion's name and how many frames it has."""
        asked = Asked.of(arguments)
        row = self._store.build(asked.machine, asked.build)
        if row is None:
            raise UnansweredError(f"{asked.machine} has no build {asked.build}")
        then = self._store.forecast_at(asked.machine, asked.build, asked.from_s)
        wanted = asked.operator or (str(then["operator"]) if then else "auto")
        operator = self._operator_of(wanted)
        yield 0.0
        name = asked.name(str(operator.card["name"]))
        twin = self._new_twin(operator, opinion=name, following=_absorbing(asked.absorptivity))
        self._store.write(Step(cards=[operator.card], received_s=self._clock.now_s()))
        try:
            told = yield from self._forecast(asked, twin, asked.build_of(Build.model_validate(row)))
        finally:
            for each in twin.serving:
                each.forget(f"{name} on {asked.machine}/{asked.build}/{asked.layer}")
        if not told:
            raise UnansweredError(f"layer {asked.layer} of {asked.build} has no frame from {asked.from_s:g} s on")
        return {
            "machine": asked.machine, "build": asked.build, "layer": asked.layer, "opinion": name, "frames": told,
            "operator": str(operator.card["name"]),
        }  # fmt: skip

    def _forecast(self, asked: Asked, twin: "Twin", constant: Build) -> Generator[float, None, int]:
        told, last_s, began_s = 0, math.nan, self._clock.now_s()
        passed: list[Window] = []
        forecasts: list[Forecast] = []
        to_s = asked.from_s + asked.frames * constant.frame_s
        first_s: float | None = None
        for window in self._windows(asked):
            first_s = window.start_s if first_s is None else first_s
            if told + len(forecasts) >= asked.frames:
                break
            if window.end_s < asked.from_s - 1e-9:
                passed.append(replace(window, skipped=True))
                if len(passed) >= PASSED:
                    forecasts += self._advance(twin, passed, constant)
                    passed = []
            else:
                forecasts += self._advance(twin, [*passed, window], constant)  # one frame each, so that each has leads
                passed = []
            last_s = window.end_s
            if self._clock.now_s() - began_s >= PIECE_S:
                told += self._keep(forecasts)
                forecasts = []
                yield min(max((last_s - first_s) / max(to_s - first_s, 1e-12), 0.0), 0.99)
                began_s = self._clock.now_s()
        return told + self._keep(forecasts)

    def _windows(self, asked: Asked) -> "Any":
        begun: list[float] = []

        def change(observation: Observation) -> Observation:
            message = observation.message
            if isinstance(message, Layer) and message.layer == asked.layer:
                begun.append(message.time_s)
            elif isinstance(message, Parameters) and not begun:
                begun.append(message.sample_time_s[0])
            elif isinstance(message, Plan) and message.layer == asked.layer and not begun:
                begun.append(message.start_s[0])
            return asked.changed(observation, begun[0]) if begun else asked.changed(observation, 0.0)

        return windows_of(self._store, asked.machine, asked.build, asked.layer, change=change)

    def _advance(self, twin: "Twin", windows: list[Window], constant: Build) -> list[Forecast]:
        now_s = self._clock.now_s()
        forecasts, _ = twin.advance(windows, lambda _machine, _build: constant, now_s)
        return [replace(forecast, issued_s=self._clock.now_s()) for forecast in forecasts]

    def _keep(self, forecasts: list[Forecast]) -> int:
        if forecasts:
            self._store.write(Step(forecasts=forecasts, received_s=self._clock.now_s()))
        return len(forecasts)


def _absorbing(factor: float) -> Any:
    """Compares nothing, and takes `factor` times what the rule says is absorbed; at most all of it."""
    from twin.sensors.calibration import bounded
    from twin.sensors.following import Following

    class Absorbing(Following):
        def q(self, kin: str, source: Any) -> float:
            return float(source.q * bounded(factor, source.absorptivity))

    return Absorbing(deaf=True)
