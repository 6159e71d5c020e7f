"""What a report reads of a stretch: the hash names what was said, and nothing outside the stretch is in it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from twin.forecast import Field
from twin.observation import Birth, Gap, Message, Rejected, Skipped
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from twin.store.sql.stretch import Stretch

ALL = Stretch("m1", "b1", 1, 2)
LONG = [i * 1e-5 for i in range(400)]  # packed as columns


def messages(sent_s: float | None = 990.0) -> list[Message]:
    return [
        case.build(sent_s=sent_s), case.layer(1), case.layer(2, 1, time_s=5.0), case.parameters(0, LONG, sent_s=sent_s),
        case.parameters(1, [5.0, 5.5], number=2, sent_s=sent_s), case.plan(0, [0.0, 1.0]),
        case.signal(0, [0.0, 0.1], [1e-4, 2e-4]), case.frame(0, sent_s=sent_s),
        case.signal(1, [float(i) for i in range(300)], [1e-4] * 300),
    ]  # fmt: skip


def keep(store: SqlStore, said: Sequence[Message], received_s: float = 1000.0) -> str:
    for number, message in enumerate(said):
        store.write(Step([heard(message)], received_s=received_s + number))
    return store.said(ALL).data_hash


def test_the_hash_is_of_what_was_said_in_any_order_and_at_any_time(
    store: SqlStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = SqlStore.create(f"sqlite:///{tmp_path_factory.mktemp('other') / 'store.db'}")
    here = keep(store, messages())
    assert keep(other, messages(sent_s=5.0)[::-1], received_s=7000.0) == here
    said = other.said(ALL)
    assert (said.messages, said.sources) == (len(messages()), ("m1",))
    assert (said.begin_s, said.end_s) == (7000.0, 7000.0 + len(messages()) - 1)
    other.close()


@pytest.mark.parametrize("which", range(len(messages())))
def test_a_message_that_is_missing_or_says_another_thing_changes_the_hash(
    which: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = {
        "build": {"material": "IN718"}, "layer": {"z_m": 1.0}, "parameters": {"final": True},
        "plan": {"first_vector": 3},
        "signal": {"unit": "m"}, "frame": {"pixel_m": 2e-5},
    }  # fmt: skip
    hashes = set()
    every = messages()
    one = every[which]
    fields = changed[one.kind] if one.kind != "signal" else {"value": [v + 1e-18 for v in one.value]}  # type: ignore[attr-defined]
    for said in (
        every,
        [m for m in every if m is not one],
        [m if m is not one else m.model_copy(update=fields) for m in every],
    ):
        store = SqlStore.create(f"sqlite:///{tmp_path_factory.mktemp('each') / 'store.db'}")
        hashes.add(keep(store, said))
        store.close()
    assert len(hashes) == 3


def test_the_hash_of_a_stretch_knows_only_its_layers_and_the_build(store: SqlStore) -> None:
    keep(store, messages())
    first = store.said(replace(ALL, last_layer=1))
    store.write(Step([heard(case.parameters(2, [6.0, 6.5], number=2))], received_s=1.0))
    store.write(Step([heard(case.build("b2", 9))], received_s=1.0))
    assert store.said(replace(ALL, last_layer=1)) == first
    assert store.said(ALL).messages == len(messages()) + 1


def test_frames_are_those_of_record_of_the_layer_with_their_sizes_at_the_lead(store: SqlStore) -> None:
    keep(store, messages())
    made = [case.forecast(n) for n in range(3)]
    withheld = case.forecast(3, lead_count=0)
    others = [case.forecast(0, opinion="asno"), case.forecast(0, layer=2, time_s=5.0), case.forecast(0, name="b2")]
    store.write(Step(forecasts=[*made, withheld, *others], received_s=1.0))
    now, ahead = store.layer_frames(ALL, 1), store.layer_frames(ALL, 1, lead=1)
    assert now["frame"].tolist() == [0, 1, 2, 3]
    assert now["withheld"].tolist() == [False, False, False, True]
    assert now["width_m"].isna().tolist() == [False, False, False, True]
    np.testing.assert_allclose(ahead["lead_s"][:3], 62.5e-6)
    assert store.leads(ALL) == 1
    timed = replace(ALL, from_s=made[1].time_s, to_s=made[2].time_s)
    assert store.layer_frames(timed, 1)["frame"].tolist() == [1, 2]


def test_layers_are_found_by_the_time_they_take(store: SqlStore) -> None:
    keep(store, messages())
    assert store.layers_touched("m1", "b1", 0.0, 0.001) == [1]
    assert store.layers_touched("m1", "b1", 0.001, 5.2) == [1, 2]
    assert store.layers_touched("m1", "b1", 5.6, 9.0) == []
    assert store.layers_touched("m1", "b1", float("-inf"), float("inf")) == [1, 2]


def test_a_gap_belongs_where_its_neighbours_do(store: SqlStore) -> None:
    keep(store, [*messages(), case.parameters(9, [6.0], number=2), case.parameters(12, [0.0], name="b2")])
    gaps = [Gap("m1", "m1", "parameters", 2, 8, 1001.0), Gap("m1", "m1", "state", 4, 4, 1001.0),
            Gap("m1", "m1", "parameters", 2, 8, 5.0), Gap("m2", "m2", "parameters", 2, 8, 1001.0)]  # fmt: skip
    store.write(Step(gaps=gaps, received_s=1.0))
    found = store.stretch_gaps(ALL, 1000.0, 1100.0, 10)
    assert found["channel"].tolist() == ["parameters", "state"]
    assert found["placed"].tolist() == [True, False]
    first = store.stretch_gaps(replace(ALL, last_layer=1), 1000.0, 1100.0, 10)
    assert first["channel"].tolist() == ["state"]


def test_alerts_of_the_layers_and_of_the_machines_messages_while_it_lasted(store: SqlStore) -> None:
    alerts = [case.alert("balling", number=2), case.alert("keyhole", severity="high"), case.alert("drift", number=7),
              replace(case.alert("broker", first_seen_s=1500.0, last_seen_s=1600.0, number=0), build=""),
              replace(case.alert("store", first_seen_s=5000.0, last_seen_s=5000.0, number=0), build=""),
              case.alert("stale", severity="medium", first_seen_s=500.0, last_seen_s=1200.0, number=0)]  # fmt: skip
    store.write(Step(alerts=alerts, received_s=1.0))
    found = store.stretch_alerts(ALL, 1000.0, 2000.0, 10)
    assert found["kind"].tolist() == ["keyhole", "stale", "broker", "balling"]
    assert store.stretch_alerts(ALL, 1000.0, 2000.0, 2)["kind"].tolist() == ["keyhole", "stale"]


def test_rejects_births_and_skipped_frames_of_the_machine_while_it_lasted(store: SqlStore) -> None:
    topics = ("meltwin/v1/hall/m1/state", "meltwin/v1/hall/m12/state", "meltwin/v1/hall/x/m1")
    store.write(Step(
        rejects=[Rejected(topic, b"?", "not JSON", "not_json") for topic in topics],
        births=[Birth("m1", "m1", 1, "state", 0, "again", 1000.0), Birth("m2", "m2", 1, "state", 0, "again", 1000.0)],
        skipped=[Skipped("m1", "b1", *frames, 1000.0) for frames in ((1, 5, 9), (1, 20, 20), (9, 0, 3))],
        received_s=1000.0,
    ))  # fmt: skip
    assert store.stretch_rejects(ALL, 999.0, 1001.0, 10)["topic"].tolist() == [topics[0]]
    assert store.stretch_rejects(ALL, 1001.0, 1002.0, 10).empty
    assert store.stretch_births(ALL, 999.0, 1001.0)["source"].tolist() == ["m1"]
    assert store.stretch_skipped(ALL) == {1: 6}


def test_the_newest_field_of_the_stretch_is_found_with_its_place(store: SqlStore) -> None:
    def held(level: float) -> Field:
        return case.field(np.full((3, 2, 2), level))

    forecasts = [
        case.forecast(0, fields=(held(1000.0),)), case.forecast(1, layer=2, fields=(held(1100.0),)),
        case.forecast(2, layer=2, laser_on=False, fields=(held(1200.0),)),
        case.forecast(3, layer=9, fields=(held(1300.0),)),
        case.forecast(4, opinion="asno", fields=(held(1400.0),)),
    ]  # fmt: skip
    assert store.newest_snapshot(ALL) is None
    store.write(Step(forecasts=forecasts, received_s=1.0))
    found = store.newest_snapshot(ALL)
    assert found is not None
    assert (found.layer, found.frame, found.x_m, found.y_m) == (2, 1, 0.1, 0.2)
    assert float(found.field.temperature_k.max()) == 1100.0


def test_every_card_of_a_name_is_kept_newest_first(store: SqlStore) -> None:
    for number, mode in enumerate(("old", "new")):
        store.write(Step(cards=[{"name": "asno", "mode": mode}], received_s=float(number)))
    assert [card["json"]["mode"] for card in store.cards("asno")] == ["new", "old"]
    assert store.cards("nobody") == []


def test_frames_of_a_layer_are_found_by_the_layers_index(store: SqlStore) -> None:
    """By time they would be found by an index over the whole build, once a layer."""
    if store._engine.dialect.name != "sqlite":
        pytest.skip("the plan is SQLite's")
    asked: list[tuple[str, Any]] = []
    event.listen(store._engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    store.layer_frames(ALL, 1)
    statement, values = asked[-1]
    with store._engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert any("layer=?" in step[-1] and "forecasts" in step[-1] for step in plan), plan
