"""Asking for a forecast again: what is asked is what was said, within bounds, by somebody; and how far it is."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from deploy.reforecast import FACTORS, KIND, MOST_FRAMES, Asked
from deploy.reforecast import LEAST as LEAST_FACTOR
from deploy.reforecast import MOST as MOST_FACTOR
from tests.ui.test_doing import Client
from twin.clock import FakeClock
from twin.store.fake.store import FakeStore
from ui.desk import Desk
from ui.doing import RefusedError
from ui.replay import asking

SAID = {
    "machine": "m1", "build": "b", "layer": 3, "from_s": 1.25, "frames": 40, "operator": "reference", "power": 110,
    "speed": 100, "absorptivity": 90,
}  # fmt: skip


def desk(clock: FakeClock, store: FakeStore) -> Desk:
    return Desk.over(store, clock)


def test_what_was_said_is_what_the_twin_is_asked() -> None:
    store, clock = FakeStore(), FakeClock(1000.0)
    number = asking.ask(desk(clock, store), "Ada", SAID)["request"]
    request = store.request(number)
    assert request is not None
    assert (request.kind, request.who) == (KIND, "Ada")
    asked = Asked.of(request.arguments)
    assert (asked.machine, asked.build, asked.layer, asked.from_s, asked.frames) == ("m1", "b", 3, 1.25, 40)
    assert (asked.operator, asked.power, asked.speed, asked.absorptivity) == ("reference", 1.1, 1.0, 0.9)


def test_the_page_and_the_twin_agree_on_what_may_be_asked() -> None:
    assert (KIND, MOST_FRAMES, tuple(FACTORS)) == (asking.KIND, asking.MOST_FRAMES, asking.FACTORS)
    assert (asking.LEAST, asking.MOST) == (100 * LEAST_FACTOR, 100 * MOST_FACTOR)


@pytest.mark.parametrize(
    "wrong", [{"power": 49}, {"speed": 201}, {"frames": 0}, {"frames": "many"}, {"layer": None}, {"machine": 3}]
)
def test_what_makes_no_sense_is_refused_and_nothing_is_asked(wrong: dict[str, Any]) -> None:
    store = FakeStore()
    with pytest.raises(RefusedError):
        asking.ask(desk(FakeClock(1000.0), store), "Ada", SAID | wrong)
    assert store.requests() == []


def test_a_request_says_where_it_stands() -> None:
    store, clock = FakeStore(), FakeClock(1000.0)
    here = desk(clock, store)
    number = asking.ask(here, "Ada", SAID)["request"]

    def look() -> dict[str, Any]:
        return asking.look(here, "Ada", {"request": number})

    assert "waits for the twin" in look()["said"]
    clock.sleep_s(60.0)
    assert "is ./meltwin run there?" in look()["said"]
    request = store.claim((KIND,), now_s=clock.now_s(), lease_s=30.0)
    assert request is not None
    store.report(request, 0.42, now_s=clock.now_s(), lease_s=30.0)
    assert (look()["share"], look()["ended"]) == (0.42, False)
    assert "42% done" in look()["said"]
    assert asking.withdraw(here, "Ada", {"request": number}) == {"withdrawn": False}, "somebody is at it"
    store.answer(request, {"opinion": "reference, beam power x 1.1", "frames": 40}, now_s=clock.now_s())
    done = look()
    assert (done["ended"], done["opinion"]) == (True, "reference, beam power x 1.1")
    with pytest.raises(RefusedError):
        asking.look(here, "Ada", {"request": number + 1})


def test_over_the_wire_it_wants_a_name_and_gives_a_number(serve: Callable[..., str]) -> None:
    store = FakeStore()
    page = Client(serve(store))
    assert page.post("/do/ask_reforecast", json.dumps(SAID).encode())[0] == 422
    status, text = page.post("/do/ask_reforecast", json.dumps(SAID | {"by": "Ada"}).encode())
    assert status == 200
    assert store.request(json.loads(text)["request"]) is not None
