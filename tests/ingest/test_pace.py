"""Clock skew and silence: each is an outcome of the frame after it, by how many seconds; and nothing else is."""

import csv

import pytest

from ingest.order import Order
from ingest.paths.pace import SKEW_S, Pace
from tests.conftest import shared_data
from tests.ingest.said import FRAME_S, build, heard, parameters
from twin.forecast import Outcome
from twin.observation import State


def state(origin: str, time_factor: float = 1.0) -> State:
    return State(source="a", sequence=0, time_s=0, status="online", origin=origin, time_factor=time_factor)  # type: ignore[arg-type]


def said(begins_s: list[float], pace: Pace | None = None) -> list[tuple[int, str, float]]:
    """(layer, kind, by) of what a pace tells about layers that begin then."""
    pace, found = pace or Pace(), []
    for layer, begin_s in enumerate(begins_s):
        told = pace.take(parameters(layer, [begin_s], layer=layer), state("replay"), 0.0)
        if told is not None:
            found.append((layer, told.kind, told.by))
    return found


def test_the_peregrine_log_steps_back_once_and_is_silent_once() -> None:
    """Its table of layer times: 1,818 intervals from 32 s to 390 s, one of -10.72 s and one of 1,475.45 s."""
    path = shared_data("lpbf_peregrine") / "layer_times_notes.csv"
    begins_s = [float(row["t_rel_s"]) for row in csv.DictReader(path.open())]
    found = said(begins_s)
    assert [(layer, kind) for layer, kind, _ in found] == [(103, "clock_skew"), (105, "silence")]
    assert [by for *_, by in found] == pytest.approx([-10.72, 1475.45])


def test_a_steady_build_says_nothing_and_a_build_of_two_layers_knows_no_cadence() -> None:
    assert said([100.0 * n for n in range(50)]) == []
    assert said([0.0, 5000.0]) == []


def test_a_process_clock_that_runs_away_from_the_publishers_is_skew_and_a_pause_is_not() -> None:
    def run(origin: str, leap_s: float, wall_s: float) -> Outcome | None:
        pace = Pace()
        pace.take(parameters(0, [0.0], sent_s=1000.0), state(origin), 1000.1)
        return pace.take(parameters(1, [leap_s], sent_s=1000.0 + wall_s), state(origin), 1000.1 + wall_s)

    assert run("live", 100.0, 0.1) == Outcome("clock_skew", "process time", pytest.approx(99.9), "s")
    assert run("live", 100.0, 100.0) is None
    assert run("live", 0.1, 100.0) is None, "the publisher waited for its broker"
    assert run("replay", 100.0, 0.1) is None, "a replay leaves pauses out"


def test_a_publishers_clock_ahead_of_ours_is_told_once() -> None:
    pace = Pace()
    told = [
        pace.take(parameters(n, [n * FRAME_S], sent_s=1000.0 + n * FRAME_S), state("live"), 990.0) for n in range(5)
    ]
    assert told == [Outcome("clock_skew", "the publisher's clock", pytest.approx(10.0), "s"), *[None] * 4]
    assert told[0] is not None
    assert told[0].by > SKEW_S


def test_the_frame_after_it_carries_the_outcome() -> None:
    order = Order()
    windows = order.add(heard(build()), 0.0)
    for n in range(20):
        start_s = 100.0 + n * FRAME_S - (10.72 if n >= 10 else 0.0)
        windows += order.add(heard(parameters(n, [start_s, start_s + 0.9 * FRAME_S])), 0.0)
    told = [w.told for w in windows if w.told.kind != "ok"]
    assert told == [Outcome("clock_skew", "process time", pytest.approx(-10.72, abs=FRAME_S), "s")]
    after = [w for w in windows if w.start_s < 95.0]
    assert after[0].told.kind == "clock_skew"
