"""The flow: a recorded stretch of the simulated machines, byte for byte, to rows in SQLite, with the real twin.

published = committed, windows = forecasts, and the same stretch again changes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from deploy import wiring
from deploy.batch import Batch
from deploy.run import RunLoop
from deploy.settings import Settings
from ingest.decode import encode
from ingest.machines.machine import Machine
from ingest.order import Order
from ingest.simulate import machines
from ingest.source import FakeSource
from ingest.topics import topic_of
from twin.clock import FakeClock
from twin.observation import Window
from twin.store.port import Store

MESSAGES = 300


def stretch(machine: Machine) -> Iterator[tuple[str, bytes]]:
    """The first messages of a machine, as they cross the wire."""
    for due in islice(machine.messages(), MESSAGES):
        stamped = due.message.model_copy(update={"sent_s": 1000.0 + due.due_s})
        yield topic_of("local", machine.name, due.message.kind), encode(stamped)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def recorded() -> list[tuple[str, bytes]]:
    return [message for machine in machines(seed=7) for message in stretch(machine)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, device="cpu", operator="reference")


class Counted:
    """The twin's one verb, counting the windows that it is given."""

    def __init__(self, settings: Settings) -> None:
        self._advance = wiring.twin(settings)
        self.windows: list[tuple[str, str, int, int]] = []

    def __call__(self, windows: Sequence[Window], *rest: object) -> object:
        self.windows += [(w.machine, w.build, w.layer, w.index) for w in windows]
        return self._advance(windows, *rest)  # type: ignore[arg-type]


def play(messages: list[tuple[str, bytes]], store: Store, settings: Settings) -> tuple[RunLoop, Counted]:
    source, advance = FakeSource(messages), Counted(settings)
    loop = RunLoop(source, Order(), advance, store, FakeClock(2000.0), Batch(50, 0.0, backlog=None))  # type: ignore[arg-type]
    while loop.turn() or not source.exhausted:
        pass
    loop.finish()
    return loop, advance


def rows(store: Store) -> dict[str, object]:
    return {name: store.melt_pool(name).drop(columns="issued_s").to_csv() for name in store.machines()["machine"]}


def test_from_bytes_to_rows_and_again(recorded: list[tuple[str, bytes]], settings: Settings) -> None:
    with closing(wiring.open_store(settings)) as store:
        loop, advance = play(recorded, store, settings)
        tally, counts = loop.tally, store.counts()
        assert tally.messages_committed == counts["observations"] == len(recorded)
        assert (tally.rejected, tally.duplicates_absorbed, tally.gaps) == (0, 0, 0)
        assert len(advance.windows) == len(set(advance.windows)) == tally.windows > 150
        assert counts["forecasts"] == tally.frames_forecast + tally.withheld == tally.windows
        assert sum(store.outcomes().values()) == tally.windows

        before = rows(store)
        assert len(before) == 2
        again, _ = play(recorded, store, settings)
        assert again.tally.duplicates_absorbed == len(recorded)
        assert again.tally.messages_committed == 0
        assert rows(store) == before
        assert {k: v for k, v in store.counts().items() if k != "duplicates"} == {
            k: v for k, v in counts.items() if k != "duplicates"
        }


def test_every_window_has_its_forecast_row(recorded: list[tuple[str, bytes]], settings: Settings) -> None:
    with closing(wiring.open_store(settings)) as store:
        _, advance = play(recorded, store, settings)
        kept = {
            (machine, latest["build"], layer, frame)
            for machine in store.machines()["machine"]
            if (latest := store.latest_forecast(machine))
            for layer, frame in store.melt_pool(machine)[["layer", "frame"]].itertuples(index=False)
        }
        assert kept == set(advance.windows)
