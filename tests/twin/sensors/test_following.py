"""The laws of following a machine: what sensors say reaches forecasts as an outcome and, where asked, as heat; never as
a fact that they do not hold."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from operators.operator import FakeOperator
from tests.twin.test_twin import ENVELOPE, FRAME_S, SPEED, advanced, build, twin, window
from twin.forecast import Forecast
from twin.material import material
from twin.observation import Samples, Window
from twin.process import Process
from twin.sensors.calibration import Estimate
from twin.sensors.drift import Shift
from twin.sensors.following import Following, cause
from twin.twin import Place, Twin

WIDTH, LENGTH, DIODE = "melt_pool_width_m", "melt_pool_length_m", "photodiode_v"
A_FRAME = 2


class Answering(FakeOperator):
    """A pool whose sizes go about as the root of what is absorbed."""

    def __init__(self) -> None:
        super().__init__("asno", ENVELOPE)
        x, y, z = self.grid.points
        self._shape = 0.1 / (1 + (x**2 + y**2 + z**2) / 0.04)


PROCESS = Process(material("IN625"), 100e-6, layer_thickness_m=40e-6)


@lru_cache
def _plain(count: int) -> tuple[Forecast, ...]:
    return tuple(advanced(Twin(Answering()), [window(n) for n in range(count)]))


def plain(count: int) -> list[Forecast]:
    """What is forecast without any sensor: the pool is steady, and so is the rest after a while."""
    few = list(_plain(120))
    return few[:count] + [
        replace(few[-1], frame=n, time_s=(n + 1) * FRAME_S, leads=few[-1].leads[:1]) for n in range(120, count)
    ]


def compared(windows: list[Window], size: int = 16, following: Following | None = None) -> list[Forecast]:
    """The forecasts of these windows as the sensors leave them, in steps of so many."""
    of, operator, forecasts, told = following or Following(), Answering(), plain(len(windows)), []
    for first in range(0, len(windows), size):
        places = [Place(w, build(), PROCESS, "", 195.0, SPEED) for w in windows[first : first + size]]
        told += of.compare(places, PROCESS, operator, forecasts[first : first + size])
    return told


def heard(
    forecasts: list[Forecast], seed: int, *, factor: float = 1.0, names: tuple[str, ...] = (WIDTH, LENGTH),
    sd: float = 0.1, steps: dict[str, tuple[int, float]] | None = None,
) -> list[Window]:  # fmt: skip
    """Windows with samples of a machine whose pool is `factor` times what is forecast; `steps`: by signal, from which
    frame on how many times as much."""
    rng = np.random.default_rng(seed)
    told = []
    for n, forecast in enumerate(forecasts):
        pool = forecast.leads[0].melt_pool
        sizes = {WIDTH: pool.width_m, LENGTH: pool.length_m, DIODE: 3e7 * pool.width_m * pool.length_m}
        signals = []
        for name in names:
            at, much = (steps or {}).get(name, (10**9, 1.0))
            values = sizes[name] * factor * (much if n >= at else 1.0) * np.exp(rng.normal(0, sd, A_FRAME))
            times = (n + np.arange(1, A_FRAME + 1) / A_FRAME) * FRAME_S
            signals.append(Samples(name, 1, times, values))  # type: ignore[arg-type]
        told.append(window(n, signals=tuple(signals)))
    return told


def in_steps(of: Twin, windows: list[Window], size: int = 16) -> list[Forecast]:
    return [f for first in range(0, len(windows), size) for f in advanced(of, windows[first : first + size])]


def test_a_drift_is_an_outcome_in_the_users_unit_while_it_stands() -> None:
    told = heard(plain(2400), 0, names=(WIDTH,), steps={WIDTH: (1200, 1.15)})
    told[2000:] = heard(plain(2400), 1, names=(WIDTH,))[2000:]
    found = compared(told)
    kinds = [f.outcome.kind for f in found]
    assert set(kinds[:1200]) == {"ok"}
    first = kinds.index("drift")
    assert first < 1400
    assert set(kinds[first:2000]) == {"drift"}
    assert kinds[-1] == "ok", "it clears"
    outcome = found[1900].outcome
    assert (outcome.which, outcome.unit) == (WIDTH, "um")
    assert outcome.by == pytest.approx(0.15 * found[1900].leads[0].melt_pool.width_m * 1e6, rel=0.25)
    assert found[1900].leads, "what is forecast is still shown"


def test_a_photodiode_of_unknown_scale_drifts_by_a_share() -> None:
    found = compared(heard(plain(1600), 2, names=(DIODE,), steps={DIODE: (800, 0.8)}))
    assert {f.outcome.kind for f in found[:800]} == {"ok"}
    outcome = found[-1].outcome
    assert (outcome.kind, outcome.which, outcome.unit) == ("drift", DIODE, "%")
    assert outcome.by == pytest.approx(-20, abs=5)
    assert not any(f.calibrated for f in found), "it says nothing of how much is absorbed"


def test_a_worse_outcome_is_not_overwritten() -> None:
    told = heard(plain(500), 3, names=(WIDTH,), steps={WIDTH: (300, 1.4)})
    found = in_steps(Twin(Answering()), [*told, window(500, speed=0.01), window(501, gap=True)])
    assert [f.outcome.kind for f in found[-3:]] == ["drift", "outside_envelope", "stale"]


def test_without_being_asked_nothing_is_followed_and_the_estimate_is_told() -> None:
    forecasts = plain(900)
    found = compared(heard(forecasts, 4, factor=1.1))
    rows = [row for f in found for row in f.calibrated]
    assert {row.quantity for row in rows} == {"absorptivity", "beam_diameter_m"}
    assert not any(row.followed for row in rows)
    assert [f.leads for f in found] == [f.leads for f in forecasts]
    assert all(f.absorbed is None for f in found)
    last = [row for row in rows if row.quantity == "absorptivity"][-1]
    assert last.nominal < last.low < last.estimate < last.high <= 1.0


def test_the_twin_follows_and_its_rows_say_with_what() -> None:
    following = Following(("m",))
    mine = Twin(Answering(), following=following)
    forecasts = plain(500)
    found = in_steps(mine, heard(forecasts, 5, factor=1.15))
    last = found[-1]
    assert last.absorbed is not None
    assert last.absorbed.camera_frames == 0
    assert last.absorbed.nominal < last.absorbed.absorptivity <= 1.0
    row = [row for f in found for row in f.calibrated if row.quantity == "absorptivity"][-1]
    assert row.followed
    assert last.leads[0].melt_pool.width_m > 1.05 * forecasts[-1].leads[0].melt_pool.width_m
    assert all(f.outcome.kind == "ok" for f in found), "that it follows is no drift"


def test_no_more_than_all_is_absorbed() -> None:
    following = Following(("*",), lambda machine, build: Estimate(2.9, 2.8, 3.0, identifiable=True))
    mine = twin(following=following)
    in_steps(mine, [window(n) for n in range(40)])
    found = in_steps(mine, [window(n) for n in range(40, 60)])
    assert all(f.absorbed is not None and f.absorbed.absorptivity <= 1.0 for f in found)


def test_what_an_earlier_run_knew_holds_from_the_second_step_on() -> None:
    asked = []

    def remembered(machine: str, build: str) -> Estimate:
        asked.append((machine, build))
        return Estimate(1.1, 1.05, 1.15, identifiable=True)

    mine = Twin(FakeOperator("asno", ENVELOPE), following=Following(("*",), remembered))
    found = in_steps(mine, [window(n) for n in range(64)])
    assert asked == [("m", "b")]
    assert found[-1].absorbed is not None
    assert found[-1].absorbed.absorptivity / found[-1].absorbed.nominal == pytest.approx(1.1)


def test_sensors_that_contradict_are_not_followed() -> None:
    forecasts = plain(1600)
    told = heard(forecasts, 6, names=(WIDTH, LENGTH), steps={WIDTH: (0, 1.5), LENGTH: (0, 0.7)})
    found = compared(told, following=Following(("*",)))
    rows = [row for f in found for row in f.calibrated if row.quantity == "absorptivity"]
    assert not rows[-1].consistent
    assert not rows[-1].followed


def test_how_windows_come_in_steps_changes_nothing_that_is_told() -> None:
    told = heard(plain(700), 7, steps={WIDTH: (400, 1.3)})
    one, many = compared(told, 1), compared(told, 100)
    for a, b in zip(one, many, strict=True):
        assert (a.outcome, a.calibrated) == (b.outcome, b.calibrated)


def test_late_samples_are_paired_by_their_time() -> None:
    told = heard(plain(900), 8, factor=1.1)
    late = [replace(w, signals=told[n - 40].signals if n >= 40 else ()) for n, w in enumerate(told)]
    on_time, behind = (
        [row.estimate for f in compared(each) for row in f.calibrated if row.quantity == "absorptivity"]
        for each in (told, late)
    )
    assert behind == pytest.approx(on_time[: len(behind)], rel=1e-6)


def test_a_frozen_sensor_is_an_alert_that_clears_and_feeds_nothing() -> None:
    told = heard(plain(500), 9, names=(WIDTH,))
    frozen = told[200].signals[0].value[-1]
    for n in range(201, 260):
        (width,) = told[n].signals
        told[n] = replace(told[n], signals=(width._replace(value=np.full(A_FRAME, frozen)),))
    mine, constant = twin(), build()
    alerts = [
        (n, a) for n in range(0, 500, 10)
        for a in mine.advance(told[n : n + 10], lambda m, b: constant, float(n))[1] if a.kind == f"sensor_{WIDTH}"
    ]  # fmt: skip
    raised = [n for n, a in alerts if a.raised]
    assert len(raised) == 1
    assert 200 < raised[0] < 240
    assert "the same value for" in alerts[1][1].evidence
    assert alerts[-1][1].cleared_s is not None


def test_the_operator_that_sees_the_camera_is_left_alone() -> None:
    class Inferring(Answering):
        def step(self, tasks):  # type: ignore[no-untyped-def]
            return [[replace(look, absorbs=1.2, pictures=3) for look in looks] for looks in super().step(tasks)]

    following = Following(("*",), lambda m, b: Estimate(1.5, 1.4, 1.6, identifiable=True))
    mine = Twin(Inferring(), following=following)
    found = in_steps(mine, heard(plain(300), 10, factor=1.2))
    assert all(f.absorbed is not None and f.absorbed.camera_frames == 3 for f in found)
    assert not any(row.followed for f in found for row in f.calibrated)


@pytest.mark.parametrize(
    ("shifts", "says"),
    [
        ({WIDTH: 0.04, LENGTH: 0.09}, "process"),
        ({WIDTH: 0.09, LENGTH: 0.0}, "sensor"),
        ({WIDTH: 0.04}, "either"),
    ],
)
def test_one_change_of_what_is_absorbed_moves_all_signals_together(shifts: dict[str, float], says: str) -> None:
    told = {name: Shift(log, 0.01, 8) for name, log in shifts.items()}
    assert cause(told, {WIDTH: 0.4, LENGTH: 0.9}) == says


def test_a_second_opinion_hears_no_sensor() -> None:
    told = heard(plain(300), 11, steps={WIDTH: (200, 2.0)})
    found = in_steps(twin(opinion="other"), told)
    assert {f.outcome.kind for f in found} == {"ok"}
    assert not any(f.calibrated for f in found)
