"""The run loop's laws: acknowledged after the commit, nothing lost, nothing twice, and a restart changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.batch import Batch
from deploy.run import RunLoop
from ingest.order import Order
from ingest.source import FakeSource
from tests.deploy.fakes import advance, message, stretch
from twin.clock import FakeClock
from twin.observation import State
from twin.store.fake.store import FakeStore
from twin.store.port import Step, Written
from twin.store.sql.store import SqlStore


class CrashError(RuntimeError):
    """Power off."""


class CrashingStore:
    """A store that crashes at one write: before it, or after it has committed."""

    def __init__(self, at: int, after_commit: bool) -> None:
        self._store, self._left, self._after_commit = FakeStore(), at, after_commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, step: Step) -> Written:
        self._left -= 1
        if self._left == 0 and not self._after_commit:
            raise CrashError
        written = self._store.write(step)
        if self._left == 0:
            raise CrashError
        return written


def loop(source: FakeSource, store: Any, messages: int = 3) -> RunLoop:
    return RunLoop(source, Order(), advance, store, FakeClock(100.5), Batch(messages, 0.0, backlog=None))


def drain(run: RunLoop, source: FakeSource) -> None:
    while run.turn() or not source.exhausted:
        pass
    run.finish()


def frames(store: Any) -> list[tuple[object, ...]]:
    rows = store.melt_pool("m1")
    return list(rows[["frame", "layer", "time_s", "length_m", "x_m"]].itertuples(index=False, name=None))


def uninterrupted() -> FakeStore:
    source, store = FakeSource(stretch()), FakeStore()
    drain(loop(source, store), source)
    return store


def test_every_message_is_committed_and_every_window_forecast() -> None:
    source, store = FakeSource(stretch()), FakeStore()
    run = loop(source, store)
    drain(run, source)
    tally = run.tally
    assert (tally.messages_taken, tally.messages_committed, tally.rejected, tally.duplicates_absorbed) == (23, 23, 0, 0)
    assert tally.windows == tally.frames_forecast == store.counts()["forecasts"] == 20
    assert tally.operator == "fake"


def test_latency_is_from_the_publishers_clock_to_the_commit() -> None:
    source, store = FakeSource(stretch(sent_s=100.0)), FakeStore()
    run = loop(source, store)
    drain(run, source)
    assert run.tally.latency_ms() == {"p50": 500.0, "p95": 500.0, "p99": 500.0}


def test_what_cannot_be_read_is_kept_acknowledged_and_stops_nothing() -> None:
    told = stretch()
    told.insert(5, (told[5][0], b"{"))
    source, store = FakeSource(told), FakeStore()
    run = loop(source, store)
    drain(run, source)
    assert (run.tally.rejected, run.tally.messages_committed) == (1, 23)
    source.reconnect()
    assert source.take(100, 0) == []


@pytest.mark.parametrize("at", [1, 2, 4, 7])
def test_a_crash_before_the_commit_acknowledges_nothing(at: int) -> None:
    source, store = FakeSource(stretch()), CrashingStore(at, after_commit=False)
    with pytest.raises(CrashError):
        drain(loop(source, store), source)
    kept = store.counts()["observations"]
    source.reconnect()
    assert kept == 3 * (at - 1)
    assert len(source.take(100, 0)) == 23 - kept


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 5, 7])
def test_a_restart_ends_with_the_rows_of_a_run_without_one(at: int, after_commit: bool) -> None:
    source, store = FakeSource(stretch()), CrashingStore(at, after_commit)
    with pytest.raises(CrashError):
        drain(loop(source, store), source)
    source.reconnect()
    again = loop(source, store)
    again.resume()
    drain(again, source)
    assert frames(store) == frames(uninterrupted())
    assert store.counts()["observations"] == 23
    assert again.tally.duplicates_absorbed == (3 if after_commit else 0)


@pytest.mark.parametrize("lost", [1, 12, 18])
def test_what_a_message_that_never_comes_held_back_is_forecast_after_a_restart_too(lost: int) -> None:
    """The layer's end is kept, the frames before it wait, and the twin dies: they are not forgotten."""
    told = stretch()
    del told[3 + lost]
    source, whole = FakeSource(told), FakeStore()
    drain(loop(source, whole), source)
    source, store = FakeSource(told), FakeStore()
    before = loop(source, store)
    while not source.exhausted:
        before.turn()
    assert len(frames(store)) < len(frames(whole)), "it waits"
    for _ in range(2):  # the second time nothing is left to take up
        clock = FakeClock(200.0)
        again = RunLoop(FakeSource([]), Order(patience_s=2.0, kept=store), advance, store, clock, Batch(3, 0.0))
        again.resume()
        clock.sleep_s(3.0)
        again.turn()
        assert frames(store) == frames(whole)
        gaps = store.gaps("m1")
        assert gaps[["channel", "first_sequence", "last_sequence"]].to_numpy().tolist() == [["parameters", lost, lost]]
        assert store.open_layers() == []


def two_layers() -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """What is said of one layer, and the next layer alone, whose build was said before."""
    first = stretch(5)
    again = [json.loads(payload) for _, payload in first[3:]]
    topic = first[3][0]
    second = [
        (topic, json.dumps(m | {"sequence": m["sequence"] + 5, "layer": 2}, separators=(",", ":")).encode())
        for m in again
    ]
    return first, second


@pytest.mark.parametrize("which", ["fake", "sqlite"])
def test_a_restart_between_two_layers_knows_the_build_that_the_broker_has_forgotten(which: str, tmp_path: Path) -> None:
    first, second = two_layers()
    store: Any = FakeStore() if which == "fake" else SqlStore.create(f"sqlite:///{tmp_path}/t.db")
    source = FakeSource(first)
    before = loop(source, store)
    while before.turn() or not source.exhausted:
        pass
    assert store.open_layers() == []
    source = FakeSource(second)
    again = RunLoop(source, Order(kept=store), advance, store, FakeClock(200.0), Batch(3, 0.0, backlog=None))
    again.resume()
    drain(again, source)
    assert again.states["m1"].status == "online"
    assert sorted(store.melt_pool("m1")["layer"]) == [1] * 5 + [2] * 5


@pytest.mark.parametrize("life", [0, 1])
def test_an_old_build_that_is_said_again_changes_nothing(life: int) -> None:
    """A broker may redeliver what a newer word, or a newer life, has replaced."""
    told = stretch(4)
    old = json.loads(told[1][1])
    new = old | {"sequence": 1 - life, "nominal_beam_power_w": 300.0}
    state = json.loads(told[0][1]) | {"sequence": 1, "birth": 2}
    anew = [message("state", State(**state))] if life else []
    told[0] = message("state", State(**(json.loads(told[0][1]) | {"birth": 1})))
    said = [*told[:2], *anew, (told[1][0], json.dumps(new).encode()), *told[3:5], told[1], *told[5:]]
    powers: list[float] = []

    def seen(windows: Any, context_of: Any, now_s: float) -> Any:
        powers.extend(context_of("m1", "b").nominal_beam_power_w for _ in windows)
        return advance(windows, context_of, now_s)

    source, store = FakeSource(said), FakeStore()
    run = RunLoop(source, Order(kept=store), seen, store, FakeClock(100.5), Batch(1, 0.0, backlog=None))
    drain(run, source)
    assert powers == [300.0] * 4


def test_replaying_twice_changes_nothing_but_the_duplicates() -> None:
    store = uninterrupted()
    before = frames(store)
    source = FakeSource(stretch())
    run = loop(source, store)
    drain(run, source)
    assert frames(store) == before
    assert (run.tally.messages_committed, run.tally.duplicates_absorbed) == (0, 23)


def test_a_stop_finishes_the_turn_in_hand() -> None:
    source, store = FakeSource(stretch()), FakeStore()
    asked = iter([False, False, True])
    run = loop(source, store)
    run.run(stop=lambda: next(asked))
    source.reconnect()
    assert store.counts()["observations"] == 6
    assert [delivery.payload for delivery in source.take(100, 0)] == [p for _, p in stretch()[6:]]


class Ticking(FakeClock):
    """A clock that goes on by itself: a quarter second a look."""

    def now_s(self) -> float:
        self.sleep_s(0.25)
        return super().now_s()


def test_a_forecast_is_issued_when_it_is_made_and_not_when_it_was_begun() -> None:
    begun: list[float] = []

    def noted(windows, context_of, now_s):  # type: ignore[no-untyped-def]
        if windows:
            begun.append(now_s)
        return advance(windows, context_of, now_s)

    store = FakeStore()
    loop = RunLoop(FakeSource(stretch()), Order(), noted, store, Ticking(100.0), Batch(500, 0.0))
    loop.turn()
    latest = store.latest_forecast("m1")
    assert latest is not None
    assert latest["issued_s"] > begun[-1]
