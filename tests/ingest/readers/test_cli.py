"""CLI text: vectors in the file's unit, powers and speeds by CLI+ or by the build file, a cut file refused."""

from pathlib import Path

import numpy as np
import pytest

from ingest.errors import BadSourceError
from ingest.readers import open_source
from tests.ingest.readers.logs import BUILD, windows_of
from tests.ingest.said import energy_j

HEAD = ["$$HEADERSTART", "$$ASCII", "$$UNITS/0.01", "$$VERSION/200", "$$LAYERS/2", "$$HEADEREND", "$$GEOMETRYSTART"]
SQUARE = "$$POLYLINE/1,0,5,0,0,1000,0,1000,1000,0,1000,0,0"  # 10 mm a side
HATCHES = "$$HATCHES/1,2,100,100,900,100,900,110,100,110"  # two lines of 8 mm
LAYERS = ["$$LAYER/5", SQUARE, HATCHES, "$$LAYER/10", HATCHES, "$$GEOMETRYEND"]


def cli(folder: Path, lines: list[str], more: str = "", name: str = "a.cli") -> Path:
    (folder / "build.toml").write_text(BUILD.format(format="cli") + more)
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_vectors_are_what_the_file_says(tmp_path: Path) -> None:
    recording = open_source(cli(tmp_path, [*HEAD, *LAYERS]))
    first, second = recording.layers
    assert (first.z_m, second.z_m) == pytest.approx((5e-5, 1e-4))
    assert first.vectors is not None
    assert first.vectors.x0_m == pytest.approx([0, 0.01, 0.01, 0, 0.001, 0.009])
    assert first.vectors.y1_m == pytest.approx([0, 0.01, 0.01, 0, 0.001, 0.0011])
    lasts_s = (4 * 0.010 + 2 * 0.008) / 0.5
    assert np.ptp(first.path.time_s) == pytest.approx(lasts_s)
    assert second.path.time_s[0] == first.path.time_s[-1]
    _, windows = windows_of(recording)
    assert sum(energy_j(w.path) for w in windows) == pytest.approx(200.0 * (lasts_s + 0.016 / 0.5))


def test_between_vectors_the_beam_is_off_and_along_a_polyline_it_is_on(tmp_path: Path) -> None:
    path = open_source(cli(tmp_path, [*HEAD, *LAYERS], "jump_speed_m_per_s = 2.0\n")).layers[0].path
    off = np.flatnonzero(path.beam_power_w == 0)
    assert len(off) == 3  # after the square, after the first hatch, at the end
    assert path.time_s[off[0] + 1] - path.time_s[off[0]] == pytest.approx(np.hypot(0.001, 0.001) / 2.0)


def test_power_and_speed_by_the_file_or_by_the_build_file(tmp_path: Path) -> None:
    plus = [*HEAD, "$$LAYER/5", "$$POWER/285", "$$SPEED/960", SQUARE, "$$POWER/100.5", HATCHES, "$$LAYER/10", HATCHES]
    vectors = open_source(cli(tmp_path, [*plus, "$$GEOMETRYEND"])).layers[0].vectors
    assert vectors is not None
    assert vectors.beam_power_w == pytest.approx([285] * 4 + [100.5] * 2)
    assert vectors.scan_speed_m_per_s == pytest.approx([0.96] * 6)
    mapped = "[hatches]\nbeam_power_w = 300.0\nscan_speed_m_per_s = 1.2\n"
    vectors = open_source(cli(tmp_path, [*HEAD, *LAYERS], mapped)).layers[0].vectors
    assert vectors is not None
    assert vectors.beam_power_w == pytest.approx([200] * 4 + [300] * 2)
    assert vectors.scan_speed_m_per_s == pytest.approx([0.5] * 4 + [1.2] * 2)


def test_form_does_not_matter(tmp_path: Path) -> None:
    plain = open_source(cli(tmp_path, [*HEAD, *LAYERS])).layers
    text = "exported by someone\n" + "\n".join([*HEAD, "// a comment // $$LABEL/1,part", *LAYERS])
    text = text.replace("$$HEADEREND\n", "$$HEADEREND").replace("100,100,900", "100,\n 100,900")
    (tmp_path / "b.txt").write_text(text.replace("\n", "\r\n") + "\r\n")
    odd = open_source(tmp_path / "b.txt").layers
    for a, b in zip(plain, odd, strict=True):
        np.testing.assert_array_equal(np.array(a.path), np.array(b.path))


def test_empty_layers_keep_their_number(tmp_path: Path) -> None:
    recording = open_source(cli(tmp_path, [*HEAD, "$$LAYER/5", "$$LAYER/10", HATCHES, "$$GEOMETRYEND"]))
    assert recording.numbers == [1]
    assert recording.dropped == {"layers without vectors": 1}


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ([*HEAD, *LAYERS[:-1]], None, "GEOMETRYEND"),
        ([*HEAD, "$$LAYER/5", HATCHES, "$$GEOMETRYEND"], None, "announces 2 layers and holds 1"),
        ([*HEAD, "$$LAYER/5", HATCHES[:-4], "$$GEOMETRYEND"], 9, "as many numbers"),
        ([*HEAD, "$$LAYER/5", SQUARE + ",x"], 9, "POLYLINE"),
        ([*HEAD, "$$LAYER/5", HATCHES.replace("900", "nan")], 9, "not finite"),
        ([*HEAD, "$$LAYER/ten"], 8, "not a number"),
        ([*HEAD, "$$LAYER/5", "$$LAYER/4"], 9, "below"),
        ([*HEAD, HATCHES], 8, "before the first"),
        ([*HEAD, "$$LAYER/5", "$$SPEED/0", HATCHES], 10, "speed 0"),
        ([*HEAD, "$$LAYER/5", "$$EXEC/rm"], 9, "no command"),
        (["$$HEADERSTART", "$$BINARY", "$$UNITS/1"], 2, "binary CLI"),
        ([HEAD[0], HEAD[1], *HEAD[3:], *LAYERS], 7, "no \\$\\$UNITS"),
        ([*HEAD, "$$LAYER/5", "$$LAYER/10", "$$GEOMETRYEND"], None, "no layer with a vector"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, lines: list[str], line: int | None, says: str) -> None:
    with pytest.raises(BadSourceError, match=says) as refused:
        open_source(cli(tmp_path, lines))
    assert refused.value.line == line
    assert "\n" not in str(refused.value)
