"""What the loop does when it cannot go on as it should: the store is away, too much waits, a second twin listens."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deploy.batch import Batch
from deploy.lag import Lag
from deploy.patience import RETRY_MAX_S
from deploy.run import RunLoop
from deploy.session import drain
from ingest.order import Order
from ingest.source import Delivery, FakeSource
from tests.deploy.fakes import FRAME_S, advance, message, stretch
from twin.clock import FakeClock
from twin.forecast import Alert
from twin.observation import Layer, State
from twin.store.fake.store import FakeStore
from twin.store.port import Step, StoreUnavailableError, Written


class AwayStore:
    """A store that is away while `away()` says so: nothing of a step is kept then."""

    def __init__(self, away: Callable[[], bool]) -> None:
        self._store, self._away = FakeStore(), away
        self.asked = 0

    def _need(self) -> None:
        self.asked += 1
        if self._away():
            raise StoreUnavailableError("the database does not answer")

    def __getattr__(self, name: str) -> Any:
        if name in ("messages", "births", "next_frame"):
            self._need()
        return getattr(self._store, name)

    def write(self, step: Step) -> Written:
        self._need()
        return self._store.write(step)


def run_loop(source: Any, store: Any, clock: FakeClock, batch: Batch | None = None, **order: Any) -> RunLoop:
    return RunLoop(source, Order(kept=store, **order), advance, store, clock, batch or Batch(3, 0.0, backlog=None))


def frames(store: Any) -> list[tuple[object, ...]]:
    rows = store.melt_pool("m1")
    return list(rows[["frame", "layer", "time_s", "length_m", "x_m"]].itertuples(index=False, name=None))


def undisturbed() -> FakeStore:
    source, store = FakeSource(stretch()), FakeStore()
    run = run_loop(source, store, FakeClock(100.0))
    while run.turn() or not source.exhausted:
        pass
    run.finish()
    return store


@pytest.mark.parametrize("from_s", [100.0, 100.05, 100.3])
def test_a_store_that_is_away_is_waited_for_and_nothing_is_acknowledged_meanwhile(from_s: float) -> None:
    clock = FakeClock(100.0)
    source = FakeSource(stretch())
    store = AwayStore(lambda: from_s <= clock.now_s() < from_s + 40.0)
    run = run_loop(source, store, clock)
    said, waited = [], 0
    while run.turn() or run.waits or not source.exhausted:
        clock.sleep_s(0.05)
        if run.waits:
            waited += 1
            said.append(run.waits["store"])
            assert len(source._unacknowledged) <= 3, "nothing more is taken than the step in hand"
    run.finish()
    assert "does not answer" in said[0]
    assert waited > 10
    assert store.asked < 200, "tries become rare"
    assert clock.now_s() < from_s + 40.0 + RETRY_MAX_S + 5.0
    assert frames(store._store) == frames(undisturbed())
    assert run.tally.duplicates_absorbed == 0
    assert not source._unacknowledged
    kept = store._store.alerts()
    assert kept[["kind", "machine"]].values.tolist() == [["store", "m1"]]
    assert kept["evidence"][0].startswith("the database did not answer for 4")


def test_a_turn_stays_short_while_the_store_is_away() -> None:
    clock = FakeClock(0.0)
    run = run_loop(FakeSource(stretch()), AwayStore(lambda: True), clock)
    took = []
    for _ in range(50):
        began_s = clock.now_s()
        assert run.turn() == 0
        took.append(clock.now_s() - began_s)
    assert max(took) <= 0.1001


def test_a_drain_waits_for_a_store_that_is_away_but_not_after_a_stop() -> None:
    clock = FakeClock(0.0)
    store = AwayStore(lambda: clock.now_s() < 100.0)
    run = run_loop(FakeSource(stretch()), store, clock)
    drain(run, 23, clock)
    assert store.counts()["observations"] == 23
    stopped = run_loop(FakeSource(stretch()), AwayStore(lambda: True), clock)
    began_s = clock.now_s()
    drain(stopped, 23, clock, stop=lambda: True)
    assert clock.now_s() - began_s < 11.0


def test_two_twins_on_one_stream_leave_what_one_would() -> None:
    """A session that goes to and fro: each message reaches one of two loops, and some, unacknowledged, both."""
    told = stretch(200)
    store, clock = FakeStore(), FakeClock(100.0)
    sources = [FakeSource([], ends=False), FakeSource([], ends=False)]
    twins = [run_loop(source, store, clock, Batch(500, 0.0, backlog=None), patience=8) for source in sources]
    for begin in range(0, len(told), 7):
        mine = (begin // 7) % 2
        both = told[max(begin - 3, 0) : begin + 7]  # the other had not acknowledged three
        sources[mine]._ready.extend(FakeSource(both)._ready)
        twins[mine].turn()
        clock.sleep_s(0.1)
    for twin in twins * 2:
        clock.sleep_s(3.0)
        twin.turn()
    one = FakeStore()
    alone = run_loop(FakeSource(told), one, clock)
    while alone.turn():
        pass
    assert frames(store) == frames(one)
    assert store.counts()["observations"] == len(told)
    assert store.counts()["gaps"] == store.counts()["conflicts"] == 0
    assert sum(twin.tally.duplicates_absorbed for twin in twins) == store.counts()["duplicates"] > 50


class SentAgo:
    """A source whose full batches never come, and whose messages were sent so long ago."""

    def __init__(self, source: FakeSource, clock: FakeClock, ago_s: Callable[[int], float]) -> None:
        self._source, self._clock, self._ago_s = source, clock, ago_s
        self._taken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        self._clock.sleep_s(0.1)
        taken = []
        for delivery in self._source.take(max_messages - 1, timeout_s):
            sent_s = self._clock.now_s() - self._ago_s(self._taken)
            payload = json.dumps(json.loads(delivery.payload) | {"sent_s": sent_s}).encode()
            taken.append(delivery._replace(payload=payload))
            self._taken += 1
        return taken


def live(messages: int, origin: Any = "live") -> list[tuple[str, bytes]]:
    state = State(source="s", sequence=0, time_s=0, status="online", origin=origin)
    return [message("state", state), *stretch(messages)[1:]]


def test_of_too_many_frames_the_newest_are_forecast_and_the_others_counted() -> None:
    source, store = FakeSource(live(300)), FakeStore()
    run = run_loop(source, store, FakeClock(100.5), Batch(1000, 0.0, backlog=32))
    run.turn()
    run.finish()
    tally, counts = run.tally, store.counts()
    assert (tally.windows, tally.frames_forecast, tally.skipped) == (300, 32, 268)
    assert tally.windows == tally.frames_forecast + tally.withheld + tally.skipped
    assert (counts["forecasts"], counts["skipped"], counts["observations"]) == (32, 268, 303)
    assert counts["samples"] == 1200, "no parameters are dropped"
    assert sorted(store.melt_pool("m1")["frame"]) == list(range(268, 300))
    (row,) = store.skipped("m1").itertuples(index=False)
    assert (row.first_frame, row.last_frame) == (0, 267)


def test_a_full_batch_is_caught_up_with_by_its_newest_frame() -> None:
    source, store = FakeSource(live(300)), FakeStore()
    run = run_loop(source, store, FakeClock(100.5), Batch(50, 0.0))
    while run.turn() or not source.exhausted:
        pass
    assert run.tally.frames_forecast < 30
    assert run.tally.frames_forecast + run.tally.skipped == run.tally.windows == 300


def test_messages_that_wait_longer_and_longer_are_caught_up_with_by_the_newest_frame() -> None:
    """A broker that holds the rest back never fills a batch: how old messages are says that more waits."""
    told = [(topic, payload) for topic, payload in live(300)]
    source, store, clock = FakeSource(told), FakeStore(), FakeClock(1000.0)
    run = run_loop(source, store, clock, Batch(20, 0.0, backlog=32, behind_s=2.0))
    run._source = SentAgo(source, clock, lambda taken: 0.05 * taken if taken < 160 else 0.2)
    while run.turn() or not source.exhausted:
        pass
    late = store.skipped("m1")
    assert run.tally.frames_forecast + run.tally.skipped == run.tally.windows == 300
    assert late["first_frame"].min() >= 20, "at first all is on time"
    assert late["last_frame"].max() <= 170, "and again at the end"
    assert run.tally.skipped > 80


def test_a_clock_that_is_set_back_is_not_a_lag_and_what_is_said_again_is() -> None:
    def meet(lag: Lag, sequence: int, sent_s: float, now_s: float) -> float:
        message = Layer(source="s", sequence=sequence, time_s=0.0, sent_s=sent_s, build="b", layer=1)
        lag.meet("m", sent_s, now_s, message)
        return lag.of("m")

    lag = Lag()
    for second in range(100):
        meet(lag, second, float(second), second + 0.01)
    assert meet(lag, 50, 50.0, 100.0) == pytest.approx(49.99), "an earlier sequence: it was held back"
    assert meet(lag, 100, 96.0, 100.01) == 0.0
    assert meet(lag, 101, 97.0, 103.01) == pytest.approx(2.0), "and from there on it is measured as ever"


def test_a_clock_that_is_off_is_not_a_lag() -> None:
    lag = Lag()
    for second in range(300):
        lag.meet("m", second - 7200.0, float(second))
        assert lag.of("m") == 0.0
    lag.meet("m", 300.0 - 7200.0, 303.0)
    assert lag.of("m") == pytest.approx(3.0)
    assert lag.of("n") == 0.0
    assert lag.behind("m", 2.0)
    lag.meet("m", 300.5 - 7200.0, 302.0)
    assert lag.of("m") == pytest.approx(1.5)
    assert lag.behind("m", 2.0), "it has not caught up"
    lag.meet("m", 302.5 - 7200.0, 302.6)
    assert not lag.behind("m", 2.0)
    for second in range(301, 500):  # the clock was put right: a step, which is a lag for two minutes at most
        lag.meet("m", second - 3600.0 - 7200.0, float(second))
    assert lag.of("m") == 0.0


def test_a_replay_skips_nothing() -> None:
    source, store = FakeSource(live(300, "replay")), FakeStore()
    run = run_loop(source, store, FakeClock(100.5), Batch(50, 0.0, backlog=4))
    while run.turn() or not source.exhausted:
        pass
    assert (run.tally.frames_forecast, run.tally.skipped) == (300, 0)


def test_a_restart_forecasts_no_frame_that_was_skipped_and_skips_none_twice() -> None:
    told = live(300)
    source, store = FakeSource(told), FakeStore()
    run_loop(source, store, FakeClock(100.5), Batch(200, 0.0, backlog=8)).turn()
    before = store.counts()
    again = run_loop(source, store, FakeClock(101.0), Batch(200, 0.0, backlog=8))
    again.resume()
    assert store.counts() == before
    while again.turn() or not source.exhausted:
        pass
    counts = store.counts()
    assert counts["forecasts"] + counts["skipped"] == 300


def test_alerts_of_an_earlier_run_go_on_and_are_cleared() -> None:
    store = FakeStore()
    old = Alert("m1", "b", "gap", "low", 1, None, None, 50.0, 60.0, "then", "look")
    mine = replace(old, kind="keyhole")
    store.write(Step(alerts=[old, mine], received_s=60.0))
    taken_up: list[Alert] = []
    source = FakeSource(stretch())
    run = RunLoop(source, Order(), advance, store, FakeClock(100.0), Batch(3, 0.0), take_up=taken_up.extend)
    run.resume()
    while run.turn():
        pass
    assert taken_up == [mine]
    rows = store.alerts().set_index("kind")
    assert rows.loc["gap", "cleared_s"] == 100.0
    assert rows.loc["gap", "first_seen_s"] == 50.0


def test_the_times_of_a_resumed_step_are_whole_numbers_of_frames() -> None:
    rows = frames(undisturbed())
    assert [row[0] for row in rows] == list(range(20))
    assert rows[0][2] == pytest.approx(FRAME_S)


def test_a_locked_file_is_a_store_that_is_away(tmp_path: Any) -> None:
    """With real SQLite: another program holds the file; the step waits and is then committed once."""
    from twin.store.sql.store import SqlStore

    path = tmp_path / "a.db"
    store = SqlStore.create(f"sqlite:///{path}")
    clock, source = FakeClock(100.0), FakeSource(stretch())
    run = run_loop(source, store, clock)
    run.turn()
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert run.turn() == 0
    assert "store" in run.waits
    other.execute("ROLLBACK")
    other.close()
    clock.sleep_s(20.0)
    while run.turn() or not source.exhausted:
        clock.sleep_s(1.0)
    run.finish()
    assert frames(store) == frames(undisturbed())
    store.close()


class _Slow:
    """A twin that takes a while for each frame that it forecasts, by the clock of the test."""

    def __init__(self, clock: FakeClock, frame_s: float) -> None:
        self._clock, self._frame_s = clock, frame_s
        self.newest: list[int] = []

    def __call__(self, windows: Any, context_of: Any, now_s: float) -> Any:
        told, alerts = advance(windows, context_of, now_s)
        self._clock.sleep_s(self._frame_s * len(told))
        self.newest += [max(forecast.frame for forecast in told)] if told else []
        return told, alerts


class _Machine(FakeSource):
    """Says a message every `every_s` of the clock, and at most `in_flight` that are not acknowledged."""

    def __init__(self, told: list[tuple[str, bytes]], clock: FakeClock, every_s: float, in_flight: int) -> None:
        super().__init__(told)
        self._clock, self._every_s, self._in_flight = clock, every_s, in_flight
        self._given, self._began_s = 0, clock.now_s()
        self.most_held = 0

    def take(self, max_messages: int, timeout_s: float) -> Any:
        self._clock.sleep_s(timeout_s)
        said = int((self._clock.now_s() - self._began_s) / self._every_s) + 3
        room = min(max_messages, said - self._given, self._in_flight - len(self._unacknowledged))
        taken = super().take(max(room, 0), timeout_s)
        self._given += len(taken)
        self.most_held = max(self.most_held, len(self._unacknowledged))
        return taken


def test_a_slow_operator_is_never_far_behind_and_holds_little() -> None:
    """A hundred frames a second, and an operator that takes a tenth of a second for one: of ten thousand frames it
    forecasts few, always the newest, all parameters are kept, and what waits here stays bounded."""
    clock, store = FakeClock(100.0), FakeStore()
    source = _Machine(live(10_000), clock, every_s=0.01, in_flight=400)
    twin = _Slow(clock, frame_s=0.1)
    run = RunLoop(source, Order(kept=store), twin, store, clock, Batch(200, 0.05, backlog=8))
    behind = []
    while run.turn() or not source.exhausted:
        if twin.newest:
            behind.append((clock.now_s() - source._began_s) / 0.01 - twin.newest[-1])
    tally, counts = run.tally, store.counts()
    assert tally.windows == 10_000 == tally.frames_forecast + tally.skipped
    assert counts["samples"] == 4 * 10_000
    assert counts["skipped"] == tally.skipped
    assert 0.05 < tally.frames_forecast / 10_000 < 0.2
    assert max(behind) < 200, "frames: the newest forecast is never older than two seconds"
    assert source.most_held <= 400
    assert len(run._taken) + len(run._arrived) == 0
