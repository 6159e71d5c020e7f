"""Ordering: any arrival order within patience, any duplicates, the same windows; and every message is accounted for."""

import math
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.machines.ded import ded_wall
from ingest.machines.machine import farewell
from ingest.order import MAX_REMEMBERED, Order
from ingest.paths import track
from ingest.paths.readings import MAX_PENDING
from tests.ingest.said import FRAME_S, build, energy_j, frame, heard, naive_windows, parameters, plan, same
from twin.observation import Layer, Observation, Parameters, Signal, State, Window
from twin.store.fake.store import FakeStore
from twin.store.port import Step


def run(observations: list[Observation], order: Order | None = None, now_s: float = 0.0) -> tuple[Order, list[Window]]:
    order = order or Order()
    windows: list[Window] = []
    for observation in observations:
        windows += order.add(observation, now_s)
    return order, windows


def accounted(order: Order) -> bool:
    counts = order.counts()
    return counts.received + counts.found == counts.released + counts.duplicates + counts.late + counts.waiting


@st.composite
def layers(draw: st.DrawFn) -> list[Parameters]:
    """One layer as a machine may sample it: uneven times, repeated times, uneven messages, jumps in power."""
    steps = draw(st.lists(st.sampled_from([0.0, 1e-3, 0.007, 0.02, 0.031, 0.2]), min_size=2, max_size=40))
    time_s = (100.0 + np.cumsum(steps)).tolist()
    power_w = draw(st.lists(st.sampled_from([0.0, 300.0, 360.0]), min_size=len(steps), max_size=len(steps)))
    x_m = np.cumsum(np.asarray(steps) * 0.01).tolist()
    cuts = sorted({0, len(steps), *draw(st.lists(st.integers(1, len(steps) - 1), max_size=10))})
    return [
        parameters(n, time_s[a:b], x_m[a:b], power_w[a:b], final=b == len(steps))
        for n, (a, b) in enumerate(pairwise(cuts))
    ]


@given(layers())
def test_windows_are_those_of_the_definition(messages: list[Parameters]) -> None:
    _, windows = run([heard(build()), *map(heard, messages)])
    expected = naive_windows(messages, FRAME_S)
    assert [w.index for w in windows] == list(range(len(expected)))
    for window, (start_s, end_s, x0_m, x1_m, joules) in zip(windows, expected, strict=True):
        assert (window.start_s, window.end_s) == pytest.approx((start_s, end_s), abs=1e-9)
        assert (window.path.time_s[0], window.path.time_s[-1]) == (window.start_s, window.end_s)
        assert (window.path.x_m[0], window.path.x_m[-1]) == pytest.approx((x0_m, x1_m), abs=1e-9)
        assert energy_j(window.path) == pytest.approx(joules, abs=1e-6)
        assert (np.diff(window.path.time_s) >= 0).all()


@given(layers())
def test_windows_tile_the_layer_and_keep_its_energy(messages: list[Parameters]) -> None:
    _, windows = run([heard(build()), *map(heard, messages)])
    time_s = np.concatenate([m.sample_time_s for m in messages])
    power_w = np.concatenate([m.beam_power_w for m in messages])
    if time_s[-1] == time_s[0]:
        assert windows == []
        return
    assert windows[0].start_s == time_s[0]
    assert windows[-1].end_s == pytest.approx(time_s[-1], abs=1e-7)
    assert all(a.end_s == b.start_s for a, b in pairwise(windows))
    assert sum(energy_j(w.path) for w in windows) == pytest.approx(
        float(np.sum(np.diff(time_s) * power_w[:-1])), abs=1e-4
    )


@pytest.mark.parametrize("build_last", [False, True])
def test_one_message_makes_a_bounded_number_of_frames_and_what_is_left_out_is_told(
    monkeypatch: pytest.MonkeyPatch, build_last: bool
) -> None:
    """A frame_s that is far too short; what comes after it goes on as ever."""
    monkeypatch.setattr(track, "MAX_MESSAGE_FRAMES", 1000)
    short = heard(build(frame_s=1e-4))
    long = heard(parameters(0, [0.02 * k for k in range(100)]))  # 19,800 frames
    after = heard(parameters(1, [1.9802 + 1e-4 * k for k in range(5)], final=True))
    order, windows = run([long, short, after] if build_last else [short, long, after])
    many, rest = windows[:-6], windows[-6:]
    assert [w.index for w in many] == list(range(1000))
    assert rest[0].start_s == pytest.approx(1.98)
    assert (rest[0].index, rest[0].told.kind, rest[0].told.by) == (19_800, "stale", 18_800)
    assert [w.told.kind for w in rest[1:]] == ["ok"] * 5
    assert order.counts().frames_left_out == 18_800
    assert accounted(order)


@settings(max_examples=60)
@given(layers(), st.data())
def test_any_arrival_order_and_duplicates_give_the_same_windows(
    messages: list[Parameters], data: st.DataObject
) -> None:
    _, expected = run([heard(build()), *map(heard, messages)])
    again = data.draw(st.lists(st.sampled_from(messages), max_size=10))
    arrived = data.draw(st.permutations([heard(build()), heard(build()), *map(heard, messages), *map(heard, again)]))
    order, windows = run(list(arrived))
    assert len(windows) == len(expected)
    assert all(same(a, b) for a, b in zip(windows, expected, strict=True))
    assert order.gaps() == []
    assert order.counts().duplicates == len(again) + 1
    assert accounted(order)


def even(n: int, per: float = FRAME_S, **more: object) -> list[Parameters]:
    return [parameters(k, [k * per], final=k == n - 1, **more) for k in range(n)]  # type: ignore[arg-type]


def test_a_missing_message_becomes_a_gap_after_patience_messages() -> None:
    messages = even(100)
    order, windows = run(
        [heard(build()), *(heard(m) for m in messages if m.sequence not in (10, 11))], Order(patience=8)
    )
    (gap,) = order.gaps()
    assert (gap.channel, gap.first_sequence, gap.last_sequence) == ("parameters", 10, 11)
    assert [w.index for w in windows] == list(range(99))
    assert [w.index for w in windows if w.gap] == [9, 10, 11]  # from the sample before to the sample after
    assert order.counts().gaps == 1
    assert accounted(order)


def test_a_missing_message_becomes_a_gap_after_patience_seconds() -> None:
    messages = even(5)
    order, windows = run([heard(build()), *(heard(m) for m in messages if m.sequence != 1)], now_s=100.0)
    assert (order.gaps(), windows, order.counts().waiting) == ([], [], 3)
    assert order.tick(101.9) == []
    assert [w.index for w in order.tick(102.0)] == [0, 1, 2, 3]
    assert order.gaps()[0].noticed_s == 102.0
    order.add(heard(messages[1]), 103.0)
    assert order.counts().late == 1
    assert accounted(order)


def layer(sequence: int) -> Observation:
    return heard(Layer(source="a", sequence=sequence, time_s=float(sequence), build="b", layer=sequence))


def gaps_of(order: Order) -> list[tuple[str, int, int]]:
    return [(gap.channel, gap.first_sequence, gap.last_sequence) for gap in order.gaps()]


def test_a_retained_message_that_never_came_is_a_gap_and_one_that_comes_late_is_none() -> None:
    """A broker that keeps nothing forgets all but the newest of a retained kind."""
    order, _ = run([layer(n) for n in (0, 1, 4, 3, 6)], now_s=100.0)
    assert gaps_of(order) == []
    order.add(layer(5), 101.0)
    order.tick(102.0)
    assert gaps_of(order) == [("layer", 2, 2)]
    assert order.counts().released == 6  # all that came are worth as much as ever
    assert accounted(order)


def test_who_comes_later_misses_no_retained_message() -> None:
    order, _ = run([layer(7), layer(8), heard(build(sequence=3))])
    order.finish(1.0)
    assert gaps_of(order) == []


def test_what_was_retained_while_nobody_listened_is_a_gap_after_what_is_kept() -> None:
    store = FakeStore()
    goodbye = farewell(ded_wall(1)).model_copy(update={"source": "a"})
    hello = State(source="a", sequence=0, time_s=0.0, status="online", origin="replay")
    store.write(Step([layer(0), layer(1), heard(hello), heard(goodbye)]))
    order = Order(kept=store)
    again = [layer(4), heard(hello.model_copy(update={"sequence": 2})), heard(goodbye)]
    for observation in again:
        order.meet(observation)
    run(again, order)
    order.finish(1.0)
    assert gaps_of(order) == [("layer", 2, 3), ("state", 1, 1)]


def test_a_long_gap_is_left_out_rather_than_made_up() -> None:
    messages = [m for m in even(200) if not 20 <= m.sequence < 180]
    order, windows = run([heard(build()), *map(heard, messages)], Order(patience=4))
    assert sum(w.gap for w in windows) <= 1
    assert windows[-1].index == 198
    assert order.counts().frames_left_out + len(windows) == 199
    assert all(w.end_s - w.start_s <= FRAME_S * 1.001 for w in windows)


def test_a_stream_joined_in_the_middle_has_no_gap() -> None:
    messages = even(400)[300:]
    order, windows = run([heard(build(sequence=5)), *map(heard, messages[::-1])], Order(patience=200))
    windows += order.tick(2.0)
    assert order.gaps() == []
    assert [w.index for w in windows] == list(range(99))
    assert windows[0].start_s == messages[0].time_s
    assert accounted(order)


@given(layers(), st.data())
def test_a_restart_goes_on_with_the_same_windows(messages: list[Parameters], data: st.DataObject) -> None:
    """Committed up to anywhere, told again, the rest delivered: with a first layer before, which is not told again."""
    messages = [m.model_copy(update={"sequence": m.sequence + 30, "layer": 1}) for m in messages]
    _, expected = run([heard(build()), *map(heard, messages)], Order(patience=1))
    committed = data.draw(st.integers(1, len(messages)))
    order = Order()
    windows = order.resume(heard(build()), 0.0)
    for message in messages[:committed]:
        windows += order.resume(heard(message), 0.0)
    windows += run([*map(heard, messages[committed - 1 :])], order)[1]
    assert all(same(a, b) for a, b in zip(windows, expected, strict=True))
    assert not any(w.gap for w in windows)
    assert order.gaps() == []


def test_parameters_wait_for_their_build() -> None:
    messages = even(10)
    order, windows = run([*map(heard, messages)])
    assert (windows, order.counts().held) == ([], 10)
    assert len(order.add(heard(build()), 0.0)) == 9
    assert order.counts().held == 0


def test_two_sources_in_one_layer_are_told_once_and_two_machines_are_not() -> None:
    def both(machines: tuple[str, str], layers: tuple[int, int] = (0, 0)) -> list[tuple[str, str]]:
        order = Order()
        for n in range(5):
            for source, machine, layer in zip("ac", machines, layers, strict=True):
                run([heard(build(source=source), machine)] if n == 0 else [], order)
                times = [n * FRAME_S, (n + 1) * FRAME_S]
                run([heard(parameters(n, times, layer=layer, source=source), machine)], order)
        return order.doubled()

    assert both(("m", "m")) == [("m", "a and c both say what the beam does in layer 0 of b")]
    assert both(("m", "n")) == []
    assert both(("m", "m"), (0, 1)) == []


def test_a_build_in_hand_is_remembered_however_many_others_are_said() -> None:
    order, windows = run([heard(build()), heard(parameters(0, [0.0, FRAME_S], final=True))])
    for n in range(3 * MAX_REMEMBERED):
        run([heard(build(sequence=n, name=f"b{n}", source="z"), machine="other")], order)
        windows += run([heard(parameters(n + 1, [0.0, FRAME_S], layer=n + 1, final=True))], order)[1]
    assert len(windows) == 3 * MAX_REMEMBERED + 1
    assert order.counts().held == 0


def test_a_clock_that_steps_back_begins_a_new_segment() -> None:
    first = [parameters(k, [100 + k * FRAME_S]) for k in range(10)]
    second = [parameters(10 + k, [50 + k * FRAME_S], final=k == 9) for k in range(10)]
    order, windows = run([heard(build()), *map(heard, first + second)])
    assert [w.index for w in windows] == list(range(18))
    assert windows[9].start_s == 50.0
    assert all(w.start_s < w.end_s for w in windows)
    assert order.counts().clock_steps == 1


def test_a_new_layer_closes_the_old_one_and_a_repeated_layer_counts_on() -> None:
    messages = [
        parameters(0, [0.0, 0.05], layer=0),
        parameters(1, [1.0, 1.05], layer=1, final=True),
        parameters(2, [2.0, 2.05], layer=0, final=True),
    ]
    _, windows = run([heard(build()), *map(heard, messages)])
    assert [(w.layer, w.index) for w in windows] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (0, 3),
        (0, 4),
        (0, 5),
    ]
    assert windows[2].end_s == 0.05


def test_a_silence_longer_than_any_vector_makes_no_frames() -> None:
    order, windows = run(
        [heard(build()), heard(parameters(0, [0.0, 0.1])), heard(parameters(1, [1e9, 1e9 + 0.1], final=True))]
    )
    assert len(windows) <= 12
    assert order.counts().frames_left_out > 1e9


@given(
    st.lists(st.tuples(st.integers(0, 300), st.floats(-1e10, 1e10), st.booleans()), max_size=60), st.floats(1e-7, 1.0)
)
def test_no_sequence_of_finite_messages_breaks_it(rows: list[tuple[int, float, bool]], frame_s: float) -> None:
    order = Order(patience=5)
    windows = order.add(heard(build(frame_s)), 0.0)
    for now, (sequence, time_s, final) in enumerate(rows):
        windows += order.add(heard(parameters(sequence, [time_s, time_s + frame_s], final=final)), float(now))
        windows += order.tick(float(now))
    windows += order.finish(1e3)
    assert accounted(order)
    assert order.counts().waiting == 0
    assert order.counts().windows == len(windows)
    for window in windows:
        assert window.start_s <= window.end_s
        assert all(np.isfinite(column).all() for column in window.path)


def test_machines_do_not_mix() -> None:
    a = [heard(m, "m1") for m in even(20)]
    b = [heard(m, "m2") for m in even(20, per=0.01, source="z")]
    mixed = [
        heard(build(), "m1"),
        heard(build(source="z"), "m2"),
        *(o for pair in zip(a, b, strict=True) for o in pair),
    ]
    _, windows = run(mixed)
    assert [w.index for w in windows if w.machine == "m1"] == list(range(19))
    assert [w.index for w in windows if w.machine == "m2"] == list(range(10))


def test_pictures_come_out_in_order_once_and_a_missing_one_is_a_gap() -> None:
    pictures = [frame(n, np.full((2, 2), 1000.0 + n, dtype=np.float32)) for n in range(6) if n != 3]
    order, _ = run([heard(p) for p in [*pictures[::-1], *pictures]])
    assert [o.message.sequence for o in order.frames()] == [0, 1, 2]
    assert order.frames() == []
    order.tick(100.0)
    assert [o.message.sequence for o in order.frames()] == [4, 5]
    assert [(g.channel, g.first_sequence, g.last_sequence) for g in order.gaps()] == [("frame/coaxial", 3, 3)]
    assert accounted(order)


def test_a_window_carries_the_newest_pictures_of_its_layer_up_to_its_end() -> None:
    dark = np.zeros((2, 2), dtype=np.float32)
    pictures = [frame(n, dark, time_s=(n + 1) * FRAME_S) for n in range(25)]
    other = frame(0, dark, camera="side", time_s=0.0).model_copy(update={"layer": 7})
    moves = [parameters(n, [n * FRAME_S, (n + 1) * FRAME_S]) for n in range(25)]
    said = [heard(build()), heard(other)]
    for move, picture in zip(moves, pictures, strict=True):
        said += [heard(move), heard(picture)]
    _, windows = run(said)
    for window in windows[:24]:
        told = [picture.sequence for picture in window.frames]
        assert told == list(range(max(0, window.index - 10), window.index)), "that of its own end comes after it"
        assert all(picture.time_s <= window.end_s for picture in window.frames)


def test_pictures_that_nobody_asks_for_are_bounded() -> None:
    order = Order()
    picture = np.zeros((512, 512), dtype=np.float32)
    run([heard(frame(n, picture)) for n in range(100)], order)
    assert [o.message.sequence for o in order.frames()] == list(range(36, 100)), "the newest 64 MiB"


def test_signals_come_out_in_order_once() -> None:
    signals = [
        Signal(
            source="a",
            sequence=k,
            time_s=float(k),
            build="b",
            layer=0,
            name="melt_pool_width_m",
            sample_time_s=[k],
            value=[1e-4],
        )
        for k in range(20)
    ]
    order, _ = run([heard(s) for s in [*signals[::-1], *signals]])
    assert [o.message.sequence for o in order.signals()] == list(range(20))
    assert order.signals() == []


def test_the_newest_publishers_clock_is_kept() -> None:
    messages = [parameters(0, [0.0], sent_s=10.0), parameters(1, [0.05], sent_s=12.0, final=True)]
    _, windows = run([heard(build()), *map(heard, messages)])
    assert {w.sent_s for w in windows} == {12.0}


def test_the_plan_is_the_path_from_the_end_of_the_window() -> None:
    planned = plan(
        0,
        [0.0, 1.0, 1.5],
        [0.0, 0.01, 0.02],
        [0.01, 0.02, 0.03],
        beam_power_w=[360.0, 0.0, 400.0],
        scan_speed_m_per_s=[0.01, 0.02, 0.01],
    )
    order, _ = run([heard(build()), heard(planned)], Order(horizon_frames=24))
    (first, *_, last) = run([heard(m) for m in even(51)], order)[1]
    assert first.plan is not None
    assert (first.plan.time_s[0], first.plan.time_s[-1]) == pytest.approx((FRAME_S, 25 * FRAME_S))
    assert first.plan.x_m == pytest.approx(0.01 * first.plan.time_s)
    assert last.plan is not None  # at 1.0 s: the jump, then the next vector
    assert last.plan.time_s == pytest.approx([1.0, 1.48])
    assert last.plan.beam_power_w[0] == 0.0
    assert last.plan.x_m[-1] == pytest.approx(0.01 + 0.02 * 0.48)


def test_a_later_plan_replaces_an_earlier_one_from_its_start_on() -> None:
    order, _ = run([heard(build()), heard(plan(0, [0.0], [0.0], [0.1])), heard(plan(1, [0.2], [0.002], [-0.1]))])
    windows = run([heard(m) for m in even(12)], order)[1]
    ahead = windows[0].plan
    assert ahead is not None
    assert np.interp([0.1, 0.2, 0.3], ahead.time_s, ahead.x_m) == pytest.approx([0.001, 0.002, 0.001])


def test_between_two_planned_vectors_the_laser_is_off() -> None:
    planned = plan(0, [0.0, 0.5], [0.0, 0.02], [0.002, 0.03])  # the first takes 0.2 s
    order, _ = run([heard(build()), heard(planned)])
    ahead = run([heard(m) for m in even(3)], order)[1][0].plan
    assert ahead is not None
    assert ahead.time_s == pytest.approx([0.02, 0.2, 0.5])
    assert ahead.beam_power_w.tolist() == [360.0, 0.0, 0.0]  # 0.5 s is the end of the horizon
    assert ahead.x_m == pytest.approx([0.0002, 0.002, 0.02])


def test_a_jump_at_the_edge_of_a_frame_parts_the_frames() -> None:
    """The frame that ends there ends at the first sample of that time and holds its own power; the next begins anew."""
    message = parameters(
        0, [0.0, FRAME_S, FRAME_S, 2 * FRAME_S], [0.0, 1.0, 5.0, 6.0], [300.0, 0.0, 400.0, 0.0], final=True
    )
    first, second = run([heard(build()), heard(message)])[1]
    assert first.path.time_s.tolist() == [0.0, FRAME_S]
    assert first.path.x_m.tolist() == [0.0, 1.0]
    assert first.path.beam_power_w.tolist() == [300.0, 300.0]
    assert second.path.time_s.tolist() == [FRAME_S, 2 * FRAME_S]
    assert second.path.x_m.tolist() == [5.0, 6.0]
    assert second.path.beam_power_w.tolist() == [400.0, 400.0]


def test_no_plan_no_path() -> None:
    _, windows = run([heard(build()), *map(heard, even(10))])
    assert all(w.plan is None for w in windows)


def test_five_thousand_messages_a_second_on_one_core() -> None:
    n = 10_000
    observations = [heard(m) for m in even(n, per=FRAME_S / 2)]
    started_s = time.process_time()
    _, windows = run([heard(build()), *observations])
    assert n / (time.process_time() - started_s) > 5_000
    assert len(windows) == math.ceil((n - 1) / 2)


def readings(sequence: int, times_s: list[float], layer: int = 0, name: str = "melt_pool_width_m") -> Signal:
    return Signal(
        source="a", sequence=sequence, time_s=times_s[0], build="b", layer=layer, name=name, sample_time_s=times_s,  # type: ignore[arg-type]
        value=[1e-4 + t * 1e-6 for t in times_s],
    )  # fmt: skip


def handed(windows: list[Window]) -> list[tuple[str, float]]:
    return [(s.name, t) for w in windows for s in w.signals for t in s.time_s.tolist()]


@settings(max_examples=60)
@given(st.data())
def test_each_sample_is_handed_on_once_in_order_whatever_the_order_of_arrival(data: st.DataObject) -> None:
    parts = even(60)
    said = [readings(n, [(4 * n + k) * FRAME_S / 2 for k in range(1, 5)]) for n in range(20)]
    arrived = data.draw(st.permutations([heard(m) for m in (*said, said[3], *parts)]))
    order, windows = run([heard(build()), *arrived])
    windows += order.finish(0.0)
    found = handed(windows)
    every = [t for each in said for t in each.sample_time_s]
    assert [t for _, t in found] == every[: len(found)], "each once, in the order of its stream"
    ends = {t: w.end_s for w in windows for s in w.signals for t in s.time_s.tolist()}
    assert all(t <= end_s for t, end_s in ends.items()), "never with a window that ends before it"
    assert accounted(order)


def test_samples_come_with_the_window_that_ends_after_them() -> None:
    said = [readings(n, [(n + 0.5) * FRAME_S, (n + 1) * FRAME_S]) for n in range(12)]
    _, windows = run([heard(build()), *map(heard, said), *map(heard, even(12))])
    assert [t for _, t in handed(windows)] == [t for each in said[:11] for t in each.sample_time_s]
    for window in windows:
        times = [t for s in window.signals for t in s.time_s.tolist()]
        assert times == [(window.index + 0.5) * FRAME_S, (window.index + 1) * FRAME_S]


def test_samples_of_a_layer_that_ended_come_with_the_next_and_of_another_build_never() -> None:
    first = [parameters(n, [n * FRAME_S], layer=0, final=n == 4) for n in range(5)]
    second = [parameters(5 + n, [1.0 + n * FRAME_S], layer=1) for n in range(4)]
    late = readings(0, [4 * FRAME_S])
    order, windows = run([heard(build()), *map(heard, first), heard(late), *map(heard, second)])
    assert [(w.layer, s.layer) for w in windows for s in w.signals] == [(1, 0)]
    other = [parameters(9 + n, [2.0 + n * FRAME_S], name="c") for n in range(4)]
    stray = readings(1, [1.5])
    _, more = run([heard(build(name="c", sequence=1)), heard(stray), *map(heard, other)], order)
    assert handed(more) == []


def test_signals_that_no_forecast_stands_beside_are_not_held() -> None:
    order, windows = run([heard(build()), heard(readings(0, [0.0], name="oxygen_share")), *map(heard, even(5))])
    assert handed(windows) == []
    assert len(order.signals()) == 1


def test_what_waits_for_its_window_is_bounded() -> None:
    order = Order()
    order.add(heard(build()), 0.0)
    for n in range(20):
        order.add(heard(readings(n, (np.arange(5000) / 5000 + n).tolist())), 0.0)
    windows = run([heard(m) for m in [parameters(0, [0.0]), parameters(1, [100.0], final=True)]], order)[1]
    assert len(handed(windows)) <= MAX_PENDING
