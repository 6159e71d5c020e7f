"""The run loop: the one consumer, from deliveries to committed rows.

    take a batch -> decode -> births -> order -> Twin.advance -> Store.write -> acknowledge

A batch is acknowledged only after the transaction that holds everything it caused. A crash before the commit leaves
no trace and the broker sends again; a crash between the two makes duplicates, which the store's keys absorb.

A store that is away is waited for: the step in hand is tried again, ever more rarely, nothing more is taken, and the
broker holds the rest. Each turn stays short, so that Ctrl-C is heard; `waits` says what is waited for.

When more waits than can be forecast, the newest is preferred (`Batch`): parameters are all kept, frames that got no
forecast are counted as skipped. A replay skips nothing.
"""

import gc
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Protocol

from deploy.lag import Lag
from deploy.report import Tally
from ingest import acks
from ingest.births import Births
from ingest.decode import decode
from ingest.order import Order
from ingest.source import Delivery, Source
from ingest.sparkplug.stage import Stage
from ingest.sparkplug.topics import is_sparkplug
from ingest.topics import OUT_KINDS, PEOPLE_KINDS, kind_of
from twin.alarms.acts import Act
from twin.alarms.flood import SPAN_S, Flood
from twin.alarms.kinds import of_the_twin
from twin.clock import Clock
from twin.forecast import Alert, Forecast
from twin.observation import Build, Observation, Rejected, Skipped, State, Window
from twin.store.packing import digest
from twin.store.port import Step, Store, StoreUnavailableError, Written
from twin.watch import Watch

_Said = Observation | Rejected | Act | None
_Item = tuple[Delivery | None, _Said]  # what is read, and what to acknowledge with it
ContextOf = Callable[[str, str], Build]  # (machine, build) -> what stays constant in it
RESUMED_WINDOWS = 500  # at a time, when a layer is taken up again
RETRY_S, RETRY_MAX_S = 0.25, 15.0  # between tries to reach a store that is away: doubled from the first to the last
NAP_S = 0.1
MAX_POISON = 2000


def settle() -> None:
    """What is there after the warm-up stays: Python's collector need not look at it again and again, which costs a
    third of the time of ingest in a process that has loaded torch. What is made from here on is still collected."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Advance(Protocol):
    """Twin.advance."""

    def __call__(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]: ...


class Opinions:
    """Several twins over the same windows, the one of record under no name. `took_s` adds up what each has taken, in
    wall seconds, and `windows` what all of them were given."""

    def __init__(self, twins: Mapping[str, Advance], clock: Clock) -> None:
        self._twins = dict(twins)
        self._clock = clock
        self.took_s = dict.fromkeys(self._twins, 0.0)
        self.windows = 0

    def __call__(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]:
        forecasts: list[Forecast] = []
        alerts: list[Alert] = []
        self.windows += len(windows)
        for name, advance in self._twins.items():
            begun_s = self._clock.now_s()
            told, warned = advance(windows, context_of, now_s)
            self.took_s[name] += self._clock.now_s() - begun_s
            forecasts += told
            alerts += warned
        return forecasts, alerts


class Heard(Protocol):
    """Is told of each committed step, and how long the twin and the store took. It may not fail."""

    def __call__(self, step: Step, written: Written, forecast_s: float, commit_s: float) -> None: ...


def _by_nobody(step: Step, written: Written, forecast_s: float, commit_s: float) -> None:
    return None


@dataclass(frozen=True)
class Batch:
    """How much goes into one transaction.

    `windows`: in a replay one message may close many; what is left of a batch waits for the next step. `backlog`: of a
    machine that is not replayed so many frames of a step are forecast, the newest; only the newest one while more
    waits behind it, as a full batch says or messages `behind_s` later than usual, until they no longer are; None: all.
    `most`: windows that one step holds in memory.
    """

    messages: int = 500
    wait_s: float = 0.05
    windows: int = 128
    backlog: int | None = 128
    behind_s: float = 3.0
    most: int = 8192


@dataclass
class _Work:
    """A step that is worked out and not committed yet."""

    step: Step
    windows: list[Window] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    tallied: bool = True
    forecast_s: float = 0.0  # what the twin has taken


class RunLoop:
    """A turn is a transaction. What is taken and not looked at when it stops is not acknowledged: it comes again."""

    def __init__(
        self,
        source: Source,
        order: Order,
        advance: Advance,
        store: Store,
        clock: Clock,
        batch: Batch | None = None,
        heard: Heard = _by_nobody,
        take_up: Callable[[Sequence[Alert]], None] = lambda alerts: None,
        sparkplug: Stage | None = None,
        tell: Callable[[float], object] = lambda now_s: None,
        answers: Callable[[], float | None] = lambda: None,
    ) -> None:
        """`take_up`: Twin.take_up, for the alerts that an earlier run left open. `tell`: called after each turn, with
        the time, when what it caused is committed. `answers`: what pages ask is answered between two turns
        (`deploy/answers.py`); gives the wall seconds that it took."""
        self._source = source
        self._order = order
        self._births = Births(store)
        self.advance = advance
        self._store = store
        self._clock = clock
        self._batch = batch or Batch()
        self._heard = heard
        self._take_up = take_up
        self._watch = Watch()
        self._flood = Flood()
        self._tell = tell
        self._arrived: list[_Item] = []  # and not yet in the life of its source
        self._taken: deque[_Item] = deque()  # and not yet looked at
        self._more_waits = False
        self._lag = Lag()
        self._work: _Work | None = None
        self._tries, self._retry_s, self._away = 0, -float("inf"), ""
        self._away_since_s = 0.0
        self._recovered: dict[str, str] = {}  # what was waited for before this step, for the record
        self._poison: dict[str, None] = {}  # digests of what was not readable so far, by topic and payload
        self._sparkplug = sparkplug or Stage()
        self._answers = answers
        self._builds: dict[tuple[str, str], Build] = {}
        self.states: dict[str, State] = {}  # the newest birth of each machine
        self.tally = Tally()

    @property
    def waits(self) -> Mapping[str, str]:
        """What the loop waits for now, by kind (`broker`, `store`, `take_over`), and why; empty when all is well."""
        return ({"store": self._away} if self._away else {}) | self._line()

    def _line(self) -> dict[str, str]:
        trouble = self._source.trouble
        return {} if trouble is None else dict([trouble])

    def resume(self) -> None:
        """After a restart: take up the unfinished layers from what is committed, so that windows go on where they were.

        What this forecasts again is written again, and the store keeps the first. Frames that were skipped stay so.
        Alerts that were open are updated and cleared from here on; rejects may be said again and then be readable.
        """
        now_s = self._clock.now_s()
        alerts = [_alert(row) for row in self._store.alerts(open_only=True, limit=10_000).to_dict("records")]
        lately = self._store.alerts(limit=10_000)
        over = lately[(lately["last_seen_s"] > now_s - SPAN_S) & lately["cleared_s"].notna()]
        self._flood.take_up([*alerts, *(_alert(row) for row in over.to_dict("records"))])
        self._watch.take_up(alerts)
        self._sparkplug.take_up(alerts)
        self._take_up([alert for alert in alerts if of_the_twin(alert.kind)])
        for row in self._store.rejects(limit=MAX_POISON).itertuples():
            if row.reingested_s != row.reingested_s:  # NaN: not yet
                self._remember_poison(row.topic, row.payload)
        layers = self._store.open_layers()
        passed = {layer: self._passed(*layer) for layer in layers}
        messages = chain.from_iterable(self._store.replay_messages(*layer) for layer in layers)
        windows: list[Window] = []
        for observation in messages:
            self._remember(observation)
            for window in self._order.resume(observation, now_s):
                frames = passed.get((window.machine, window.build, window.layer), ())
                skipped = any(first <= window.index <= last for first, last in frames)
                windows.append(replace(window, skipped=True) if skipped else window)
            if len(windows) >= RESUMED_WINDOWS:
                self._rewrite(windows, now_s)
                windows = []
        self._rewrite(windows, now_s)

    @property
    def late(self) -> int:
        """Messages that came after their sequence had been given up as a gap."""
        return self._order.counts().late

    def run(self, stop: Callable[[], bool], each_turn: Callable[[Tally], None] = lambda tally: None) -> None:
        """Turn until `stop()`. The step in hand is always finished, unless it waits for a store that is away."""
        while not stop():
            self.turn()
            each_turn(self.tally)

    def turn(self) -> int:
        """One step: one transaction, then its acknowledgements. Returns how many messages it committed.

        0 without a message, and while the store is away: then `waits` says so.
        """
        now_s = self._clock.now_s()
        if now_s < self._retry_s:
            self._clock.sleep_s(min(NAP_S, self._retry_s - now_s))
            return 0
        try:
            if self._work is None:
                self._work = self._work_out()
            committed = self._commit(self._work)
            self._tell(self._clock.now_s())
            if not self._more_waits:
                self._answer()
            return committed
        except StoreUnavailableError as error:
            self._put_off(str(error))
            return 0

    def _answer(self) -> None:
        took_s = self._answers()
        if took_s is not None:
            self.tally.answers_s.append(took_s)

    def finish(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Nothing more will come: close the windows that are open, and commit them, unless `stop()` while it waits."""
        while self._work is not None and not stop():
            self.turn()
        if self._work is None:
            now_s = self._clock.now_s()
            self._work = self._step([], [], self._order.finish(now_s), [], now_s)
        while self._work is not None and not stop():
            self.turn()

    def _work_out(self) -> _Work:
        """Everything that the next messages cause. Where the store is asked and is away, nothing has changed yet."""
        if not self._taken and not self._arrived:
            deliveries = self._source.take(self._batch.messages, self._batch.wait_s)
            self._more_waits = len(deliveries) >= self._batch.messages
            self._arrived = self._read(deliveries, self._clock.now_s())
        now_s = self._clock.now_s()
        self._taken.extend([(each, self._placed(item, now_s, each)) for each, item in self._arrived])
        self._arrived = []
        observations: list[Observation] = []
        rejects: list[Rejected] = []
        acts: list[Act] = []
        windows: list[Window] = []
        taken: list[Delivery] = []
        while self._taken and not self._full(windows):
            delivery, item = self._taken.popleft()
            if delivery is not None:
                taken.append(delivery)
            if isinstance(item, Rejected):
                rejects.append(item)
            elif isinstance(item, Act):
                acts.append(item)
            elif item is not None:
                observations.append(item)
                self._remember(item)
                windows += self._order.add(item, now_s)
        windows += self._order.tick(now_s)
        return self._step(observations, rejects, windows, taken, now_s, acts)

    def _read(self, deliveries: list[Delivery], now_s: float) -> "list[_Item]":
        """What the deliveries say; each stands with the last of its items, so that it is acknowledged with that one."""
        said: list[_Item] = []
        for delivery in deliveries:
            kind = kind_of(delivery.topic)
            if kind in OUT_KINDS:  # our own words come back, since one filter hears all of a site
                said.append((delivery, None))
                continue
            if kind in PEOPLE_KINDS:
                said.append((delivery, acks.read_ack(delivery.topic, delivery.payload)))
                continue
            if not is_sparkplug(delivery.topic):
                said.append((delivery, decode(delivery.topic, delivery.payload, delivery.content_type)))
                continue
            items: list[_Said] = [*self._sparkplug.read(delivery.topic, delivery.payload, now_s)] or [None]
            said += [(None, item) for item in items[:-1]] + [(delivery, items[-1])]
        return said + [(None, item) for item in self._sparkplug.tick(now_s)]

    def _placed(self, item: _Said, now_s: float, delivery: Delivery | None) -> _Said:
        if item is None or isinstance(item, Rejected):
            return item
        if isinstance(item, Act):
            known = self._store.alert_is_known(item.machine, item.build, item.kind, item.occurrence)
            return item if known or delivery is None else acks.unknown(delivery.topic, delivery.payload, item)
        self._lag.meet(item.machine, item.message.sent_s, now_s)
        observation = item if is_sparkplug(item.topic) else self._births.place(item, now_s)  # a birth says its life
        self._order.meet(observation)
        return observation

    def _full(self, windows: list[Window]) -> bool:
        if len(windows) < self._batch.windows:
            return False
        all_told = self._batch.backlog is None
        replayed = sum(all_told or self._replayed(window.machine) for window in windows)
        return replayed >= self._batch.windows or len(windows) >= self._batch.most

    def _replayed(self, machine: str) -> bool:
        state = self.states.get(machine)
        return state is not None and state.origin == "replay"

    def _step(
        self,
        observations: list[Observation],
        rejects: list[Rejected],
        windows: list[Window],
        taken: list[Delivery],
        now_s: float,
        acts: Sequence[Act] = (),
    ) -> _Work:
        windows = self._newest_first(windows)
        began_s = self._clock.now_s()
        forecasts, alerts = self.advance(windows, self._context_of, now_s)
        made_s = self._clock.now_s()  # its own time counts: a page that shows now_s would claim a forecast in no time
        forecasts = [replace(forecast, issued_s=made_s) for forecast in forecasts]
        gaps, births = [*self._order.gaps(), *self._sparkplug.gaps()], self._births.noticed()
        alerts += self._sparkplug.alerts(now_s)
        self._order.signals(), self._order.frames()  # nobody asks for them yet: they must not pile up
        alerts += self._watch.step(observations, windows, gaps, births, {**self._recovered, **self._line()}, now_s)
        self._recovered = {}
        step = Step(
            observations,
            rejects,
            gaps,
            forecasts,
            self._flood.step(alerts, now_s),
            acts,
            births=births,
            skipped=list(_ranges(windows, now_s)),
            reingested=self._cured(observations, rejects),
            received_s=now_s,
        )
        return _Work(step, windows, taken, forecast_s=made_s - began_s)

    def _newest_first(self, windows: list[Window]) -> list[Window]:
        """Marks those as skipped that are too many. Of each machine the newest are forecast."""
        backlog = self._batch.backlog
        if backlog is None:
            return windows
        late = {each: self._lag.behind(each, self._batch.behind_s) for each in {window.machine for window in windows}}
        left = Counter[str]()
        marked: list[Window] = []
        for window in reversed(windows):
            left[window.machine] += 1
            most = 1 if self._more_waits or late[window.machine] else backlog
            skip = left[window.machine] > most and not self._replayed(window.machine)
            marked.append(replace(window, skipped=True) if skip else window)
        return marked[::-1]

    def _cured(self, observations: list[Observation], rejects: list[Rejected]) -> list[Rejected]:
        """Messages that can be read and are kept as rejects. They leave the memory when this is committed."""
        for reject in rejects:
            self._remember_poison(reject.topic, reject.payload)
        if not self._poison:
            return []
        said = (Rejected(each.topic, each.payload, "") for each in observations)
        return [each for each in said if _name(each.topic, each.payload) in self._poison]

    def _remember_poison(self, topic: str, payload: bytes) -> None:
        self._poison[_name(topic, payload)] = None
        if len(self._poison) > MAX_POISON:
            del self._poison[next(iter(self._poison))]

    def _commit(self, work: _Work) -> int:
        step = work.step
        began_s = self._clock.now_s()
        said = (step.observations, step.rejects, step.forecasts, step.alerts, step.acts, step.gaps, step.births)
        if any((*said, step.skipped)):
            written = self._store.write(step)
            committed_s = self._clock.now_s()
            if work.tallied:
                self.tally.add(work.windows, step.forecasts, written, committed_s)
                self.tally.alerts.update(alert.kind for alert in step.alerts if alert.raised)
                self._heard(step, written, work.forecast_s, committed_s - began_s)
        for reject in step.reingested:
            self._poison.pop(_name(reject.topic, reject.payload), None)
        self._sparkplug.ask()
        self._source.ack(work.deliveries)
        self.tally.messages_taken += len(work.deliveries)
        if self._tries:
            away_s = self._clock.now_s() - self._away_since_s
            self._recovered = {"store": f"the database did not answer for {away_s:.0f} s; {self._tries} tries"}
        self._work, self._tries, self._retry_s, self._away = None, 0, -float("inf"), ""
        return len(work.deliveries)

    def _put_off(self, why: str) -> None:
        now_s = self._clock.now_s()
        self._away_since_s = now_s if self._tries == 0 else self._away_since_s
        delay_s = min(RETRY_S * 2.0**self._tries, RETRY_MAX_S)
        self._tries += 1
        self._retry_s = now_s + delay_s
        waited_s = now_s - self._away_since_s
        self._away = f"{why} (for {waited_s:.0f} s, tried {self._tries} times, next in {delay_s:.2g} s)"
        self.tally.store_tries += 1

    def _rewrite(self, windows: list[Window], now_s: float) -> None:
        forecasts, alerts = self.advance(windows, self._context_of, now_s)
        self._store.write(Step(forecasts=forecasts, alerts=self._flood.step(alerts, now_s), received_s=now_s))

    def _passed(self, machine: str, build: str, layer: int) -> list[tuple[int, int]]:
        """The ranges of frames of a layer that were skipped."""
        rows = self._store.skipped(machine, build, limit=100_000)
        mine = rows[rows["layer"] == layer]
        return list(zip(mine["first_frame"].tolist(), mine["last_frame"].tolist(), strict=True))

    def _remember(self, observation: Observation) -> None:
        if isinstance(observation.message, Build):
            self._builds[observation.machine, observation.message.build] = observation.message
        elif isinstance(observation.message, State) and observation.message.status == "online":
            self.states[observation.machine] = observation.message

    def _context_of(self, machine: str, build: str) -> Build:
        return self._builds[machine, build]


def _name(topic: str, payload: bytes) -> str:
    return digest(topic.encode("utf-8", "replace"), payload)


def _ranges(windows: Sequence[Window], now_s: float) -> Iterator[Skipped]:
    """The frames that were skipped, as ranges without a hole."""
    begun: Skipped | None = None
    for window in windows:
        if not window.skipped:
            continue
        place = (window.machine, window.build, window.layer)
        if begun is not None and (begun.machine, begun.build, begun.layer, begun.last_frame + 1) == (
            *place,
            window.index,
        ):
            begun = replace(begun, last_frame=window.index)
            continue
        if begun is not None:
            yield begun
        begun = Skipped(*place, window.index, window.index, now_s)
    if begun is not None:
        yield begun


def _alert(row: dict[Any, Any]) -> Alert:
    """An alert as it was written; a place that is not known comes from the table as NaN."""
    x_m, y_m = (None if value != value else float(value) for value in (row["x_m"], row["y_m"]))
    return Alert(
        row["machine"], row["build"], row["kind"], row["severity"], int(row["layer"]), x_m, y_m,
        row["first_seen_s"], row["last_seen_s"], row["evidence"], row["action"],
        cleared_s=None if row["cleared_s"] != row["cleared_s"] else float(row["cleared_s"]), count=int(row["count"]),
    )  # fmt: skip
