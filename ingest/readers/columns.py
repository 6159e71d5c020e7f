"""CSV with a mapping: the build file's `[csv]` says which column is what, in which unit, and what holds in between.

    [csv]
    time = { column = "t", unit = "us" }
    x = { column = "X", unit = "mm" }
    y = { column = "Y", unit = "mm" }
    beam_power = { column = "P", unit = "W" }
    layer = "layer"          # rows of one layer stand together; without it all is layer 0
    position = "linear"      # or "hold": the beam stands until the next sample
    power = "after"          # or "before": what a sample says held since the last one

The first line names the columns. Nothing is filled in: an empty cell, a word, a time that goes back within a layer are
errors with their line. A layer may come twice; between layers the clock may go back.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path as File
from typing import Literal

import numpy as np
import pandas as pd

from ingest.errors import BadSourceError
from ingest.files.text import MAX_TEXT_BYTES, cells, file_hash, lines, opened
from ingest.readers.build_file import BuildFile, Column, Csv
from ingest.readers.recording import Readings, RecordedLayer, Recording
from twin.observation import Path
from twin.units import UnitError, to_si, unit

FORMAT: Literal["csv"] = "csv"
_QUANTITIES = {
    "melt_pool_width_m": "length", "melt_pool_length_m": "length", "melt_pool_depth_m": "length",
    "temperature_k": "temperature", "laser_on": "share", "photodiode_v": "voltage",
    "build_plate_temperature_k": "temperature", "chamber_temperature_k": "temperature", "oxygen_share": "share",
    "gas_flow_m3_per_s": "flow",
}  # fmt: skip


def read(path: File, build: BuildFile, run: str) -> Recording:
    """Read all rows; a layer is a run of rows of one number."""
    mapping = build.csv
    if mapping is None:
        raise BadSourceError(path, "is CSV: say what its columns are under [csv] in the build file (docs/files.md)")
    _check_units(path, mapping)
    table = read_numbers(path, _named(mapping), mapping.delimiter)
    number = table[mapping.layer] if mapping.layer else np.zeros(len(table[next(iter(table))]))
    if (number != np.floor(number)).any() or number.min() < 0:
        raise BadSourceError(path, f"column {mapping.layer} holds more than whole numbers from 0 on")
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1), len(number)]
    layers = [_layer(path, table, mapping, build, int(number[a]), a, b) for a, b in pairwise(edges)]
    return Recording(build, path.resolve().name.split(".")[0][:48], layers, file_hash([path]), run)


def read_numbers(path: File, wanted: list[str], delimiter: str = ",") -> dict[str, np.ndarray]:
    """The named columns as float64, by name. A missing column or a cell that is no finite number is an error."""
    first = next(lines(path), (1, ""))[1]
    names = [name.strip() for name in cells(first, delimiter)]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise BadSourceError(path, f"has no column {missing[0]!r}; it has {', '.join(names)[:200]}", 1)
    if len(set(names)) < len(names):
        raise BadSourceError(path, "names a column twice", 1)
    try:
        with opened(path, MAX_TEXT_BYTES) as file:
            frame = pd.read_csv(  # all columns: a row with a field too many would else go unseen
                file, sep=delimiter, header=None, names=names, skiprows=1, encoding="utf-8-sig",
                dtype={name: np.float64 if name in wanted else str for name in names},
            )  # fmt: skip
        found = {name: frame[name].to_numpy() for name in dict.fromkeys(wanted)}
        whole = isinstance(frame.index, pd.RangeIndex) and all(np.isfinite(values).all() for values in found.values())
    except (ValueError, pd.errors.ParserError):
        whole, found = False, {}
    if not whole:
        raise _first_fault(path, names, wanted, delimiter)
    if not len(frame):
        raise BadSourceError(path, "has a header and no rows", 1)
    return found


def _first_fault(path: File, names: list[str], wanted: list[str], delimiter: str) -> BadSourceError:
    """The line at which the reading failed, found the slow way."""
    for number, row in _rows(path, delimiter):
        if len(row) != len(names):
            return BadSourceError(path, f"{len(row)} fields where {len(names)} belong", number)
        for name in wanted:
            cell = row[names.index(name)]
            try:
                good = bool(np.isfinite(float(cell)))
            except ValueError:
                good = False
            if not good:
                return BadSourceError(path, f"{name} is {cell[:40]!r}, not a finite number", number)
    return BadSourceError(path, "cannot be read as numbers")


def _rows(path: File, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for number, text in lines(path):
        if number > 1 and text.strip():
            yield number, cells(text, delimiter)


def _named(mapping: Csv) -> list[str]:
    columns = [mapping.time, mapping.x, mapping.y, mapping.z, mapping.beam_power, *mapping.signals]
    named = [column.column for column in columns if column is not None and column.column is not None]
    return [*named, *([mapping.layer] if mapping.layer else [])]


def _check_units(path: File, mapping: Csv) -> None:
    quantities: list[tuple[Column | None, str]] = [
        (mapping.time, "time"), (mapping.x, "length"), (mapping.y, "length"), (mapping.z, "length"),
        (mapping.beam_power, "power"), *((signal, _QUANTITIES[signal.name]) for signal in mapping.signals),
    ]  # fmt: skip
    for column, quantity in quantities:
        if column is not None:
            try:
                unit(column.unit, quantity)
            except UnitError as wrong:
                raise BadSourceError(path, f"[csv] of the build file: {wrong}") from wrong


def _layer(
    path: File, table: dict[str, np.ndarray], mapping: Csv, build: BuildFile, number: int, first: int, stop: int
) -> RecordedLayer:
    def si(column: Column) -> np.ndarray:
        count = stop - first
        raw = np.full(count, column.value) if column.column is None else table[column.column][first:stop]
        return to_si(np.asarray(raw, dtype=np.float64), column.unit)

    time_s = si(mapping.time)
    back = np.diff(time_s) < 0
    if back.any():
        raise BadSourceError(path, f"time goes back within layer {number}", first + int(np.argmax(back)) + 3)
    power_w = si(mapping.beam_power)
    if power_w.min() < 0:
        raise BadSourceError(path, "beam power below 0", first + int(np.argmin(power_w)) + 2)
    if mapping.power == "before":
        power_w = np.append(power_w[1:], 0.0)
    z_m = si(mapping.z) if mapping.z else np.full(len(time_s), number * build.layer_thickness_m)
    samples = Path(time_s, si(mapping.x), si(mapping.y), z_m, power_w)
    readings = [Readings(signal.name, time_s, si(signal)) for signal in mapping.signals]
    if mapping.position == "hold":
        samples = _standing(samples)
    return RecordedLayer(number, float(np.median(z_m)), samples, readings=readings)


def _standing(path: Path) -> Path:
    """The same with the beam standing at each sample until the next: it jumps there, off, in no time."""
    stays = Path(path.time_s[1:], path.x_m[:-1], path.y_m[:-1], path.z_m[:-1], np.zeros(len(path.time_s) - 1))
    order = np.argsort(np.concatenate([2 * np.arange(len(path.time_s)), 2 * np.arange(len(stays.time_s)) + 1]))
    return Path(*(np.concatenate([own, stay])[order] for own, stay in zip(path, stays, strict=True)))
