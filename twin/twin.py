"""Twin: a closed window in, a forecast and alerts out. Time is an argument: live, replay, simulation are one code."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from operators.operator import Look, Operator, Stream, Task
from twin import trust
from twin.forecast import Alert, Field, Forecast, Lead, MeltPool, Outcome, Severity
from twin.material import material
from twin.observation import Build, Path, Window
from twin.process import Process, keyhole_number, regime

ContextOf = Callable[[str, str], Build]


@dataclass(frozen=True)
class Place:
    """A window with what is constant around it, and the beam's power and scan speed in it."""

    window: Window
    build: Build
    process: Process
    beam_power_w: float
    scan_speed_m_per_s: float


class Twin:
    """Forecasts by `operator`; outside its envelope a window carries the `fallback`'s forecast, or none."""

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
        self._open: dict[tuple[str, str, str, int], Alert] = {}

    def advance(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]:
        """One step of every stream that has closed windows: place, judge, look, measure, tell, warn."""
        forecasts: list[Forecast] = []
        for places in self._by_stream(windows, context_of):
            self._turn_layer(places[0])
            outcomes = [self._judge(place) for place in places]
            operator = self._serving(outcomes)
            looks = self._look(places, operator)
            forecasts += self._tell(places, outcomes, looks, operator, now_s)
        return forecasts, self._warn(forecasts, now_s)

    def _by_stream(self, windows: Sequence[Window], context_of: ContextOf) -> list[list[Place]]:
        streams: dict[tuple[str, str, int], list[Place]] = defaultdict(list)
        for window in windows:
            build = context_of(window.machine, window.build)
            process = Process(material(build.material), build.beam_diameter_m, build.preheat_k, build.absorptivity)
            streams[window.machine, window.build, window.layer].append(
                Place(window, build, process, *_power_and_speed(window.path))
            )
        return list(streams.values())

    def _turn_layer(self, place: Place) -> None:
        """A new layer starts on a cold plate."""
        window = place.window
        key = (window.machine, window.build)
        if self._layers.get(key) == window.layer:
            return
        for operator in (self.operator, self.fallback):
            if operator is not None:
                operator.forget(_name(window))
        self._layers[key] = window.layer
        self._start_s[_name(window)] = window.start_s

    def _judge(self, place: Place) -> Outcome:
        if place.window.gap:
            missing = place.window.end_s - place.window.start_s
            return Outcome("stale", "parameters missing", missing, "s")
        envelope = self.operator.card.get("envelope")
        if envelope is None:
            return Outcome()
        return trust.outside(envelope, place.process, place.beam_power_w, place.scan_speed_m_per_s) or Outcome()

    def _serving(self, outcomes: list[Outcome]) -> Operator:
        """The operator, or where all of a step is outside its envelope and there is one, the fallback."""
        if self.fallback is not None and all(outcome.kind == "outside_envelope" for outcome in outcomes):
            return self.fallback
        return self.operator

    def _look(self, places: list[Place], operator: Operator) -> list[Look]:
        newest = places[-1]
        stream = Stream(
            _name(newest.window),
            newest.process.groups(),
            newest.process.peclet(newest.build.nominal_scan_speed_m_per_s),
        )
        observed = [self._rows(place, place.window.path) for place in places]
        ahead = [self._rows(newest, path) for path in self._ahead(newest)]
        return operator.step([Task(stream, observed, ahead)])[0]

    def _ahead(self, place: Place) -> list[Path]:
        """The planned path from now to each lead; without a plan the last power, speed and direction hold."""
        window, frame_s = place.window, place.build.frame_s
        ends = [window.end_s + lead * frame_s for lead in self._leads]
        plan = window.plan if window.plan is not None and len(window.plan.time_s) else _held(window.path, ends[-1])
        return [_until(_from_now(window.path, plan), end_s) for end_s in ends]

    def _rows(self, place: Place, path: Path) -> np.ndarray:
        """A path in the operators' units: rows (t, x, y, q)."""
        process, start_s = place.process, self._start_s[_name(place.window)]
        d = process.beam_diameter_m
        return np.stack(
            [
                (path.time_s - start_s) / process.time_s,
                path.x_m / d,
                path.y_m / d,
                path.beam_power_w * process.q(1.0),
            ],
            axis=1,
        )

    def _tell(
        self, places: list[Place], outcomes: list[Outcome], looks: list[Look], operator: Operator, now_s: float
    ) -> list[Forecast]:
        forecasts = []
        for number, (place, outcome) in enumerate(zip(places, outcomes, strict=True)):
            window = place.window
            mine = [(0.0, looks[number])]
            if place is places[-1]:
                mine += [
                    (lead * place.build.frame_s, look)
                    for lead, look in zip(self._leads, looks[len(places) :], strict=True)
                ]
            if outcome.kind != "non_finite":
                outcome = next((bad for _, look in mine if (bad := trust.finite(look.theta))), outcome)
            withheld = outcome.kind == "non_finite" or (outcome.kind != "ok" and operator is self.operator)
            number_ke = keyhole_number(place.process, place.beam_power_w, place.scan_speed_m_per_s)
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
                    regime=regime(number_ke) if on else None,
                    keyhole_number=number_ke if on else None,
                    laser_on=on,
                    leads=() if withheld else tuple(self._lead(place, operator, s, look) for s, look in mine),
                    fields=()
                    if withheld or window.index % self._snapshot_frames
                    else tuple(self._field(place, operator, s, look) for s, look in (mine[0], mine[-1])[: len(mine)]),
                )
            )
        return forecasts

    def _lead(self, place: Place, operator: Operator, lead_s: float, look: Look) -> Lead:
        d = place.process.beam_diameter_m
        sizes = operator.grid.sizes(look.theta, place.process.groups().solidus)
        return Lead(
            lead_s,
            place.window.end_s + lead_s,
            MeltPool(*(size * d for size in sizes)),
            look.x * d,
            look.y * d,
            place.beam_power_w,
        )

    def _field(self, place: Place, operator: Operator, lead_s: float, look: Look) -> Field:
        d, grid, process = place.process.beam_diameter_m, operator.grid, place.process
        return Field(
            grid.x * d,
            grid.y * d,
            grid.z * d,
            (process.preheat_k + process.temperature_k_rise * look.theta).astype(np.float32),
            process.material.solidus_k,
            process.material.boiling_k,
            look.heading,
            lead_s,
        )

    def _warn(self, forecasts: list[Forecast], now_s: float) -> list[Alert]:
        """Alerts raised or seen again in this step, one a key."""
        told: dict[tuple[str, str, str, int], Alert] = {}
        for forecast in forecasts:
            for kind, severity, evidence, action in _risks(forecast):
                x, y = (forecast.leads[0].x_m, forecast.leads[0].y_m) if forecast.leads else (0.0, 0.0)
                key = (forecast.machine, forecast.build, kind, forecast.layer)
                first = self._open[key].first_seen_s if key in self._open else now_s
                alert = Alert(
                    machine=forecast.machine,
                    build=forecast.build,
                    kind=kind,
                    severity=severity,
                    layer=forecast.layer,
                    x_m=x,
                    y_m=y,
                    first_seen_s=first,
                    last_seen_s=now_s,
                    evidence=evidence,
                    action=action,
                )
                self._open[key] = told[key] = alert
        return list(told.values())


def _risks(forecast: Forecast) -> list[tuple[str, Severity, str, str]]:
    """(kind, severity, evidence, action) of what in a forecast asks a person to look."""
    found: list[tuple[str, Severity, str, str]] = []
    if forecast.outcome.kind != "ok":
        found.append(
            (forecast.outcome.kind, "low", str(forecast.outcome), "no forecast to rely on here: watch the signal")
        )
    if forecast.regime == "keyhole":
        found.append(
            (
                "keyhole",
                "medium",
                f"keyhole number {forecast.keyhole_number:.1f}",
                "depth is underestimated here: lower the power or raise the speed",
            )
        )
    return found


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
