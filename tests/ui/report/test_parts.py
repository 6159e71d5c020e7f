"""Laws of the parts: quantiles, pictures, seals, tables."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.ui.synthetic import SOLIDUS_K, ellipsoid_field
from ui.figures import LPBF
from ui.report import ReportError, printing, seal
from ui.report.drawing import fields, maps, pool, svg
from ui.report.sections.html import share, table, utc
from ui.report.sizes import Sketch, residuals

lengths = st.lists(st.floats(1e-7, 1e-2), min_size=1, max_size=200)


@given(lengths, st.sampled_from([0.05, 0.5, 0.9, 0.95]))
def test_a_quantile_is_a_value_that_was_seen_to_a_thousandth(values: list[float], part: float) -> None:
    sketch = Sketch()
    for some in np.array_split(np.array(values), 3):
        sketch.add(some)
    exact = np.quantile(values, part, method="inverted_cdf")
    assert sketch.quantile(part) == pytest.approx(exact, rel=1.1e-3)
    assert sketch.mean == pytest.approx(np.mean(values), rel=1e-9)
    assert sketch.deviation == pytest.approx(np.std(values), rel=1e-4, abs=1e-6 * np.mean(values))


def test_what_is_not_finite_is_in_no_quantile() -> None:
    sketch = Sketch()
    sketch.add(np.array([1e-4, np.nan, np.inf, 1e-4]))
    assert sketch.count == 2
    assert np.isnan(Sketch().quantile(0.5))


def test_a_sample_is_held_against_the_frame_it_falls_on_and_no_other() -> None:
    frames = pd.DataFrame({"time_s": [1.0, 2.0, 4.0], "lead_s": 0.5, "width_m": [1e-4, 2e-4, 4e-4], "depth_m": 1e-4,
                           "length_m": 1e-4, "laser_on": True, "withheld": False,
                           "outcome": ["ok", "ok", "drift"]})  # fmt: skip
    seen = pd.DataFrame({"time_s": [1.5, 2.4, 3.2, 4.5], "name": "melt_pool_width_m", "value": 3e-4})
    found = dict(residuals(frames, seen, 1.0))
    np.testing.assert_allclose(found["width"], [2e-4, 1e-4], rtol=1e-12)
    assert len(found["depth"]) == 0


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_all_or_none_only_where_it_is(part: int, whole: int) -> None:
    part = min(part, whole)
    said = share(part, whole).replace("\u00a0", " ")
    assert (said == "100 %") == (part == whole)
    assert (said == "0 %") == (part == 0)


def test_wall_clocks_are_utc_and_process_times_are_seconds() -> None:
    assert utc(1_700_000_000.0) == "2023-11-14 22:13:20 UTC"
    assert utc(12.5) == "12.500 s"
    assert utc(float("nan")) == utc(None) == "–"


def test_cells_are_escaped_and_rows_have_headers() -> None:
    made = table("a < b", ("x",), [("<i>", '"&"')])
    assert '<th scope="row">&lt;i&gt;</th><td>&quot;&amp;&quot;</td>' in made
    assert "a &lt; b" in made


def test_a_png_is_read_by_others_as_it_was_written() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(svg.png(pixels)))), pixels)


def test_colours_are_those_of_the_scale_and_holes_are_clear() -> None:
    made = svg.colours(np.array([-5.0, 0.0, 1.0, 9.0, np.nan]), 0.0, 1.0, "Inferno")
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[2], made[3])
    assert made[:, 3].tolist() == [255, 255, 255, 255, 0]
    assert made[0, :3].sum() < 20 < made[2, :3].sum()


def test_a_contour_lies_on_its_level() -> None:
    x, y = np.linspace(-1, 1, 61), np.linspace(-1, 1, 41) ** 3
    lines = svg.contour(x, y, np.hypot(x[:, None], y[None]), 0.6)
    np.testing.assert_allclose(np.hypot(lines[..., 0], lines[..., 1]), 0.6, atol=0.01)
    assert np.linalg.norm(lines[:, 1] - lines[:, 0], axis=1).sum() == pytest.approx(2 * np.pi * 0.6, rel=0.01)


@given(st.floats(-1e3, 1e3), st.floats(1e-6, 1e4))
def test_ticks_are_inside_rising_and_few(low: float, span: float) -> None:
    marks = svg.ticks(low, low + span)
    assert len(marks) <= 8
    assert marks == sorted(set(marks))
    assert all(low - 1e-6 * span - 1e-9 <= mark <= low + span * (1 + 1e-6) + 1e-9 for mark in marks)


def test_the_solidus_line_of_the_section_is_as_long_and_deep_as_the_pool() -> None:
    field = ellipsoid_field(150e-6)
    section = field.temperature_k[:, int(np.abs(field.y_m).argmin()), :].astype(float)
    lines = svg.contour(field.x_m, field.z_m, section, SOLIDUS_K)
    cell = max(np.diff(field.x_m).max(), np.diff(field.z_m).max())
    assert np.ptp(lines[..., 0]) == pytest.approx(150e-6 * 2.45, abs=cell)
    assert lines[..., 1].max() == pytest.approx(150e-6 * 0.45, abs=cell)
    assert "3100 boiling" in fields.field_sections(field, LPBF)


def test_a_map_is_coloured_where_the_beam_was_and_nowhere_else() -> None:
    frames = pd.DataFrame({"x_m": np.linspace(0, 2e-3, 41), "y_m": 0.0, "width_m": 1e-4, "depth_m": 5e-5,
                           "laser_on": True, "withheld": False, "outcome": "ok"})  # fmt: skip
    far = frames.assign(y_m=2e-3)
    both = pd.concat([frames, far], ignore_index=True)
    low, extent = np.array([-2e-4, -2e-4]), np.array([2.4e-3, 2.4e-3])
    painted = maps._raster(both, "width", low, extent, (0.0, 2e-4), 1e-4)[..., 3] > 0
    pixel_m2 = np.prod(extent) / painted.size
    assert painted.sum() * pixel_m2 == pytest.approx(2 * 2.1e-3 * 1e-4, rel=0.25)
    assert not painted[painted.shape[0] // 2].any()


@pytest.mark.parametrize("turned", [False, True])
def test_the_map_of_a_single_track_has_a_colour_bar_and_holds_its_path(turned: bool) -> None:
    along, across = np.linspace(-1e-3, 8e-3, 61), 2e-3
    frames = pd.DataFrame({"x_m": across if turned else along, "y_m": along if turned else across, "width_m": 1e-4,
                           "depth_m": 5e-5, "laser_on": True, "withheld": False, "outcome": "ok"})  # fmt: skip
    frames.attrs["layer"] = 1
    drawn = maps.layer_map(frames, "width", LPBF, (0.5e-4, 2e-4), [("7", 2e-3, 2e-3)], 1e-4, "map-1")
    sides = [(float(w), float(h)) for w, h in re.findall(r'<image[^>]* width="([^"]+)" height="([^"]+)"', drawn)]
    assert len(sides) == 2, "the map and its colour bar"
    assert all(side > 8 for pair in sides for side in pair)
    assert min(sides[0]) >= maps.LEAST_SHARE * max(sides[0]) * 0.99
    assert ">7<" in drawn, "an alert on the path is on the map"


def test_a_seal_shows_any_byte_that_was_changed() -> None:
    said = {"format": seal.FORMAT, "machine": "m", "build": "b", "seal": seal.OPEN}
    page = seal.close(f"<html><head>{seal.meta(said)}</head><body>142 µm</body></html>").encode()
    assert seal.opened(page, "a").whole
    assert seal.opened(page, "a").said["machine"] == "m"
    assert not seal.opened(page.replace(b"142", b"124"), "a").whole
    printed = seal.close_pdf(b"%PDF-1.7\nbody\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n", said)
    assert seal.opened(printed, "a").whole
    assert not seal.opened(printed.replace(b"body", b"Body"), "a").whole
    with pytest.raises(ReportError, match="this is no report of Meltwin"):
        seal.opened(b"<html></html>", "a")


def test_the_pool_is_drawn_or_it_is_said_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, reason = pool.picture(ellipsoid_field(150e-6))
    if drawn:
        wide, high = Image.open(io.BytesIO(drawn)).size
        assert wide > high > 100
        assert len(drawn) < 200_000
    else:
        assert "OpenGL" in reason
    cold = ellipsoid_field(150e-6, peak_k=SOLIDUS_K - 1)
    assert pool.picture(cold) == (b"", "nothing is molten in the stored field")
    monkeypatch.setattr(pool.sys, "executable", "false")
    assert pool.picture(ellipsoid_field(150e-6)) == (
        b"",
        "OpenGL does not draw here (`./meltwin doctor` says how to get it)",
    )


def test_the_view_that_turns_loads_nothing() -> None:
    page = pool.view_3d(ellipsoid_field(150e-6), LPBF, "a <pool>")
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    assert "a &lt;pool&gt;" in page
    assert 4e6 < len(page) < 6e6


def test_without_a_browser_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(printing, "MAC", "/nowhere/at/all")
    with pytest.raises(ReportError, match="apt install chromium"):
        printing.browser()
