"""Alerts from end to end: a person's word over MQTT and from the command line, a restart, and what is said when."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy import wiring
from deploy.batch import Batch
from deploy.cli import app
from deploy.ports import free_port
from deploy.run import RunLoop
from deploy.settings import Settings
from ingest.broker import EmbeddedBroker
from ingest.herald import Herald
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.order import Order
from ingest.source import FakePublisher, FakeSource
from ingest.topics import PEOPLE_KINDS, every_kind, topic_of
from tests.contracts import store_cases as case
from tests.deploy.fakes import advance, stretch
from twin.alarms import risks
from twin.alarms.alarms import Alarms
from twin.alarms.flood import BEGINS
from twin.clock import FakeClock, SystemClock
from twin.forecast import Alert, Forecast
from twin.observation import Window
from twin.store.fake.store import FakeStore
from twin.store.port import Step
from twin.store.sql.store import SqlStore

ACK = topic_of("local", "m1", "ack")


def ack(**fields: Any) -> bytes:
    said = {
        "kind": "ack",
        "source": "panel",
        "sent_s": 200.0,
        "build": "b",
        "alert": "keyhole",
        "by": "Ada",
        "note": "known",
    }
    return json.dumps(said | fields).encode()


class Seeing:
    """A twin that sees a keyhole in every frame while `on`."""

    def __init__(self) -> None:
        self.alarms, self.on = Alarms(), True

    def __call__(
        self, windows: Sequence[Window], context_of: object, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]:
        forecasts, _ = advance(windows, context_of, now_s)
        seen = [replace(each, regime="keyhole", keyhole_number=9.0 if self.on else 1.0) for each in forecasts]
        found = [(each, [risk] if (risk := risks.keyhole(each.regime, each.keyhole_number)) else []) for each in seen]
        return seen, self.alarms.step(found, now_s)


def loop(source: Any, store: Any, clock: FakeClock, twin: Seeing, **more: Any) -> RunLoop:
    return RunLoop(source, Order(kept=store), twin, store, clock, Batch(4, 0.0, backlog=None),
                   take_up=twin.alarms.take_up, **more)  # fmt: skip


def turned(run: RunLoop, source: FakeSource, clock: FakeClock) -> None:
    while run.turn() or not source.exhausted:
        clock.sleep_s(0.1)


def test_an_acknowledgement_is_committed_with_its_step_and_survives_frames_and_a_restart() -> None:
    store, clock = FakeStore(), FakeClock(100.0)
    told = stretch()
    source = FakeSource([*told[:10], (ACK, ack()), *told[10:15]])
    turned(loop(source, store, clock, Seeing()), source, clock)
    again = FakeSource([*told[12:], (ACK, ack())])
    run = loop(again, store, clock, Seeing())
    run.resume()
    turned(run, again, clock)
    (row,) = store.alerts().to_dict("records")
    assert (row["acknowledged_by"], row["acknowledged_note"], row["acknowledged_s"]) == ("Ada", "known", 200.0)
    assert row["last_seen_s"] > row["first_seen_s"]
    assert store.alert_acts().act.tolist() == ["raised", "acknowledged"], "said twice it is one"
    assert store.counts()["rejects"] == 0
    assert not again._unacknowledged


@pytest.mark.parametrize("on", [True, False])
def test_a_restart_beside_a_silent_machine_has_not_just_seen_its_alert(on: bool) -> None:
    """What is stored is looked at again, as at the time at which it was forecast."""
    store, clock, twin = FakeStore(), FakeClock(100.0), Seeing()
    source = FakeSource(stretch()[:12])
    turned(loop(source, store, clock, twin), source, clock)
    before, forecasts = store.alerts(), store.estimates("m1")
    assert before["last_seen_s"].max() < 102.0
    clock.sleep_s(5000.0)
    later = Seeing()
    later.on = on
    run = loop(FakeSource([]), store, clock, later)
    run.resume()
    for _ in range(3):
        run.turn()
        clock.sleep_s(60.0)
    assert store.alerts().equals(before)
    assert store.estimates("m1").equals(forecasts)
    assert store.alert_acts().act.tolist() == ["raised"]


def test_an_alert_that_was_over_is_not_raised_anew_by_a_restart() -> None:
    store, clock, twin = FakeStore(), FakeClock(100.0), Seeing()
    told = stretch()
    source = FakeSource(told[:8])
    turned(loop(source, store, clock, twin), source, clock)
    twin.on = False
    for each in told[8:12]:  # 40 s, each some seconds after the one before
        clock.sleep_s(10.0)
        more = FakeSource([each])
        again = loop(more, store, clock, twin)
        again.resume()
        turned(again, more, clock)
    before = store.alerts()
    assert before["cleared_s"].notna().tolist() == [True]
    clock.sleep_s(5000.0)

    class Then(Seeing):
        def __call__(self, windows: Sequence[Window], *more: Any) -> tuple[list[Forecast], list[Alert]]:
            self.on = windows[0].index < 4 if windows else False
            return super().__call__(windows, *more)

    run = loop(FakeSource([]), store, clock, Then())
    run.resume()
    assert store.alerts().equals(before)


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        (ACK, ack(alert="never"), "unknown_alert"),
        (ACK, ack(occurrence=7), "unknown_alert"),
        (topic_of("local", "m2", "ack"), ack(), "unknown_alert"),
        (ACK, ack(by=""), "bad_value"),
        (topic_of("local", "m1", "signal"), ack(), "wrong_kind"),
        ("meltwin/v1/local/m1/command", ack(), "bad_topic"),
    ],
)
def test_what_acknowledges_nothing_is_kept_with_its_reason(topic: str, payload: bytes, code: str) -> None:
    store, clock = FakeStore(), FakeClock(100.0)
    source = FakeSource([*stretch()[:12], (topic, payload)])
    turned(loop(source, store, clock, Seeing()), source, clock)
    assert store.rejects().code.tolist() == [code]
    assert store.alert_acts().act.tolist() == ["raised"]


def test_our_own_words_that_come_back_are_no_messages() -> None:
    store, clock = FakeStore(), FakeClock(100.0)
    own = [(topic_of("local", "m1", kind), b"{}") for kind in ("alert", "forecast", "recipe")]
    source = FakeSource(own)
    turned(loop(source, store, clock, Seeing()), source, clock)
    assert (store.counts()["observations"], store.counts()["rejects"]) == (0, 0)
    assert not source._unacknowledged


def test_nothing_is_said_before_it_is_committed() -> None:
    order: list[str] = []

    class Written(FakeStore):
        def write(self, step: Step) -> Any:
            written = super().write(step)
            order.append("committed" if step.alerts else "")
            return written

    class Line(FakePublisher):
        def publish(self, topic: str, payload: bytes, *said: Any, **more: Any) -> None:
            order.append("said" if json.loads(payload)["alerts"] else "nothing stands")
            super().publish(topic, payload, *said, **more)

    store, clock, line = Written(), FakeClock(100.0), Line()
    herald = Herald(store, line, "local")
    source = FakeSource(stretch())
    turned(loop(source, store, clock, Seeing(), tell=herald.tell), source, clock)
    assert order.index("committed") < order.index("said")
    assert order.count("said") == 1, "raised once, said once"


def test_a_flood_over_all_raisers_is_grouped_and_goes_on_after_a_restart() -> None:
    """Gaps of many sources and a twin's own alerts pass one gate; a restart in the middle loses no count."""
    store, clock = FakeStore(), FakeClock(100.0)
    kinds = [case.alert(f"k{n}", first_seen_s=95.0, last_seen_s=95.0, severity="medium") for n in range(BEGINS)]
    store.write(Step(alerts=kinds))
    source = FakeSource(stretch())
    run = loop(source, store, clock, Seeing())
    run.resume()
    turned(run, source, clock)
    assert set(store.alerts(open_only=True).kind) >= {"flood", "keyhole"}
    assert store.alerts(open_only=True).set_index("kind").loc["flood", "evidence"].startswith(f"{BEGINS + 1} alarms")


def invoke(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.output


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db"
    store = SqlStore.create(url)
    now_s = SystemClock().now_s()
    for kind, severity in (("keyhole", "high"), ("gap", "low")):
        store.write(Step(alerts=[case.alert(kind, first_seen_s=now_s, last_seen_s=now_s, severity=severity)]))
    store.close()
    return url


def test_people_act_from_the_command_line_beside_the_writer(url: str) -> None:
    writer = SqlStore.create(url)
    listed = invoke("alerts", "list", "--database", url)
    assert listed.index("keyhole") < listed.index("gap")
    assert "high   unacknowledged m1  b1  keyhole #1  [out of specification]" in listed
    said = invoke("alerts", "acknowledge", "m1", "keyhole", "--by", "Ada", "--note", "on it", "--database", url)
    assert said == "1 acknowledged by Ada\n"
    again = invoke("alerts", "acknowledge", "m1", "keyhole", "--by", "Ben", "--note", "too", "--database", url)
    assert "already" in again
    invoke("alerts", "shelve", "m1", "gap", "--for", 30, "--by", "Ada", "--note", "switch", "--database", url)
    listed = invoke("alerts", "list", "--database", url)
    assert "Ada knows: on it" in listed
    assert "shelved by Ada until" in listed
    assert "speaks again" in invoke("alerts", "unshelve", "m1", "gap", "--by", "Ben", "--database", url)
    writer.write(Step(alerts=[case.alert("keyhole", last_seen_s=SystemClock().now_s() + 9, severity="high")]))
    assert writer.alerts("m1").set_index("kind").loc["keyhole", "acknowledged_by"] == "Ada"
    told = invoke("alerts", "history", "--machine", "m1", "--database", url)
    assert [line.split("  ")[3].split()[0] for line in told.splitlines()] == [
        "raised", "raised", "acknowledged", "acknowledged", "shelved", "unshelved"
    ]  # fmt: skip
    writer.close()


def test_a_mistake_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("acknowledge", "m1", "never", "--by", "Ada", "--note", "x"),
        ("acknowledge", "m1", "keyhole", "--by", "twin", "--note", "x"),
        ("acknowledge", "m1", "keyhole", "--by", "Ada", "--note", "x", "--occurrence", 9),
        ("shelve", "m1", "gap", "--for", 1000, "--by", "Ada", "--note", "x"),
    ):
        invoke("alerts", *words, "--database", url, code=2)
    invoke("alerts", "list", "--database", "sqlite:////nowhere/a.db", code=2)


def test_over_a_real_broker_what_stands_is_retained_and_a_person_acknowledges(tmp_path: Path) -> None:
    with EmbeddedBroker(free_port()) as broker:
        settings = Settings(broker="external", mqtt_port=broker.port, data_dir=tmp_path)
        store = FakeStore()
        twin, told = Seeing(), stretch(60)
        with (
            closing(wiring.mqtt_source(settings)) as source,
            wiring.herald(settings, store) as herald,
            closing(MqttPublisher("127.0.0.1", broker.port, "m1")) as machine,
            closing(MqttPublisher("127.0.0.1", broker.port, "ada", kinds=PEOPLE_KINDS)) as ada,
        ):
            assert herald is not None
            run = RunLoop(source, Order(kept=store), twin, store, SystemClock(), Batch(50, 0.05), tell=herald.tell)
            for topic, payload in told[:40]:
                machine.publish(topic, payload)
            while not len(store.alerts()):
                run.turn()
            ada.publish(ACK, ack(sent_s=SystemClock().now_s()))
            for topic, payload in told[40:]:
                machine.publish(topic, payload)
            clock = SystemClock()
            until_s = clock.now_s() + 20.0
            while clock.now_s() < until_s and "acknowledged" not in store.alert_acts().act.tolist():
                run.turn()
            until_s = clock.now_s() + 3.0
            while clock.now_s() < until_s and herald.told < 2:
                run.turn()
        with closing(MqttSource("127.0.0.1", broker.port, "late", every_kind("local"))) as late:
            heard = {each.topic: each.payload for each in late.take(100, 5.0)}
        (standing,) = json.loads(heard[topic_of("local", "m1", "alert")])["alerts"]
        assert (standing["alert"], standing["state"], standing["acknowledged_by"]) == ("keyhole", "acknowledged", "Ada")
        assert store.counts()["rejects"] == 0
