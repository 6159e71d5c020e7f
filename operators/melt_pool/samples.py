"""Samples: what the melt-pool recipe learns from, as arrays, split by trajectory."""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
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
from operators.melt_pool.trajectories import CONDITION, PAIRS, TEST, VALIDATION
from operators.window import WindowGrid

PECLET = CONDITION.index("peclet")
AT_ONCE = 16  # windows
NAMES = ("forcing", "told", "target", "trajectory")
FEWEST = 2 * PAIRS  # trajectories of which all three splits have some
LOSSES = "losses"  # by which forcings were made


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
        """Rows of a split: fit, validation or test."""
        pair = self.trajectory // 2 % PAIRS
        chosen = {"fit": pair < VALIDATION, "validation": pair == VALIDATION, "test": pair == TEST}[which]
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
    paths = shards.made(trajectories, seed, work / "shards", workers, progress, more)
    gathered = folder_of(work, trajectories, seed, more)
    if _is_of_others(gathered, paths, losses):
        _set_aside(gathered)
    if not all((gathered / f"{name}.npy").is_file() for name in NAMES):
        gather(paths, gathered, workers, losses)
    return Samples.read(gathered)


def gathered_before(folder: Path, losses: Losses | None) -> Samples:
    """Samples that another training gathered in a folder; ValueError where they are none, or their forcings count other
    losses."""
    if not all((folder / f"{name}.npy").is_file() for name in (*NAMES, LOSSES)):
        raise ValueError(f"{folder} holds no samples of `./meltwin train melt-pool --work`")
    if not np.array_equal(np.load(folder / f"{LOSSES}.npy"), _flat(losses)):
        raise ValueError(f"the forcings in {folder} count other losses than these weights do")
    return Samples.read(folder)


def folder_of(work: Path, trajectories: int, seed: int, more: int = 0) -> Path:
    """Where samples are gathered, and checkpoints of what learns from them lie."""
    return work / (f"samples-{seed}-{trajectories}" + (f"-{more}" if more else ""))


def _set_aside(folder: Path) -> None:
    """Arrays are gathered again in minutes; checkpoints, which took hours, are moved to a folder beside theirs."""
    checkpoints = sorted(folder.glob("*.checkpoint"))
    if checkpoints:
        asides = (folder.with_name(f"{folder.name}-before-{n}") for n in itertools.count(1))
        aside = next(each for each in asides if not each.exists())
        aside.mkdir()
        for each in checkpoints:
            each.rename(aside / each.name)
        warnings.warn(f"{folder} is of other draws or losses: what learned from it is in {aside} now", stacklevel=2)
    shutil.rmtree(folder)


def _is_of_others(folder: Path, paths: list[Path], losses: Losses | None) -> bool:
    """Whether a folder has samples of other shards, or by other losses; one with checkpoints alone has not."""
    told, trajectory = _named(paths)
    for name, now in (("told", told), ("trajectory", trajectory), (LOSSES, _flat(losses))):
        kept = folder / f"{name}.npy"
        if kept.is_file() and not np.array_equal(np.load(kept), now):
            return True
    return (folder / "told.npy").is_file() and not (folder / f"{LOSSES}.npy").is_file()  # of before there were any


def _named(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """(told, trajectory) of each sample of shards."""
    told, trajectory = [], []
    for path in paths:
        with np.load(path) as kept:
            told.append(kept["told"])
            trajectory.append(kept["numbers"])
    return np.concatenate(told), np.concatenate(trajectory)


def _flat(losses: Losses | None) -> np.ndarray:
    state = [] if losses is None else [value.flatten() for value in losses.state_dict().values()]
    return torch.cat([torch.zeros(0), *state]).numpy()


def gather(paths: list[Path], folder: Path, workers: int = 1, losses: Losses | None = None) -> None:
    """The arrays of shards, with the forcings of what `losses` leave, written to a folder; the last one is what says
    that all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    told, trajectory = _named(paths)
    grid, count = WindowGrid(), len(told)
    opened = partial(np.lib.format.open_memmap, mode="w+", dtype=np.float16)
    fields = opened(folder / "forcing.npy.half", shape=(count, len(CHANNELS), *grid.shape))
    targets = opened(folder / "target.npy.half", shape=(count, *grid.shape))
    at = 0
    with _mapping(workers) as mapped:
        for some, wanted in mapped(partial(_of_shard, losses=losses), paths):
            fields[at : at + len(some)], targets[at : at + len(some)] = some, wanted
            at += len(some)
    for name, array in (("told", told), ("trajectory", trajectory), (LOSSES, _flat(losses))):
        np.save(folder / f"{name}.npy", array)
    for name, array in (("target", targets), ("forcing", fields)):
        array.flush()
        (folder / f"{name}.npy.half").replace(folder / f"{name}.npy")


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[..., Iterator[tuple[np.ndarray, np.ndarray]]]]:
    if workers == 1:
        yield map
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=shards.alone) as pool:
        yield pool.map


def _of_shard(path: Path, losses: Losses | None = None) -> tuple[np.ndarray, np.ndarray]:
    grid, out = WindowGrid(), []
    axes = [torch.from_numpy(a).float() for a in (grid.x, grid.y, grid.z)]
    samples = list(shards.read(path))
    for begin in range(0, len(samples), AT_ONCE):
        some = samples[begin : begin + AT_ONCE]
        said, ways = np.stack([s.condition for s in some]), [s.path for s in some]
        peclets = np.exp(said[:, PECLET].astype(np.float64)).tolist()
        ways = ways if losses is None else losses.kept_of(ways, said)
        pairs = [sources(w, peclet, s.heading) for w, s, peclet in zip(ways, some, peclets, strict=True)]
        now, before = (together([pair[i] for pair in pairs]) for i in range(2))
        out.append(forcing(now, before, torch.from_numpy(said), *axes).half().numpy())
    return np.concatenate(out), np.stack([s.target for s in samples])
