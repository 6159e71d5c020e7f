"""Twin: a closed window in, a forecast and alerts out. Time is an argument: live, replay, simulation are one code."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from operators.operator import Look, Operator, Picture, Stream, Task
from twin import telling, trust
from twin.ahead import ahead, frames
from twin.alarms.alarms import Alarms
from twin.alarms.defects import Defects
from twin.alarms.kinds import FAULT, REFUSED
from twin.alarms.steady import steady_pool
from twin.budget import Budget
from twin.forecast import Alert, Field, Forecast, MeltPool, Outcome
from twin.observation import Build, Frame, Path, Window
from twin.place import (
    Place,
    departs,
    outside,
    placed,
    power_and_speed,
    process_of,
    setting,
    strayed,
    strays,
)
from twin.process import Process
from twin.promoted import Promoted
from twin.regime import keyhole_number, regime
from twin.sensors.following import Following, Gone
from twin.sensors.pairing import passed_on

ContextOf = Callable[[str, str], Build]
SLOW = "outside the trained range, and the reference could not keep up: no forecast for the rest of this layer"
SLOWEST_PECLET = 0.5  # below it the fallback's heat outruns its boxes


@dataclass(frozen=True)
class Retraced:
    """What an operator is told of the newest window of a stream: rows (t, x, y, q, depth, beam power in W) of each
    window, and of the plan up to each lead (frames). absorbs: the share that q has of what the rule says."""

    place: Place
    process: Process
    operator: Operator
    stream: Stream
    observed: list[np.ndarray]
    ahead: dict[int, np.ndarray]
    absorbs: float


@dataclass(frozen=True)
class Ahead:
    """What is forecast beyond the newest window: the path to each lead, s. `ends`: why there are no more."""

    leads_s: list[float]
    paths: list[Path]
    ends: str


@dataclass(frozen=True)
class Work:
    """The windows of one stream in one step, and who looks at them."""

    places: list[Place]
    process: Process
    operator: Operator
    task: Task
    ahead: Ahead
    judged: list[tuple[Outcome, str]]  # what is known of each window before anybody looks, and why


class Twin:
    """Forecasts by `operator`, or by the one of `operators` that a machine has, or by what people have `promoted` for
    it when a layer begins. A layer that is planned outside its envelope is forecast by the `fallback`, from its first
    window on, so that its heat is whole; any other window outside carries no forecast; so does the rest of a layer on
    which the fallback passes its `budget`. With an `opinion` its forecasts are second ones under that name, and it
    warns of nothing; operators may be shared with the twin of record."""

    def __init__(
        self,
        operator: Operator,
        fallback: Operator | None = None,
        *,
        operators: Mapping[str, Operator] | None = None,
        opinion: str = "",
        budget: Budget | None = None,
        horizon_frames: int = 8,
        snapshot_frames: int = 10,
        following: Following | None = None,
        promoted: Promoted | None = None,
    ) -> None:
        self._following = following or Following(deaf=bool(opinion))
        self._operator = operator
        self._fallback = fallback
        self._of_machine = dict(operators or {})
        self.promoted = promoted or Promoted()  # `look` is called between steps
        self._owner: dict[str, Operator] = {}  # whose a stream is, as long as it is inside that one's envelope
        self._opinion = opinion
        self._leads = sorted({max(1, round(horizon_frames * part)) for part in (0.25, 0.5, 1.0)})
        self._snapshot_frames = snapshot_frames
        self._layers: dict[tuple[str, str], int] = {}
        self._start_s: dict[str, float] = {}
        self._serving: dict[str, Operator] = {}
        self._alarms, self._defects = Alarms(), Defects(self._steady)
        self._followed: dict[str, trust.Followed] = {}
        self._behind: dict[str, trust.Behind] = {}
        self._budget = budget
        self._given_up: dict[str, Outcome] = {}

    def take_up(self, alerts: Sequence[Alert]) -> None:
        """Alerts that an earlier run left open: they are updated and cleared like those of this one."""
        self._following.take_up(alerts)
        self.promoted.take_up(alerts)
        self._alarms.take_up([a for a in alerts if not a.kind.startswith(FAULT) and a.kind != REFUSED])

    def let_go(self, windows: Sequence[Window]) -> None:
        """A step over these failed: their streams begin anew, with the next window, as after a layer's start."""
        for window in windows:
            self._forget(self._name(window))
            if self._layers.get((window.machine, window.build)) == window.layer:
                del self._layers[window.machine, window.build]

    def advance(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]:
        """One step of every stream that has closed windows: place, judge, look, measure, tell, warn."""
        forecasts: list[Forecast] = []
        works: list[Work] = []
        ended: list[str] = []
        for places in self._by_stream(passed_on(windows), context_of):
            process = places[-1].process
            if process is None:
                operator = self._own(places[0].window)
                kept = [place for place in places if not place.window.skipped]
                forecasts += [
                    replace(telling.unusable(place, operator, now_s), opinion=self._opinion) for place in kept
                ]
                continue
            ended += self._turn_layer(places[0], process, now_s)
            operator = self._serving[self._name(places[0].window)]
            kept = [place for place in places if not place.window.skipped]
            if (given_up := self._too_slow(places[-1].window, operator, now_s)) is not None:
                silent = [telling.withheld(place, operator, now_s, given_up) for place in kept]
                forecasts += [replace(each, opinion=self._opinion, evidence=SLOW) for each in silent]
                continue
            works.append(self._work(places, process, operator))
        for work, looks in self._looks(works):
            forecasts += self._following.compare(
                work.places, work.process, work.operator, self._tell(work, looks, now_s)
            )
        alerts: list[Alert] = []
        if not self._opinion:
            alerts = self._warn(forecasts, context_of, now_s) + self._following.alerts(forecasts, now_s)
        for stream in ended:
            self._forget(stream)
        return forecasts, alerts + self.promoted.alerts()

    def retrace(self, windows: Sequence[Window], context_of: ContextOf, absorbs: float = 1.0) -> Retraced:
        """What was told of the newest of these windows of one layer, when the metal was known to take up `absorbs` of
        what the rule says; nothing is looked at, and nothing changes. ValueError where nothing can be said about the
        build."""
        own = copy(self)
        own._layers, own._start_s, own._serving, own._owner = {}, {}, {}, {}
        own.promoted, own._following = self.promoted.aside(), Gone(absorbs)
        (places,) = own._by_stream(windows, context_of)
        newest, process = places[-1], places[-1].process
        if process is None:
            raise ValueError(newest.unusable)
        own._turn_layer(places[0], process, newest.window.sent_s or 0.0)
        name = own._name(newest.window)

        def told(path: Path) -> np.ndarray:
            return np.column_stack([own._rows(name, process, path), path.beam_power_w])

        observed = [told(place.window.path) for place in places]
        leads = dict(zip(own._leads, (told(path) for path in own._ahead(newest, process).paths), strict=False))
        stream = own._task([newest], process, []).stream
        return Retraced(newest, process, own._serving[name], stream, observed, leads, absorbs)

    @property
    def serving(self) -> list[Operator]:
        """Every operator that may forecast here, each once."""
        every = [self._operator, *self._of_machine.values(), *self._owner.values(), self._fallback]
        return list({id(operator): operator for operator in every if operator is not None}.values())

    def _own(self, window: Window) -> Operator:
        """The operator of a layer, as long as that is inside its envelope."""
        return self._owner.get(self._name(window)) or self._of_machine.get(window.machine, self._operator)

    def _name(self, window: Window) -> str:
        """Of a stream, as operators know it."""
        return self._stream(window.machine, window.build, window.layer)

    def _stream(self, machine: str, build: str, layer: int) -> str:
        return f"{self._kin(machine, build)}/{layer}"

    def _kin(self, machine: str, build: str) -> str:
        """Streams that share what is inferred: a build's. Those of a second opinion are others."""
        return (f"{self._opinion} on " if self._opinion else "") + f"{machine}/{build}"

    def _looks(self, works: list[Work]) -> list[tuple[Work, list[Look]]]:
        """Each operator takes one step, with the work of all its streams."""
        found: list[tuple[Work, list[Look]]] = []
        for operator in self.serving:
            mine = [work for work in works if work.operator is operator]
            if mine:
                begun_s = self._budget.now_s() if self._budget else 0.0
                found += zip(mine, operator.step([work.task for work in mine]), strict=True)
                if self._budget and operator is self._fallback:
                    self._budget.spend([work.task.stream.name for work in mine], self._budget.now_s() - begun_s)
        return found

    def _by_stream(self, windows: Sequence[Window], context_of: ContextOf) -> list[list[Place]]:
        streams: dict[tuple[str, str, int], list[Place]] = defaultdict(list)
        for window in windows:
            build = context_of(window.machine, window.build)
            streams[window.machine, window.build, window.layer].append(placed(window, build))
        return list(streams.values())

    def _turn_layer(self, place: Place, process: Process, now_s: float) -> list[str]:
        """A new layer starts on a cold plate, with the operator that may serve it to its end. Gives the stream that
        has ended."""
        window, build = place.window, place.build
        key = (window.machine, window.build)
        if self._layers.get(key) == window.layer:
            return []
        ended = [self._stream(*key, self._layers[key])] if key in self._layers else []
        self._layers[key] = window.layer
        self._start_s[self._name(window)] = window.start_s
        at_s = now_s if window.sent_s is None else window.sent_s
        promoted = None if self._opinion else self.promoted.begin(*key, window.layer, at_s, now_s)
        own = promoted or self._of_machine.get(window.machine, self._operator)
        self._owner[self._name(window)] = own
        planned = outside(own, process, build.nominal_beam_power_w, build.nominal_scan_speed_m_per_s)
        slow = process.peclet(build.nominal_scan_speed_m_per_s) < SLOWEST_PECLET
        fallback = self._fallback if planned is not None and not slow else None
        self._serving[self._name(window)] = fallback or own
        return ended

    def _too_slow(self, window: Window, operator: Operator, now_s: float) -> Outcome | None:
        """Whether the fallback is given up on a layer, now or before; its heat is then let go."""
        name = self._name(window)
        if self._budget is None or operator is not self._fallback or operator is self._own(window):
            return None
        if name in self._given_up:
            late_s = now_s - window.sent_s if window.sent_s is not None else 0.0
            return replace(self._given_up[name], by=max(late_s, 0.0))
        found = self._budget.over(name, window.sent_s, now_s)
        if found is not None:
            self._given_up[name] = found
            operator.forget(name)
        return found

    def _forget(self, stream: str) -> None:
        for operator in self.serving:
            operator.forget(stream)
        self._start_s.pop(stream, None)
        self._serving.pop(stream, None)
        self._owner.pop(stream, None)
        self._followed.pop(stream, None)
        self._behind.pop(stream, None)
        self._given_up.pop(stream, None)
        if self._budget:
            self._budget.forget(stream)

    def _followed_of(self, window: Window) -> trust.Followed:
        """What a stream departed from its plans by."""
        return self._followed.setdefault(self._name(window), trust.Followed())

    def _judge(self, place: Place, process: Process) -> tuple[Outcome, str]:
        """What is known of a window before anybody looks at it, and why."""
        window, own, name = place.window, self._own(place.window), self._name(place.window)
        told = place.beam_power_w, place.scan_speed_m_per_s
        found = outside(own, process, *told)
        evidence = "" if found is None else trust.said(own.card["envelope"], process, *told)
        astray = strayed(window.path, process)
        if self._serving[name] is not self._fallback and astray is None:  # what strays heats nothing
            behind = self._behind.setdefault(name, trust.Behind())
            found, evidence = behind.take(found, evidence, window.path, process.beam_diameter_m)
        if window.gap:
            return Outcome("stale", "parameters missing", window.end_s - window.start_s, "s"), ""
        if found is None or found.kind == "ok":
            return astray or window.told, ""
        return found, evidence

    def _work(self, places: list[Place], process: Process, operator: Operator) -> Work:
        planned = self._ahead(places[-1], process)
        judged = [(place, self._judge(place, process)) for place in places]  # of those that are skipped there is heat
        kept = [(place, each) for place, each in judged if not place.window.skipped]
        task = self._task(places, process, planned.paths)
        return Work([place for place, _ in kept], process, operator, task, planned, [each for _, each in kept])

    def _task(self, places: list[Place], process: Process, planned: list[Path]) -> Task:
        newest = places[-1]
        name = self._name(newest.window)
        peclet = process.peclet(newest.build.nominal_scan_speed_m_per_s)
        kin = self._kin(newest.window.machine, newest.window.build)
        surface, shape = process.surface(), process.beam_shape
        stream = Stream(name, process.groups(), peclet, surface, shape, process.scales(), kin)
        observed = self._observed(name, process, places)
        planned_rows = [self._rows(name, process, path) for path in planned]
        begin_s = self._start_s[name]
        pictures = [_picture(process, frame, begin_s) for frame in newest.window.frames if _readable(frame)]
        return Task(stream, observed, planned_rows, tuple(pictures))

    def _observed(self, name: str, process: Process, places: list[Place]) -> list[np.ndarray]:
        """A stretch for each window; one that is skipped is part of the next one's, so that its heat stays."""
        stretches: list[np.ndarray] = []
        passed: np.ndarray | None = None
        for place in places:
            rows = self._rows(name, process, place.window.path)
            passed = rows if passed is None else np.concatenate([passed[:-1], rows])
            if not place.window.skipped or place is places[-1]:
                stretches.append(passed)
                passed = None
        return stretches

    def _ahead(self, place: Place, process: Process) -> Ahead:
        """Up to each lead, as long as the plan stays inside the envelope of whoever looks; the fallback has none."""
        window, frame_s = place.window, place.build.frame_s
        leads_s = [] if window.skipped else [lead * frame_s for lead in self._leads]
        paths = ahead(window, leads_s) if leads_s else []
        if not paths or self._serving[self._name(window)] is self._fallback:
            return Ahead(leads_s, paths, "")
        number, what = departs(self._own(window), process, frames(paths[-1], frame_s))
        told = sum(lead <= number for lead in self._leads) if what else len(paths)
        when = f"{number} frames ahead" if number else "now"
        ends = f"planned from {when} on: {what}; no forecast of that" if what else ""
        return Ahead(leads_s[:told], paths[:told], ends)

    def _rows(self, name: str, process: Process, path: Path) -> np.ndarray:
        """A path in the operators' units: rows (t, x, y, q, depth). The rule for absorptivity and depth takes the power
        of each row and the mean scan speed of the path; what strays heats nothing."""
        start_s, d = self._start_s[name], process.beam_diameter_m
        kin = name.rpartition("/")[0]
        rows = np.zeros((len(path.time_s), 5))
        rows[:, 0] = (path.time_s - start_s) / process.time_s
        rows[:, 1], rows[:, 2] = path.x_m / d, path.y_m / d
        _, speed = power_and_speed(path)
        for power in np.unique(path.beam_power_w):
            source = process.source(float(power), speed)
            rows[path.beam_power_w == power, 3:] = self._following.q(kin, source), source.depth
        rows[:-1, 3][strays(path, process)] = 0.0
        return rows

    def _tell(self, work: Work, looks: list[Look], now_s: float) -> list[Forecast]:
        forecasts = []
        places, process, operator = work.places, work.process, work.operator
        d, solidus = process.beam_diameter_m, process.groups().solidus
        for number, place in enumerate(places):
            window, (known, because) = place.window, work.judged[number]
            outcome = known
            mine, powers_w, ends = [(0.0, looks[number])], [place.beam_power_w], ""
            if place is places[-1]:
                mine += zip(work.ahead.leads_s, looks[len(looks) - len(work.ahead.paths) :], strict=True)
                powers_w += [float(path.beam_power_w[-1]) for path in work.ahead.paths]
                ends = work.ahead.ends
            if outcome.kind == "ok":
                outcome = trust.residual(looks[number].defect) or outcome
            outcome = next((bad for _, look in mine if (bad := trust.finite(look.theta))), outcome)
            sizes = np.array([operator.grid.sizes(look.theta, solidus) for _, look in mine])
            held, cut, why = telling.held(operator.grid, sizes, d)
            if outcome.kind != "ok" or cut is None:
                cut = None
            elif held:  # it does now: leads end before it does no more
                ends = f"{why}, {mine[held][0]:.3g} s ahead; no forecast of that"
                mine, powers_w, sizes, cut = mine[:held], powers_w[:held], sizes[:held], None
            outcome = cut or outcome
            departed = self._followed_of(window).take(window.path, window.plan, d)
            judged_for = setting(place, process, self._own(window))
            told = trust.judged(operator.card, judged_for, [look for _, look in mine], sizes, outcome, departed)
            outcome, evidence = told.outcome, why if cut else told.evidence
            if outcome is known and because:
                evidence = because
            leads = zip(*zip(*mine, strict=True), powers_w, sizes, told.bands, strict=True)
            silent = outcome.kind in ("stale", "non_finite") or (
                outcome.kind == "outside_envelope" and operator is not self._fallback and not cut
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
                    opinion=self._opinion,
                    ledger_defect=looks[number].defect,
                    absorbed=telling.absorbed(place, process, looks[number]),
                    credibility=told.credibility,
                    strangest=told.strangest,
                    evidence="; ".join(filter(None, (evidence, "" if silent else ends))),
                    leads=() if silent else tuple(telling.lead(place, d, *each) for each in leads),
                    fields=() if silent else self._snapshots(place, process, operator, mine, now_s),
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
        return tuple(telling.field(place, process, operator, lead_s, look, now_s) for lead_s, look in kept)

    def _warn(self, forecasts: list[Forecast], context_of: ContextOf, now_s: float) -> list[Alert]:
        return self._alarms.step(
            ((each, self._defects.of(each, context_of(each.machine, each.build))) for each in forecasts), now_s
        )

    def _steady(self, forecast: Forecast, build: Build, absorbs: float) -> MeltPool | None:
        """What `Defects` holds the pools of a build against; None where the operator may not tell. The fallback, whose
        time is short, is not asked."""
        process, _ = process_of(build)
        nominal = (build.nominal_beam_power_w, build.nominal_scan_speed_m_per_s)
        stream = self._stream(forecast.machine, forecast.build, forecast.layer)
        operator = self._owner.get(stream) or self._of_machine.get(forecast.machine, self._operator)
        if process is None or forecast.operator != operator.card["name"]:
            return None
        if outside(operator, process, *nominal) or process.peclet(nominal[1]) < SLOWEST_PECLET:
            return None
        return steady_pool(operator, process, *nominal, absorbs)


def _readable(frame: Frame) -> bool:
    """Whether a picture tells a temperature around the beam."""
    return frame.quantity == "temperature_k" and frame.centre_from == "beam"


def _picture(process: Process, frame: Frame, begin_s: float) -> Picture:
    """A picture in the operators' units."""
    d = process.beam_diameter_m
    theta = (frame.picture().astype(np.float64) - process.preheat_k) / process.temperature_k_rise
    return Picture(
        (frame.time_s - begin_s) / process.time_s,
        theta,
        frame.pixel_m / d,
        process.theta(frame.sensor_min),
        process.theta(frame.sensor_max),
        frame.x_m / d,
        frame.y_m / d,
        frame.rotation_rad,
    )
