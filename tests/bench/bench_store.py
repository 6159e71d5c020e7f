"""Bulk writes through the store beside the bare driver doing the same by hand, in one run: rows a second, and ratio.

"Bare" is the driver alone with tuples ready to go: SQLite `executemany`, PostgreSQL `COPY` into a temporary table and
then INSERT .. ON CONFLICT DO NOTHING. "Bulk" is `sql.bulk` from the rows that `derive` makes. "Step" is all of
`Store.write` for messages of 500 samples (keys looked up, messages kept whole, counted), to see what the rest costs.
Bare and bulk take turns on the same empty table; the medians are compared.
"""

import sqlite3
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contracts import store_cases as case
from twin.store.derive import signal_rows
from twin.store.sql import bulk
from twin.store.sql.store import SqlStore
from twin.store.tables import SignalRow

COLUMNS = tuple(SignalRow.__table__.c.keys())
INSERT = (
    "INSERT INTO signals (machine, build, time_s, name, source, sequence, sample, layer, value) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
TYPES = ["text", "text", "float8", "text", "text", "int8", "int8", "int8", "float8"]
SAMPLES = 500  # of one message


def rows_of(count: int, batch: int) -> list[dict[str, Any]]:
    """Samples of one sensor as `derive` makes them, no key twice."""
    times_s = [(batch * count + i) * 1e-5 for i in range(count)]
    return signal_rows("m1", "m1", case.signal(batch, times_s, times_s))


def bare_sqlite(path: str) -> Callable[[list[tuple[Any, ...]]], None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")

    def write(rows: list[tuple[Any, ...]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")

    return write


def bare_postgresql(link: str) -> Callable[[list[tuple[Any, ...]]], None]:
    import psycopg

    connection = psycopg.connect(link)
    names = ", ".join(COLUMNS)
    connection.execute("CREATE TEMPORARY TABLE bare ON COMMIT DELETE ROWS AS SELECT * FROM signals WITH NO DATA")
    connection.commit()

    def write(rows: list[tuple[Any, ...]]) -> None:
        with connection.cursor() as cursor:
            with cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(TYPES)
                for row in rows:
                    copy.write_row(row)
            cursor.execute(f"INSERT INTO signals ({names}) SELECT {names} FROM bare ON CONFLICT DO NOTHING")
        connection.commit()

    return write


def clear(store: SqlStore) -> None:
    with store._engine.begin() as connection:
        for table in reversed(SignalRow.metadata.sorted_tables):
            connection.execute(table.delete())


def compare(store: SqlStore, bare: Callable[[list[tuple[Any, ...]]], None], count: int, turns: int) -> dict[str, float]:
    """Rows a second of bare, bulk and step, and the ratio of the second to the first."""
    seconds: dict[str, list[float]] = {"bare": [], "bulk": [], "step": []}
    for turn in range(turns):
        rows = rows_of(count, turn)
        tuples = [tuple(row[name] for name in COLUMNS) for row in rows]
        messages = [case.heard(case.signal(turn * 10**6 + i, [float(t) for t in range(SAMPLES)], [1.0] * SAMPLES))
                    for i in range(max(1, count // SAMPLES))]  # fmt: skip
        step = case.Step(messages, received_s=1.0)
        ways: dict[str, Callable[[], object]] = {
            "bare": lambda tuples=tuples: bare(tuples),
            "bulk": lambda rows=rows: _bulk(store, rows),
            "step": lambda step=step: store.write(step),
        }
        for name in sorted(ways, reverse=bool(turn % 2)):
            clear(store)
            began = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - began)
    wrote = {"bare": count, "bulk": count, "step": max(1, count // SAMPLES) * SAMPLES}
    rates = {name: wrote[name] / statistics.median(took[1:]) for name, took in seconds.items()}  # the first one warms
    return rates | {"ratio": rates["bulk"] / rates["bare"]}


def _bulk(store: SqlStore, rows: list[dict[str, Any]]) -> None:
    with store._engine.begin() as connection:
        bulk.insert(connection, SignalRow, rows)


@contextmanager
def stores() -> Iterator[dict[str, tuple[SqlStore, Callable[[list[tuple[Any, ...]]], None]]]]:
    """Both, as durable as they are by default: SQLite in WAL mode, PostgreSQL waiting for its log."""
    from tests.postgres import server

    with tempfile.TemporaryDirectory() as folder, server(fsync="on") as running:
        path = str(Path(folder) / "bench.db")
        lite = SqlStore.create(f"sqlite:///{path}")
        url = running.database()
        post = SqlStore.create(url)
        yield {
            "sqlite": (lite, bare_sqlite(path)),
            "postgresql": (post, bare_postgresql(running.link(url.rsplit("/", 1)[1]))),
        }
        for store in (lite, post):
            store.close()


def main(argv: list[str]) -> int:
    parser = ArgumentParser(prog="tests.bench store", description="Bulk writes beside the bare driver.")
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[50, 500, 2_000, 10_000], help="rows a transaction, at most 10,000"
    )
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--least", type=float, default=0.0, help="exit 1 if a ratio from 500 rows on is below this")
    told = parser.parse_args(argv)
    worst = float("inf")
    print("| store | rows a transaction | bare rows/s | bulk rows/s | bulk / bare | step rows/s |")
    print("|---|---|---|---|---|---|")
    with stores() as opened:
        for name, (store, bare) in opened.items():
            for count in told.rows:
                found = compare(store, bare, count, told.turns)
                rates = " | ".join(f"{found[key]:,.0f}" for key in ("bare", "bulk"))
                print(f"| {name} | {count:,} | {rates} | {found['ratio']:.2f} | {found['step']:,.0f} |", flush=True)
                worst = min(worst, found["ratio"]) if count >= 500 else worst
    print(f"the least ratio from 500 rows on: {worst:.2f}", file=sys.stderr)
    return 0 if worst >= told.least else 1
