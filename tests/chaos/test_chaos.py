"""Kills, restarts and cuts, small enough for every change; the whole is `./meltwin test --long`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.parts import ROOT, Iotcore, Mosquitto
from tests.chaos.scenario import Faults, run
from tests.conftest import need
from tests.postgres import server

pytestmark = pytest.mark.timeout(300)


def test_nothing_is_lost_or_twice_with_mosquitto_and_postgresql(tmp_path: Path) -> None:
    """20,000 payloads, 3 kills, 1 broker restart, 1 database restart, 1 network cut."""
    need("mosquitto")
    need("postgres")
    faults = Faults(kills=3, broker_restarts=1, database_stops=1, cuts=1)
    with server() as postgres:
        broker = Mosquitto(tmp_path)
        try:
            found = run(broker, postgres.database(), faults, messages=20_000, per_s=900, server=postgres)
        finally:
            broker.stop()
    assert found.broken == []
    assert found.lives == 4


def test_nothing_is_lost_or_twice_with_the_embedded_broker_and_sqlite(tmp_path: Path) -> None:
    faults = Faults(kills=1, cuts=1, full_disks=1)
    broker = Iotcore()
    try:
        found = run(broker, f"sqlite:///{tmp_path}/chaos.db", faults, messages=3000, per_s=300)
    finally:
        broker.stop()
    assert found.broken == []


def test_what_the_embedded_broker_loses_when_it_is_restarted_is_a_gap_on_record(tmp_path: Path) -> None:
    """It keeps messages in memory, so a restart may lose what the twin had not taken; the twin goes on."""
    broker = Iotcore()
    try:
        found = run(
            broker, f"sqlite:///{tmp_path}/chaos.db", Faults(broker_restarts=1), messages=2000, per_s=200,
            gaps_allowed=True,
        )  # fmt: skip
    finally:
        broker.stop()
    assert found.broken == []


def test_a_soak_of_a_minute_leaves_memory_flat() -> None:
    command = [sys.executable, "-m", "tests.chaos.soak", "30", "3600"]  # and as long again until all is in
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT, timeout=110)
    assert json.loads(done.stdout)["broken"] == []
