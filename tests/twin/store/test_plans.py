"""Time series on PostgreSQL: an index over when a message came that costs next to nothing, and is used."""

import numpy as np
import pytest
from sqlalchemy import text

from twin.store.sql import bulk
from twin.store.sql.store import SqlStore
from twin.store.tables import ObservationRow

MESSAGES = 40_000


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_old_messages_are_found_by_a_block_range_index(store: SqlStore) -> None:
    """A tenth of the messages by age: by the index, reading about a tenth of the table, and the index is tiny."""
    payload = np.random.default_rng(0).bytes(300)
    rows = [
        {"source": "s", "channel": "parameters", "sequence": i, "site": "hall", "machine": "m1", "kind": "parameters"}
        | {"build": "b1", "layer": i // 100, "time_s": float(i), "sent_s": None, "received_s": float(i)}
        | {"encoding": "json", "payload": payload}
        for i in range(MESSAGES)
    ]
    with store._engine.begin() as connection:
        bulk.insert(connection, ObservationRow, rows)
        connection.execute(text("SELECT brin_summarize_new_values('ix_observations_received_s')"))  # as autovacuum
        connection.execute(text("ANALYZE observations"))
        before = text("SELECT count(*) FROM observations WHERE received_s < :before_s")
        plan = connection.execute(
            text("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT id FROM observations WHERE received_s < :before_s"),
            {"before_s": MESSAGES / 10},
        ).scalar_one()[0]["Plan"]
        assert connection.execute(before, {"before_s": MESSAGES / 10}).scalar() == MESSAGES / 10
        kind = connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_observations_received_s'")
        ).scalar_one()
        size, table = connection.execute(
            text("SELECT pg_relation_size('ix_observations_received_s'), pg_relation_size('observations')")
        ).one()
        connection.rollback()
    assert "USING brin" in kind
    assert plan["Node Type"] == "Bitmap Heap Scan"
    assert plan["Plans"][0]["Index Name"] == "ix_observations_received_s"
    assert size < table / 200
    pages = table / 8192
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < pages / 4
