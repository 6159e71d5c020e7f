"""Laws of the three-dimensional melt pool."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import RegularGridInterpolator

from tests.ui.synthetic import SOLIDUS_K, ellipsoid_field
from ui.figures import DED, LIGHT, LPBF, melt_pool_3d, pool_mesh
from ui.figures.track import ACROSS, track

WIDTH_M = 150e-6


def test_mesh_extents_are_those_of_the_region_above_the_solidus_within_a_cell():
    field = ellipsoid_field(WIDTH_M)
    cell = [np.diff(axis).max() for axis in (field.x_m, field.y_m, field.z_m)]
    expected = (WIDTH_M * (0.55 + 1.9), WIDTH_M, WIDTH_M * 0.45)
    assert np.all(np.abs(np.subtract(pool_mesh(field).extents_m, expected)) < cell)


def test_graded_grids_give_the_same_pool():
    even = ellipsoid_field(WIDTH_M)
    keep = np.unique(np.r_[0:20:2, 20:72])
    graded = replace(even, x_m=even.x_m[keep], temperature_k=even.temperature_k[keep])
    assert pool_mesh(graded).extents_m == pytest.approx(pool_mesh(even).extents_m, rel=0.05)


def test_surface_is_closed_and_lies_at_the_solidus_below_the_free_surface():
    mesh = pool_mesh(ellipsoid_field(WIDTH_M))
    edges = np.sort(mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, shared = np.unique(edges, axis=0, return_counts=True)
    assert np.all(shared == 2)
    below = mesh.points_m[:, 2] < -1e-9
    np.testing.assert_allclose(mesh.temperature_k[below], SOLIDUS_K, rtol=0.01)
    assert mesh.points_m[:, 2].max() == pytest.approx(0.0, abs=1e-12)


def test_only_the_region_with_the_hottest_cell_is_the_pool():
    field = ellipsoid_field(WIDTH_M)
    temperature = field.temperature_k.copy()
    temperature[2:5, 2:5, 0:2] = SOLIDUS_K + 50  # an old track, still liquid
    both = replace(field, temperature_k=temperature)
    assert pool_mesh(both).extents_m == pytest.approx(pool_mesh(field).extents_m, rel=1e-3)


def test_large_windows_stay_bounded():
    coarse = ellipsoid_field(WIDTH_M)
    x, y, z = (
        np.linspace(axis[0], axis[-1], n) for axis, n in ((coarse.x_m, 200), (coarse.y_m, 120), (coarse.z_m, 80))
    )
    at = RegularGridInterpolator((coarse.x_m, coarse.y_m, coarse.z_m), coarse.temperature_k)
    fine = replace(coarse, x_m=x, y_m=y, z_m=z, temperature_k=at(tuple(np.meshgrid(x, y, z, indexing="ij"))))
    mesh = pool_mesh(fine)
    assert len(mesh.triangles) < 13_000
    assert mesh.extents_m == pytest.approx(pool_mesh(coarse).extents_m, rel=0.05)


def test_nothing_molten_gives_a_message():
    field = ellipsoid_field(WIDTH_M)
    cold = replace(field, temperature_k=np.minimum(field.temperature_k, SOLIDUS_K - 1))
    assert pool_mesh(cold) is None
    assert melt_pool_3d(cold, LPBF, LIGHT).layout.annotations[0].text == "Nothing is molten now"
    assert melt_pool_3d(None, LPBF, LIGHT).layout.annotations[0].text == "No temperature field stored yet"


def test_figure_keeps_the_camera_and_says_its_unit():
    figures = [melt_pool_3d(ellipsoid_field(width), DED, LIGHT) for width in (1.0e-3, 1.2e-3)]
    assert figures[0].layout.scene.uirevision == figures[1].layout.scene.uirevision
    assert figures[0].layout.scene.xaxis.title.text == "along, mm"
    skin = next(trace for trace in figures[0].data if trace.meta == "solidus")
    assert np.ptp(skin.y) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("tail", [1.0, 3.0, 7.0])
@pytest.mark.parametrize(("across", "deeper"), [(0.0, 1.0), (0.5, 1.0), (0.0, 5.0)])
def test_all_of_the_pool_is_seen_whatever_its_sizes_and_where_its_track_bends(
    tail: float, across: float, deeper: float
) -> None:
    """Projected as plotly does: a perspective with 45 degrees of height, here in a frame a quarter wider than high."""
    field = ellipsoid_field(WIDTH_M)
    longer = field.x_m * np.where(field.x_m < 0, tail, 1.0)
    field = replace(field, x_m=longer, y_m=field.y_m + across * WIDTH_M, z_m=field.z_m * deeper)
    scene = melt_pool_3d(field, LPBF, LIGHT).layout.scene
    low, high = np.array([axis.range for axis in (scene.xaxis, scene.yaxis, scene.zaxis)]).T
    unit = np.prod(high - low) ** (1 / 3)
    points = (pool_mesh(field).points_m * 1e6 - 0.5 * (low + high)) / unit
    eye, centre = (np.array([at.x, at.y, at.z]) for at in (scene.camera.eye, scene.camera.center))
    ahead = (centre - eye) / np.linalg.norm(centre - eye)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    seen = points - eye
    reach = np.tan(np.pi / 8) * (seen @ ahead)
    assert np.all(np.abs(seen @ up) < reach)
    assert np.all(np.abs(seen @ right) < 1.25 * reach)
    assert max(np.ptp(seen @ right / reach), np.ptp(seen @ up / reach)) > 0.7, "and not from afar"


def test_cut_at_mid_track_half_is_left_and_its_face_shows_the_depth_and_what_is_inside():
    field = ellipsoid_field(WIDTH_M)
    whole, half = pool_mesh(field), pool_mesh(field, half=True)
    length, width, depth = whole.extents_m
    assert half.extents_m == pytest.approx((length, width / 2, depth), rel=0.02)
    assert half.points_m[:, 1].min() == pytest.approx(0.0, abs=1e-12)
    edges = np.sort(half.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert np.all(np.unique(edges, axis=0, return_counts=True)[1] == 2), "closed by the face"
    face = half.points_m[:, 1] < 1e-9
    assert half.temperature_k[face].max() > 1.5 * SOLIDUS_K
    assert np.ptp(half.points_m[face, 2]) == pytest.approx(depth, rel=0.02)


@pytest.mark.parametrize("shift", [-8, 8])
def test_a_pool_that_lies_on_the_track_before_is_cut_in_its_own_middle(shift):
    field = ellipsoid_field(WIDTH_M)
    moved_m = float(field.y_m[24 + shift] - field.y_m[24])
    beside = replace(field, temperature_k=np.roll(field.temperature_k, shift, axis=1))
    half = pool_mesh(beside, half=True)
    assert half.points_m[:, 1].min() == pytest.approx(moved_m, abs=1e-9)
    assert half.extents_m == pytest.approx(pool_mesh(field, half=True).extents_m, rel=0.05)
    assert len(melt_pool_3d(beside, LPBF, LIGHT, half=True).data) == 5


def test_a_pool_of_one_cell_at_the_windows_edge_is_no_mistake():
    field = ellipsoid_field(WIDTH_M)
    edge = np.full_like(field.temperature_k, 300.0)
    edge[3, -1, 0] = edge[10, -1, 0] = SOLIDUS_K + 1
    melt_pool_3d(replace(field, temperature_k=edge), LPBF, LIGHT, half=True)
    melt_pool_3d(replace(field, temperature_k=edge), LPBF, LIGHT)


def straight(count=20, heading=0.0, step_m=50e-6):
    along = np.arange(count) * step_m
    return pd.DataFrame(
        {
            "time_s": np.arange(count) * 62.5e-6, "x_m": 1e-3 + along * np.cos(heading), "layer": 3,
            "y_m": 2e-3 + along * np.sin(heading), "width_m": 140e-6, "depth_m": 80e-6, "beam_power_w": 195.0,
        }
    )  # fmt: skip


BOX = (-2e-3, 1e-3, 1e-3)


@pytest.mark.parametrize("heading", [0.0, 1.1, np.pi])
def test_the_frozen_track_lies_behind_the_beam_as_wide_and_deep_as_the_pool_was(heading):
    found = track(straight(heading=heading), BOX)
    x, y, z = found.points_m.T
    assert (x.min(), x.max()) == pytest.approx((-19 * 50e-6, 0.0), abs=1e-9)
    assert (y.min(), y.max()) == pytest.approx((-70e-6, 70e-6))
    assert (z.min(), z.max()) == pytest.approx((-80e-6, 0.0), abs=1e-12)
    assert len(found.triangles) == 19 * 2 * (ACROSS - 1)
    half = track(straight(heading=heading), BOX, from_m=0.0)
    assert (half.points_m[:, 1].min(), half.points_m[:, 1].max()) == pytest.approx((0.0, 70e-6), abs=1e-9)
    assert track(straight(heading=heading), BOX, from_m=71e-6) is None, "in front of the cut nothing is left"


def test_no_track_is_drawn_where_the_laser_was_off_a_frame_is_missing_or_the_beam_turned():
    rows = straight()
    whole = len(track(rows, BOX).triangles)
    off = rows.assign(beam_power_w=np.where(np.arange(20) == 10, 0.0, 195.0))
    assert len(track(off, BOX).triangles) == whole - 2 * 2 * (ACROSS - 1)
    missing = rows.drop(index=[10]).reset_index(drop=True)
    assert len(track(missing, BOX).triangles) == whole - 2 * 2 * (ACROSS - 1)
    back = rows.assign(x_m=[*rows["x_m"][:10], *rows["x_m"][9::-1]], y_m=[2e-3] * 10 + [2.1e-3] * 10)
    assert len(track(back, BOX).triangles) < whole
    assert track(rows.assign(beam_power_w=0.0), BOX) is None
    assert track(rows.head(1), BOX) is None
    assert track(rows.head(0), BOX) is None


def test_the_track_is_part_of_the_picture_and_the_picture_stays_small():
    figure = melt_pool_3d(ellipsoid_field(WIDTH_M), LPBF, LIGHT, half=True, past=straight(160))
    assert [trace.meta for trace in figure.data if trace.meta] == [
        "surface", "solidus", "surface of the melt pool", "beam", "track"
    ]  # fmt: skip
    assert len(figure.to_json()) < 120_000
