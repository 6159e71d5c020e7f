"""Peregrine HDF5: each vector has the power and speed of its part, in the order of time; layers begin when they did."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.errors import BadSourceError
from ingest.readers import open_source
from tests.ingest.readers.logs import BUILD, windows_of
from tests.ingest.said import energy_j
from twin.observation import Signal

PLATE_MM = 100.0
# x0, x1, y0, y1, t: the first two lie in part 1 (y > 50), the third in part 2 (y < 50), the last in none (x > 90)
SCANS = np.array(
    [
        [10.0, 20.0, 60.0, 60.0, 0.1],
        [10.0, 20.0, 20.0, 20.0, 0.3],
        [20.0, 10.0, 60.1, 60.1, 0.2],
        [95.0, 96.0, 60.0, 60.0, 0.4],
    ]
)


def peregrine(path: Path, scans: dict[str, np.ndarray] | None = None, more: str = "", **groups: object) -> Path:
    """As ORNL publishes it: rows of the part map run from the largest y down."""
    with h5py.File(path, "w") as file:
        for name, rows in (scans or {"0": SCANS, "1": SCANS + np.array([0, 0, 0, 0, 5.0])}).items():
            file[f"scans/{name}"] = rows
        ids = np.zeros((4, 50, 50), dtype=np.uint16)
        ids[:, :25, :45], ids[:, 25:, :45] = 1, 2  # the upper half of the plate is part 1
        file.create_dataset("slices/part_ids", data=ids, chunks=(1, 50, 50), compression="gzip")
        file["parts/process_parameters/laser_beam_power"] = np.array([np.nan, 370.0, 290.0])
        file["parts/process_parameters/laser_beam_speed"] = np.array([np.nan, 1350.0, 800.0])
        file["temporal/build_time"] = np.array([5.0, 40.0, 30.0, 70.0])
        file["temporal/build_plate_temperature"] = np.array([20.0, 25.0, 30.0, 35.0])
        file["temporal/build_plate_temperature"].attrs["units"] = "°C"
        file["temporal/top_flow_rate"] = np.array([36.0, 36.0, 36.0, 36.0])
        file["temporal/module_oxygen"] = np.array([0.1, 0.1, 0.1, 0.1])
        file["temporal/module_oxygen"].attrs["units"] = "%"
        file["temporal/ventilator_speed"] = np.zeros(4)
        file["slices/camera_data/visible/0"] = np.zeros((4, 8, 8), dtype=np.uint8)
        file.attrs["material/layer_thickness"] = 0.05
        file.attrs["printer/x_real_dimension"] = file.attrs["printer/y_real_dimension"] = PLATE_MM
        file.attrs["layer_notes/1"] = "recoater damaged"
        for name, value in groups.items():
            place = name.replace("__", "/")
            if place in file:
                del file[place]
            if value is not None:
                file[place] = value
    (path.parent / "build.toml").write_text(BUILD.format(format="peregrine") + more)
    return path


def test_a_vector_has_the_power_and_speed_of_its_part(tmp_path: Path) -> None:
    layer = open_source(peregrine(tmp_path / "a.hdf5")).layers[0]
    assert layer.vectors is not None
    assert layer.vectors.x0_m == pytest.approx([0.010, 0.020, 0.010, 0.095])  # by time, not by row
    assert layer.vectors.y0_m == pytest.approx([0.060, 0.0601, 0.020, 0.060])
    assert layer.vectors.beam_power_w == pytest.approx([370, 370, 290, 200])  # the last: the build file's
    assert layer.vectors.scan_speed_m_per_s == pytest.approx([1.35, 1.35, 0.8, 0.5])


def test_energy_and_duration_follow_from_length_and_speed(tmp_path: Path) -> None:
    recording = open_source(peregrine(tmp_path / "a.hdf5"))
    lasts_s = [0.010 / 1.35, 0.010 / 1.35, 0.010 / 0.8, 0.001 / 0.5]
    path = recording.layers[0].path
    assert np.ptp(path.time_s) == pytest.approx(sum(lasts_s))
    _, windows = windows_of(recording)
    said_j = 2 * float(np.dot(lasts_s, [370, 370, 290, 200]))
    assert sum(energy_j(w.path) for w in windows) == pytest.approx(said_j, rel=1e-9)


def test_a_jump_takes_the_time_that_is_stated(tmp_path: Path) -> None:
    recording = open_source(peregrine(tmp_path / "a.hdf5", more="jump_speed_m_per_s = 5.0\n"))
    vectors = recording.layers[0].vectors
    assert vectors is not None
    gap_s = vectors.start_s[1] - vectors.start_s[0] - 0.010 / 1.35
    assert gap_s == pytest.approx(0.0001 / 5.0)


def test_layers_begin_when_they_did_with_their_notes_and_readings(tmp_path: Path) -> None:
    recording = open_source(peregrine(tmp_path / "a.hdf5", {str(n): SCANS for n in range(4)}))
    assert [layer.path.time_s[0] for layer in recording.layers] == [5.0, 40.0, 30.0, 70.0]  # the clock stepped back
    assert [layer.note for layer in recording.layers] == ["", "recoater damaged", "", ""]
    assert [layer.z_m for layer in recording.layers] == pytest.approx([0, 5e-5, 1e-4, 1.5e-4])
    signals = [due.message for due in recording.messages() if isinstance(due.message, Signal)]
    plate = [s.value[0] for s in signals if s.name == "build_plate_temperature_k"]
    assert plate == pytest.approx([293.15, 298.15, 303.15, 308.15])
    assert [s.value[0] for s in signals if s.name == "oxygen_share"] == pytest.approx([1e-3] * 4)
    assert not [s for s in signals if s.name == "gas_flow_m3_per_s"]  # its unit is not stated
    assert recording.dropped == {"temporal/top_flow_rate": 4, "temporal/ventilator_speed": 4}


def test_without_times_a_layer_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    path = peregrine(tmp_path / "a.hdf5", {str(n): SCANS for n in range(4)}, temporal__build_time=None)
    backwards, forwards = open_source(path), open_source(path)
    third = backwards.layers[2].path.time_s[0]  # asked for first
    starts = [layer.path.time_s[[0, -1]] for layer in forwards.layers]
    assert third == starts[2][0] == starts[1][1] > starts[1][0] == starts[0][1]


def test_one_part_of_many(tmp_path: Path) -> None:
    recording = open_source(peregrine(tmp_path / "a.hdf5", more='part = "P2"\n'))
    vectors = recording.layers[0].vectors
    assert vectors is not None
    assert vectors.y0_m == pytest.approx([0.020])
    with pytest.raises(BadSourceError, match="part P2 cannot be told"):
        open_source(peregrine(tmp_path / "b.hdf5", more='part = "P2"\n', slices__part_ids=None))


def test_a_layer_without_that_part_keeps_its_place(tmp_path: Path) -> None:
    path = peregrine(tmp_path / "a.hdf5", {"0": SCANS, "1": SCANS[[0]]}, more='part = "P2"\n')
    recording = open_source(path)
    assert recording.numbers == [0, 1]
    assert recording.layers[1].path.beam_power_w.max() == 0.0


def test_the_files_own_layer_thickness_counts(tmp_path: Path) -> None:
    assert open_source(peregrine(tmp_path / "a.hdf5")).build_file.layer_thickness_m == pytest.approx(5e-5)
    path = peregrine(tmp_path / "b.hdf5")
    toml = tmp_path / "build.toml"
    toml.write_text(toml.read_text().replace("layer_thickness_m = 5e-5", "layer_thickness_m = 4e-5"))
    with pytest.raises(BadSourceError, match="says layers of 5e-05 m, the build file says layer_thickness_m = 4e-05"):
        open_source(path)
    toml.write_text(toml.read_text() + 'assumed = ["layer_thickness_m"]\n')
    build = open_source(path).build_file
    assert build.layer_thickness_m == pytest.approx(5e-5)
    assert "layer_thickness_m" not in build.all_assumed


@pytest.mark.parametrize(
    ("scans", "says"),
    [
        ({"0": np.zeros((3, 4))}, r"not \(n, 5\)"),
        ({"0": np.full((3, 5), np.inf)}, "not finite"),
        ({"zero": SCANS}, "no layers by number"),
        ({"0": np.zeros((0, 5))}, "no layer has a scan vector"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, scans: dict, says: str) -> None:
    path = peregrine(tmp_path / "a.hdf5", scans)
    with pytest.raises(BadSourceError, match=says) as refused:
        list(open_source(path).messages())
    assert "\n" not in str(refused.value)
