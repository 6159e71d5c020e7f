"""XYPT: what the commands say is what the path does, sample for sample; layers come one at a time."""

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.errors import BadSourceError
from ingest.readers import open_source
from ingest.readers.xypt import triggers
from tests.ingest.readers.logs import BUILD, windows_of
from tests.ingest.said import energy_j
from twin.observation import Parameters

RATE_HZ = 1e5


def commands(samples: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A raster in mm, on for two thirds of the time; triggers every tenth sample."""
    at = np.arange(samples)
    power_w = np.where(at % 30 < 20, 285.0 - seed, 0.0)
    power_w[-1] = 0.0
    x_mm, y_mm = 0.0096 * (at % 50), 0.11 * (at // 50) + seed
    return {"X": x_mm, "Y": y_mm, "P": power_w, "T": (at % 10 == 0).astype(np.int32)}


def xypt(path: Path, layers: dict[str, dict[str, np.ndarray]], rate_hz: float | None = RATE_HZ, **how: object) -> Path:
    """As NIST publishes it: rows of shape (1, n), the rate as an attribute of length one."""
    with h5py.File(path, "w") as file:
        group = file.create_group("XYPT")
        if rate_hz is not None:
            group.attrs["digital_rate"] = np.array([rate_hz])
        for name, columns in layers.items():
            for column, values in columns.items():
                group.create_dataset(f"{name}/{column}", data=values[np.newaxis, :], **how)
    (path.parent / "build.toml").write_text(BUILD.format(format="xypt"))
    return path


def test_the_path_is_the_commands(tmp_path: Path) -> None:
    first, second = commands(301), commands(155, seed=2)
    recording = open_source(xypt(tmp_path / "a.h5", {"10": second, "9": first}))
    assert recording.numbers == [9, 10]
    assert recording.dropped == {"T": 456}
    for layer, said, begins in ((recording.layers[0], first, 0), (recording.layers[1], second, 301)):
        assert layer.path.time_s == pytest.approx((begins + np.arange(len(said["X"]))) / RATE_HZ, abs=1e-15)
        assert layer.path.x_m == pytest.approx(said["X"] * 1e-3)
        assert layer.path.y_m == pytest.approx(said["Y"] * 1e-3)
        np.testing.assert_array_equal(layer.path.beam_power_w, said["P"])
        assert layer.z_m == pytest.approx(layer.layer * 5e-5)


def test_the_energy_of_the_windows_is_that_of_the_commands(tmp_path: Path) -> None:
    layers = {"1": commands(2000), "2": commands(1500, seed=3)}
    _, windows = windows_of(open_source(xypt(tmp_path / "a.h5", layers)))
    said_j = sum(columns["P"].sum() for columns in layers.values()) / RATE_HZ
    assert sum(energy_j(w.path) for w in windows) == pytest.approx(said_j, rel=1e-9)
    assert {w.layer for w in windows} == {1, 2}


def test_the_rate_is_the_files(tmp_path: Path) -> None:
    fast = open_source(xypt(tmp_path / "a.h5", {"1": commands(101)}, rate_hz=2e5)).layers[0].path
    assert fast.time_s[-1] == pytest.approx(100 / 2e5)
    bare = open_source(xypt(tmp_path / "b.h5", {"1": commands(101)}, rate_hz=None)).layers[0].path
    assert bare.time_s[-1] == pytest.approx(100 / 1e5)


def test_layers_that_are_names_are_counted_and_named(tmp_path: Path) -> None:
    recording = open_source(xypt(tmp_path / "a.h5", {"Ypad": commands(50), "Xpad": commands(60)}))
    assert [(layer.layer, layer.note, len(layer.path.x_m)) for layer in recording.layers] == [
        (0, "Xpad", 60),
        (1, "Ypad", 50),
    ]


def test_triggers_are_found_by_sample(tmp_path: Path) -> None:
    at, words = triggers(xypt(tmp_path / "a.h5", {"3": commands(45)}), 3)
    assert at.tolist() == [0, 10, 20, 30, 40]
    assert words.tolist() == [1] * 5


@pytest.mark.parametrize("how", [{}, {"compression": "gzip", "chunks": (1, 64)}])
def test_the_name_of_the_file_does_not_matter(tmp_path: Path, how: dict) -> None:
    path = xypt(tmp_path / "commands.txt", {"1": commands(300)}, **how)
    assert len(open_source(path).layers[0].path.x_m) == 300


def _with(**changes: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    return {"1": commands(40) | changes}


@pytest.mark.parametrize(
    ("layers", "rate_hz", "says"),
    [
        ({}, 1e5, "holds no layers"),
        (_with(P=np.zeros(39)), 1e5, "40 X, 40 Y, 39 P"),
        (_with(X=np.full(40, np.nan)), 1e5, "value 0 is not finite"),
        (_with(P=np.full(40, -1.0)), 1e5, "below 0 W"),
        (_with(X=np.zeros((40, 2))), 1e5, "not one row or column"),
        (_with(X=np.array([b"fast"] * 40)), 1e5, "not a number"),
        ({"1": {"X": np.zeros(4), "Y": np.zeros(4)}}, 1e5, "XYPT/1/P is missing"),
        ({"1": commands(40)}, 100.0, "digital_rate"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, layers: dict, rate_hz: float, says: str) -> None:
    path = xypt(tmp_path / "a.h5", layers, rate_hz)
    with pytest.raises(BadSourceError, match=says) as refused:
        list(open_source(path).messages())
    assert "\n" not in str(refused.value)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = xypt(tmp_path / "a.h5", {"1": commands(5000)})
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(BadSourceError, match="not whole HDF5"):
        open_source(path)


def test_memory_holds_a_layer_and_not_the_build(tmp_path: Path) -> None:
    samples, layers = 100_000, 12
    path = xypt(tmp_path / "a.h5", {str(n): commands(samples, n) for n in range(layers)})
    recording = open_source(path)
    tracemalloc.start()
    said = sum(isinstance(due.message, Parameters) for due in recording.messages({"parameters": 1_000_000}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said == 0  # all of them are known
    one_layer = 5 * 8 * samples
    assert peak < 3.5 * one_layer < 12 * one_layer


def test_what_is_known_is_left_out_and_the_rest_is_the_same(tmp_path: Path) -> None:
    recording = open_source(xypt(tmp_path / "a.h5", {"1": commands(4000), "2": commands(3000)}))
    told = [due.message for due in recording.messages()]
    for cut in range(len(told) + 1):
        known: dict[str, int] = {}
        for message in told[:cut]:
            known[message.channel] = known.get(message.channel, 0) + 1
        assert [due.message for due in recording.messages(known)] == told[cut:]
