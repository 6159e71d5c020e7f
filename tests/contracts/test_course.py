"""What every store says of a build that is looked back at: as of a moment, and as a whole."""

from dataclasses import replace

import numpy as np
import pytest

from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from tests.contracts.test_store import New, empty_file, new, store  # noqa: F401
from twin.forecast import Absorbed, Outcome
from twin.observation import Gap, Skipped
from twin.store.port import Step, Store

FRAME_S = 62.5e-6
DRIFT, SILENCE = Outcome("drift", "width", 2.0, "m"), Outcome("silence", "the machine between two layers", 1475.0, "s")


def filled(store: Store) -> Store:  # noqa: F811
    """Twelve frames of one build in two layers, and another build with the same times."""
    field = (case.field(np.full((3, 2, 2), 1000.0)),)
    frames = [
        case.forecast(
            n, layer=1 + n // 6, fields=field if n == 4 else (), issued_s=1000.0 + n,
            outcome=DRIFT if n in (3, 4) else Outcome(), absorbed=Absorbed(0.3 + n / 100, 0.3, 1),
            calibrated=(case.calibrated(0.3 + n / 100),),
        )
        for n in range(12)
    ]  # fmt: skip
    messages = [
        case.state(origin="replay"), case.build(part="P5"), case.layer(1), case.layer(2, 1, time_s=6 * FRAME_S),
        case.signal(0, [n * FRAME_S for n in range(12)], [1e-4 + n * 1e-6 for n in range(12)]),
    ]  # fmt: skip
    store.write(Step([heard(m) for m in messages], forecasts=frames[:6], received_s=1000.0))
    store.write(
        Step(
            forecasts=[*frames[6:], *[replace(frames[n], opinion="reference") for n in range(8)]],
            alerts=[replace(case.alert("drift", first_seen_s=1003.0, last_seen_s=1004.0), cleared_s=1006.0)],
            gaps=[Gap("m1", "m1", "parameters", 4, 5, 1002.0)],
            skipped=[Skipped("m1", "b1", 2, 8, 9, 1008.0)],
            received_s=1011.0,
        )
    )
    store.write(Step([heard(case.build("b2", 1))], forecasts=[case.forecast(2, name="b2")], received_s=900.0))
    return store


def test_what_came_later_is_not_there_at_a_moment(store: Store) -> None:  # noqa: F811
    filled(store)
    at_s = 5.5 * FRAME_S
    rows = store.estimates("m1", build="b1", until_s=at_s)
    assert rows["frame"].tolist() == [0, 1, 2, 3, 4, 5]
    assert store.estimates("m1", build="b1", since_s=FRAME_S, until_s=at_s, limit=3)["frame"].tolist() == [3, 4, 5]
    assert store.melt_pool("m1", build="b1", limit=1, until_s=at_s)["frame"].unique().tolist() == [5]
    assert store.estimates("m1", build="b1", opinion="reference", until_s=at_s)["frame"].tolist() == list(range(6))
    assert store.signals("m1", build="b1", until_s=at_s)["time_s"].max() == 5 * FRAME_S
    assert store.signals("m1", build="b1", since_s=3 * FRAME_S, until_s=at_s)["time_s"].tolist() == pytest.approx(
        [4 * FRAME_S, 5 * FRAME_S]
    )
    assert store.absorptivity("m1", build="b1", until_s=at_s)["absorptivity"].iloc[-1] == pytest.approx(0.35)
    assert store.calibration("m1", build="b1", until_s=at_s)["estimate"].iloc[-1] == pytest.approx(0.35)


def test_the_forecast_of_a_moment_is_the_newest_then_of_that_build(store: Store) -> None:  # noqa: F811
    filled(store)
    then = store.forecast_at("m1", "b1", 4 * FRAME_S)
    assert then is not None
    assert (then["frame"], then["outcome"], then["build"]) == (4, "drift", "b1")
    assert set(then) == set(store.latest_forecast("m1") or {})
    assert store.forecast_at("m1", "b1", -1.0) is None
    assert store.forecast_at("m1", "nothing", 1.0) is None
    last = store.forecast_at("m1", "b1", 1.0, opinion="reference")
    assert last is not None
    assert last["frame"] == 7
    other = store.forecast_at("m1", "b2", 1.0)
    assert other is not None
    assert other["frame"] == 2


def test_frames_beside_a_moment_are_those_to_step_to(store: Store) -> None:  # noqa: F811
    filled(store)
    assert store.beside("m1", "b1", 4 * FRAME_S) == (3 * FRAME_S, 5 * FRAME_S)
    assert store.beside("m1", "b1", 4.5 * FRAME_S) == (4 * FRAME_S, 5 * FRAME_S)
    assert store.beside("m1", "b1", 0.0) == (None, FRAME_S)
    assert store.beside("m1", "b1", 11 * FRAME_S) == (10 * FRAME_S, None)
    assert store.beside("m2", "b1", 0.0) == (None, None)


def test_the_field_of_a_moment_is_not_from_later_nor_from_another_build(store: Store) -> None:  # noqa: F811
    filled(store)
    assert store.field_at("m1", "b1", 3.9 * FRAME_S) is None
    then = store.field_at("m1", "b1", 9 * FRAME_S)
    assert then is not None
    assert (then.time_s, then.issued_s) == (pytest.approx(4 * FRAME_S), 1004.0)
    assert store.field_at("m1", "b2", 1.0) is None


def test_the_course_of_a_build_tells_layers_outcomes_alerts_gaps_and_skipped_frames(store: Store) -> None:  # noqa: F811
    course = filled(store).course("m1", "b1")
    assert course.layers["layer"].tolist() == [1, 2]
    assert course.layers["begun_s"].tolist() == [0.0, 6 * FRAME_S]
    told = course.outcomes[["outcome", "layer", "frames"]].values.tolist()
    assert told == [["ok", 1, 3], ["drift", 1, 2], ["ok", 1, 1], ["ok", 2, 6]]
    assert course.outcomes["begin_s"].tolist() == pytest.approx([0, 3 * FRAME_S, 5 * FRAME_S, 6 * FRAME_S])
    (alert,) = course.alerts.itertuples()
    assert (alert.kind, alert.begin_s, alert.end_s) == ("drift", 3 * FRAME_S, 6 * FRAME_S)
    (skipped,) = course.skipped.itertuples()
    assert (skipped.begin_s, skipped.end_s) == (pytest.approx(14 * FRAME_S), pytest.approx(16 * FRAME_S))
    (gap,) = course.gaps.itertuples()
    assert (gap.at_s, gap.first_sequence) == (2 * FRAME_S, 4)
    assert course.span == (0.0, 11 * FRAME_S)
    assert store.build_alerts("m1", "b1")["kind"].tolist() == ["drift"]
    assert store.build_alerts("m1", "b2").empty
    empty = store.course("m1", "nothing")
    assert (empty.layers.empty, empty.outcomes.empty, empty.span) == (True, True, None)


def test_every_stored_build_is_listed_newest_first(new: New) -> None:  # noqa: F811
    store = filled(new())  # noqa: F811
    rows = store.recordings()
    assert rows["build"].tolist() == ["b1", "b2"]
    first = rows.iloc[0]
    assert (first["part"], first["begun"], first["first_layer"], first["last_layer"]) == ("P5", 2, 1, 2)
    assert (first["origin"], first["operator"], first["alerts"]) == ("replay", "reference", 1)
    assert (first["begun_s"], first["received_s"]) == (0.0, 1000.0)
    assert np.isnan(rows.iloc[1]["first_layer"])
    assert store.recordings(limit=1)["build"].tolist() == ["b1"]
    assert new().recordings().empty
