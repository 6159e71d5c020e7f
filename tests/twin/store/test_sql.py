"""What SqlStore promises beyond the contract: schema and migrations, readers beside a writer, and no growing scans."""

import itertools
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, inspect, text

from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from tests.contracts.test_store import EVERYTHING, said
from twin.forecast import Absorbed
from twin.observation import Gap, Rejected
from twin.store import packing, tables
from twin.store.fake.store import FakeStore
from twin.store.packing import FIELD_ERROR_K
from twin.store.port import (
    Step,
    StoreCorruptError,
    StoreError,
    StoreMissingError,
    StoreReadOnlyError,
    StoreVersionError,
)
from twin.store.sql import bulk
from twin.store.sql.store import SqlStore
from twin.store.upkeep.schema import MIGRATIONS, downgrade, upgrade

only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


def path_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


def test_migrated_schema_is_that_of_the_tables(store: SqlStore, url: str) -> None:
    with create_engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.Base.metadata) == []
        if connection.dialect.name != "sqlite":
            return
        clustered = connection.execute(
            text("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'")
        ).scalars()
        wanted = {name for name, table in tables.Base.metadata.tables.items() if table.dialect_kwargs}
        assert set(clustered) == wanted == {"parameters", "scan_vectors", "signals", "melt_pool"}


def test_head_of_the_migrations_is_the_revision_that_readers_expect() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert scripts.get_current_head() == tables.SCHEMA_REVISION


def test_downgrade_to_base_leaves_no_table(own_url: str) -> None:
    store, url = SqlStore.create(own_url), own_url
    store.write(case.whole_step())
    store.close()
    downgrade(url)
    assert inspect(create_engine(url)).get_table_names() == ["alembic_version"]
    upgrade(url)
    assert SqlStore.open_reader(url).counts()["observations"] == 0


def test_a_store_of_the_first_schema_keeps_its_builds_when_it_is_opened(own_url: str, tmp_path: Path) -> None:
    store, url = SqlStore.create(own_url), own_url
    told = case.build("told", absorptivity=0.4)
    store.write(Step(observations=[heard(told)], received_s=1.0))
    store.close()
    downgrade(url, "0001")
    again = SqlStore.create(url, backups=tmp_path / "backups")
    assert len(list((tmp_path / "backups").iterdir())) == 1
    ruled = case.build("ruled", sequence=1, absorptivity=None)
    again.write(Step(observations=[heard(ruled)], received_s=2.0))
    again.close()
    with create_engine(url).connect() as connection:
        rows = connection.execute(text("SELECT build, absorptivity FROM builds ORDER BY received_s")).all()
    assert [tuple(row) for row in rows] == [("told", 0.4), ("ruled", None)]


def test_opening_again_keeps_what_is_there(store: SqlStore, url: str) -> None:
    store.write(case.whole_step())
    store.close()
    again = SqlStore.create(url)
    assert again.counts()["observations"] == 6
    again.close()


def test_newer_schema_is_refused_by_writer_and_reader(own_url: str) -> None:
    store, url = SqlStore.create(own_url), own_url
    store.close()
    with create_engine(url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreVersionError, match="9999"):
        SqlStore.create(url)
    with pytest.raises(StoreVersionError, match="9999"):
        SqlStore.open_reader(url)


def test_reader_says_that_there_is_no_store_yet(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(StoreMissingError, match=r"none\.db"):
        SqlStore.open_reader(f"sqlite:///{path}")
    assert not path.exists(), "asking must not make the file"
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(StoreMissingError, match="no tables"):
        SqlStore.open_reader(f"sqlite:///{path}")


def test_reader_cannot_write(store: SqlStore, url: str) -> None:
    reader = SqlStore.open_reader(url)
    with pytest.raises(StoreReadOnlyError):
        reader.write(Step())
    assert issubclass(StoreReadOnlyError, StoreError)
    with pytest.raises(Exception, match=r"read-?only"), reader._engine.begin() as connection:
        connection.execute(text("DELETE FROM counters"))
    reader.close()


@only_sqlite
@pytest.mark.parametrize(("durability", "synchronous"), [("normal", 1), ("full", 2)])
def test_durability_is_what_was_asked_for(url: str, durability: Any, synchronous: int) -> None:
    store = SqlStore.create(url, durability=durability)
    with store._engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == synchronous
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    store.close()


def test_readers_see_whole_steps_while_the_writer_writes(store: SqlStore, url: str) -> None:
    steps, seen, stop = 60, [], threading.Event()

    def watch() -> None:
        reader = SqlStore.open_reader(url)
        while not stop.is_set():
            estimates = reader.estimates("m1")
            seen.append((len(estimates), len(reader.melt_pool("m1"))))
        reader.close()

    thread = threading.Thread(target=watch)
    thread.start()
    for step in range(steps):
        store.write(Step(forecasts=[case.forecast(frame, lead_count=3) for frame in range(step * 10, step * 10 + 10)]))
    stop.set()
    thread.join(10)
    assert seen
    assert all(frames % 10 == 0 and leads % 30 == 0 for frames, leads in seen), "half a step was seen"
    assert [frames for frames, _ in seen] == sorted(frames for frames, _ in seen)
    assert len(store.estimates("m1")) == steps * 10


def test_reader_works_on_after_the_writer_is_gone(store: SqlStore, url: str) -> None:
    store.write(case.whole_step())
    reader = SqlStore.open_reader(url)
    store.close()
    assert reader.counts()["observations"] == 6
    again = SqlStore.create(url)
    again.write(Step([heard(case.parameters(9))], received_s=5.0))
    assert reader.counts()["observations"] == 7
    again.close()
    reader.close()
    late = SqlStore.open_reader(url)
    assert late.counts()["observations"] == 7
    late.close()


def test_a_crash_between_any_two_statements_leaves_nothing(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    step, insert = case.whole_step(), bulk.insert
    for survived in itertools.count():
        inserted = itertools.count()

        def crash(*arguments: Any, inserted: Iterator[int] = inserted, survived: int = survived, **named: Any) -> None:
            if next(inserted) == survived:
                raise RuntimeError("pulled the plug")
            insert(*arguments, **named)

        monkeypatch.setattr(bulk, "insert", crash)
        try:
            store.write(step)
        except RuntimeError:
            assert set(store.counts().values()) == {0}
            with store._engine.connect() as connection:
                for table in tables.Base.metadata.tables:
                    assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0, table
        else:
            break
    assert survived > 10
    assert store.counts()["observations"] == 6


def test_a_killed_writer_leaves_whole_steps(url: str) -> None:
    """The process dies without a word in the middle of a transaction; the next one finds only whole steps."""
    script = """
import os, sys
from tests.contracts import store_cases as case
from twin.store.sql import write
from twin.store.port import Step
from twin.store.sql.store import SqlStore
store = SqlStore.create(sys.argv[1])
store.write(case.whole_step())
write._cards = lambda *_: os._exit(9)
store.write(Step(forecasts=[case.forecast(frame) for frame in range(100)]))
"""
    process = subprocess.run([sys.executable, "-c", script, url], cwd=Path(__file__).parents[3], check=False)
    assert process.returncode == 9
    store = SqlStore.create(url)
    assert (store.counts()["forecasts"], store.counts()["observations"]) == (2, 6)
    assert store.write(Step(forecasts=[case.forecast(frame) for frame in range(100)])).forecasts == 98
    store.close()


def test_counters_agree_with_the_tables(store: SqlStore) -> None:
    for _ in range(2):
        store.write(case.whole_step())
    store.write(Step([heard(case.signal(0, [0.0], [3.0]))], [], [], [case.forecast(0, opinion="asno")], received_s=9.0))
    counts = store.counts()
    named = {"cards": "operator_cards"}
    with store._engine.connect() as connection:
        both = connection.execute(text("SELECT count(*) FROM forecasts")).scalar()
        assert counts["forecasts"] + counts["opinions"] == both
        apart = {"duplicates", "samples", "forecasts", "opinions", "reingested", "skipped"}
        for name in sorted(set(counts) - apart):
            rows = connection.execute(text(f"SELECT count(*) FROM {named.get(name, name)}")).scalar()
            assert counts[name] == rows, name
        assert counts["samples"] == connection.execute(text("SELECT sum(samples) FROM parameters")).scalar()
    assert counts["duplicates"] == 7


def test_a_store_from_before_second_opinions_keeps_its_forecasts_both_ways(own_url: str, tmp_path: Path) -> None:
    store, url = SqlStore.create(own_url), own_url
    store.write(case.whole_step())
    record = store.melt_pool("m1")
    store.write(Step(forecasts=[case.forecast(0, opinion="asno", fields=(case.field(np.full((3, 2, 2), 900.0)),))]))
    store.close()
    downgrade(url, "0002")
    with create_engine(url).connect() as connection:
        told = MigrationContext.configure(connection)
        assert told.get_current_revision() == "0002"
        assert connection.execute(text("SELECT count(*) FROM forecasts")).scalar() == 2
    again = SqlStore.create(url, backups=tmp_path)
    assert again.melt_pool("m1").equals(record)
    assert again.latest_field("m1") is not None
    assert again.opinions("m1") == []
    counts = again.counts()
    assert (counts["forecasts"], counts["opinions"], counts["melt_pool"], counts["fields"]) == (2, 0, 4, 1)
    assert again.write(Step(forecasts=[case.forecast(0), case.forecast(0, opinion="asno")])).forecasts == 1
    again.close()


def test_corrupt_field_is_not_shown(store: SqlStore) -> None:
    store.write(Step(forecasts=[case.forecast(0, fields=(case.field(np.full((4, 4, 4), 900.0)),))]))
    with store._engine.begin() as connection:
        stored = bytearray(connection.execute(text("SELECT temperature_k FROM fields")).scalar_one())
        stored[-1] ^= 1
        connection.execute(text("UPDATE fields SET temperature_k = :stored"), {"stored": bytes(stored)})
    with pytest.raises(StoreCorruptError, match="checksum"):
        store.latest_field("m1")


def test_a_deleted_picture_leaves_its_message_known(store: SqlStore) -> None:
    """Retention may delete rows of `frames`: a redelivery does not bring the picture back, and nothing conflicts."""
    store.write(Step([heard(case.build()), heard(case.frame(0))], received_s=1.0))
    with store._engine.begin() as connection:
        connection.execute(text("DELETE FROM frames WHERE received_s < 2"))
        payload = connection.execute(text("SELECT payload FROM observations WHERE kind = 'frame'")).scalar_one()
    assert len(payload) < 1000, "the pixels are kept once"
    assert store.write(Step([heard(case.frame(0))], received_s=3.0)).duplicates == 1
    assert store.frame("m1") is None
    assert store.messages("m1", "frame/coaxial", newest=1) == []
    assert store.counts()["conflicts"] == 0


def test_corrupt_picture_is_not_shown(store: SqlStore) -> None:
    store.write(Step([heard(case.build()), heard(case.frame(0))], received_s=1.0))
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE frames SET checksum = checksum + 1"))
    with pytest.raises(StoreCorruptError, match="checksum"):
        store.frame("m1")


def test_a_store_before_pictures_keeps_its_rejects_and_an_older_one_its_messages(own_url: str) -> None:
    url = own_url
    store = SqlStore.create(url)
    reject = Rejected("t", b"x", "bad", "not_json")
    many = case.parameters(0, [i * 1e-5 for i in range(300)])
    store.write(Step([heard(case.state()), heard(case.frame(0)), heard(many)], rejects=[reject], received_s=1.0))
    store.close()
    downgrade(url, "0002")
    with create_engine(url).connect() as connection:
        assert connection.execute(text("SELECT kind FROM observations")).scalars().all() == ["state", "parameters"]
        assert connection.execute(text("SELECT encoding FROM observations")).scalars().all() == ["json", "json+zlib"]
        assert connection.execute(text("SELECT count(*) FROM counters WHERE detail = 'frame'")).scalar() == 0
    again = SqlStore.create(url, backup=False)
    assert again.rejects().code.tolist() == ["unreadable"]
    assert again.counts()["observations"] == 2
    assert [o.message for o in again.replay_messages("m1", "b1", 1)][1:] == [many]
    again.close()


def test_stated_rounding_is_the_one_made(store: SqlStore) -> None:
    hot = case.field(np.array([[[300.1, 1e5, np.nan]]]))
    warm = case.field(np.array([[[300.1, 1563.3, 32767.4]]]), lead_s=1.0)
    store.write(Step(forecasts=[case.forecast(0, fields=(hot, warm))]))
    with store._engine.connect() as connection:
        rows = connection.execute(text("SELECT lead_s, rounding_k FROM fields"))
        stated: dict[float, float] = dict(iter(rows))  # type: ignore[arg-type]
        dtypes = connection.execute(text("SELECT dtype FROM fields ORDER BY lead")).scalars().all()
    assert dtypes == ["<f4", packing.STEPS], "what steps cannot hold is kept in float32"
    assert max(stated.values()) <= FIELD_ERROR_K
    for field in (hot, warm):
        found = store.latest_field("m1", field.lead_s)
        assert found is not None
        error_k = np.nanmax(np.abs(found.temperature_k.astype(float) - field.temperature_k))
        assert error_k == pytest.approx(stated[field.lead_s], abs=1e-9)
        assert np.isnan(found.temperature_k[0, 0, 2]) == np.isnan(field.temperature_k[0, 0, 2])


LIVE = {"rejects", "gaps", "scan_vectors", "signals", "forecasts", "melt_pool", "fields", "alerts", "layers", "frames"}
GROWING = LIVE | {"observations", "conflicts", "parameters"}


def statements_of_every_read(store: SqlStore) -> dict[str, Any]:
    """Every SELECT that reading and writing say, with the parameters of one of them."""
    store.write(case.whole_step())
    statements: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:
        statements.append((statement, parameters))

    event.listen(store._engine, "before_cursor_execute", remember)
    for read in [
        *EVERYTHING,
        lambda store: store.counts(),
        lambda store: store.latest_field("m1"),
        lambda store: store.melt_pool("m1", since_s=0.0),
        lambda store: store.signals("m1", since_s=0.0),
        lambda store: store.frames("m1", camera="coaxial", since_s=0.0),
        lambda store: store.frame("m1", at_s=1.0),
        lambda store: store.melt_pool("m1", build="b1", until_s=1.0, limit=1),
        lambda store: store.signals("m1", build="b1", since_s=0.0, until_s=1.0),
        lambda store: store.calibration("m1", build="b1", until_s=1.0),
        lambda store: store.field_at("m1", "b1", 1.0),
        lambda store: store.beside("m1", "b1", 1.0),
        lambda store: store.course("m1", "b1"),
        lambda store: store.alerts("m1", open_only=True),
        lambda store: store.alerts("m1"),
        lambda store: store.alerts(open_only=True),
        lambda store: store.write(case.whole_step()),
    ]:
        read(store)
    event.remove(store._engine, "before_cursor_execute", remember)
    selects = {statement: parameters for statement, parameters in statements if statement.startswith("SELECT")}
    assert len(selects) > 20
    return selects


@only_sqlite
def test_no_read_scans_a_growing_table(store: SqlStore) -> None:
    """SQLite says for every statement of every read how it will find the rows."""
    selects = statements_of_every_read(store)
    with store._engine.connect() as connection:
        for statement, parameters in selects.items():
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for line in plan:
                scanned = line.split()[1] in GROWING and line.startswith("SCAN")
                in_order_up_to_limit = "USING INDEX" in line and "LIMIT" in statement
                assert not scanned or in_order_up_to_limit, f"{line}\n{statement}"
            if "LIMIT" in statement and "JOIN" not in statement and any(f"FROM {name}" in statement for name in LIVE):
                assert not any("TEMP B-TREE FOR ORDER BY" in line for line in plan), f"sorts all rows:\n{statement}"


SMALL = st.integers(0, 3)
TIMES_S = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0])
SOURCES = st.sampled_from(["s1", "s2"])
MESSAGES = st.one_of(
    st.builds(case.state, SMALL, status=st.sampled_from(["online", "offline"]), source=SOURCES, sent_s=TIMES_S),
    st.builds(case.build, st.sampled_from(["b1", "b2"]), SMALL, SOURCES, part=st.sampled_from(["", "p"])),
    st.builds(case.layer, SMALL, SMALL, name=st.sampled_from(["b1", "b2"]), source=SOURCES, time_s=TIMES_S),
    st.builds(
        case.parameters, SMALL, st.lists(TIMES_S, min_size=1, max_size=3).map(sorted), number=SMALL,
        name=st.sampled_from(["b1", "b2"]), source=SOURCES, final=st.booleans(),
    ),
    st.builds(case.plan, SMALL, st.lists(TIMES_S, min_size=1, max_size=3).map(sorted), number=SMALL, time_s=TIMES_S),
    st.builds(case.frame, SMALL, TIMES_S, name=st.sampled_from(["b1", "b2"]), source=SOURCES),
    st.builds(case.signal, SMALL, st.just([0.0, 1.0]), st.lists(TIMES_S, min_size=2, max_size=2), source=SOURCES),
)  # fmt: skip
STEPS = st.builds(
    Step,
    observations=st.lists(MESSAGES.map(heard), max_size=6),
    gaps=st.lists(st.builds(Gap, st.just("m1"), SOURCES, st.just("plan"), SMALL, SMALL, TIMES_S), max_size=2),
    forecasts=st.lists(
        st.builds(
            case.forecast, SMALL, name=st.sampled_from(["b1", "b2"]), lead_count=SMALL, time_s=TIMES_S,
            issued_s=TIMES_S, laser_on=st.booleans(), layer=SMALL, opinion=st.sampled_from(["", "asno"]),
            absorbed=st.none() | st.just(Absorbed(0.4, 0.31, 10)),
        ), max_size=3,
    ),
    alerts=st.lists(
        st.builds(
            case.alert, st.sampled_from(["a", "b"]), first_seen_s=TIMES_S, last_seen_s=TIMES_S, number=SMALL,
            cleared_s=st.none() | TIMES_S,
        ), max_size=3,
    ),
    received_s=TIMES_S,
)  # fmt: skip


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking a file at a time takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, max_size=4))
def test_agrees_with_the_naive_store(
    store: SqlStore, url: str, request: pytest.FixtureRequest, steps: list[Step]
) -> None:
    """The fake works every answer out from all that was said; the tables fold it as it comes."""
    with TemporaryDirectory() as folder:
        if url.startswith("sqlite"):
            with sqlite3.connect(path_of(url)) as empty, sqlite3.connect(f"{folder}/s.db") as copy:
                empty.backup(copy)
            another = f"sqlite:///{folder}/s.db"
        else:
            another = request.getfixturevalue("empty_store")()
        store, naive = SqlStore.create(another), FakeStore()
        for step in steps:
            assert store.write(step) == naive.write(step)
            assert said(store) == said(naive)
            assert store.counts() == naive.counts()
        store.close()


@only_postgresql
def test_no_read_scans_a_growing_table_of_postgresql(store: SqlStore) -> None:
    """With sequential scans made dear, what is still one has no index to go by."""
    selects = statements_of_every_read(store)
    with store._engine.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_sort = off"))
        for statement, parameters in selects.items():
            plan = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
            for line in plan:
                scanned = re.search(r"Seq Scan on (\w+)", line)
                assert scanned is None or scanned[1] not in GROWING, f"{line}\n{statement}"
            if "LIMIT" in statement and "JOIN" not in statement and any(f"FROM {name}" in statement for name in LIVE):
                assert not any(re.search(r"(^|-> +)Sort +\(", line) for line in plan), f"sorts all rows:\n{statement}"


def test_loads_without_torch() -> None:
    script = "import sys, twin.store.sql, twin.store.fake; print({'torch', 'operators', 'alembic'} & set(sys.modules))"
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "set()"
