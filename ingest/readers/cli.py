"""CLI text: the Common Layer Interface in ASCII, with the power and speed that CLI+ adds.

    $$HEADERSTART $$ASCII $$UNITS/0.001 $$LAYERS/2 $$HEADEREND        coordinates are in 0.001 mm
    $$GEOMETRYSTART
    $$LAYER/50                                                        z
    $$POWER/285  $$SPEED/960                                          W, mm/s; CLI+ only, until the next
    $$POLYLINE/1,0,5,x,y,x,y,...                                      id, direction, number of points, points
    $$HATCHES/1,2,x0,y0,x1,y1,...                                     id, number of lines, their ends
    $$GEOMETRYEND

Where the file says neither power nor speed, the build file's `hatches` and `polylines` do, or its nominal ones. The
laser is off between two vectors and takes them at `jump_speed_m_per_s`, or no time. The file says no times at all: a
layer begins where the last one ended. A missing unit, end or layer is an error, and so is a count that does not match.
"""

import re
from collections.abc import Iterator
from pathlib import Path as File
from typing import Literal, NamedTuple

import numpy as np

from ingest.errors import BadSourceError
from ingest.files.text import file_hash, lines
from ingest.readers.build_file import BuildFile
from ingest.readers.recording import RecordedLayer, Recording, Vectors, path_of_vectors
from twin.units import to_si

FORMAT: Literal["cli"] = "cli"
START = b"$$HEADERSTART"
_IGNORED = {
    "ASCII", "VERSION", "DATE", "DIMENSION", "ALIGN", "LABEL", "USERDATA", "FOCUS", "SPOTSIZE", "PARAM", "HEADERSTART",
    "HEADEREND", "GEOMETRYSTART",
}  # fmt: skip


class _Command(NamedTuple):
    line: int
    name: str
    value: str


class _Block(NamedTuple):
    """Lines of one power and speed, in SI."""

    x0: np.ndarray
    y0: np.ndarray
    x1: np.ndarray
    y1: np.ndarray
    power_w: float
    speed_m_per_s: float


def read(path: File, build: BuildFile, run: str) -> Recording:
    """Read all layers; those without a vector are counted in `dropped` and keep their number."""
    found = _parse(path, build)
    layers, start_s, empty = [], 0.0, 0
    for number, (z_m, blocks) in enumerate(found):
        if not blocks:
            empty += 1
            continue
        counts = [len(block.x0) for block in blocks]
        x0, y0, x1, y1 = (np.concatenate([block[i] for block in blocks]) for i in range(4))
        power_w, speed = (np.repeat([block[i] for block in blocks], counts) for i in (4, 5))
        zeros = np.zeros(sum(counts))
        vectors = Vectors(zeros, x0, y0, x1, y1, np.full(len(zeros), z_m), power_w, speed, zeros)
        samples, planned = path_of_vectors(vectors, build.jump_speed_m_per_s, start_s)
        layers.append(RecordedLayer(number, z_m, samples, planned))
        start_s = float(samples.time_s[-1])
    if not layers:
        raise BadSourceError(path, "has no layer with a vector")
    dropped = {"layers without vectors": empty} if empty else {}
    return Recording(build, path.resolve().stem[:48], layers, file_hash([path]), run, dropped)


def _parse(path: File, build: BuildFile) -> list[tuple[float, list[_Block]]]:
    unit_m = announced = None
    power_w = speed = None
    ended = False
    layers: list[tuple[float, list[_Block]]] = []
    for line, name, value in _commands(path):
        if name == "UNITS":
            unit_m = to_si(_number(path, line, value), "mm")
            if not 1e-12 <= unit_m <= 1:
                raise BadSourceError(path, f"$$UNITS/{value} is no unit in mm", line)
        elif name == "BINARY":
            raise BadSourceError(path, "is binary CLI; only the text form ($$ASCII) is read", line)
        elif name == "LAYERS":
            announced = int(_number(path, line, value))
        elif name == "LAYER":
            if unit_m is None:
                raise BadSourceError(path, "says no $$UNITS before its first layer", line)
            z_m = _number(path, line, value) * unit_m
            if layers and z_m < layers[-1][0]:
                raise BadSourceError(path, f"layer at {value} lies below the one before it", line)
            if not layers or z_m > layers[-1][0]:
                layers.append((z_m, []))
        elif name == "POWER":
            power_w = to_si(_number(path, line, value), "W")
        elif name == "SPEED":
            speed = to_si(_number(path, line, value), "mm/s")
        elif name in ("POLYLINE", "HATCHES"):
            if unit_m is None or not layers:
                raise BadSourceError(path, f"$${name} before the first $$LAYER", line)
            own = build.polylines if name == "POLYLINE" else build.hatches
            nominal_w, nominal_speed = (
                (own.beam_power_w, own.scan_speed_m_per_s) if own else (build.beam_power_w, build.scan_speed_m_per_s)
            )
            ends = _ends(path, line, name, value)
            if len(ends):
                x0, y0, x1, y1 = ends.T * unit_m
                here = (nominal_w if power_w is None else power_w, nominal_speed if speed is None else speed)
                if here[0] < 0 or here[1] <= 0:
                    raise BadSourceError(path, f"power {here[0]:g} W and speed {here[1]:g} m/s", line)
                layers[-1][1].append(_Block(x0, y0, x1, y1, *here))
        elif name == "GEOMETRYEND":
            ended = True
        elif name not in _IGNORED:
            raise BadSourceError(path, f"$${name[:40]} is no command of CLI", line)
    if not ended:
        raise BadSourceError(path, "ends without $$GEOMETRYEND; the file may have been cut short")
    if announced is not None and announced != len(layers):
        raise BadSourceError(path, f"announces {announced} layers and holds {len(layers)}")
    return layers


def _commands(path: File) -> Iterator[_Command]:
    """Commands, which may share a line or go over several; `//comments//` and what stands before the header go."""
    pending: _Command | None = None
    begun = False
    for number, text in lines(path):
        text = re.sub(r"//.*?//", "", text)
        before, *commands = text.split("$$")
        if pending is not None and before.strip():
            pending = pending._replace(value=pending.value + before.strip())
        for command in commands:
            if pending is not None:
                yield pending
            name, _, value = command.strip().partition("/")
            begun = begun or name == "HEADERSTART"
            pending = _Command(number, name.strip().upper(), value.strip()) if begun else None
    if not begun:
        raise BadSourceError(path, "has no $$HEADERSTART")
    if pending is not None:
        yield pending


def _number(path: File, line: int, value: str) -> float:
    try:
        number = float(value.split(",")[0])
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise BadSourceError(path, f"{value[:40]!r} is not a number", line)
    return number


def _ends(path: File, line: int, name: str, value: str) -> np.ndarray:
    """Ends (x0, y0, x1, y1) of each line, in the file's unit; shape (n, 4)."""
    try:
        numbers = np.array(value.rstrip(",").split(","), dtype=np.float64)
    except ValueError as wrong:
        raise BadSourceError(path, f"$${name}: {wrong}", line) from wrong
    head, width = (3, 2) if name == "POLYLINE" else (2, 4)
    if len(numbers) < head or len(numbers) != head + width * numbers[head - 1]:
        raise BadSourceError(path, f"$${name} does not hold as many numbers as it says", line)
    if not np.isfinite(numbers).all():
        raise BadSourceError(path, f"$${name}: a number is not finite", line)
    points = numbers[head:].reshape(-1, width)
    lines_of = np.hstack([points[:-1], points[1:]]) if name == "POLYLINE" else points
    long = (lines_of[:, 0] != lines_of[:, 2]) | (lines_of[:, 1] != lines_of[:, 3])
    return lines_of[long]
