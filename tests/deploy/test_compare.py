"""Two operators on one build: what is compared is what both said, and against what was observed."""

from types import SimpleNamespace
from typing import Any

import pytest

from deploy.advance import Opinions
from deploy.compare import compared, told
from deploy.report import Tally
from tests.contracts import store_cases as case
from twin.clock import FakeClock
from twin.forecast import MeltPool, Outcome
from twin.observation import Signal
from twin.store.fake.store import FakeStore
from twin.store.port import Step, Written

FRAME_S = 62.5e-6


def pool(width_m: float) -> MeltPool:
    return MeltPool(4 * width_m, width_m, 0.5 * width_m)


def forecasts(width_m: float, frames: int = 8, **fields: Any) -> list[Any]:
    return [
        case.forecast(
            n, time_s=n * FRAME_S, lead_count=0,
            leads=tuple(case.lead(k * FRAME_S, n * FRAME_S, pool(width_m)) for k in range(2)), **fields,
        )
        for n in range(frames)
    ]  # fmt: skip


def run(first: list[Any], second: list[Any], observed_m: float | None) -> list[dict[str, Any]]:
    store, tally = FakeStore(), Tally()
    signals = []
    if observed_m is not None:
        times = [n * FRAME_S for n in range(20)]
        signals = [
            Signal(
                source="m1", sequence=0, time_s=0.0, build="b1", layer=1, name="melt_pool_width_m",
                sample_time_s=times, value=[observed_m] * len(times),
            )
        ]  # fmt: skip
    observations = [case.heard(message) for message in (case.state(), case.build(), *signals)]
    store.write(Step(observations, forecasts=first + second, received_s=1.0))
    tally.add([], first + second, Written(), 1.0)
    clock = FakeClock()

    def slow(took_s: float) -> Any:
        def advance(windows: Any, context_of: Any, now_s: float) -> tuple[list[Any], list[Any]]:
            clock.sleep_s(took_s)
            return [], []

        return advance

    both = Opinions({"": slow(0.01), "second": slow(0.03)}, clock)
    both([None] * 4, None, 0.0)  # type: ignore[list-item, arg-type]
    return compared(store, SimpleNamespace(tally=tally, advance=both))  # type: ignore[arg-type]


def test_the_difference_is_that_of_sizes_that_both_have() -> None:
    late = Outcome("stale", "parameters missing", 1.0, "s")
    row = run(forecasts(100e-6), forecasts(110e-6, 6, opinion="second", outcome=late), observed_m=100e-6)[0]
    assert (row["operators"], row["frames"], row["sizes"]) == (["reference", "second"], 6, 12)
    assert row["difference"]["width_m"]["median_m"] == pytest.approx(10e-6)
    assert row["difference"]["length_m"]["p95_m"] == pytest.approx(40e-6)
    assert row["difference"]["depth_m"]["median_share"] == pytest.approx(1 / 11)
    assert row["outcomes"] == {"reference": {"ok": 8}, "second": {"stale": 6}}
    assert row["forecast_ms"] == {"reference": pytest.approx(2.5, rel=1e-3), "second": pytest.approx(7.5, rel=1e-3)}
    assert [lead["lead"] for lead in row["observed_width"]] == [0, 1]
    for lead in row["observed_width"]:
        assert lead["error"] == {"reference": pytest.approx(0, abs=1e-9), "second": pytest.approx(0.1)}
    text = "\n".join(told(row))
    assert "width: differ by 10.0 µm" in text
    assert "7.50 ms a frame" in text


def test_without_a_second_opinion_or_readings_nothing_is_made_up() -> None:
    assert run(forecasts(1e-4), [], observed_m=None) == []
    row = run(forecasts(0.0), forecasts(0.0, opinion="second"), observed_m=None)[0]
    assert row["observed_width"] == []
    assert row["difference"]["width_m"] is None, "nothing was molten"
    assert "nothing molten" in "\n".join(told(row))
