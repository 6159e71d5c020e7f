"""Every Source keeps one contract: in order, nothing lost, nothing that was acknowledged comes again."""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator

import pytest

from ingest.broker import EmbeddedBroker
from ingest.decode import encode
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.replay import DirectSource
from ingest.source import FakeSource, Source
from ingest.topics import every_kind, topic_of
from tests.ingest.said import Told, free_port, parameters, take_all

COUNT = 40
MESSAGES = [parameters(n, [float(n)]) for n in range(COUNT)]


class Case(ABC):
    """A source that has COUNT messages of machine `m` to give, and can be opened again after a crash."""

    site = "s"

    @property
    def payloads(self) -> list[bytes]:
        return [encode(m) for m in MESSAGES]

    @abstractmethod
    def open(self) -> Source: ...

    @abstractmethod
    def reopen(self, source: Source) -> Source: ...

    def close(self) -> None:
        return None


class Fake(Case):
    def open(self) -> Source:
        return FakeSource((topic_of(self.site, "m", "parameters"), payload) for payload in self.payloads)

    def reopen(self, source: Source) -> Source:
        source.close()
        return source


class Direct(Case):
    def open(self) -> Source:
        return DirectSource(Told(MESSAGES), self.site)

    def reopen(self, source: Source) -> Source:
        source.close()
        return self.open()


class Mqtt(Case):
    """A site of its own on the broker, so that tests do not meet."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.site = uuid.uuid4().hex
        self._broker = broker
        self._open: list[Source] = []

    def open(self) -> Source:
        source = self._connect()
        publisher = MqttPublisher(self._broker.host, self._broker.port, f"p-{self.site}")
        for payload in self.payloads:
            publisher.publish(topic_of(self.site, "m", "parameters"), payload)
        assert publisher.drain(5.0)
        assert publisher.published == COUNT
        publisher.close()
        return source

    def reopen(self, source: Source) -> Source:
        source.close()
        return self._connect()

    def close(self) -> None:
        for source in self._open:
            source.close()

    def _connect(self) -> Source:
        host, port = self._broker.host, self._broker.port
        source = MqttSource(host, port, client_id=f"c-{self.site}", topic_filter=every_kind(self.site))
        self._open.append(source)
        return source


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(free_port()) as running:
        yield running


@pytest.fixture(params=["fake", "direct", "mqtt"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    cases = {"fake": Fake, "direct": Direct}
    made = Mqtt(request.getfixturevalue("broker")) if request.param == "mqtt" else cases[request.param]()
    yield made
    made.close()


def test_everything_comes_once_in_order_with_its_topic(case: Case) -> None:
    taken = take_all(case.open(), COUNT)[:COUNT]  # a machine that says goodbye says one more
    assert [d.payload for d in taken] == case.payloads
    assert {d.topic for d in taken} == {topic_of(case.site, "m", "parameters")}


def test_no_more_than_asked_for(case: Case) -> None:
    source = case.open()
    while len(batch := source.take(7, 0.5)) == 7:
        source.ack(batch)
    assert len(batch) < 7


def test_an_empty_source_waits_no_longer_than_it_is_told(case: Case) -> None:
    source = case.open()
    take_all(source, COUNT + 1, patience=5)
    began_s = time.monotonic()
    assert source.take(10, 0.1) == []
    assert time.monotonic() - began_s < 1.0


def test_what_was_not_acknowledged_comes_again_in_order(case: Case) -> None:
    source = case.open()
    first = take_all(source, COUNT, ack=False)[:COUNT]
    source.ack(first[:10])
    time.sleep(0.2)
    again = take_all(case.reopen(source), COUNT - 10, patience=5)
    unacknowledged = case.payloads[10:]
    assert [d.payload for d in again if d.payload in unacknowledged] == unacknowledged


def test_an_acknowledgement_for_an_earlier_connection_does_no_harm(case: Case) -> None:
    source = case.open()
    first = take_all(source, COUNT, ack=False)[:COUNT]
    second = case.reopen(source)
    if isinstance(second, MqttSource):
        second._connection = 1  # as after a broken line
    second.ack(first)
    assert len(take_all(second, COUNT, patience=5)) >= (0 if isinstance(second, FakeSource) else COUNT)


def test_closing_twice_is_harmless(case: Case) -> None:
    source = case.open()
    source.close()
    source.close()
