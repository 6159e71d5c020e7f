"""Ledgers: what straight tracks of the coarse teacher absorb and evaporate, which `losses.Losses` is fitted to."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from operators.melt_pool import shards
from operators.melt_pool.losses import Losses, fitted
from operators.melt_pool.plan import LOWEST, TRAVEL
from operators.melt_pool.trajectories import CONDITION, condition, draw, teacher
from operators.operator import Stream
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid

STREAM = 0x4C4F5353  # second word of the random numbers: none are shared with trajectories
FRAMES, LOOKED = 12, 4  # of a track, and of its end: the share stands from the fifth on
TRACKS = 5 / 8  # a trajectory
LEFT_OUT = 5  # one of so many scores


def drawn(number: int, seed: int) -> tuple[Stream, float, float, float]:
    """(stream, about how deep its pool will be, q, depth of the source) of a track."""
    rng = np.random.default_rng([seed, STREAM, number])
    stream, beam, deep = draw(rng, WindowGrid())
    return stream, deep, *beam.source(1.0 if rng.random() < 0.5 else rng.uniform(LOWEST, 1.0))


def track(number: int, seed: int) -> np.ndarray:
    """(condition..., q, share) of one."""
    stream, deep, q, depth = drawn(number, seed)
    solver = MeltPoolSolver(stream.groups, teacher(stream.peclet, deep, False), surface=stream.surface)
    frame = TRAVEL / stream.peclet
    for k in range(FRAMES):
        if k == FRAMES - LOOKED:
            before = solver.ledger.copy()
        ends = ((k + n) * np.array([frame, TRAVEL, 0.0]) for n in (0, 1))
        solver.advance(np.array([[*end, q, depth] for end in ends]))
    gave, took = (getattr(solver.ledger, name) - getattr(before, name) for name in ("evaporated", "absorbed"))
    return np.concatenate([condition(stream, depth, fine=False), [q, gave / took]])


def made(count: int, seed: int, path: Path, workers: int = 1) -> np.ndarray:
    """(track, condition + 2), read where they lie as they would be drawn now, made and kept where not."""
    if path.is_file():
        kept: np.ndarray = np.load(path)
        stream, _, q, depth = drawn(count - 1, seed)
        last = np.array([*condition(stream, depth, fine=False), q])
        if len(kept) == count and np.array_equal(kept[-1, :-1], last):
            return kept
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=shards.alone) as pool:
        rows = np.stack(list(pool.map(partial(track, seed=seed), range(count), chunksize=10)))
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half.npy")
    np.save(half, rows)
    half.replace(path)
    return rows


def kept_losses(rows: np.ndarray, path: Path, seed: int = 0) -> tuple[Losses, float]:
    """`losses_of`, read where they lie fitted to these rows. A fit hangs by its rounding on the machine and on its
    threads, and samples that one gathered are not those of another."""
    if path.is_file():
        with np.load(path) as kept:
            if np.array_equal(kept["rows"], rows):
                losses = Losses().requires_grad_(False)
                losses.load_state_dict({name: torch.from_numpy(kept[name]) for name in losses.state_dict()})
                return losses, float(kept["off"])
    losses, off = losses_of(rows, seed)
    half = path.with_suffix(".half.npz")
    np.savez(half, rows=rows, off=off, **{name: value.numpy() for name, value in losses.state_dict().items()})
    half.replace(path)
    return losses, off


def losses_of(rows: np.ndarray, seed: int = 0) -> tuple[Losses, float]:
    """Fitted to all of them, and the root mean square by which one fitted without every fifth is off on those."""
    told, q, share = torch.from_numpy(rows[:, :-2]).float(), *torch.from_numpy(rows[:, -2:]).float().unbind(1)
    peclet, depth = (told[:, CONDITION.index(name)].exp() for name in ("peclet", "depth"))
    out = torch.arange(len(rows)) % LEFT_OUT == 0
    part = fitted(*(a[~out] for a in (told, q, depth, peclet, share)), seed=seed)
    off = part(told[out], *(a[out, None] for a in (q, depth, peclet)))[:, 0] - share[out]
    return fitted(told, q, depth, peclet, share, seed=seed), float(off.square().mean().sqrt())
