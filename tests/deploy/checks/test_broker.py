"""The doctor at a real Mosquitto: the shipped configuration passes, and one that would lose data is named."""

import getpass
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.checks import broker as look_at
from deploy.checks import mosquitto
from deploy.checks.finding import BAD, Finding
from deploy.mosquitto import files
from deploy.ports import free_port
from deploy.settings import Settings
from deploy.wiring import access
from ingest.mqtt import answers
from tests.conftest import need
from tests.deploy.mosquitto.broker import HOST, Shipped


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    running = Shipped.in_folder(tmp_path_factory.mktemp("broker") / "b").start()
    yield running
    running.stop()


def settings_of(broker: Shipped, **changed: object) -> Settings:
    given = {
        "broker": "external", "mqtt_host": "localhost", "mqtt_port": broker.port, "data_dir": broker.folder / "nothing",
        "mqtt_tls_ca": broker.folder / "ca.crt", "mqtt_username": "twin",
        "mqtt_password_file": broker.folder / "secrets" / "twin.password",
    }  # fmt: skip
    return Settings(**(given | changed))  # type: ignore[arg-type]


def looked(settings: Settings, configuration: Path | None = None) -> dict[str, Finding]:
    found = [*look_at.credentials(settings), *look_at.external(settings, access(settings), configuration)]
    return {finding.what: finding for finding in found}


def test_the_shipped_broker_passes_and_is_found_from_its_process(broker: Shipped) -> None:
    deadline_s = time.monotonic() + 15.0
    while (found := looked(settings_of(broker)))["broker's file"].state != "ok":  # saved within a second or two
        assert time.monotonic() < deadline_s
    assert {name: finding.state for name, finding in found.items()} == dict.fromkeys(
        ["mqtt_password_file", "broker", "session", "largest packet", "broker's certificate", "broker keeps on disk",
         "broker's queue", "broker lets in", "acknowledges over MQTT", "broker's file"], "ok",
    )  # fmt: skip
    assert "mosquitto version 2" in found["broker"].found
    assert str(broker.folder) in found["broker keeps on disk"].found
    assert broker.secret("twin") not in "".join(finding.line for finding in found.values())


def test_a_machine_that_may_acknowledge_its_own_alerts_is_unsafe(broker: Shipped, tmp_path: Path) -> None:
    own = (broker.folder / "acl").read_text()
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(f"acl_file {tmp_path / 'acl'}\n")
    for more, state, found in (
        ("", "ok", "ada"),
        ("user ben\ntopic write meltwin/v1/local/+/ack\n", "ok", "ada, ben"),
        ("user m1\ntopic write meltwin/v1/local/m1/ack\n", "UNSAFE", "m1"),
    ):
        (tmp_path / "acl").write_text(own + more)
        (finding,) = [f for f in mosquitto.judged(configuration) if f.what == "acknowledges over MQTT"]
        assert finding.state == state
        assert finding.found.startswith(found)


def test_a_broker_elsewhere_is_not_said_to_keep_what_nobody_can_know(broker: Shipped) -> None:
    given = settings_of(broker, mqtt_host="localhost.")  # the same computer by a name that is not known to be this one
    found = {finding.what: finding for finding in look_at.external(given, access(given), None)}
    assert found["broker keeps on disk"].state == "look"
    assert "cannot be known from here" in found["broker keeps on disk"].found


def test_a_wrong_password_is_named_and_not_shown(broker: Shipped, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("planted-hunter2\n")
    wrong.chmod(0o644)
    found = looked(settings_of(broker, mqtt_password_file=wrong))
    assert (found["broker"].state, found["mqtt_password_file"].state) == ("MISSING", "UNSAFE")
    assert "Not authorized" in found["broker"].found
    assert "chmod 600" in found["mqtt_password_file"].remedy
    assert "planted" not in "".join(finding.line for finding in found.values())


def test_nobody_there_is_missing(broker: Shipped) -> None:
    found = looked(settings_of(broker, mqtt_port=free_port()))
    assert found["broker"].state == "MISSING"


def test_a_broker_with_the_defaults_loses_data(tmp_path: Path) -> None:
    need("mosquitto")
    port, config = free_port(), tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} {HOST}\nallow_anonymous true\nuser {getpass.getuser()}\n")
    process = subprocess.Popen([need("mosquitto"), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        assert answers(HOST, port, 5.0)
        found = looked(Settings(broker="external", mqtt_port=port, data_dir=tmp_path / "nothing"))
    finally:
        process.terminate()
        process.wait()
    assert found["broker"].state == "ok"
    assert found["session"].state == "ok"  # as long as it runs
    assert found["broker keeps on disk"].state == "LOSES"
    assert found["broker's queue"].state == "LOSES"


SHIPPED = files.configuration(Path("/b"), address="0.0.0.0", port=8883, user="mosquitto")


@pytest.mark.parametrize(
    ("what", "old", "new", "state"),
    [
        ("broker keeps on disk", "", "", "ok"),
        ("broker keeps on disk", "persistence true", "persistence false", "LOSES"),
        ("broker keeps on disk", "persistence true", "", "LOSES"),
        ("broker keeps on disk", "autosave_interval 1\n", "\n", "LOSES"),
        ("broker keeps on disk", "autosave_interval 1\n", "autosave_interval 0\n", "LOSES"),
        ("broker keeps on disk", "autosave_interval 1\n", "autosave_interval 3600\n", "LOSES"),
        ("broker keeps on disk", "autosave_on_changes false", "autosave_on_changes true", "ok"),
        ("broker's queue", "", "", "ok"),
        ("broker's queue", "max_queued_messages 1000000", "", "LOSES"),
        ("broker's queue", "max_queued_messages 1000000", "max_queued_messages 0", "LOSES"),
        ("broker lets in", "", "", "ok"),
        ("broker lets in", "allow_anonymous false", "allow_anonymous true", "UNSAFE"),
        ("broker lets in", "acl_file", "# acl_file", "UNSAFE"),
        ("broker lets in", "certfile", "# certfile", "UNSAFE"),
    ],
)
def test_each_line_that_a_promise_rests_on_is_looked_at(
    tmp_path: Path, what: str, old: str, new: str, state: str
) -> None:
    path = tmp_path / "mosquitto.conf"
    assert old in SHIPPED
    path.write_text(SHIPPED.replace(old, new) if old else SHIPPED)
    found = {finding.what: finding for finding in mosquitto.judged(path)}
    assert found[what].state == state
    assert not found[what].remedy or found[what].state == "ok" or found[what].state in BAD


def test_a_configuration_in_parts_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("persistence true\nautosave_interval 1\n")
    path = tmp_path / "mosquitto.conf"
    path.write_text(f"# Debian's\npersistence_location /var/lib/mosquitto/\ninclude_dir {tmp_path}/conf.d\n")
    found = {finding.what: finding for finding in mosquitto.judged(path)}
    assert found["broker keeps on disk"].state == "ok"
