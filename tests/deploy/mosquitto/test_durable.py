"""What an acknowledged message is worth when the broker is killed: with the shipped configuration, and by default."""

import getpass
import signal
import subprocess
import time
from contextlib import closing
from itertools import count
from pathlib import Path

from deploy.ports import free_port
from ingest.mqtt import MqttPublisher, MqttSource, answers
from ingest.topics import every_kind, topic_of
from tests.conftest import need
from tests.deploy.mosquitto.broker import HOST, Caller, Shipped
from tests.ingest.said import take_all

TOPIC = topic_of("local", "m1", "parameters")
MESSAGES = 500
SAVED_S = 2.5  # autosave_interval, and the broker's own round


def test_what_was_acknowledged_survives_a_killed_broker(tmp_path: Path) -> None:
    """The twin is away, the machine goes on, the broker is killed: everything acknowledged over a second ago comes."""
    broker = Shipped.in_folder(tmp_path / "b").start()
    try:
        MqttSource(HOST, broker.port, "run", every_kind("local"), access=broker.access("twin")).close()
        with closing(MqttPublisher(HOST, broker.port, "m1", access=broker.access("m1"))) as publisher:
            for n in range(MESSAGES):
                publisher.publish(TOPIC, b"%d" % n)
            assert publisher.drain(10.0)
            publisher.publish(topic_of("local", "m1", "state"), b"online", retain=True)
            assert publisher.drain(10.0)
        time.sleep(SAVED_S)
        broker.kill()
        broker.start()
        with closing(MqttSource(HOST, broker.port, "run", every_kind("local"), access=broker.access("twin"))) as source:
            said = take_all(source, MESSAGES + 1, patience=50)
            assert [delivery.payload for delivery in said[:MESSAGES]] == [b"%d" % n for n in range(MESSAGES)]
        with closing(Caller(broker, "twin")) as late:
            late.subscribe(every_kind("local"))
            assert late.hears(1) == [(topic_of("local", "m1", "state"), b"online")]  # retained
    finally:
        broker.stop()


def test_a_broker_killed_while_a_machine_speaks_loses_at_most_the_last_seconds(tmp_path: Path) -> None:
    broker = Shipped.in_folder(tmp_path / "b").start()
    confirmed: list[float] = []
    try:
        MqttSource(HOST, broker.port, "run", every_kind("local"), access=broker.access("twin")).close()
        with closing(Caller(broker, "m1")) as machine:
            began_s = time.monotonic()
            for n in count():
                assert machine.publish(TOPIC, b"%d" % n) == "Success"
                confirmed.append(time.monotonic())
                if confirmed[-1] - began_s > 5.0:
                    break
            broker.kill()
        killed_s = confirmed[-1]
        broker.start()
        with closing(MqttSource(HOST, broker.port, "run", every_kind("local"), access=broker.access("twin"))) as source:
            came = {int(delivery.payload) for delivery in take_all(source, len(confirmed), patience=20)}
        safe = {n for n, at_s in enumerate(confirmed) if killed_s - at_s > SAVED_S}
        assert len(safe) > 100
        assert safe <= came
    finally:
        broker.stop()


def test_the_defaults_lose_what_they_acknowledged(tmp_path: Path) -> None:
    """Why there is a shipped configuration: saved every half hour, a killed broker has lost even the session."""
    need("mosquitto")
    port, config = free_port(), tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} {HOST}\nallow_anonymous true\npersistence true\npersistence_location {tmp_path}/\n"
        f"user {getpass.getuser()}\n"
    )

    def start() -> subprocess.Popen:
        process = subprocess.Popen([need("mosquitto"), "-c", str(config)], stderr=subprocess.DEVNULL)
        assert answers(HOST, port, 5.0)
        return process

    process = start()
    try:
        MqttSource(HOST, port, "run").close()
        with closing(MqttPublisher(HOST, port, "m1")) as publisher:
            for n in range(MESSAGES):
                publisher.publish(TOPIC, b"%d" % n)
            assert publisher.drain(10.0)
        time.sleep(SAVED_S)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = start()
        with closing(MqttSource(HOST, port, "run")) as source:
            assert take_all(source, MESSAGES, patience=5) == []
    finally:
        process.terminate()
        process.wait()
