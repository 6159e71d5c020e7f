"""Setting a broker up: private files, nothing printed, and a second run that keeps what machines already have."""

import getpass
import os
import pwd
import re
import stat
import tempfile
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.errors import MeltwinError
from deploy.mosquitto.setup import Place, set_up
from deploy.ports import free_port
from ingest.topics import KINDS, OUT_KINDS, topic_of
from tests.conftest import need
from tests.deploy.mosquitto.broker import Caller, Shipped

NOBODY = "No matching subscribers"
PUBLIC = {"ca.crt", "server.crt"}


@pytest.fixture(autouse=True)
def _openssl() -> None:
    need("openssl")


def place(**changed: object) -> Place:
    given = {"site": "local", "address": "127.0.0.1", "port": 8883, "names": ["b.local"], "user": getpass.getuser()}
    return Place(**(given | changed))  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def test_whoever_is_not_the_owner_reads_nothing_but_certificates(tmp_path: Path) -> None:
    set_up(tmp_path / "b", place(), ["m1"])
    modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in files(tmp_path / "b").items()}
    assert set(modes) == {
        "mosquitto.conf", "acl", "passwords", "ca.key", "ca.crt", "server.key", "server.crt",
        "secrets/m1.password", "secrets/twin.password",
    }  # fmt: skip
    assert {name for name, mode in modes.items() if mode & 0o077} == PUBLIC
    assert all(mode == (0o644 if name in PUBLIC else 0o600) for name, mode in modes.items())


def test_the_command_prints_paths_and_never_a_secret(tmp_path: Path) -> None:
    options = ["--machines", "m1,m2", "--folder", str(tmp_path / "b"), "--host", "b.local", "--user", getpass.getuser()]
    result = CliRunner().invoke(app, ["broker", "setup", *options])
    assert result.exit_code == 0, result.output
    secrets = [path.read_text().strip() for path in (tmp_path / "b" / "secrets").iterdir()]
    assert len(set(secrets)) == 3
    assert all(len(secret) >= 40 for secret in secrets)
    shown = result.output + (tmp_path / "b" / "passwords").read_text() + (tmp_path / "b" / "mosquitto.conf").read_text()
    assert not [secret for secret in secrets if secret in shown]
    assert 'mqtt_username = "twin"' in result.output


def test_a_second_run_keeps_passwords_and_ca_and_adds_a_machine(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    assert set_up(folder, place(), ["m1"]) == ["m1"]
    before = {name: path.read_text() for name, path in files(folder).items()}
    assert set_up(folder, place(), ["m2"]) == ["m1", "m2"]
    after = {name: path.read_text() for name, path in files(folder).items()}
    for name in ("ca.crt", "ca.key", "secrets/m1.password", "secrets/twin.password"):
        assert after[name] == before[name]
    (folder / "secrets" / "m1.password").unlink()
    assert set_up(folder, place(), []) == ["m2"]
    assert "m1" not in (folder / "acl").read_text()
    assert "m1:" not in (folder / "passwords").read_text()


def test_people_have_secrets_of_their_own_and_are_no_machines(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    assert set_up(folder, place(), ["m1"], ["ada"]) == ["m1", "ada"]
    secret = folder / "people" / "ada.password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "ada:" in (folder / "passwords").read_text()
    mine = (folder / "acl").read_text().split("user ada\n")[1].split("\n\n")[0].splitlines()
    assert [line for line in mine if "write" in line] == ["topic write meltwin/v1/local/+/ack"]
    assert not any(f"/{kind}" in line for line in mine for kind in KINDS)
    with pytest.raises(MeltwinError, match="cannot be a person"):
        set_up(folder, place(), ["ada"])
    (folder / "secrets" / "ada.password").unlink()
    secret.unlink()
    assert set_up(folder, place(), []) == ["m1"]
    assert "ada" not in (folder / "acl").read_text() + (folder / "passwords").read_text()
    with pytest.raises(MeltwinError, match="no person can be called twin"):
        set_up(folder, place(), [], ["twin"])


def test_the_access_list_grants_no_command_and_no_other_machine(tmp_path: Path) -> None:
    set_up(tmp_path / "b", place(site="hall"), ["m1", "m2"])
    granted: dict[str, set[tuple[str, str]]] = {}
    user = ""
    for line in (tmp_path / "b" / "acl").read_text().splitlines():
        words = line.split()
        if words[:1] == ["user"]:
            user = words[1]
        elif words[:1] == ["topic"]:
            assert user, "a topic before the first user would be for everybody"
            granted.setdefault(user, set()).add((words[1], words[2]))
    for name in ("m1", "m2"):
        writes = {topic for way, topic in granted[name] if way == "write"}
        assert writes == {topic_of("hall", name, kind) for kind in KINDS}
        assert all(f"/{name}/" in topic for _, topic in granted[name])
    twin = {topic.rsplit("/", 1)[-1] for way, topic in granted["twin"] if way == "write"}
    assert twin == set(OUT_KINDS)
    assert set(granted) == {"twin", "m1", "m2"}


def test_mosquitto_runs_as_its_own_user_and_reads_no_secret_of_others() -> None:
    """Set up by root: its user reads what it needs, and neither the key of the authority nor a client's password."""
    try:
        owner = pwd.getpwnam("mosquitto")
    except KeyError:
        pytest.skip("there is no user mosquitto: apt install mosquitto")
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        broker = Shipped(Path(above) / "b", free_port())
        set_up(broker.folder, place(port=broker.port, user="mosquitto", names=["127.0.0.1"]), ["m1"])
        owned = {name for name, path in files(broker.folder).items() if path.stat().st_uid == owner.pw_uid}
        assert owned == {"mosquitto.conf", "acl", "passwords", "server.key", "server.crt"}
        assert broker.folder.stat().st_uid == 0
        try:
            process = broker.start().process
            assert process is not None
            assert psutil.Process(process.pid).uids().effective == owner.pw_uid
            with closing(Caller(broker, "m1")) as machine:
                assert machine.publish(topic_of("local", "m1", "state"), retain=True) in ("Success", NOBODY)
        finally:
            broker.stop()
        assert (broker.folder / "data" / "mosquitto.db").exists()


@pytest.mark.parametrize(
    "line", ["autosave_interval 1", "persistence true", "allow_anonymous false", "tls_version tlsv1.2"]
)
def test_what_the_promise_rests_on_is_in_the_configuration(tmp_path: Path, line: str) -> None:
    set_up(tmp_path / "b", place(), [])
    text = (tmp_path / "b" / "mosquitto.conf").read_text()
    assert line in text.splitlines()
    assert not re.search(r"\$[a-z]", text)


@pytest.mark.parametrize(
    ("changed", "machines", "line"),
    [
        ({}, ["../m1"], "as in a topic"),
        ({}, ["m1\ntopic write #"], "as in a topic"),
        ({}, ["twin"], "connects under that name"),
        ({"names": ["b.local\nfoo"]}, [], "neither a host name nor an address"),
        ({"names": []}, [], "--host"),
        ({"sparkplug_group": "g\ntopic write #"}, [], "no name of a Sparkplug group"),
        ({"user": "root\nallow_anonymous true"}, [], "no name of a user"),
        ({"address": "0.0.0.0\nallow_anonymous true"}, [], "neither a host name nor an address"),
    ],
)
def test_a_name_that_a_file_would_misread_is_refused_before_anything_is_written(
    tmp_path: Path, changed: dict[str, object], machines: list[str], line: str
) -> None:
    with pytest.raises(MeltwinError, match=line):
        set_up(tmp_path / "b", place(**changed), machines)
    assert not (tmp_path / "b").exists()
