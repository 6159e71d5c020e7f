"""The run loop: the one consumer, from deliveries to committed rows.

    take a batch -> decode -> order -> Twin.advance -> Store.write -> acknowledge

A batch is acknowledged only after the transaction that holds everything it caused. A crash before the commit leaves
no trace and the broker sends again; a crash between the two makes duplicates, which the store's keys absorb.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from deploy.report import Tally
from ingest.decode import decode
from ingest.order import Order
from ingest.source import Delivery, Source
from twin.clock import Clock
from twin.forecast import Alert, Forecast
from twin.observation import Build, Observation, Rejected, State, Window
from twin.store.port import Step, Store

ContextOf = Callable[[str, str], Build]  # (machine, build) -> what stays constant in it
RESUMED_WINDOWS = 500  # at a time, when a layer is taken up again


class Advance(Protocol):
    """Twin.advance."""

    def __call__(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]: ...


@dataclass(frozen=True)
class Batch:
    """How much goes into one transaction."""

    messages: int = 500
    wait_s: float = 0.05
    windows: int = 128  # one message may close many; what is left of a batch waits for the next step


class RunLoop:
    """A turn is a transaction. What is taken and not looked at when it stops is not acknowledged: it comes again."""

    def __init__(
        self, source: Source, order: Order, advance: Advance, store: Store, clock: Clock, batch: Batch | None = None
    ) -> None:
        self._source = source
        self._order = order
        self._advance = advance
        self._store = store
        self._clock = clock
        self._batch = batch or Batch()
        self._taken: list[Delivery] = []  # and not yet looked at
        self._builds: dict[tuple[str, str], Build] = {}
        self.states: dict[str, State] = {}  # the newest birth of each machine
        self.tally = Tally()

    def resume(self) -> None:
        """After a restart: take up the unfinished layers from what is committed, so that windows go on where they were.

        What this forecasts again is written again, and the store keeps the first.
        """
        now_s = self._clock.now_s()
        layers = self._store.open_layers()
        messages = chain.from_iterable(self._store.replay_messages(*layer) for layer in layers)
        windows: list[Window] = []
        for observation in messages:
            self._remember(observation)
            windows += self._order.resume(observation, now_s)
            if len(windows) >= RESUMED_WINDOWS:
                self._rewrite(windows, now_s)
                windows = []
        self._rewrite(windows, now_s)

    def run(self, stop: Callable[[], bool], each_turn: Callable[[Tally], None] = lambda tally: None) -> None:
        """Turn until `stop()`. The step in hand is always finished: committed and acknowledged."""
        while not stop():
            self.turn()
            each_turn(self.tally)

    def turn(self) -> int:
        """One step: one transaction, then its acknowledgements. Returns how many messages it took."""
        if not self._taken:
            self._taken = self._source.take(self._batch.messages, self._batch.wait_s)
        now_s = self._clock.now_s()
        observations: list[Observation] = []
        rejects: list[Rejected] = []
        windows: list[Window] = []
        count = 0
        while count < len(self._taken) and len(windows) < self._batch.windows:
            item = decode(self._taken[count].topic, self._taken[count].payload)
            count += 1
            if isinstance(item, Rejected):
                rejects.append(item)
            else:
                observations.append(item)
                self._remember(item)
                windows += self._order.add(item, now_s)
        windows += self._order.tick(now_s)
        self._commit(observations, rejects, windows, now_s)
        self._source.ack(self._taken[:count])
        self._taken = self._taken[count:]
        self.tally.messages_taken += count
        return count

    def finish(self) -> None:
        """Nothing more will come: close the windows that are open, and commit them."""
        now_s = self._clock.now_s()
        self._commit([], [], self._order.finish(now_s), now_s)

    def _commit(
        self, observations: list[Observation], rejects: list[Rejected], windows: list[Window], now_s: float
    ) -> None:
        forecasts, alerts = self._advance(windows, self._context_of, now_s)
        made_s = self._clock.now_s()  # its own time counts: a page that shows now_s would claim a forecast in no time
        forecasts = [replace(forecast, issued_s=made_s) for forecast in forecasts]
        step = Step(observations, rejects, self._order.gaps(), forecasts, alerts, received_s=now_s)
        if observations or rejects or forecasts or alerts or step.gaps:
            written = self._store.write(step)
            self.tally.add(windows, forecasts, written, committed_s=self._clock.now_s())
            self.tally.alerts += sum(alert.raised for alert in alerts)

    def _rewrite(self, windows: list[Window], now_s: float) -> None:
        forecasts, alerts = self._advance(windows, self._context_of, now_s)
        self._store.write(Step(forecasts=forecasts, alerts=alerts, received_s=now_s))

    def _remember(self, observation: Observation) -> None:
        if isinstance(observation.message, Build):
            self._builds[observation.machine, observation.message.build] = observation.message
        elif isinstance(observation.message, State) and observation.message.status == "online":
            self.states[observation.machine] = observation.message

    def _context_of(self, machine: str, build: str) -> Build:
        return self._builds[machine, build]
