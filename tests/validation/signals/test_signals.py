"""Hidden absorptivity is found on series that the reference made; what real logs say can be said again."""

import numpy as np
import pytest

from deploy.settings import Settings
from deploy.wiring import operator_of
from operators.operator import FakeOperator
from tests.conftest import shared_data
from tests.validation.signals import made, plots, real


@pytest.fixture(scope="module")
def series() -> made.Made:
    """15 % more is absorbed than the rule says, by the reference; forecasts by the shipped operator at the nominal."""
    return made.make(1.15, operator_of(Settings()), frames=300, cells=8)


def test_the_interval_holds_what_the_reference_absorbed(series: made.Made) -> None:
    found = made.coverage(series, seeds=8)
    assert found["covered"] >= 7 / 8
    assert found["identifiable"] == 1.0
    assert abs(found["bias"]) < 0.08
    assert found["spread"] < found["half_width"] < 0.25


def test_a_wrong_width_sensor_is_not_taken_for_the_process(series: made.Made) -> None:
    row, _ = made.estimated(series, 0, scale=1.3)
    assert not row.consistent


def test_a_good_series_raises_nothing(series: made.Made) -> None:
    for seed in range(4):
        _, told = made.estimated(series, seed)
        assert {forecast.outcome.kind for forecast in told} <= {"ok"}


def test_a_log_without_sizes_gives_nothing_to_compare() -> None:
    found = real.forecasts(shared_data("ded_pelican"), FakeOperator(), (0,), 40)
    assert set(found["signals"]) == {"laser_on"}
    assert len(found["told"][0]) == 40
    assert not any(forecast.calibrated for _, forecast in found["told"][0])


def test_ranks_and_shares() -> None:
    x = np.arange(20.0)
    assert real.spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert real.spearman(x, -x) == pytest.approx(-1.0)
    assert real.eta2(np.repeat([1.0, 2.0], 10), np.repeat([0, 1], 10)) == pytest.approx(1.0)
    assert real.eta2(np.tile([1.0, 2.0], 10), np.repeat([0, 1], 10)) == pytest.approx(0.0)


def test_the_picture_is_whole() -> None:
    lines = {name: np.sin(np.arange(50.0)) for name in ("area_base", "area_loop", "control")}
    picture = plots.ammt({"_series": lines})
    assert picture.startswith("<svg")
    assert picture.rstrip().endswith("</svg>")
    assert picture.count("<path") == 3
