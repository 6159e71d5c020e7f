"""Simulated machines: the same for the same seed, whole (no gap, no reject), and as fast as they say."""

from itertools import islice, pairwise
from types import ModuleType

import numpy as np
import pytest

from ingest.decode import decode
from ingest.machines import ded, lpbf
from ingest.machines.camera import SimulatedCamera
from ingest.machines.machine import Machine
from ingest.order import Order
from ingest.simulate import machines, simulate
from ingest.source import FakePublisher
from operators.operator import Stream, Task
from operators.reference.operator import ReferenceOperator
from tests.ingest.said import energy_j
from twin.clock import FakeClock
from twin.material import material
from twin.observation import Build, Frame, Observation, Parameters, Plan, Signal, State, Window
from twin.process import Process

NAMES = ("ded-1", "lpbf-1")


def spoken(for_s: float = 20.0, seed: int = 0) -> dict[str, list[Observation]]:
    publishers = {name: FakePublisher() for name in NAMES}
    said = simulate(publishers, FakeClock(1.7e9), seed, for_s, site="hall", run="r")
    assert said.total == sum(p.published for p in publishers.values())
    heard = {name: [decode(*sent) for sent in publisher.sent] for name, publisher in publishers.items()}
    assert all(isinstance(o, Observation) for each in heard.values() for o in each)
    return heard  # type: ignore[return-value]


@pytest.fixture(scope="module")
def heard() -> dict[str, list[Observation]]:
    return spoken()


def windows_of(observations: list[Observation]) -> list[Window]:
    order = Order()
    windows = [w for o in observations for w in order.add(o, 0.0)]
    assert order.gaps() == []
    assert order.counts().released == len(observations)
    return windows


def test_the_same_seed_says_the_same(heard: dict[str, list[Observation]]) -> None:
    assert spoken() == heard
    assert spoken(seed=1) != heard


@pytest.mark.parametrize("machine", machines(3), ids=lambda m: m.name)
def test_telling_it_twice_is_the_same(machine: Machine) -> None:
    first, second = (list(islice(machine.messages(), 500)) for _ in range(2))
    assert first == second
    assert all(a.due_s <= b.due_s for a, b in pairwise(first))


def test_twenty_seconds_are_well_over_a_thousand_messages(heard: dict[str, list[Observation]]) -> None:
    parameters = {n: sum(isinstance(o.message, Parameters) for o in each) for n, each in heard.items()}
    assert sum(map(len, heard.values())) > 2000
    assert parameters == {"ded-1": 1000, "lpbf-1": 200}


def test_keys_are_unique_and_every_message_says_when_it_was_sent(heard: dict[str, list[Observation]]) -> None:
    keys = [o.key for each in heard.values() for o in each]
    assert len(set(keys)) == len(keys)
    sent_s = [o.message.sent_s for o in heard["ded-1"]]
    assert sent_s == sorted(s for s in sent_s if s is not None)


def test_they_begin_with_a_birth_and_end_with_a_farewell(heard: dict[str, list[Observation]]) -> None:
    for each in heard.values():
        first, last = each[0].message, each[-1].message
        assert isinstance(first, State)
        assert isinstance(last, State)
        assert (first.status, first.origin, last.status) == ("online", "simulated", "offline")
        assert isinstance(each[1].message, Build)
    slow = heard["lpbf-1"][0].message
    assert isinstance(slow, State)
    assert slow.time_factor == 6.25e-4
    assert "slow motion" in slow.note


def test_every_frame_is_whole(heard: dict[str, list[Observation]]) -> None:
    for name, frame_s, count in (("ded-1", 0.02, 1000), ("lpbf-1", 62.5e-6, 200)):
        windows = windows_of(heard[name])
        assert len(windows) == count
        assert all(w.end_s - w.start_s == pytest.approx(frame_s) for w in windows)
        assert all(w.plan is not None for w in windows)


def test_the_plan_is_what_the_beam_then_does(heard: dict[str, list[Observation]]) -> None:
    for each in heard.values():
        windows = windows_of(each)
        for now, following in zip(windows, windows[1:], strict=False):
            plan = now.plan
            assert plan is not None
            times = following.path.time_s[following.path.time_s <= plan.time_s[-1]]
            assert np.interp(times, plan.time_s, plan.x_m) == pytest.approx(following.path.x_m[: len(times)], abs=1e-9)
            held = plan.beam_power_w[np.searchsorted(plan.time_s, following.start_s + 1e-9, side="right") - 1]
            if len(following.path.time_s) == 2 and len(times) == 2:
                assert held * (following.end_s - following.start_s) == pytest.approx(energy_j(following.path))


def test_power_steps_turns_and_pauses_are_there(heard: dict[str, list[Observation]]) -> None:
    ded, lpbf = windows_of(heard["ded-1"]), windows_of(heard["lpbf-1"])
    for windows, lowest_w, highest_w in ((ded, 300, 420), (lpbf, 160, 230)):
        powers_w = {float(p) for w in windows for p in w.path.beam_power_w}
        assert 0.0 in powers_w
        assert len(powers_w) >= 4
        assert all(lowest_w <= p <= highest_w for p in powers_w - {0.0})
    assert len({w.layer for w in ded}) == 8
    speeds = [np.hypot(np.diff(w.path.x_m), np.diff(w.path.y_m)).sum() / (w.end_s - w.start_s) for w in lpbf]
    assert np.median(speeds) == pytest.approx(0.8)


def test_signals_scatter_about_a_size_and_are_silent_when_the_laser_is_off(heard: dict[str, list[Observation]]) -> None:
    for name, smallest_m, largest_m in (("ded-1", 0.5e-3, 1.5e-3), ("lpbf-1", 60e-6, 200e-6)):
        signals = [o.message for o in heard[name] if isinstance(o.message, Signal)]
        widths_m = np.concatenate([s.value for s in signals if s.name == "melt_pool_width_m"])
        assert smallest_m < np.median(widths_m) < largest_m
        readings = sum(len(s.value) for s in signals if s.name == "melt_pool_width_m")
        assert readings < {"ded-1": 1000, "lpbf-1": 800}[name]
    assert any(isinstance(o.message, Plan) for o in heard["ded-1"])


def test_it_stops_when_told() -> None:
    publishers = {"ded-1": FakePublisher()}
    clock = FakeClock()
    said = simulate(publishers, clock, 0, 100.0, stopped=lambda: clock.now_s() > 1.0)
    assert 1.0 < clock.now_s() < 1.5
    assert said.total == len(publishers["ded-1"].sent)
    last = decode(*publishers["ded-1"].sent[-1])
    assert isinstance(last, Observation)
    assert isinstance(last.message, State)
    assert last.message.status == "offline"


@pytest.mark.parametrize("machine", [ded, lpbf])
def test_sizes_are_those_of_a_finer_solver_at_what_is_absorbed(machine: ModuleType) -> None:
    """Width and length that the sensors read, without their scatter: the camera's coarse solver and its factors."""
    (made,) = (m for m in machines(0) if m.name.startswith(machine.__name__.rpartition(".")[2]))
    build = next(due.message for due in made.messages() if isinstance(due.message, Build))
    process = Process(
        material(build.material), build.beam_diameter_m, build.preheat_k, build.absorptivity,
        layer_thickness_m=build.layer_thickness_m,
    )  # fmt: skip
    peclet = process.peclet(build.nominal_scan_speed_m_per_s)
    at = 0.5 * np.arange(41)
    time_s, x_m = at / peclet * process.time_s, at * process.length_m
    for power_w in (min(machine._POWERS_W), max(machine._POWERS_W)):
        camera = SimulatedCamera(build, machine.ABSORBS, 1, np.random.default_rng(0), machine.FINE)
        camera.begin(0.0)
        for now, then in pairwise(zip(time_s.tolist(), x_m.tolist(), strict=True)):
            camera.advance([(*now, 0.0, power_w), (*then, 0.0, power_w)])
        source = process.source(power_w, build.nominal_scan_speed_m_per_s)
        rows = np.stack([at / peclet, at, 0 * at, 0 * at + machine.ABSORBS * source.q, 0 * at + source.depth], 1)
        reference = ReferenceOperator(8)
        theta = reference.step([Task(Stream("s", process.groups(), peclet, process.surface()), [rows], [])])[0][0].theta
        length, width, _ = np.array(reference.grid.sizes(theta, process.groups().solidus)) * build.beam_diameter_m
        assert camera.size() == pytest.approx((width, length), rel=0.04)


def test_pictures_show_a_warm_pool_where_the_beam_is_and_the_plate_is_cold_at_first(
    heard: dict[str, list[Observation]],
) -> None:
    for name, every_s, diameter_m in (("ded-1", 0.2, 0.8e-3), ("lpbf-1", 125e-6, 100e-6)):
        frames = [o.message for o in heard[name] if isinstance(o.message, Frame)]
        assert len(frames) > 90
        assert np.diff([f.time_s for f in frames])[:5] == pytest.approx(every_s)
        assert frames[0].pixel_m * frames[0].columns == pytest.approx(6 * diameter_m)
        for frame in frames[3:8]:
            picture = frame.picture()
            assert picture.min() == frame.sensor_min
            assert picture[11:13, 11:13].min() > 1800, "under the beam it is molten"
            warm = picture > frame.sensor_min
            assert 10 < warm.sum() < 300


def test_more_is_absorbed_than_is_told_and_it_shows() -> None:
    pictures = {}
    for absorbs in (1.0, lpbf.ABSORBS):
        made = lpbf.lpbf_hatch(0)
        made._design = made._design._replace(absorbs=absorbs)
        frames = (due.message for due in made.messages() if isinstance(due.message, Frame))
        pictures[absorbs] = np.stack([frame.picture() for frame in islice(frames, 6)])
    hotter = pictures[lpbf.ABSORBS] - pictures[1.0]
    assert hotter[3:].mean() > 5.0
