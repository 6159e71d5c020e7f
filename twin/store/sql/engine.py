"""Engine: connections to SQLite or PostgreSQL, and what their errors mean. The only place that knows either driver.

A writer's transaction begins by taking the one right to write (SQLite: BEGIN IMMEDIATE; PostgreSQL: an advisory lock),
so that what it looks up stands until it commits. No wait is without end: connecting, locks and statements all time out,
and what a later try may mend is a `StoreUnavailableError`. No message carries a password or a bound value.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError

from twin.store.port import (
    StoreError,
    StoreFullError,
    StoreMissingError,
    StoreRefusedError,
    StoreUnavailableError,
)

Durability = Literal["normal", "full"]
WRITERS = 0x6D656C74  # key of PostgreSQL's advisory lock: whoever holds it is the one who writes
CONNECT_S = 5.0  # wall seconds, like the next two
LOCK_S = 10.0
STATEMENT_S = 30.0
_SQLITE_PRAGMAS = {
    "normal": ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"),
    "full": ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"),
}
_POSTGRESQL_LINK = {  # libpq: a server that is gone is noticed within some ten seconds
    "connect_timeout": int(CONNECT_S),
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "meltwin",
}
_SQLITE_WAITS = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL
}  # fmt: skip
_POSTGRESQL_FULL = "53100"
# connection, resources, operator intervention, rollback, lock not available, read-only after a fail-over
_POSTGRESQL_WAITS = ("08", "53", "57", "40", "55P03", "25006")


def parse(url: str) -> URL:
    """A URL with its driver named; raises `StoreError` for what is none, without saying it back (it may be secret)."""
    try:
        place = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreError("the database is not a URL such as sqlite:////data/meltwin.db") from error
    if place.drivername in ("postgresql", "postgres"):
        place = place.set(drivername="postgresql+psycopg")
    if place.drivername not in ("sqlite", "postgresql+psycopg"):
        raise StoreError(f"a store is sqlite:///... or postgresql://..., not {place.drivername}://...")
    if place.get_backend_name() == "sqlite" and place.database in (None, "", ":memory:"):
        raise StoreMissingError("a store needs a file: sqlite:///path/to/meltwin.db")
    return place


def told(url: str | URL) -> str:
    """A URL for people to read: without its password, wherever in it that stands."""
    place = parse(url) if isinstance(url, str) else url
    shown = {name: "***" if "pass" in name.lower() else value for name, value in place.query.items()}
    return place.set(query=shown).render_as_string(hide_password=True)


def file_of(url: str | URL) -> Path | None:
    """The file of an SQLite store; None for a server."""
    place = parse(url) if isinstance(url, str) else url
    return Path(place.database) if place.get_backend_name() == "sqlite" and place.database else None


def connect(url: str, *, writes: bool, durability: Durability = "normal", upkeep: bool = False) -> Engine:
    """An engine over `url`; nothing is asked of it yet.

    `upkeep` is for migrations, pruning and exports: statements may take as long as they need, and SQLite checks foreign
    keys when the caller says so (`PRAGMA foreign_key_check`) rather than row by row.
    """
    place = parse(url)
    if place.get_backend_name() == "sqlite":
        return _sqlite(place, writes, durability, upkeep)
    return _postgresql(place, writes, upkeep)


def _sqlite(place: URL, writes: bool, durability: Durability, upkeep: bool) -> Engine:
    waits = {"timeout": LOCK_S}
    if Path(str(place.database)).is_dir():
        raise StoreError(f"{place.database} is a folder; a store is a file: sqlite:///path/to/meltwin.db")
    if writes:
        engine = create_engine(place, connect_args=waits, hide_parameters=True)
    else:
        uri = Path(str(place.database)).absolute().as_uri()
        place = place.set(database=uri, query={"mode": "ro", "uri": "true"})
        engine = create_engine(place, connect_args=waits, hide_parameters=True)
    pragmas: list[str] = []
    if writes:
        pragmas = [*_SQLITE_PRAGMAS[durability], "PRAGMA foreign_keys = OFF" if upkeep else "PRAGMA foreign_keys = ON"]

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # this module begins transactions, the driver does not
        for pragma in pragmas:
            connection.execute(pragma)

    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection  # a tenth of a millisecond less than through SQLAlchemy
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine


def _postgresql(place: URL, writes: bool, upkeep: bool) -> Engine:
    link = {name: value for name, value in _POSTGRESQL_LINK.items() if name not in place.query}
    engine = create_engine(
        place, connect_args=link, hide_parameters=True, pool_pre_ping=True, pool_size=2, pool_timeout=CONNECT_S
    )

    def connected(connection: Any, _: Any) -> None:
        connection.autocommit = True  # else the first rollback would take these back
        waits_s = {"lock_timeout": LOCK_S, "statement_timeout": 0 if upkeep else STATEMENT_S}
        for name, seconds in waits_s.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, f"{seconds * 1000:.0f}"))
        if not writes:
            connection.execute("SET default_transaction_read_only = on")
        connection.autocommit = False

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%(key)s)", {"key": WRITERS})

    event.listen(engine, "connect", connected)
    if writes:
        event.listen(engine, "begin", begin)
    return engine


@contextmanager
def answering(engine: Engine) -> Iterator[None]:
    """Turns what a later try may mend into `StoreUnavailableError`; any other error stays what it is."""
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (DBAPIError, driver.Error) as error:
        trouble = _trouble(error)
        if trouble is None:
            if _code(error) == sqlite3.SQLITE_NOTADB:
                raise StoreError(f"the file of {told(engine.url)} is no SQLite database") from error
            raise
        what = "is full" if trouble is StoreFullError else "does not answer"
        raise trouble(f"the store at {told(engine.url)} {what}: {_reason(error, engine.url)}") from error


@contextmanager
def holding(engine: Engine) -> Iterator[None]:
    """Turns a value that no column can hold into `StoreRefusedError`: text with a NUL, a number beyond 64 bits."""
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (DataError, driver.DataError, OverflowError, UnicodeError) as error:
        raise StoreRefusedError(f"{type(error).__name__}: {_reason(error, engine.url)}") from error


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """One transaction of upkeep over `url`, committed when the block ends well."""
    engine = connect(url, writes=True, upkeep=True)
    try:
        with answering(engine), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _trouble(error: Exception) -> type[StoreUnavailableError] | None:
    """Which of ours an error is: SQLAlchemy's around the driver's, or the driver's own."""
    driven = getattr(error, "orig", None) or error
    primary = _code(error)
    if primary is not None:
        return StoreFullError if primary == sqlite3.SQLITE_FULL else _waits(primary in _SQLITE_WAITS)
    state = getattr(driven, "sqlstate", None)
    if state is not None:
        return StoreFullError if state == _POSTGRESQL_FULL else _waits(state.startswith(_POSTGRESQL_WAITS))
    return _waits(type(driven).__name__ == "OperationalError" and not isinstance(driven, sqlite3.Error))


def _code(error: Exception) -> int | None:
    """SQLite's primary error code; the rest of it says where in SQLite."""
    code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _waits(does: bool) -> type[StoreUnavailableError] | None:
    return StoreUnavailableError if does else None


def _reason(error: Exception, place: URL) -> str:
    driven = getattr(error, "orig", None) or error
    lines = str(driven).strip().splitlines()
    reason = lines[0] if lines else type(driven).__name__
    return reason.replace(place.password, "***") if place.password else reason
