"""A disk that fills: less is kept, then nothing is taken, it is said, nothing is lost, and it goes on by itself."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, text

from tests.conftest import need
from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from tests.postgres import server as postgres_server
from twin.clock import FakeClock
from twin.store.port import Step, StoreFullError
from twin.store.sql.store import SqlStore
from twin.store.upkeep.disk import MIB, Room
from twin.store.upkeep.schema import upgrade


class Disk:
    """As much free space as a test says."""

    def __init__(self) -> None:
        self.free_mib, self.clock = 1000.0, FakeClock(5000.0)
        self.room = Room(200.0, 50.0, lambda _: int(self.free_mib * MIB), self.clock)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def store(tmp_path: Path, disk: Disk) -> Iterator[SqlStore]:
    store = SqlStore.create(f"sqlite:///{tmp_path}/s.db", room=disk.room)
    store.write(Step([heard(case.state()), heard(case.build())], received_s=1.0))
    yield store
    store.close()


def with_field(frame: int) -> Step:
    hot = (case.field(np.full((3, 2, 2), 1000.0)),)
    seen = heard(case.parameters(frame, [frame * 1.0]))
    return Step([seen, heard(case.frame(frame))], forecasts=[case.forecast(frame, fields=hot)], received_s=2.0)


def standing(store: SqlStore) -> list[tuple[str, str, str]]:
    found = store.alerts(open_only=True)
    return sorted(zip(found.machine, found.kind, found.severity, strict=True))


def test_below_the_first_limit_fields_and_pictures_are_not_kept_and_the_rest_is(store: SqlStore, disk: Disk) -> None:
    store.write(with_field(0))
    assert (store.counts()["fields"], store.counts()["frames"], standing(store)) == (1, 1, [])
    disk.free_mib = 199.0
    written = store.write(with_field(1))
    assert (written.observations, written.forecasts) == (2, 1)
    counts = store.counts()
    assert (counts["fields"], counts["frames"]) == (1, 1)
    assert (counts["forecasts"], counts["melt_pool"], counts["samples"], counts["observations"]) == (2, 4, 2, 6)
    assert standing(store) == [("m1", "disk_low", "medium")]
    with store._engine.connect() as connection:
        left_out = connection.execute(text("SELECT name, count FROM counters WHERE name LIKE 'left_out%'")).all()
    assert sorted(map(tuple, left_out)) == [("left_out_fields", 1), ("left_out_frames", 1)]


def test_it_goes_on_by_itself_but_not_at_every_byte(store: SqlStore, disk: Disk) -> None:
    disk.free_mib = 199.0
    store.write(with_field(0))
    disk.free_mib = 210.0
    store.write(with_field(1))
    assert store.counts()["fields"] == 0, "a tenth more than the limit is asked for"
    disk.free_mib, disk.clock._now_s = 221.0, 6000.0
    store.write(with_field(2))
    assert store.counts()["fields"] == 1
    assert standing(store) == []
    cleared = store.alerts("m1").iloc[0]
    assert (cleared.kind, cleared.first_seen_s, cleared.cleared_s) == ("disk_low", 5000.0, 6000.0)


def test_below_the_second_nothing_is_taken_and_the_same_step_is_taken_later(store: SqlStore, disk: Disk) -> None:
    before = store.counts()
    disk.free_mib = 49.0
    for _ in range(3):
        with pytest.raises(StoreFullError, match="disk_stop_mib"):
            store.write(with_field(0))
    assert standing(store) == [("m1", "disk_full", "high"), ("m1", "disk_low", "medium")]
    assert {**store.counts(), "alerts": 0} == {**before, "alerts": 0}
    assert store.counts()["alerts"] == 2, "said once"
    disk.free_mib = 100.0
    assert store.write(with_field(0)).observations == 2
    assert standing(store) == [("m1", "disk_low", "medium")]
    disk.free_mib = 1000.0
    store.write(with_field(1))
    assert standing(store) == []


def test_a_restart_knows_what_stands(store: SqlStore, disk: Disk, tmp_path: Path) -> None:
    disk.free_mib = 40.0
    with pytest.raises(StoreFullError):
        store.write(with_field(0))
    store.close()
    disk.free_mib = 1000.0
    again = SqlStore.create(f"sqlite:///{tmp_path}/s.db", room=disk.room)
    again.write(with_field(0))
    assert standing(again) == []
    assert again.alerts().cleared_s.notna().all()
    again.close()


def test_a_machine_that_comes_later_is_told_too(tmp_path: Path, disk: Disk) -> None:
    store = SqlStore.create(f"sqlite:///{tmp_path}/new.db", room=disk.room)
    disk.free_mib = 100.0
    store.write(Step([heard(case.state())], received_s=1.0))
    store.write(Step([heard(case.parameters(0))], received_s=1.0))
    assert standing(store) == [("m1", "disk_low", "medium")]
    store.close()


def test_pages_that_pruning_gave_back_count_as_room(store: SqlStore, disk: Disk) -> None:
    disk.room = Room(0.3, 0.0, disk.room.free_bytes, disk.clock)
    store._guard._room = disk.room  # type: ignore[union-attr]
    store.write(Step([heard(case.signal(0, [float(i) for i in range(9000)], [1.0] * 9000))], received_s=1.0))
    with store._engine.begin() as connection:
        connection.execute(text("DELETE FROM signals"))
    disk.free_mib = 0.1
    store.write(with_field(0))
    assert store.counts()["fields"] == 1


def full(ballast: Path) -> None:
    """Fill what is left of a disk."""
    with open(ballast, "wb", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of a few MiB of its own."""
    folder = Path(tempfile.mkdtemp(prefix="meltwin-small-", dir="/tmp"))
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
    if done is None or done.returncode != 0:
        folder.rmdir()
        pytest.skip("only root may mount a small file system to fill")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_file_system_that_is_full_loses_nothing(small_disk: Path) -> None:
    """Without the guard: every commit until the disk is full is whole and stays; the step that failed fits later."""
    store = SqlStore.create(f"sqlite:///{small_disk}/s.db")
    fill_until_full(store, lambda: full(small_disk / "ballast"), (small_disk / "ballast").unlink)


def test_a_database_at_its_last_page_loses_nothing(tmp_path: Path) -> None:
    """The same by SQLite's own limit, where nobody may mount."""
    store = SqlStore.create(f"sqlite:///{tmp_path}/s.db")
    limit = [10**6]

    @event.listens_for(store._engine, "begin")
    def limited(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit[0]}")

    def fill() -> None:
        with store._engine.connect() as connection:
            limit[0] = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 8

    fill_until_full(store, fill, lambda: limit.__setitem__(0, 10**6))


def test_a_server_whose_disk_is_full_loses_nothing(small_disk: Path) -> None:
    need("postgres")
    with postgres_server() as running:
        os.chmod(small_disk, 0o777)
        place = small_disk / "space"
        place.mkdir()
        os.chown(place, (running.folder / "data").stat().st_uid, -1)
        running.ask(f"CREATE TABLESPACE small LOCATION '{place}'")
        running.ask("CREATE DATABASE small TABLESPACE small")
        store = SqlStore.create(running.url("small"))
        fill_until_full(store, lambda: full(small_disk / "ballast"), (small_disk / "ballast").unlink)


def fill_until_full(store: SqlStore, fill: Any, make_room: Any) -> None:
    """Commit steps, fill the disk, commit until it fails; then make room and commit that step again."""

    def step(number: int) -> Step:
        times_s = [number + i * 1e-4 for i in range(500)]
        message = case.signal(number, times_s, times_s)
        return Step([heard(message)], forecasts=[case.forecast(number, lead_count=5)], received_s=float(number))

    for number in range(5):
        store.write(step(number))
    fill()
    failed = None
    for number in range(5, 200):
        try:
            store.write(step(number))
        except StoreFullError:
            failed = number
            break
    assert failed is not None, "the disk never filled"
    for _ in range(2):
        with pytest.raises(StoreFullError, match=r"\Athe store at .* is full: .*\Z"):
            store.write(step(failed))
    counts = store.counts()
    assert (counts["observations"], counts["signals"], counts["forecasts"]) == (failed, 500 * failed, failed)
    make_room()
    written = store.write(step(failed))
    assert (written.observations, written.duplicates, written.forecasts) == (1, 0, 1)
    assert len(store.signals("m1", build="b1", limit=10**6)) == 500 * (failed + 1)
    store.close()


def test_the_limits_are_off_where_nobody_sets_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    upgrade(url)
    store = SqlStore.create(url)
    assert store._guard is None
    store.close()
