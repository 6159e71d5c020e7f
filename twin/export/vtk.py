"""VTK: a temperature field as .vtr, .vti or .vtk, scan paths as .vtp, for ParaView and its like. Metres and kelvin.

A field stands in the frame of the beam: x along the scan, z up, the beam above the origin; where the beam was and where
it went is field data (`beam_x_m`, `beam_y_m`, `heading_rad`). `.vtr` and `.vtk` hold the graded grid as stored;
`.vti` has one spacing an axis, that of the finest cells (coarser where that would be more than `MAX_POINTS`), and
values between nodes are trilinear. Temperatures above `boiling_k` are the model's and no forecast.

A scan path is polylines, each a stretch of one power: the power of a sample holds until the next. `beam_power_w`,
`layer` and `start_s` are cell data, `time_s` is point data; a stretch at 0 W is a jump.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twin.export.table import ExportError, part_of

if TYPE_CHECKING:
    from twin.store.holdings import Snapshot

MAX_POINTS = 20_000_000


def write_field(snapshot: "Snapshot", path: Path | str, about: Mapping[str, Any] | None = None) -> Path:
    """Write one field whole or not at all. Raises ExportError for another ending."""
    import pyvista as pv

    path = Path(path)
    field = snapshot.field
    x_m, y_m, z_m = field.x_m, field.y_m, -field.z_m[::-1]
    temperature_k = np.asarray(field.temperature_k, dtype=np.float32)[:, :, ::-1]
    if path.suffix == ".vti":
        grid, temperature_k = _even((x_m, y_m, z_m), temperature_k)
    elif path.suffix in (".vtr", ".vtk"):
        grid = pv.RectilinearGrid(x_m, y_m, z_m)
    else:
        raise ExportError(f"{path}: a field goes to .vtr, .vti or .vtk")
    grid.point_data["temperature_k"] = temperature_k.ravel(order="F")
    told = {
        "layer": snapshot.layer, "frame": snapshot.frame, "lead_s": field.lead_s, "time_s": field.time_s,
        "heading_rad": field.heading_rad, "solidus_k": field.solidus_k, "boiling_k": field.boiling_k,
        "beam_x_m": snapshot.x_m, "beam_y_m": snapshot.y_m,
    }  # fmt: skip
    for name, value in told.items():
        grid.field_data[name] = np.array([value])
    return _save(grid, path, {"operator": snapshot.operator, **(about or {})})


def write_scan_path(
    layers: Iterable[tuple[int, pd.DataFrame]], path: Path | str, about: Mapping[str, Any] | None = None
) -> Path:
    """Write the samples of layers (number, time_s, x_m, y_m, z_m, beam_power_w) as polylines. Only .vtp."""
    import pyvista as pv

    path = Path(path)
    if path.suffix != ".vtp":
        raise ExportError(f"{path}: a scan path goes to .vtp")
    points, times, lines, powers, numbers, starts, before = [], [], [], [], [], [], 0
    for layer, samples in layers:
        if len(samples) < 2:
            continue
        power_w, time_s = samples.beam_power_w.to_numpy(), samples.time_s.to_numpy()
        edges = np.concatenate([[0], np.flatnonzero(np.diff(power_w[:-1])) + 1, [len(power_w) - 1]])
        for first, last in zip(edges[:-1], edges[1:], strict=True):  # the last point of one is the first of the next
            lines.append(np.concatenate([[last - first + 1], np.arange(before + first, before + last + 1)]))
        powers.append(power_w[edges[:-1]])
        starts.append(time_s[edges[:-1]])
        numbers.append(np.full(len(edges) - 1, layer))
        points.append(samples[["x_m", "y_m", "z_m"]].to_numpy())
        times.append(time_s)
        before += len(samples)
    if not lines:
        raise ExportError(f"{path}: the build has no path with two samples")
    mesh = pv.PolyData(np.concatenate(points), lines=np.concatenate(lines))
    mesh.point_data["time_s"] = np.concatenate(times)
    mesh.cell_data["beam_power_w"] = np.concatenate(powers)
    mesh.cell_data["layer"] = np.concatenate(numbers)
    mesh.cell_data["start_s"] = np.concatenate(starts)
    return _save(mesh, path, about or {})


def _even(axes: tuple[np.ndarray, np.ndarray, np.ndarray], values: np.ndarray) -> tuple[Any, np.ndarray]:
    """The values on a grid of one spacing an axis, and that grid."""
    import pyvista as pv

    spacing = [float(np.diff(axis).min()) for axis in axes]
    counts = [round(np.ptp(axis) / step) + 1 for axis, step in zip(axes, spacing, strict=True)]
    coarser = max(1.0, (float(np.prod(counts)) / MAX_POINTS) ** (1 / 3))
    counts = [max(2, int(count / coarser)) for count in counts]
    places = [np.linspace(axis[0], axis[-1], count) for axis, count in zip(axes, counts, strict=True)]
    for number, (axis, place) in enumerate(zip(axes, places, strict=True)):
        right = np.clip(np.searchsorted(axis, place), 1, len(axis) - 1)
        share = (place - axis[right - 1]) / (axis[right] - axis[right - 1])
        share = share.reshape([-1 if axis_number == number else 1 for axis_number in range(3)])
        values = np.take(values, right - 1, number) * (1 - share) + np.take(values, right, number) * share
    steps = [place[1] - place[0] for place in places]
    grid = pv.ImageData(dimensions=counts, spacing=steps, origin=[place[0] for place in places])
    return grid, values.astype(np.float32)


def _save(mesh: Any, path: Path, about: Mapping[str, Any]) -> Path:
    for name, value in about.items():
        mesh.field_data[name] = [value if isinstance(value, str) else json.dumps(value, sort_keys=True)]
    part = part_of(path)
    try:
        mesh.save(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
