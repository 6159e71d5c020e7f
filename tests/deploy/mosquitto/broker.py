"""A real Mosquitto from the shipped configuration, and people who call it by paho alone."""

import getpass
import signal
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import CallbackAPIVersion, Client
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from deploy.mosquitto.setup import Place, set_up
from deploy.ports import free_port
from ingest.access import Access, read_secret
from tests.conftest import need

HOST = "127.0.0.1"
MACHINES = ("m1", "m2")
PEOPLE = ("ada",)


@dataclass
class Shipped:
    """The broker of `meltwin broker setup` in a folder, as a process that a test may kill."""

    folder: Path
    port: int
    process: subprocess.Popen | None = None

    @classmethod
    def in_folder(cls, folder: Path, site: str = "local") -> "Shipped":
        need("mosquitto")
        need("openssl")
        broker = cls(folder, free_port())
        place = Place(site, HOST, broker.port, (HOST, "localhost"), getpass.getuser(), sparkplug_group="g")
        set_up(folder, place, MACHINES, PEOPLE)
        return broker

    def start(self) -> "Shipped":
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([need("mosquitto"), "-c", str(self.folder / "mosquitto.conf")], stderr=log)
        deadline_s = time.monotonic() + 10.0
        while not self.listens():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        return self

    def listens(self) -> bool:
        import socket

        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def access(self, name: str) -> Access:
        return Access(self.folder / "ca.crt", name, self._file(name))

    def secret(self, name: str) -> str:
        return read_secret(self._file(name))

    def _file(self, name: str) -> Path:
        return self.folder / ("people" if name in PEOPLE else "secrets") / f"{name}.password"


class Caller:
    """Somebody at the broker, by paho alone: what is tested is the broker and not our client of it."""

    def __init__(
        self, broker: Shipped, name: str | None, password: str | None = None, client_id: str = "", expiry_s: int = 0
    ) -> None:
        self.reasons: dict[int, str] = {}
        self.heard: list[tuple[str, bytes]] = []
        self.answer = ""
        self.session_present = False
        self._answered = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.tls_set_context(ssl.create_default_context(cafile=str(broker.folder / "ca.crt")))
        if name is not None:
            self._client.username_pw_set(name, broker.secret(name) if password is None else password)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_message = lambda _c, _u, message: self.heard.append((message.topic, message.payload))
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = expiry_s
        self._client.connect(HOST, broker.port, clean_start=expiry_s == 0, properties=properties)
        self._client.loop_start()
        assert self._answered.wait(10.0)

    def subscribe(self, topic_filter: str) -> None:
        done = threading.Event()
        self._client.on_subscribe = lambda *_: done.set()
        self._client.subscribe(topic_filter, qos=1)
        assert done.wait(5.0)

    def publish(self, topic: str, payload: bytes = b"x", retain: bool = False) -> str:
        """What the broker answers."""
        message = self._client.publish(topic, payload, qos=1, retain=retain)
        deadline_s = time.monotonic() + 5.0
        while message.mid not in self.reasons:
            assert time.monotonic() < deadline_s, f"no answer to {topic}"
            time.sleep(0.001)
        return self.reasons[message.mid]

    def hears(self, count: int, patience_s: float = 5.0) -> list[tuple[str, bytes]]:
        deadline_s = time.monotonic() + patience_s
        while len(self.heard) < count and time.monotonic() < deadline_s:
            time.sleep(0.01)
        return self.heard

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.answer, self.session_present = str(reason), flags.session_present
        self._answered.set()

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self.reasons[mid] = str(reason)
