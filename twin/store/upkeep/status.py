"""Status: what a store holds and how large it is. Reads only, whatever schema the store has."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy import column as column_of
from sqlalchemy import table as table_of

from twin.store.port import StoreMissingError
from twin.store.sql.engine import answering, connect, file_of, told
from twin.store.tables import SCHEMA_REVISION, CounterRow
from twin.store.upkeep.schema import revision_of

COUNTED = ("observations", "scan_vectors", "signals", "melt_pool", "fields", "frames")  # too large to be counted here


@dataclass(frozen=True)
class Status:
    """One store. `rows` by table, `apart` what was pruned or left out by counter; times are UTC seconds."""

    place: str
    revision: str
    newest_revision: str
    size_bytes: int
    reusable_bytes: int  # pages in an SQLite file that pruning gave back
    rows: dict[str, int] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)
    first_received_s: float | None = None
    last_received_s: float | None = None


def status(url: str) -> Status:
    """Raises `StoreMissingError` where there is no store."""
    file = file_of(url)
    if file is not None and not file.exists():
        raise StoreMissingError(f"there is no store at {file} yet: start `run` first")
    engine = connect(url, writes=False, upkeep=True)
    try:
        with answering(engine), engine.connect() as connection:
            revision = revision_of(connection)
            if revision is None:
                raise StoreMissingError(f"the store at {told(url)} has no tables yet: start `run` first")
            size, reusable = _size(connection)
            first, last = _times(connection)
            counted = _counters(connection)
            rows = _rows(connection, counted)
    finally:
        engine.dispose()
    if file is not None:
        size = sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*") if part.name in _files(file.name))
    apart = {name: count for name, count in sorted(counted.items()) if name.startswith(("pruned_", "left_out_"))}
    return Status(told(url), revision, SCHEMA_REVISION, size, reusable, rows, apart, first, last)


def _files(name: str) -> tuple[str, ...]:
    return (name, f"{name}-wal", f"{name}-shm")


def _size(connection: Connection) -> tuple[int, int]:
    if connection.dialect.name != "sqlite":
        return int(connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one()), 0
    page = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return 0, int(page * connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())


def _times(connection: Connection) -> tuple[float | None, float | None]:
    """By the order in which messages came: two steps through the primary key."""
    observations = table_of("observations", column_of("id"), column_of("received_s"))
    asked = select(observations.c.received_s).limit(1)
    first = connection.execute(asked.order_by(observations.c.id)).scalar()
    last = connection.execute(asked.order_by(observations.c.id.desc())).scalar()
    return first, last


def _counters(connection: Connection) -> dict[str, int]:
    total = select(CounterRow.name, func.sum(CounterRow.count)).group_by(CounterRow.name)
    return {name: int(count) for name, count in connection.execute(total)}


def _rows(connection: Connection, counted: dict[str, int]) -> dict[str, int]:
    rows = {}
    for name in sorted(set(inspect(connection).get_table_names()) - {"alembic_version"}):
        if name in COUNTED:
            rows[name] = counted.get(name, 0)
        else:
            rows[name] = int(connection.execute(select(func.count()).select_from(table_of(name))).scalar_one())
    return rows
