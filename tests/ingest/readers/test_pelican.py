"""Pelican logs: channels of different rates and ends become one path; a damaged zip is an error that names it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest.errors import BadSourceError
from ingest.readers import open_source
from tests.ingest.readers.logs import BUILD, windows_of
from tests.ingest.said import energy_j
from twin.observation import Signal


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


@pytest.mark.parametrize("member", ["raw/data/3", "raw/.zattrs"])
def test_a_member_that_explodes_is_not_unpacked(tmp_path: Path, member: str) -> None:
    path = pelican(tmp_path) / "x.zip"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(member, bytes(50_000_000))
    with pytest.raises(BadSourceError, match=f"{member} has more than"):
        open_source(tmp_path)
