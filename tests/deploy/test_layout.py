"""What may not drift: every package stands under the import contracts, and what must start fast imports little."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.flow.report import KEYS, faults

ROOT = Path(__file__).parents[2]


def test_every_package_is_under_the_import_contracts() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(tool["importlinter"]["root_packages"])
    layers = tool["importlinter"]["contracts"][0]["layers"]
    assert packages == {name.strip() for layer in layers for name in layer.split("|")}


def imported(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        ("import deploy.cli", {"torch", "numpy", "pandas", "sqlalchemy", "dash", "pydantic", "paho"}),
        ("import ui.app, ui.serve", {"torch", "operators", "numba"}),
        ("import ui.report, ui.report.drawing.pool", {"torch", "operators", "numba", "dash"}),
        ("import deploy.wiring, deploy.session", {"torch", "operators", "dash"}),
    ],
)
def test_what_starts_fast_imports_little(statement: str, without: set[str]) -> None:
    assert not imported(statement) & without


def test_the_check_of_the_report_notices_every_broken_promise() -> None:
    good = dict.fromkeys(KEYS, 0) | {
        "messages_published": 1000, "messages_committed": 1000, "frames_forecast": 200, "operator": "asno-melt-pool",
        "outcomes": {"ok": 190, "stale": 10}, "latency_ms": {"p50": 1.0, "p95": 2.0, "p99": 3.0},
    }  # fmt: skip
    assert faults(good) == []
    broken = [
        {"messages_published": 999, "messages_committed": 999}, {"messages_committed": 999}, {"rejected": 1},
        {"frames_forecast": 199}, {"outcomes": {"ok": 94, "stale": 6}}, {"outcomes": {}}, {"operator": "reference"},
        {"latency_ms": {"p50": None, "p95": None, "p99": None}}, {"extra": 1},
    ]  # fmt: skip
    for change in broken:
        assert len(faults(good | change)) == 1, change
