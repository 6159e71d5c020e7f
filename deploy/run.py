"""The run loop: the one consumer, from deliveries to committed rows.

    take a batch -> decode -> births -> order -> Twin.advance -> Store.write -> acknowledge

A batch is acknowledged only after the transaction that holds everything it caused. A crash before the commit leaves
no trace and the broker sends again; a crash between the two makes duplicates, which the store's keys absorb.

A store that is away is waited for: the step in hand is tried again, ever more rarely, nothing more is taken, and the
broker holds the rest. Each turn stays short, so that Ctrl-C is heard; `waits` says what is waited for. A message or a
window on which the program itself fails stops nothing else (`deploy/culprits.py`).

When more waits than can be forecast, the newest is preferred (`Batch`): parameters are all kept, frames that got no
forecast are counted as skipped. A replay skips nothing.
"""

import gc
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, Protocol, TypeVar

from deploy.advance import Advance
from deploy.batch import Batch, ranges
from deploy.culprits import LetGo, Tries, advanced, passed, payload_of, without_refused
from deploy.lag import Lag
from deploy.patience import Patience
from deploy.poison import MOST, Poison
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
from twin.forecast import Alert
from twin.observation import Build, Observation, Rejected, State, Window, stands_over
from twin.store.port import Step, Store, StoreRefusedError, StoreUnavailableError, Written
from twin.watch import Watch

_Said = Observation | Rejected | Act | None
_Result = TypeVar("_Result")
_Item = tuple[Delivery | None, _Said]  # what is read, and what to acknowledge with it
RESUMED_WINDOWS = 500  # at a time, when a layer is taken up again,
RESUMED_S = 1.0  # of no more wall time than this
NAP_S = 0.1


def settle() -> None:
    """What is there after the warm-up stays: Python's collector need not look at it again and again, which costs a
    third of the time of ingest in a process that has loaded torch. What is made from here on is still collected."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Heard(Protocol):
    """Is told of each committed step, and how long the twin and the store took. It may not fail."""

    def __call__(self, step: Step, written: Written, forecast_s: float, commit_s: float) -> None: ...


def _by_nobody(step: Step, written: Written, forecast_s: float, commit_s: float) -> None:
    return None


@dataclass
class _Work:
    """A step that is worked out and not committed yet."""

    step: Step
    windows: list[Window] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    tallied: bool = True
    forecast_s: float = 0.0  # what the twin has taken


class _Moments:
    """When each frame of a layer was forecast, by an earlier run."""

    def __init__(self, issued_s: Mapping[int, float], next_frame: int) -> None:
        self._issued_s = issued_s
        self._next_frame = next_frame
        self._last_s = min(issued_s.values(), default=None)

    def of(self, frame: int, now_s: float) -> float:
        """Now, if it has not been; that of the frame before it, if it was skipped."""
        if frame >= self._next_frame or self._last_s is None:
            return now_s
        self._last_s = self._issued_s.get(frame, self._last_s)
        return min(self._last_s, now_s)


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
        let_go: LetGo = lambda windows: None,
    ) -> None:
        """`take_up`, `let_go`: Twin's, for alerts that an earlier run left open, and for windows on which it failed.
        `tell`: called after each turn, with the time, when what it caused is committed. `answers`: what pages ask is
        answered between two turns (`deploy/answers.py`); gives the wall seconds that it took."""
        self._source = source
        self._order = order
        self._births = Births(store)
        self.advance = advance
        self._store = store
        self._clock = clock
        self._batch = batch or Batch()
        self._heard = heard
        self._take_up = take_up
        self._let_go = let_go
        self._watch = Watch()
        self._flood = Flood()
        self._tell = tell
        self._arrived: list[_Item] = []  # and not yet in the life of its source
        self._taken: deque[_Item] = deque()  # and not yet looked at
        self._more_waits = False
        self._lag = Lag()
        self._work: _Work | None = None
        self._patience = Patience()
        self._recovered: dict[str, str] = {}  # what was waited for before this step, for the record
        self._poison = Poison()
        self._reads, self._places, self._adds = Tries(), Tries(), Tries()
        self._sparkplug = sparkplug or Stage()
        self._answers = answers
        self._builds: dict[tuple[str, str], Observation] = {}
        self.states: dict[str, State] = {}  # the newest birth of each machine
        self._online: dict[str, Observation] = {}  # which say them
        self.tally = Tally()

    @property
    def waits(self) -> Mapping[str, str]:
        """What the loop waits for now, by kind (`broker`, `store`, `take_over`), and why; empty when all is well."""
        return ({"store": self._patience.why} if self._patience.why else {}) | self._line()

    def _line(self) -> dict[str, str]:
        trouble = self._source.trouble
        return {} if trouble is None else dict([trouble])

    def resume(self) -> None:
        """After a restart: take up the unfinished layers from what is committed, so that windows go on where they were;
        unfinished is also one that has ended, behind a message that was still waited for.

        What this forecasts again is written again, and the store keeps the first. Frames that were skipped stay so.
        Alerts that were open are updated and cleared from here on; what is looked at again is seen when it was seen
        then, so that a machine that is silent is not told of now. Rejects may be said again and then be readable.
        """
        now_s = self._clock.now_s()
        alerts = [_alert(row) for row in self._store.alerts(open_only=True, limit=10_000).to_dict("records")]
        lately = self._store.alerts(limit=10_000)
        over = lately[(lately["last_seen_s"] > now_s - SPAN_S) & lately["cleared_s"].notna()]
        self._flood.take_up([*alerts, *(_alert(row) for row in over.to_dict("records"))])
        self._watch.take_up(alerts)
        self._sparkplug.take_up(alerts)
        self._take_up([alert for alert in alerts if of_the_twin(alert.kind)])
        for row in self._store.rejects(limit=MOST).itertuples():
            if row.reingested_s != row.reingested_s:  # NaN: not yet
                self._poison.remember(row.topic, row.payload)
        layers = self._store.open_layers()
        passed = {layer: self._passed(*layer) for layer in layers}
        moments = {layer: _Moments(self._store.issued(*layer), self._store.next_frame(*layer)) for layer in layers}
        messages = chain.from_iterable(self._store.replay_messages(*layer) for layer in layers)
        windows: list[Window] = []
        began_s = at_s = now_s
        told: set[tuple[str, str, int]] = set()  # several layers of a machine have its state, build and plans in common
        for observation in messages:
            if observation.key in told:
                continue
            told.add(observation.key)
            self._remember(observation)
            closed = self._tried(self._adds, partial(self._order.resume, observation, now_s), observation)
            if isinstance(closed, Rejected):  # it is kept: it was taken before
                self._order.let_go(observation)
                continue
            for window in closed:
                layer = (window.machine, window.build, window.layer)
                seen_s = moments[layer].of(window.index, now_s) if layer in moments else now_s
                other = len(windows) > 0 and (
                    windows[-1].machine != window.machine or abs(seen_s - began_s) > RESUMED_S
                )
                if other or len(windows) >= RESUMED_WINDOWS:
                    self._rewrite(windows, at_s)
                    windows = []
                began_s, at_s = (began_s if windows else seen_s), seen_s
                skipped = any(first <= window.index <= last for first, last in passed.get(layer, ()))
                windows.append(replace(window, skipped=True) if skipped else window)
        self._rewrite(windows, at_s)
        for row in self._store.machines().itertuples():  # between two layers, where the broker has forgotten the build
            if isinstance(row.build, str) and (row.machine, row.build) not in self._builds:
                for observation in self._store.replay_messages(row.machine, row.build, 0):
                    if not isinstance(observation.message, State | Build):
                        break
                    self._remember(observation)
                    self._order.resume(observation, now_s)

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
        if now_s < self._patience.next_s:
            self._clock.sleep_s(min(NAP_S, self._patience.next_s - now_s))
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
            self._patience.put_off(str(error), self._clock.now_s())
            self.tally.store_tries += 1
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
        self._taken.extend(
            [
                (each, self._tried(self._places, partial(self._placed, item, now_s, each), item))
                for each, item in self._arrived
            ]
        )
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
                closed = self._tried(self._adds, partial(self._order.add, item, now_s), item)
                if isinstance(closed, Rejected):
                    self._order.let_go(item)
                    rejects.append(closed)
                    continue
                observations.append(item)
                self._remember(item)
                windows += closed
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
            read = partial(self._sparkplug.read, delivery.topic, delivery.payload, now_s)
            told = self._reads(read, delivery.topic, partial(bytes, delivery.payload))
            items: list[_Said] = [told] if isinstance(told, Rejected) else [*told] or [None]
            said += [(None, item) for item in items[:-1]] + [(delivery, items[-1])]
        return said + [(None, item) for item in self._sparkplug.tick(now_s)]

    def _placed(self, item: _Said, now_s: float, delivery: Delivery | None) -> _Said:
        if item is None or isinstance(item, Rejected):
            return item
        if isinstance(item, Act):
            known = self._store.alert_is_known(item.machine, item.build, item.kind, item.occurrence)
            return item if known or delivery is None else acks.unknown(delivery.topic, delivery.payload, item)
        self._lag.meet(item.machine, item.message.sent_s, now_s, item.message)
        observation = item if is_sparkplug(item.topic) else self._births.place(item, now_s)  # a birth says its life
        self._order.meet(observation)
        return observation

    def _tried(self, tries: Tries, do: Callable[[], _Result], item: _Said) -> _Result | Rejected:
        if not isinstance(item, Observation):
            return do()
        return tries(do, item.topic, partial(payload_of, item))

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
        machines = {window.machine for window in windows}
        replayed = {each for each in machines if self._replayed(each)}
        behind = {each for each in machines if self._lag.behind(each, self._batch.behind_s)}
        windows = self._batch.newest_first(windows, replayed, behind, self._more_waits)
        began_s = self._clock.now_s()
        forecasts, alerts, failed = advanced(self.advance, self._let_go, windows, self._context_of, now_s)
        made_s = self._clock.now_s()  # its own time counts: a page that shows now_s would claim a forecast in no time
        forecasts = [replace(forecast, issued_s=made_s) for forecast in forecasts]
        gaps, births = [*self._order.gaps(), *self._sparkplug.gaps()], self._births.noticed()
        alerts += self._sparkplug.alerts(now_s)
        self._order.signals(), self._order.frames()  # nobody asks for them yet: they must not pile up
        waits = {**self._recovered, **self._line()}
        doubled = self._order.doubled()
        alerts += self._watch.step(observations, windows, gaps, births, waits, now_s, failed, doubled)
        self._recovered = {}
        step = Step(
            observations,
            rejects,
            gaps,
            forecasts,
            self._flood.step(alerts, now_s),
            acts,
            births=births,
            skipped=list(ranges(passed(windows, failed), now_s)),
            reingested=self._poison.cured(observations, rejects),
            received_s=now_s,
        )
        return _Work(step, windows, taken, forecast_s=made_s - began_s)

    def _commit(self, work: _Work) -> int:
        step = work.step
        began_s = self._clock.now_s()
        said = (step.observations, step.rejects, step.forecasts, step.alerts, step.acts, step.gaps, step.births)
        if any((*said, step.skipped)):
            try:
                written = self._store.write(step)
            except StoreRefusedError:  # the rest of it is the next turn's
                self._work = replace(work, step=without_refused(self._store, step))
                return 0
            committed_s = self._clock.now_s()
            if work.tallied:
                self.tally.add(work.windows, step.forecasts, written, committed_s)
                self.tally.alerts.update(alert.kind for alert in step.alerts if alert.raised)
                self._heard(step, written, work.forecast_s, committed_s - began_s)
        self._poison.forget(step.reingested)
        self._sparkplug.ask()
        self._source.ack(work.deliveries)
        self.tally.messages_taken += len(work.deliveries)
        if recovered := self._patience.reached(self._clock.now_s()):
            self._recovered = {"store": recovered}
        self._work = None
        return len(work.deliveries)

    def _rewrite(self, windows: list[Window], at_s: float) -> None:
        """What was told of some windows, told again as at `at_s`, when they were forecast."""
        forecasts, alerts, _ = advanced(self.advance, self._let_go, windows, self._context_of, at_s)
        self._store.write(Step(forecasts=forecasts, alerts=self._flood.step(alerts, at_s), received_s=at_s))

    def _passed(self, machine: str, build: str, layer: int) -> list[tuple[int, int]]:
        """The ranges of frames of a layer that were skipped."""
        rows = self._store.skipped(machine, build, limit=100_000)
        mine = rows[rows["layer"] == layer]
        return list(zip(mine["first_frame"].tolist(), mine["last_frame"].tolist(), strict=True))

    def _remember(self, observation: Observation) -> None:
        message = observation.message
        if isinstance(message, Build):
            build = (observation.machine, message.build)
            if build not in self._builds or stands_over(observation, self._builds[build]):
                self._builds[build] = observation
        elif isinstance(message, State) and message.status == "online":
            known = self._online.setdefault(observation.machine, observation)
            if stands_over(observation, known):
                self._online[observation.machine], self.states[observation.machine] = observation, message

    def _context_of(self, machine: str, build: str) -> Build:
        message = self._builds[machine, build].message
        assert isinstance(message, Build)
        return message


def _alert(row: dict[Any, Any]) -> Alert:
    """An alert as it was written; a place that is not known comes from the table as NaN."""
    x_m, y_m = (None if value != value else float(value) for value in (row["x_m"], row["y_m"]))
    return Alert(
        row["machine"], row["build"], row["kind"], row["severity"], int(row["layer"]), x_m, y_m,
        row["first_seen_s"], row["last_seen_s"], row["evidence"], row["action"],
        cleared_s=None if row["cleared_s"] != row["cleared_s"] else float(row["cleared_s"]), count=int(row["count"]),
    )  # fmt: skip
