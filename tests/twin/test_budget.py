"""The laws of the fallback's budget: it serves while it keeps up; past that nothing is faked, and every row says so."""

import pytest

from operators.operator import FakeOperator, Look, Task
from tests.twin.test_twin import FRAME_S, advanced, build, twin, window
from twin.budget import Budget
from twin.clock import FakeClock
from twin.forecast import Forecast
from twin.twin import SLOW, Twin


class Slow(FakeOperator):
    """An operator whose every step takes so long by a clock."""

    def __init__(self, clock: FakeClock, step_s: float) -> None:
        super().__init__("reference")
        self._clock, self._step_s, self.steps = clock, step_s, 0

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        self.steps += 1
        self._clock.sleep_s(self._step_s)
        return super().step(tasks)


PLANNED = build(nominal_beam_power_w=5000.0)


def run(
    step_s: float, frames: int, *, share: float = 0.5, patience_s: float = 2.0
) -> tuple[list[Forecast], Slow, Twin]:
    """One window a second is sent; the twin takes it as soon as it is through with the one before."""
    clock = FakeClock()
    slow = Slow(clock, step_s)
    mine = twin(fallback=slow, budget=Budget(clock, share, patience_s))
    found = []
    for n in range(frames):
        clock.sleep_s(max(n - clock.now_s(), 0.0))
        each = window(n, power_w=5000.0, sent_s=float(n))
        found += advanced(mine, [each], PLANNED, clock.now_s())
    return found, slow, mine


def test_a_fallback_that_keeps_up_forecasts_every_window() -> None:
    found, slow, _ = run(0.3, 30)
    assert {f.outcome.kind for f in found} == {"outside_envelope"}
    assert all(f.leads for f in found)
    assert {f.evidence.split(", trained up to ")[0] for f in found} == {"beam power 5,000 W"}
    assert slow.steps == 30


def test_one_that_cannot_is_given_up_for_the_layer_and_no_row_is_faked() -> None:
    found, slow, mine = run(1.5, 20)
    kinds = [f.outcome.kind for f in found]
    first = kinds.index("too_slow")
    assert 0 < first < 10, "windows grow old by half a second each, and two are tolerated"
    assert set(kinds[:first]) == {"outside_envelope"}
    assert set(kinds[first:]) == {"too_slow"}
    for late in found[first:]:
        assert late.leads == () == late.fields
        assert (late.operator, late.outcome.unit, late.evidence) == ("reference", "s", SLOW)
    assert found[first].outcome.by == pytest.approx(2.5), "how old the window is"
    assert slow.steps == first, "nothing more is spent on it"
    assert slow.forgotten == ["m/b/1"]
    again = advanced(mine, [window(0, layer=2, power_w=5000.0, sent_s=100.0)], PLANNED, 100.0)
    assert (again[0].outcome.kind, len(again[0].leads)) == ("outside_envelope", 4), "the next layer begins anew"


def test_old_data_are_not_its_fault_as_long_as_it_takes_its_share_only() -> None:
    clock = FakeClock(100.0)
    slow = Slow(clock, 0.1)
    mine = twin(fallback=slow, budget=Budget(clock))
    found = []
    for n in range(5):
        found += advanced(mine, [window(n, power_w=5000.0, sent_s=float(n))], PLANNED, clock.now_s())
        clock.sleep_s(1.0)
    assert {f.outcome.kind for f in found} == {"outside_envelope"}
    assert all(f.leads for f in found)


def test_what_was_sent_without_a_clock_is_never_late() -> None:
    clock = FakeClock()
    mine = twin(fallback=Slow(clock, 60.0), budget=Budget(clock))
    found = [
        f for n in range(4) for f in advanced(mine, [window(n, power_w=5000.0)], PLANNED, clock.now_s())
    ]  # fmt: skip
    assert all(f.leads for f in found)


def test_the_reference_as_a_machines_own_operator_has_no_budget() -> None:
    clock = FakeClock()
    slow = Slow(clock, 10.0)
    mine = twin(operator=slow, fallback=slow, budget=Budget(clock))
    found = []
    for n in range(5):
        found += advanced(mine, [window(n, sent_s=n * FRAME_S)], None, clock.now_s())
    assert [f.outcome.kind for f in found] == ["ok"] * 5
