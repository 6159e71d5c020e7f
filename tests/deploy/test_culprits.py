"""What the program fails on is kept, told and acknowledged, and stops nothing beside it."""

from collections.abc import Sequence
from typing import Any

import pytest

from deploy.batch import Batch
from deploy.run import RunLoop
from ingest.order import Order
from ingest.source import FakeSource
from tests import postgres
from tests.conftest import need
from tests.deploy.fakes import FRAME_S, advance, message, stretch
from twin.clock import FakeClock
from twin.forecast import Alert, Forecast
from twin.observation import Layer, Observation, Window
from twin.store.fake.store import FakeStore
from twin.store.port import Step, StoreRefusedError, StoreUnavailableError, Written
from twin.store.sql.store import SqlStore


class Twin:
    """A twin that fails on one frame, for as long as a stream has it; it must then be let go."""

    def __init__(self, on: int, says: str = "division by zero") -> None:
        self.on, self.says = on, says
        self.let: list[int] = []

    def __call__(self, windows: Sequence[Window], context_of: Any, now_s: float) -> tuple[list[Forecast], list[Alert]]:
        if any(window.index == self.on for window in windows):
            raise ZeroDivisionError(self.says)
        return advance(windows, context_of, now_s)

    def let_go(self, windows: Sequence[Window]) -> None:
        self.let += [window.index for window in windows]


class OrderThatFails(Order):
    def add(self, observation: Observation, now_s: float) -> list[Window]:
        if observation.message.sequence == 7:
            raise IndexError("no such sample")
        return super().add(observation, now_s)


def loop(source: FakeSource, store: Any, order: Order | None = None, twin: Any = advance) -> RunLoop:
    let_go = getattr(twin, "let_go", lambda windows: None)
    batch = Batch(8, 0.0, backlog=None)
    return RunLoop(source, order or Order(kept=store), twin, store, FakeClock(100.5), batch, let_go=let_go)


def drain(run: RunLoop, source: FakeSource) -> None:
    while run.turn() or not source.exhausted or run._work is not None:
        pass
    run.finish()
    source.reconnect()
    assert source.take(100, 0) == [], "all is acknowledged"


def test_a_message_that_cannot_be_worked_out_is_a_reject_and_the_others_are_kept() -> None:
    source, store = FakeSource(stretch()), FakeStore()
    run = loop(source, store, OrderThatFails(kept=store, patience=4))
    drain(run, source)
    assert store.counts()["observations"] == 22
    (reject,) = store.rejects().to_dict("records")
    assert (reject["code"], reject["topic"]) == ("failed", stretch()[10][0])
    assert reject["payload"] == stretch()[10][1]
    assert reject["reason"].startswith("could be read, but the program failed on it: IndexError: no such sample (test_")
    assert len(store.melt_pool("m1")) > 10
    tally = run.tally
    assert tally.messages_taken == tally.messages_committed + tally.rejected == 23


def test_a_window_on_which_the_twin_fails_is_skipped_and_told_and_the_others_are_forecast() -> None:
    source, store, twin = FakeSource(stretch()), FakeStore(), Twin(on=9)
    drain(loop(source, store, twin=twin), source)
    assert store.counts()["observations"] == 23
    assert sorted(store.melt_pool("m1")["frame"]) == [n for n in range(20) if n != 9]
    assert store.skipped("m1", "b")[["first_frame", "last_frame"]].to_numpy().tolist() == [[9, 9]]
    (alert,) = store.alerts("m1").to_dict("records")
    assert (alert["kind"], alert["severity"]) == ("failed", "medium")
    assert alert["evidence"].startswith("frame 9 of layer 1: ZeroDivisionError: division by zero (test_culprits.py:")
    assert twin.let[-1] == 9, "after the step that failed, and after the window that did"


def test_a_run_begins_though_the_twin_fails_on_what_is_stored() -> None:
    source, store = FakeSource(stretch()[:-1]), FakeStore()
    run = loop(source, store)
    while not source.exhausted:
        run.turn()
    again = loop(FakeSource([]), store, twin=Twin(on=3))
    again.resume()
    assert len(store.melt_pool("m1")) >= 18


def test_a_run_begins_though_a_stored_message_cannot_be_worked_out() -> None:
    source, store = FakeSource(stretch()[:-1]), FakeStore()
    run = loop(source, store)
    while not source.exhausted:
        run.turn()
    source = FakeSource(stretch()[-1:])
    again = loop(source, store, OrderThatFails(kept=store))
    again.resume()
    drain(again, source)
    assert store.counts()["observations"] == 23
    assert store.rejects().empty


def test_a_device_that_fails_for_ever_ends_the_run() -> None:
    source = FakeSource(stretch())
    with pytest.raises(ZeroDivisionError, match="CUDA"):
        drain(loop(source, FakeStore(), twin=Twin(on=9, says="CUDA error: an illegal memory access")), source)
    source.reconnect()
    assert source.take(100, 0), "what was in hand comes again"


def test_when_every_message_fails_none_is_to_blame_and_the_run_ends() -> None:
    class Broken(Order):
        def add(self, observation: Observation, now_s: float) -> list[Window]:
            raise IndexError("no such sample")

    source = FakeSource(stretch(200))
    with pytest.raises(IndexError):
        drain(loop(source, FakeStore(), Broken()), source)
    source.reconnect()
    assert source.take(500, 0), "what was in hand comes again"


class Refusing(FakeStore):
    tries: list[int]  # not of the rows that a write copies

    def write(self, step: Step) -> Written:
        if any(o.message.kind == "parameters" and o.message.sequence == 7 for o in step.observations):
            self.tries.append(1)
            if len(self.tries) == 2:
                raise StoreUnavailableError("gone for a moment")
            raise StoreRefusedError("a NUL")
        return super().write(step)


def test_what_the_store_refuses_is_a_reject_and_the_others_are_kept() -> None:
    source, store = FakeSource(stretch()), Refusing()
    store.tries = []
    run = loop(source, store)
    clock = run._clock
    assert isinstance(clock, FakeClock)
    for _ in range(20):
        run.turn()
        clock.sleep_s(20.0)
    drain(run, source)
    assert len(store.tries) > 2
    assert store.counts()["observations"] == 22
    (reject,) = store.rejects().to_dict("records")
    assert (reject["code"], reject["payload"]) == ("failed", stretch()[10][1])
    assert "a NUL" in reject["reason"]
    assert len(store.melt_pool("m1")) == 20


def beyond_64_bits() -> Step:
    layer = Layer(source="s", sequence=0, time_s=FRAME_S, build="b", layer=1).model_copy(update={"layer": 2**70})
    topic, payload = message("layer", layer)
    return Step([Observation("local", "m1", layer, topic, payload)], received_s=1.0)


@pytest.mark.parametrize("which", ["sqlite", "postgres"])
def test_a_value_that_no_column_can_hold_is_told_from_a_store_that_is_away(which: str, tmp_path: Any) -> None:
    if which == "postgres":
        need("postgres")
        with postgres.server() as running:
            store = SqlStore.create(running.database())
            with pytest.raises(StoreRefusedError):
                store.write(beyond_64_bits())
            store.close()
        return
    store = SqlStore.create(f"sqlite:///{tmp_path}/t.db")
    with pytest.raises(StoreRefusedError, match="too large"):
        store.write(beyond_64_bits())
    assert store.counts()["observations"] == 0
    store.close()
