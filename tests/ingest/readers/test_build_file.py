"""Build files: what a log does not carry is stated, and what nobody stated is marked assumed."""

import tomllib
from pathlib import Path

import pytest

from ingest.errors import BadSourceError
from ingest.readers import open_source
from ingest.readers.build_file import SHIPPED, BuildFile, find_build_file, read_build_file
from tests.ingest.readers.logs import BUILD, PEREGRINE, ROWS, scan_path
from twin.observation import Build


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
        (BUILD.format(format="scan_path") + "# " + "x" * 2_000_000, "more than 1,048,576 of a build file"),
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


@pytest.mark.parametrize(
    ("name", "shipped"), [("lpbf_peregrine", "peregrine"), ("ded_pelican", "pelican"), ("ded_hourglass", "hourglass")]
)
def test_the_right_shipped_build_file_is_found(tmp_path: Path, name: str, shipped: str) -> None:
    log_format = "pelican" if shipped == "pelican" else "scan_path"
    (tmp_path / name).mkdir()
    assert find_build_file(tmp_path / name, log_format).stem == shipped  # type: ignore[arg-type]
