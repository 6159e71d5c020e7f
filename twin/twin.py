"""Twin: a closed window in, a forecast and alerts out. Time is an argument: live, replay, simulation are one code."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from operators.operator import Look, Operator, Stream, Task
from twin import trust
from twin.forecast import Alert, Field, Forecast, Lead, MeltPool, Outcome, Severity
from twin.material import UnknownMaterialError, material
from twin.observation import Build, Path, Window
from twin.process import Process
from twin.regime import DEEP_KEYHOLE, keyhole_number, regime

ContextOf = Callable[[str, str], Build]
CALM_S = 10.0  # an alert that was not seen for so long is cleared
SLOWEST_PECLET = 0.5  # below it the fallback's heat outruns its boxes


@dataclass(frozen=True)
class Place:
    """A window with what is constant around it, and the beam's power and scan speed in it."""

    window: Window
    build: Build
    process: Process | None  # None: `unusable` says why
    unusable: str
    beam_power_w: float
    scan_speed_m_per_s: float


@dataclass(frozen=True)
class Work:
    """The windows of one stream in one step, and who looks at them."""

    places: list[Place]
    process: Process
    operator: Operator
    task: Task


class Twin:
    """Forecasts by `operator`. A layer that is planned outside its envelope is forecast by the `fallback`, from its
    first window on, so that its heat is whole; any other window outside carries no forecast."""

    def __init__(
        self,
        operator: Operator,
        fallback: Operator | None = None,
        *,
        horizon_frames: int = 8,
        snapshot_frames: int = 10,
    ) -> None:
        self.operator = operator
        self.fallback = fallback
        self._leads = sorted({max(1, round(horizon_frames * part)) for part in (0.25, 0.5, 1.0)})
        self._snapshot_frames = snapshot_frames
        self._layers: dict[tuple[str, str], int] = {}
        self._start_s: dict[str, float] = {}
        self._serving: dict[str, Operator] = {}
        self._open: dict[tuple[str, str, str], Alert] = {}

    def advance(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]:
        """One step of every stream that has closed windows: place, judge, look, measure, tell, warn."""
        forecasts: list[Forecast] = []
        works: list[Work] = []
        ended: list[str] = []
        for places in self._by_stream(windows, context_of):
            process = places[-1].process
            if process is None:
                forecasts += [_unusable(place, self.operator, now_s) for place in places]
                continue
            ended += self._turn_layer(places[0], process)
            operator = self._serving[_name(places[0].window)]
            works.append(Work(places, process, operator, self._task(places, process)))
        for work, looks in self._looks(works):
            forecasts += self._tell(work, looks, now_s)
        for stream in ended:
            self._forget(stream)
        return forecasts, self._warn(forecasts, now_s)

    def _looks(self, works: list[Work]) -> list[tuple[Work, list[Look]]]:
        """Each operator takes one step, with the work of all its streams."""
        found: list[tuple[Work, list[Look]]] = []
        for operator in (self.operator, self.fallback):
            mine = [work for work in works if work.operator is operator]
            if operator is not None and mine:
                found += zip(mine, operator.step([work.task for work in mine]), strict=True)
        return found

    def _by_stream(self, windows: Sequence[Window], context_of: ContextOf) -> list[list[Place]]:
        streams: dict[tuple[str, str, int], list[Place]] = defaultdict(list)
        for window in windows:
            build = context_of(window.machine, window.build)
            process, unusable = _process(build)
            streams[window.machine, window.build, window.layer].append(
                Place(window, build, process, unusable, *_power_and_speed(window.path))
            )
        return list(streams.values())

    def _turn_layer(self, place: Place, process: Process) -> list[str]:
        """A new layer starts on a cold plate, with the operator that may serve it. Gives the stream that has ended."""
        window, build = place.window, place.build
        key = (window.machine, window.build)
        if self._layers.get(key) == window.layer:
            return []
        ended = [f"{window.machine}/{window.build}/{self._layers[key]}"] if key in self._layers else []
        self._layers[key] = window.layer
        self._start_s[_name(window)] = window.start_s
        planned = self._outside(process, build.nominal_beam_power_w, build.nominal_scan_speed_m_per_s)
        slow = process.peclet(build.nominal_scan_speed_m_per_s) < SLOWEST_PECLET
        fallback = self.fallback if planned is not None and not slow else None
        self._serving[_name(window)] = fallback or self.operator
        return ended

    def _forget(self, stream: str) -> None:
        for operator in (self.operator, self.fallback):
            if operator is not None:
                operator.forget(stream)
        self._start_s.pop(stream, None)
        self._serving.pop(stream, None)

    def _outside(self, process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> Outcome | None:
        envelope = self.operator.card.get("envelope")
        return None if envelope is None else trust.outside(envelope, process, beam_power_w, scan_speed_m_per_s)

    def _judge(self, place: Place, process: Process) -> Outcome:
        if place.window.gap:
            missing = place.window.end_s - place.window.start_s
            return Outcome("stale", "parameters missing", missing, "s")
        return self._outside(process, place.beam_power_w, place.scan_speed_m_per_s) or Outcome()

    def _task(self, places: list[Place], process: Process) -> Task:
        newest = places[-1]
        name = _name(newest.window)
        peclet = process.peclet(newest.build.nominal_scan_speed_m_per_s)
        stream = Stream(name, process.groups(), peclet, process.surface(), process.beam_shape)
        observed = [self._rows(name, process, place.window.path) for place in places]
        ahead = [self._rows(name, process, path) for path in self._ahead(newest)]
        return Task(stream, observed, ahead)

    def _ahead(self, place: Place) -> list[Path]:
        """The planned path from now to each lead; without a plan the last power, speed and direction hold."""
        window, frame_s = place.window, place.build.frame_s
        ends = [window.end_s + lead * frame_s for lead in self._leads]
        plan = window.plan if window.plan is not None and len(window.plan.time_s) else _held(window.path, ends[-1])
        return [_until(_from_now(window.path, plan), end_s) for end_s in ends]

    def _rows(self, name: str, process: Process, path: Path) -> np.ndarray:
        """A path in the operators' units: rows (t, x, y, q, depth). The rule for absorptivity and depth takes the power
        of each row and the mean scan speed of the path."""
        start_s, d = self._start_s[name], process.beam_diameter_m
        rows = np.zeros((len(path.time_s), 5))
        rows[:, 0] = (path.time_s - start_s) / process.time_s
        rows[:, 1], rows[:, 2] = path.x_m / d, path.y_m / d
        _, speed = _power_and_speed(path)
        for power in np.unique(path.beam_power_w):
            source = process.source(float(power), speed)
            rows[path.beam_power_w == power, 3:] = source.q, source.depth
        return rows

    def _tell(self, work: Work, looks: list[Look], now_s: float) -> list[Forecast]:
        forecasts = []
        places, process, operator = work.places, work.process, work.operator
        for number, place in enumerate(places):
            window, outcome = place.window, self._judge(place, process)
            mine = [(0.0, looks[number])]
            if place is places[-1]:
                mine += [
                    (lead * place.build.frame_s, look)
                    for lead, look in zip(self._leads, looks[len(places) :], strict=True)
                ]
            outcome = next((bad for _, look in mine if (bad := trust.finite(look.theta))), outcome)
            withheld = outcome.kind in ("stale", "non_finite") or (
                outcome.kind == "outside_envelope" and operator is self.operator
            )
            number_ke = keyhole_number(process, place.beam_power_w, place.scan_speed_m_per_s)
            number_b = process.source(place.beam_power_w, place.scan_speed_m_per_s).boiling_number
            on = place.beam_power_w > 0
            forecasts.append(
                Forecast(
                    machine=window.machine,
                    build=window.build,
                    layer=window.layer,
                    frame=window.index,
                    time_s=window.end_s,
                    issued_s=now_s,
                    sent_s=window.sent_s,
                    operator=operator.card["name"],
                    outcome=outcome,
                    regime=regime(number_b) if on else None,
                    keyhole_number=number_ke if on else None,
                    laser_on=on,
                    leads=() if withheld else tuple(self._lead(place, process, operator, s, look) for s, look in mine),
                    fields=() if withheld else self._snapshots(place, process, operator, mine, now_s),
                )
            )
        return forecasts

    def _snapshots(
        self, place: Place, process: Process, operator: Operator, looks: list[tuple[float, Look]], now_s: float
    ) -> tuple[Field, ...]:
        """The fields of now and of the horizon, every `snapshot_frames`th frame."""
        if place.window.index % self._snapshot_frames:
            return ()
        kept = (looks[0], looks[-1])[: len(looks)]
        return tuple(self._field(place, process, operator, lead_s, look, now_s) for lead_s, look in kept)

    def _lead(self, place: Place, process: Process, operator: Operator, lead_s: float, look: Look) -> Lead:
        d = process.beam_diameter_m
        sizes = operator.grid.sizes(look.theta, process.groups().solidus)
        return Lead(
            lead_s,
            place.window.end_s + lead_s,
            MeltPool(*(size * d for size in sizes)),
            look.x * d,
            look.y * d,
            place.beam_power_w,
        )

    def _field(
        self, place: Place, process: Process, operator: Operator, lead_s: float, look: Look, now_s: float
    ) -> Field:
        d, grid = process.beam_diameter_m, operator.grid
        return Field(
            grid.x * d,
            grid.y * d,
            grid.z * d,
            (process.preheat_k + process.temperature_k_rise * look.theta).astype(np.float32),
            process.material.solidus_k,
            process.material.boiling_k,
            look.heading,
            lead_s,
            place.window.end_s + lead_s,
            now_s,
        )

    def _warn(self, forecasts: list[Forecast], now_s: float) -> list[Alert]:
        """Alerts raised, seen again or cleared in this step. One stays open as long as its cause is seen, wherever the
        beam is by then; it tells where it was seen first."""
        told: dict[tuple[str, str, str], Alert] = {}
        for forecast in forecasts:
            for kind, severity, evidence, action in _risks(forecast):
                key = (forecast.machine, forecast.build, kind)
                first = self._open.get(key)
                if first is None:
                    x, y = (forecast.leads[0].x_m, forecast.leads[0].y_m) if forecast.leads else (None, None)
                    first = Alert(*key, severity, forecast.layer, x, y, now_s, now_s, evidence, action)
                self._open[key] = told[key] = replace(first, last_seen_s=now_s, evidence=evidence)
        heard = {forecast.machine for forecast in forecasts}
        for key, alert in list(self._open.items()):
            if key[0] in heard and now_s - alert.last_seen_s > CALM_S:
                told[key] = replace(alert, cleared_s=now_s)
                del self._open[key]
        return list(told.values())


def _risks(forecast: Forecast) -> list[tuple[str, Severity, str, str]]:
    """(kind, severity, evidence, action) of what in a forecast asks a person to look."""
    found: list[tuple[str, Severity, str, str]] = []
    if forecast.outcome.kind != "ok":
        found.append(
            (forecast.outcome.kind, "low", _evidence(forecast.outcome), "no forecast to rely on here: watch the signal")
        )
    if forecast.regime == "keyhole" and (forecast.keyhole_number or 0.0) > DEEP_KEYHOLE:
        found.append(
            (
                "keyhole",
                "medium",
                f"keyhole number {forecast.keyhole_number:.1f}",
                "a keyhole so deep may leave pores: lower the power or raise the speed",
            )
        )
    return found


def _evidence(outcome: Outcome) -> str:
    """An outcome as a person says it: `scan speed 0.0056 m/s below the trained range`."""
    if outcome.kind != "outside_envelope" or not outcome.by:
        return str(outcome)
    side = "above" if outcome.by > 0 else "below"
    return f"{outcome.which} {abs(outcome.by):.3g} {outcome.unit}".rstrip() + f" {side} the trained range"


def _process(build: Build) -> tuple[Process | None, str]:
    """The process that a build names, or why there is none."""
    try:
        alloy = material(build.material)
        return Process(
            alloy, build.beam_diameter_m, build.preheat_k, build.absorptivity, layer_thickness_m=build.layer_thickness_m
        ), ""
    except UnknownMaterialError:
        return None, f"alloy {build.material}, which has no properties here"
    except ValueError as error:
        return None, str(error)


def _unusable(place: Place, operator: Operator, now_s: float) -> Forecast:
    """A window of a build that nothing can be said about: kept, and why."""
    window = place.window
    return Forecast(
        machine=window.machine,
        build=window.build,
        layer=window.layer,
        frame=window.index,
        time_s=window.end_s,
        issued_s=now_s,
        sent_s=window.sent_s,
        operator=operator.card["name"],
        outcome=Outcome("outside_envelope", place.unusable),
        regime=None,
        keyhole_number=None,
        laser_on=place.beam_power_w > 0,
    )


def _name(window: Window) -> str:
    return f"{window.machine}/{window.build}/{window.layer}"


def _power_and_speed(path: Path) -> tuple[float, float]:
    """Largest power in a window, and the scan speed while the laser is on."""
    steps_s = np.diff(path.time_s)
    on = path.beam_power_w[:-1] > 0
    if not on.any():
        return 0.0, 0.0
    travelled = np.hypot(np.diff(path.x_m), np.diff(path.y_m))[on].sum()
    span = steps_s[on].sum()
    return float(path.beam_power_w[:-1].max()), float(travelled / span) if span > 0 else 0.0


def _held(path: Path, end_s: float) -> Path:
    """The path that goes on as it was."""
    last = len(path.time_s) - 1
    before = max(last - 1, 0)
    span = path.time_s[last] - path.time_s[before]
    ratio = (end_s - path.time_s[last]) / span if span > 0 else 0.0
    ends = [
        np.array([values[last], values[last] + ratio * (values[last] - values[before])])
        for values in (path.x_m, path.y_m, path.z_m)
    ]
    x_m, y_m, z_m = ends
    return Path(np.array([path.time_s[last], end_s]), x_m, y_m, z_m, np.full(2, path.beam_power_w[before]))


def _from_now(observed: Path, plan: Path) -> Path:
    """The plan, begun where the beam is."""
    later = plan.time_s > observed.time_s[-1]
    held = plan.beam_power_w[max(int(np.searchsorted(plan.time_s, observed.time_s[-1], side="right")) - 1, 0)]
    columns = [np.concatenate([[mine[-1]], values[later]]) for mine, values in zip(observed[:4], plan[:4], strict=True)]
    time_s, x_m, y_m, z_m = columns
    return Path(time_s, x_m, y_m, z_m, np.concatenate([[held], plan.beam_power_w[later]]))


def _until(path: Path, end_s: float) -> Path:
    """The part of a path up to end_s; it stands still, laser off, where it ends earlier."""
    before = path.time_s < end_s
    if not math.isfinite(end_s) or not before.any():
        return path
    last = int(before.sum()) - 1
    ends = [np.interp(end_s, path.time_s, values) for values in path[1:4]]
    columns = [np.append(values[before], end) for values, end in zip(path[:4], [end_s, *ends], strict=True)]
    ended = end_s > path.time_s[-1]
    power = path.beam_power_w[before].copy()
    if ended:
        power[last] = 0.0
    time_s, x_m, y_m, z_m = columns
    return Path(time_s, x_m, y_m, z_m, np.append(power, 0.0 if ended else path.beam_power_w[last]))
