"""Replay: through a broker or straight, at any speed, the same windows."""

import pytest

from ingest.broker import EmbeddedBroker
from ingest.decode import decode
from ingest.machines.machine import Machine
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.order import Order
from ingest.replay import DirectSource, deliveries, replay
from ingest.source import FakePublisher, Source
from ingest.topics import every_kind
from tests.ingest.said import Told, build, parameters, plan, same
from twin.clock import FakeClock, SystemClock
from twin.observation import Observation, State, Window

SENT_S = 0.25
MESSAGES = [
    State(source="a", sequence=0, time_s=0.0, status="online"),
    build(),
    plan(0, [0.0, 10.0], [0.0, 0.01], [0.01, 0.02]),
    *(parameters(n, [n * 0.05, n * 0.05 + 0.03], power_w=[360.0 * (n % 3), 0.0], final=n == 199) for n in range(200)),
]
SAID = len(MESSAGES) + 1  # the farewell


def windows_of(source: Source, count: int) -> tuple[list[Window], Order]:
    order, windows, empty = Order(), [], 0
    while order.counts().received < count and not source.exhausted and empty < 20:
        batch = source.take(50, 0.2)
        empty = 0 if batch else empty + 1
        for delivery in batch:
            observation = decode(delivery.topic, delivery.payload)
            assert isinstance(observation, Observation)
            windows += order.add(observation, 0.0)
        source.ack(batch)
    return windows, order


def test_through_a_broker_and_straight_are_the_same(broker: EmbeddedBroker) -> None:
    machine: Machine = Told(MESSAGES)
    straight, _ = windows_of(DirectSource(machine, "direct"), SAID)
    source = MqttSource(broker.host, broker.port, "replay", every_kind("real"))
    publisher = MqttPublisher(broker.host, broker.port, "replayed")
    said = replay(machine, publisher, SystemClock(), None, "real")
    assert (said.total, publisher.published) == (SAID, SAID)
    wired, order = windows_of(source, SAID)
    assert len(straight) > 400
    assert len(wired) == len(straight)
    assert all(same(a, b) for a, b in zip(wired, straight, strict=True))
    assert all((a.plan is None) == (b.plan is None) for a, b in zip(wired, straight, strict=True))
    assert order.counts().received == SAID
    assert order.gaps() == []
    source.close()
    publisher.close()


@pytest.mark.parametrize(("speed", "wall_s"), [(1.0, 9.95), (10.0, 0.995), (None, 0.0)])
def test_speed_is_process_seconds_a_wall_second(speed: float | None, wall_s: float) -> None:
    clock, publisher = FakeClock(100.0), FakePublisher()
    replay(Told(MESSAGES), publisher, clock, speed)
    assert clock.now_s() - 100.0 == pytest.approx(wall_s, abs=1e-6)
    first = decode(*publisher.sent[0])
    assert isinstance(first, Observation)
    assert isinstance(first.message, State)
    assert first.message.time_factor == (speed or 1.0)


def test_every_speed_says_the_same_but_for_the_clock() -> None:
    said = []
    for speed in (1.0, 7.0, None):
        publisher = FakePublisher()
        replay(Told(MESSAGES[1:]), publisher, FakeClock(), speed)
        said.append([decode(*sent).message.model_copy(update={"sent_s": None}) for sent in publisher.sent])  # type: ignore[union-attr]
    assert said[0] == said[1] == said[2]
    direct = [decode(*sent).message for sent in deliveries(Told(MESSAGES[1:]))]  # type: ignore[union-attr]
    assert direct == said[2]


def test_a_clock_that_steps_back_is_said_without_waiting() -> None:
    clock = FakeClock()
    replay(
        Told([build(), parameters(0, [50.0]), parameters(1, [40.0]), parameters(2, [51.0])]),
        FakePublisher(),
        clock,
        1.0,
    )
    assert clock.now_s() == 51.0


def test_it_stops_when_told() -> None:
    clock, publisher = FakeClock(), FakePublisher()
    said = replay(Told(MESSAGES), publisher, clock, 1.0, stopped=lambda: clock.now_s() > 2.0)
    assert 10 < said.total < 60
    assert said.total == publisher.published
