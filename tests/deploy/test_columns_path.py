"""Columns and pictures through the run loop: to rows as from JSON, over a restart, and after pictures were pruned."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from deploy.batch import Batch
from deploy.run import RunLoop
from ingest.codecs import columns
from ingest.decode import encode
from ingest.order import Order
from ingest.source import Delivery, FakeSource
from ingest.topics import topic_of
from tests.deploy.fakes import advance
from tests.ingest.said import build, frame, parameters
from twin.clock import FakeClock
from twin.observation import Layer, Message
from twin.store.sql.store import SqlStore

LAYER = Layer(source="a", sequence=0, time_s=0.0, build="b", layer=0)


class Typed(FakeSource):
    """Deliveries with the content type of columns."""

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        return [each._replace(content_type=columns.CONTENT_TYPE) for each in super().take(max_messages, timeout_s)]


def chunk(n: int) -> Message:
    return parameters(n, [0.2 * n + 1e-3 * k for k in range(200)])


def shot(n: int) -> Message:
    return frame(n, np.full((8, 9), 1000 + n, dtype=np.uint16), time_s=0.2 * n + 0.1)


def said(write: Callable[[Message], bytes], *messages: Message) -> list[tuple[str, bytes]]:
    return [(topic_of("hall", "m", message.kind), write(message)) for message in messages]  # type: ignore[attr-defined]


def run(store: SqlStore, source: FakeSource) -> RunLoop:
    loop = RunLoop(source, Order(kept=store), advance, store, FakeClock(100.0), Batch(3, 0.0, backlog=None))
    loop.resume()
    while loop.turn() or not source.exhausted:
        pass
    return loop


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    return SqlStore.create(f"sqlite:///{tmp_path}/s.db")


def test_columns_and_json_come_to_the_same_rows(tmp_path: Path) -> None:
    rows = []
    for name, write, source in (("json", encode, FakeSource), ("columns", columns.write, Typed)):
        store = SqlStore.create(f"sqlite:///{tmp_path}/{name}.db")
        run(store, FakeSource(said(encode, build(), LAYER)))
        run(store, source(said(write, *(message for n in range(5) for message in (chunk(n), shot(n))))))
        rows.append((store.parameters("m", "b", 0).to_dict("list"), store.frame("m", at_s=0.5), store.counts()))
        store.close()
    assert rows[0] == rows[1]
    assert rows[0][2]["samples"] == 1000
    assert rows[0][2]["frames"] == 5


def test_a_restart_goes_on_after_the_pictures_that_are_stored(store: SqlStore) -> None:
    """What was stored and comes again is a duplicate; what is new follows it without a gap."""
    run(store, FakeSource(said(encode, build(), LAYER, *map(shot, range(20)))))
    again = run(store, FakeSource(said(encode, *map(shot, range(15, 25)))))
    counts = store.counts()
    assert (counts["frames"], counts["duplicates"], counts["conflicts"], counts["gaps"]) == (25, 5, 0, 0)
    assert again.tally.messages_taken == 10
    with store._engine.begin() as connection:
        connection.execute(text("DELETE FROM frames WHERE sequence < 22"))
    run(store, FakeSource(said(encode, *map(shot, (3, 25, 26)))))
    counts = store.counts()
    assert (counts["duplicates"], counts["conflicts"], counts["gaps"]) == (6, 0, 0)
    assert store.frames("m").sequence.tolist() == [22, 23, 24, 25, 26]
