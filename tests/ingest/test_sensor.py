"""The simulated sensor scatters as measured: mean 145.7 um, sd 15.8 um, decorrelated (1/e) in 42 us."""

from pathlib import Path

import numpy as np
import pytest

from ingest.machines.sensor import RELATIVE_SD, MeltPoolSensor, decorrelation_s

MEAN_M, SD_M, DECORRELATED_S, STEP_S = 145.7e-6, 15.8e-6, 42e-6, 1.6294e-7  # CMU KiltHub 25696293
MEASURED = Path(__file__).parents[3] / "shared" / "data" / "lpbf_raptor_widths" / "ULI_v1700_theta0_widths.txt"


def decorrelated_s(width_m: np.ndarray, step_s: float) -> float:
    """The lag at which the autocorrelation falls below 1/e."""
    scatter = width_m - width_m.mean()
    spectrum = np.abs(np.fft.rfft(scatter, 2 * len(scatter))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(scatter)]
    return float(np.argmax(correlation < correlation[0] / np.e) * step_s)


def read(count: int, step_s: float, seed: int = 0) -> np.ndarray:
    sensor = MeltPoolSensor(np.random.default_rng(seed), lag_s=1e-9, tau_s=DECORRELATED_S)
    return np.array([sensor.read(MEAN_M, step_s) for _ in range(count)])


def test_scatter_is_the_published_one() -> None:
    width_m = read(200_000, STEP_S * 4)
    assert width_m.mean() == pytest.approx(MEAN_M, rel=0.01)
    assert width_m.std() == pytest.approx(SD_M, rel=0.05)
    assert decorrelated_s(width_m, STEP_S * 4) == pytest.approx(DECORRELATED_S, rel=0.1)
    assert (width_m > 0).all()


def test_the_published_figures_are_those_of_the_data() -> None:
    if not MEASURED.exists():
        pytest.skip("the measured track widths are not here (shared/data/lpbf_raptor_widths)")
    time_s, width_m = np.loadtxt(MEASURED, delimiter=",").T
    assert width_m.mean() == pytest.approx(MEAN_M, rel=0.01)
    assert width_m.std() == pytest.approx(SD_M, rel=0.01)
    assert decorrelated_s(width_m, float(np.median(np.diff(time_s)))) == pytest.approx(DECORRELATED_S, rel=0.02)


def test_scatter_does_not_depend_on_how_often_one_reads() -> None:
    often, seldom = read(200_000, 2e-6)[::10], read(20_000, 20e-6, seed=1)
    assert often.std() == pytest.approx(seldom.std(), rel=0.05)
    assert decorrelated_s(often, 20e-6) == decorrelated_s(seldom, 20e-6)


def test_decorrelation_goes_with_travel_and_spot() -> None:
    assert decorrelation_s(100e-6, 1.7) == pytest.approx(42e-6, rel=0.02)
    assert decorrelation_s(800e-6, 0.01) == pytest.approx(8 * 72e-6 / 0.01)


def test_the_mean_follows_the_set_point_with_its_lag() -> None:
    sensor = MeltPoolSensor(np.random.default_rng(0), lag_s=0.1, tau_s=0.01, relative_sd=0.0)
    readings = [sensor.read(1e-3, 0.01) for _ in range(10)]
    assert readings[-1] == pytest.approx(1e-3 * (1 - np.exp(-1)))
    assert pytest.approx(15.8 / 145.7) == RELATIVE_SD
