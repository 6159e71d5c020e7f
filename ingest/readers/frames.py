"""The NIST AMMT frame table: one row a camera frame, with power, speed and direction, and no position or time.

    strategy, frame, power_W, speed_mm_s, dir_x, dir_y, ... meltpool_shape_class8

A strategy (`Base`: constant power, `MPA`: closed loop on the melt pool's area) becomes a layer, named in its note.
Frames are `sample_s` apart, which the build file says (for the public table 0.1 ms: the steps of its speed over its
acceleration). Positions are dead reckoning, x(i+1) = x(i) + v(i) d(i) dt: distances along the path are right and places
in the part drift. The shape class is no signal of ours: `ingest.files.tables.read_table` gives it.
"""

from pathlib import Path as File
from typing import Literal

import numpy as np

from ingest.errors import BadSourceError
from ingest.files.text import cells, file_hash, lines
from ingest.readers.build_file import BuildFile
from ingest.readers.columns import read_numbers
from ingest.readers.recording import RecordedLayer, Recording
from twin.observation import Path
from twin.units import to_si

FORMAT: Literal["frames"] = "frames"
COLUMNS = ("frame", "power_W", "speed_mm_s", "dir_x", "dir_y")


def read(path: File, build: BuildFile, run: str) -> Recording:
    """Read all rows; frames of a strategy must count up."""
    if build.sample_s is None:
        raise BadSourceError(path, "says no times: say sample_s, the time between two frames, in the build file")
    table = read_numbers(path, list(COLUMNS))
    strategies = _strategies(path, len(table["frame"]))
    layers, start_s = [], 0.0
    for number, strategy in enumerate(dict.fromkeys(strategies)):
        rows = np.flatnonzero(strategies == strategy)
        frame, power_w, speed, dir_x, dir_y = (table[name][rows] for name in COLUMNS)
        _check(path, rows, frame, power_w, speed, np.hypot(dir_x, dir_y))
        time_s = start_s + (frame - frame[0]) * build.sample_s
        lasts_s = np.append(np.diff(time_s), build.sample_s)
        step_m = to_si(speed, "mm/s") * lasts_s
        end_s = time_s[-1] + build.sample_s
        z_m = number * build.layer_thickness_m
        place = [np.concatenate([[0.0], np.cumsum(step_m * direction)]) for direction in (dir_x, dir_y)]
        power_w = np.append(to_si(power_w, "W"), 0.0)
        samples = Path(np.append(time_s, end_s), place[0], place[1], np.full(len(rows) + 1, z_m), power_w)
        layers.append(RecordedLayer(number, z_m, samples, note=str(strategy)))
        start_s = float(end_s)
    shapes = {"meltpool_shape_class8": len(strategies)} if "meltpool_shape_class8" in _header(path) else {}
    return Recording(build, path.resolve().name.split(".")[0][:48], layers, file_hash([path]), run, shapes)


def _check(
    path: File, rows: np.ndarray, frame: np.ndarray, power_w: np.ndarray, speed: np.ndarray, length: np.ndarray
) -> None:
    faults = [
        (np.concatenate([[False], np.diff(frame) < 1]), "the frame does not count up"),
        (power_w < 0, "power below 0"),
        (speed < 0, "speed below 0"),
        ((speed > 0) & (np.abs(length - 1) > 0.01), "the direction is no unit vector"),
    ]
    for wrong, says in faults:
        if wrong.any():
            raise BadSourceError(path, says, int(rows[np.argmax(wrong)]) + 2)


def _header(path: File) -> list[str]:
    return [name.strip() for name in cells(next(lines(path), (1, ""))[1])]


def _strategies(path: File, count: int) -> np.ndarray:
    names = _header(path)
    if "strategy" not in names:
        return np.full(count, "")
    at = names.index("strategy")
    return np.array([cells(text)[at] for number, text in lines(path) if number > 1 and text.strip()])
