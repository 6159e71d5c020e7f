"""SqlStore: the store in SQLite (WAL, the embedded default) or PostgreSQL. One process writes, any number read.

    SqlStore.create(url)       the writer: makes the schema or upgrades it
    SqlStore.open_reader(url)  a reader: never changes anything, works while the writer writes

A commit is durable against a crash of the process. `durability="normal"` may lose the last commits when the power
goes, never corrupt the file; "full" waits for the disk at every commit (about 10 times slower for small steps).
"""

from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text

from twin.store.port import Step, StoreMissingError, StoreReadOnlyError, StoreVersionError, Written
from twin.store.read import Reader
from twin.store.tables import SCHEMA_REVISION
from twin.store.write import write_step

Durability = Literal["normal", "full"]
_BUSY_TIMEOUT_MS = 10_000
_MIGRATIONS = Path(__file__).parent / "migrations"


class SqlStore(Reader):
    """Both halves over one engine; made by `create` or `open_reader`."""

    def __init__(self, engine: Engine, *, writes: bool) -> None:
        super().__init__(engine)
        self._writes = writes

    @classmethod
    def create(cls, url: str, *, durability: Durability = "normal") -> "SqlStore":
        """The writer, with the newest schema; the file and its folder are made where there is none."""
        upgrade(url)
        return cls(_engine(url, writes=True, durability=durability), writes=True)

    @classmethod
    def open_reader(cls, url: str) -> "SqlStore":
        """A reader; raises `StoreMissingError` where nothing has been written yet."""
        path = make_url(url).database
        if make_url(url).get_backend_name() == "sqlite" and not (path and Path(path).exists()):
            raise StoreMissingError(f"there is no store at {path} yet: start `run` first")
        engine = _engine(url, writes=False)
        with engine.connect() as connection:
            revision = _revision(connection)
        if revision == SCHEMA_REVISION:
            return cls(engine, writes=False)
        engine.dispose()
        if revision is None:
            raise StoreMissingError(f"the store at {path} has no tables yet: start `run` first")
        raise StoreVersionError(f"the store at {path} has schema {revision}, this program reads {SCHEMA_REVISION}")

    def write(self, step: Step) -> Written:
        """Commit one step in one transaction."""
        if not self._writes:
            raise StoreReadOnlyError("this store was opened for reading")
        with self._engine.begin() as connection:
            return write_step(connection, step)

    def close(self) -> None:
        """Let go of the file or server; in SQLite the last one out folds the log into the file."""
        self._engine.dispose()


def upgrade(url: str) -> None:
    """Bring the schema to the newest revision, in one transaction."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and place.database:
        Path(place.database).parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(url, writes=True)
    try:
        with engine.begin() as connection:
            revision = _revision(connection)
            if revision != SCHEMA_REVISION:
                _migrate(connection, url, revision)
    finally:
        engine.dispose()


def downgrade(url: str, revision: str = "base") -> None:
    """Take the schema back to a revision; what that one cannot hold is lost."""
    from alembic import command

    engine = _engine(url, writes=True)
    try:
        with engine.begin() as connection:
            command.downgrade(_alembic(connection), revision)
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _alembic(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: Connection, url: str, revision: str | None) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _alembic(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        place = make_url(url).render_as_string(hide_password=True)
        raise StoreVersionError(
            f"the store at {place} has schema {revision}, which is newer than {SCHEMA_REVISION}: upgrade Meltwin"
        )
    command.upgrade(config, "head")


def _engine(url: str, *, writes: bool, durability: Durability = "normal") -> Engine:
    place = make_url(url)
    if place.get_backend_name() != "sqlite":
        return create_engine(place)
    if not place.database or place.database == ":memory:":
        raise StoreMissingError("a store needs a file: sqlite:///path/to/meltwin.db")
    if writes:
        engine = create_engine(place)
    else:
        uri = Path(place.database).absolute().as_uri()
        engine = create_engine(place.set(database=uri, query={"mode": "ro", "uri": "true"}))
    pragmas = [f"busy_timeout = {_BUSY_TIMEOUT_MS}"]
    if writes:
        pragmas += ["journal_mode = WAL", f"synchronous = {durability.upper()}", "foreign_keys = ON"]

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # this module begins transactions, the driver does not
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine
