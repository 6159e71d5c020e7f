"""The melt pool in three dimensions: PyVista makes the geometry, the browser draws it.

`pool_mesh` clips the field at the solidus, and at the middle of the track where half of it is cut away so that its
depth is seen. Nothing is rendered here, so it needs neither a GPU nor a display.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pyvista as pv

from twin.forecast import Field
from ui.figures.style import COLDEST_K, TEMPERATURE_SCALE, LengthUnit, Palette, in_steps, layout, message_figure
from ui.figures.track import Track, track

BEHIND = 1.5  # lengths of the pool behind the beam that are shown with the track
FAR = 1.4  # of the pool's length: its ends stay in a frame a quarter wider than high, seen in perspective
MOST_TRIANGLES = 2_500  # an update stays under 60 kB


@dataclass(frozen=True)
class PoolMesh:
    """The closed surface of what is molten: the solidus below, the free surface on top. z is up, the surface at 0."""

    points_m: np.ndarray  # (points, 3)
    triangles: np.ndarray  # (triangles, 3)
    temperature_k: np.ndarray  # (points,)
    middle_m: float  # y of the hottest point

    @property
    def extents_m(self) -> tuple[float, float, float]:
        """Length, width and depth of its box."""
        length, width, depth = np.ptp(self.points_m, axis=0)
        return float(length), float(width), float(depth)


def pool_mesh(field: Field, *, half: bool = False) -> PoolMesh | None:
    """The region above the solidus that holds the hottest cell; None when nothing is molten. `half`: of it what lies
    at higher y than its hottest point, closed by a flat face there. That is the middle of its track, also where the
    beam has gone on to the next."""
    if float(field.temperature_k.max()) <= field.solidus_k:
        return None
    # VTK wants rising coordinates and x fastest: z down becomes z up by reversing that axis.
    grid = pv.RectilinearGrid(
        np.asarray(field.x_m, float), np.asarray(field.y_m, float), -np.asarray(field.z_m, float)[::-1]
    )
    grid["temperature_k"] = field.temperature_k[:, :, ::-1].astype(np.float64).ravel(order="F")
    molten = grid.clip_scalar(scalars="temperature_k", value=field.solidus_k, invert=False)
    hottest = int(np.argmax(molten["temperature_k"]))
    pool = molten.connectivity("point_seed", point_ids=[hottest])
    middle_m = float(molten.points[hottest, 1])
    if half:
        pool = pool.clip("y", origin=(0.0, middle_m, 0.0), invert=False)
    surface = pool.extract_surface(algorithm="dataset_surface").clean(tolerance=5e-4, absolute=False).triangulate()
    surface = surface.compute_normals(split_vertices=False, consistent_normals=True, auto_orient_normals=True)
    if surface.n_cells > MOST_TRIANGLES:
        surface = surface.decimate_pro(1 - MOST_TRIANGLES / surface.n_cells, preserve_topology=True)
    if not surface.n_cells:
        return None
    return PoolMesh(
        middle_m=middle_m,
        points_m=np.asarray(surface.points, float),
        triangles=np.asarray(surface.faces).reshape(-1, 4)[:, 1:],
        temperature_k=np.asarray(surface["temperature_k"], float),
    )


def _room(mesh: PoolMesh, behind: float) -> tuple[float, float, float, float]:
    """Begin, end, half width and depth of the box to draw: pool and beam with air around them, in coarse steps."""
    low, high = mesh.points_m.min(axis=0), mesh.points_m.max(axis=0)
    side = in_steps(1.5 * float(np.abs(mesh.points_m[:, 1]).max()))
    begin = min(-in_steps(-behind * low[0]), -side)
    return begin, max(in_steps(1.1 * high[0]), side), side, in_steps(-1.2 * low[2])


def _camera(mesh: PoolMesh, room: tuple[float, float, float, float]) -> dict[str, Any]:
    """From the side and a little behind, at the middle of the pool, so far away that all of it is seen. Plotly's
    lengths are those of the box over their geometric mean; all changes in steps, so that the view does not tremble."""
    begin, end, side, deep = room
    sizes = np.array([end - begin, 2 * side, deep + 0.5 * side])
    mean = float(sizes.prod() ** (1 / 3))
    tail, nose = max(begin, -_step(-mesh.points_m[:, 0].min())), min(end, _step(mesh.points_m[:, 0].max()))
    ahead = 0.5 * (tail + nose - begin - end) / mean
    down = (-0.3 * deep - 0.5 * (0.5 * side - deep)) / mean
    far = FAR * max(nose - tail, 2 * side, 1.3 * deep) / mean
    eye = {"x": ahead - 0.42 * far, "y": -0.62 * far, "z": down + 0.36 * far}
    return {"eye": eye, "center": {"x": ahead, "y": 0.0, "z": down}}


def _step(length_m: float) -> float:
    return in_steps(length_m) if length_m > 0 else 0.0


def melt_pool_3d(
    field: Field | None,
    unit: LengthUnit,
    palette: Palette,
    *,
    half: bool = False,
    past: pd.DataFrame | None = None,
) -> go.Figure:
    """The pool under a faint plate, coloured by temperature on the same fixed scale as the maps. `half`: cut at the
    middle of the track; `past`: estimates whose frozen track is drawn behind (`ui.figures.track`)."""
    if field is None:
        return message_figure("No temperature field stored yet", palette)
    mesh = pool_mesh(field, half=half)
    if mesh is None:
        return message_figure("Nothing is molten now", palette)
    known = past is not None and len(past) > 1
    room = _room(mesh, BEHIND if known else 1.1)
    frozen = track(past, room[:3], from_m=mesh.middle_m if half else None) if known and past is not None else None
    points = (mesh.points_m * unit.per_m).astype(np.float32)
    corner = mesh.triangles.astype(np.uint16 if len(points) < 2**16 else np.int32)
    low, high, side, deep = (length * unit.per_m for length in room)
    place = ", ".join(f"%{{{axis}:.{unit.digits}f}}" for axis in "xyz")
    hover = f"{place} {unit.name}<extra>%{{meta}}</extra>"
    corners = mesh.points_m[mesh.triangles]
    flat = np.isclose(corners[:, :, 2], 0.0, atol=1e-9).all(axis=1)
    if half:
        flat |= np.isclose(corners[:, :, 1], mesh.middle_m, atol=1e-9).all(axis=1)

    def skin(chosen: np.ndarray, name: str, **lighting: float) -> go.Mesh3d:
        used, own = np.unique(corner[chosen], return_inverse=True)
        own = own.reshape(-1, 3).astype(corner.dtype)
        return go.Mesh3d(
            x=points[used, 0],
            y=points[used, 1],
            z=points[used, 2],
            i=own[:, 0],
            j=own[:, 1],
            k=own[:, 2],
            intensity=np.minimum(mesh.temperature_k[used], field.boiling_k).astype(np.float32),
            cmin=COLDEST_K,
            cmax=field.boiling_k,
            colorscale=TEMPERATURE_SCALE,
            showscale=False,
            flatshading=False,
            lighting=lighting,
            lightposition={"x": -2e4, "y": -4e4, "z": 1e4},
            meta=name,
            hovertemplate=hover,
        )

    plate = go.Mesh3d(
        x=[low, high, high, low],
        y=[-side, -side, side, side],
        z=[0.0, 0.0, 0.0, 0.0],
        i=[0, 0],
        j=[1, 2],
        k=[2, 3],
        color=palette.surface,
        opacity=0.22,
        hoverinfo="skip",
        meta="surface",
    )
    edge = go.Scatter3d(
        x=[low, high, high, low, low],
        y=[-side, -side, side, side, -side],
        z=[0.0] * 5,
        mode="lines",
        line={"width": 2, "color": palette.faint},
        hoverinfo="skip",
    )
    beam = go.Scatter3d(
        x=[0.0, 0.0],
        y=[0.0, 0.0],
        z=[0.0, side * 0.45],
        mode="lines",
        line={"width": 5, "color": palette.forecast},
        meta="beam",
        hovertemplate="beam<extra></extra>",
    )
    scene_axis = {
        "backgroundcolor": "rgba(0,0,0,0)",
        "gridcolor": palette.line,
        "zeroline": False,
        "showspikes": False,
        "nticks": 5,
        "tickfont": {"size": 10, "color": palette.muted},
    }

    def named(title: str, limits: list[float]) -> dict[str, Any]:
        return {**scene_axis, "title": {"text": title, "font": {"size": 11, "color": palette.muted}}, "range": limits}

    return go.Figure(
        data=[
            plate,
            edge,
            skin(~flat, "solidus", ambient=0.55, diffuse=0.8, specular=0.25, roughness=0.6, fresnel=0.1),
            skin(flat, "surface of the melt pool", ambient=1.0, diffuse=0.0, specular=0.0, fresnel=0.0),
            beam,
            *([_frozen(frozen, unit, palette)] if frozen else []),
        ],
        layout=layout(
            palette,
            "pool",
            margin={"l": 0, "r": 0, "t": 0, "b": 0},
            scene={
                "uirevision": "pool",
                "aspectmode": "data",
                "xaxis": named(f"along, {unit.name}", [low, high]),
                "yaxis": named(f"across, {unit.name}", [-side, side]),
                "zaxis": named(f"up, {unit.name}", [-deep, side * 0.5]),
                "camera": _camera(mesh, room),
                "dragmode": "turntable",
            },
        ),
    )


def _frozen(frozen: Track, unit: LengthUnit, palette: Palette) -> go.Mesh3d:
    x, y, z = (frozen.points_m * unit.per_m).astype(np.float32).T
    i, j, k = frozen.triangles.astype(np.uint16).T
    return go.Mesh3d(
        x=x,
        y=y,
        z=z,
        i=i,
        j=j,
        k=k,
        color=palette.shell,
        opacity=0.35,
        lighting={"ambient": 0.7, "diffuse": 0.5, "specular": 0.0, "fresnel": 0.0},
        meta="track",
        hovertemplate=f"track, as deep as the pool was: %{{z:.{unit.digits}f}} {unit.name}<extra></extra>",
    )
