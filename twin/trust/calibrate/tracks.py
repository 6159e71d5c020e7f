"""Tracks: the fields of draws by the reference, in shards, so that a killed run goes on where it was.

The truth is the fine teacher's, for which an operator that serves is told to speak. Where a path is long, the coarse
one marches its past, and the fine one takes over LATELY before the forecast is made: the melt pool is its own by then,
and of the coarse one there is the faint heat of what lies farther back (fields to a thousandth or two: docs/LOG.md).
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from operators.melt_pool.trajectories import teacher
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid
from twin.trust.calibrate.draws import SEED, Draw, drawn

SIZE = 20  # draws a shard
LATELY = 32  # frames: 16 d of travel


@dataclass(frozen=True)
class Track:
    """A draw and what the reference says at LEADS: asinh(theta) at the nodes (lead, x, y, z) float16, and the pool's
    length, width and depth (lead, 3), d, read before rounding."""

    draw: Draw
    field: np.ndarray
    sizes: np.ndarray


def solved(draw: Draw) -> Track:
    """March the reference along the draw."""
    grid = WindowGrid()
    solver = teaching(draw, fine=draw.issued <= LATELY)
    fields, sizes = [], []
    px, py, pz = grid.points
    for index, (rows, (x, y, heading)) in enumerate(zip(draw.rows, draw.poses, strict=True)):
        if index == draw.issued - LATELY:
            before, solver = solver, teaching(draw, fine=True)
            solver.take_over(before, rows[0, 1], rows[0, 2])
        solver.advance(rows)
        if index in draw.looked:
            c, s = math.cos(heading), math.sin(heading)
            theta = solver.theta(x + c * px - s * py, y + s * px + c * py, pz)
            fields.append(np.arcsinh(theta).astype(np.float16))
            sizes.append(grid.sizes(theta, draw.stream.groups.solidus))
    return Track(draw, np.stack(fields), np.array(sizes))


def teaching(draw: Draw, fine: bool) -> MeltPoolSolver:
    """One of the two teachers, on a cold plate."""
    boxes = teacher(draw.stream.peclet, draw.linear[2], fine, draw.vector)
    return MeltPoolSolver(draw.stream.groups, boxes, surface=draw.stream.surface)


def made(
    count: int, folder: Path, shift: str = "", seed: int = SEED, first: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> list[Path]:  # fmt: skip
    """The shards of draws first..count, in order; what lies in the folder is not made again, but where they would be
    drawn otherwise now."""
    folder.mkdir(parents=True, exist_ok=True)
    paths, began, new = [], time.monotonic(), 0
    for start in range(first, count, SIZE):
        name = f"seed-{seed}-{shift or 'id'}-{start:05d}.npz"
        paths.append(folder / name)
        draws = [drawn(n, shift, seed) for n in range(start, min(count, start + SIZE))]
        if _holds(paths[-1], draws):
            continue
        tracks = [solved(draw) for draw in draws]
        _write(paths[-1], tracks)
        new += len(tracks)
        say(f"{shift or 'id'}: {start + len(tracks)} of {count}, {new} new in {time.monotonic() - began:.0f} s")
    return paths


def read(path: Path) -> Iterator[Track]:
    """The tracks of a shard, in order."""
    _, seed, shift, _ = path.stem.split("-")
    with np.load(path) as kept:
        numbers, fields, sizes = kept["numbers"].tolist(), kept["fields"], kept["sizes"]
    for number, field, size in zip(numbers, fields, sizes, strict=True):
        yield Track(drawn(number, "" if shift == "id" else shift, int(seed)), field, size)


def _holds(path: Path, draws: list[Draw]) -> bool:
    """Whether a shard is of these draws."""
    if not path.is_file():
        return False
    with np.load(path) as kept:
        return "marks" in kept and np.array_equal(kept["marks"], _marks(draws))


def _marks(draws: list[Draw]) -> np.ndarray:
    """A number for the metal and the path of each."""
    told = [[d.stream.groups.vector(), np.array(d.looked, dtype=np.float64), *d.rows] for d in draws]
    return np.array([crc32(b"".join(array.tobytes() for array in each)) for each in told])


def _write(path: Path, tracks: list[Track]) -> None:
    """Whole or not at all."""
    half = path.with_suffix(".half.npz")
    np.savez(
        half,
        numbers=np.array([t.draw.number for t in tracks]),
        fields=np.stack([t.field for t in tracks]),
        sizes=np.stack([t.sizes for t in tracks]),
        marks=_marks([t.draw for t in tracks]),
    )
    half.replace(path)
