"""Scan paths: what is written is read again, units are never guessed, a damaged file is an error with its line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import BadSourceError
from ingest.readers import open_source
from ingest.readers.scan_path import Segment, read_segments, write_segments
from tests.ingest.readers.logs import PEREGRINE, ROWS, scan_path, windows_of
from tests.ingest.said import energy_j

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


def test_the_ending_of_its_name_does_not_matter(tmp_path: Path) -> None:
    plain = open_source(scan_path(tmp_path, [PEREGRINE, *ROWS]))
    odd = open_source(scan_path(tmp_path, [PEREGRINE, *ROWS], "0000007.path"))
    assert odd.fingerprint == plain.fingerprint
    assert odd.numbers == [7]


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
