"""`meltwin validate`: the command that it starts, and that this command needs no library of the command line's."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.commands import validate

ROOT = Path(__file__).parents[2]


def test_it_starts_the_suite_in_the_checkout_and_returns_its_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: dict[str, Any] = {}

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        started.update(how, command=command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(validate.subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    asked = ["validate", "reference", "--out", "r.json", "--tables", "nist", "--docs"]
    assert CliRunner().invoke(app, asked).exit_code == 3
    assert started["cwd"] == ROOT
    module, out = ["-m", "tests.validation", "reference"], ["--out", str(tmp_path / "r.json")]
    assert started["command"][1:] == [*module, "--tables", "nist", *out, "--docs"]
    asked = ["validate", "lorenz", "--budget", "smoke", "--operators", "asno", "--seeds", "2", "--jobs", "2", "--again"]
    CliRunner().invoke(app, asked)
    assert started["command"][3:] == ["lorenz", *asked[2:]]
    CliRunner().invoke(app, ["validate", "trust", "--fields", "kept"])
    assert started["command"][3:] == ["trust", "--fields", str(tmp_path / "kept")]


def test_a_benchmark_is_given_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        started.append(command[1:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(validate.subprocess, "run", run)
    assert CliRunner().invoke(app, ["bench", "forecast", "--repeats", "3"]).exit_code == 0
    assert started == [["-m", "tests.bench", "forecast", "--repeats", "3"]]


def test_the_suite_loads_without_pandas_rich_or_typer() -> None:
    look = "import sys; from tests.validation import __main__; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"pandas", "rich", "typer", "sqlalchemy", "plotly", "pydantic"} & set(told.split())


def test_the_help_names_all_that_there_is() -> None:
    said = {
        name: getattr(validate, name).__annotations__["name"].__metadata__[0].help for name in ("validate", "bench")
    }
    for name, module in (("validate", "tests.validation"), ("bench", "tests.bench")):
        usage = subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True, check=False)
        there = usage.stderr.split("{")[1].split("}")[0].split(",")
        words = set(re.findall(r"[\w-]+", said[name]))
        assert len(there) >= 8
        assert set(there) <= words, name
