"""Paths: what the beam does, in beam diameters and frames, and in which frames something happens.

A frame is the time in which the beam goes TRAVEL diameters at its nominal scan speed; it stays that through turns and
laser-off. What a trajectory has (its features) follows from its number by rotations of irrational steps, so that
shares hold in every stretch of numbers and features are independent of one another; all else is drawn.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from operators.melt_pool.plan import TRAVEL

SHORT = 3.0  # diameters: vectors below it are short
STEP = 0.2  # smallest change of power that counts
OFF = 5  # frames that the laser is off, at least, where that is a feature; without it at most 4
LOWEST = 0.45  # power, as a share of the nominal one, which is the highest
LONGEST = 20.0  # vector of a hatch, d
TICK = 0.01  # of a frame: everything begins on one
SHARES = {"straight": 13 / 30, "corners": 7 / 30, "serpentine": 2 / 30, "one way": 2 / 30, "short": 6 / 30}
TURNING = ("corners", "serpentine", "short")
HATCHED = ("serpentine", "one way", "short")  # heat of earlier tracks is still there


@dataclass(frozen=True)
class Features:
    """Shape of the path, whether power steps, whether the laser is off for OFF frames and more."""

    shape: str
    steps: bool
    off: bool

    @staticmethod
    def of(number: int) -> "Features":
        upper = np.cumsum(list(SHARES.values()))
        shape = list(SHARES)[min(int(np.searchsorted(upper, even(number, 5), side="right")), len(SHARES) - 1)]
        return Features(shape, even(number, 2) < 1 / 2, even(number, 3) < 1 / 3)


def even(number: int, root: int) -> float:
    """In [0, 1), evenly spread over any stretch of numbers; of different roots without squares in common independent
    (Weyl 1916)."""
    return (number + 1) * math.sqrt(root) % 1.0


def draw(
    rng: np.random.Generator, features: Features, frames: int, vectors: tuple[float, float] | None = None
) -> np.ndarray:
    """Rows (frame, x, y, level): position linear between rows, level (share of the nominal power) held to the next.
    `vectors`: between which lengths those of a hatch lie, d; left out: what the frames leave room for."""
    pieces = _pieces(rng, features.shape, frames, vectors)
    dark: list[tuple[float, float]] = []
    if features.off:
        for begin, span in _absences(rng, frames):
            if rng.random() < 0.5:
                pieces = _paused(pieces, begin, span)
            else:  # the beam goes on in the dark
                dark.append((begin, begin + span))
    ends = np.concatenate([[0.0], np.cumsum([piece[0] for piece in pieces])])
    x, y = (np.concatenate([[0.0], np.cumsum([piece[axis] for piece in pieces])]) for axis in (1, 2))
    changes, levels = _powers(rng, frames) if features.steps else (np.zeros(1), np.ones(1))
    times = np.concatenate([ends, changes, np.ravel(dark), [frames]])
    times = np.unique(np.round(times[times <= frames] / TICK)) * TICK
    middle = np.append(0.5 * (times[1:] + times[:-1]), times[-1])
    lit = np.array([piece[3] for piece in pieces])[np.clip(np.searchsorted(ends, middle) - 1, 0, len(pieces) - 1)]
    for begin, end in dark:
        lit &= (middle < begin) | (middle > end)
    level = np.where(lit, levels[np.searchsorted(changes, middle, side="right") - 1], 0.0)
    level[-1] = level[-2]
    return np.column_stack([times, np.interp(times, ends, x), np.interp(times, ends, y), level])


def stretches(rows: np.ndarray, frames: int) -> list[np.ndarray]:
    """The path of each frame: begins and ends with it, and with the rows between."""
    times = np.unique(np.concatenate([rows[:, 0], np.arange(frames + 1.0)]))
    held = np.maximum(np.searchsorted(rows[:, 0], times, side="right") - 1, 0)
    x, y = (np.interp(times, rows[:, 0], rows[:, axis]) for axis in (1, 2))
    whole = np.column_stack([times, x, y, rows[held, 3:]])
    edges = np.searchsorted(times, np.arange(frames + 1.0))
    return [whole[a : b + 1] for a, b in pairwise(edges)]


def vectors(rows: np.ndarray) -> np.ndarray:
    """Lengths (d) of the stretches between turns, laser on or off; a path that begins and ends on the way has shorter
    ones there."""
    steps = np.diff(rows[:, 1:3], axis=0)
    steps = steps[np.hypot(*steps.T) > 1e-9]
    turned = np.abs(np.angle(np.exp(1j * np.diff(np.arctan2(steps[:, 1], steps[:, 0]))))) > 0.02
    ends = np.concatenate([[0], np.flatnonzero(turned) + 1, [len(steps)]])
    return np.array([np.hypot(*steps[a:b].sum(axis=0)) for a, b in pairwise(ends.tolist())] or [0.0])


def events(rows: np.ndarray, frames: int) -> np.ndarray:
    """Frames in which the power steps by STEP and more, the beam turns, or the laser is off; the first one, where it
    comes on, is one. Bool, one a frame."""
    out = np.zeros(frames, dtype=bool)
    out[0] = True
    heading: float | None = None
    for k in range(len(rows) - 1):
        (t, x, y, level), (later, x2, y2, _) = rows[k], rows[k + 1]
        frame = min(int(t + 0.5 * TICK), frames - 1)
        if level == 0.0:
            out[frame : math.ceil(later - 0.5 * TICK)] = True
        if k and abs(level - rows[k - 1, 3]) >= STEP * max(rows[k - 1, 3], 1e-9) - 1e-9:
            out[frame] = True
        if math.hypot(x2 - x, y2 - y) > 1e-9:
            now = math.atan2(y2 - y, x2 - x)
            if heading is not None and abs(math.remainder(now - heading, 2 * math.pi)) > 0.02:
                out[frame] = True
            heading = now
    return out


Piece = tuple[float, float, float, bool]  # frames, then how far in x and in y, and whether the laser is on


def _pieces(
    rng: np.random.Generator, shape: str, frames: int, vectors: tuple[float, float] | None = None
) -> list[Piece]:
    heading = rng.uniform(-math.pi, math.pi)
    if shape == "straight":
        return [_piece(frames * TRAVEL, heading)]
    longest = min(LONGEST, max(SHORT + 1.0, frames * TRAVEL / 3))
    low, high = vectors or ((0.8, SHORT - 0.1) if shape == "short" else (min(5.0, SHORT + 0.5), longest))
    length = rng.uniform(low, high)
    spacing, side = rng.uniform(0.6, 1.5), rng.choice([-1.0, 1.0])
    aside = heading + side * math.pi / 2
    back = rng.uniform(2.0, 4.0)  # frames of a flight back
    lit_aside = shape == "short" and bool(rng.random() < 0.4)
    pieces: list[Piece] = []
    while sum(piece[0] for piece in pieces) < frames:
        if shape == "corners":
            pieces.append(_piece(rng.uniform(SHORT + 0.2, longest), heading))
            heading += rng.choice([-1.0, 1.0]) * rng.uniform(math.pi / 6, 5 * math.pi / 6)
            continue
        pieces.append(_piece(length, heading))
        if shape == "one way":
            _, x, y, _ = pieces[-1]
            _, sx, sy, _ = _piece(spacing, aside)
            pieces.append((round(back / TICK) * TICK, sx - x, sy - y, False))
            continue
        pieces.append(_piece(spacing, aside, lit_aside))
        heading += math.pi
    return pieces


def _piece(length: float, heading: float, lit: bool = True) -> Piece:
    """A vector at nominal speed."""
    span = round(length / TRAVEL / TICK) * TICK
    return span, span * TRAVEL * math.cos(heading), span * TRAVEL * math.sin(heading), lit


def _absences(rng: np.random.Generator, frames: int) -> list[tuple[float, float]]:
    """(begin, span) of laser-off, in frames, one to each 80."""
    count = max(1, round(frames / 80))
    part = frames / count
    longest = min(15.0, max(OFF + 1.5, part / 4))
    return [
        tuple(np.round([(i + rng.uniform(0.25, 0.6)) * part, rng.uniform(OFF + 1.0, longest)], 2).tolist())
        for i in range(count)
    ]


def _paused(pieces: list[Piece], begin: float, span: float) -> list[Piece]:
    """The beam stands still, laser off, from `begin` on."""
    out, at = [], 0.0
    for k, (took, x, y, lit) in enumerate(pieces):
        if at + took > begin:
            share = max(begin - at, 0.0) / took
            first, rest = ((part * took, part * x, part * y, lit) for part in (share, 1 - share))
            return [*out, first, (span, 0.0, 0.0, False), rest, *pieces[k + 1 :]]
        out.append((took, x, y, lit))
        at += took
    return out


def _powers(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """When the power steps, and to which share."""
    changes, levels = [0.0], [1.0]
    at = rng.uniform(0.15, 0.4) * min(frames, 100)
    while at < frames:
        level = rng.uniform(LOWEST, 1.0)
        while abs(level - levels[-1]) < STEP * levels[-1]:
            level = rng.uniform(LOWEST, 1.0)
        changes.append(round(at / TICK) * TICK)
        levels.append(level)
        at += 6.0 + rng.exponential(20.0)
    return np.array(changes), np.array(levels)
