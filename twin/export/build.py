"""A build to a file: the ending says the format, the format what goes in."""

from pathlib import Path
from typing import TYPE_CHECKING

from twin.export import hdf5, vtk
from twin.export.source import TABLES, Place, find, provenance
from twin.export.table import ExportError, write_table

if TYPE_CHECKING:
    from twin.store.holdings import Holdings, Snapshot

ENDINGS = {
    ".csv": "one table",
    ".csv.gz": "one table",
    ".parquet": "one table",
    ".h5": "everything",
    ".hdf5": "everything",
    ".vtr": "a field",
    ".vti": "a field",
    ".vtk": "a field",
    ".vtp": "the scan path",
}


def write_build(
    store: "Holdings",
    named: str,
    path: Path | str,
    *,
    table: str = "forecasts",
    layer: int | None = None,
    frame: int | None = None,
) -> Place:
    """Write the build of this name; says which it was.

    `table` is for CSV and Parquet, `layer` for all but HDF5, `frame` for a field (without it the newest one). A file is
    written whole or not at all. Raises ExportError in one line for what cannot be.
    """
    path = Path(path)
    ending = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if ending not in ENDINGS:
        raise ExportError(f"{path}: the ending must be one of {', '.join(ENDINGS)}")
    if table not in TABLES:
        raise ExportError(f"there is no table {table!r}: one of {', '.join(TABLES)}")
    place = find(store, named)
    if ENDINGS[ending] == "one table":
        rows = TABLES[table](store, place)
        if layer is not None and "layer" in rows:
            rows = rows[rows.layer == layer].reset_index(drop=True)
        write_table(rows, path, about=provenance(store, place))
    elif ENDINGS[ending] == "everything":
        hdf5.write_hdf5(store, place, path)
    elif ENDINGS[ending] == "a field":
        vtk.write_field(_snapshot(store, place, layer, frame), path, provenance(store, place))
    else:
        layers = [int(number) for number in store.layers(*place).layer if layer in (None, number)]
        samples = ((number, store.parameters(*place, number)) for number in layers)
        vtk.write_scan_path(samples, path, provenance(store, place))
    return place


def _snapshot(store: "Holdings", place: Place, layer: int | None, frame: int | None) -> "Snapshot":
    chosen = next(store.snapshots(*place, layer=layer, frame=frame, newest=True), None)
    if chosen is None:
        of = "" if layer is None and frame is None else f" of layer {layer}, frame {frame}"
        raise ExportError(f"{place.build} holds no temperature field{of}: they are kept every `snapshot_frames` frames")
    return chosen
