"""Tables as CSV or Parquet.

CSV is UTF-8 with a header; floats have 17 significant digits, so that reading gives the same numbers; a number that is
missing is empty. Parquet keeps the column types, and the unit that a column's name says is a field's metadata (`unit`);
`about` (card, data hash, version) is the file's.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from twin.units import unit_of_column


class ExportError(Exception):
    """A file cannot be written as asked. The text is one line that a person can act on."""


def write_table(table: pd.DataFrame, path: Path | str, about: Mapping[str, Any] | None = None) -> Path:
    """Write a table whole or not at all: `.csv` (`.csv.gz`) or `.parquet`. Gives the path back.

    Raises ExportError for another ending, or a folder that is not there.
    """
    path = Path(path)
    ending = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if ending not in (".csv", ".csv.gz", ".parquet"):
        raise ExportError(f"{path}: a table goes to .csv, .csv.gz or .parquet, not {ending or 'a name without ending'}")
    part = part_of(path)
    try:
        if ending == ".parquet":
            _parquet(table, part, about or {})
        else:
            table.to_csv(part, index=False, float_format="%.17g", compression="gzip" if ending == ".csv.gz" else None)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole, beside it."""
    if not path.parent.is_dir():
        raise ExportError(f"{path}: there is no folder {path.parent}")
    return path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")


def _parquet(table: pd.DataFrame, path: Path, about: Mapping[str, Any]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    fields = [
        field.with_metadata({"unit": unit_of_column(field.name)}) if unit_of_column(field.name) else field
        for field in arrow.schema
    ]
    told = {**(arrow.schema.metadata or {}), b"meltwin": json.dumps(dict(about), sort_keys=True).encode()}
    parquet.write_table(arrow.cast(pa.schema(fields, metadata=told)), path, compression="zstd")
