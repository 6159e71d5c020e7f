"""Births: a source that counts from 0 again is a new life: nothing of it is a duplicate, a conflict or a gap."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.births import Births
from ingest.order import Order
from ingest.source import FakeSource
from tests.deploy.test_waits import run_loop
from tests.ingest.said import build, heard, parameters
from twin.clock import FakeClock
from twin.observation import Message, Observation, Signal, State, Window
from twin.store.fake.store import FakeStore
from twin.store.port import Step

FRAME_S = 0.02


def life(count: int, at_m: float, start_s: float = 0.0) -> list[Message]:
    """Parameters from sequence 0 on, at a place of their own."""
    times = [start_s + n * FRAME_S for n in range(count)]
    return [parameters(n, [time_s], [at_m + time_s], final=n == count - 1) for n, time_s in enumerate(times)]


def online(sequence: int = 0, **fields: Any) -> State:
    return State(source="a", sequence=sequence, time_s=0.0, status="online", **fields)


def placed(births: Births, messages: list[Message]) -> list[Observation]:
    return [births.place(heard(message), 1.0) for message in messages]


def lives(observations: list[Observation]) -> list[int]:
    return [observation.birth for observation in observations]


def committed(store: FakeStore, messages: list[Message], births: Births | None = None) -> list[Observation]:
    said = placed(births or Births(store), messages)
    store.write(Step(said, births=(births.noticed() if births else []), received_s=1.0))
    return said


def test_a_source_is_in_its_first_life_until_it_begins_anew() -> None:
    births = Births()
    assert set(lives(placed(births, [online(), build(), *life(300, 0.0)]))) == {0}
    assert births.noticed() == []


@pytest.mark.parametrize("again", [online(note="after a power cut"), online(birth=7), online(1, birth=7)])
def test_a_state_that_says_something_else_begins_a_life(again: State) -> None:
    births = Births()
    placed(births, [online(birth=6) if again.birth else online(), *life(100, 0.0)])
    after = placed(births, [again, *life(100, 0.5)])
    assert set(lives(after)) == {1}
    (birth,) = births.noticed()
    assert (birth.source, birth.birth, birth.channel) == ("a", 1, "state")
    assert {observation.source for observation in after} == {"a#1"}


def test_parameters_that_begin_anew_without_a_word_begin_a_life() -> None:
    births = Births()
    placed(births, [online(), build(), *life(100, 0.0)])
    assert set(lives(placed(births, life(100, 0.5)))) == {1}
    assert births.noticed()[0].reason == "parameters had come to 99 and began again at 0"


def test_a_state_of_the_same_birth_is_no_new_life() -> None:
    births = Births()
    assert set(lives(placed(births, [online(birth=3), online(1, birth=3), online(0, birth=3, note="again")]))) == {0}


def test_a_redelivery_and_a_file_said_again_are_no_new_life() -> None:
    births = Births()
    told: list[Message] = [online(), build(), *life(100, 0.0)]
    placed(births, told)
    again = [message.model_copy(update={"sent_s": 99.0}) for message in told]
    assert set(lives(placed(births, again))) == {0}
    assert births.noticed() == []


def test_what_is_left_of_an_old_life_stays_in_it() -> None:
    births = Births()
    old = life(200, 0.0)
    placed(births, [online(), *old[:150]])
    placed(births, [online(note="b"), *life(20, 0.5)[:10]])
    assert lives(placed(births, [old[3], old[150], online()])) == [0, 0, 0]
    assert lives(placed(births, life(20, 0.5)[10:])) == [1] * 10


def test_other_content_in_the_middle_is_a_conflict_and_no_life() -> None:
    births = Births()
    placed(births, [online(), *life(100, 0.0)])
    assert lives(placed(births, [life(100, 0.7)[50]])) == [0]
    assert births.noticed() == []


@pytest.mark.parametrize("restarted", [False, True])
def test_lives_are_known_after_a_restart_of_the_twin(restarted: bool) -> None:
    store = FakeStore()
    births = Births(store)
    committed(store, [online(), *life(100, 0.0)], births)
    second: list[Message] = [online(note="b"), *life(100, 0.5)]
    committed(store, second[:50], births)
    later = Births(store) if restarted else births
    assert set(lives(placed(later, second))) == {1}
    assert lives(placed(later, [life(100, 0.0)[2], online()])) == [0, 0]
    assert later.noticed() == []


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(20, 40), min_size=1, max_size=3), st.booleans())
def test_every_life_is_whole_in_store_and_windows(counts: list[int], says_so: bool) -> None:
    """Any number of restarts of a machine in one layer: each message once, frames count on, no gap, no conflict."""
    told: list[Message] = [online(), build()]
    for number, count in enumerate(counts):
        told += [online(note=f"life {number}")] if says_so and number else []
        told += [m.model_copy(update={"final": False}) for m in life(count, float(number), 10.0 * number)]
    payloads = [(f"meltwin/v1/hall/m/{m.kind}", m.model_dump_json().encode()) for m in told]  # type: ignore[attr-defined]
    store = FakeStore()
    source = FakeSource(payloads * 2)
    run = run_loop(source, store, FakeClock(5.0))
    while run.turn() or not source.exhausted:
        pass
    run.finish()
    kept = store.counts()
    assert (kept["observations"], kept["duplicates"]) == (len(told), len(told))
    assert (kept["gaps"], kept["conflicts"], kept["births"]) == (0, 0, len(counts) - 1)
    assert run.tally.windows == sum(counts) - len(counts)
    assert sorted(store.melt_pool("m")["frame"]) == list(range(sum(counts) - len(counts)))


def told(machine: str, count: int, first: int = 0, source: str = "a") -> list[Observation]:
    """What a machine says that numbers its own: as every other says it, but for the place of its beam."""
    head = [online(), build(FRAME_S, source=source)] if first == 0 else []
    at = first + len(machine)
    body = [parameters(n, [n * FRAME_S, (n + 1) * FRAME_S], [at, at + 1.0]) for n in range(first, first + count)]
    return [heard(message, machine) for message in [*head, *body]]


def taken(store: FakeStore, births: Births, order: Order, said: list[Observation]) -> list[Window]:
    """As the run loop takes them: placed, put in order, committed."""
    placed = [births.place(each, 1.0) for each in said]
    windows = [window for each in placed for window in order.add(each, 1.0)]
    store.write(Step(placed, births=births.noticed(), gaps=order.gaps(), received_s=1.0))
    return windows


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_two_machines_that_say_one_name_and_count_for_themselves_are_both_whole(
    together: bool, restarted: bool
) -> None:
    store = FakeStore()
    births, order = Births(store), Order(kept=store)
    one, two = told("m1", 100), told("machine2", 100)
    said = [each for pair in zip(one, two, strict=True) for each in pair] if together else one + two
    windows = taken(store, births, order, said[:120])
    if restarted:
        births = Births(store)
    windows += taken(store, births, order, said[120:])
    windows += order.finish(9.0)
    for machine in ("m1", "machine2"):
        assert [w.index for w in windows if w.machine == machine] == list(range(100))
        assert not any(w.gap for w in windows if w.machine == machine)
        assert store.gaps(machine).empty
    assert (store.counts()["observations"], store.counts()["duplicates"]) == (204, 0)
    (birth,) = store.lives("machine2").to_dict("records")
    assert (birth["source"], birth["birth"]) == ("a@machine2", 1)
    assert birth["reason"] == "m1 said state 0 as a before, so machine2 counts for itself"
    assert store.lives("m1").empty
    again = [births.place(each, 2.0) for each in said]
    store.write(Step(again, births=births.noticed(), received_s=2.0))
    assert store.counts()["duplicates"] == 204, "a redelivery changes nothing"


def test_a_gateway_that_numbers_two_machines_is_one_source() -> None:
    store = FakeStore()
    births, order = Births(store), Order(kept=store)
    head = [heard(online(), "m1"), heard(online(1), "m2"), heard(build(FRAME_S), "m1")]
    head.append(heard(build(FRAME_S, sequence=1), "m2"))
    body = [
        heard(parameters(n, [n * FRAME_S, (n + 1) * FRAME_S]), f"m{1 + n % 2}") for n in range(300) if n not in (7, 150)
    ]
    body[20:24] = body[20:24][::-1]
    for first in range(0, 300, 50):
        taken(store, births, order, (head + body)[first : first + 50] + body[max(first - 60, 0) : first - 40])
        births = Births(store) if first == 150 else births
    taken(store, births, order, (head + body)[300:])
    assert {o.source for _, o in store._observations.values()} == {"a"}
    assert (store.lives("m1").empty, store.lives("m2").empty) == (True, True)
    assert len(store.gaps("m1")) + len(store.gaps("m2")) == 2


def test_a_machine_whose_count_is_far_behind_anothers_under_one_name_counts_for_itself() -> None:
    """No sequence of the two is the same yet."""
    store = FakeStore()
    births, order = Births(store), Order(kept=store)
    taken(store, births, order, told("m1", 10, first=5000))
    taken(store, births, order, told("m2", 10, first=100))
    assert store.lives("m2")["source"].tolist() == ["a@m2"]
    assert store.lives("m1").empty


def test_a_machine_that_counts_for_itself_begins_anew_as_any_other() -> None:
    store = FakeStore()
    births, order = Births(store), Order(kept=store)
    taken(store, births, order, told("m1", 20) + told("m2", 20))
    anew = [heard(online(note="again"), "m2"), *told("m2", 20)[1:2], *told("m2", 20, first=0)[2:]]
    anew[2:] = [heard(parameters(n, [n * FRAME_S, n * FRAME_S + 0.01], [9.0, 9.5]), "m2") for n in range(20)]
    windows = taken(store, births, order, anew)
    assert len(windows) >= 18
    assert store.lives("m2")["birth"].tolist() == [2, 1]
    assert {o.source for _, o in store._observations.values()} == {"a", "a@m2#1", "a@m2#2"}


def test_a_layer_said_again_after_a_restart_of_the_twin_counts_its_frames_on() -> None:
    first: list[Message] = [online(), build(), *life(30, 0.0)]
    second: list[Message] = [online(note="b"), *life(30, 0.5, 10.0)]
    store = FakeStore()
    for part in (first, second):
        told = [(f"meltwin/v1/hall/m/{m.kind}", m.model_dump_json().encode()) for m in part]  # type: ignore[attr-defined]
        if part is second:
            told.insert(0, ("meltwin/v1/hall/m/build", build().model_dump_json().encode()))
        source = FakeSource(told)
        run = run_loop(source, store, FakeClock(5.0))
        run.resume()
        while run.turn() or not source.exhausted:
            pass
    assert [row[0] for row in frames_of(store)] == list(range(58))


def frames_of(store: FakeStore) -> list[tuple[int]]:
    return sorted(store.melt_pool("m")[["frame"]].itertuples(index=False, name=None))


def test_the_first_signal_after_a_restart_of_the_twin_is_no_gap() -> None:
    def signal(n: int) -> Signal:
        return Signal(
            source="a", sequence=n, time_s=n, build="b", layer=0, name="melt_pool_width_m", sample_time_s=[n],
            value=[1e-4],
        )  # fmt: skip

    store = FakeStore()
    committed(store, [online(), build(), *map(signal, range(40))])
    order = Order(kept=store)
    for n in (40, 41):
        order.add(heard(signal(n)), 1.0)
    order.tick(100.0)
    assert order.gaps() == []
    assert [o.message.sequence for o in order.signals()] == [40, 41]


def test_what_another_process_committed_is_no_gap() -> None:
    store, told = FakeStore(), life(40, 0.0)
    order = Order(patience=4, kept=store)
    windows: list[Window] = order.add(heard(build()), 0.0)
    for number, message in enumerate(told):
        if 10 <= number < 20:
            store.write(Step([heard(message)], received_s=1.0))
        else:
            windows += order.add(heard(message), 0.0)
    assert order.gaps() == []
    assert [w.index for w in windows] == list(range(39))
    assert not any(w.gap for w in windows)
    counts = order.counts()
    assert counts.found == 10
    assert counts.received + counts.found == counts.released + counts.duplicates + counts.late + counts.waiting
