"""SqlStore: the store in SQLite (WAL, the embedded default) or PostgreSQL. One process writes, any number read.

    SqlStore.create(url)       the writer: makes the schema or upgrades it, after a backup
    SqlStore.open_reader(url)  a reader: never changes anything, works while the writer writes

A commit is durable against a crash of the process. `durability="normal"` may lose the last commits of an SQLite store
when the power goes, never corrupt the file; "full" waits for the disk at every commit (about 10 times slower for small
steps). PostgreSQL always waits.
"""

from pathlib import Path

from sqlalchemy import Engine

from twin.forecast import Alert
from twin.store.engine import Durability, answering, connect, file_of, told
from twin.store.port import Step, StoreMissingError, StoreReadOnlyError, StoreVersionError, Written
from twin.store.stretch import StretchReader
from twin.store.tables import SCHEMA_REVISION
from twin.store.upkeep.disk import DiskGuard, Room
from twin.store.upkeep.schema import revision_of, upgrade
from twin.store.write import write_step


class SqlStore(StretchReader):
    """Both halves over one engine; made by `create` or `open_reader`."""

    def __init__(self, engine: Engine, *, writes: bool, guard: DiskGuard | None = None) -> None:
        super().__init__(engine)
        self._writes, self._guard = writes, guard

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
    def open_reader(cls, url: str) -> "SqlStore":
        """A reader; raises `StoreMissingError` where nothing has been written yet."""
        file, place = file_of(url), told(url)
        if file is not None and not file.exists():
            raise StoreMissingError(f"there is no store at {file} yet: start `run` first")
        engine = connect(url, writes=False)
        with answering(engine), engine.connect() as connection:
            revision = revision_of(connection)
        if revision == SCHEMA_REVISION:
            return cls(engine, writes=False)
        engine.dispose()
        if revision is None:
            raise StoreMissingError(f"the store at {place} has no tables yet: start `run` first")
        raise StoreVersionError(f"the store at {place} has schema {revision}, this program reads {SCHEMA_REVISION}")

    def write(self, step: Step) -> Written:
        """Commit one step in one transaction."""
        if not self._writes:
            raise StoreReadOnlyError("this store was opened for reading")
        with answering(self._engine):
            large = self._guard is None or self._guard.admit(self._engine)
            with self._engine.begin() as connection:
                return write_step(connection, step, large=large)

    def close(self) -> None:
        """Let go of the file or server; in SQLite the last one out folds the log into the file."""
        self._engine.dispose()
