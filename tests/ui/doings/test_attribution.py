"""Asking why from a page: which frame is asked about, by whom, until when; and taking it back."""

import pytest

from tests.contracts import store_cases as case
from tests.ui.test_attribution import DEPTH
from twin.clock import FakeClock
from twin.store.fake.store import FakeStore
from twin.store.port import Step
from ui.desk import Desk
from ui.doing import RefusedError, Said
from ui.doings.attribution import DEADLINE_S, KIND, ask, look, withdraw

NOW: Said = {"machine": "m1", "of": "depth", "lead_s": 0.0, "frame": None}
THEN = NOW | {"build": "b1", "layer": 1, "frame": 4, "time_s": 2.5e-4}


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    store.write(Step([case.heard(case.state(process="ded"))], forecasts=[case.forecast(n) for n in range(6)]))
    return store


@pytest.fixture
def desk(store: FakeStore) -> Desk:
    return Desk.over(store, FakeClock(1000.0))


def test_now_is_the_newest_forecast(store: FakeStore, desk: Desk) -> None:
    told = ask(desk, "Ada", NOW)
    asked = store.request(told["request"])
    assert asked is not None
    assert (asked.kind, asked.who, asked.asked_s, asked.deadline_s) == (KIND, "Ada", 1000.0, 1000.0 + DEADLINE_S)
    assert asked.arguments == {"machine": "m1", "build": "b1", "layer": 1, "frame": 5, "of": "depth", "lead_s": 0.0}
    assert told["time_s"] == pytest.approx(5 * 62.5e-6)


def test_a_moment_that_was_picked_is_asked_about(store: FakeStore, desk: Desk) -> None:
    asked = store.request(ask(desk, "Ada", THEN | {"of": "width", "lead_s": 1e-4})["request"])
    assert asked is not None
    assert (asked.arguments["frame"], asked.arguments["of"], asked.arguments["lead_s"]) == (4, "width", 1e-4)


@pytest.mark.parametrize(
    "more", [{"of": "colour"}, {"lead_s": -1.0}, {"lead_s": "now"}, {"frame": -1}, {"layer": None}]
)
def test_what_cannot_be_asked_is_refused_and_leaves_no_row(store: FakeStore, desk: Desk, more: Said) -> None:
    with pytest.raises(RefusedError):
        ask(desk, "Ada", THEN | more)
    assert store.requests() == []


def test_a_machine_without_a_forecast_has_nothing_to_explain(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="no forecast"):
        ask(desk, "Ada", NOW | {"machine": "m9"})


def test_a_look_shows_the_answer_when_it_is_there(store: FakeStore, desk: Desk) -> None:
    number = ask(desk, "Ada", NOW)
    seen = look(desk, "Ada", number)
    assert not seen["ended"]
    request = store.claim((KIND,), now_s=1000.5, lease_s=30.0)
    assert request is not None
    store.answer(request, DEPTH, now_s=1001.0)
    seen = look(desk, "Ada", number | {"scheme": "dark"})
    assert seen["ended"]
    assert seen["props"]["why-sentence"]["children"].startswith("Depth now: 103 µm")
    assert seen["props"]["why-places"]["figure"]["layout"]["xaxis2"]["title"]["text"] == "along the scan, mm", "DED"
    with pytest.raises(RefusedError, match="no such question"):
        look(desk, "Ada", {"request": 99})


def test_what_nobody_waits_for_any_more_is_taken_back(store: FakeStore, desk: Desk) -> None:
    number = ask(desk, "Ada", NOW)
    assert withdraw(desk, "Ada", number) == {"withdrawn": True}
    assert store.claim((KIND,), now_s=1001.0, lease_s=30.0) is None
    assert look(desk, "Ada", number)["ended"]


def test_a_question_of_another_kind_is_not_shown(store: FakeStore, desk: Desk) -> None:
    other = store.ask("search", {}, who="Ben", now_s=1000.0, deadline_s=1020.0)
    with pytest.raises(RefusedError, match="no such question"):
        look(desk, "Ada", {"request": other})
