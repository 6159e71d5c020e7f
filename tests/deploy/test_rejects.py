"""Poison: kept, browsable, and after a fix taken in on the path of every message, exactly once."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy import wiring
from deploy.batch import Batch
from deploy.cli import app
from deploy.ports import free_port
from deploy.run import RunLoop
from ingest.broker import EmbeddedBroker
from ingest.mqtt import MqttSource
from ingest.order import Order
from ingest.source import FakeSource
from ingest.topics import every_kind
from tests.deploy.fakes import advance, stretch
from twin.clock import FakeClock, SystemClock
from twin.observation import Rejected
from twin.store.port import Step
from twin.store.sql.store import SqlStore

FIXED = stretch()[7]  # parameters 4: an earlier decoder could not read it
STILL = ("meltwin/v1/local/m1/parameters", b'{"half of')


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with a stretch of messages, one of which an earlier program rejected, and one that nobody can read."""
    url = f"sqlite:///{tmp_path}/kept.db"
    store = SqlStore.create(url)
    told = stretch()
    told.remove(FIXED)
    source = FakeSource(told[:10])
    run = RunLoop(source, Order(kept=store), advance, store, FakeClock(50.0), Batch(4, 0.0, backlog=None))
    while run.turn():
        pass
    bad = [Rejected(*FIXED, "unknown field", "unknown_field"), Rejected(*STILL, "ends early", "truncated")]
    store.write(Step(rejects=bad, received_s=1_700_000_000.0))
    store.close()
    return url


def invoke(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.output


@pytest.fixture
def _fake_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def loop(settings: object, source: object, store: object, *rest: object) -> RunLoop:
        order = Order(kept=store)  # type: ignore[arg-type]
        return RunLoop(source, order, advance, store, SystemClock(), Batch(backlog=None))  # type: ignore[arg-type]

    monkeypatch.setattr(wiring, "run_loop", loop)


def digests(url: str) -> dict[str, str]:
    store = SqlStore.open_reader(url)
    rows = store.rejects()
    store.close()
    return dict(zip(rows["code"], rows["digest"], strict=True))


def test_a_list_and_one_whole(url: str) -> None:
    listed = invoke("rejects", "list", "--database", url)
    assert "truncated" in listed
    assert "2 rejects, 2 of them open" in listed
    whole = invoke("rejects", "show", digests(url)["truncated"][:10], "--database", url)
    assert '{"half of' in whole
    assert "not yet" in whole
    assert "no rejects begin with zz" in invoke("rejects", "show", "zz", "--database", url, code=2)
    assert "--all" in invoke("rejects", "retry", "--database", url, code=2)


@pytest.mark.usefixtures("_fake_loop")
def test_what_can_be_read_now_is_taken_in_once(url: str) -> None:
    said = invoke("rejects", "retry", "--all", "--direct", "--database", url)
    assert "2 read again: 1 taken in, 1 still not readable" in said
    again = invoke("rejects", "retry", "--all", "--direct", "--database", url)
    assert "1 read again: 0 taken in, 1 still not readable" in again
    store = SqlStore.open_reader(url)
    rows = store.rejects().set_index("code")
    assert rows["reingested_s"].notna().to_dict() == {"unknown_field": True, "truncated": False}
    assert (store.counts()["observations"], store.counts()["reingested"]) == (11, 1)
    frames = store.melt_pool("m1")["frame"].tolist()
    assert frames == sorted(set(frames)), "each frame once"
    assert max(frames) == 6, "the build goes on: its open frame is not closed by a retry"
    store.close()


def test_a_run_that_is_going_on_takes_in_what_is_said_again(url: str) -> None:
    import threading

    with EmbeddedBroker(free_port()) as broker:
        store = SqlStore.create(url)
        source = MqttSource("127.0.0.1", broker.port, "run", every_kind("local"))
        run = RunLoop(source, Order(kept=store), advance, store, SystemClock(), Batch(backlog=None))
        run.resume()
        done = threading.Event()
        thread = threading.Thread(target=lambda: run.run(done.is_set))
        thread.start()
        try:
            said = invoke("rejects", "retry", "--all", "--database", url, "--mqtt-port", broker.port)
        finally:
            done.set()
            thread.join()
        source.close()
        assert "1 taken in" in said
        assert store.counts()["observations"] == 11
        assert run.tally.reingested == 1
        assert not store.melt_pool("m1")["frame"].duplicated().any()
        store.close()
