"""Defects: which pools of a build are judged, against what, and what a good build is spared."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from operators.operator import FakeOperator, Look, Task
from tests.contracts import store_cases as case
from tests.twin.test_twin import SPEED, build, twin, window
from twin.alarms.defects import Defects
from twin.alarms.risks import NEWEST, SETTLED, TURN
from twin.alarms.steady import steady_pool
from twin.forecast import Absorbed, Band, Forecast, MeltPool
from twin.material import material
from twin.observation import Build
from twin.process import Process

GOOD = MeltPool(780e-6, 133e-6, 91e-6)
HATCHED = build(hatch_spacing_m=90e-6)


def seen(frame: int, pool: MeltPool = GOOD, power_w: float = 195.0, **fields: Any) -> Forecast:
    lead = case.lead(0.0, 0.0, pool)
    lead = type(lead)(**(vars(lead) | {"beam_power_w": power_w}))
    return case.forecast(frame, leads=(lead,), laser_on=power_w > 0, **fields)


def found(of: Defects, frames: list[Forecast], constant: Build = HATCHED) -> list[set[str]]:
    """Kinds that are at their limit, frame by frame."""
    return [{risk.kind for risk in of.of(each, constant) if risk.share >= 1} for each in frames]


def asked(answer: MeltPool | None = GOOD) -> tuple[Defects, list[float]]:
    calls: list[float] = []

    def steady(forecast: Forecast, constant: Build, absorbs: float) -> MeltPool | None:
        calls.append(absorbs)
        return answer

    return Defects(steady), calls


def test_a_good_hatch_is_spared_also_at_its_turns() -> None:
    """Pools that begin anew at each vector, with the scatter of measured tracks about a good mean."""
    of, calls = asked()
    rng, told = np.random.default_rng(0), []
    for frame in range(2000):
        grown = min((frame % 50 + 1) / 5, 1.0)
        pool = MeltPool(*(size * grown * (1 + 0.03 * rng.standard_normal()) for size in vars(GOOD).values()))
        told += found(of, [seen(frame, pool)])
    assert set().union(*told) == set()
    assert len(calls) == 1, "the steady pool is asked for once"


def test_lack_of_fusion_wants_a_hatch_spacing_and_settled_pools() -> None:
    thin = [seen(n, MeltPool(500e-6, 95e-6, 40e-6)) for n in range(2 * NEWEST)]
    told = found(asked(None)[0], thin)
    assert next(n for n, kinds in enumerate(told) if "lack_of_fusion" in kinds) == SETTLED - 1
    assert set().union(*found(asked(None)[0], thin, build())) == set()


def test_a_band_that_reaches_lower_than_tracks_scatter_is_heard() -> None:
    low = MeltPool(600e-6, 95e-6, 50e-6)
    banded = [seen(n) for n in range(2 * SETTLED)]
    banded = [replace(f, leads=(replace(f.leads[0], band=Band(low, GOOD, 0.9)),)) for f in banded]
    assert "lack_of_fusion" in found(asked()[0], banded)[-1]
    assert "lack_of_fusion" not in found(asked()[0], [*banded[:-1], seen(99)])[-1], "one without a band: none is known"


def test_what_lies_back_is_forgotten() -> None:
    of, _ = asked(None)
    found(of, [seen(n, MeltPool(500e-6, 95e-6, 40e-6)) for n in range(300)])
    told = found(of, [seen(300 + n) for n in range(NEWEST)])
    assert "lack_of_fusion" in told[0]
    assert told[-1] == set()


def test_frames_without_laser_or_numbers_are_not_judged() -> None:
    of, calls = asked()
    dark = [seen(n, MeltPool(0.0, 0.0, 0.0), power_w=0.0) for n in range(100)]
    withheld = [case.forecast(n, leads=()) for n in range(100)]
    assert set().union(*found(of, dark), *found(of, withheld)) == set()
    assert calls == []


def test_overheating_is_judged_at_nominal_power_and_wants_more_than_a_moment() -> None:
    hot = MeltPool(900e-6, 165e-6, 140e-6)
    of, _ = asked()
    told = found(of, [seen(n) for n in range(20)] + [seen(20 + n, hot) for n in range(TURN)])
    assert [n for n, kinds in enumerate(told) if "overheating" in kinds] == list(range(20 + TURN // 2, 20 + TURN))
    of, _ = asked()
    assert set().union(*found(of, [seen(n, hot, power_w=240.0) for n in range(50)])) == set()
    of, _ = asked(None)
    assert set().union(*found(of, [seen(n, hot) for n in range(50)])) == set()


def test_the_steady_pool_takes_up_what_the_metal_is_seen_to_absorb() -> None:
    of, calls = asked()
    for n in range(60):
        found(of, [seen(n, absorbed=Absorbed(0.5 * (1.0 if n < 30 else 1.2), 0.5, 3))])
    assert calls == [1.0, pytest.approx(1.2)]


def test_a_keyhole_is_told_where_there_are_no_sizes() -> None:
    of, _ = asked()
    (risk,) = of.of(case.forecast(0, leads=(), regime="keyhole", keyhole_number=9.0), HATCHED)
    assert risk.kind == "keyhole"


def test_builds_and_machines_share_nothing() -> None:
    of, _ = asked(None)
    thin = MeltPool(500e-6, 95e-6, 40e-6)
    for n in range(40):
        found(of, [seen(n, thin)])
    assert found(of, [seen(0, machine="m2")]) == [set()]
    assert found(of, [seen(0, name="b2")]) == [set()]


def test_the_twin_holds_pools_against_its_own_operators_steady_one() -> None:
    """By its own, a beam of nominal power is as it should be; by one that sees less heat on a cold plate it is not."""
    mine = twin(operator=FakeOperator("asno"), fallback=None)
    told = [alert for n in range(30) for alert in mine.advance([window(n)], lambda m, b: build(), float(n))[1]]
    assert "overheating" not in {alert.kind for alert in told}
    narrow = Narrow("asno")
    mine = twin(operator=narrow, fallback=None)
    told = [alert for n in range(30) for alert in mine.advance([window(n)], lambda m, b: build(), float(n))[1]]
    assert [alert.severity for alert in told if alert.kind == "overheating"][:1] == ["low"]
    assert narrow.asked == 1


class Narrow(FakeOperator):
    """Sees half the heat on a cold plate of what it sees in the build."""

    asked = 0

    def step(self, tasks: list[Task]) -> list[list[Look]]:
        self.asked += sum(task.stream.name == "steady" for task in tasks)
        return [
            [replace(look, theta=look.theta * (0.5 if task.stream.name == "steady" else 1.0)) for look in looks]
            for task, looks in zip(tasks, super().step(tasks), strict=True)
        ]


IN625 = Process(material("IN625"), 100e-6)


def test_a_steady_pool_leaves_nothing_behind_and_is_the_same_each_time() -> None:
    operator = FakeOperator("asno")
    process = IN625
    first = steady_pool(operator, process, 195.0, SPEED)
    operator.step([])
    assert steady_pool(operator, process, 195.0, SPEED) == first
    assert operator.forgotten == ["steady", "steady"]
    hotter = steady_pool(operator, process, 195.0, SPEED, absorbs=1.3)
    assert hotter is not None
    assert first is not None
    assert hotter.width_m > first.width_m
