"""What the monitor tells of a run is what happened: its counts are those of the tally and of the store."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from deploy.batch import Batch
from deploy.monitor.metrics import MOST_MACHINES, OTHERS
from deploy.monitor.monitor import Monitor
from deploy.monitor.readiness import PARTS, PROBE_S, STUCK_S
from deploy.monitor.server import answers
from deploy.run import RunLoop
from ingest.order import Order
from ingest.source import FakeSource
from tests.deploy.fakes import advance, stretch
from twin.clock import FakeClock
from twin.observation import Observation, Rejected, State
from twin.store.fake.store import FakeStore
from twin.store.port import Step, StoreUnavailableError, Written

ROOT = Path(__file__).parents[3]


@dataclass
class FakeLine:
    waiting: int = 0
    losses: int = 0


class Running:
    """A run loop over fakes, with its monitor."""

    def __init__(self, told: list[tuple[str, bytes]], folder: Path) -> None:
        self.clock = FakeClock(100.5)
        self.monitor = Monitor(self.clock, folder)
        self.source = FakeSource(told)
        self.order = Order(patience=2)
        self.store = FakeStore()
        self.loop = RunLoop(
            self.source,
            self.order,
            advance,
            self.store,
            self.clock,
            Batch(3, 0.0, backlog=None),
            heard=self.monitor.step,
        )

    def drain(self) -> "Running":
        while self.loop.turn() or not self.source.exhausted:
            self.monitor.turn(self.loop.tally, self.loop.late)
        self.loop.finish()
        self.monitor.turn(self.loop.tally, self.loop.late)
        return self

    def metrics(self) -> dict[str, float]:
        """name{labels} -> value."""
        return parsed(self.monitor.metrics.text())


def parsed(text: bytes) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def started(monitor: Monitor) -> Monitor:
    for part in PARTS:
        with monitor.starting(part):
            pass
    return monitor


@pytest.fixture
def said() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as events:
        yield events


def spoilt() -> list[tuple[str, bytes]]:
    """A stretch with a reject, a duplicate, a gap of two, and what came after it was given up."""
    told = stretch()
    late = told[10:12]
    del told[10:12]
    return [*told[:5], (told[5][0], b'{"password": "planted"}'), *told[5:], told[-1], *late]


def test_the_counts_are_those_of_the_tally_and_the_store(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    running = Running(spoilt(), tmp_path).drain()
    found, tally, kept = running.metrics(), running.loop.tally, running.store.counts()
    assert found["meltwin_messages_received_total"] == tally.messages_taken == 25
    assert found["meltwin_messages_committed_total"] == tally.messages_committed == kept["observations"] == 23
    assert found["meltwin_messages_duplicate_total"] == tally.duplicates_absorbed == 1
    assert sum(value for name, value in found.items() if name.startswith("meltwin_messages_rejected_total")) == 1
    assert found["meltwin_gaps_total"] == tally.gaps == 1
    assert found["meltwin_gap_messages_total"] == 2
    assert found["meltwin_messages_late_total"] == running.order.counts().late == 2
    assert found["meltwin_forecasts_total{outcome=ok}"] == kept["forecasts"] > 10
    assert found["meltwin_latency_seconds_count"] == len(tally.latencies_s)
    assert found["meltwin_commit_seconds_count"] >= found["meltwin_forecast_seconds_count"] > 0


def test_names_are_as_prometheus_wants_them_and_labels_are_few(tmp_path: Path, said: object) -> None:
    text = Running(spoilt(), tmp_path).drain().monitor.metrics.text().decode()
    families = [family for family in text_string_to_metric_families(text) if family.name.startswith("meltwin_")]
    assert len(families) > 20
    for family in families:
        assert re.fullmatch(r"meltwin_[a-z_]+", family.name)
        assert family.documentation
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        for sample in family.samples:
            assert set(sample.labels) <= {"machine", "code", "outcome", "le", "version", "python"}


def test_every_metric_and_every_event_is_told_in_the_documents(tmp_path: Path, said: object) -> None:
    told = (ROOT / "docs" / "operations.md").read_text()
    for family in text_string_to_metric_families(Monitor(FakeClock(), tmp_path).metrics.text().decode()):
        if family.name.startswith("meltwin_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert f"`{name}`" in told, name
    source = (ROOT / "deploy" / "monitor" / "monitor.py").read_text()
    events = set(re.findall(r'_log\.\w+\(\s*"(\w+)"', source)) | set(re.findall(r'_tell\(\s*"\w+", "(\w+)"', source))
    assert len(events) > 8
    for event in events | {"online", "offline"}:
        assert f"`{event}`" in told, event


def test_a_flood_of_names_makes_no_flood_of_series(tmp_path: Path, said: object) -> None:
    monitor = Monitor(FakeClock(1.0), tmp_path)
    state = State(source="s", sequence=0, time_s=0, status="online")
    crowd = [Observation("local", f"m{n}", state, "t", b"") for n in range(MOST_MACHINES + 500)]
    monitor.step(Step(crowd), Written(), 0.0, 0.0)
    ages = [name for name in parsed(monitor.metrics.text()) if name.startswith("meltwin_message_age_seconds")]
    assert len(ages) == MOST_MACHINES + 1
    assert f"meltwin_message_age_seconds{{machine={OTHERS}}}" in ages


def test_the_age_of_a_machines_newest_message_grows_until_it_speaks(tmp_path: Path, said: object) -> None:
    running = Running(stretch(), tmp_path).drain()
    running.clock.sleep_s(7.5)
    assert running.metrics()["meltwin_message_age_seconds{machine=m1}"] == pytest.approx(7.5)


def test_a_reject_a_gap_and_a_life_are_told_where_they_happened(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    Running(spoilt(), tmp_path).drain()
    by_event = {event["event"]: event for event in said}
    where = {"machine": "m1", "build": "b"}
    assert where.items() <= by_event["rejected"].items()
    assert by_event["rejected"]["bytes"] == len(b'{"password": "planted"}')
    assert (where | {"layer": 1, "channel": "parameters", "first_sequence": 7, "last_sequence": 8}).items() <= by_event[
        "gap"
    ].items()
    assert by_event["online"]["machine"] == "m1"
    assert "planted" not in json.dumps(said)


def test_a_storm_of_rejects_is_a_few_lines(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    monitor = Monitor(FakeClock(1.0), tmp_path)
    rejects = [Rejected(f"nonsense/{n}\n", b"x", "topic has 2 levels") for n in range(5000)]
    monitor.step(Step(rejects=rejects), Written(rejects=5000), 0.0, 0.0)
    assert len([event for event in said if event["event"] == "rejected"]) == 1


def test_ready_only_when_every_part_is_and_the_body_says_what_is_waited_for(tmp_path: Path, said: object) -> None:
    monitor = Monitor(FakeClock(1.0), tmp_path)
    paths = answers(monitor.metrics, monitor.readiness)

    def ready() -> tuple[int, dict[str, str]]:
        status, _, body = paths["/readyz"]()
        row = json.loads(body)
        assert row["ready"] == (status == 200) == (not row["waits"])
        return status, row["waits"]

    assert ready() == (503, dict.fromkeys(PARTS, "not started yet"))
    for number, part in enumerate(PARTS):
        with monitor.starting(part):
            assert ready()[1][part] == "starting"
        assert len(ready()[1]) == len(PARTS) - number - 1
    lost: dict[str, str] = {}
    monitor.watch(FakeLine(waiting=7), lambda: lost, dict, 2000)
    assert ready() == (200, {})
    lost["broker"] = "the broker does not answer"
    assert ready() == (503, lost)
    found = parsed(monitor.metrics.text())
    told = ("broker_connected", "store_reachable", "operator_loaded", "ready", "queue_messages", "queue_limit_messages")
    assert [found[f"meltwin_{name}"] for name in told] == [0, 1, 1, 0, 7, 2000]
    assert found["meltwin_disk_free_bytes"] > 0


def test_a_part_that_does_not_start_is_waited_for_as_long_as_anybody_asks(tmp_path: Path, said: object) -> None:
    monitor = Monitor(FakeClock(1.0), tmp_path)
    with pytest.raises(RuntimeError), monitor.starting("store"):
        raise RuntimeError
    assert monitor.readiness.waits()["store"] == "starting"


def test_the_store_is_looked_at_however_often_somebody_asks_only_now_and_then(tmp_path: Path, said: object) -> None:
    clock, looks = FakeClock(1000.0), []
    monitor = started(Monitor(clock, tmp_path))

    def look() -> dict[str, str]:
        looks.append(1)
        return {"store": "away"}

    monitor.watch(FakeLine(), dict, look, 1)
    for _ in range(10):
        assert monitor.readiness.asked()["store"] == "away"
    assert len(looks) == 1
    clock.sleep_s(PROBE_S)
    monitor.readiness.asked()
    assert len(looks) == 2


def test_a_loop_that_stands_still_is_not_healthy(tmp_path: Path, said: object) -> None:
    running = Running(stretch(), tmp_path)
    healthz = answers(running.monitor.metrics, running.monitor.readiness)["/healthz"]
    assert healthz()[0] == 200  # it starts, and may take its time
    running.drain()
    assert healthz()[0] == 200
    running.clock.sleep_s(STUCK_S + 1.0)
    status, _, body = healthz()
    assert status == 503
    assert b"has not turned for 121 s" in body


def test_a_broker_that_goes_and_comes_is_two_lines_and_one_loss(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    running = Running(stretch(), tmp_path)
    lost: dict[str, str] = {}
    monitor, tally = started(running.monitor), running.loop.tally
    line = FakeLine()
    monitor.watch(line, lambda: lost, dict, 1)
    del said[:]
    for turn in range(100):
        lost = {"broker": "the broker does not answer"} if 10 <= turn < 40 else {}
        line.losses = int(turn >= 10)
        monitor.turn(tally, 0)
        running.clock.sleep_s(0.5)
    waits = [event for event in said if event["event"] in ("waits", "goes_on")]
    assert [event["event"] for event in waits] == ["waits", "goes_on"]
    assert waits[1]["waited_s"] == 15.0
    assert parsed(monitor.metrics.text())["meltwin_broker_losses_total"] == 1


def test_a_loss_that_is_over_before_anybody_looks_is_told_too(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    running = Running(stretch(), tmp_path)
    line = FakeLine()
    started(running.monitor).watch(line, dict, dict, 1)
    del said[:]
    for line.losses in (0, 1, 1, 1):
        running.monitor.turn(running.loop.tally, 0)
    assert [event["event"] for event in said] == ["waits", "goes_on"]
    assert running.metrics()["meltwin_broker_losses_total"] == 1


class AwayStore:
    """A store that does not answer for so many writes."""

    def __init__(self, away: int) -> None:
        self._store, self._away = FakeStore(), away

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, step: Step) -> Written:
        if self._away:
            self._away -= 1
            raise StoreUnavailableError("the store at db does not answer")
        return self._store.write(step)


def test_a_store_that_is_away_is_waited_for_told_and_counted(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    running = Running(stretch(), tmp_path)
    store: Any = AwayStore(4)
    loop = RunLoop(
        running.source, running.order, advance, store, running.clock, Batch(3, 0.0), heard=running.monitor.step
    )
    monitor = started(running.monitor)
    monitor.watch(FakeLine(), lambda: loop.waits, dict, 1)
    del said[:]
    seen = set()
    while loop.turn() or loop.waits or not running.source.exhausted:
        monitor.turn(loop.tally, loop.late)
        seen.add(int(running.metrics()["meltwin_store_reachable"]))
    monitor.turn(loop.tally, loop.late)
    assert seen == {0, 1}
    found = running.metrics()
    assert found["meltwin_store_failed_writes_total"] == 4
    assert found["meltwin_messages_committed_total"] == store.counts()["observations"] == 23
    waits = [event for event in said if event["event"] in ("waits", "goes_on")]
    assert [(event["event"], event["part"]) for event in waits] == [("waits", "store"), ("goes_on", "store")]
    assert "does not answer" in waits[0]["why"]


def test_once_a_minute_the_log_tells_how_it_goes(tmp_path: Path, said: list[dict[str, Any]]) -> None:
    running = Running(stretch(), tmp_path).drain()
    for _ in range(600):
        running.clock.sleep_s(0.5)
        running.monitor.turn(running.loop.tally, 0)
    told = [event for event in said if event["event"] == "running"]
    assert len(told) == 5
    assert told[-1]["committed"] == running.loop.tally.messages_committed == 23
