"""The laws that every Store keeps. A new store gets its tests by adding a line to `kinds`."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import count, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from twin.alarms.acts import MOST_SHELVED_S, Act, BadActError, state_of
from twin.forecast import Alert, Band, MeltPool, Outcome
from twin.observation import Birth, Build, Gap, Rejected, Skipped
from twin.store.fake.store import FakeStore
from twin.store.packing import FIELD_ERROR_K
from twin.store.port import AlertUnknownError, Step, Store
from twin.store.sql.store import SqlStore

New = Callable[[], Store]
EVERYTHING: list[Callable[[Store], Any]] = [
    lambda store: store.machines(),
    lambda store: store.floor(),
    lambda store: store.build("m1"),
    lambda store: store.melt_pool("m1"),
    lambda store: store.estimates("m1"),
    lambda store: store.signals("m1"),
    lambda store: store.frames("m1"),
    lambda store: store.frame("m1"),
    lambda store: store.latest_forecast("m1"),
    lambda store: store.melt_pool("m1", opinion="asno"),
    lambda store: store.opinions("m1"),
    lambda store: store.absorptivity("m1"),
    lambda store: store.calibration("m1"),
    lambda store: store.scan_vectors("m1", "b1", 1),
    lambda store: store.parameters("m1", "b1", 1),
    lambda store: store.alerts(),
    lambda store: store.alerts("m1", standing_only=True),
    lambda store: store.outcomes(),
    lambda store: store.rejects(),
    lambda store: store.recordings(),
    lambda store: store.build_alerts("m1", "b1"),
    lambda store: store.forecast_at("m1", "b1", 1.0),
    lambda store: store.gaps("m1"),
    lambda store: store.open_layers(),
    lambda store: [observation.message for observation in store.replay_messages("m1", "b1", 1)],
    lambda store: store.card("reference"),
]


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "empty.db"
    SqlStore.create(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def new(request: pytest.FixtureRequest, tmp_path: Path, empty_file: Path) -> Iterator[New]:
    """Makes an empty store, as often as it is called."""
    opened: list[Store] = []
    numbers = count()

    def sqlite() -> Store:
        path = shutil.copy(empty_file, tmp_path / f"{next(numbers)}.db")
        return SqlStore.create(f"sqlite:///{path}")

    def postgresql() -> Store:
        return SqlStore.create(request.getfixturevalue("empty_store")())

    kinds: dict[str, New] = {"fake": FakeStore, "sqlite": sqlite, "postgresql": postgresql}

    def make() -> Store:
        opened.append(kinds[request.param]())
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(new: New) -> Store:
    return new()


many = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def said(store: Store) -> list[Any]:
    """All that a store says but its counts of duplicates, in a form that compares."""
    answers = [read(store) for read in EVERYTHING]
    plain = [
        a.astype(object).where(a.notna(), None).to_dict("list") if isinstance(a, pd.DataFrame) else a for a in answers
    ]
    counts = {name: number for name, number in store.counts().items() if name not in ("duplicates", "conflicts")}
    return [*plain, counts]


def test_empty_store_answers_with_columns_and_types(store: Store) -> None:
    assert set(store.counts().values()) == {0}
    for read in EVERYTHING:
        answer = read(store)
        if isinstance(answer, pd.DataFrame):
            assert answer.empty
            assert len(answer.columns) > 3
        else:
            assert not answer
    assert store.melt_pool("m1").dtypes["length_m"] == np.float64
    assert store.melt_pool("m1").dtypes["frame"] == np.int64
    assert store.latest_field("m1") is None


def test_empty_step_changes_nothing(store: Store) -> None:
    before = said(store)
    written = store.write(Step(received_s=1.0))
    assert (written.observations, written.duplicates, written.rejects, written.forecasts) == (0, 0, 0, 0)
    assert said(store) == before


def test_writing_twice_is_writing_once(store: Store) -> None:
    first = store.write(case.whole_step())
    once = said(store)
    again = store.write(case.whole_step())
    assert (first.observations, first.duplicates, first.rejects, first.gaps, first.forecasts, first.alerts) == (
        6,
        0,
        2,
        1,
        2,
        1,
    )
    assert (again.observations, again.rejects, again.gaps, again.forecasts, again.alerts) == (0, 0, 0, 0, 0)
    assert again.duplicates == 6
    assert again.duplicate_keys == [observation.key for observation in case.whole_step().observations]
    assert said(store) == once
    assert store.counts()["duplicates"] == 6
    assert store.counts()["conflicts"] == 0


def test_a_machines_counts_are_its_own_and_what_is_nobodys_is_counted_whole(store: Store) -> None:
    store.write(case.whole_step())
    store.write(case.whole_step())
    alone = store.counts()
    assert store.counts("m1") == alone
    other = [replace(heard(case.signal(n, [0.0], [1.0])), machine="m2") for n in (100, 101)]
    store.write(Step(other, skipped=[Skipped("m2", "b1", 1, 0, 4, 1.0)]))
    store.write(Step(other[:1]))
    assert store.counts("m1") == alone
    mine = store.counts("m2")
    assert (mine["observations"], mine["duplicates"], mine["signals"], mine["skipped"]) == (2, 1, 2, 5)
    assert (mine["forecasts"], mine["gaps"], mine["alerts"], mine["samples"]) == (0, 0, 0, 0)
    assert (mine["rejects"], mine["cards"]) == (alone["rejects"], alone["cards"]), "no one can say of which machine"


def test_a_redelivery_after_a_crash_changes_nothing(store: Store) -> None:
    store.write(case.whole_step(received_s=1000.0))
    once = said(store)
    store.write(replace(case.whole_step(received_s=2000.0), rejects=()))
    assert said(store) == once


def test_twice_in_one_step_is_once(store: Store) -> None:
    step = case.whole_step()
    written = store.write(
        replace(
            step, observations=[*step.observations, *step.observations], forecasts=[*step.forecasts, *step.forecasts]
        )
    )
    assert (written.observations, written.duplicates, written.forecasts) == (6, 6, 2)
    assert store.counts()["observations"] == 6


def test_another_content_under_a_taken_key_is_a_conflict_and_the_first_stands(store: Store) -> None:
    store.write(Step([heard(case.signal(0, [0.0], [1.0]))], received_s=1.0))
    for _ in range(2):
        written = store.write(Step([heard(case.signal(0, [0.0], [2.0]))], received_s=2.0))
        assert (written.observations, written.duplicates) == (0, 1)
    assert store.signals("m1").value.tolist() == [1.0]
    assert store.counts()["conflicts"] == 2


def test_sent_again_later_is_no_conflict(store: Store) -> None:
    store.write(Step([heard(case.parameters(0, sent_s=5.0))], received_s=6.0))
    store.write(Step([heard(case.parameters(0, sent_s=7.0))], received_s=8.0))
    assert (store.counts()["duplicates"], store.counts()["conflicts"]) == (1, 0)


class Explosive(list[Any]):
    """Rows of which the last one cannot be had."""

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        raise RuntimeError("pulled the plug")


@pytest.mark.parametrize("part", [part.name for part in fields(Step) if part.name != "received_s"])
def test_a_crash_inside_a_step_leaves_nothing(store: Store, part: str) -> None:
    store.write(Step([heard(case.state())], received_s=1.0))
    before = said(store), store.counts()
    step = case.whole_step()
    with pytest.raises(RuntimeError, match="plug"):
        store.write(replace(step, **{part: Explosive(getattr(step, part))}))  # type: ignore[arg-type]
    assert (said(store), store.counts()) == before
    assert store.write(step).forecasts == 2


def test_a_forecast_once_made_is_never_changed(store: Store) -> None:
    store.write(Step(forecasts=[case.forecast(3)]))
    once = said(store)
    better = case.forecast(3, operator="asno", outcome=Outcome("drift", "width", 2.0, "m"), lead_count=5)
    assert store.write(Step(forecasts=[better])).forecasts == 0
    assert said(store) == once


def test_order_of_steps_does_not_matter(new: New) -> None:
    steps = [
        Step([heard(case.state(0)), heard(case.build()), heard(case.layer(1))], received_s=1.0),
        Step([heard(case.parameters(0, [0.0, 1e-5])), heard(case.plan(0, [0.0, 1.0, 2.0]))], received_s=2.0),
        Step(
            [
                heard(case.parameters(1, final=True)),
                heard(case.plan(1, [1.5], first_vector=7)),
                heard(case.layer(2, 1)),
            ],
            forecasts=[case.forecast(1, issued_s=5.0), case.forecast(0, issued_s=5.0)],
            alerts=[case.alert(last_seen_s=2.0), case.alert(last_seen_s=2.0, cleared_s=2.0)],
            received_s=3.0,
        ),
        Step(
            [heard(case.state(1, status="offline")), heard(case.signal(0, [0.5, 0.6], [1.0, 2.0]))],
            forecasts=[case.forecast(2, issued_s=6.0, laser_on=False)],
            alerts=[case.alert(first_seen_s=0.5, last_seen_s=0.7)],
            received_s=4.0,
        ),
    ]
    answers = []
    for order in permutations(steps):
        store = new()
        for step in order:
            store.write(step)
        answers.append(said(store))
        store.close()
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0]["status"] == ["offline"]
    assert answers[0][0]["layer"] == [2]


def test_machines_tell_the_last_word(store: Store) -> None:
    store.write(
        Step(
            [
                heard(case.state(sent_s=9.0, origin="replay", time_factor=0.001, process="lpbf")),
                heard(case.build("old")),
            ],
            received_s=1.0,
        )
    )
    store.write(Step([heard(case.state(source="m2"), machine="m2")], received_s=2.0))
    store.write(Step([heard(case.build("new", 1)), heard(case.parameters(0, [3.0, 4.0], name="new"))], received_s=3.0))
    machines = store.machines().set_index("machine")
    assert machines.index.tolist() == ["m1", "m2"]
    assert machines.loc["m1", ["status", "origin", "process", "build"]].tolist() == ["online", "replay", "lpbf", "new"]
    assert machines.loc["m1", ["time_factor", "layer", "last_sent_s", "last_time_s"]].tolist() == [0.001, 1, 9.0, 4.0]
    assert machines.loc["m2", ["layer", "last_sent_s", "last_time_s"]].isna().all()
    assert machines.loc["m2", "build"] is None


def test_the_floor_has_a_row_for_every_machine_with_what_is_worst_and_when_it_ends(store: Store) -> None:
    said = [heard(case.state(sent_s=990.0)), heard(case.build(part="Düse", layers=10))]
    store.write(Step(said, received_s=100.0))
    for number, at_s in ((4, 200.0), (5, 300.0), (6, 380.0), (7, 500.0)):
        store.write(Step([heard(case.layer(number, number))], received_s=at_s))
    outside = Outcome("outside_envelope", "scan speed", 0.5, "m/s")
    forecasts = [case.forecast(1, outcome=Outcome()), case.forecast(2, outcome=outside, leads=())]
    cleared = case.alert("stale", severity="high", cleared_s=9.0)
    worst = case.alert("keyhole", severity="medium", first_seen_s=5.0, number=2)
    alerts = [
        case.alert("birth", severity="low"),
        worst,
        cleared,
        case.alert("gap", severity="medium", first_seen_s=7.0),
    ]
    second = case.forecast(3, outcome=Outcome("residual", "energy", 0.2, ""), opinion="other", issued_s=2000.0)
    store.write(Step(forecasts=[*forecasts, second], alerts=alerts, received_s=600.0))
    store.write(Step([heard(case.state(source="m2"), machine="m2")], received_s=700.0))
    floor = store.floor()
    pd.testing.assert_frame_equal(floor[store.machines().columns.tolist()], store.machines())
    first, other = floor.to_dict("records")
    expected = {
        "outcome": "outside_envelope", "outcome_which": "scan speed", "outcome_by": 0.5, "outcome_unit": "m/s",
        "issued_s": 1002.0, "part": "Düse", "layers": 10.0, "open_alerts": 3, "worst_kind": "keyhole",
        "worst_severity": "medium", "worst_since_s": 5.0,
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert bool(first["withheld"])
    assert first["ends_s"] == 500.0 + 100.0 * 4  # layers 7 to 10 of 10, counted from 1, each as long as the median one
    assert (other["outcome"], other["worst_kind"], other["open_alerts"]) == (None, None, 0)
    assert np.isnan([other[name] for name in ("layers", "ends_s", "issued_s", "worst_since_s")]).all()


def test_a_build_comes_back_as_it_was_said(store: Store) -> None:
    message = case.build("b-1", part="Düse № 7 🔥", assumed=["material"], layers=40)
    store.write(Step([heard(message)], received_s=1.0))
    store.write(Step([heard(case.build("b2", 1))], received_s=2.0))
    assert Build.model_validate(store.build("m1", message.build)) == message
    newest = store.build("m1")
    assert newest is not None
    assert newest["build"] == "b2"
    assert store.build("m1", "none such") is None
    assert store.build("m9") is None


@many
@given(sizes=st.lists(st.tuples(*[st.floats(0, 1e-2)] * 3), min_size=1, max_size=5))
def test_sizes_come_back_exactly(new: New, sizes: list[tuple[float, float, float]]) -> None:
    store = new()
    leads = tuple(case.lead(i * 0.1, 1.0, MeltPool(*size)) for i, size in enumerate(sizes))
    store.write(Step(forecasts=[case.forecast(0, leads=leads, time_s=1.0)]))
    found = store.melt_pool("m1")
    assert list(found[["length_m", "width_m", "depth_m"]].itertuples(index=False, name=None)) == sizes
    assert found.lead_s.tolist() == [lead.lead_s for lead in leads]
    assert found.time_s.tolist() == [lead.time_s for lead in leads]
    store.close()


def test_bands_come_back_beside_their_sizes_and_are_nan_where_none_is_claimed(store: Store) -> None:
    band = Band(MeltPool(280e-6, 110e-6, 0.0), MeltPool(320e-6, np.float32(0.5), 70e-6), 0.9)  # type: ignore[arg-type]
    leads = (replace(case.lead(0.0, 0.0), band=band), case.lead(1e-4, 0.0))
    store.write(Step(forecasts=[case.forecast(0, leads=leads, credibility=0.25), case.forecast(1, lead_count=1)]))
    found = store.melt_pool("m1")
    names = [f"{size}_{end}_m" for size in ("length", "width", "depth") for end in ("low", "high")]
    assert found.loc[0, [*names, "coverage"]].tolist() == [280e-6, 320e-6, 110e-6, 0.5, 0.0, 70e-6, 0.9]
    assert found.loc[1:, [*names, "coverage"]].isna().all(axis=None)
    assert found.credibility.tolist()[:2] == [0.25, 0.25]
    assert np.isnan(found.credibility[2])
    assert store.estimates("m1")[names].isna().all(axis=1).tolist() == [False, True]


def test_numbers_that_are_none_come_back_as_nan_and_say_why(store: Store) -> None:
    melt_pool = MeltPool(np.float32(np.nan), float("inf"), float("nan"))  # type: ignore[arg-type]
    bad = case.forecast(
        0,
        leads=(case.lead(0.0, 0.0, melt_pool),),
        outcome=Outcome("non_finite", "depth", float("inf"), "m"),
        keyhole_number=None,
        regime=None,
    )
    store.write(Step(forecasts=[bad, case.forecast(1, leads=())]))
    found = store.melt_pool("m1")
    assert found[["length_m", "depth_m"]].isna().all(axis=None)
    assert found.width_m.tolist() == [float("inf")]
    assert found.outcome.tolist() == ["non_finite"]
    newest = store.latest_forecast("m1")
    assert newest is not None
    assert (newest["frame"], newest["withheld"], newest["outcome"]) == (1, True, "ok")


def test_latest_forecast_carries_its_outcome_whole(store: Store) -> None:
    outcome = Outcome("outside_envelope", "q", 0.25, "")
    told = {"credibility": 0.004, "strangest": "features", "evidence": "scan speed 2.1 m/s, trained up to 1.6"}
    store.write(Step(forecasts=[case.forecast(7, outcome=outcome, laser_on=False, **told), case.forecast(6)]))
    newest = store.latest_forecast("m1")
    assert newest is not None
    assert newest == {
        "machine": "m1", "build": "b1", "layer": 1, "frame": 7, "time_s": 7 * 62.5e-6, "issued_s": 1007.0,
        "sent_s": 999.0, "operator": "reference", "outcome": "outside_envelope", "outcome_which": "q",
        "outcome_by": 0.25, "outcome_unit": "", "regime": "conduction", "keyhole_number": 2.5,
        "laser_on": False, "withheld": False, "opinion": "", "ledger_defect": None, "absorptivity": None,
        "nominal_absorptivity": None, "camera_frames": None, "credibility": 0.004, "strangest": "features",
        "evidence": "scan speed 2.1 m/s, trained up to 1.6",
    }  # fmt: skip


def test_melt_pool_is_the_newest_frames_in_process_time(store: Store) -> None:
    store.write(Step(forecasts=[case.forecast(frame, lead_count=3) for frame in (4, 0, 2, 1, 3)]))
    newest = store.melt_pool("m1", limit=2)
    assert newest.frame.tolist() == [3, 3, 3, 4, 4, 4]
    assert newest.lead_s.tolist() == [0.0, 62.5e-6, 125e-6] * 2
    later = store.melt_pool("m1", since_s=2 * 62.5e-6)
    assert later.frame.unique().tolist() == [3, 4]
    estimates = store.estimates("m1", since_s=1 * 62.5e-6, limit=2)
    assert estimates.frame.tolist() == [3, 4]
    assert estimates.lead_s.tolist() == [0.0, 0.0]
    assert list(estimates.columns) == list(newest.columns)


def test_process_time_that_begins_again_does_not_mix_builds(store: Store) -> None:
    store.write(Step(forecasts=[case.forecast(frame, name="old", issued_s=1.0) for frame in (8, 9)]))
    store.write(Step(forecasts=[case.forecast(frame, name="new", issued_s=2.0) for frame in (0, 1)]))
    assert store.estimates("m1").frame.tolist() == [0, 1]
    assert store.melt_pool("m1", build="old").frame.tolist() == [8, 8, 9, 9]
    store.write(Step([heard(case.signal(0, [5.0], [1.0], name="old"))], received_s=1.0))
    store.write(Step([heard(case.signal(1, [0.0], [2.0], name="new"))], received_s=2.0))
    assert store.signals("m1").value.tolist() == [2.0]
    assert store.signals("m1", build="old").value.tolist() == [1.0]


@many
@given(st.data())
def test_signals_are_the_newest_samples_in_time_order(new: New, data: st.DataObject) -> None:
    chunks = data.draw(st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=4), min_size=1, max_size=5))
    limit, since_s = data.draw(st.integers(1, 12)), data.draw(st.none() | st.floats(0, 10))
    store = new()
    for sequence, times_s in enumerate(chunks):
        store.write(Step([heard(case.signal(sequence, times_s, times_s))], received_s=float(sequence)))
    expected = sorted(t for chunk in chunks for t in chunk if since_s is None or t > since_s)[-limit:]
    found = store.signals("m1", limit=limit, since_s=since_s)
    assert found.time_s.tolist() == expected
    assert found.value.tolist() == expected
    store.close()


def test_field_comes_back_within_the_stated_error(store: Store) -> None:
    rng = np.random.default_rng(3)
    now, later = (case.field(rng.uniform(290.0, 4000.0, (9, 5, 4)), lead_s=lead_s) for lead_s in (0.0, 2e-4))
    store.write(Step(forecasts=[case.forecast(1, fields=(now, later)), case.forecast(2)]))
    for asked_s, expected in ((None, now), (0.0, now), (1.9e-4, later), (9.0, later)):
        found = store.latest_field("m1", asked_s)
        assert found is not None
        assert found.temperature_k.dtype == np.float32
        assert np.abs(found.temperature_k - expected.temperature_k).max() <= FIELD_ERROR_K == 0.25
        for axis in ("x_m", "y_m", "z_m"):
            np.testing.assert_array_equal(getattr(found, axis), getattr(expected, axis))
        assert (found.solidus_k, found.boiling_k, found.heading_rad, found.lead_s) == (
            1563.0,
            3188.0,
            0.7,
            expected.lead_s,
        )
        assert (found.time_s, found.issued_s) == (62.5e-6 + expected.lead_s, 1001.0)


def test_a_later_plan_replaces_from_its_first_start_on(store: Store) -> None:
    store.write(Step([heard(case.plan(0, [0.0, 1.0, 2.0, 3.0]))], received_s=1.0))
    store.write(Step([heard(case.plan(1, [4.0, 5.0], first_vector=4))], received_s=1.0))
    store.write(Step([heard(case.plan(2, [2.0, 2.5], first_vector=2))], received_s=1.0))
    found = store.scan_vectors("m1", "b1", 1)
    assert list(zip(found.vector, found.start_s, strict=True)) == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 2.5)]
    assert store.scan_vectors("m1", "b1", 2).empty


@many
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True), min_size=1, max_size=6))
def test_vectors_in_force_agree_with_replacing_one_plan_after_another(new: New, plans: list[list[int]]) -> None:
    store = new()
    expected: list[float] = []
    for sequence, starts in enumerate(plans):
        starts_s = [float(start) for start in sorted(starts)]
        expected = [start_s for start_s in expected if start_s < starts_s[0]] + starts_s
        store.write(Step([heard(case.plan(sequence, starts_s))], received_s=1.0))
    assert store.scan_vectors("m1", "b1", 1).start_s.tolist() == expected
    store.close()


def test_parameters_come_back_sample_by_sample(store: Store) -> None:
    store.write(Step([heard(case.parameters(1, [0.2, 0.3])), heard(case.parameters(0, [0.0, 0.1]))], received_s=1.0))
    found = store.parameters("m1", "b1", 1)
    assert found.time_s.tolist() == [0.0, 0.1, 0.2, 0.3]
    assert found.x_m.tolist() == [0.8 * t for t in (0.0, 0.1, 0.2, 0.3)]
    assert store.counts()["samples"] == 4


def test_alert_is_raised_once_then_updated_then_cleared(store: Store) -> None:
    assert store.write(Step(alerts=[case.alert(first_seen_s=2.0, last_seen_s=2.0)])).alerts == 1
    store.write(Step(alerts=[case.alert(first_seen_s=3.0, last_seen_s=3.0, severity="high", evidence="Δ größer")]))
    store.write(Step(alerts=[case.alert("stale", last_seen_s=9.0), case.alert(number=2, last_seen_s=1.0)]))
    found = store.alerts("m1")
    assert found.kind.tolist() == ["stale", "keyhole"], "one of a kind is open, wherever it is seen"
    raised = found.iloc[1]
    assert (raised.first_seen_s, raised.last_seen_s, raised.severity, raised.evidence) == (1.0, 3.0, "high", "Δ größer")
    assert store.write(Step(alerts=[case.alert(first_seen_s=3.0, last_seen_s=3.0, cleared_s=4.0)])).alerts == 1
    assert store.alerts(open_only=True).kind.tolist() == ["stale"]
    assert store.counts()["alerts"] == 2
    assert store.alerts("m2").empty
    assert store.alerts(limit=1).kind.tolist() == ["stale"]


def test_raised_again_after_it_was_cleared_is_another_occurrence(store: Store) -> None:
    for begin_s in (1.0, 10.0, 20.0):
        store.write(Step(alerts=[case.alert(first_seen_s=begin_s, last_seen_s=begin_s, number=int(begin_s))]))
        store.write(Step(alerts=[case.alert(first_seen_s=begin_s, last_seen_s=begin_s + 1)]))
        store.write(Step(alerts=[case.alert(first_seen_s=begin_s, last_seen_s=begin_s + 1, cleared_s=begin_s + 5)]))
    found = store.alerts("m1").sort_values("occurrence")
    assert list(zip(found.occurrence, found.first_seen_s, found.cleared_s, strict=True)) == [
        (1, 1.0, 6.0), (2, 10.0, 15.0), (3, 20.0, 25.0)
    ]  # fmt: skip
    assert store.counts()["alerts"] == 3
    acts = store.alert_acts("m1")
    assert list(zip(acts.occurrence, acts.act, acts.at_s, strict=True)) == [
        (n, act, at_s) for n, s in ((1, 1.0), (2, 10.0), (3, 20.0)) for act, at_s in (("raised", s), ("cleared", s + 5))
    ]
    old = case.alert(first_seen_s=1.0, last_seen_s=2.0)
    assert store.write(Step(alerts=[old])).alerts == 0, "a word about what is over, said once more"


def test_an_acknowledgement_survives_every_word_of_the_twin(store: Store) -> None:
    store.write(Step(alerts=[case.alert(severity="medium")]))
    assert store.acknowledge("m1", "b1", "keyhole", by="Ada", note="power lowered", now_s=2.0) == 1
    store.write(Step(alerts=[case.alert(last_seen_s=3.0, severity="high")]))
    store.write(Step(alerts=[case.alert(last_seen_s=3.0, cleared_s=9.0)]))
    assert store.acknowledge("m1", "b1", "keyhole", by="Ben", note="me too", now_s=10.0) == 0
    (row,) = store.alerts().to_dict("records")
    assert (row["acknowledged_s"], row["acknowledged_by"], row["acknowledged_note"]) == (2.0, "Ada", "power lowered")
    assert (row["last_seen_s"], row["cleared_s"]) == (3.0, 9.0)
    acts = store.alert_acts()
    assert acts.act.tolist() == ["raised", "acknowledged", "changed", "changed", "cleared", "acknowledged"]
    assert acts[acts.act == "acknowledged"].by.tolist() == ["Ada", "Ben"], "what is not the first is kept all the same"
    store.write(Step(alerts=[case.alert(first_seen_s=20.0, last_seen_s=20.0)]))
    assert np.isnan(store.alerts(open_only=True).acknowledged_s.iloc[0]), "the next time nobody knows of it"


def test_without_an_occurrence_all_are_acknowledged_and_with_one_only_that(store: Store) -> None:
    for begin_s in (1.0, 10.0, 20.0):
        store.write(Step(alerts=[case.alert(first_seen_s=begin_s, last_seen_s=begin_s, cleared_s=begin_s + 5)]))
    assert store.acknowledge("m1", "b1", "keyhole", by="Ada", note="seen", now_s=30.0, occurrence=2) == 1
    assert store.acknowledge("m1", "b1", "keyhole", by="Ben", note="all", now_s=31.0) == 2
    found = store.alerts().sort_values("occurrence")
    assert found.acknowledged_by.tolist() == ["Ben", "Ada", "Ben"]


def test_shelved_until_its_time_and_then_it_speaks_again(store: Store) -> None:
    store.write(Step(alerts=[case.alert(severity="medium")]))
    assert store.shelve("m1", "b1", "keyhole", by="Ada", note="known here", now_s=2.0, until_s=100.0) == 1

    def state(now_s: float) -> str:
        return state_of(store.alerts(standing_only=True).to_dict("records")[0], now_s)

    store.write(Step(alerts=[case.alert(last_seen_s=50.0, severity="medium")]))
    assert (state(50.0), state(101.0)) == ("shelved", "unacknowledged")
    store.write(Step(alerts=[case.alert(last_seen_s=50.0, severity="medium", cleared_s=60.0)]))
    store.write(Step(alerts=[case.alert(first_seen_s=70.0, last_seen_s=70.0, severity="medium")]))
    assert store.alerts(open_only=True).shelved_by.tolist() == ["Ada"], "raised anew it is silent as well"
    assert state(71.0) == "shelved"
    store.write(Step(alerts=[case.alert(first_seen_s=70.0, last_seen_s=120.0, severity="medium")]))
    assert store.alerts(open_only=True).shelved_by.tolist() == [None]
    assert state(121.0) == "unacknowledged"
    ended = store.alert_acts().iloc[-1]
    assert (ended.act, ended.by, ended.at_s) == ("unshelved", "twin", 100.0)
    store.shelve("m1", "b1", "keyhole", by="Ada", note="again", now_s=130.0, until_s=140.0)
    assert store.unshelve("m1", "b1", "keyhole", by="Ben", now_s=131.0) == 1
    assert state(132.0) == "unacknowledged"
    store.write(Step(alerts=[case.alert(first_seen_s=70.0, last_seen_s=130.0, severity="medium", cleared_s=135.0)]))
    store.write(Step(alerts=[case.alert(first_seen_s=200.0, last_seen_s=200.0, severity="medium")]))
    assert state(200.0) == "unacknowledged", "a shelf that is over is not taken on"


def test_acts_over_the_wire_are_of_the_step_and_said_twice_they_are_one(store: Store) -> None:
    act = Act("m1", "b1", "keyhole", "acknowledged", "Ada", 5.0, "seen")
    unknown = Act("m1", "b1", "never", "acknowledged", "Ada", 5.0, "seen")
    written = store.write(Step(alerts=[case.alert()], acts=[act, unknown]))
    assert (written.alerts, written.acts) == (2, 2)
    assert store.alerts().acknowledged_by.tolist() == ["Ada"]
    assert store.write(Step(acts=[act])).acts == 0
    assert store.alert_acts().act.tolist() == ["raised", "acknowledged"]


def test_the_history_is_read_from_where_one_left_off(store: Store) -> None:
    assert store.last_act() == 0
    for kind in ("a", "b", "c"):
        store.write(Step(alerts=[case.alert(kind)]))
    first = store.alert_acts(limit=2)
    assert first.kind.tolist() == ["a", "b"]
    rest = store.alert_acts(after=int(first.id.iloc[-1]))
    assert rest.kind.tolist() == ["c"]
    assert store.last_act() == rest.id.iloc[-1]
    assert store.alert_acts("m2").empty


def test_an_act_says_who_and_why_about_something_that_is_there(store: Store) -> None:
    store.write(Step(alerts=[case.alert()]))
    with pytest.raises(AlertUnknownError, match="none such"):
        store.acknowledge("m1", "b1", "none such", by="Ada", note="seen", now_s=2.0)
    for by, note in (("", "seen"), ("Ada", " "), ("twin", "seen"), ("Ada\n", "seen"), ("Ada", "x" * 501)):
        with pytest.raises(BadActError):
            store.acknowledge("m1", "b1", "keyhole", by=by, note=note, now_s=2.0)
    for until_s in (2.0, 1.0, 2.0 + MOST_SHELVED_S + 1, float("nan")):
        with pytest.raises(BadActError):
            store.shelve("m1", "b1", "keyhole", by="Ada", note="why", now_s=2.0, until_s=until_s)
    assert store.alert_acts().act.tolist() == ["raised"]


def test_standing_are_those_that_are_there_or_wait_for_a_word(store: Store) -> None:
    for kind, severity, cleared_s in (
        ("there", "low", None), ("returned", "medium", 5.0), ("advice over", "low", 5.0), ("known", "high", 5.0)
    ):  # fmt: skip
        store.write(Step(alerts=[case.alert(kind, severity=severity, cleared_s=cleared_s)]))
    store.acknowledge("m1", "b1", "known", by="Ada", note="seen", now_s=6.0)
    assert set(store.alerts("m1", standing_only=True).kind) == {"there", "returned"}
    assert store.alerts("m1", open_only=True).kind.tolist() == ["there"]
    states = {row["kind"]: state_of(row, 10.0) for row in store.alerts().to_dict("records")}
    assert states == {
        "there": "unacknowledged", "returned": "returned", "advice over": "cleared", "known": "cleared"
    }  # fmt: skip


@many
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.booleans()), max_size=25))
def test_every_raise_and_every_end_is_in_the_history(new: New, said: list[tuple[str, bool, bool]]) -> None:
    """At most one of a kind is open; what is open was raised once more than it was cleared; nothing is lost."""
    store, first_s = new(), dict[str, float]()
    for at_s, (kind, clears, knows) in enumerate(said, 1):
        begun_s = first_s.setdefault(kind, float(at_s))
        cleared_s = at_s + 0.5 if clears else None
        store.write(Step(alerts=[case.alert(kind, first_seen_s=begun_s, last_seen_s=float(at_s), cleared_s=cleared_s)]))
        if clears:
            del first_s[kind]
        if knows:
            store.acknowledge("m1", "b1", kind, by="Ada", note="seen", now_s=at_s + 0.7)
        still_open = store.alerts(open_only=True).kind.tolist()
        assert sorted(still_open) == sorted(first_s)
    acts, rows = store.alert_acts(), store.alerts()
    for kind in {kind for kind, _, _ in said}:
        mine = acts[acts.kind == kind]
        assert (mine.act == "raised").sum() == (rows.kind == kind).sum()
        assert (mine.act == "raised").sum() - (mine.act == "cleared").sum() == (kind in first_s)
        known = mine[mine.act == "acknowledged"]  # one act may be of several occurrences
        assert known.at_s.nunique() == sum(k == kind and knows for k, _, knows in said)
    store.close()


@many
@given(st.permutations([1.0, 2.0, 3.0, 4.0]), st.sampled_from([None, 3.5, 4.0, 5.0]))
def test_alert_is_the_newest_word_whatever_the_order(new: New, order: list[float], cleared_s: float | None) -> None:
    store, newest = new(), case.alert(first_seen_s=4.0, last_seen_s=4.0, cleared_s=cleared_s)
    for seen_s in order:
        seen: Alert = newest if seen_s == 4.0 else case.alert(first_seen_s=seen_s, last_seen_s=seen_s)
        store.write(Step(alerts=[seen]))
    found = store.alerts().iloc[0]
    assert (found.first_seen_s, found.last_seen_s, found.evidence) == (1.0, 4.0, newest.evidence)
    assert found.cleared_s == cleared_s or (cleared_s is None and np.isnan(found.cleared_s))
    store.close()


def test_estimates_of_a_machine_come_back_in_the_order_in_which_they_were_made(store: Store) -> None:
    rows = [case.forecast(n, calibrated=(case.calibrated(0.3 + n / 100, frames=64 * n),)) for n in range(6)]
    rows.append(case.forecast(6, calibrated=(case.calibrated(1.1e-4, "beam_diameter_m"),)))
    rows.append(case.forecast(0, name="b0", calibrated=(case.calibrated(0.9),), issued_s=1.0))
    store.write(Step(forecasts=rows[3:]))
    store.write(Step(forecasts=rows[:3]))
    store.write(Step(forecasts=[case.forecast(2, calibrated=(case.calibrated(0.99),))]))
    found = store.calibration("m1", limit=5)
    assert found["estimate"].tolist() == [0.3 + n / 100 for n in range(1, 6)]
    assert found["time_s"].tolist() == [n * 62.5e-6 for n in range(1, 6)]
    assert found["made_s"].tolist() == [1000.0 + n for n in range(1, 6)]
    assert found["frames"].tolist() == [64 * n for n in range(1, 6)]
    assert set(found["identifiable"]) == {True}
    assert set(found["followed"]) == {False}
    assert store.calibration("m1", quantity="beam_diameter_m")["estimate"].tolist() == [1.1e-4]
    assert store.calibration("m1", build="b0")["estimate"].tolist() == [0.9]
    assert store.calibration("m2").empty


def test_outcomes_are_counted_by_kind_and_laser(store: Store) -> None:
    drift = Outcome("drift", "width", 1.0, "m")
    store.write(Step(forecasts=[case.forecast(0), case.forecast(1, outcome=drift), case.forecast(2, laser_on=False)]))
    store.write(Step(forecasts=[case.forecast(0, machine="m2"), case.forecast(0)]))
    assert store.outcomes() == {"ok": 3, "drift": 1}
    assert store.outcomes("m1", laser_on_only=True) == {"ok": 1, "drift": 1}
    assert store.outcomes("m2") == {"ok": 1}
    assert store.outcomes("m3") == {}


def test_rejects_and_gaps_are_kept_whole(store: Store) -> None:
    bad = [
        Rejected("meltwin/v1/é/\ud800\x00", bytes(range(256)), "unknown kind 'ü\x00'", "wrong_kind"),
        Rejected("t", b"", "empty", "truncated"),
    ]
    store.write(Step(rejects=bad[:1], received_s=1.0))
    store.write(Step(rejects=[bad[1]] * 3, gaps=[Gap("m1", "s", "plan", 5, 6, 2.0)], received_s=2.0))
    found = store.rejects()
    assert found.reason.tolist()[:3] == ["empty"] * 3
    assert found.code.tolist() == ["truncated"] * 3 + ["wrong_kind"]
    assert found.payload.tolist()[-1] == bytes(range(256))
    assert store.rejects(limit=1).received_s.tolist() == [2.0]
    assert store.gaps("m1").iloc[0].tolist() == [2.0, "s", "plan", 5, 6]
    assert store.counts()["rejects"] == 4


def test_the_card_that_is_read_is_the_last_one_said(store: Store) -> None:
    first, second = {"name": "asno", "metrics": {"größe": 1.5}}, {"name": "asno", "metrics": {}}
    for received_s, card in enumerate((first, second, first)):
        store.write(Step(cards=[card, {"name": "reference"}], received_s=float(received_s)))
        assert store.card("asno") == card
    assert store.counts()["cards"] == 3
    assert store.card("none such") is None


def test_replay_gives_what_a_restarted_run_needs(store: Store) -> None:
    wanted = [
        case.state(1), case.build(), case.layer(1), case.plan(0, [0.0, 1.0]),
        *(case.parameters(1 + sequence) for sequence in range(1500)),
    ]  # fmt: skip
    other = [case.state(0), case.layer(0, 1), case.parameters(0, number=0, final=True), case.build("b0", 1)]
    store.write(Step([heard(m) for m in other], received_s=1.0))
    store.write(Step([heard(message) for message in reversed(wanted)], received_s=2.0))
    store.write(Step([heard(case.state(source="m2"), machine="m2")], received_s=2.0))
    assert store.open_layers() == [("m1", "b1", 1)]
    replayed = list(store.replay_messages("m1", "b1", 1))
    assert [observation.message for observation in replayed] == wanted
    assert {(observation.site, observation.machine) for observation in replayed} == {("hall", "m1")}
    store.write(Step([heard(case.parameters(1501, final=True))], received_s=3.0))
    assert store.open_layers() == []


def test_a_layer_of_which_a_message_was_still_waited_for_is_open_though_its_end_is_kept(store: Store) -> None:
    one = [case.build(), case.layer(1), *(case.parameters(n) for n in (0, 1, 3)), case.parameters(4, final=True)]
    store.write(Step([heard(message) for message in one], received_s=1.0))
    assert store.open_layers() == [("m1", "b1", 1)]
    two = [case.layer(2, 1), case.parameters(5, number=2), case.parameters(6, number=2, final=True)]
    store.write(Step([heard(message) for message in two], received_s=2.0))
    assert store.open_layers() == [("m1", "b1", 1), ("m1", "b1", 2)], "what came behind it was held as well"
    store.write(Step([heard(case.layer(3, 2)), heard(case.parameters(7, number=3))], received_s=3.0))
    assert store.open_layers() == [("m1", "b1", 1), ("m1", "b1", 2), ("m1", "b1", 3)]
    store.write(Step(gaps=[Gap("m1", "m1", "parameters", 2, 2, 4.0)], received_s=4.0))
    assert store.open_layers() == [("m1", "b1", 3)], "given up, and on record"
    store.write(Step([heard(case.parameters(9, number=3, final=True))], received_s=5.0))
    assert store.open_layers() == [("m1", "b1", 3)]
    store.write(Step([heard(case.parameters(8, number=3))], received_s=6.0))
    assert store.open_layers() == []
    store.write(Step([heard(case.layer(4, 4)), heard(case.parameters(12, number=4, final=True))], received_s=9000.0))
    assert store.open_layers() == [], "what was between is old and was pruned"


@many
@given(time_s=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400))
def test_messages_come_back_exactly(new: New, time_s: list[float]) -> None:
    store, message = new(), case.parameters(0, sorted(time_s))
    store.write(Step([heard(message)], received_s=1.0))
    assert [observation.message for observation in store.replay_messages("m1", "b1", 1)] == [message]
    assert store.parameters("m1", "b1", 1).time_s.tolist() == message.sample_time_s
    store.close()


@pytest.mark.parametrize(
    "value",
    [
        np.random.default_rng(1).uniform(900, 2500, (7, 5)).astype(np.float32),
        np.arange(35, dtype=np.uint16).reshape(5, 7) * 1800,
    ],
    ids=["float32", "uint16"],
)
def test_a_picture_comes_back_pixel_by_pixel(store: Store, value: np.ndarray) -> None:
    said = case.frame(
        3, 0.5, value=value, dtype=value.dtype.name, scale=0.05, offset=-1.5, unit="mV", quantity="intensity",
        view="off_axis", centre_from="machine", x_m=0.1, y_m=-0.2, rotation_rad=0.3, camera="side", sent_s=7.0,
    )  # fmt: skip
    store.write(Step([heard(said)], received_s=8.0))
    found = store.frame("m1")
    assert found == said
    assert found is not None
    np.testing.assert_array_equal(found.picture(), said.picture())
    assert store.counts()["frames"] == 1


def test_pictures_are_listed_in_time_order_by_build_and_camera(store: Store) -> None:
    pictures = [case.frame(n, 0.1 * n, camera=("coaxial", "side")[n % 2]) for n in (3, 0, 2, 1)]
    store.write(Step([heard(case.build("b0")), heard(case.frame(9, 9.0, name="b0"))], received_s=1.0))
    store.write(Step([heard(case.build("b1", 1)), *map(heard, pictures)], received_s=2.0))
    assert store.frames("m1").sequence.tolist() == [0, 1, 2, 3]
    assert store.frames("m1", since_s=0.1, limit=1).sequence.tolist() == [3]
    assert store.frames("m1", camera="side").time_s.tolist() == [0.1, 0.1 * 3]
    assert store.frames("m1", build="b0").sequence.tolist() == [9]
    for asked, expected in (({}, 3), ({"at_s": 0.25}, 2), ({"at_s": 0.25, "camera": "side"}, 1), ({"build": "b0"}, 9)):
        found = store.frame("m1", **asked)  # type: ignore[arg-type]
        assert found is not None
        assert found.sequence == expected
    assert store.frame("m1", at_s=-1.0) is None
    assert store.frames("m2").empty


def test_a_picture_said_again_is_a_duplicate_and_another_picture_a_conflict(store: Store) -> None:
    store.write(Step([heard(case.frame(0, sent_s=1.0))], received_s=1.0))
    assert store.write(Step([heard(case.frame(0, sent_s=2.0))], received_s=2.0)).duplicates == 1
    assert store.counts()["conflicts"] == 0
    for changed in (case.frame(0, level=1501.0), case.frame(0, pixel_m=2e-5)):
        assert store.write(Step([heard(changed)], received_s=3.0)).duplicates == 1
    assert store.counts()["conflicts"] == 2
    assert store.frame("m1") == case.frame(0, sent_s=1.0)
    store.write(Step([heard(case.frame(0, camera="side"))], received_s=4.0))
    assert store.counts()["frames"] == 2, "each camera counts for itself"


def test_a_machine_that_counts_for_itself_under_anothers_name_comes_back_so(store: Store) -> None:
    messages = [case.build(), case.parameters(3), case.frame(0, 1.0)]
    others = [heard(message) for message in messages]
    own = [replace(each, machine="m2", own=True, birth=1) for each in others]
    assert own[0].source == "m1@m2#1"
    assert store.write(Step([*others, *own], received_s=1.0)).observations == 6
    for source, kept in (("m1", others), ("m1@m2#1", own)):
        for each in kept:
            (found,) = store.messages(source, each.message.channel)
            assert (found.machine, found.own, found.birth, found.source) == (each.machine, each.own, each.birth, source)
            assert found.message == each.message
    again = list(store.replay_messages("m2", "b1", 1))
    assert [o.source for o in again] == ["m1@m2#1"] * len(again)
    assert len(again) == 2


def test_births_skipped_frames_and_cured_rejects_are_kept_once(store: Store) -> None:
    reject = Rejected("meltwin/v1/hall/m1/plan", b"{", "not JSON")
    step = Step(
        rejects=[reject],
        births=[Birth("m1", "s", 1, "state", 0, "it said so", 5.0)],
        skipped=[Skipped("m1", "b1", 1, 10, 19, 5.0), Skipped("m1", "b1", 1, 30, 30, 6.0)],
        received_s=5.0,
    )
    for _ in range(2):
        store.write(step)
    assert (store.births("s"), store.births("other")) == (1, 0)
    assert store.lives("m1")[["source", "birth", "reason"]].values.tolist() == [["s", 1, "it said so"]]
    assert store.skipped("m1")[["first_frame", "last_frame"]].values.tolist() == [[30, 30], [10, 19]]
    assert (store.counts()["skipped"], store.counts()["births"]) == (11, 1)
    assert store.next_frame("m1", "b1", 1) == 31
    store.write(Step(forecasts=[case.forecast(40)]))
    assert (store.next_frame("m1", "b1", 1), store.next_frame("m1", "b1", 2)) == (41, 0)
    assert store.rejects()["reingested_s"].isna().all()
    for at_s in (7.0, 8.0):
        store.write(Step(reingested=[reject], received_s=at_s))
    assert store.rejects()["reingested_s"].tolist() == [7.0]
    assert store.counts()["reingested"] == 1


def test_when_each_frame_was_forecast_is_told_of_what_is_of_record(store: Store) -> None:
    assert store.issued("m1", "b1", 1) == {}
    told = [case.forecast(frame, issued_s=1000.0 + frame) for frame in (3, 4, 7)]
    aside = [case.forecast(frame, issued_s=2000.0, opinion="flux-no") for frame in (3, 9)]
    store.write(Step(forecasts=[*told, *aside, case.forecast(3, layer=2), case.forecast(3, machine="m2")]))
    assert store.issued("m1", "b1", 1) == {3: 1003.0, 4: 1004.0, 7: 1007.0}


def test_messages_of_one_life_are_found_by_their_sequence(store: Store) -> None:
    told = [replace(heard(case.parameters(n)), birth=birth) for n in range(10) for birth in (0, 1)]
    store.write(Step(told, received_s=1.0))
    assert store.counts()["observations"] == 20

    def sequences(source: str, **which: int) -> list[tuple[int, int]]:
        return [(o.message.sequence, o.birth) for o in store.messages(source, "parameters", **which)]

    assert sequences("m1", first=3, last=5) == [(3, 0), (4, 0), (5, 0)]
    assert sequences("m1#1", newest=2) == [(8, 1), (9, 1)]
    assert sequences("m1", first=8) == [(8, 0), (9, 0)]
    assert sequences("m2") == []
    assert {o.birth for o in store.replay_messages("m1", "b1", 1)} == {0, 1}


def test_pictures_are_messages_too_in_each_life_of_their_source(store: Store) -> None:
    """A restarted twin asks for the newest message of a channel, and for those of a stretch that it misses."""
    first, later = ([case.frame(n, 0.1 * n, level=level) for n in range(12)] for level in (1500.0, 1600.0))
    store.write(Step([heard(case.build()), *map(heard, first)], received_s=1.0))
    store.write(Step([replace(heard(message), birth=1) for message in later], received_s=2.0))
    for source, said, birth in (("m1", first, 0), ("m1#1", later, 1)):
        found = store.messages(source, "frame/coaxial", newest=2)
        assert [o.message for o in found] == said[-2:]
        assert {o.birth for o in found} == {birth}
        stretch = store.messages(source, "frame/coaxial", first=3, last=5)
        assert [o.message for o in stretch] == said[3:6]
    assert store.messages("m1", "frame/side", newest=2) == []
    newest = store.frame("m1")
    assert newest is not None
    assert newest.source == "m1"


def test_builds_are_told_as_they_were_planned_the_newest_first(store: Store) -> None:
    assert store.nominals().empty
    store.write(Step([heard(case.build("old", 0), "m1")], received_s=1.0))
    store.write(Step([heard(case.build("new", 0, "m2", hatch_spacing_m=None), "m2")], received_s=2.0))
    store.write(Step([heard(case.build("old", 1, nominal_beam_power_w=250.0), "m1")], received_s=3.0))
    found = store.nominals()
    assert found["build"].tolist() == ["old", "new"]
    assert found["nominal_beam_power_w"].tolist()[0] == 250.0
    assert found["hatch_spacing_m"].isna().tolist() == [True, True]
    assert store.nominals(limit=1)["machine"].tolist() == ["m1"]
