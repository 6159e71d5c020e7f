"""Children stop when told and never outlive their parent, whatever ends it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from deploy.errors import PortTakenError
from deploy.ports import free_port, need_port, port_is_free
from deploy.settings import Settings, as_environment
from deploy.supervise import Child, StopSignals
from ingest.broker import EmbeddedBroker

PARENT = """
import sys, time
from deploy.supervise import Child
child = Child("ui")
print(child.pid, flush=True)
time.sleep(60)
"""


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] if Path("/proc").exists() else True


def wait_until(condition: object, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, ui_port=free_port(), mqtt_port=free_port())


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_its_parent(end: signal.Signals, settings: Settings) -> None:
    environment = {**os.environ, **as_environment(settings)}
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert wait_until(lambda: not port_is_free(settings.ui_port))
        parent.send_signal(end)
    assert wait_until(lambda: not lives(pid))
    assert port_is_free(settings.ui_port)


def test_leaving_the_block_stops_the_child(settings: Settings) -> None:
    with Child("ui", environment=as_environment(settings)) as child:
        assert wait_until(lambda: not port_is_free(settings.ui_port))
        assert child.code is None
    assert child.code is not None
    assert not lives(child.pid)


def test_a_child_stopped_before_it_listens_has_not_failed() -> None:
    """Ctrl-C right after the start: the child is still importing."""
    assert Child("simulate").stop() == 0


def test_a_child_that_talks_is_heard(settings: Settings) -> None:
    """Two simulated machines on a real broker: what they say last is what the broker confirmed."""
    with (
        EmbeddedBroker(settings.mqtt_port),
        Child("simulate", "--for", "0.5", "--run", "", environment=as_environment(settings), talks=True) as child,
    ):
        assert child.wait(20) == 0
        child.stop()
        assert child.said["messages_published"] > 20
        assert set(child.said["process_s"]) == {"ded-1", "lpbf-1"}


def test_a_taken_port_says_whose_setting_to_change() -> None:
    import socket

    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port} is taken .* ui_port .*--ui-port {port + 1}"):
            need_port(port, "ui_port")


def test_the_first_signal_asks_and_the_second_insists() -> None:
    with StopSignals() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_publisher_that_waits_for_a_lost_broker_still_stops(settings: Settings) -> None:
    with EmbeddedBroker(settings.mqtt_port):
        child = Child("simulate", "--run", "", environment=as_environment(settings), talks=True)
        assert wait_until(lambda: child.said.get("messages_published", 0) > 100)
    time.sleep(2.0)  # enough that no more may be in flight
    started = time.monotonic()
    child.stop(grace_s=30.0)
    assert time.monotonic() - started < 20.0
    assert child.code is not None
    assert child.code >= 0  # it ended by itself
