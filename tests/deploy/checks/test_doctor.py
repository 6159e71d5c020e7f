"""The doctor as a person meets it: a line for each thing, JSON for a program, and an exit code that says bad or not."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections import namedtuple
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from deploy.checks import broker, store, system
from deploy.checks.finding import BAD, Finding
from deploy.cli import app
from deploy.ports import free_port
from deploy.settings import Settings
from operators import card
from tests.contracts.store_cases import heard, state
from tests.postgres import PASSWORD, Server
from twin.clock import SystemClock
from twin.store.port import Step
from twin.store.sql.store import SqlStore


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    given = Settings(data_dir=tmp_path / "var", ui_port=free_port(), mqtt_port=free_port(), metrics_port=free_port())
    for name in ("data_dir", "ui_port", "mqtt_port", "metrics_port"):
        monkeypatch.setenv(f"MELTWIN_{name.upper()}", str(getattr(given, name)))
    monkeypatch.chdir(tmp_path)
    return given


def test_a_fresh_computer_passes_and_every_line_says_what_and_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "rendering", lambda: Finding("off-screen OpenGL", "ok", "draws"))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    row = json.loads(result.output)
    assert row["ok"] is True
    found = {each["what"]: each for each in row["findings"]}
    assert all(each["found"] and (each["state"] == "ok" or each["remedy"]) for each in row["findings"])
    assert found["weights asno-melt-pool"]["state"] == "ok"
    assert found["broker keeps on disk"]["state"] == "look"  # the embedded one
    for what in ("python", "torch", "device", "disk", "clock", "clock synchronised", "database", "sqlite", "mosquitto"):
        assert what in found


def test_a_look_makes_no_database(settings: Settings) -> None:
    found = {each.what: each for each in store.store(settings)}
    assert found["database"].state == "ok"
    assert "not there yet" in found["database"].found
    assert "sqlite" in found
    assert not settings.data_dir.exists()
    settings.data_dir.mkdir()
    assert {each.what: each.state for each in store.store(settings)}["database"] == "ok"
    assert list(settings.data_dir.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_database_that_could_not_be_made_stops_a_start(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = tmp_path / "shut"
    if kind == "file":
        shut.write_text("")
    else:
        shut.mkdir()
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != shut and real(path, mode))
    (found,) = [each for each in store.store(Settings(data_dir=shut / "var")) if each.what == "database"]
    assert (found.state, str(shut) in found.found) == ("MISSING", True)
    assert "data_dir" in found.remedy


def test_a_port_that_another_program_has_stops_a_start(settings: Settings) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", settings.metrics_port))
        other.listen()
        states = {finding.what: finding for finding in system.ports(settings)}
    taken = states[f"port {settings.metrics_port}"]
    assert taken.state == "MISSING"
    assert "metrics_port" in taken.remedy
    assert states[f"port {settings.ui_port}"].state == "ok"


def test_a_port_that_a_running_meltwin_has_is_no_fault(settings: Settings) -> None:
    from deploy import wiring

    with wiring.monitor(settings, serve=True):
        (found,) = [each for each in system.ports(settings) if each.what == f"port {settings.metrics_port}"]
    assert found.state == "ok"
    assert "running" in found.found


@pytest.mark.parametrize(("free", "state"), [(100 << 20, "LOSES"), (1 << 30, "look"), (50 << 30, "ok")])
def test_a_full_disk_would_lose_data(free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, free))
    finding = system.disk(tmp_path / "not" / "there", spare_mib=2048, stop_mib=512)
    assert finding.state == state
    assert (state in BAD) == ("disk_stop_mib" in finding.found)


def test_a_clock_that_jumps_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = iter([1000.0, 1000.02])
    monkeypatch.setattr(system.time, "time", lambda: next(walls))
    (finding, _) = system.clock(seconds=0.5)
    assert finding.state == "look"
    assert "jumped -0.4" in finding.found


@pytest.mark.parametrize(("said", "state"), [("yes\n", "ok"), ("no\n", "look"), ("", "look")])
def test_whether_something_keeps_the_clock(said: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, stdout=said)

    monkeypatch.setattr(system.shutil, "which", lambda name, path=None: f"/usr/bin/{name}")
    monkeypatch.setattr(system.subprocess, "run", run)
    *_, finding = system.clock(0.0)
    assert finding.state == state
    assert ("cannot be known" in finding.found) == (said == "")


def test_a_machine_whose_clock_is_ahead_is_named(settings: Settings) -> None:
    settings.data_dir.mkdir()
    ahead = state(source="m1-1", sent_s=SystemClock().now_s() + 600.0)
    kept = SqlStore.create(settings.database_url)
    kept.write(Step([heard(ahead)], received_s=1.0))
    kept.close()
    (finding,) = [each for each in store.store(settings) if each.what.startswith("clock of")]
    assert finding.state == "look"
    assert 500.0 < float(finding.found.split()[0]) <= 600.0


def test_a_database_that_cannot_be_is_told_without_its_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:planted-hunter2@127.0.0.1:1/meltwin?connect_timeout=2"
    found = list(store.store(Settings(data_dir=tmp_path, database=url)))
    assert [finding.state for finding in found] == ["MISSING"]
    assert "planted" not in found[0].line


def test_a_server_that_does_not_wait_for_its_disk_loses_data(tmp_path: Path, postgres: Server) -> None:
    """The tests' own server is such a one: `fsync` is off."""
    url = postgres.database()
    found = {finding.what: finding for finding in store.store(Settings(data_dir=tmp_path, database=url))}
    assert found["durability"].state == "LOSES"
    assert "fsync is off" in found["durability"].found
    assert found["database"].state == found["postgresql"].state == found["database's clock"].state == "ok"
    assert re.match(r"\d+\.\d+", found["postgresql"].found)
    assert abs(float(found["database's clock"].found.split()[0])) < 1.0
    assert not [each for each in found.values() if PASSWORD in each.line or quote(PASSWORD, "") in each.line]


def test_weights_that_are_not_those_of_the_card_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(card.WEIGHTS, folder)
    monkeypatch.setattr(card, "names", lambda: ["asno-melt-pool"])
    load = card.load
    monkeypatch.setattr(card, "load", lambda name: load(name, folder))
    assert [finding.state for finding in store.weights()] == ["ok"]
    with (folder / "asno-melt-pool.safetensors").open("ab") as file:
        file.write(b"\0")
    (finding,) = store.weights()
    assert finding.state == "MISSING"
    assert "sha256" in finding.found


def test_a_program_that_kills_the_probe_of_opengl_kills_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_RENDER", "import os; os.abort()")
    finding = system.rendering()
    assert finding.state == "absent"
    assert "apt install" in finding.remedy


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o640, "UNSAFE"), (0o604, "UNSAFE")])
def test_files_that_hold_a_password_are_for_their_owner(
    mode: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = "postgresql://me:planted-hunter2@db/meltwin"
    names = {"database's URL": "url", "meltwin.toml": "meltwin.toml", "mqtt_password_file": "password"}
    held = {what: tmp_path / name for what, name in names.items()}
    held["database's URL"].write_text(url + "\n")
    held["meltwin.toml"].write_text(f'# another twin: "{url}"\n')
    held["mqtt_password_file"].write_text("planted-hunter2\n")
    for path in held.values():
        path.chmod(mode)
    given = Settings(
        database="file:" + str(held["database's URL"]), broker="external", mqtt_username="twin",
        mqtt_password_file=held["mqtt_password_file"],
    )  # fmt: skip
    found = {finding.what: finding for finding in broker.credentials(given)}
    assert {name: finding.state for name, finding in found.items()} == dict.fromkeys(held, state)
    assert "planted" not in "".join(finding.line for finding in found.values())
    held["meltwin.toml"].write_text('site = "hall-2"\n')
    assert "meltwin.toml" not in {finding.what for finding in broker.credentials(given)}


def test_a_folder_that_anybody_may_write_is_unsafe(settings: Settings) -> None:
    settings.data_dir.mkdir()
    settings.data_dir.chmod(0o777)
    assert store.folder(settings).state == "UNSAFE"
    settings.data_dir.chmod(0o750)
    assert store.folder(settings).state == "ok"
