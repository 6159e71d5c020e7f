"""Bring: the rows of an import are those of its file, once, however often it was broken off, renamed or repeated."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pytest

from ingest.errors import BadSourceError
from ingest.files.again import forecast_again
from ingest.files.bring import Brought, bring
from ingest.readers import Recording, open_source
from tests.deploy.fakes import advance
from tests.ingest.readers.logs import PEREGRINE, ROWS, scan_path
from tests.ingest.readers.test_xypt import commands, xypt
from twin.clock import FakeClock
from twin.export import write_build
from twin.observation import Observation, Origin, State
from twin.store.port import Step
from twin.store.sql.store import SqlStore

ROOT = Path(__file__).parents[3]
WALL = {"received_s", "begun_received_s", "build_received_s", "status_received_s"}  # clocks, not what happened
Rows = dict[str, list[tuple[Any, ...]]]


def rows_of(database: Path) -> Rows:
    """Every row of every table, without wall clocks."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows: Rows = {}
        for table in tables:
            names = [column[1] for column in connection.execute(f"PRAGMA table_info({table})")]
            kept = ", ".join(f'"{name}"' for name in names if name not in WALL)
            rows[table] = sorted(connection.execute(f"SELECT {kept} FROM {table}").fetchall(), key=repr)
    return rows


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return xypt(tmp_path / "log.h5", {str(n): commands(20_000, n) for n in range(1, 6)})


@pytest.fixture
def whole(log: Path, tmp_path: Path) -> Rows:
    """The rows of an import that nobody disturbed."""
    store = SqlStore.create(f"sqlite:///{tmp_path}/whole.db")
    assert bring(open_source(log), store, FakeClock(), "local").complete
    store.close()
    return rows_of(tmp_path / "whole.db")


def test_the_rows_are_those_of_the_file(log: Path, tmp_path: Path) -> None:
    store = SqlStore.create(f"sqlite:///{tmp_path}/a.db")
    brought = bring(open_source(log), store, FakeClock(), "local")
    assert (brought.samples, brought.layers_seen, brought.known) == (100_000, 5, 0)
    assert brought.messages == store.counts()["observations"]
    assert store.counts()["samples"] == 100_000
    samples = store.parameters("m", brought.build, 3)
    assert samples.x_m.to_numpy() == pytest.approx(commands(20_000, 3)["X"] * 1e-3)
    np.testing.assert_array_equal(samples.beam_power_w.to_numpy(), commands(20_000, 3)["P"])
    known = store.build("m", brought.build)
    assert known is not None
    assert known["data_hash"] == brought.data_hash
    (row,) = store.builds().to_dict("records")
    assert (row["machine"], row["build"]) == ("m", brought.build)
    assert store.layers("m", brought.build).final.all()


def test_twice_changes_nothing(log: Path, tmp_path: Path, whole: Rows) -> None:
    store = SqlStore.create(f"sqlite:///{tmp_path}/whole.db")
    again = bring(open_source(log), store, FakeClock(), "local")
    store.close()
    assert (again.complete, again.changed, again.messages) == (True, False, 0)
    assert again.known == len(whole["observations"])
    assert rows_of(tmp_path / "whole.db") == whole


def test_stopped_anywhere_and_taken_up_the_rows_are_the_same(log: Path, tmp_path: Path, whole: Rows) -> None:
    for turns in (1, 2, 3):
        database = tmp_path / f"{turns}.db"
        results: list[Brought] = []
        while not results or not results[-1].complete:
            store, seen = SqlStore.create(f"sqlite:///{database}"), [0]

            def stopped(seen: list[int] = seen, turns: int = turns) -> bool:
                seen[0] += 1
                return seen[0] >= turns

            results.append(bring(open_source(log), store, FakeClock(), "local", stopped=stopped))
            store.close()
        assert len(results) > 1
        assert sum(result.samples for result in results) == 100_000
        assert rows_of(database) == whole


def _import(database: Path, *arguments: object) -> list[str]:
    return [
        sys.executable, "-m", "deploy.cli", "import", *map(str, arguments), "--database", f"sqlite:///{database}"
    ]  # fmt: skip


@pytest.mark.timeout(180)
def test_killed_in_the_middle_and_run_again_the_rows_are_the_same(log: Path, tmp_path: Path, whole: Rows) -> None:
    database = tmp_path / "killed.db"
    killed = 0
    for _ in range(20):
        before = _committed(database)
        child = subprocess.Popen(_import(database, log), cwd=ROOT, stderr=subprocess.DEVNULL)
        while child.poll() is None and _committed(database) == before:
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        if child.wait() == 0:
            break
        killed += 1
        if killed == 2:
            break
    assert killed == 2
    assert 0 < _committed(database) < len(whole["observations"])
    done = subprocess.run(_import(database, log), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "messages were there already" in done.stderr
    assert rows_of(database) == whole
    again = subprocess.run(_import(database, log), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "is in the database already" in again.stderr
    assert "nothing changed" in again.stderr
    assert rows_of(database) == whole


def _committed(database: Path) -> int:
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM observations").fetchone()[0])
    except sqlite3.OperationalError:  # not there yet
        return 0


def recordings(folder: Path, name: str, power_w: float = 200.0) -> Recording:
    path = scan_path(folder, [PEREGRINE, *ROWS], name)
    toml = folder / "build.toml"
    toml.write_text(toml.read_text().replace("200.0", str(power_w)))
    return open_source(path)


def test_a_key_is_of_content_and_never_of_a_name_or_time(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    here = recordings(tmp_path, "0000007.txt").keyed()
    assert recordings(tmp_path / "elsewhere", "x0007.txt").keyed().source != here.source  # layer 0, not layer 7
    assert recordings(tmp_path / "elsewhere", "0000007.txt").keyed().source == here.source
    assert recordings(tmp_path / "elsewhere", "007.txt").keyed().build_name == here.build_name
    assert recordings(tmp_path, "0000007.txt", power_w=201.0).keyed().source != here.source
    assert recordings(tmp_path, "0000008.txt").keyed().source != here.source


def test_a_dry_run_says_what_would_be_and_writes_nothing(log: Path, tmp_path: Path, whole: Rows) -> None:
    report = tmp_path / "r.json"
    subprocess.run(
        [*_import(tmp_path / "none.db", log), "--dry-run", "--report", str(report)], cwd=ROOT, check=True,
        capture_output=True,
    )  # fmt: skip
    assert not (tmp_path / "none.db").exists()
    (said,) = json.loads(report.read_text())
    assert said["messages"] == len(whole["observations"])
    assert said["samples"] == 100_000
    assert said["left_out"] == {"T": 100_000}
    subprocess.run([*_import(tmp_path / "whole.db", log), "--dry-run"], cwd=ROOT, check=True, capture_output=True)
    assert rows_of(tmp_path / "whole.db") == whole


def test_one_bad_file_is_told_and_the_others_come_in(log: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.cli"
    bad.write_text("$$HEADERSTART\n$$BINARY\n")
    report = tmp_path / "r.json"
    done = subprocess.run(
        [*_import(tmp_path / "a.db", bad, log), "--report", str(report)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = json.loads(report.read_text())
    assert "error" in said[0]
    assert said[1]["samples"] == 100_000


def test_in_postgresql_it_is_the_same(log: Path, tmp_path: Path, whole: Rows, empty_store: Callable[[], str]) -> None:
    store, seen = SqlStore.create(empty_store()), [0]

    def at_once() -> bool:
        seen[0] += 1
        return seen[0] == 2

    first = bring(open_source(log), store, FakeClock(), "local", stopped=at_once)
    assert 0 < first.messages < len(whole["observations"])
    rest = bring(open_source(log), store, FakeClock(), "local")
    assert first.messages + rest.messages == len(whole["observations"])
    assert not bring(open_source(log), store, FakeClock(), "local").changed
    assert store.counts()["duplicates"] == 0
    again = forecast_again(store, advance, FakeClock(), rest.machine, rest.build)
    assert again.forecasts == len(store.forecasts(rest.machine, rest.build)) > 1000
    assert write_build(store, rest.machine, tmp_path / "b.h5") == (rest.machine, rest.build)
    with h5py.File(tmp_path / "b.h5") as book:
        np.testing.assert_array_equal(book["parameters/00003/beam_power_w"], commands(20_000, 3)["P"])
        assert book["forecasts/frame"].shape == (again.forecasts,)
    store.close()


@pytest.mark.parametrize(("origin", "status", "refused"), [("live", "online", True), ("live", "offline", False),
                                                         ("replay", "online", False)])  # fmt: skip
def test_the_past_of_a_machine_does_not_stand_for_its_present(
    tmp_path: Path, origin: Origin, status: Literal["online", "offline"], refused: bool
) -> None:
    store = SqlStore.create(f"sqlite:///{tmp_path}/a.db")
    state = State(source="live", sequence=0, time_s=0.0, status=status, origin=origin)
    store.write(Step([Observation("local", "m", state)], received_s=5.0))
    if not refused:
        assert bring(recordings(tmp_path, "0000007.txt"), store, FakeClock(), "local").complete
        return
    before = store.counts()
    with pytest.raises(BadSourceError, match="machine m is online"):
        bring(recordings(tmp_path, "0000007.txt"), store, FakeClock(), "local")
    assert store.counts() == before


@pytest.fixture
def wild(tmp_path: Path) -> Recording:
    folder = tmp_path / "wild"
    folder.mkdir()
    return open_source(scan_path(folder, [PEREGRINE, *ROWS, "0 9e9 0 2.5 1 1e9"]))


def test_a_number_that_no_machine_means_is_refused(wild: Recording, tmp_path: Path) -> None:
    store = SqlStore.create(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(BadSourceError, match="x1_m beyond 1000"):
        bring(wild, store, FakeClock(), "local")
