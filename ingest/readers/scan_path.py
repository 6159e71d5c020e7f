"""Scan paths of 3DThesis, Peregrine and adamantine: `Mode X Y Z Pmod tParam`, one row a move.

Mode 0 is a line to (x, y, z) at tParam m/s; mode 1 is a spot at (x, y, z) for tParam s. Pmod multiplies the nominal
power. The first row says where the beam begins, so it must be a spot. Three headers:

    Mode  X(mm)  Y(mm)  Z(mm)  Pmod  tParam      Peregrine: the unit stands in the header
    Mode  X  Y  Z  Pmod  tParam                  3DThesis: no unit; the build file must say it
    Number of path segments / N / Mode x y z pmod param    adamantine: metres, and the number of segments

Millimetres read as metres make a part of a hundred metres, and the other way round one of dust: a unit that is not
stated, or stated twice differently, is refused.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from math import dist, isfinite
from pathlib import Path as File
from typing import Literal, NamedTuple

import numpy as np

from ingest.errors import BadSourceError
from ingest.files.text import MAX_TEXT_BYTES
from ingest.readers.build_file import BuildFile
from ingest.readers.recording import RecordedLayer, Recording, Vectors
from twin.observation import Path

FORMAT: Literal["scan_path"] = "scan_path"
LAYER_TIMES = "layer_times_notes.csv"  # layer, t_rel_s, note, dt_s: when each layer began
Unit = Literal["m", "mm"]
_METRES: dict[str, float] = {"m": 1.0, "mm": 1e-3}
_COUNTED = "Number of path segments"


class Segment(NamedTuple):
    """One row, in SI. Mode 0: `speed_or_time` is m/s; mode 1: s."""

    mode: int
    x_m: float
    y_m: float
    z_m: float
    power_factor: float
    speed_or_time: float


def holds(path: File) -> bool:
    """Whether the folder is one of scan paths."""
    return path.is_dir() and bool(_files(path))


def read(path: File, build: BuildFile, run: str) -> Recording:
    """Read one file (a layer for each z), or a folder (a layer for each file, numbered by its name)."""
    files = _files(path)
    segments = [(file, read_segments(file, build.position_unit)) for file in files]
    numbered = len(files) > 1 or re.fullmatch(r"\d+", files[0].stem) is not None
    times = _layer_times(files[0].parent / LAYER_TIMES) if numbered else {}
    layers: list[RecordedLayer] = []
    end_s = 0.0
    for file, rows in segments:
        parts = [rows] if numbered else split_by_z(rows)
        for at, part in enumerate(parts):
            layer = _number_of(file) if numbered else at
            start_s, note = times.get(layer, (end_s, ""))
            before = parts[at - 1][-1] if at else part[0]
            layers.append(_layer(layer, part, before, start_s, note, build.beam_power_w))
            end_s = float(layers[-1].path.time_s[-1])
    told = [*files, *([files[0].parent / LAYER_TIMES] if times else [])]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in told)).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_.\-]", "-", (path if path.is_dir() else files[0]).resolve().stem)[:48]
    return Recording(build, name, layers, digest, run)


def read_segments(path: File, unit: Unit | None = None) -> list[Segment]:
    """The rows of one file, in SI. `unit`: of positions, where the header names none."""
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise BadSourceError(path, f"has {path.stat().st_size:,} bytes, more than {MAX_TEXT_BYTES:,}")
    try:
        text = path.read_text()
    except UnicodeDecodeError as wrong:
        raise BadSourceError(path, f"is not text: {wrong.reason}") from wrong
    if not text.strip():
        raise BadSourceError(path, "is empty")
    if not text.endswith("\n"):
        last = text.count("\n") + 1
        raise BadSourceError(path, "the last line does not end; the file may have been cut short", last)
    lines = text.split("\n")[:-1]
    header, stated, expected = _header(path, lines)
    if stated and unit and stated != unit:
        raise BadSourceError(path, f"the header says {stated}, the build file says {unit}", header)
    if not (stated or unit):
        raise BadSourceError(
            path, 'the header names no unit; say position_unit = "mm" or "m" in the build file', header
        )
    metres = _METRES[stated or unit or ""]
    rows = [_row(path, number, line, metres) for number, line in enumerate(lines[header:], header + 1) if line.strip()]
    if not rows:
        raise BadSourceError(path, "has a header and no rows", header)
    if expected is not None and len(rows) not in (expected, expected + 1):  # some count the row where the beam begins
        raise BadSourceError(path, f"says {expected} path segments and holds {len(rows)} rows", 2)
    if rows[0].mode != 1:
        raise BadSourceError(path, "the first row is a line; where it begins is not said", header + 1)
    return rows


def write_segments(path: File, segments: Sequence[Segment], unit: Unit = "mm") -> None:
    """Write rows in Peregrine's form. Reading them gives the same rows, to round-off."""
    lines = [f"Mode\tX({unit})\tY({unit})\tZ({unit})\tPmod\ttParam"]
    for row in segments:
        x, y, z = (value / _METRES[unit] for value in (row.x_m, row.y_m, row.z_m))
        lines.append(f"{row.mode}\t{x!r}\t{y!r}\t{z!r}\t{row.power_factor!r}\t{row.speed_or_time!r}")
    path.write_text("\n".join(lines) + "\n")


def split_by_z(rows: Sequence[Segment]) -> list[list[Segment]]:
    """Runs of rows of one z."""
    layers = [[rows[0]]]
    for row in rows[1:]:
        if row.z_m == layers[-1][-1].z_m:
            layers[-1].append(row)
        else:
            layers.append([row])
    return layers


def _files(path: File) -> list[File]:
    if path.is_dir():
        return sorted(file for file in path.glob("*.txt") if not file.stem.lower().startswith("readme"))
    return [path]


def _number_of(file: File) -> int:
    digits = re.search(r"\d+", file.stem)
    if digits is None:
        raise BadSourceError(file, "one file a layer: its name must carry the number of the layer")
    return int(digits[0])


def _header(path: File, lines: list[str]) -> tuple[int, Unit | None, int | None]:
    """Lines of the header, the unit it states, and the number of segments it announces."""
    expected, names_at = None, 0
    if lines[0].strip() == _COUNTED:
        if len(lines) < 3 or not lines[1].strip().isdigit():
            raise BadSourceError(path, "the number of path segments does not follow", 2)
        expected, names_at = int(lines[1]), 2
    names = lines[names_at].lower().split()
    bare = [name.split("(")[0] for name in names]
    if bare[:5] != ["mode", "x", "y", "z", "pmod"] or len(bare) != 6 or bare[5] not in ("tparam", "param"):
        raise BadSourceError(path, "is not the header `Mode X Y Z Pmod tParam` of a scan path", names_at + 1)
    units = {match[1] for name in names[1:4] if (match := re.search(r"\((\w+)\)", name))}
    if len(units) > 1 or not units <= set(_METRES):
        raise BadSourceError(path, f"positions in {' and '.join(sorted(units))}, neither m nor mm", names_at + 1)
    unit: Unit | None = "mm" if "mm" in units else "m" if "m" in units or expected is not None else None
    return names_at + 1, unit, expected


def _row(path: File, number: int, line: str, metres: float) -> Segment:
    fields = line.split()
    if len(fields) != 6:
        raise BadSourceError(path, f"{len(fields)} fields where 6 belong", number)
    try:
        mode, x, y, z, power_factor, param = (float(each) for each in fields)
    except ValueError as wrong:
        raise BadSourceError(path, str(wrong), number) from wrong
    if not all(isfinite(each) for each in (mode, x, y, z, power_factor, param)):
        raise BadSourceError(path, "a number is not finite", number)
    if mode not in (0, 1):
        raise BadSourceError(path, f"mode {mode:g} is neither 0 (line) nor 1 (spot)", number)
    if power_factor < 0 or param < 0:
        raise BadSourceError(path, "power factor or tParam below 0", number)
    if mode == 0 and param == 0:
        raise BadSourceError(path, "a line at speed 0", number)
    return Segment(int(mode), x * metres, y * metres, z * metres, power_factor, param)


def _layer_times(path: File) -> dict[int, tuple[float, str]]:
    """Start and note of each layer, where the log has them. Not always increasing: clocks step, layers are repeated."""
    if not path.exists():
        return {}
    times: dict[int, tuple[float, str]] = {}
    with path.open(newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 2):
            try:
                times[int(row["layer"])] = (float(row["t_rel_s"]), row["note"] or "")
            except (KeyError, TypeError, ValueError) as wrong:
                raise BadSourceError(path, "no row of layer, t_rel_s, note", number) from wrong
    return times


def _moves(rows: Sequence[Segment], before: Segment, start_s: float) -> Iterator[tuple[float, float, Segment, Segment]]:
    """Each move as (start_s, duration_s, from, to); a spot goes from itself to itself."""
    time_s = start_s
    for row in rows:
        if row.mode == 0:
            duration_s = dist(row[1:4], before[1:4]) / row.speed_or_time
            yield time_s, duration_s, before, row
        else:
            duration_s = row.speed_or_time
            yield time_s, duration_s, row, row
        time_s += duration_s
        before = row


def _layer(
    number: int, rows: Sequence[Segment], before: Segment, start_s: float, note: str, power_w: float
) -> RecordedLayer:
    moves = list(_moves(rows, before, start_s))
    samples: list[tuple[float, float, float, float, float]] = []
    at = moves[0][2]
    for time_s, _, a, b in moves:
        if a[1:4] != at[1:4]:  # the beam is elsewhere at once: a jump that takes no time
            samples.append((time_s, at.x_m, at.y_m, at.z_m, 0.0))
        samples.append((time_s, a.x_m, a.y_m, a.z_m, b.power_factor * power_w))
        at = b
    end_s = moves[-1][0] + moves[-1][1]
    samples.append((end_s, at.x_m, at.y_m, at.z_m, 0.0))
    vectors = np.array(
        [
            (
                t,
                a.x_m,
                a.y_m,
                b.x_m,
                b.y_m,
                b.z_m,
                b.power_factor * power_w,
                *((b[5], 0.0) if b.mode == 0 else (0.0, d)),
            )
            for t, d, a, b in moves
            if d > 0
        ]
    )
    planned = Vectors(*vectors.T) if len(vectors) else None
    return RecordedLayer(number, rows[-1].z_m, Path(*np.array(samples).T), planned, note=note)
