"""The verbs that hold everything together, with real broker, children and SQLite; the twin is a fake one, for speed."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from deploy import wiring
from deploy.cli import app
from deploy.ports import free_port, port_is_free
from tests.deploy.fakes import advance
from tests.flow.report import KEYS, faults
from twin.store.sql.store import SqlStore

LINE = "{mode} {x} {y} 0 1 {parameter}\n"


@pytest.fixture(autouse=True)
def _fake_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "twin", lambda settings: advance)


@pytest.fixture
def mqtt_port() -> int:
    return free_port()


@pytest.fixture
def scan_path(tmp_path: Path) -> Path:
    """Twenty hatch vectors of 1 mm at 0.8 m/s, and the build file that says the rest."""
    folder = tmp_path / "layers"
    folder.mkdir()
    lines = ["Mode X(mm) Y(mm) Z(mm) Pmod tParam\n", LINE.format(mode=1, x=0, y=0, parameter=0)]
    for track in range(20):
        ends = (0, 1) if track % 2 == 0 else (1, 0)
        lines.append(f"1 {ends[0]} {track * 0.1:.1f} 0 0 0.0002\n")
        lines.append(f"0 {ends[1]} {track * 0.1:.1f} 0 1 0.8\n")
    (folder / "0000001.txt").write_text("".join(lines))
    (folder / "build.toml").write_text(
        'format = "scan_path"\nmachine = "m2"\nprocess = "lpbf"\nmaterial = "SS316L"\nbeam_diameter_m = 100e-6\n'
        "beam_power_w = 200.0\nscan_speed_m_per_s = 0.8\nlayer_thickness_m = 50e-6\nframe_s = 62.5e-6\n"
    )
    return folder


def invoke(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.output


@pytest.mark.alone
def test_a_headless_demo_commits_all_that_it_publishes(tmp_path: Path, mqtt_port: int) -> None:
    report = tmp_path / "r.json"
    seconds = 10  # the last commit may wait a second for a busy machine: that must not look like a slow clock
    invoke("demo", "--headless", "--for", seconds, "--report", report, "--seed", 5, "--mqtt-port", mqtt_port)
    row: dict[str, Any] = json.loads(report.read_text())
    assert faults(row, messages=100 * seconds, frames=40 * seconds) == []
    assert row["seed"] == 5
    assert row["realtime_factor"]["machines"]["ded-1"] == pytest.approx(1.0, rel=0.25)
    assert row["realtime_factor"]["machines"]["lpbf-1"] < 0.01
    assert port_is_free(mqtt_port)


POINT = ("--material", "IN718", "--power-w", 250, "--scan-speed-m-per-s", 0.8, "--beam-diameter-m", 100e-6)


@pytest.mark.parametrize(
    ("by", "operator"),
    [
        ("operator", "asno-melt-pool"),
        ("reference", "reference"),
        ("eagar-tsai", "eagar-tsai"),
        ("rosenthal", "rosenthal"),
    ],
)
def test_melt_pool_answers_in_one_line(by: str, operator: str) -> None:
    row = json.loads(invoke("melt-pool", *POINT, "--by", by, "--json"))
    assert set(row) >= {"length_m", "width_m", "depth_m", "regime", "keyhole_number", "outcome", "operator"}
    assert 0 < row["above_melt_s"] == pytest.approx(row["length_m"] / 0.8)
    assert (row["cooling_k_per_s"] is not None) == (by == "reference")
    assert row["length_m"] > row["width_m"] > row["depth_m"] > 0
    assert (row["outcome"]["kind"], row["operator"]) == ("ok", operator)


@pytest.mark.parametrize(
    "wrong", [("--material", "unobtainium"), ("--device", "abacus"), ("--preheat-k", 5000), ("--scan-speed-m-per-s", 0)]
)
def test_melt_pool_says_what_is_wrong(wrong: tuple[str, object]) -> None:
    invoke("melt-pool", *POINT, *wrong, "--json", code=2)


def test_powder_and_hatch_tell_of_lack_of_fusion() -> None:
    options = ("--by", "reference", "--layer-thickness-m", 40e-6, "--hatch-spacing-m", 100e-6, "--beam-shape", "ring")
    row = json.loads(invoke("melt-pool", *POINT, *options, "--json"))
    assert row["remelted_m"] < row["depth_m"]
    assert row["lack_of_fusion"] == pytest.approx((1e-4 / row["width_m"]) ** 2 + (4e-5 / row["depth_m"]) ** 2)
    assert "lack of fusion above 1" in invoke("melt-pool", *POINT, *options)


def test_ctrl_c_ends_a_demo_with_everything_committed(tmp_path: Path, mqtt_port: int) -> None:
    report, database = tmp_path / "r.json", f"sqlite:///{tmp_path}/kept.db"
    timer = threading.Timer(5.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    invoke("demo", "--headless", "--report", report, "--database", database, "--mqtt-port", mqtt_port)
    timer.join()
    row = json.loads(report.read_text())
    assert tuple(row) == KEYS
    assert row["messages_published"] == row["messages_committed"] > 0
    store = SqlStore.open_reader(database)
    assert store.counts()["observations"] == row["messages_committed"]
    assert set(store.machines()["status"]) == {"offline"}
    store.close()
    assert port_is_free(mqtt_port)


def test_a_taken_port_is_one_line(mqtt_port: int) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", mqtt_port))
        other.listen()
        output = invoke("demo", "--headless", "--for", 1, "--mqtt-port", mqtt_port, code=2)
    assert "mqtt_port" in output.splitlines()[-1]
    assert "Traceback" not in output


def test_a_replay_through_the_broker_equals_one_straight_in(tmp_path: Path, mqtt_port: int, scan_path: Path) -> None:
    rows = {}
    for name, way in (("broker", ["--mqtt-port", mqtt_port]), ("straight", ["--direct"])):
        database, report = f"sqlite:///{tmp_path}/{name}.db", tmp_path / f"{name}.json"
        output = invoke("replay", scan_path, *way, "--headless", "--database", database, "--report", report)
        assert "the counts add up" in output
        row = json.loads(report.read_text())
        assert row["messages_read"] == row["messages_published"] == row["messages_committed"] > 5
        assert row["windows"] == row["frames_forecast"] + row["withheld"] > 300
        store = SqlStore.open_reader(database)
        rows[name] = store.melt_pool("m2").drop(columns="issued_s")
        store.close()
    now = [table[table["lead_s"] == 0].reset_index(drop=True) for table in rows.values()]
    pd.testing.assert_frame_equal(*now, rtol=1e-5)
    # which windows were the newest of a batch, and so were looked ahead from, goes by the clock
    both = rows["broker"].merge(rows["straight"], on=["frame", "lead_s"], suffixes=("", "_straight"))
    assert (both["lead_s"] > 0).any()
    for size in ("length_m", "width_m", "depth_m"):
        np.testing.assert_allclose(both[size], both[f"{size}_straight"], rtol=1e-5)


def test_replaying_twice_into_one_database_changes_nothing(tmp_path: Path, scan_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/kept.db"
    counts = []
    for _ in range(2):
        invoke("replay", scan_path, "--direct", "--headless", "--database", database)
        store = SqlStore.open_reader(database)
        counts.append({name: count for name, count in store.counts().items() if name != "duplicates"})
        store.close()
    assert counts[0] == counts[1]
    assert counts[0]["forecasts"] > 300


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "there is no such file or folder"),
        (["--speed", "fast", "docs"], "neither a number above 0 nor"),
        (["docs"], "which is not a scan path"),
    ],
)
def test_what_cannot_be_replayed_is_told_before_anything_starts(arguments: list[str], line: str) -> None:
    output = " ".join(invoke("replay", "--headless", *arguments, code=2).split())
    assert line in output
    assert "Traceback" not in output


def test_a_replay_by_two_operators_keeps_both_and_compares_them(tmp_path: Path, scan_path: Path) -> None:
    database, report = f"sqlite:///{tmp_path}/kept.db", tmp_path / "r.json"
    both = ("--operator", "asno-melt-pool", "--operator", "reference")
    output = invoke("replay", scan_path, "--direct", "--headless", "--database", database, "--report", report, *both)
    assert "the counts add up" in output
    row = json.loads(report.read_text())
    (compared,) = row["compared"]
    assert compared["operators"] == ["asno-melt-pool", "reference"]
    assert compared["frames"] == row["frames_forecast"] > 300
    assert 0 < compared["difference"]["width_m"]["median_share"] < 0.2
    assert all(ms > 0 for ms in compared["forecast_ms"].values())
    assert "asno-melt-pool and reference on m2" in output
    store = SqlStore.open_reader(database)
    assert store.opinions("m2") == ["reference"]
    assert set(store.estimates("m2")["operator"]) == {"asno-melt-pool"}
    assert set(store.estimates("m2", opinion="reference")["operator"]) == {"reference"}
    assert store.counts()["opinions"] == store.counts()["forecasts"] == row["windows"]
    assert store.card("reference") is not None
    store.close()
