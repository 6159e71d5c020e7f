"""Shards: the samples of forty trajectories each, in a file of their own, so that a killed run goes on where it was.

Kept are the path, what is told and the field of the reference; forcings are made from paths when they are wanted, in
a hundredth of the time.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numba
import numpy as np
import torch

from operators.melt_pool.trajectories import (
    Sample,
    condition,
    course,
    depth_now,
    is_eventful,
    is_fine,
    trajectory,
    until,
)
from operators.window import WindowGrid

SIZE = 40  # trajectories: two rounds of `trajectories.is_fine`


def numbers(index: int, count: int, more: int = 0) -> list[int]:
    """The trajectories of a shard: of `count` in all, and of `more` numbers after them those that the coarse teacher
    makes: all with events, two numbers in five, and three straight ones in forty. What they teach is most for their
    time, and they choose and score nothing."""
    some = range(index * SIZE, min(count + more, (index + 1) * SIZE))
    return [number for number in some if number < count or (not is_fine(number) and _teaches(number))]


def _teaches(number: int) -> bool:
    return is_eventful(number) or number % 10 == 0


def made(
    count: int, seed: int, folder: Path, workers: int = 1, progress: Callable[[int], None] = lambda done: None,
    more: int = 0,
) -> list[Path]:  # fmt: skip
    """The shards of `count` trajectories and of `more` numbers more (`numbers`), in order; what lies in the folder is
    not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"seed-{seed}-shard-{i:04d}-of-{SIZE}.npz" for i in range(-(-(count + more) // SIZE))]
    held = [numbers(i, count, more) for i in range(len(paths))]
    wanted = [(some, seed, path) for some, path in zip(held, paths, strict=True) if not _holds(path, some, seed)]
    done = sum(map(len, held)) - sum(len(some) for some, *_ in wanted)
    progress(done)
    if workers == 1:
        for each in wanted:
            done += _make(*each)
            progress(done)
        return paths
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=alone) as pool:
        for future in as_completed([pool.submit(_make, *each) for each in wanted]):
            done += future.result()
            progress(done)
    return paths


def read(path: Path) -> Iterator[Sample]:
    """The samples of a shard, in order."""
    with np.load(path) as kept:
        ends = np.cumsum(kept["lengths"])
        rows, headings, told, targets = (kept[name] for name in ("rows", "headings", "told", "targets"))
        numbered = kept["numbers"]
    for i, (end, length) in enumerate(zip(ends, np.diff(ends, prepend=0), strict=True)):
        yield Sample(rows[end - length : end], float(headings[i]), told[i], targets[i], int(numbered[i]))


def write(path: Path, samples: list[Sample]) -> None:
    """Whole or not at all."""
    half = path.with_suffix(".half.npz")
    np.savez(
        half,
        rows=np.concatenate([s.path for s in samples]),
        lengths=np.array([len(s.path) for s in samples]),
        headings=np.array([s.heading for s in samples]),
        told=np.stack([s.condition for s in samples]),
        targets=np.stack([s.target for s in samples]),
        numbers=np.array([s.trajectory for s in samples]),
    )
    half.replace(path)


def _holds(path: Path, wanted: list[int], seed: int) -> bool:
    """Whether a shard is of these trajectories, and its last as it would be drawn now."""
    if not path.is_file():
        return False
    with np.load(path) as kept:
        if set(kept["numbers"].tolist()) != set(wanted):
            return False
    if not wanted:
        return True
    *_, last = read(path)
    now = course(wanted[-1], seed, WindowGrid())
    rows = until(now.path, len(last.path) - 2)
    told = condition(now.stream, depth_now(rows), is_fine(wanted[-1]))
    return np.array_equal(last.path, rows) and np.array_equal(last.condition, told)


def _make(wanted: list[int], seed: int, path: Path) -> int:
    grid = WindowGrid()
    write(path, [sample for number in wanted for sample in trajectory(number, seed, grid)])
    return len(wanted)


def alone() -> None:
    """One thread a worker: the workers are the parallelism."""
    numba.set_num_threads(1)
    torch.set_num_threads(1)
