"""Bulk: both paths give the same rows and the same count, and a value is never part of a statement."""

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.contracts import store_cases as case
from twin.observation import Signal
from twin.store.derive import signal_rows
from twin.store.sql import bulk
from twin.store.sql.engine import connect
from twin.store.sql.store import SqlStore
from twin.store.tables import CounterRow, MeltPoolRow, SignalRow

ROOT = Path(__file__).parents[3]
NUMBERS = st.floats(allow_nan=False)
SAMPLES = st.lists(st.tuples(st.integers(0, 30), NUMBERS), max_size=40)


def rows_of(samples: list[tuple[int, float]], start: int = 0) -> list[dict[str, Any]]:
    return [
        {"machine": "m'1", "build": "b\\1\t\n", "time_s": 0.0, "name": "x", "source": "Düse", "sequence": 0}
        | {"sample": start + sample, "layer": 1, "value": value}
        for sample, value in samples
    ]


def kept(store: SqlStore) -> list[tuple[Any, ...]]:
    columns = SignalRow.__table__.c
    with store._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(columns.sample))]


@pytest.mark.parametrize("copied_rows", [1, 10**9], ids=["copied", "one by one"])
def test_each_path_keeps_the_first_of_a_key_and_counts_what_was_new(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, copied_rows: int
) -> None:
    monkeypatch.setattr(bulk, "COPIED_ROWS", copied_rows)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(first=SAMPLES, second=SAMPLES)
    def law(first: list[tuple[int, float]], second: list[tuple[int, float]]) -> None:
        expected: dict[int, float] = {}
        with store._engine.begin() as connection:
            connection.execute(SignalRow.__table__.delete())  # type: ignore[attr-defined]
            for samples in (first, second):
                free = {sample: value for sample, value in reversed(samples) if sample not in expected}
                assert bulk.insert(connection, SignalRow, rows_of(samples)) == len(free)
                expected |= free
        assert kept(store) == [tuple(row.values()) for row in rows_of(sorted(expected.items()))]

    law()


def test_both_paths_give_the_same_rows_of_every_type(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole step, every table in turn by COPY and one by one."""
    answers = []
    for copied_rows in (1, 10**9):
        monkeypatch.setattr(bulk, "COPIED_ROWS", copied_rows)
        with store._engine.begin() as connection:
            for table in reversed(SignalRow.metadata.sorted_tables):
                connection.execute(table.delete())
        store.write(case.whole_step())
        tables = {}
        with store._engine.connect() as connection:
            for name, table in SignalRow.metadata.tables.items():
                columns = [c for c in table.c if c.name != "id" or name not in ("observations", "alert_acts")]
                tables[name] = sorted(map(repr, connection.execute(select(*columns))))
        answers.append(tables)
    assert answers[0] == answers[1]
    assert all(answers[0][name] for name in ("fields", "melt_pool", "signals", "parameters", "rejects"))


def test_a_number_that_is_none_is_kept_by_both_paths(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for frame, copied_rows in enumerate((1, 10**9)):
        monkeypatch.setattr(bulk, "COPIED_ROWS", copied_rows)
        lead = case.lead(0.0, 0.0, case.MeltPool(float("nan"), float("inf"), 1e-4))
        store.write(case.Step(forecasts=[case.forecast(frame, leads=(lead,))]))
    found = store.melt_pool("m1")
    assert found.length_m.isna().all()
    assert found.width_m.tolist() == [float("inf")] * 2


def test_a_message_of_many_samples_is_kept_whole(store: SqlStore) -> None:
    """Long enough that PostgreSQL copies; again, and again beside new ones."""
    assert bulk.COPIED_ROWS < 5000
    times_s = [i * 1e-5 for i in range(5000)]
    message = case.signal(0, times_s, times_s)
    assert isinstance(message, Signal)
    for _ in range(2):
        store.write(case.Step([case.heard(message)], received_s=1.0))
    with store._engine.begin() as connection:
        rows = signal_rows("m1", message.source, message)
        assert bulk.insert(connection, SignalRow, rows) == 0
        assert bulk.insert(connection, SignalRow, [row | {"sequence": 1} for row in rows] + rows) == len(rows)
        connection.rollback()
    assert store.signals("m1", limit=10_000).time_s.tolist() == times_s


def test_counts_add_up_and_updates_replace(store: SqlStore) -> None:
    row = {"name": "a", "machine": "m", "detail": "", "count": 2}
    with store._engine.begin() as connection:
        for mode in ("add", "add", "ignore"):
            bulk.insert(connection, CounterRow, [row], mode)  # type: ignore[arg-type]
        assert connection.execute(select(CounterRow.count)).scalars().all() == [4]
        bulk.insert(connection, CounterRow, [row | {"count": 7}], "update")
        assert connection.execute(select(CounterRow.count)).scalars().all() == [7]
        assert bulk.insert(connection, MeltPoolRow, []) == 0


def test_a_value_that_reads_like_sql_is_only_a_value(store: SqlStore, url: str) -> None:
    evil = "x'; DROP TABLE signals; --"
    rows = [row | {"name": evil, "source": evil} for row in rows_of([(i, 1.0) for i in range(200)])]
    with store._engine.begin() as connection:
        assert bulk.insert(connection, SignalRow, rows) == 200
    assert store.signals(evil, build=evil).empty
    assert store.alerts(evil).empty
    assert {row[3] for row in kept(store)} == {evil}
    connect(url, writes=False).dispose()


def test_every_statement_is_a_constant() -> None:
    """No statement is put together from text: parameters are bound, and names go through the driver's own quoting.

    Migrations are let off: what they put together are the names of tables that stand in them.
    """
    asked = {"text", "execute", "exec_driver_sql", "executemany", "executescript", "SQL"}
    found = []
    files = [file for package in ("twin", "ui", "deploy", "ingest") for file in (ROOT / package).rglob("*.py")]
    for path in files:
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            glued = isinstance(first, ast.JoinedStr | ast.BinOp) or (
                isinstance(first, ast.Call) and getattr(first.func, "attr", "") in ("format", "join", "replace")
                and isinstance(getattr(first.func, "value", None), ast.Constant)
            )  # fmt: skip
            if name in asked and glued:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


@pytest.mark.slow
def test_bulk_writes_keep_seven_tenths_of_the_bare_drivers_rate() -> None:
    """Both in one run, on both engines, so that a busy machine slows both; from 500 rows a transaction on."""
    from tests.bench import bench_store

    assert bench_store.main(["--rows", "500", "2000", "10000", "--turns", "9", "--least", "0.7"]) == 0
