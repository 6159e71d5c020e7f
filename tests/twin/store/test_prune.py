"""Pruning: what is old goes, what is not stays, the preview tells the truth, and the counters go with the rows."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from twin.store.tables import Base
from twin.store.upkeep import prune as pruning
from twin.store.upkeep.prune import DAY_S, KINDS, keep, preview, prune, release

NOW_S = 1000 * DAY_S
ALL = dict.fromkeys(KINDS, 30.0)
FOR_EVER = (
    "machines", "builds", "layers", "kept_builds", "conflicts", "rejects", "gaps", "forecasts", "melt_pool", "alerts",
    "alert_acts", "operator_cards",
)  # fmt: skip


def fill(
    store: SqlStore, name: str, age_days: float, *, source: str = "m1", final: bool = True, layers: int = 2
) -> None:
    """A build of so many layers, heard of so long ago, with something of everything."""
    at_s = NOW_S - age_days * DAY_S
    field = case.field(np.full((4, 3, 2), 1500.0))
    messages: list[Any] = [case.build(name, source=source)]
    for number in range(layers):
        messages += [
            case.layer(number, number, name=name, source=source),
            case.parameters(number, [0.0, 1.0], number=number, name=name, source=source, final=final),
            case.plan(number, [0.0, 1.0, 2.0], number=number).model_copy(update={"source": source, "build": name}),
            case.signal(number, [0.0, 0.5], [1.0, 2.0], name=name, source=source).model_copy(update={"layer": number}),
        ]
    forecasts = [
        case.forecast(frame, name=name, issued_s=at_s, fields=(field,) if frame % 2 else ()) for frame in range(4)
    ]
    store.write(Step([heard(m) for m in messages], forecasts=forecasts, alerts=[case.alert(name)], received_s=at_s))


def counted(store: SqlStore) -> dict[str, int]:
    with store._engine.connect() as connection:
        tables = Base.metadata.tables
        return {
            name: int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)
            for name, table in tables.items()
        }


def agrees_with_its_counters(store: SqlStore) -> bool:
    counts, rows = store.counts(), counted(store)
    with store._engine.connect() as connection:
        samples = connection.execute(text("SELECT coalesce(sum(samples), 0) FROM parameters")).scalar()
    names = {"fields", "observations", "signals", "scan_vectors"} | ({"frames"} & set(rows))
    return all(counts[name] == rows[name] for name in names) and counts["samples"] == samples


def test_what_is_old_goes_and_the_rest_stays(store: SqlStore, url: str) -> None:
    fill(store, "old", 40)
    fill(store, "new", 10, source="m1b")
    before = counted(store)
    told = preview(url, ALL, NOW_S)
    assert counted(store) == before, "a preview changes nothing"
    done = prune(url, ALL, NOW_S)
    assert done == told, "the preview told what would go"
    after = counted(store)
    assert {name: after[name] for name in FOR_EVER if name in after} == {
        name: before[name] for name in FOR_EVER if name in before
    }
    gone = {part.table: part.rows for part in done}
    assert gone == {"fields": 2, "parameters": 2, "scan_vectors": 6, "signals": 4, "observations": 6, "requests": 0} | (
        {"frames": 0} if "frames" in before else {}
    )
    assert all(before[name] - after[name] == rows for name, rows in gone.items())
    assert store.signals("m1", build="new").shape[0] == 4
    assert store.signals("m1", build="old").empty
    assert not store.parameters("m1", "new", 1).empty
    assert store.parameters("m1", "old", 1).empty
    assert len(store.melt_pool("m1", build="old")) == 8, "sizes are for ever"
    assert agrees_with_its_counters(store)
    assert prune(url, ALL, NOW_S) == [pruning.Pruned(p.kind, p.table) for p in done], "nothing is left to go"


def test_requests_go_once_they_are_old_and_over(store: SqlStore, url: str) -> None:
    old_s = NOW_S - 40 * DAY_S
    for at_s in (old_s, old_s, NOW_S - DAY_S):
        store.ask("attribution", {}, who="ada", now_s=at_s, deadline_s=at_s + 10)
    store.ask("attribution", {}, who="ada", now_s=old_s, deadline_s=NOW_S + 10)
    waits = store.requests()[0].id
    for _ in range(2):
        claimed = store.claim(("attribution",), now_s=old_s, lease_s=1.0)
        assert claimed is not None
        store.answer(claimed, {"sentence": "x"}, now_s=old_s + 1)
    told = preview(url, {"requests": 30.0}, NOW_S)
    assert prune(url, {"requests": 30.0}, NOW_S) == told == [pruning.Pruned("requests", "requests", 2, 0)]
    assert waits in {each.id for each in store.requests()}, "what still waits is not old"
    assert len(store.requests()) == 2


def test_bytes_are_told(store: SqlStore, url: str) -> None:
    fill(store, "old", 40)
    with store._engine.connect() as connection:
        size = connection.execute(text("SELECT sum(length(temperature_k) + length(axes_m)) FROM fields")).scalar()
    assert next(part.bytes for part in preview(url, ALL, NOW_S) if part.table == "fields") == size > 0


def test_a_kind_without_days_is_kept_for_ever(store: SqlStore, url: str) -> None:
    fill(store, "old", 40)
    assert prune(url, {}, NOW_S) == []
    assert prune(url, dict.fromkeys(KINDS, 0.0), NOW_S) == []
    assert [part.table for part in prune(url, {"fields": 30.0}, NOW_S)] == ["fields"]
    with pytest.raises(ValueError, match="alerts"):
        prune(url, {"alerts": 1.0}, NOW_S)


def test_a_kept_build_stays_whole_until_it_is_let_go(store: SqlStore, url: str) -> None:
    fill(store, "golden", 400)
    keep(url, "m1", "golden", by="Ada", now_s=NOW_S, note="the first good one")
    keep(url, "m1", "golden", by="Grace", now_s=NOW_S)
    before = counted(store)
    assert before["kept_builds"] == 1
    assert all(part.rows == 0 for part in prune(url, ALL, NOW_S))
    assert counted(store) == before
    assert release(url, "m1", "golden")
    assert not release(url, "m1", "golden")
    assert sum(part.rows for part in prune(url, ALL, NOW_S)) > 0


def test_a_layer_that_is_not_finished_can_still_be_taken_up(store: SqlStore, url: str) -> None:
    """A machine that stood still for a year: a restart finds its last layer as it was."""
    fill(store, "paused", 365, final=False)
    before = [observation.message for observation in store.replay_messages("m1", "paused", 1)]
    assert store.open_layers() == [("m1", "paused", 1)]
    prune(url, ALL, NOW_S)
    assert [observation.message for observation in store.replay_messages("m1", "paused", 1)] == before
    assert not store.parameters("m1", "paused", 1).empty
    assert store.parameters("m1", "paused", 0).empty, "the layer before is finished with"
    assert agrees_with_its_counters(store)


@pytest.mark.parametrize("at_once", [1, 2, 50])
def test_a_build_that_goes_on_loses_its_old_layers_only(
    store: SqlStore, url: str, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(pruning, "LAYERS", at_once)
    fill(store, "long", 40, layers=5)
    store.write(Step([heard(case.parameters(9, [5.0], number=7, name="long", final=True))], received_s=NOW_S))
    days = {"parameters": 30.0, "signals": 30.0}
    told = preview(url, days, NOW_S)
    assert prune(url, days, NOW_S) == told
    assert {part.table: part.rows for part in told} == {"parameters": 5, "scan_vectors": 15, "signals": 10}
    assert store.parameters("m1", "long", 1).empty
    assert agrees_with_its_counters(store)
    assert store.parameters("m1", "long", 7).time_s.tolist() == [5.0]


def test_what_was_pruned_may_come_again_and_is_counted_once(store: SqlStore, url: str) -> None:
    fill(store, "old", 40)
    before = store.counts()
    prune(url, ALL, NOW_S)
    fill(store, "old", 0)
    after = store.counts()
    assert {name: after[name] for name in ("signals", "samples", "scan_vectors", "forecasts", "melt_pool")} == {
        name: before[name] for name in ("signals", "samples", "scan_vectors", "forecasts", "melt_pool")
    }
    assert agrees_with_its_counters(store)


def test_stopped_half_way_the_rest_goes_the_next_time(
    store: SqlStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        fill(store, f"old{number}", 40 + number, source=f"s{number}")
    monkeypatch.setattr(pruning, "ROWS", 2)
    real, calls = pruning._Pruning._count, iter(range(100))

    def dies(self: Any, *arguments: Any) -> None:
        if next(calls) == 3:
            raise RuntimeError("pulled the plug")
        real(self, *arguments)

    told = preview(url, ALL, NOW_S)
    monkeypatch.setattr(pruning._Pruning, "_count", dies)
    with pytest.raises(RuntimeError, match="plug"):
        prune(url, ALL, NOW_S)
    assert agrees_with_its_counters(store)
    monkeypatch.setattr(pruning._Pruning, "_count", real)
    done = prune(url, ALL, NOW_S)
    assert 0 < sum(part.rows for part in done) < sum(part.rows for part in told)
    assert sum(part.rows for part in preview(url, ALL, NOW_S)) == 0
    assert agrees_with_its_counters(store)


def test_pruning_beside_a_writer_loses_nothing(store: SqlStore, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While old rows go in many short transactions, new ones are written: all of them are there, and all counted."""
    monkeypatch.setattr(pruning, "ROWS", 5)
    for number in range(4):
        fill(store, f"old{number}", 40, source=f"s{number}", layers=5)
    stop, written = threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            first = 10 * len(written)
            times_s = [float(first + i) for i in range(10)]
            message = case.signal(1000 + len(written), times_s, times_s, name="now")
            store.write(Step([heard(message)], received_s=NOW_S))
            written.append(first)

    thread = threading.Thread(target=write)
    thread.start()
    done = prune(url, ALL, NOW_S)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert written, "nothing was written meanwhile"
    assert sum(part.rows for part in done) > 100
    assert len(store.signals("m1", build="now", limit=10**6)) == 10 * len(written)
    assert agrees_with_its_counters(store)


@settings(
    max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(
    builds=st.lists(st.tuples(st.floats(0, 90), st.booleans(), st.booleans()), min_size=1, max_size=4),
    days=st.fixed_dictionaries({}, optional={kind: st.sampled_from([0.0, 20.0, 45.0]) for kind in KINDS}),
)
def test_whatever_the_policy_nothing_young_goes_and_the_preview_is_true(
    store: SqlStore, url: str, builds: list[tuple[float, bool, bool]], days: dict[str, float]
) -> None:
    with store._engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    for number, (age_days, final, kept) in enumerate(builds):
        fill(store, f"b{number}", age_days, source=f"s{number}", final=final)
        if kept:
            keep(url, "m1", f"b{number}", by="Ada", now_s=NOW_S)
    before = counted(store)
    told = preview(url, days, NOW_S)
    assert prune(url, days, NOW_S) == told
    after = counted(store)
    changed = {name: before[name] - after[name] for name in before if before[name] != after[name]}
    changed.pop("counters", None)
    assert changed == {part.table: part.rows for part in told if part.rows}
    for number, (age_days, _, kept) in enumerate(builds):
        if kept or age_days < 20:
            assert len(store.signals("m1", build=f"b{number}")) == 4
            assert len(store.parameters("m1", f"b{number}", 0)) == 2
    assert agrees_with_its_counters(store)
