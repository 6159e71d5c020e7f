"""The run loop over real stores that cannot take a step: nothing is acknowledged, and what comes out is the same."""

from pathlib import Path
from typing import Any

from deploy.batch import Batch
from deploy.run import RunLoop
from ingest.order import Order
from ingest.source import FakeSource
from tests.conftest import need
from tests.deploy.fakes import advance, stretch
from tests.postgres import server as postgres_server
from twin.clock import FakeClock
from twin.store.fake.store import FakeStore
from twin.store.port import Store
from twin.store.sql.store import SqlStore
from twin.store.upkeep.disk import MIB, Room


def loop(source: FakeSource, store: Any, clock: FakeClock) -> RunLoop:
    return RunLoop(source, Order(kept=store), advance, store, clock, Batch(3, 0.0, backlog=None))


def rows(store: Store) -> list[Any]:
    sizes = store.melt_pool("m1")[["frame", "layer", "time_s", "length_m", "x_m"]]
    counts = {name: count for name, count in store.counts().items() if name != "alerts"}
    return [list(sizes.itertuples(index=False, name=None)), counts, store.parameters("m1", "b", 1).x_m.tolist()]


def drain(run: RunLoop, source: FakeSource, clock: FakeClock) -> None:
    while run.turn() or not source.exhausted:
        clock.sleep_s(20.0)
    run.finish()


def undisturbed() -> list[Any]:
    source, store, clock = FakeSource(stretch()), FakeStore(), FakeClock(100.5)
    drain(loop(source, store, clock), source, clock)
    return rows(store)


def waits(run: RunLoop, source: FakeSource, clock: FakeClock, turns: int = 6) -> None:
    """It takes nothing and acknowledges nothing, however long it tries."""
    run.turn()
    held = dict(source._unacknowledged)
    assert held, "nothing was on its way"
    for _ in range(turns):
        clock.sleep_s(20.0)
        assert run.turn() == 0
    assert source._unacknowledged == held


def test_on_a_full_disk_the_broker_keeps_everything_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    clock, free_mib = FakeClock(100.5), [1000.0]
    room = Room(200.0, 50.0, lambda _: int(free_mib[0] * MIB), clock)
    source, store = FakeSource(stretch()), SqlStore.create(f"sqlite:///{tmp_path}/s.db", room=room)
    run = loop(source, store, clock)
    for _ in range(3):
        assert run.turn() > 0
    free_mib[0] = 10.0
    waits(run, source, clock)
    assert set(store.alerts("m1", open_only=True).kind) == {"disk_low", "disk_full"}
    free_mib[0] = 1000.0
    clock.sleep_s(20.0)
    drain(run, source, clock)
    assert source._unacknowledged == {}
    assert store.alerts(open_only=True).empty
    assert rows(store) == undisturbed()
    store.close()


def test_a_server_that_crashes_is_waited_for_and_the_rows_are_the_same() -> None:
    need("postgres")
    with postgres_server() as running:
        clock, source, store = FakeClock(100.5), FakeSource(stretch()), SqlStore.create(running.database())
        run = loop(source, store, clock)
        for _ in range(3):
            assert run.turn() > 0
        running.stop("immediate")
        waits(run, source, clock, turns=2)
        running.start()
        clock.sleep_s(20.0)
        drain(run, source, clock)
        assert source._unacknowledged == {}
        assert rows(store) == undisturbed()
        store.close()
