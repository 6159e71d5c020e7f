"""Laws of forecasting again: the same question gives the same rows, a changed one says what was changed, what is stored
stands, and live forecasting goes first."""

from collections.abc import Generator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deploy.answers import KIND as QUICK
from deploy.answers import LEASE_S, REST, Answers, UnansweredError
from deploy.reforecast import KIND, PIECE_S, Asked, Reforecasts
from deploy.run import Batch, RunLoop
from ingest.order import Order
from ingest.source import FakeSource
from operators.operator import FakeOperator
from tests.deploy.fakes import FRAME_S, stretch
from twin.clock import FakeClock
from twin.store.fake.store import FakeStore
from twin.twin import Twin

WHOLE = {"machine": "m1", "build": "b", "layer": 1, "from_s": 0.0, "frames": 100}
SIZES = ["length_m", "width_m", "depth_m", "x_m", "beam_power_w"]


class SlowClock(FakeClock):
    """Each look at it takes a while, as work does."""

    def now_s(self) -> float:
        self.sleep_s(PIECE_S / 4)
        return super().now_s()


def ran() -> FakeStore:
    """One layer of twenty frames, forecast by the fake as a run does."""
    store, source = FakeStore(), FakeSource(stretch(20))
    loop = RunLoop(source, Order(), Twin(FakeOperator()).advance, store, FakeClock(100.0), Batch(5, 0.0, backlog=None))
    while loop.turn() or not source.exhausted:
        pass
    return store


def again(store: FakeStore, clock: FakeClock | None = None, operator: FakeOperator | None = None) -> Reforecasts:
    own = operator or FakeOperator("other")
    return Reforecasts(store, clock or FakeClock(500.0), lambda name: own, Twin)


def whole(work: Generator[float, None, dict[str, Any]]) -> tuple[list[float], dict[str, Any]]:
    shares = []
    while True:
        try:
            shares.append(next(work))
        except StopIteration as end:
            return shares, end.value


def estimates(store: FakeStore, opinion: str) -> pd.DataFrame:
    return store.estimates("m1", build="b", opinion=opinion).reset_index(drop=True)


def test_the_same_question_gives_the_same_rows_and_the_record_stands() -> None:
    store = ran()
    record = estimates(store, "")
    _, answer = whole(again(store)(WHOLE))
    assert (answer["opinion"], answer["frames"]) == ("other", len(record))
    pd.testing.assert_frame_equal(
        estimates(store, "other")[["frame", "time_s", *SIZES]], record[["frame", "time_s", *SIZES]]
    )
    pd.testing.assert_frame_equal(estimates(store, ""), record)
    assert store.card("other") is not None
    assert set(store.melt_pool("m1", build="b", opinion="other").groupby("frame")["lead_s"].max() > 0) == {True}


def test_a_stretch_in_the_middle_has_the_heat_of_what_came_before_it() -> None:
    store = ran()
    operator = FakeOperator("other")
    _, answer = whole(again(store, operator=operator)(WHOLE | {"from_s": 10.5 * FRAME_S, "frames": 4}))
    rows, record = estimates(store, "other"), estimates(store, "")
    assert answer["frames"] == 4
    assert rows["time_s"].tolist() == pytest.approx([n * FRAME_S for n in (11, 12, 13, 14)])
    same = record[record["frame"].isin(rows["frame"])].reset_index(drop=True)
    np.testing.assert_allclose(rows[SIZES], same[SIZES], rtol=1e-12)
    assert operator.forgotten, "nothing of it stays on the device"


@pytest.mark.parametrize(
    ("factors", "name"),
    [
        ({"power": 1.5}, "other, beam power x 1.5"),
        ({"speed": 0.5}, "other, scan speed x 0.5"),
        ({"absorptivity": 0.8}, "other, absorptivity x 0.8"),
        ({"power": 0.9, "speed": 1.1}, "other, beam power x 0.9, scan speed x 1.1"),
    ],
)
def test_what_was_changed_is_what_was_asked_and_the_name_says_it(factors: dict[str, float], name: str) -> None:
    store = ran()
    _, answer = whole(again(store)(WHOLE | factors))
    assert answer["opinion"] == name
    rows, record = estimates(store, name), estimates(store, "")
    first = rows[rows["time_s"] <= record["time_s"].max() * 0.9]
    at_same_time = record.set_index("frame").loc[first["frame"]]
    power, speed = factors.get("power", 1.0), factors.get("speed", 1.0)
    np.testing.assert_allclose(first["beam_power_w"], power * at_same_time["beam_power_w"], rtol=1e-9)
    np.testing.assert_allclose(first["x_m"], speed * at_same_time["x_m"], rtol=1e-6, atol=1e-9)
    if factors == {"speed": 0.5}:
        assert len(rows) == pytest.approx(2 * len(record), abs=1), "half as fast takes twice as long"
    if "absorptivity" in factors:
        assert (first["width_m"].to_numpy()[3:] < at_same_time["width_m"].to_numpy()[3:]).all()
    assert store.opinions("m1", "b") == [name]


def test_asked_twice_changes_nothing() -> None:
    store = ran()
    whole(again(store)(WHOLE))
    once = estimates(store, "other")
    whole(again(store)(WHOLE))
    pd.testing.assert_frame_equal(estimates(store, "other"), once)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"frames": 0}, "between 1 and 5,000 frames"),
        ({"frames": 10**6}, "between 1 and 5,000 frames"),
        ({"from_s": float("nan")}, "frames"),
        ({"power": 9.0}, "the factor on the beam power lies between 0.5 and 2"),
        ({"build": "none"}, "m1 has no build none"),
        ({"layer": 7}, "has no frame from"),
        ({"from_s": 1e6}, "has no frame from"),
    ],
)
def test_what_cannot_be_done_says_why(more: dict[str, Any], why: str) -> None:
    with pytest.raises(UnansweredError, match=why):
        whole(again(ran())(WHOLE | more))


def test_factors_of_one_change_nothing_that_was_said() -> None:
    asked = Asked.of(WHOLE)
    assert asked.name("a") == "a"
    for observation in ran().replay_messages("m1", "b", 1):
        assert asked.changed(observation, 0.0).message == observation.message


def ask(store: FakeStore, clock: FakeClock, kind: str = KIND) -> int:
    now_s = FakeClock.now_s(clock)
    return store.ask(kind, dict(WHOLE), who="Ada", now_s=now_s, deadline_s=now_s + 3600)


def test_it_is_answered_in_pieces_with_progress_and_quick_questions_go_between() -> None:
    store, clock = ran(), SlowClock(1000.0)
    answers = Answers(store, clock, {QUICK: lambda arguments: {"quick": True}}, {KIND: again(store, clock)})
    long, pieces, shares, quick = ask(store, clock), 0, [], None
    while not (told := store.request(long)).ended:  # type: ignore[union-attr]
        took_s = answers()
        if took_s is not None:
            pieces += 1
            shares.append(told.progress)  # type: ignore[union-attr]
            assert took_s < 3 * PIECE_S + 1.0, "no piece holds up the loop"
            rested = FakeClock.now_s(clock)
            assert answers._next_s - rested >= REST * took_s - PIECE_S
        if pieces == 3 and quick is None:
            quick = ask(store, clock, QUICK)
        clock.sleep_s(0.5)
        assert pieces < 500
    done = store.request(long)
    assert done is not None
    assert (done.state, done.progress) == ("done", 1.0), done.error
    assert pieces > 4
    assert shares == sorted(shares)
    answered = store.request(quick or 0)
    assert answered is not None
    assert answered.state == "done"
    assert (answered.answered_s or 0) < (done.answered_s or 0), "the quick one did not wait for the long one"


def test_whoever_has_lost_the_lease_lets_go() -> None:
    store, clock = ran(), SlowClock(1000.0)
    answers = Answers(store, clock, {}, {KIND: again(store, clock)})
    ask(store, clock)
    assert answers() is not None
    clock.sleep_s(LEASE_S + 60)
    other = store.claim((KIND,), now_s=FakeClock.now_s(clock), lease_s=1e6)
    assert other is not None
    before = store.counts()["opinions"]
    for _ in range(20):
        answers()
        clock.sleep_s(10.0)
    assert answers._work is None
    assert store.counts()["opinions"] <= before + 20
    still = store.request(other.id)
    assert still is not None
    assert still.state == "claimed", "it is the other's"


def test_a_question_that_cannot_be_answered_fails_with_its_reason() -> None:
    store, clock = ran(), SlowClock(1000.0)
    answers = Answers(store, clock, {}, {KIND: again(store, clock)})
    number = store.ask(KIND, WHOLE | {"build": "none"}, who="Ada", now_s=1000.0, deadline_s=9999.0)
    clock.sleep_s(1.0)
    answers()
    done = store.request(number)
    assert done is not None
    assert (done.state, done.error) == ("failed", "m1 has no build none")
    assert answers._work is None
