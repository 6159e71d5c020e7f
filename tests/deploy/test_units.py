"""The service files: systemd understands them, they confine what they start, and the page gets no credentials."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.settings import load
from tests.conftest import need

UNITS = sorted((Path(__file__).parents[2] / "deploy" / "units").glob("*.service"))
CONFINED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "UMask": "0077",
    "CapabilityBoundingSet": "", "RestrictSUIDSGID": "yes", "SystemCallFilter": "@system-service", "Restart": "always",
}  # fmt: skip


def options(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), flags=re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def environment(unit: Path) -> dict[str, str]:
    rows = " ".join(options(unit).get("Environment", [])).split()
    return dict(row.split("=", 1) for row in rows)


def test_there_is_one_for_each_program() -> None:
    assert [unit.stem for unit in UNITS] == ["meltwin-broker", "meltwin-run", "meltwin-ui"]


def test_systemd_understands_them(tmp_path: Path) -> None:
    program = need("systemd-analyze")
    for unit in UNITS:  # with programs that are there
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    asked = [program, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_they_start_is_confined_and_is_not_root(unit: Path) -> None:
    found = options(unit)
    for name, value in CONFINED.items():
        assert found[name] == [value], name
    assert found["User"][0] in ("meltwin", "mosquitto")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_no_secret_is_in_an_environment(unit: Path) -> None:
    for name, value in environment(unit).items():
        assert "PASSWORD" not in name or name.endswith("_FILE"), name
        assert "SECRET" not in name
        assert "://" not in value


def test_the_page_gets_no_credentials_and_run_gets_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings that each would start with, beside the meltwin.toml that `broker setup` tells of."""
    (tmp_path / "meltwin.toml").write_text(
        'broker = "external"\nmqtt_host = "b.local"\nmqtt_username = "twin"\n'
        'mqtt_tls_ca = "/etc/meltwin/broker/ca.crt"\n'
        'mqtt_password_file = "/etc/meltwin/broker/secrets/twin.password"\n'
    )
    monkeypatch.chdir(tmp_path)
    found = {}
    for unit in UNITS[1:]:
        with monkeypatch.context() as context:
            for name, value in environment(unit).items():
                context.setenv(name, value)
            found[unit.stem] = load()
    assert found["meltwin-ui"].mqtt_password_file is None
    assert found["meltwin-ui"].database_url == found["meltwin-run"].database_url
    assert str(found["meltwin-run"].mqtt_password_file) == "%d/mqtt"  # systemd's own folder for it
    assert found["meltwin-run"].mqtt_username == "twin"
