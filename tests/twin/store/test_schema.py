"""Migrations, on both engines and on a filled store: every revision down and up again, and a backup before."""

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, select, text

from tests.contracts import store_cases as case
from tests.contracts.test_store import said
from twin.clock import FakeClock
from twin.observation import Birth, Skipped
from twin.remarks import Note
from twin.store.port import Step, StoreBackupError, StoreCorruptError, StoreMissingError
from twin.store.sql.people import SqlPeople
from twin.store.sql.store import SqlStore
from twin.store.tables import SCHEMA_REVISION, Base
from twin.store.upkeep import backup, schema
from twin.store.upkeep.backup import back_up
from twin.store.upkeep.prune import keep
from twin.store.upkeep.schema import MIGRATIONS, downgrade, revision_at, upgrade

HISTORY = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]
# what the revision before cannot hold, so that its rows or columns come back otherwise, or not at all
LOST = {
    "0001": {"builds.absorptivity"},
    "0002": {"forecasts.ledger_defect", "forecasts.absorptivity", "forecasts.nominal_absorptivity"},
    "0002_forecast_by_operator": {"frames", "rejects.code"},
    "0003_frames": {"fields.dtype", "fields.checksum", "fields.temperature_k", "kept_builds"},
    "0004_upkeep": {"births", "skipped", "rejects.reingested_s"},
    "0005_births_and_skipped": {"alert_acts"},
    "0007_bands": {"requests"},
    "0008_requests": {"machine_calibration"},
    "0009_machine_calibration": {"accounts", "account_acts"},
    "0010_accounts": {"notes", "build_marks"},
    "0011_notes": {"approvals"},
}


def fill(url: str, many: int = 300) -> SqlStore:
    """Something of everything, so many rows that a migration cannot pass by them."""
    store = SqlStore.create(url)
    store.write(case.whole_step())
    rng = np.random.default_rng(1)
    fields = tuple(case.field(rng.uniform(290.0, 3000.0, (5, 4, 3)), lead_s=lead * 1e-4) for lead in range(2))
    store.write(
        Step(
            [case.heard(case.parameters(sequence, [sequence * 1.0], number=2)) for sequence in range(1, many)],
            forecasts=[case.forecast(frame, fields=fields if frame % 50 == 2 else ()) for frame in range(2, many)],
            alerts=[case.alert(f"k{number}", number=number, last_seen_s=float(number)) for number in range(2, 20)],
            births=[Birth("m1", "m1", 1, "parameters", 7, "began again", 3.0)],
            skipped=[Skipped("m1", "b1", 1, 5, 9, 3.0)],
            received_s=2000.0,
        )
    )
    store.acknowledge("m1", "b1", "k3", by="Ada", note="seen", now_s=30.0)
    store.ask("attribution", {"of": "depth"}, who="Ada", now_s=5.0, deadline_s=9.0)
    noted = store.note(Note("m1", "b1", "spatter", "Ada", 5.0, 1, "point", 1e-3, 2e-3))
    store.withdraw_note(noted, by="Ben", why="a shadow", now_s=6.0)
    store.mark_build("m1", "b1", good=True, by="Ada", note="CT clean", now_s=6.0)
    store.promote("m1", "asno", sha256="ab", by="Ada", note="better", now_s=7.0)
    keep(url, "m1", "b1", by="Ada", now_s=5.0)
    people = SqlPeople.open(url)
    people.add_account("ada", "engineer", "hash", by="first start", now_s=6.0)
    people.close()
    return store


def rows_at(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table as they are, whatever the schema."""
    engine, found = create_engine(url), MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        rows = {
            name: sorted((dict(row._mapping) for row in connection.execute(select(*table.c))), key=repr)
            for name, table in found.tables.items()
        }
    engine.dispose()
    return rows


def differences(url: str) -> Any:
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return found


def test_head_of_the_migrations_is_the_revision_that_readers_expect() -> None:
    assert HISTORY[-1] == SCHEMA_REVISION
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1


@pytest.mark.parametrize("revision", HISTORY[:-1])
def test_a_filled_store_goes_down_and_up_again_with_its_rows(own_url: str, revision: str) -> None:
    store = fill(own_url)
    before, words = rows_at(own_url), said(store)
    store.close()
    downgrade(own_url, revision)
    assert revision_at(own_url) == revision
    older = rows_at(own_url)
    for name in set(older) & set(before) - {"alembic_version", "counters"}:
        assert len(older[name]) == len(before[name]), name
    upgrade(own_url, backup=False)
    assert differences(own_url) == []
    after = rows_at(own_url)
    lost = set().union(*(LOST.get(step, set()) for step in HISTORY[HISTORY.index(revision) :]))
    assert set(after) == set(before)
    for name in before:
        kept = [
            [{k: v for k, v in row.items() if f"{name}.{k}" not in lost} for row in rows]
            for rows in (before[name], after[name])
        ]
        if name == "counters":  # of tables that the older schema does not have they are gone too
            kept = [[row for row in rows if row["name"] not in lost] for rows in kept]
        assert name in lost or sorted(map(repr, kept[0])) == sorted(map(repr, kept[1])), name
    again = SqlStore.open_reader(own_url)
    told = said(again)
    if "machine_calibration" in lost:
        told, words = (
            [each for each in answers if not (isinstance(each, dict) and "made_s" in each)] for answers in (told, words)
        )
    for counts in (told[-1], words[-1]):
        for name in lost & set(counts):
            del counts[name]
    if not lost & {"builds.absorptivity"}:
        assert told == words
    again.close()


def test_alerts_by_layer_become_occurrences_with_their_history(own_url: str) -> None:
    fill(own_url).close()
    downgrade(own_url, "0005_births_and_skipped")
    engine, found = create_engine(own_url), MetaData()
    found.reflect(engine)
    row = {
        "machine": "m1", "build": "b1", "severity": "medium", "evidence": "e", "action": "a", "last_seen_s": 9.0,
        "acknowledged_s": None, "acknowledged_by": None, "acknowledged_note": None, "x_m": None, "y_m": None,
    }  # fmt: skip
    old = [
        row | {"kind": "z", "layer": 1, "first_seen_s": 2.0, "cleared_s": None},
        row | {"kind": "z", "layer": 2, "first_seen_s": 1.0, "cleared_s": 4.0, "acknowledged_s": 3.0,
               "acknowledged_by": "Ada", "acknowledged_note": "known"},
        row | {"kind": "z", "layer": 3, "first_seen_s": 5.0, "cleared_s": None},
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(found.tables["alerts"].insert(), old)
    engine.dispose()
    upgrade(own_url, backup=False)
    store = SqlStore.open_reader(own_url)
    alerts = store.alerts("m1")
    mine = alerts[alerts.kind == "z"].sort_values("occurrence")
    assert list(zip(mine.occurrence, mine.layer, strict=True)) == [(1, 2), (2, 1), (3, 3)]
    assert mine.cleared_s.tolist()[:2] == [4.0, 9.0], "what was open besides the newest ended when it was last seen"
    assert np.isnan(mine.cleared_s.iloc[2])
    assert mine.acknowledged_by.tolist() == ["Ada", None, None]
    acts = store.alert_acts("m1")
    told = acts[acts.kind == "z"]
    assert list(zip(told.act, told.occurrence, told.by, strict=True)) == [
        ("raised", 1, "twin"), ("raised", 2, "twin"), ("acknowledged", 1, "Ada"), ("cleared", 1, "twin"),
        ("raised", 3, "twin"), ("cleared", 2, "twin"),
    ]  # fmt: skip
    assert acts.at_s.is_monotonic_increasing
    store.close()


def test_fields_read_the_same_after_a_schema_that_knows_no_steps(own_url: str) -> None:
    store = fill(own_url)
    shown = [store.latest_field("m1", lead_s) for lead_s in (0.0, 1e-4)]
    store.close()
    downgrade(own_url, "0002")
    upgrade(own_url, backup=False)
    again = SqlStore.open_reader(own_url)
    for field in shown:
        assert field is not None
        found = again.latest_field("m1", field.lead_s)
        assert found is not None
        np.testing.assert_array_equal(found.temperature_k, field.temperature_k)
    again.close()


def test_a_migration_that_fails_half_way_changes_nothing(own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(own_url).close()
    downgrade(own_url, HISTORY[0])
    before = rows_at(own_url)
    real = command.upgrade

    def fails(config: Any, revision: str) -> None:
        real(config, revision)
        raise RuntimeError("pulled the plug")

    monkeypatch.setattr(command, "upgrade", fails)
    with pytest.raises(RuntimeError, match="plug"):
        upgrade(own_url, backup=False)
    assert rows_at(own_url) == before
    monkeypatch.undo()
    upgrade(own_url, backup=False)
    assert revision_at(own_url) == SCHEMA_REVISION


def test_a_migration_that_would_leave_a_row_without_its_forecast_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    fill(url).close()
    downgrade(url, HISTORY[-2])
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("DELETE FROM forecasts WHERE frame = 7")
    with pytest.raises(StoreCorruptError, match="melt_pool"):
        upgrade(url, backup=False)
    assert revision_at(url) == HISTORY[-2]


def test_the_backup_before_an_upgrade_is_the_store_as_it_was(own_url: str, tmp_path: Path) -> None:
    fill(own_url).close()
    downgrade(own_url, HISTORY[-2])
    before = rows_at(own_url)
    made = upgrade(own_url, backups=tmp_path / "kept")
    assert made is not None
    assert HISTORY[-2] in made.name
    assert made.stat().st_mode & 0o077 == 0, "only its owner may read a copy of everything"
    assert list(made.parent.iterdir()) == [made]
    assert rows_at(restored(made, own_url)) == before
    assert upgrade(own_url, backups=tmp_path / "kept") is None, "nothing to do, nothing to keep"


def restored(made: Path, url: str) -> str:
    """The URL of a store made of a backup, as docs/store.md tells a person to."""
    if made.suffix == ".db":
        return f"sqlite:///{made}"
    import os
    import subprocess

    from tests.conftest import need
    from tests.postgres import PASSWORD
    from twin.store.sql.engine import parse

    place = parse(url)
    fresh = str(place.database) + "_again"
    link = [f"--host={place.host}", f"--port={place.port}", f"--username={place.username}"]
    told = {**os.environ, "PGPASSWORD": PASSWORD}
    subprocess.run([need("createdb"), *link, fresh], env=told, check=True)
    subprocess.run([need("pg_restore"), *link, f"--dbname={fresh}", str(made)], env=told, check=True)
    return place.set(database=fresh).render_as_string(hide_password=False)


def test_a_backup_is_whole_while_the_writer_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pages of the copy a step is committed: the copy has it or has it not, but never half of one."""
    url = f"sqlite:///{tmp_path}/s.db"
    store, frames = fill(url), itertools.count(1000, 10)
    real = sqlite3.connect

    class Slow(sqlite3.Connection):
        def backup(self, target: Any, **named: Any) -> None:
            def write(*_: int) -> None:
                if next(steps) < 20:
                    first = next(frames)
                    store.write(Step(forecasts=[case.forecast(frame) for frame in range(first, first + 10)]))

            steps = itertools.count()
            super().backup(target, pages=5, progress=write)

    monkeypatch.setattr(backup.sqlite3, "connect", lambda *a, **k: real(*a, factory=Slow, **k))
    made = back_up(url, tmp_path / "b", clock=FakeClock(0.0))
    monkeypatch.undo()
    assert made.name == "s-19700101T000000Z.db"
    copy = SqlStore.open_reader(f"sqlite:///{made}")
    counted = copy.counts()["forecasts"]
    with copy._engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM forecasts")).scalar() == counted
    assert (counted - 300) % 10 == 0
    assert next(frames) > 1000, "nothing was written meanwhile"
    for open_one in (copy, store):
        open_one.close()


def test_what_cannot_be_backed_up_is_not_migrated(
    own_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(own_url).close()
    downgrade(own_url, HISTORY[-2])
    blocked = tmp_path / "a file"
    blocked.touch()
    with pytest.raises(StoreBackupError, match="a file"):
        upgrade(own_url, backups=blocked)
    monkeypatch.setattr(backup, "pg_dump", lambda: None)
    if own_url.startswith("postgresql"):
        with pytest.raises(StoreBackupError, match="--no-backup"):
            upgrade(own_url, backups=tmp_path)
    assert revision_at(own_url) == HISTORY[-2]
    assert upgrade(own_url, backups=blocked, backup=False) is None
    assert revision_at(own_url) == SCHEMA_REVISION


def test_there_is_nothing_to_back_up_of_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        back_up(f"sqlite:///{tmp_path}/none.db")
    assert schema.revision_at(f"sqlite:///{tmp_path}/none.db") is None
    assert not list(tmp_path.iterdir())
