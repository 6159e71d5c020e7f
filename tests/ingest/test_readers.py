"""Readers: what is written is read again, units are never guessed, and a damaged file is an error with its line."""

import json
import tomllib
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import BadSourceError
from ingest.order import Order
from ingest.readers import Recording, open_source
from ingest.readers.build_file import SHIPPED, BuildFile, find_build_file, read_build_file
from ingest.readers.scan_path import Segment, read_segments, write_segments
from tests.ingest.said import energy_j, heard
from twin.observation import Build, Parameters, Plan, Signal, Window

DATA = Path(__file__).parents[3] / "shared" / "data"
PEREGRINE = "Mode\tX(mm)\tY(mm)\tZ(mm)\tPmod\ttParam"
ROWS = ["1\t0\t0\t2.5\t0\t0.5", "0\t1\t0\t2.5\t1\t0.5", "0\t1\t1\t2.5\t0\t1.0", "0\t0\t1\t2.5\t0.5\t0.5"]
BUILD = """
format = "{format}"
machine = "m"
process = "lpbf"
material = "SS316L"
beam_diameter_m = 1e-4
beam_power_w = 200.0
scan_speed_m_per_s = 0.5
layer_thickness_m = 5e-5
frame_s = 1e-4
"""


def scan_path(folder: Path, lines: list[str], name: str = "0000007.txt", more: str = "") -> Path:
    (folder / "build.toml").write_text(BUILD.format(format="scan_path") + more)
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def windows_of(recording: Recording) -> tuple[Order, list[Window]]:
    order = Order()
    windows = [w for due in recording.messages() for w in order.add(heard(due.message), 0.0)]
    counts = order.counts()
    assert counts.received == counts.released
    assert (counts.gaps, counts.waiting, counts.held) == (0, 0, 0)
    return order, windows


SEGMENTS = st.lists(
    st.builds(
        lambda mode, x, y, z, p, v: Segment(mode, x, y, z, p, v),
        st.sampled_from([0, 1]),
        *[st.floats(-1, 1)] * 3,
        st.floats(0, 2),
        st.floats(1e-6, 1e3),
    ),
    min_size=1,
    max_size=20,
).map(lambda rows: [rows[0]._replace(mode=1), *rows[1:]])


@given(SEGMENTS, st.sampled_from(["m", "mm"]))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[Segment], unit: str) -> None:
    path = tmp_path_factory.mktemp("path") / "0001.txt"
    write_segments(path, rows, unit)  # type: ignore[arg-type]
    assert np.array(read_segments(path)) == pytest.approx(np.array(rows), rel=1e-12, abs=1e-15)


def test_a_path_is_what_its_rows_say(tmp_path: Path) -> None:
    recording = open_source(scan_path(tmp_path, [PEREGRINE, *ROWS]))
    (layer,) = recording.layers
    assert layer.layer == 7
    assert layer.z_m == pytest.approx(2.5e-3)
    assert layer.path.time_s == pytest.approx([0, 0.5, 0.502, 0.503, 0.505])
    assert layer.path.x_m == pytest.approx([0, 0, 1e-3, 1e-3, 0])
    assert layer.path.beam_power_w == pytest.approx([0, 200, 0, 100, 0])
    _, windows = windows_of(recording)
    assert sum(energy_j(w.path) for w in windows) == pytest.approx(200 * 0.002 + 100 * 0.002)
    assert {w.layer for w in windows} == {7}


def test_metres_and_millimetres_of_one_path_are_one_path(tmp_path: Path) -> None:
    rows = [Segment(1, 0.1, 0.2, 0.003, 0, 0), Segment(0, 0.11, 0.2, 0.003, 1, 0.5)]
    paths = []
    for unit in ("m", "mm"):
        write_segments(tmp_path / "1.txt", rows, unit)  # type: ignore[arg-type]
        scan_path(tmp_path, (tmp_path / "1.txt").read_text().splitlines(), "1.txt")
        paths.append(open_source(tmp_path / "1.txt").layers[0].path)
    assert all(a == pytest.approx(b) for a, b in zip(*paths, strict=True))


def test_a_header_without_unit_needs_one_stated(tmp_path: Path) -> None:
    bare = ["Mode X Y Z Pmod tParam", *ROWS]
    with pytest.raises(BadSourceError, match="position_unit"):
        open_source(scan_path(tmp_path, bare))
    recording = open_source(scan_path(tmp_path, bare, more='position_unit = "mm"'))
    assert recording.layers[0].path.x_m.max() == pytest.approx(1e-3)


def test_a_unit_stated_twice_differently_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSourceError, match="header says mm, the build file says m"):
        open_source(scan_path(tmp_path, [PEREGRINE, *ROWS], more='position_unit = "m"'))


def test_adamantine_is_in_metres_and_jumps_take_no_time(tmp_path: Path) -> None:
    lines = [
        "Number of path segments",
        "3",
        "Mode x y z pmod param",
        "1 0.01 0 0.001 0 1.0",
        "0 0.02 0 0.001 1 0.01",
        "1 0.02 0.005 0.001 0 0.0",
        "0 0.01 0.005 0.002 1 0.01",
    ]
    recording = open_source(scan_path(tmp_path, lines, "hour.txt"))
    assert [layer.layer for layer in recording.layers] == [0, 1]
    first, second = recording.layers
    assert first.path.time_s == pytest.approx([0, 1, 2, 2, 2])
    assert first.path.y_m[-2:] == pytest.approx([0.005, 0.005])
    assert second.path.time_s[0] == first.path.time_s[-1]
    assert (second.path.x_m[0], second.path.y_m[0]) == pytest.approx((0.02, 0.005))


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ([], None, "empty"),
        (["x y z"], 1, "header"),
        ([PEREGRINE], 1, "no rows"),
        ([PEREGRINE, ROWS[0], "0\t1\t0\t2.5\t1"], 3, "5 fields"),
        ([PEREGRINE, ROWS[0], "0\t1\t0\t2.5\t1\t0.5\t9"], 3, "7 fields"),
        ([PEREGRINE, ROWS[0], "0\t1\t0\t2.5\t1\tfast"], 3, "fast"),
        ([PEREGRINE, ROWS[0], "0\t1\tnan\t2.5\t1\t0.5"], 3, "finite"),
        ([PEREGRINE, ROWS[0], "2\t1\t0\t2.5\t1\t0.5"], 3, "mode 2"),
        ([PEREGRINE, ROWS[0], "0\t1\t0\t2.5\t1\t0"], 3, "speed 0"),
        ([PEREGRINE, ROWS[0], "0\t1\t0\t2.5\t-1\t0.5"], 3, "below 0"),
        ([PEREGRINE, ROWS[1]], 2, "first row is a line"),
        ([PEREGRINE.replace("Y(mm)", "Y(m)"), *ROWS], 1, "m and mm"),
        ([PEREGRINE.replace("mm", "inch"), *ROWS], 1, "inch"),
        (["Number of path segments", "9", "Mode x y z pmod param", *ROWS], 2, "says 9 path segments and holds 4"),
        (["Number of path segments", "many", *ROWS], 2, "does not follow"),
    ],
)
def test_a_malformed_path_is_refused_with_its_line(
    tmp_path: Path, lines: list[str], line: int | None, says: str
) -> None:
    path = scan_path(tmp_path, lines)
    with pytest.raises(BadSourceError, match=says) as refused:
        open_source(path)
    assert refused.value.line == line
    assert refused.value.path == path
    assert "\n" not in str(refused.value)


@given(st.integers(1, 10_000))
def test_a_truncated_path_is_refused_wherever_it_is_cut(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    whole = "\n".join(["Number of path segments", "4", "Mode x y z pmod param", *ROWS]) + "\n"
    path = tmp_path_factory.mktemp("cut") / "1.txt"
    path.write_text(whole[: cut % len(whole)])
    with pytest.raises(BadSourceError):
        read_segments(path, None)


def test_binary_is_refused(tmp_path: Path) -> None:
    path = scan_path(tmp_path, [PEREGRINE])
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSourceError, match="not text"):
        open_source(path)


def test_one_bad_layer_in_a_folder_stops_it_before_the_first_message(tmp_path: Path) -> None:
    scan_path(tmp_path, [PEREGRINE, *ROWS], "0001.txt")
    scan_path(tmp_path, [PEREGRINE, *ROWS, "0\t1"], "0002.txt")
    with pytest.raises(BadSourceError, match="line 6"):
        open_source(tmp_path)


def test_layers_have_their_own_times_and_notes(tmp_path: Path) -> None:
    for name in ("0001.txt", "0002.txt", "0003.txt"):
        scan_path(tmp_path, [PEREGRINE, *ROWS], name)
    (tmp_path / "layer_times_notes.csv").write_text(
        "layer,t_rel_s,note,dt_s\n1,10.0,,\n2,300.0,crash,290\n3,290.0,,-10\n"
    )
    recording = open_source(tmp_path)
    assert [layer.path.time_s[0] for layer in recording.layers] == [10.0, 300.0, 290.0]
    assert recording.layers[1].note == "crash"
    _, windows = windows_of(recording)
    assert all(w.end_s - w.start_s <= 1.001e-4 for w in windows)  # pauses make no windows


def test_a_log_without_build_file_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("\n".join([PEREGRINE, *ROWS]) + "\n")
    with pytest.raises(BadSourceError, match=r"write .*build\.toml with .*material.*beam_power_w"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format = ", "TOML"),
        (BUILD.format(format="scan_path") + "colour = 1", "colour"),
        (BUILD.format(format="scan_path").replace("200.0", "-1.0"), "beam_power_w"),
        (BUILD.format(format="pelican"), "format pelican"),
        (BUILD.format(format="scan_path") + 'assumed = ["mood"]', "mood"),
        (BUILD.format(format="scan_path").replace('material = "SS316L"', ""), "material"),
    ],
)
def test_a_bad_build_file_says_which_field(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "build.toml").write_text(text)
    with pytest.raises(BadSourceError, match=says):
        read_build_file(tmp_path / "build.toml", "scan_path")


def test_what_is_left_to_a_default_is_assumed(tmp_path: Path) -> None:
    (build,) = [
        d.message
        for d in open_source(scan_path(tmp_path, [PEREGRINE, *ROWS])).messages()
        if isinstance(d.message, Build)
    ]
    assert build.assumed == ["absorptivity", "preheat_k"]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_build_files_are_whole_and_name_what_they_assume(path: Path) -> None:
    build = BuildFile.model_validate(tomllib.loads(path.read_text()))
    assert build.names
    assert build.assumed
    travel_m = build.frame_s * build.scan_speed_m_per_s
    assert travel_m == pytest.approx(build.beam_diameter_m / 2, rel=0.1)


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_log_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadSourceError):
        open_source(tmp_path / path)


# Pelican


def zarr_zip(path: Path, time_s: np.ndarray, value: np.ndarray, chunk: int = 7, attributes: dict | None = None) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (("times", time_s), ("data", value)):
            about = {
                "zarr_format": 2,
                "shape": [len(array)],
                "chunks": [chunk],
                "dtype": array.dtype.str,
                "compressor": None,
                "filters": None,
                "order": "C",
                "fill_value": 0,
            }
            archive.writestr(f"raw/{name}/.zarray", json.dumps(about))
            padded = np.zeros(-(-len(array) // chunk) * chunk, array.dtype)
            padded[: len(array)] = array
            for n in range(len(padded) // chunk):
                archive.writestr(f"raw/{name}/{n}", padded[n * chunk : (n + 1) * chunk].tobytes())
        archive.writestr("raw/.zattrs", json.dumps({"unit": "furlong"}))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("raw/.zattrs", json.dumps(attributes or {}))  # the last one counts


def pelican(folder: Path, attributes: dict | None = None, unit: str = "mm") -> Path:
    x_s, y_s, on_s = np.arange(10.0, 20.0, 0.01), np.arange(10.005, 19.0, 0.011), np.arange(9.0, 21.0, 1 / 60)
    zarr_zip(folder / "x.zip", x_s, 20 * (x_s - 10), attributes=attributes)
    zarr_zip(folder / "y.zip", y_s, 0 * y_s, attributes=attributes)
    zarr_zip(
        folder / "z.zip", np.array([12.0, 12.2, 16.0, 16.1]), np.array([1.0, 1.4, 1.5, 1.8]), attributes=attributes
    )
    zarr_zip(folder / "onoff.zip", on_s, (on_s % 2 < 1).astype(bool))
    text = BUILD.format(format="pelican").replace("frame_s = 1e-4", "frame_s = 0.02") + f'position_unit = "{unit}"\n'
    (folder / "build.toml").write_text(text if unit else text.replace('position_unit = ""', ""))
    return folder


def test_channels_are_merged_over_the_time_they_share(tmp_path: Path) -> None:
    recording = open_source(pelican(tmp_path))
    _, windows = windows_of(recording)
    assert windows[0].start_s == pytest.approx(10.005)
    assert windows[-1].end_s == pytest.approx(np.arange(10.005, 19.0, 0.011)[-1])
    assert recording.dropped["onoff"] == sum(
        (t < 10.005) | (t > windows[-1].end_s) for t in np.arange(9.0, 21.0, 1 / 60)
    )
    assert [layer.z_m for layer in recording.layers] == pytest.approx([1.0e-3, 1.4e-3, 1.8e-3])
    for window in windows:
        assert window.path.x_m == pytest.approx(20e-3 * (window.path.time_s - 10), abs=1e-9)
        assert set(window.path.beam_power_w) <= {0.0, 200.0}
    joules = sum(energy_j(w.path) for w in windows)
    assert joules / 200.0 == pytest.approx(5.0, abs=0.1)


def test_the_laser_signal_is_passed_on_whole(tmp_path: Path) -> None:
    recording = open_source(pelican(tmp_path))
    signals = [d.message for d in recording.messages() if isinstance(d.message, Signal)]
    count = sum(len(s.value) for s in signals)
    assert {s.name for s in signals} == {"laser_on"}
    assert count + recording.dropped["onoff"] == len(np.arange(9.0, 21.0, 1 / 60))


def test_units_come_from_the_log_or_the_build_file_and_must_agree(tmp_path: Path) -> None:
    assert open_source(pelican(tmp_path, {"unit": "mm"})).layers[0].path.x_m[0] == pytest.approx(20e-3 * 0.005)
    with pytest.raises(BadSourceError, match="the log says mm, the build file says m"):
        open_source(pelican(tmp_path, {"unit": "mm"}, unit="m"))
    with pytest.raises(BadSourceError, match="position_unit"):
        open_source(pelican(tmp_path, unit=""))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _rewrite(name: str, change: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            files = {each: archive.read(each) for each in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for each, data in files.items():
                changed = change(data) if each == name else data
                if changed is not None:
                    archive.writestr(each, changed)

    return rewrite


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.unlink(), "missing"),
        (_cut, "not a whole zip"),
        (_rewrite("raw/data/3", lambda data: None), "raw/data/3"),
        (_rewrite("raw/data/3", lambda data: data[:-1]), "bytes"),
        (_rewrite("raw/data/.zarray", lambda data: data[:-3]), "not a whole zip"),
        (
            _rewrite(
                "raw/data/.zarray", lambda data: data.replace(b'"compressor": null', b'"compressor": {"id": "zstd"}')
            ),
            "uncompressed",
        ),
        (_rewrite("raw/data/.zarray", lambda data: data.replace(b"<f8", b"<i4")), "type"),
        (_rewrite("raw/data/0", lambda data: b"\xff" * len(data)), "finite"),
        (_rewrite("raw/times/5", lambda data: b"\x00" * len(data)), "does not increase"),
    ],
)
def test_a_damaged_log_is_refused(tmp_path: Path, damage: Callable[[Path], None], says: str) -> None:
    pelican(tmp_path)
    damage(tmp_path / "x.zip")
    with pytest.raises(BadSourceError, match=says) as refused:
        open_source(tmp_path)
    assert refused.value.path.name == "x.zip"


# The real logs


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


@pytest.mark.parametrize(
    ("name", "shipped"), [("lpbf_peregrine", "peregrine"), ("ded_pelican", "pelican"), ("ded_hourglass", "hourglass")]
)
def test_the_right_shipped_build_file_is_found(tmp_path: Path, name: str, shipped: str) -> None:
    log_format = "pelican" if shipped == "pelican" else "scan_path"
    (tmp_path / name).mkdir()
    assert find_build_file(tmp_path / name, log_format).stem == shipped  # type: ignore[arg-type]
