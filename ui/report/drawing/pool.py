"""The melt pool of a report: a PNG where OpenGL draws off-screen, and a page of its own that turns in a browser.

Drawing happens in a process of its own: a graphics driver that is missing or broken takes that one down and not ours.
"""

import io
import subprocess
import sys
from html import escape
from typing import Any

import numpy as np

from twin.forecast import Field
from ui.figures import LIGHT, LengthUnit
from ui.figures.pool import melt_pool_3d, pool_mesh
from ui.figures.style import COLDEST_K, TEMPERATURE_SCALE

WINDOW = [1400, 640]  # px
PATIENCE_S = 90.0


def picture(field: Field, patience_s: float = PATIENCE_S) -> tuple[bytes, str]:
    """(PNG, "") of the pool, or (b"", why there is none)."""
    mesh = pool_mesh(field)
    if mesh is None:
        return b"", "nothing is molten in the stored field"
    packed = io.BytesIO()
    np.savez(
        packed, points_m=mesh.points_m, triangles=mesh.triangles, temperature_k=mesh.temperature_k,
        boiling_k=field.boiling_k,
    )  # fmt: skip
    command = [sys.executable, "-m", "ui.report.drawing.pool"]
    try:
        done = subprocess.run(command, input=packed.getvalue(), capture_output=True, check=False, timeout=patience_s)
    except subprocess.TimeoutExpired:
        return b"", f"OpenGL did not answer in {patience_s:.0f} s"
    if done.returncode != 0 or not done.stdout.startswith(b"\x89PNG"):
        return b"", "OpenGL does not draw here (`./meltwin doctor` says how to get it)"
    return done.stdout, ""


def view_3d(field: Field, unit: LengthUnit, title: str) -> str:
    """A page that needs nothing but a browser with WebGL: the pool, to be turned. Plotly's script is in it: 4.9 MB."""
    figure = melt_pool_3d(field, unit, LIGHT)
    inner = figure.to_html(full_html=False, include_plotlyjs=True, div_id="pool", config={"displaylogo": False})
    told = escape(title)
    style = "body{margin:0;font:15px system-ui,sans-serif;color:#1f2933}h1{font-size:18px;margin:14px 18px}"
    style += "#pool{height:calc(100vh - 90px)!important}p{margin:0 18px;color:#616e7c}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{told}</title>'
        f"<style>{style}</style></head>\n"
        f"<body><h1>{told}</h1><p>Drag turns, the wheel zooms. The skin is the solidus, "
        f"{field.solidus_k:.0f} K; lengths in {unit.name}.</p>\n<main>{inner}</main></body></html>\n"
    )


def _draw(packed: bytes) -> bytes:
    """The PNG, from what `picture` packed."""
    import pyvista as pv
    from PIL import Image

    data = np.load(io.BytesIO(packed))
    scale = 1e6
    points = data["points_m"] * scale
    faces = np.c_[np.full(len(data["triangles"]), 3), data["triangles"]]
    mesh = pv.PolyData(points, faces.ravel())
    mesh["temperature_k"] = np.minimum(data["temperature_k"], data["boiling_k"])
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.25 * (high[1] - low[1])
    plotter: Any = pv.Plotter(off_screen=True, window_size=WINDOW)
    plotter.set_background("white")
    corners = [
        (low[0] - pad, low[1] - pad),
        (high[0] + pad, low[1] - pad),
        (high[0] + pad, high[1] + pad),
        (low[0] - pad, high[1] + pad),
    ]
    level = -0.004 * (high[1] - low[1])  # just under the pool's top
    plate = pv.PolyData(np.array([(x, y, level) for x, y in corners]), np.array([4, 0, 1, 2, 3]))
    plotter.add_mesh(plate, color="#cbd2d9", opacity=0.28, lighting=False)
    plotter.add_mesh(plate.extract_feature_edges(), color="#9aa5b1", line_width=2)
    plotter.add_mesh(
        mesh, scalars="temperature_k", cmap=TEMPERATURE_SCALE.lower(), clim=(COLDEST_K, float(data["boiling_k"])),
        smooth_shading=True, split_sharp_edges=True, ambient=0.35, diffuse=0.75, specular=0.15, show_scalar_bar=False,
    )  # fmt: skip
    middle = (low + high) / 2
    size = float(np.linalg.norm(high - low))
    plotter.camera.position = tuple(middle + np.array([-0.5, -1.2, 0.62]) * size)
    plotter.camera.focal_point = tuple(middle)
    plotter.camera.up = (0.0, 0.0, 1.0)
    plotter.camera.zoom(1.2)
    plotter.enable_anti_aliasing("ssaa")
    pixels = plotter.screenshot(None, return_img=True)
    plotter.close()
    dark = np.argwhere((np.asarray(pixels) < 250).any(axis=2))
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    image = Image.fromarray(np.asarray(pixels)[max(top - 12, 0) : bottom + 12, max(left - 12, 0) : right + 12])
    found = io.BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    return found.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_draw(sys.stdin.buffer.read()))
