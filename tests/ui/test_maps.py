"""Laws of the temperature maps and of the layer map."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.ui.synthetic import BOILING_K, DED_CELL, LPBF_BAY, SOLIDUS_K, SyntheticStore, ellipsoid_field
from ui.figures import DARK, DED, LIGHT, LPBF, field_maps, layer_map
from ui.figures.coloured import QUANTITIES, Nominal, coloured, scan_speed
from ui.figures.field import ABOVE_BOILING, view
from ui.figures.layer import MOST_VECTORS

STORE = SyntheticStore(frame=300)


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def words(figure):
    return " ".join(annotation.text for annotation in figure.layout.annotations)


def test_contour_is_at_the_solidus_and_nowhere_else():
    for contour in named(field_maps(ellipsoid_field(150e-6), LPBF, LIGHT), "solidus"):
        assert contour.contours.start == contour.contours.end == SOLIDUS_K
        assert contour.contours.coloring == "none"


def test_maps_cut_the_field_at_the_surface_and_under_the_beam():
    field = ellipsoid_field(150e-6, peak_k=3000)
    figure = field_maps(field, LPBF, LIGHT)
    np.testing.assert_allclose(named(figure, "across")[0].z, field.temperature_k[:, :, 0].T, atol=0.5)
    middle = int(np.abs(field.y_m).argmin())
    np.testing.assert_allclose(named(figure, "depth")[0].z, field.temperature_k[:, middle, :].T, atol=0.5)
    np.testing.assert_allclose(named(figure, "depth")[0].y, field.z_m * 1e6, rtol=1e-6)
    assert figure.layout.yaxis2.range[0] > figure.layout.yaxis2.range[1]  # depth grows downwards


def test_nothing_above_boiling_is_shown_as_a_number():
    hot = field_maps(ellipsoid_field(150e-6, peak_k=4200), LPBF, LIGHT)
    assert max(np.max(named(hot, name)[0].z) for name in ("across", "depth")) <= BOILING_K
    assert "above boiling" in words(hot)
    assert ABOVE_BOILING in {each.hovertext for each in hot.layout.annotations}
    cool = field_maps(ellipsoid_field(150e-6, peak_k=2900), LPBF, LIGHT)
    assert not named(cool, "above boiling")
    assert "above boiling" not in words(cool)


def test_one_colour_is_one_temperature_for_ever():
    cold, hot = (field_maps(ellipsoid_field(w), LPBF, LIGHT).layout.coloraxis for w in (80e-6, 220e-6))
    assert (cold.cmin, cold.cmax) == (hot.cmin, hot.cmax) == (300.0, BOILING_K)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_axes_are_equal_and_the_beam_is_at_the_origin(palette):
    figure = field_maps(ellipsoid_field(1.1e-3), DED, palette)
    assert (figure.layout.yaxis.scaleanchor, figure.layout.yaxis2.scaleanchor) == ("x", "x2")
    assert figure.layout.xaxis2.matches == "x"
    assert all((trace.x[0], trace.y[0]) == (0, 0) for trace in named(figure, "beam"))
    assert "mm" in figure.layout.xaxis2.title.text


def test_the_view_holds_the_pool():
    field = ellipsoid_field(150e-6)
    begin, end, half, depth = view(field)
    assert begin < -1.9 * 150e-6
    assert end > 0.55 * 150e-6
    assert half > 75e-6
    assert depth > 0.45 * 150e-6


def test_a_cold_field_is_shown_whole():
    field = ellipsoid_field(150e-6)
    cold = replace(field, temperature_k=np.full_like(field.temperature_k, 300))
    assert view(cold)[:2] == (field.x_m[0], field.x_m[-1])


def test_no_field_gives_a_message():
    figure = field_maps(None, LPBF, LIGHT)
    assert not figure.data
    assert "No temperature field" in words(figure)


def test_layer_map_is_in_millimetres_with_the_beam_where_the_newest_frame_is():
    frames, vectors = STORE.melt_pool(LPBF_BAY.name, limit=50), STORE.scan_vectors(LPBF_BAY.name, "b", 3)
    figure = layer_map(frames, vectors, LIGHT, 195.0)
    newest = frames[(frames["lead_s"] == 0)].iloc[-1]
    beam = named(figure, "beam")[0]
    assert (beam.x[0], beam.y[0]) == pytest.approx((newest["x_m"] * 1e3, newest["y_m"] * 1e3), rel=1e-6)
    assert np.nanmax(named(figure, "planned")[0].x) == pytest.approx(LPBF_BAY.vector_m * 1e3)


def test_layer_map_stays_bounded_and_keeps_the_vectors_around_now():
    count = 20_000
    start_s = np.arange(count) * 1e-3
    vectors = pd.DataFrame({"start_s": start_s, "x0_m": start_s, "y0_m": 0.0, "x1_m": start_s, "y1_m": 1.0})
    vectors["beam_power_w"] = 200.0
    frames = STORE.melt_pool(LPBF_BAY.name, limit=1)
    frames["time_s"] += 10.0 - frames["time_s"].max()
    drawn = named(layer_map(frames, vectors, LIGHT), "planned")[0].x
    assert len(drawn) == 3 * MOST_VECTORS
    assert np.nanmin(drawn) < 10.0 * 1e3 < np.nanmax(drawn)


def test_jumps_are_not_drawn_as_planned_tracks():
    vectors = STORE.scan_vectors(LPBF_BAY.name, "b", 3)
    vectors.loc[5, "beam_power_w"] = 0.0
    assert len(named(layer_map(pd.DataFrame(), vectors, LIGHT), "planned")[0].x) == 3 * (len(vectors) - 1)


def test_no_path_gives_a_message():
    assert "No scan path" in words(layer_map(pd.DataFrame(), pd.DataFrame(), LIGHT))


def path(machine=LPBF_BAY, limit=160):
    rows = STORE.melt_pool(machine.name, limit=limit)
    return rows[rows["lead_s"] == 0].reset_index(drop=True)


@pytest.mark.parametrize("by", QUANTITIES)
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_every_quantity_colours_the_same_path(by, palette):
    frames, vectors = STORE.melt_pool(LPBF_BAY.name, limit=60), STORE.scan_vectors(LPBF_BAY.name, "b", 3)
    (drawn,) = named(layer_map(frames, vectors, palette, 195.0, 0.8, by=by), "path")
    assert QUANTITIES[by] in drawn.hovertemplate
    lit = path(limit=60).query("beam_power_w > 0")
    assert len(lit) - 1 <= len(drawn.x) <= len(lit), "only the first frame may not know its speed"
    unknown = sum(
        len(pale.x) for pale in named(layer_map(frames, vectors, palette, 195.0, 0.8, by=by), "path, not known")
    )
    assert len(drawn.x) + unknown == len(lit)
    assert len(drawn.marker.color) == len(drawn.x)


def test_a_constant_speed_is_found_and_a_missing_frame_makes_none_up():
    rows = path().head(40)  # one vector
    speed = scan_speed(rows[rows["beam_power_w"] > 0].head(20))
    np.testing.assert_allclose(speed[1:], LPBF_BAY.scan_speed_m_per_s, rtol=1e-6)
    holed = rows.head(20).drop(index=[7, 8, 9]).reset_index(drop=True)
    assert np.isnan(scan_speed(holed)[[0, 7]]).all()
    assert np.isfinite(scan_speed(holed)[8:]).all()


def test_line_energy_is_one_at_nominal_power_and_speed_and_unknown_without():
    rows = path().head(20)
    nominal = Nominal(LPBF_BAY.beam_power_w, LPBF_BAY.scan_speed_m_per_s)
    told = coloured(rows, "line_energy", LPBF, nominal)
    np.testing.assert_allclose(told.values[1:], (rows["beam_power_w"] / LPBF_BAY.beam_power_w)[1:], rtol=1e-5)
    assert (told.low + told.high) / 2 == 1.0, "nominal is the middle of the scale"
    assert np.isnan(coloured(rows, "line_energy", LPBF, Nominal()).values).all()
    assert not len(named(layer_map(rows, pd.DataFrame(), LIGHT, by="line_energy"), "path")[0].x)


@pytest.mark.parametrize(("unit", "machine", "per_m"), [(LPBF, LPBF_BAY, 1e6), (DED, DED_CELL, 1e3)])
def test_sizes_as_colours_are_in_the_pages_unit_and_inside_the_scale(unit, machine, per_m):
    rows = path(machine)
    told = coloured(rows, "width", unit, Nominal())
    np.testing.assert_allclose(told.values, rows["width_m"] * per_m, rtol=1e-6)
    assert told.title == unit.name
    assert told.low <= told.values.min()
    assert told.values.max() <= told.high


def test_an_outcome_that_is_not_ok_stands_out_by_shape_and_colour_and_says_which():
    rows = path().assign(outcome="ok")
    rows.loc[rows.index[5], "outcome"] = "outside_envelope"
    (drawn,) = named(layer_map(rows, pd.DataFrame(), LIGHT, by="outcome"), "path")
    odd = [n for n, colour in enumerate(drawn.marker.color) if colour == LIGHT.caution]
    assert [drawn.text[n] for n in odd] == ["outside envelope"]
    assert drawn.marker.symbol[odd[0]] != drawn.marker.symbol[odd[0] - 1]


def test_alerts_that_stand_are_marked_where_they_were_seen():
    alerts = pd.DataFrame({"x_m": [3.2e-3, np.nan], "y_m": [1.1e-3, np.nan], "name": ["Too deep: keyhole", "Gap"]})
    (marks,) = named(layer_map(path(), pd.DataFrame(), LIGHT, alerts=alerts), "alert")
    assert (list(marks.x), list(marks.y), list(marks.text)) == (
        [pytest.approx(3.2)], [pytest.approx(1.1)], ["Too deep: keyhole"]
    )  # fmt: skip
    assert not named(layer_map(path(), pd.DataFrame(), LIGHT, alerts=pd.DataFrame()), "alert")
