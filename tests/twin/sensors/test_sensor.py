"""The laws of a sensor's faults: freeze, spikes and dropouts are told apart, and a good sensor has none."""

import math

import numpy as np
import pytest

from tests.conftest import shared_data
from tests.twin.sensors.test_drift import SD, series
from twin.sensors.pairing import Pair
from twin.sensors.sensor import FROZEN, MANY, Sensor

WIDTH_M = 120e-6


def pair(frame: int, raw: np.ndarray, width_m: float = WIDTH_M) -> Pair:
    with np.errstate(divide="ignore"):
        residuals = np.where(raw > 0, np.log(np.maximum(raw, 1e-300) / width_m), -np.inf)
    middle = float(np.median(residuals))
    return Pair(
        "melt_pool_width_m",
        1,
        frame,
        frame * 1e-3,
        width_m,
        middle,
        None,
        tuple(residuals),
        tuple(raw.tolist()),
        195.0,
        0.8,
        0.0,
    )


def readings(rng: np.random.Generator, frames: int, per_frame: int = 4) -> np.ndarray:
    """Widths of a real track's scatter, four to a frame."""
    return WIDTH_M * np.exp(series(rng, frames * per_frame, 1.44 * per_frame)).reshape(frames, per_frame)


def faults(sensor: Sensor, raw: np.ndarray, first: int = 0) -> list[str]:
    found = []
    for n, each in enumerate(raw):
        sensor.take(pair(first + n, each))
        found.append(sensor.fault.kind if sensor.fault else "")
    return found


@pytest.mark.parametrize("step_m", [0.0, 2e-6, 10e-6])
def test_a_good_sensor_has_no_fault_however_coarse_its_steps(step_m: float) -> None:
    for seed in range(5):
        raw = readings(np.random.default_rng(seed), 4000)
        raw = np.rint(raw / step_m) * step_m if step_m else raw
        assert set(faults(Sensor("w"), raw)) == {""}


def test_the_real_track_has_no_fault() -> None:
    time_s, width_m = np.loadtxt(shared_data("lpbf_raptor_widths") / "ULI_v1700_theta0_widths.txt", delimiter=",").T
    at = (time_s / (50e-6 / 1.7)).astype(int)
    sensor = Sensor("w")
    for frame in range(at[-1]):
        sensor.take(pair(frame, width_m[at == frame], float(width_m.mean())))
        assert sensor.fault is None


def test_a_frozen_sensor_is_told_after_its_frames_and_thaws() -> None:
    raw = readings(np.random.default_rng(0), 600)
    raw[300:400] = raw[299, -1]
    found = faults(Sensor("w"), raw)
    assert set(found[:300]) == {""}
    assert found[300 + FROZEN + 2] == "freeze"
    assert set(found[300 + FROZEN + 2 : 400]) == {"freeze"}
    assert set(found[401:]) == {""}


def test_spikes_are_left_out_and_told_when_there_are_many() -> None:
    raw = readings(np.random.default_rng(1), 900)
    raw[400] = 3 * WIDTH_M
    sensor = Sensor("w")
    assert set(faults(sensor, raw[:400])) == {""}
    assert sensor.take(pair(400, raw[400])) is None, "one is left out"
    assert sensor.fault is None
    raw[500:600:10] = 5 * WIDTH_M
    found = faults(sensor, raw[401:], 401)
    assert found[500 + 10 * (MANY - 1) - 401] == "spikes"
    assert set(found[350:]) == {""}, "and forgotten"


def test_dropouts_are_told() -> None:
    raw = readings(np.random.default_rng(2), 400)
    raw[200:300:10] = 0.0
    sensor = Sensor("w")
    found = faults(sensor, raw)
    assert set(found[:200]) == {""}
    assert found[200 + 10 * (MANY - 1)] == "dropouts"


def test_a_step_is_left_to_drift() -> None:
    raw = readings(np.random.default_rng(3), 400)
    raw[200:] *= 2.0
    assert set(faults(Sensor("w"), raw)) == {""}


def test_a_good_frame_comes_back_as_it_is() -> None:
    sensor = Sensor("w")
    raw = readings(np.random.default_rng(4), 100)
    kept = [sensor.take(pair(n, each)) for n, each in enumerate(raw)]
    assert all(k is not None and math.isclose(k, pair(0, each).residual) for k, each in zip(kept, raw, strict=True))
    assert np.std([k for k in kept if k is not None]) == pytest.approx(SD, rel=0.35)
