"""Peregrine HDF5 v2023-10: a build of ORNL's powder-bed data (doi 10.13139/ORNLNCCS/2008021), with its scan paths.

    scans/<layer>              (n, 5): x0, x1, y0, y1 in mm, relative time: hatches and contours, no jumps
    slices/part_ids            (layer, row, column): the part at each pixel, 0 for none; row 0 is the largest y
    parts/process_parameters/  laser_beam_power W, laser_beam_speed mm/s, by part
    temporal/                  one value a layer: build_time s, temperatures, oxygen, gas flow, each with `units`
    layer_notes/<layer>        text, as attribute of the file or as member
    attributes                 material/layer_thickness mm, printer/x_real_dimension and y_real_dimension mm

The unit of the relative time is nowhere stated: it gives the order of the vectors and nothing else; each takes its
length over its part's speed, and a jump `jump_speed_m_per_s` or no time. A build file with `part = "P5"` takes that
part's vectors alone. Two lasers that worked at once become one path, one vector after the other: there take a part,
whose laser is one. Vectors of no part get the nominal power and speed. Images are not read, except one slice of ids
of parts a layer: one layer at a time is in memory.
"""

import re
from pathlib import Path as File
from typing import Any, Literal, NamedTuple

import numpy as np

from ingest.errors import BadSourceError
from ingest.files import hdf5
from ingest.files.text import file_hash
from ingest.readers.build_file import BuildFile
from ingest.readers.recording import Readings, RecordedLayer, Recording, Streamed, Vectors, path_of_vectors
from twin.observation import SignalName
from twin.units import UnitError, to_si

FORMAT: Literal["peregrine"] = "peregrine"
GROUPS = ("scans", "slices", "parts", "temporal")
POWERS = ("laser_beam_power", "laser_power", "power", "bulk_laser_power")
SPEEDS = ("laser_beam_speed", "scan_speed", "speed", "velocity", "bulk_laser_beam_speed")
TEMPORAL: dict[str, tuple[SignalName, str, str]] = {  # dataset: signal, quantity, unit where it names none
    "build_plate_temperature": ("build_plate_temperature_k", "temperature", "C"),
    "top_chamber_temperature": ("chamber_temperature_k", "temperature", "C"),
    "module_oxygen": ("oxygen_share", "share", ""),
    "top_flow_rate": ("gas_flow_m3_per_s", "flow", ""),
}
MAX_PIXELS = 64_000_000  # of one slice


class _Parts(NamedTuple):
    power_w: np.ndarray  # by part id; NaN where the file says nothing
    speed_m_per_s: np.ndarray
    x_m: float  # size of the plate
    y_m: float


def read(path: File, build: BuildFile, run: str) -> Recording:
    """Check names and shapes of all layers; their vectors are read when they are asked for."""
    dropped: dict[str, int] = {}
    with hdf5.open_hdf5(path) as file:
        build = _with_thickness(path, file, build)
        scans = hdf5.member(path, file, "scans")
        found = hdf5.names(path, scans) if scans is not None else []
        if not found or not all(name.isdigit() for name in found):
            raise BadSourceError(path, "scans holds no layers by number")
        rows = {int(name): hdf5.array(path, scans, name, columns=5).shape[0] for name in found}
        numbers = sorted(number for number, count in rows.items() if count)
        if not numbers:
            raise BadSourceError(path, "no layer has a scan vector")
        temporal, unread = _temporal(path, file)
        build_time_s = _build_time_s(path, file)
        parts = _parts(path, file)
        wanted = _wanted_part(path, file, build)
    dropped |= {"layers without vectors": len(rows) - len(numbers)} if len(numbers) < len(rows) else {}
    dropped |= {f"temporal/{name}": count for name, count in unread.items()}
    ends_s: dict[int, float] = {}

    def layer(at: int) -> RecordedLayer:
        number = numbers[at]
        with hdf5.open_hdf5(path) as file:
            table = hdf5.values(path, hdf5.array(path, file, f"scans/{number}", columns=5)).astype(np.float64)
            hdf5.finite(path, f"scans/{number}", table)
            table = table[np.argsort(table[:, 4], kind="stable")]
            ids = _part_ids(path, file, number, table, parts)
        if wanted is not None:
            table, ids = table[ids == wanted], ids[ids == wanted]
            if not len(table):  # the layer is there and the part is not: a beam that is off where it would begin
                table, ids = np.zeros((1, 5)), np.zeros(1, dtype=int)
        start_s = build_time_s[number] if number < len(build_time_s) else _start_s(at)
        recorded = _layer(number, table, ids, parts, build, start_s)
        ends_s[at] = float(recorded.path.time_s[-1])
        said = [
            Readings(signal, np.array([start_s]), values[number : number + 1])
            for signal, values in temporal.items()
            if number < len(values) and np.isfinite(values[number])
        ]
        return RecordedLayer(number, recorded.z_m, recorded.path, recorded.vectors, said, _note(path, number))

    def _start_s(at: int) -> float:
        """Where the file says no times, a layer begins where the last one ended."""
        for before in range(at):
            if before not in ends_s:
                layer(before)
        return ends_s[at - 1] if at else 0.0

    return Recording(build, path.resolve().stem[:48], Streamed(numbers, layer), file_hash([path]), run, dropped)


def _layer(
    number: int, table: np.ndarray, ids: np.ndarray, parts: _Parts, build: BuildFile, start_s: float
) -> RecordedLayer:
    known = np.minimum(ids, len(parts.power_w) - 1)
    power_w = np.where(np.isfinite(parts.power_w[known]), parts.power_w[known], build.beam_power_w)
    speed = np.where(parts.speed_m_per_s[known] > 0, parts.speed_m_per_s[known], build.scan_speed_m_per_s)
    x0, x1, y0, y1 = to_si(table[:, :4], "mm").T
    moves = np.hypot(x1 - x0, y1 - y0) > 0
    if not moves.any():
        power_w, moves = np.zeros_like(power_w), np.arange(len(moves)) == 0
    z_m = number * build.layer_thickness_m
    columns = [x0, y0, x1, y1, np.full(len(x0), z_m), power_w, speed, np.zeros(len(x0))]
    path, vectors = path_of_vectors(
        Vectors(np.zeros(int(moves.sum())), *(column[moves] for column in columns)), build.jump_speed_m_per_s, start_s
    )
    return RecordedLayer(number, z_m, path, vectors)


def _with_thickness(path: File, file: Any, build: BuildFile) -> BuildFile:
    """The file's own layer thickness; refused where the build file states another."""
    stated = hdf5.number(path, file, ["material/layer_thickness"])
    if stated is None:
        return build
    thickness_m = to_si(stated, "mm")
    if thickness_m > 0.01:
        raise BadSourceError(path, f"says layers of {thickness_m:g} m")
    if "layer_thickness_m" not in build.assumed and abs(thickness_m / build.layer_thickness_m - 1) > 0.01:
        raise BadSourceError(
            path,
            f"says layers of {thickness_m:g} m, the build file says layer_thickness_m = {build.layer_thickness_m:g}",
        )
    assumed = [name for name in build.assumed if name != "layer_thickness_m"]
    return build.model_copy(update={"layer_thickness_m": thickness_m, "assumed": assumed})


def _parts(path: File, file: Any) -> _Parts:
    by_part = []
    for synonyms, quantity, unit in ((POWERS, "power", "W"), (SPEEDS, "speed", "mm/s")):
        names = [f"parts/process_parameters/{name}" for name in synonyms]
        name = next((each for each in names if hdf5.member(path, file, each) is not None), None)
        if name is None:
            by_part.append(np.full(1, np.nan))
            continue
        stored = hdf5.array(path, file, name, most=1_000_000)
        values = hdf5.values(path, stored).astype(np.float64).reshape(-1)
        try:
            by_part.append(to_si(values, _unit(path, stored, unit), quantity))
        except UnitError as wrong:
            raise BadSourceError(path, f"{name}: {wrong}") from wrong
    size = max(len(values) for values in by_part)
    power_w, speed = (np.concatenate([values, np.full(size - len(values), np.nan)]) for values in by_part)
    sides = [hdf5.number(path, file, [f"printer/{axis}_real_dimension"]) for axis in "xy"]
    x_m, y_m = (np.nan if side is None else to_si(side, "mm") for side in sides)
    return _Parts(power_w, np.where(speed > 0, speed, np.nan), x_m, y_m)


def _part_ids(path: File, file: Any, number: int, table: np.ndarray, parts: _Parts) -> np.ndarray:
    """The part under the middle of each vector; 0 where the file has no map of parts."""
    slices = hdf5.member(path, file, "slices/part_ids")
    if slices is None or not np.isfinite([parts.x_m, parts.y_m]).all():
        return np.zeros(len(table), dtype=int)
    shape: tuple[int, ...] = getattr(slices, "shape", ())
    kind = getattr(getattr(slices, "dtype", None), "kind", "")
    if len(shape) != 3 or kind not in ("i", "u") or not 0 < shape[1] * shape[2] <= MAX_PIXELS:
        raise BadSourceError(path, f"slices/part_ids is no map of parts (layer, row, column): {slices}")
    if number >= shape[0]:
        return np.zeros(len(table), dtype=int)
    hdf5.check_outside(path, slices)
    ids = hdf5.values(path, slices, number).astype(int)
    x_m, y_m = to_si(table[:, 0:2].mean(axis=1), "mm"), to_si(table[:, 2:4].mean(axis=1), "mm")
    row = np.clip(((parts.y_m - y_m) / parts.y_m * ids.shape[0]).astype(int), 0, ids.shape[0] - 1)
    column = np.clip((x_m / parts.x_m * ids.shape[1]).astype(int), 0, ids.shape[1] - 1)
    return np.maximum(ids[row, column], 0)


def _wanted_part(path: File, file: Any, build: BuildFile) -> int | None:
    named = re.fullmatch(r"P(\d+)", build.part)
    if named is None:
        return None
    if hdf5.member(path, file, "slices/part_ids") is None:
        raise BadSourceError(path, f"has no slices/part_ids, so that part {build.part} cannot be told from the others")
    return int(named[1])


def _temporal(path: File, file: Any) -> tuple[dict[SignalName, np.ndarray], dict[str, int]]:
    """Per-layer readings in SI, and how many values were left out of those whose unit is not known."""
    read: dict[SignalName, np.ndarray] = {}
    unread = {}
    group = hdf5.member(path, file, "temporal")
    for name in hdf5.names(path, group) if group is not None else []:
        if name == "build_time":
            continue
        stored = hdf5.member(path, group, name)
        if name not in TEMPORAL:
            unread[name] = int(getattr(stored, "size", 0) or 0)
            continue
        signal, quantity, unit = TEMPORAL[name]
        stored = hdf5.array(path, group, name, most=1_000_000)
        try:
            values = hdf5.values(path, stored).astype(np.float64).reshape(-1)
            read[signal] = to_si(values, _unit(path, stored, unit), quantity)
        except UnitError:
            unread[name] = stored.size
    return read, unread


def _build_time_s(path: File, file: Any) -> np.ndarray:
    """Seconds from the beginning of the build to each layer; empty where the file does not say."""
    if hdf5.member(path, file, "temporal/build_time") is None:
        return np.empty(0)
    stored = hdf5.array(path, file, "temporal/build_time", most=1_000_000)
    try:
        return to_si(hdf5.column(path, stored), _unit(path, stored, "s"), "time")
    except UnitError as wrong:
        raise BadSourceError(path, f"temporal/build_time: {wrong}") from wrong


def _unit(path: File, stored: Any, default: str) -> str:
    return str(hdf5.attribute(path, stored, ["units", "unit"]) or default)


def _note(path: File, number: int) -> str:
    with hdf5.open_hdf5(path) as file:
        note = hdf5.attribute(path, file, [f"layer_notes/{number}"])
        if note is None:
            member = hdf5.member(path, file, f"layer_notes/{number}")
            if getattr(member, "shape", None) != ():
                return ""
            note = hdf5.values(path, member, ()).item()
        return note.decode("utf-8", "replace")[:2000] if isinstance(note, bytes) else str(note)[:2000]
