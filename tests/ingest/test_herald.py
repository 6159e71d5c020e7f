"""What the twin says over MQTT: what is committed, as it stands, once; and nothing piles up while nobody listens."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ingest.decode import encode
from ingest.herald import FORECAST_S, LOOK_S, Herald
from ingest.source import FakePublisher
from ingest.topics import topic_of
from tests.contracts import store_cases as case
from twin.alarms.messages import MOST, AlertMessage, ForecastMessage
from twin.forecast import Alert, Outcome
from twin.store.fake.store import FakeStore
from twin.store.port import Step, StoreUnavailableError

TOPIC = topic_of("hall", "m1", "alert")


def stands(line: FakePublisher) -> list[AlertMessage]:
    return [AlertMessage.model_validate_json(payload) for topic, payload in line.sent if topic == TOPIC]


def alert(kind: str = "keyhole", at_s: float = 10.0, **fields: Any) -> Alert:
    return case.alert(kind, first_seen_s=at_s, last_seen_s=at_s, severity="medium", **fields)


class Told:
    """A herald over a store, with a clock of its own."""

    def __init__(self, **fields: Any) -> None:
        self.store, self.line, self.now_s = FakeStore(), FakePublisher(), 100.0
        self.herald = Herald(self.store, self.line, "hall", **fields)

    def tell(self, wait_s: float = LOOK_S) -> None:
        self.now_s += wait_s
        self.herald.tell(self.now_s)


def test_what_is_raised_updated_acknowledged_and_cleared_is_said_once_each_and_retained() -> None:
    told = Told()
    told.store.write(Step(alerts=[alert()]))
    told.tell()
    for at_s in (11.0, 12.0, 13.0):  # seen again: nothing new
        told.store.write(Step(alerts=[replace(alert(), last_seen_s=at_s, evidence=f"{at_s}")]))
        told.tell()
    told.store.acknowledge("m1", "b1", "keyhole", by="Ada", note="known", now_s=14.0)
    told.tell()
    told.store.write(Step(alerts=[replace(alert(), last_seen_s=15.0, cleared_s=15.0)]))
    told.tell()
    told.tell()
    said = stands(told.line)
    assert [[(a.alert, a.state) for a in message.alerts] for message in said] == [
        [("keyhole", "unacknowledged")], [("keyhole", "acknowledged")], []
    ]  # fmt: skip
    assert said[1].alerts[0].acknowledged_by == "Ada"
    assert [message.sequence for message in said] == sorted({message.sequence for message in said})
    assert json.loads(told.line.retained[TOPIC])["alerts"] == []


def test_it_reads_what_is_committed_and_says_nothing_else() -> None:
    told = Told()
    told.tell()
    with pytest.raises(RuntimeError):
        told.store.write(Step(alerts=[alert()], cards=Broken()))
    told.tell()
    assert told.line.sent == []
    told.store.write(Step(alerts=[alert()]))
    told.tell()
    assert len(stands(told.line)) == 1


class Broken(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("pulled the plug")


def test_while_the_broker_is_away_nothing_piles_up_and_then_it_says_what_stands() -> None:
    told = Told()
    told.store.write(Step(alerts=[alert()]))
    told.tell()
    told.line.ready = False
    for n in range(50):
        told.store.write(Step(alerts=[alert(f"k{n}", 20.0 + n)]))
        told.store.write(Step(alerts=[replace(alert(f"k{n}", 20.0 + n), cleared_s=20.5 + n)]))
        told.store.acknowledge("m1", "b1", f"k{n}", by="Ada", note="known", now_s=21.0 + n)
        told.tell()
    told.store.write(Step(alerts=[alert("stays", 90.0)]))
    told.tell()
    assert len(told.line.sent) == 1
    told.line.ready = True
    told.tell()
    assert [[a.alert for a in message.alerts] for message in stands(told.line)[1:]] == [["stays", "keyhole"]]


def test_a_broker_that_was_lost_is_told_again_what_stands() -> None:
    told = Told()
    told.store.write(Step([case.heard(case.state())], alerts=[alert()]))
    told.tell()
    told.line.connections += 1
    told.tell()
    assert len(stands(told.line)) == 2


def test_a_new_run_says_what_stands_and_takes_back_what_does_not() -> None:
    told = Told()
    told.store.write(Step([case.heard(case.state()), case.heard(case.state(source="m2"), "m2")], alerts=[alert()]))
    told.tell()
    assert {topic: len(json.loads(payload)["alerts"]) for topic, payload in told.line.sent} == {
        TOPIC: 1, topic_of("hall", "m2", "alert"): 0
    }  # fmt: skip


def test_what_is_shelved_is_silent_until_its_time_and_then_speaks_again() -> None:
    told = Told()
    told.store.write(Step(alerts=[alert(at_s=told.now_s)]))
    told.tell()
    told.store.shelve("m1", "b1", "keyhole", by="Ada", note="known", now_s=told.now_s, until_s=told.now_s + 60)
    told.tell()
    begun_s = told.now_s
    for n in range(1, 20):  # it comes and goes
        at_s = begun_s + n
        told.store.write(Step(alerts=[replace(alert(at_s=at_s), cleared_s=at_s + 0.3)]))
        told.tell(1.0)
    told.store.write(Step(alerts=[alert(at_s=begun_s + 25)]))
    told.tell(1.0)
    assert [len(message.alerts) for message in stands(told.line)] == [1, 0]
    assert stands(told.line)[-1].shelved == 1
    told.tell(60.0)
    last = stands(told.line)[-1]
    assert next((a.alert, a.state) for a in last.alerts) == ("keyhole", "unacknowledged")
    assert last.shelved == 0


def test_a_message_holds_the_newest_and_says_how_many_it_leaves_out() -> None:
    told = Told()
    told.store.write(Step(alerts=[alert(f"k{n}", float(n)) for n in range(MOST + 5)]))
    told.tell()
    (message,) = stands(told.line)
    assert (len(message.alerts), message.more, message.alerts[0].alert) == (MOST, 5, f"k{MOST + 4}")


def test_a_store_that_is_away_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    told.store.write(Step(alerts=[alert()]))

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(told.store, "alerts", away)
        told.tell()
    assert told.line.sent == []
    told.tell()
    assert len(stands(told.line)) == 1


def test_forecasts_are_said_when_it_is_allowed_the_newest_and_seldom() -> None:
    assert Told().herald._newest == {}
    told = Told(forecasts=True)
    told.herald.step(Step(forecasts=[case.forecast(n) for n in range(5)] + [case.forecast(9, opinion="other")]))
    told.tell()
    nan = case.forecast(6, outcome=Outcome("non_finite", "depth", float("inf"), "m"), leads=())
    told.herald.step(Step(forecasts=[nan]))
    told.herald.tell(told.now_s + FORECAST_S / 2)
    told.herald.tell(told.now_s + FORECAST_S)
    topic = topic_of("hall", "m1", "forecast")
    said = [ForecastMessage.model_validate_json(payload) for sent, payload in told.line.sent if sent == topic]
    assert [(message.frame, message.outcome, len(message.leads)) for message in said] == [
        (4, "ok", 2),
        (6, "non_finite", 0),
    ]
    assert topic not in told.line.retained
    quiet = Told()
    quiet.herald.step(Step(forecasts=[case.forecast(1)]))
    quiet.tell()
    assert quiet.line.sent == []


def test_our_examples_are_small() -> None:
    told = Told()
    told.store.write(Step(alerts=[alert()]))
    told.tell()
    assert len(told.line.sent[0][1]) < 1000 > len(encode(case.state()))
