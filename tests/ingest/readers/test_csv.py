"""CSV with a mapping, and the AMMT frame table: units, what holds between samples, and every fault with its line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ingest.errors import BadSourceError
from ingest.readers import open_source
from tests.ingest.readers.logs import BUILD, windows_of
from tests.ingest.said import energy_j
from twin.observation import Parameters

MAPPING = """
[csv]
time = { column = "t", unit = "us" }
x = { column = "X pos", unit = "mm" }
y = { column = "Y", unit = "um" }
beam_power = { column = "P", unit = "kW" }
"""
HEADER = "t,X pos,Y,P,other"
ROWS = ["0,0,0,0.2,a", "100,1,500,0.2,b", "300,1,1000,0,c", "400,2,1000,0.1,d", "500,2,0,0,e"]


def table(folder: Path, rows: list[str], more: str = "", header: str = HEADER, name: str = "log.csv") -> Path:
    (folder / "build.toml").write_text(BUILD.format(format="csv") + MAPPING + more)
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder / name


def test_columns_come_in_si(tmp_path: Path) -> None:
    (layer,) = open_source(table(tmp_path, ROWS)).layers
    assert layer.path.time_s == pytest.approx([0, 1e-4, 3e-4, 4e-4, 5e-4])
    assert layer.path.x_m == pytest.approx([0, 1e-3, 1e-3, 2e-3, 2e-3])
    assert layer.path.y_m == pytest.approx([0, 5e-4, 1e-3, 1e-3, 0])
    assert layer.path.beam_power_w == pytest.approx([200, 200, 0, 100, 0])
    assert layer.layer == 0


@pytest.mark.parametrize(("power", "energy"), [("after", 200 * 3e-4 + 100 * 1e-4), ("before", 200 * 1e-4 + 100 * 1e-4)])
def test_power_holds_after_or_before_its_sample(tmp_path: Path, power: str, energy: float) -> None:
    _, windows = windows_of(open_source(table(tmp_path, ROWS, f'power = "{power}"\n')))
    assert sum(energy_j(w.path) for w in windows) == pytest.approx(energy)


def test_a_beam_that_stands_between_samples_jumps_in_no_time(tmp_path: Path) -> None:
    (layer,) = open_source(table(tmp_path, ROWS, 'position = "hold"\n')).layers
    moved = np.hypot(np.diff(layer.path.x_m), np.diff(layer.path.y_m)) > 0
    assert moved.sum() == 4
    assert (np.diff(layer.path.time_s)[moved] == 0).all()
    on = layer.path.beam_power_w[:-1] * np.diff(layer.path.time_s)
    assert on.sum() == pytest.approx(200 * 3e-4 + 100 * 1e-4)


def test_layers_and_signals_and_a_constant(tmp_path: Path) -> None:
    more = (
        'layer = "n"\nz = { value = 2.5, unit = "mm" }\n'
        'signals = [{ name = "melt_pool_width_m", column = "w", unit = "um" }]\n'
    )
    rows = ["0,0,0,0.2,7,100", "100,1,0,0,7,110", "900,0,0,0.2,8,120", "1000,1,0,0,8,130", "950,1,0,0,7,140"]
    recording = open_source(table(tmp_path, rows, more, "t,X pos,Y,P,n,w"))
    assert [layer.layer for layer in recording.layers] == [7, 8, 7]  # exposed again, with a clock that went back
    assert [layer.z_m for layer in recording.layers] == pytest.approx([2.5e-3] * 3)
    assert recording.layers[0].readings[0].value == pytest.approx([100e-6, 110e-6])
    assert sum(isinstance(d.message, Parameters) and d.message.final for d in recording.messages()) == 3


@pytest.mark.parametrize(
    ("rows", "more", "header", "line", "says"),
    [
        ([], "", HEADER, 1, "no rows"),
        (ROWS, "", "t,X,Y,P,other", 1, "no column 'X pos'"),
        (ROWS, "", "t,X pos,Y,P,P", 1, "twice"),
        ([*ROWS, "600,1,,0,f"], "", HEADER, 7, "Y is ''"),
        ([*ROWS, "600,1,high,0,f"], "", HEADER, 7, "'high'"),
        ([*ROWS, "600,inf,0,0,f"], "", HEADER, 7, "finite"),
        ([*ROWS, "600,1,0"], "", HEADER, 7, "3 fields where 5 belong"),
        ([*ROWS, "600,1,0,0,f,g"], "", HEADER, 7, "6 fields where 5 belong"),
        ([*ROWS, "450,1,0,0,f"], "", HEADER, 7, "goes back"),
        ([*ROWS, "600,1,0,-1,f"], "", HEADER, 7, "below 0"),
        (ROWS, 'layer = "Y"\n', HEADER, None, None),
    ],
)
def test_a_fault_is_told_with_its_line(
    tmp_path: Path, rows: list[str], more: str, header: str, line: int | None, says: str | None
) -> None:
    path = table(tmp_path, rows, more, header)
    if says is None:
        assert [layer.layer for layer in open_source(path).layers] == [0, 500, 1000, 0]
        return
    with pytest.raises(BadSourceError, match=says) as refused:
        open_source(path)
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('unit = "us"', 'unit = "mm"', "no unit of time"),
        ('unit = "kW"', 'unit = "horse"', "no unit of power"),
        ('column = "P", unit', "unit", "either a column or a value"),
        ("[csv]", "[table]", "table"),
    ],
)
def test_a_bad_mapping_is_told(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = table(tmp_path, ROWS)
    toml = tmp_path / "build.toml"
    toml.write_text(toml.read_text().replace(old, new))
    with pytest.raises(BadSourceError, match=says):
        open_source(path)


def test_other_delimiters_and_gzip(tmp_path: Path) -> None:
    path = table(tmp_path, [row.replace(",", ";") for row in ROWS], 'delimiter = ";"\n', HEADER.replace(",", ";"))
    plain = open_source(path).layers[0].path
    frame = pd.read_csv(path, sep=";")
    frame.to_csv(tmp_path / "log.csv.gz", sep=";", index=False)
    np.testing.assert_array_equal(np.array(open_source(tmp_path / "log.csv.gz").layers[0].path), np.array(plain))


FRAMES = "strategy,frame,power_W,speed_mm_s,dir_x,dir_y,meltpool_shape_class8"
TWO = ["Base,1,100,500,1,0,4", "Base,2,200,500,0,-1,4", "Base,4,0,0,0,0,0", "MPA,1,150,1000,-1,0,3"]


def frames(folder: Path, rows: list[str], sample: str = "sample_s = 1e-4\n") -> Path:
    (folder / "build.toml").write_text(BUILD.format(format="frames") + sample)
    (folder / "table.csv").write_text("\n".join([FRAMES, *rows]) + "\n")
    return folder / "table.csv"


def test_frames_are_dead_reckoning(tmp_path: Path) -> None:
    recording = open_source(frames(tmp_path, TWO))
    base, closed = recording.layers
    assert (base.note, closed.note) == ("Base", "MPA")
    assert base.path.time_s == pytest.approx([0, 1e-4, 3e-4, 4e-4])  # frame 3 is missing: frame 2 lasts twice as long
    assert base.path.x_m == pytest.approx([0, 5e-5, 5e-5, 5e-5])
    assert base.path.y_m == pytest.approx([0, 0, -1e-4, -1e-4])
    assert base.path.beam_power_w == pytest.approx([100, 200, 0, 0])
    assert closed.path.time_s[0] == base.path.time_s[-1]
    assert recording.dropped == {"meltpool_shape_class8": 4}


@pytest.mark.parametrize(
    ("rows", "line", "says"),
    [
        ([TWO[1], TWO[0]], 3, "count up"),
        (["Base,1,100,500,1,1,4"], 2, "unit vector"),
        (["Base,1,-1,500,1,0,4"], 2, "power below 0"),
        (["Base,1,1,-500,1,0,4"], 2, "speed below 0"),
    ],
)
def test_bad_frames_are_told_with_their_line(tmp_path: Path, rows: list[str], line: int, says: str) -> None:
    with pytest.raises(BadSourceError, match=says) as refused:
        open_source(frames(tmp_path, rows))
    assert refused.value.line == line


def test_frames_without_a_time_between_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSourceError, match="sample_s"):
        open_source(frames(tmp_path, TWO, ""))


def test_the_real_frames(shared_data: Callable[[str], Path]) -> None:
    recording = open_source(shared_data("lpbf_ammt_frames") / "nist_ammt_rtc_in625_frames.csv.gz")
    assert [(layer.note, len(layer.path.x_m)) for layer in recording.layers] == [("Base", 20904), ("MPA", 20904)]
    base = recording.layers[0].path
    assert np.ptp(base.time_s) == pytest.approx(2.0903)
    assert np.ptp(base.x_m) < 0.02  # a part of a centimetre
    speed = np.hypot(np.diff(base.x_m), np.diff(base.y_m)) / np.diff(base.time_s)
    assert np.median(speed) == pytest.approx(0.8, rel=0.01)
    # sample_s against the table's own acceleration: the speed's step over a frame is its mean acceleration times 0.1 ms
    raw = pd.read_csv(shared_data("lpbf_ammt_frames") / "nist_ammt_rtc_in625_frames.csv.gz")
    ramp = raw.iloc[4:16]
    step = np.diff(ramp.speed_mm_s)
    mean = (ramp.accel_mm_s2.to_numpy()[1:] + ramp.accel_mm_s2.to_numpy()[:-1]) / 2
    assert (step / mean).mean() == pytest.approx(recording.build_file.sample_s, rel=0.05)
