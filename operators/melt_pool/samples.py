"""Samples: what the melt-pool recipe learns from, as arrays, split by trajectory."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from operators.melt_pool import shards
from operators.melt_pool.forcing import CHANNELS, forcing, sources, together
from operators.melt_pool.losses import Losses
from operators.melt_pool.trajectories import CONDITION
from operators.window import WindowGrid

PECLET = CONDITION.index("peclet")
AT_ONCE = 16  # windows
NAMES = ("forcing", "told", "target", "trajectory")


@dataclass(frozen=True)
class Samples:
    """Forcing (n, channel, x, y, z) and target (n, x, y, z) in asinh(theta), float16; told (n, condition); and the
    trajectory of each."""

    forcing: Tensor
    told: Tensor
    target: Tensor
    trajectory: np.ndarray

    @staticmethod
    def read(folder: Path) -> "Samples":
        """As `gather` wrote them; fields stay on disk until they are wanted."""
        fields, told, target, trajectory = (np.load(folder / f"{name}.npy", mmap_mode="c") for name in NAMES)
        return Samples(*(torch.from_numpy(a) for a in (fields, told, target)), np.asarray(trajectory))

    def part(self, which: str) -> Tensor:
        """Rows of a split. Of each twenty pairs of trajectories (one straight, one eventful) one pair is for
        validation and one for test."""
        pair = self.trajectory // 2 % 20
        chosen = {"fit": pair < 18, "validation": pair == 18, "test": pair == 19}[which]
        return torch.from_numpy(np.flatnonzero(chosen))

    def to(self, device: str) -> "Samples":
        return Samples(self.forcing.to(device), self.told.to(device), self.target.to(device), self.trajectory)


def made(
    trajectories: int,
    seed: int,
    workers: int,
    work: Path | None,
    progress: Callable[[int], None],
    more: int = 0,
    losses: Losses | None = None,
) -> Samples:
    """The samples of `shards.made`, from what lies in the folder, the rest made and kept there."""
    if work is None:
        with tempfile.TemporaryDirectory(prefix="meltwin-") as folder:  # what is mapped stays until it is let go
            return made(trajectories, seed, workers, Path(folder), progress, more, losses)
    gathered = work / (f"samples-{seed}-{trajectories}" + (f"-{more}" if more else ""))
    if not all((gathered / f"{name}.npy").is_file() for name in NAMES):
        gather(shards.made(trajectories, seed, work / "shards", workers, progress, more), gathered, workers, losses)
    return Samples.read(gathered)


def gather(paths: list[Path], folder: Path, workers: int = 1, losses: Losses | None = None) -> None:
    """The arrays of shards, with the forcings of what `losses` leave, written to a folder; the last one is what says
    that all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    told, trajectory = [], []
    for path in paths:
        with np.load(path) as kept:
            told.append(kept["told"])
            trajectory.append(kept["numbers"])
    grid, count = WindowGrid(), sum(len(t) for t in told)
    opened = partial(np.lib.format.open_memmap, mode="w+", dtype=np.float16)
    fields = opened(folder / "forcing.npy.half", shape=(count, len(CHANNELS), *grid.shape))
    targets = opened(folder / "target.npy.half", shape=(count, *grid.shape))
    at = 0
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=shards.alone) as pool:
        for some, wanted in pool.map(partial(_of_shard, losses=losses), paths):
            fields[at : at + len(some)], targets[at : at + len(some)] = some, wanted
            at += len(some)
    np.save(folder / "told.npy", np.concatenate(told))
    np.save(folder / "trajectory.npy", np.concatenate(trajectory))
    for name, array in (("target", targets), ("forcing", fields)):
        array.flush()
        (folder / f"{name}.npy.half").replace(folder / f"{name}.npy")


def _of_shard(path: Path, losses: Losses | None = None) -> tuple[np.ndarray, np.ndarray]:
    grid, out = WindowGrid(), []
    axes = [torch.from_numpy(a).float() for a in (grid.x, grid.y, grid.z)]
    samples = list(shards.read(path))
    for begin in range(0, len(samples), AT_ONCE):
        some = samples[begin : begin + AT_ONCE]
        peclets = [float(np.exp(s.condition[PECLET])) for s in some]
        ways = [s.path if losses is None else losses.kept(s.path, s.condition) for s in some]
        pairs = [sources(w, peclet, s.heading) for w, s, peclet in zip(ways, some, peclets, strict=True)]
        told = torch.from_numpy(np.stack([s.condition for s in some]))
        now, before = (together([pair[i] for pair in pairs]) for i in range(2))
        out.append(forcing(now, before, told, *axes).half().numpy())
    return np.concatenate(out), np.stack([s.target for s in samples])
