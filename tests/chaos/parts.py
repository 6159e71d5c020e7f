"""The programs of a chaos run: brokers that can be restarted, the twin that is killed, machines that go on speaking."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from ingest.broker import EmbeddedBroker
from ingest.decode import encode
from ingest.mqtt import MqttPublisher, answers
from ingest.topics import topic_of
from tests.conftest import need
from tests.ingest.said import free_port
from twin.observation import Build, Layer, Message, Parameters, State

ROOT = Path(__file__).parents[2]
FRAME_S = 0.01
LAYER_MESSAGES = 200
SAMPLES = 3  # a message: some 300 bytes


class Mosquitto:
    """With persistence: what it acknowledged survives an orderly restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            "autosave_interval 1\nmax_queued_messages 1000000\nmax_inflight_messages 1000\nuser root\n"
        )
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([need("mosquitto"), "-c", str(self._config)], stderr=subprocess.DEVNULL)
        assert answers("127.0.0.1", self.port, 20.0)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Iotcore:
    """In memory: what it had acknowledged and not delivered is lost with it, and shows as a gap."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self._broker = EmbeddedBroker(self.port).start()

    def stop(self) -> None:
        self._broker.stop()


class TwinProcess:
    """The twin in a process of its own. `said` is its newest line, `grew_s` when it last committed more."""

    def __init__(self, port: int, database: str, site: str) -> None:
        self._arguments = [str(port), database, site]
        self.said: dict[str, Any] = {}
        self.grew_s = time.monotonic()
        self.tries = 0  # to write to a database that was away, in all its lives
        self.start()

    def start(self) -> None:
        self.said = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.twin", *self._arguments],
            stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        for line in process.stdout or ():
            if process is self._process:
                row = json.loads(line)
                if row["taken"] > self.said.get("taken", 0):
                    self.grew_s = time.monotonic()
                self.tries += row["tries"] - self.said.get("tries", 0)
                self.said = row

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def rss(self) -> int:
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def limit_files(self, most_bytes: int | None) -> None:
        """No file of the process may grow beyond this: a full disk. None: there is room again."""
        _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (hard if most_bytes is None else most_bytes, hard))

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(60)


def story(count: int, machine: str) -> list[Message]:
    """What one machine says: state, build, then layers of parameters; `count` messages in all."""
    told: list[Message] = [
        State(source=machine, sequence=0, time_s=0.0, status="online", origin="replay"),
        Build(
            source=machine, sequence=0, time_s=0, build="b", material="IN625", beam_diameter_m=1e-4,
            layer_thickness_m=4e-5, nominal_beam_power_w=195, nominal_scan_speed_m_per_s=0.8, frame_s=FRAME_S,
        ),
    ]  # fmt: skip
    sequence = 0
    while len(told) < count:
        layer = sequence // LAYER_MESSAGES
        if sequence % LAYER_MESSAGES == 0:
            told.append(Layer(source=machine, sequence=layer, time_s=sequence * FRAME_S, build="b", layer=layer))
            if len(told) == count:
                break
        times = [FRAME_S * (sequence + k / SAMPLES) for k in range(SAMPLES)]
        flat = [0.0] * SAMPLES
        told.append(
            Parameters(
                source=machine, sequence=sequence, time_s=times[0], build="b", layer=layer, sample_time_s=times,
                x_m=[0.8 * t for t in times], y_m=flat, z_m=flat, beam_power_w=[195.0 + sequence % 7] * SAMPLES,
                final=sequence % LAYER_MESSAGES == LAYER_MESSAGES - 1,
            )
        )  # fmt: skip
        sequence += 1
    return told


class Machines(threading.Thread):
    """Machines that take turns at saying their stories, at a pace, whatever happens to the broker. The last fifth is
    said slowly until `faults_over` is set: what is lost at the very end, with nothing after it, no one can know of."""

    def __init__(self, port: int, site: str, stories: dict[str, list[Message]], per_s: float) -> None:
        super().__init__(daemon=True)
        self._publisher = MqttPublisher("127.0.0.1", port, f"machines-{site}", max_in_flight=200)
        self._site, self._stories, self._per_s = site, stories, per_s
        self.said = 0
        self.done = False
        self.faults_over = threading.Event()

    def run(self) -> None:
        begun_s = time.monotonic()
        rounds = max(len(told) for told in self._stories.values())
        for n in range(rounds):
            if n > 0.8 * rounds:
                self.faults_over.wait(0.1)
            for machine, told in self._stories.items():
                if n < len(told):
                    topic = topic_of(self._site, machine, told[n].kind)  # type: ignore[attr-defined]
                    self._publisher.publish(topic, encode(told[n]))
                    self.said += 1
            time.sleep(max(begun_s + self.said / self._per_s - time.monotonic(), 0.0))
        self._publisher.drain(120.0)
        self._publisher.close()
        self.done = True
