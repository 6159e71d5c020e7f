"""What every store keeps of second opinions, and of what operators infer."""

import numpy as np

from tests.contracts import store_cases as case
from tests.contracts.test_store import New, empty_file, new, said, store  # noqa: F401
from twin.forecast import Absorbed, Outcome
from twin.store.port import Step, Store


def second(frame: int, **fields: object) -> object:
    return case.forecast(frame, opinion="hflux", operator="hflux", lead_count=3, **fields)


def test_a_second_opinion_stands_beside_and_never_in_the_place_of_the_record(store: Store) -> None:  # noqa: F811
    hot = (case.field(np.full((3, 2, 2), 2000.0)),)
    record = [case.forecast(frame, fields=hot if frame == 1 else ()) for frame in range(3)]
    store.write(Step(forecasts=record))
    once = [store.melt_pool("m1"), store.estimates("m1"), store.outcomes(), store.latest_forecast("m1")]
    cold = (case.field(np.full((3, 2, 2), 500.0)),)
    drift = Outcome("drift", "width", 1.0, "m")
    told = [second(frame, issued_s=9e9, outcome=drift, fields=cold) for frame in range(3)]
    assert store.write(Step(forecasts=told)).forecasts == 3
    after = [store.melt_pool("m1"), store.estimates("m1"), store.outcomes(), store.latest_forecast("m1")]
    assert all(a.equals(b) if hasattr(a, "equals") else a == b for a, b in zip(once, after, strict=True))
    field = store.latest_field("m1")
    assert field is not None
    assert field.temperature_k.max() == 2000.0
    assert store.opinions("m1") == ["hflux"]
    assert (len(store.melt_pool("m1", opinion="hflux")), len(store.estimates("m1", opinion="hflux"))) == (9, 3)
    newest = store.latest_forecast("m1", opinion="hflux")
    assert newest is not None
    assert (newest["opinion"], newest["outcome"]) == ("hflux", "drift")
    counts = store.counts()
    assert (counts["forecasts"], counts["opinions"], counts["melt_pool"]) == (3, 3, 15)


def test_an_opinion_once_given_stands(store: Store) -> None:  # noqa: F811
    store.write(Step(forecasts=[second(0)]))
    once = said(store)
    assert store.write(Step(forecasts=[second(0, issued_s=2.0)])).forecasts == 0
    assert said(store) == once
    assert store.melt_pool("m1").empty
    assert store.latest_forecast("m1") is None


def test_opinions_are_those_of_a_build(store: Store) -> None:  # noqa: F811
    opinions = [case.forecast(0, opinion=name, name=build) for name, build in [("b", "b1"), ("a", "b1"), ("c", "b2")]]
    store.write(Step(forecasts=[case.forecast(0), *opinions]))
    assert store.opinions("m1") == ["a", "b"]
    assert store.opinions("m1", "b2") == ["c"]
    assert store.opinions("m2") == []


def test_what_was_inferred_comes_back_with_what_it_was_inferred_from(store: Store) -> None:  # noqa: F811
    told = case.forecast(2, absorbed=Absorbed(0.41, 0.31, 10), ledger_defect=-1e-7)
    store.write(Step(forecasts=[case.forecast(3), told, case.forecast(1, absorbed=Absorbed(0.31, 0.31, 0))]))
    rows = store.absorptivity("m1")
    assert rows.frame.tolist() == [1, 2]
    assert rows.absorptivity.tolist() == [0.31, 0.41]
    assert rows.nominal_absorptivity.tolist() == [0.31, 0.31]
    assert rows.camera_frames.tolist() == [0, 10]
    assert np.isnan(rows.ledger_defect[0])
    assert rows.ledger_defect[1] == -1e-7
    assert store.absorptivity("m1", limit=1).empty, "the newest frame infers nothing"
    assert store.absorptivity("m1", opinion="hflux").empty
    newest = store.latest_forecast("m1")
    assert newest is not None
    assert newest["absorptivity"] is None
