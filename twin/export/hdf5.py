"""HDF5: a whole build in one file, units as attributes, provenance at the root.

    /                         attributes: program, machine, build, data_hash, assumed, build_message, cards (JSON)
    /parameters/<layer>/      time_s, x_m, y_m, z_m, beam_power_w
    /scan_vectors/<layer>/    as planned
    /forecasts/               one value a lead of a frame; NaN where a forecast was withheld
    /signals/ /layers/ /alerts/
    /pictures/<number>        what a camera saw, (row, column) in `unit`; attributes: camera, time, place, exposure
    /fields/<number>/         x_m, y_m, z_m, temperature_k (x, y, z) in the frame of the beam; attributes: which one

Every array has the attribute `unit` where its name says one. Layers and fields go through the memory one at a time.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twin.export.source import TABLES, Place, provenance
from twin.export.table import part_of
from twin.units import unit_of_column

if TYPE_CHECKING:
    from twin.store.holdings import Holdings

FORMAT = "meltwin build 1"


def write_hdf5(store: "Holdings", place: Place, path: Path | str) -> Path:
    """Write a build whole or not at all. Gives the path back; raises ExportError where there is no folder for it."""
    import h5py

    path = Path(path)
    part = part_of(path)
    try:
        with h5py.File(part, "w") as file:
            file.attrs["format"] = FORMAT
            for name, value in provenance(store, place).items():
                file.attrs[name] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for layer in store.layers(*place).layer:
                _group(file, f"parameters/{layer:05d}", store.parameters(*place, int(layer)), {"layer": int(layer)})
                vectors = store.scan_vectors(*place, int(layer))
                if len(vectors):
                    _group(file, f"scan_vectors/{layer:05d}", vectors, {"layer": int(layer)})
            for name in ("forecasts", "signals", "layers", "alerts"):
                _group(file, name, TABLES[name](store, place))
            for number, snapshot in enumerate(store.snapshots(*place)):
                field = snapshot.field
                about = {
                    "layer": snapshot.layer, "frame": snapshot.frame, "lead": snapshot.lead,
                    "operator": snapshot.operator, "lead_s": field.lead_s, "time_s": field.time_s,
                    "heading_rad": field.heading_rad, "solidus_k": field.solidus_k, "boiling_k": field.boiling_k,
                    "beam_x_m": snapshot.x_m, "beam_y_m": snapshot.y_m,
                }  # fmt: skip
                arrays = {name: getattr(field, name) for name in ("x_m", "y_m", "z_m", "temperature_k")}
                _group(file, f"fields/{number:06d}", arrays, about)
            for number, picture in enumerate(store.pictures(*place)):
                stored = file.create_dataset(f"pictures/{number:06d}", data=picture.picture(), compression="gzip")
                told = picture.model_dump(exclude={"value", "scale", "offset", "dtype", "kind", "version", "build"})
                stored.attrs.update({name: value for name, value in told.items() if value is not None})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _group(
    file: Any, name: str, columns: pd.DataFrame | Mapping[str, np.ndarray], about: Mapping[str, Any] | None = None
) -> None:
    import h5py

    group = file.create_group(name)
    group.attrs.update(about or {})
    for column in columns:
        values = np.asarray(columns[column])
        if values.dtype == object:
            texts = ["" if value is None else str(value) for value in values]
            stored = group.create_dataset(column, data=texts, dtype=h5py.string_dtype())
        else:
            packed: dict[str, Any] = {"compression": "gzip", "shuffle": True} if values.size > 1000 else {}
            stored = group.create_dataset(column, data=values, **packed)
        if unit_of_column(str(column)):
            stored.attrs["unit"] = unit_of_column(str(column))
