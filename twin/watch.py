"""Watch: alerts about what the messages themselves say, apart from any forecast. Pure; time is an argument.

    silence    a sensor gave no sample while the laser was on for longer than `SILENT` times its own median interval
               (of its last `LAST` messages) and `FEWEST_FRAMES` frames; the laser's time off does not count
    gap        sequence numbers never came
    birth      a source began its sequences anew
    doubled    two sources say what the beam does in one layer
    failed     the twin failed on a window; it has no forecast
    broker, store, take_over   why the twin waits, for every machine heard so far; cleared when it waits no more

One alert of a kind for a build (a sensor's silence for each sensor) stays open while its cause is seen.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from twin.forecast import Alert, Severity
from twin.observation import Birth, Gap, Observation, Signal, Window

SILENT = 8.0
LAST = 64
FEWEST = 8  # intervals before a cadence is known
FEWEST_FRAMES = 24
CALM_S = 10.0  # an alert that was not seen for so long is cleared
KINDS = frozenset({"gap", "birth", "doubled", "failed", "broker", "store", "take_over"})  # and silence_<sensor>
WAITS: Mapping[str, str] = {
    "broker": "forecasts go on when the broker answers; what was not acknowledged comes again",
    "store": "nothing is lost: messages wait with the broker until the database answers",
    "take_over": "stop the second twin, or give it a site or a broker of its own",
}
_ONE_BEAM = "give each beam a machine of its own, or let one source say both: of each frame one forecast is kept"
_SENT_AGAIN = "look at the line between the machine and the broker"


@dataclass
class _Sensor:
    """One sensor of a machine, in process time."""

    last_s: float
    intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=LAST))
    lit_s: float = 0.0  # with the laser on, since its last sample

    def heard(self, time_s: float) -> None:
        if time_s > self.last_s:
            self.intervals_s.append(time_s - self.last_s)
            self.last_s = time_s
            self.lit_s = 0.0

    def limit_s(self, frame_s: float) -> float | None:
        """How long it may be silent with the laser on."""
        if len(self.intervals_s) < FEWEST:
            return None
        return max(SILENT * median(self.intervals_s), FEWEST_FRAMES * frame_s)


class Watch:
    """All machines of one run. One caller, one thread."""

    def __init__(self) -> None:
        self._sensors: dict[tuple[str, str, str], _Sensor] = {}  # machine, build, name
        self._places: dict[str, tuple[str, int]] = {}  # where each machine is now: build, layer
        self._open: dict[tuple[str, str, str], Alert] = {}
        self._told: dict[tuple[str, str, str], Alert] = {}

    def take_up(self, alerts: Sequence[Alert]) -> None:
        """Alerts that an earlier run left open: they are updated and cleared like those of this one."""
        for alert in alerts:
            if alert.kind in KINDS or alert.kind.startswith("silence_"):
                self._open[alert.machine, alert.build, alert.kind] = alert

    def step(
        self,
        observations: Sequence[Observation],
        windows: Sequence[Window],
        gaps: Sequence[Gap],
        births: Sequence[Birth],
        waits: Mapping[str, str],
        now_s: float,
        failed: Sequence[tuple[Window, str]] = (),
        doubled: Sequence[tuple[str, str]] = (),
    ) -> list[Alert]:
        """Alerts raised, seen again or cleared by what came in one step. `waits`: kind and why, of `WAITS`."""
        for observation in observations:
            self._hear(observation)
        for window in windows:
            self._light(window, now_s)
        for gap in gaps:
            stretch = f"{gap.channel} {gap.first_sequence} to {gap.last_sequence} of {gap.source} never came"
            self._see(gap.machine, "gap", "low", stretch, _SENT_AGAIN, now_s)
        for birth in births:
            said = f"{birth.source}, life {birth.birth + 1}: {birth.reason}"
            self._see(birth.machine, "birth", "low", said, "nothing, if the machine was started anew", now_s)
        for machine, said in doubled:
            self._see(machine, "doubled", "medium", said, _ONE_BEAM, now_s)
        for window, why in failed:
            said = f"frame {window.index} of layer {window.layer}: {why}"
            self._see(window.machine, "failed", "medium", said, "report it: the twin goes on without this frame", now_s)
        for kind, why in waits.items():
            for machine in self._places:
                known = self._open.get((machine, self._places[machine][0], kind))
                if known is None or now_s - known.last_seen_s >= 1.0:
                    self._see(machine, kind, "medium", why, WAITS[kind], now_s)
        self._calm(waits, now_s)
        told, self._told = list(self._told.values()), {}
        return told

    def _hear(self, observation: Observation) -> None:
        message, machine = observation.message, observation.machine
        build, layer = getattr(message, "build", None), getattr(message, "layer", None)
        if build is not None and layer is not None:
            self._places[machine] = (build, layer)
        if isinstance(message, Signal):
            key, newest_s = (machine, message.build, message.name), message.sample_time_s[-1]
            if key not in self._sensors:
                self._sensors[key] = _Sensor(newest_s)
            self._sensors[key].heard(newest_s)

    def _light(self, window: Window, now_s: float) -> None:
        """A frame went by; what its sensors did not say while the laser was on."""
        if not window.path.beam_power_w[:-1].any():
            return
        for (machine, build, name), sensor in self._sensors.items():
            if (machine, build) != (window.machine, window.build) or window.start_s < sensor.last_s:
                continue
            sensor.lit_s += window.end_s - window.start_s
            limit_s = sensor.limit_s(window.end_s - window.start_s)
            if limit_s is not None and sensor.lit_s > limit_s:
                usual_s = median(sensor.intervals_s)
                why = f"{name}: {sensor.lit_s:.3g} s of laser without a sample, one every {usual_s:.3g} s is usual"
                self._see(machine, f"silence_{name}", "medium", why, "look at the sensor and its line", now_s)

    def _see(self, machine: str, kind: str, severity: Severity, evidence: str, action: str, now_s: float) -> None:
        build, layer = self._places.get(machine, ("", 0))
        key = (machine, build, kind)
        first = self._open.get(key) or Alert(
            machine, build, kind, severity, layer, None, None, now_s, now_s, evidence, action
        )
        seen = replace(first, last_seen_s=now_s, evidence=evidence)
        self._open[key] = self._told[seen.key] = seen

    def _calm(self, waits: Mapping[str, str], now_s: float) -> None:
        for key, alert in list(self._open.items()):
            waited = alert.kind in WAITS
            over = alert.kind not in waits if waited else now_s - alert.last_seen_s > CALM_S
            if over and (waited or alert.machine in self._places):
                self._told[alert.key] = replace(alert, cleared_s=now_s)
                del self._open[key]
