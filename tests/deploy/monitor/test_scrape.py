"""A real `run`, a process of its own, at a real broker: what it serves, what it logs, and what it never shows."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.ports import free_port, port_is_free
from deploy.settings import Settings, as_environment
from ingest.mqtt import MqttPublisher
from ingest.topics import topic_of
from tests.deploy.fakes import stretch
from tests.deploy.monitor.test_monitor import parsed
from tests.deploy.mosquitto.broker import Shipped


class Run:
    """`meltwin run`, and what it says at its port and on standard error."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings, self.log = settings, log
        environment = {**os.environ, **as_environment(settings)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "run"], env=environment, stderr=log.open("wb"), stdout=subprocess.PIPE
        )

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.settings.metrics_port}{path}", timeout=15) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def waits(self) -> dict[str, str] | None:
        try:
            return json.loads(self.get("/readyz")[1])["waits"]  # type: ignore[no-any-return]
        except OSError:
            return None

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline_s = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, (self.waits(), self.log.read_text())
            time.sleep(0.05)

    def metrics(self) -> dict[str, float]:
        return parsed(self.get("/metrics")[1])

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def running(folder: Path, **changed: Any) -> Iterator[Run]:
    settings = Settings(
        data_dir=folder / "data", mqtt_port=changed.pop("mqtt_port", free_port()), metrics_port=free_port(),
        late_s=0.5, **changed,
    )  # fmt: skip
    run = Run(settings, folder / "run.log")
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
        run.process.wait()


def say(publisher: MqttPublisher) -> int:
    """A stretch, a reject, a gap and a duplicate; how many messages that is."""
    told = stretch(messages=12)
    del told[8]
    told += [(topic_of("local", "m1", "signal"), b'{"token": "planted-hunter2"}'), told[-1]]
    for topic, payload in told:
        publisher.publish(topic, payload)
    assert publisher.drain(10.0)
    return len(told)


def test_a_run_serves_what_it_does(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.until(lambda: run.waits() is not None)
        assert "operator" in (run.waits() or {})  # it answers before it is ready, and says what it waits for
        assert run.get("/healthz") == (200, b'{"status": "ok"}\n')
        assert run.get("/elsewhere")[0] == 404
        run.until(lambda: run.waits() == {})
        with closing(MqttPublisher("127.0.0.1", run.settings.mqtt_port, "m1")) as publisher:
            count = say(publisher)
        run.until(lambda: run.metrics()["meltwin_gaps_total"] == 1)
        found = run.metrics()
        assert found["meltwin_messages_received_total"] == count
        assert found["meltwin_messages_committed_total"] == count - 2
        assert found["meltwin_messages_duplicate_total"] == 1
        assert sum(value for name, value in found.items() if name.startswith("meltwin_messages_rejected_total")) == 1
        assert sum(value for name, value in found.items() if name.startswith("meltwin_forecasts_total")) > 3
        assert 0 <= found["meltwin_message_age_seconds{machine=m1}"] < 60
        assert [found[f"meltwin_{name}"] for name in ("ready", "broker_connected", "store_reachable")] == [1, 1, 1]
        assert found["process_resident_memory_bytes"] > 0
        assert run.stop() == 0
        assert port_is_free(run.settings.metrics_port)
        names = [event["event"] for event in run.events()]
        assert [name for name in names if name in ("started", "ready", "stopped")] == [
            *["started"] * 3,
            "ready",
            "stopped",
        ]
        assert {"online", "rejected", "gap"} <= set(names)
        assert "planted" not in run.log.read_text()


def test_a_store_that_is_gone_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.until(lambda: run.waits() == {})
        (run.settings.data_dir / "meltwin.db").rename(run.settings.data_dir / "elsewhere.db")
        run.until(lambda: "store" in (run.waits() or {}), 20.0)
        assert "meltwin.db" in (run.waits() or {})["store"]
        assert run.metrics()["meltwin_store_reachable"] == 0


def test_a_run_at_the_shipped_broker_by_tls_waits_for_it_and_shows_no_password(tmp_path: Path) -> None:
    """Broker and machine with credentials; the broker is killed and comes back; the whole log is read for secrets."""
    broker = Shipped.in_folder(tmp_path / "b").start()
    access = broker.access("twin")
    given = {
        "broker": "external", "mqtt_host": "localhost", "mqtt_port": broker.port, "mqtt_tls_ca": access.tls_ca,
        "mqtt_username": "twin", "mqtt_password_file": access.password_file, "log_level": "debug",
    }  # fmt: skip
    try:
        with running(tmp_path, **given) as run:
            environment = Path(f"/proc/{run.process.pid}/environ")
            run.until(lambda: run.waits() == {})
            with closing(MqttPublisher("localhost", broker.port, "m1", access=broker.access("m1"))) as publisher:
                count = say(publisher)
            run.until(lambda: run.metrics()["meltwin_messages_received_total"] == count)
            broker.kill()
            run.until(lambda: "broker" in (run.waits() or {}), 20.0)
            broker.start()
            run.until(lambda: run.waits() == {}, 40.0)
            run.until(lambda: run.metrics()["meltwin_broker_losses_total"] == 1)
            shown = run.log.read_text() + run.get("/metrics")[1].decode() + environment.read_text()
            assert run.stop() == 0
        shown += run.log.read_text() + json.dumps(as_environment(run.settings)) + repr(run.settings)
        secrets = [broker.secret(name) for name in ("twin", "m1", "m2")]
        assert not [secret for secret in secrets if secret in shown]
        names = [event["event"] for event in run.events()]
        assert [name for name in names if name in ("waits", "goes_on")] == ["waits", "goes_on"]
    finally:
        broker.stop()


def test_a_wrong_password_stops_the_start_with_a_line_that_does_not_show_it(tmp_path: Path) -> None:
    broker = Shipped.in_folder(tmp_path / "b").start()
    wrong = tmp_path / "wrong"
    wrong.write_text("planted-hunter2\n")
    given = {
        "broker": "external", "mqtt_host": "localhost", "mqtt_port": broker.port,
        "mqtt_tls_ca": broker.folder / "ca.crt", "mqtt_username": "twin", "mqtt_password_file": wrong,
    }  # fmt: skip
    try:
        with running(tmp_path, **given) as run:
            assert run.process.wait(60) == 2
        (line,) = [line for line in run.log.read_text().splitlines() if line.startswith("meltwin: ")]
        assert re.search(r"refused the connection \(Not authorized\).*mqtt_password_file", line)
        assert "planted" not in run.log.read_text()
    finally:
        broker.stop()


@pytest.mark.parametrize("port", [0])
def test_without_a_metrics_port_nothing_is_served(tmp_path: Path, port: int) -> None:
    from deploy import wiring

    settings = Settings(data_dir=tmp_path, metrics_port=port)
    with wiring.monitor(settings, serve=True) as monitor:
        assert monitor.readiness.waits()
