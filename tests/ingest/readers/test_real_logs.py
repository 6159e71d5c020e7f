"""The real logs, where they are at hand: their layers, times, speeds and counts."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ingest.readers import Recording, open_source
from tests.ingest.readers.logs import windows_of
from tests.ingest.said import energy_j
from twin.observation import Parameters, Plan

DATA = Path(__file__).parents[4] / "shared" / "data"


def real(name: str) -> Recording:
    if not (DATA / name).exists():
        pytest.skip(f"the real log is not here (shared/data/{name})")
    return open_source(DATA / name)


def test_peregrine() -> None:
    recording = real("lpbf_peregrine")
    assert [layer.layer for layer in recording.layers] == [50, 51, 52, 53, 54]
    assert recording.layers[0].path.time_s[0] == 14082.33
    duration_s = [float(np.ptp(layer.path.time_s)) for layer in recording.layers]
    assert duration_s == pytest.approx([2.5697, 2.4672, 2.5728, 2.4674, 2.4601], abs=1e-4)
    _, windows = windows_of(recording)
    assert len(windows) == sum(int(np.ceil(d / recording.build_file.frame_s - 1e-6)) for d in duration_s)
    on = sum(w.path.beam_power_w[:-1].max() > 0 for w in windows)
    assert on / len(windows) == pytest.approx(0.93, abs=0.02)
    assert sum(energy_j(w.path) for w in windows) == pytest.approx(350.0 * 11.6174, rel=1e-3)
    assert all(layer.path.x_m.max() < 0.3 for layer in recording.layers)


def test_pelican() -> None:
    recording = real("ded_pelican")
    assert recording.dropped == {"x": 1, "y": 1, "z": 1, "onoff": 1199}
    assert len(recording.layers) == 4
    thickness_m = np.diff([layer.z_m for layer in recording.layers])
    assert thickness_m == pytest.approx([0.4e-3] * 3, abs=0.02e-3)
    _, windows = windows_of(recording)
    assert len(windows) == pytest.approx(4000, abs=4)
    on = [w for w in windows if w.path.beam_power_w[:-1].max() > 0]
    assert len(on) == pytest.approx(2090, abs=10)
    speeds = [float(np.hypot(np.diff(w.path.x_m), np.diff(w.path.y_m)).sum()) / (w.end_s - w.start_s) for w in on]
    assert np.median(speeds) == pytest.approx(recording.build_file.scan_speed_m_per_s, rel=0.02)


def test_hourglass() -> None:
    recording = real("ded_hourglass")
    assert len(recording.layers) == 131
    assert np.diff([layer.z_m for layer in recording.layers]) == pytest.approx([0.76e-3] * 130, rel=0.01)
    times_s = [layer.path.time_s[[0, -1]] for layer in recording.layers]
    assert all(a[1] == b[0] for a, b in pairwise(times_s))
    assert times_s[-1][1] == pytest.approx(8281.003, abs=1e-2)
    messages = [d.message for d in recording.messages()]
    assert max(len(m.sample_time_s) for m in messages if isinstance(m, Parameters)) <= 1000
    assert sum(len(m.start_s) for m in messages if isinstance(m, Plan)) == 3998 + 1
