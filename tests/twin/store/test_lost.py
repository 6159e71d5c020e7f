"""A store that does not answer: it is said in one line, nothing is lost or half written, and later it goes on."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need
from tests.contracts import store_cases as case
from tests.postgres import PASSWORD, Server
from tests.postgres import server as postgres_server
from twin.store.port import Step, StoreError, StoreUnavailableError
from twin.store.sql import bulk, engine, write
from twin.store.sql.store import SqlStore

SMALL = Step([case.heard(case.state())], received_s=1.0)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that may be stopped."""
    need("postgres")
    with postgres_server() as running:
        yield running


def said_in_one_line(error: BaseException) -> bool:
    return "\n" not in str(error) and PASSWORD not in str(error) and "store" in str(error)


def test_a_server_that_stops_is_waited_for(server: Server) -> None:
    """Write, crash, write in vain, start, write: all is there once, by writer and by reader."""
    url = server.database()
    store, reader = SqlStore.create(url), SqlStore.open_reader(url)
    store.write(SMALL)
    server.stop("immediate")
    for ask in (lambda: store.write(case.whole_step()), reader.machines, lambda: SqlStore.open_reader(url)):
        for _ in range(2):
            with pytest.raises(StoreUnavailableError) as caught:
                ask()
            assert said_in_one_line(caught.value), caught.value
    server.start()
    written = store.write(case.whole_step())
    assert (written.observations, written.duplicates) == (5, 1), "the state was there before"
    assert reader.counts()["observations"] == 6
    for open_one in (store, reader):
        open_one.close()


@pytest.mark.parametrize("where", ["_rejects", "_cards"])
def test_a_connection_lost_inside_a_step_leaves_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    url = server.database()
    store = SqlStore.create(url)
    real = getattr(write, where)

    def lost(connection: Any, *rest: Any) -> None:
        server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        real(connection, *rest)

    monkeypatch.setattr(write, where, lost)
    with pytest.raises(StoreUnavailableError):
        store.write(case.whole_step())
    monkeypatch.undo()
    assert set(store.counts().values()) == {0}
    assert store.write(case.whole_step()).observations == 6
    store.close()


def test_a_connection_lost_inside_a_copy_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.database()
    store = SqlStore.create(url)
    long = Step([case.heard(case.signal(0, [i * 1e-3 for i in range(500)], [1.0] * 500))], received_s=1.0)
    real = bulk._values

    def lost(names: Any) -> Any:
        if "sample" in names:
            server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        return real(names)

    monkeypatch.setattr(bulk, "_values", lost)
    with pytest.raises(StoreUnavailableError):
        store.write(long)
    monkeypatch.undo()
    assert store.counts()["signals"] == 0
    store.write(long)
    assert store.counts()["signals"] == 500
    store.close()


def test_whoever_else_writes_is_waited_for_but_not_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOCK_S", 0.3)
    first, second = SqlStore.create(url), SqlStore.create(url)
    with first._engine.begin(), pytest.raises(StoreUnavailableError, match="lock"):
        second.write(SMALL)
    assert second.write(SMALL).observations == 1
    for store in (first, second):
        store.close()


def test_a_statement_without_end_is_ended(monkeypatch: pytest.MonkeyPatch, postgres: Server) -> None:
    monkeypatch.setattr(engine, "STATEMENT_S", 0.3)
    store = SqlStore.create(postgres.database())
    opened = store._engine
    with pytest.raises(StoreUnavailableError, match="timeout"), engine.answering(opened), opened.connect() as asked:
        asked.exec_driver_sql("SELECT pg_sleep(20)")
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:{secret}@127.0.0.1:1/none", "does not answer"),
        ("postgresql://me:{secret}@127.0.0.1:{port}/none", "authentication"),
        ("mysql://me:{secret}@127.0.0.1/none", "mysql"),
        ("me:{secret}@somewhere", "not a URL"),
        ("sqlite://", "needs a file"),
    ],
)
def test_what_cannot_be_opened_says_why_and_no_secret(postgres: Server, url: str, says: str) -> None:
    for secret in ("hunter2", "hunter2%40%2F"):
        for door in (SqlStore.create, SqlStore.open_reader):
            with pytest.raises(StoreError, match=says) as caught:
                door(url.format(secret=secret, port=postgres.port))
            assert "hunter2" not in str(caught.value)
            assert "\n" not in str(caught.value)


def test_a_folder_that_went_away_is_waited_for(tmp_path: Path) -> None:
    """A disk that was unmounted and comes back."""
    store = SqlStore.create(f"sqlite:///{tmp_path}/there/s.db")
    store.write(SMALL)
    store.close()
    shutil.move(tmp_path / "there", tmp_path / "gone")
    with pytest.raises(StoreUnavailableError):
        store.write(case.whole_step())
    shutil.move(tmp_path / "gone", tmp_path / "there")
    assert store.write(case.whole_step()).duplicates == 1
    store.close()


def test_a_mistake_is_not_called_trouble(store: SqlStore) -> None:
    """A statement that can never work must not be tried for ever."""
    opened = store._engine
    with pytest.raises(Exception, match="no_such") as caught, engine.answering(opened), opened.connect() as asked:
        asked.exec_driver_sql("SELECT * FROM no_such")
    assert not isinstance(caught.value, StoreError)
