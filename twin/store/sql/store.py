"""SqlStore: the store in SQLite (WAL, the embedded default) or PostgreSQL. One process writes, any number read.

    SqlStore.create(url)       the writer: makes the schema or upgrades it, after a backup
    SqlStore.open_reader(url)  a reader: never changes anything, works while the writer writes
    SqlStore.open_desk(url)    a reader through which people act: on alerts, builds, what serves a machine; nothing else

A commit is durable against a crash of the process. `durability="normal"` may lose the last commits of an SQLite store
when the power goes, never corrupt the file; "full" waits for the disk at every commit (about 10 times slower for small
steps). PostgreSQL always waits.
"""

from pathlib import Path

from sqlalchemy import Engine

from twin.alarms.acts import Act
from twin.forecast import Alert
from twin.store.port import AlertUnknownError, Step, StoreMissingError, StoreReadOnlyError, StoreVersionError, Written
from twin.store.sql.approvals import SqlApprovals
from twin.store.sql.courses import SqlCourses
from twin.store.sql.engine import Durability, answering, connect, file_of, holding, told
from twin.store.sql.remarks import SqlRemarks
from twin.store.sql.requests import SqlRequests
from twin.store.sql.stretch import StretchReader
from twin.store.sql.sums import SqlSums
from twin.store.sql.write import act, write_step
from twin.store.tables import SCHEMA_REVISION
from twin.store.upkeep.disk import DiskGuard, Room
from twin.store.upkeep.schema import revision_of, upgrade


class SqlStore(SqlCourses, SqlSums, StretchReader, SqlRemarks, SqlApprovals, SqlRequests):
    """All halves over one engine; made by `create`, `open_reader` or `open_desk`."""

    def __init__(self, engine: Engine, *, writes: bool, guard: DiskGuard | None = None) -> None:
        super().__init__(engine)
        self._writes, self._guard = writes, guard
        self._desk = engine if writes else None  # by which people's acts are written

    @classmethod
    def create(
        cls,
        url: str,
        *,
        durability: Durability = "normal",
        backups: Path | None = None,
        backup: bool = True,
        room: Room | None = None,
    ) -> "SqlStore":
        """The writer, with the newest schema; the file and its folder are made where there is none.

        Before the schema of a store with rows is changed a copy of it goes to `backups` (`upkeep.backup`). `room` says
        when a disk is too full; it is looked at where the store is a file.
        """
        upgrade(url, backups=backups, backup=backup)
        engine, file = connect(url, writes=True, durability=durability), file_of(url)

        def say(alerts: list[Alert], now_s: float) -> None:
            with answering(engine), engine.begin() as connection:
                write_step(connection, Step(alerts=alerts, received_s=now_s))

        guard = DiskGuard(room, file, say) if room is not None and file is not None else None
        return cls(engine, writes=True, guard=guard)

    @classmethod
    def open_desk(cls, url: str) -> "SqlStore":
        """A reader that also takes people's acts, in short transactions beside the writer's."""
        reader = cls.open_reader(url)
        reader._desk = connect(url, writes=True)
        return reader

    @classmethod
    def open_reader(cls, url: str) -> "SqlStore":
        """A reader; raises `StoreMissingError` where nothing has been written yet."""
        return cls(reading_engine(url), writes=False)

    def write(self, step: Step) -> Written:
        """Commit one step in one transaction."""
        if not self._writes:
            raise StoreReadOnlyError("this store was opened for reading")
        with holding(self._engine), answering(self._engine):
            large = self._guard is None or self._guard.admit(self._engine)
            with self._engine.begin() as connection:
                return write_step(connection, step, large=large)

    def acknowledge(
        self, machine: str, build: str, kind: str, *, by: str, note: str, now_s: float, occurrence: int | None = None
    ) -> int:
        return self._act(Act(machine, build, kind, "acknowledged", by, now_s, note, occurrence))

    def shelve(self, machine: str, build: str, kind: str, *, by: str, note: str, now_s: float, until_s: float) -> int:
        return self._act(Act(machine, build, kind, "shelved", by, now_s, note, until_s=until_s))

    def unshelve(self, machine: str, build: str, kind: str, *, by: str, now_s: float, note: str = "") -> int:
        return self._act(Act(machine, build, kind, "unshelved", by, now_s, note))

    def _act(self, said: Act) -> int:
        if self._desk is None:
            raise StoreReadOnlyError("this store was opened for reading")
        written = Written()
        with answering(self._desk), self._desk.begin() as connection:
            if act(connection, [said], written):
                raise AlertUnknownError(f"there is no alert {said.kind} of {said.machine}, build {said.build!r}")
        return written.alerts

    def close(self) -> None:
        """Let go of the file or server; in SQLite the last one out folds the log into the file."""
        self._engine.dispose()
        if self._desk is not None:
            self._desk.dispose()


def reading_engine(url: str) -> Engine:
    """An engine that only reads, over a store that is there and has this program's schema; else says what is wrong."""
    file, place = file_of(url), told(url)
    if file is not None and not file.exists():
        raise StoreMissingError(f"there is no store at {file} yet: start `run` first")
    engine = connect(url, writes=False)
    with answering(engine), engine.connect() as connection:
        revision = revision_of(connection)
    if revision == SCHEMA_REVISION:
        return engine
    engine.dispose()
    if revision is None:
        raise StoreMissingError(f"the store at {place} has no tables yet: start `run` first")
    raise StoreVersionError(f"the store at {place} has schema {revision}, this program reads {SCHEMA_REVISION}")
