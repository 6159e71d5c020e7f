"""Bulk: many rows below the ORM, inside a transaction that the caller opens, with what became of a taken key.

    SQLite       one prepared statement, many tuples
    PostgreSQL   few rows so too; many by COPY into a temporary table, then INSERT .. SELECT .. ON CONFLICT DO NOTHING

Both paths give the same rows and the same count. Values never become part of a statement.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import BigInteger, Boolean, Connection, Dialect, Double, LargeBinary, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

from twin.store import tables

Row = dict[str, Any]
OnConflict = Literal["ignore", "update", "add"]
COPIED_ROWS = 100  # from which COPY is worth its four round trips
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_POSTGRESQL_TYPES = {BigInteger: "int8", Boolean: "bool", Double: "float8", LargeBinary: "bytea", Text: "text"}


def insert(
    connection: Connection, model: type[tables.Base], rows: Sequence[Row], on_conflict: OnConflict = "ignore"
) -> int:
    """Rows that all have the same columns; on a taken key: ignore the row, update what is there, or add to it.

    Returns how many rows are new or changed: with "ignore" those whose key was free.
    """
    if not rows:
        return 0
    table = model.__table__
    assert isinstance(table, Table)
    columns = tuple(rows[0])
    if connection.dialect.name == "postgresql" and on_conflict == "ignore" and len(rows) >= COPIED_ROWS:
        return _copy(connection, table, columns, rows)
    sql, order = statement(connection.dialect, table, columns, on_conflict)
    if order is None:
        return connection.exec_driver_sql(sql, list(rows)).rowcount
    driver: Any = connection.connection.driver_connection  # sqlite3 takes the tuples as they are made
    return int(driver.executemany(sql, map(_values(order), rows)).rowcount)


@lru_cache(maxsize=256)
def statement(
    dialect: Dialect, table: Table, columns: tuple[str, ...], on_conflict: OnConflict
) -> tuple[str, list[str] | None]:
    """An INSERT in the dialect's own words, and the order of its parameters where they have no names."""
    said = _INSERT[dialect.name](table)
    key = [column.name for column in table.primary_key]
    rest = [name for name in columns if name not in key]
    if on_conflict == "ignore":
        said = said.on_conflict_do_nothing()
    elif on_conflict == "update":
        said = said.on_conflict_do_update(index_elements=key, set_={name: said.excluded[name] for name in rest})
    else:
        sums = {name: table.c[name] + said.excluded[name] for name in rest}
        said = said.on_conflict_do_update(index_elements=key, set_=sums)
    compiled = said.compile(dialect=dialect, column_keys=list(columns))
    return str(compiled), compiled.positiontup  # type: ignore[attr-defined]


def _values(names: Sequence[str]) -> Any:
    """A row's values in this order, as a tuple, also when there is one."""
    return itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)


def _copy(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> int:
    """The temporary table is made once a connection; it is empty when a transaction begins, and made so in between."""
    from psycopg import sql

    stage, target = sql.Identifier(f"stage_{table.name}"), sql.Identifier(table.name)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        for said in (
            "CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS AS SELECT * FROM {target} WITH NO DATA",
            "DELETE FROM {stage}",
        ):
            cursor.execute(sql.SQL(said).format(stage=stage, target=target))
        into = sql.SQL("COPY {stage} ({names}) FROM STDIN (FORMAT BINARY)").format(stage=stage, names=names)
        with cursor.copy(into) as copy:
            copy.set_types([_postgresql_type(table, name) for name in columns])
            for values in map(_values(columns), rows):
                copy.write_row(values)
        merge = "INSERT INTO {target} ({names}) SELECT {names} FROM {stage} ON CONFLICT DO NOTHING"
        cursor.execute(sql.SQL(merge).format(stage=stage, target=target, names=names))
        return int(cursor.rowcount)


def _postgresql_type(table: Table, name: str) -> str:
    kind = table.c[name].type
    return next(said for known, said in _POSTGRESQL_TYPES.items() if isinstance(kind, known))
