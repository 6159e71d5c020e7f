"""MQTT for real: a broker on 127.0.0.1, sessions that survive, a last will, and the way from bytes to windows."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from paho.mqtt.client import CallbackAPIVersion, Client
from paho.mqtt.enums import MQTTProtocolVersion

from ingest.broker import EmbeddedBroker
from ingest.codecs import columns
from ingest.decode import decode, encode
from ingest.errors import BrokerError
from ingest.machines.machine import farewell
from ingest.mqtt import MqttPublisher, MqttSource, answers
from ingest.order import Order
from ingest.simulate import last_will, machines
from ingest.sparkplug.session import rebirth_request
from ingest.topics import ForbiddenTopicError, every_kind, topic_of
from tests.conftest import need
from tests.ingest.said import build, frame, free_port, parameters, take_all
from twin.observation import Observation


def listening(pid: int) -> list[tuple[str, int]]:
    return [tuple(c.laddr) for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]


def test_the_broker_listens_on_the_loopback_only(broker: EmbeddedBroker) -> None:
    found = [listening(child.pid) for child in psutil.Process().children()]
    (mine,) = [places for places in found if broker.port in {port for _, port in places}]
    assert [address for address, _ in mine] == ["127.0.0.1"]
    assert answers(broker.host, broker.port, 1.0)


def test_a_taken_port_names_the_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(BrokerError, match="mqtt_port"):
            EmbeddedBroker(other.getsockname()[1]).start()


def test_nobody_there_names_the_setting() -> None:
    with pytest.raises(BrokerError, match="mqtt_port"):
        MqttSource("127.0.0.1", free_port())
    assert not answers("127.0.0.1", free_port(), 0.2)


def test_the_broker_stops_with_its_context() -> None:
    with EmbeddedBroker(free_port()) as running:
        assert running.running
    assert not running.running
    assert not answers(running.host, running.port, 0.2)


def _hold_a_broker(port: int) -> None:
    with EmbeddedBroker(port):
        time.sleep(60)


def test_the_broker_does_not_outlive_a_killed_parent() -> None:
    port = free_port()
    parent = multiprocessing.get_context("spawn").Process(target=_hold_a_broker, args=(port,))
    parent.start()
    assert answers("127.0.0.1", port, 15.0)
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    deadline_s = time.monotonic() + 5.0
    while answers("127.0.0.1", port, 0.1):
        assert time.monotonic() < deadline_s, "the broker outlived its parent"


def test_a_machine_that_is_lost_is_said_to_be_offline(broker: EmbeddedBroker) -> None:
    machine = machines(0, "will")[0]
    publisher = MqttPublisher(broker.host, broker.port, "lost", will=last_will("wills", machine))
    source = MqttSource(broker.host, broker.port, "will-reader", every_kind("wills"))
    sock = publisher._client.socket()
    assert sock is not None
    publisher._client.reconnect_delay_set(60, 60)
    sock.shutdown(socket.SHUT_RDWR)  # the line breaks, no goodbye
    (said,) = take_all(source, 1, patience=50)
    assert said.topic == topic_of("wills", machine.name, "state")
    assert said.payload == encode(farewell(machine))
    source.close()
    publisher.close()


def test_what_is_retained_meets_whoever_comes_later(broker: EmbeddedBroker) -> None:
    publisher = MqttPublisher(broker.host, broker.port, "retainer")
    publisher.publish(topic_of("kept", "m", "build"), encode(build(sequence=0)), retain=True)
    publisher.publish(topic_of("kept", "m", "build"), encode(build(sequence=1)), retain=True)
    assert publisher.drain(5.0)
    source = MqttSource(broker.host, broker.port, "late", every_kind("kept"))
    (said,) = take_all(source, 1)
    assert json.loads(said.payload)["sequence"] == 1
    source.close()
    publisher.close()


def test_columns_and_pictures_cross_the_broker_with_their_content_type(broker: EmbeddedBroker) -> None:
    source = MqttSource(broker.host, broker.port, "columns", every_kind("columns"))
    publisher = MqttPublisher(broker.host, broker.port, "columns-p")
    chunk = parameters(0, [1e-5 * n for n in range(10_000)])
    said = [chunk, frame(0, np.ones((512, 512), dtype=np.uint16), offset=900.0)]
    for message in said:
        publisher.publish(topic_of("columns", "m", message.kind), columns.write(message), False, columns.CONTENT_TYPE)
    publisher.publish(topic_of("columns", "m", "build"), encode(build()))
    got = take_all(source, 3)
    assert [d.content_type for d in got] == [columns.CONTENT_TYPE] * 2 + ["application/json"]
    observations = [decode(d.topic, d.payload, d.content_type) for d in got]
    assert [getattr(o, "message", o) for o in observations] == [*said, build()]
    source.close()
    publisher.close()


def test_a_message_at_most_once_is_taken_and_wants_no_acknowledgement(broker: EmbeddedBroker) -> None:
    source = MqttSource(broker.host, broker.port, "once", every_kind("once"))
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for n in range(3):
        client.publish(topic_of("once", "m", "build"), encode(build(sequence=n)), qos=0)
        time.sleep(0.1)
    assert len(take_all(source, 3)) == 3
    assert source.connected, "an acknowledgement of nothing ends the connection"
    client.publish(topic_of("once", "m", "build"), encode(build(sequence=3)), qos=1)
    assert len(take_all(source, 1)) == 1
    assert source.connected
    client.disconnect()
    client.loop_stop()
    source.close()


def test_the_publisher_waits_while_too_many_are_unconfirmed(broker: EmbeddedBroker) -> None:
    publisher = MqttPublisher(broker.host, broker.port, "bounded", max_in_flight=5)
    most = 0
    for n in range(200):
        publisher.publish(topic_of("bounded", "m", "parameters"), encode(parameters(n, [float(n)])))
        most = max(most, publisher._in_flight)
    assert publisher.drain(5.0)
    assert (publisher.published, publisher.refused) == (200, 0)
    assert most <= 5
    publisher.close()


def test_more_than_a_thousand_messages_a_second_from_publisher_to_window(broker: EmbeddedBroker) -> None:
    source = MqttSource(broker.host, broker.port, "rate", every_kind("rate"))
    publisher = MqttPublisher(broker.host, broker.port, "rate-p")
    count, order, windows, received = 3000, Order(), [], 0
    began_s = time.monotonic()
    publisher.publish(topic_of("rate", "m", "build"), encode(build()))
    for n in range(count):
        publisher.publish(topic_of("rate", "m", "parameters"), encode(parameters(n, [n * 0.02], final=n == count - 1)))
        if n % 100 == 0 or n == count - 1:
            received += _advance(source, order, windows)
    while received < count + 1 and time.monotonic() - began_s < 20:
        received += _advance(source, order, windows)
    assert received == count + 1
    assert len(windows) == count - 1
    assert count / (time.monotonic() - began_s) > 1000
    source.close()
    publisher.close()


def _advance(source: MqttSource, order: Order, windows: list) -> int:
    batch = source.take(500, 0.01)
    for delivery in batch:
        observation = decode(delivery.topic, delivery.payload)
        assert isinstance(observation, Observation)
        windows += order.add(observation, 0.0)
    source.ack(batch)
    return len(batch)


@pytest.fixture
def mosquitto(tmp_path: Path) -> tuple[int, Path]:
    need("mosquitto")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {tmp_path}/\nuser root\n"
    )
    return port, config


def _start(port: int, config: Path) -> subprocess.Popen:
    process = subprocess.Popen([need("mosquitto"), "-c", str(config)], stderr=subprocess.DEVNULL)
    assert answers("127.0.0.1", port, 5.0)
    return process


def _save(process: subprocess.Popen, database: Path) -> None:
    """Let mosquitto write its sessions and messages to disk now."""
    database.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    deadline_s = time.monotonic() + 5.0
    while not database.exists():
        assert time.monotonic() < deadline_s, "mosquitto did not save"
        time.sleep(0.05)


def test_mosquitto_killed_and_back_loses_nothing(mosquitto: tuple[int, Path]) -> None:
    port, config = mosquitto
    process = _start(port, config)
    source = MqttSource("127.0.0.1", port, "run", receive_maximum=20)
    source._client.reconnect_delay_set(1, 1)
    publisher = MqttPublisher("127.0.0.1", port, "p")
    for n in range(100):
        publisher.publish(topic_of("s", "m", "parameters"), encode(parameters(n, [float(n)])))
    assert publisher.drain(5.0)
    publisher.close()
    time.sleep(0.3)
    assert len(source._queue) == 20  # ReceiveMaximum bounds what waits here
    source.ack(source.take(10, 1.0))
    time.sleep(0.3)
    _save(process, config.with_name("mosquitto.db"))  # what it has not saved, it loses when killed
    process.kill()
    process.wait()
    process = _start(port, config)
    sequences: list[int] = []
    deadline_s = time.monotonic() + 20.0
    while (not sequences or sequences[-1] != 99) and time.monotonic() < deadline_s:
        sequences += [json.loads(d.payload)["sequence"] for d in take_all(source, 100, patience=1)]
    assert set(range(10, 100)) <= set(sequences)
    breaks = [n for n, (a, b) in enumerate(pairwise(sequences), 1) if b != a + 1]
    assert len(breaks) <= 1  # each connection delivers in order
    assert all(sequences[n] <= 10 for n in breaks)  # the second begins with what the broker did not know acknowledged
    source.close()
    process.terminate()
    process.wait()


def test_a_rebirth_is_the_only_command_and_wants_leave(broker: EmbeddedBroker) -> None:
    heard = MqttSource(broker.host, broker.port, "node", every_kind("none"), more_filters=["spBv1.0/#"])
    with closing(MqttPublisher(broker.host, broker.port, "asks", kinds=(), may_ask_rebirth=True)) as publisher:
        for topic in ("spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/d", topic_of("none", "m", "state")):
            with pytest.raises(ForbiddenTopicError):
                publisher.publish(topic, b"")
        publisher.ask_rebirth("g", "n", 1.0)
        assert [(d.topic, d.payload) for d in take_all(heard, 1)] == [("spBv1.0/g/NCMD/n", rebirth_request(1.0))]
    with closing(MqttPublisher(broker.host, broker.port, "silent")) as publisher, pytest.raises(ForbiddenTopicError):
        publisher.ask_rebirth("g", "n", 1.0)
    assert take_all(heard, 1, patience=2) == []
    heard.close()


def test_two_twins_with_one_name_are_told_of_each_other(mosquitto: tuple[int, Path]) -> None:
    """Each takes the session from the other as soon as it is back, for ever; both say so, and nothing is lost."""
    port, config = mosquitto
    process = _start(port, config)
    twins = [MqttSource("127.0.0.1", port, "run", every_kind("two")) for _ in range(2)]
    publisher = MqttPublisher("127.0.0.1", port, "two-p")
    sequences: set[int] = set()
    for n in range(300):
        publisher.publish(topic_of("two", "m", "parameters"), encode(parameters(n, [float(n)])))
        time.sleep(0.01)
        for twin in twins:
            taken = twin.take(100, 0.0)
            twin.ack(taken)
            sequences |= {json.loads(each.payload)["sequence"] for each in taken}
    deadline_s = time.monotonic() + 20.0
    while len(sequences) < 300 and time.monotonic() < deadline_s:
        for twin in twins:
            taken = twin.take(100, 0.1)
            twin.ack(taken)
            sequences |= {json.loads(each.payload)["sequence"] for each in taken}
    assert sequences == set(range(300))
    told: set[str] = set()
    while "take_over" not in told and time.monotonic() < deadline_s + 15.0:
        told |= {twin.trouble[0] for twin in twins if twin.trouble is not None}
        time.sleep(0.05)
    assert "take_over" in told
    for each in (*twins, publisher):
        each.close()
    process.terminate()
    process.wait()


def test_a_broker_that_is_gone_is_told_and_one_that_is_back_is_not(mosquitto: tuple[int, Path]) -> None:
    port, config = mosquitto
    process = _start(port, config)
    source = MqttSource("127.0.0.1", port, "gone", every_kind("gone"))
    assert source.trouble is None
    process.terminate()
    process.wait()
    deadline_s = time.monotonic() + 10.0
    while source.trouble is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert source.trouble is not None
    assert source.trouble[0] == "broker"
    process = _start(port, config)
    while source.trouble is not None and time.monotonic() < deadline_s + 15.0:
        time.sleep(0.05)
    assert source.trouble is None
    source.close()
    process.terminate()
    process.wait()
