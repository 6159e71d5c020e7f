"""Laws of the three-dimensional melt pool."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from tests.ui.synthetic import SOLIDUS_K, ellipsoid_field
from ui.figures import DED, LIGHT, LPBF, melt_pool_3d, pool_mesh

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
