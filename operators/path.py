"""Path: where the beam has been and what it gave there, kept short and not forgotten.

Rows (t, x, y, q, depth, ...), each the begin of a stretch that ends with the next; times in d^2/alpha, lengths in d.
What lies an age tau back has spread over

    w = sqrt(4 tau + 2 sigma^2),

so the older a stretch is, the less it matters how its heat was spread along it. A machine's power and speed differ a
little from row to row, and its positions have the noise of encoders: without `thinned` a path of rows that never repeat
is forgotten after ROWS of them, which of a DED build is a layer.
"""

import math
from typing import no_type_check

import numba
import numpy as np

from operators.reference.beam import SIGMA

OLDEST = 2000.0  # d^2/alpha: heat from before has spread over 90 d; a hatch adds up what is younger
ROWS = 1000  # that are kept of a past path; older ones are dropped
SHARP = 100  # newest rows that stay as they are
FEW = 150  # rows that are not worth thinning
EVEN = 1e-3  # share by which strengths may differ and be one
ALIKE = 0.5  # share by which strengths may differ and be averaged
ASIDE = 0.05  # of w, by which a place may move
LONG = 1.0  # of w, over which strengths may be averaged
BRIEF = 0.25  # of the age, the same
FASTEST = 1000.0  # d per d^2/alpha: a beam that goes faster leaves next to nothing anywhere; it is followed no closer
QUICK = 0.8  # of what was travelled, that a stretch must go: what evaporates goes by speed


def joined(past: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The past path with a stretch added: straight, even stretches of one source are merged, old ones `thinned`, and
    the oldest dropped."""
    kept = list(past[-3:-1]) if len(past) > 1 else []
    head = past[: max(len(past) - 3, 0)]
    for row in rows if not len(past) else np.vstack([[*past[-1, :3], *rows[0, 3:]], rows[1:]]):
        if len(kept) >= 2 and _straight(kept[-2], kept[-1], row):
            kept[-1] = row
        else:
            kept.append(row)
    whole = np.vstack([head, *kept])
    if len(whole) > FEW:
        whole = thinned(whole)[-ROWS:]
    young = int(np.searchsorted(whole[:, 0], whole[-1, 0] - OLDEST))
    return whole[max(young - 1, 0) :]


def thinned(path: np.ndarray, sharp: int = SHARP) -> np.ndarray:
    """A path whose old rows are fewer. Every stretch gives as much as before; no place moves by more than ASIDE w;
    strengths that differ by more than ALIKE, and lit and dark, stay apart; the newest `sharp` rows stay."""
    old = len(path) - max(sharp, 1)  # the last row ends the path
    if old < 3:
        return path
    path = np.ascontiguousarray(path, dtype=np.float64)
    out = np.empty((old, path.shape[1]))
    count = _thin(path, old, out)
    return np.vstack([out[:count], path[old:]])


def _straight(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
    """Whether c goes on from a to b evenly and with the same source."""
    if a[3] != b[3] or a[4] != b[4] or b[0] <= a[0]:
        return False
    w = (c[0] - a[0]) / (b[0] - a[0])
    return bool(abs(a[1] + w * (b[1] - a[1]) - c[1]) < 1e-3 and abs(a[2] + w * (b[2] - a[2]) - c[2]) < 1e-3)


@numba.njit(cache=True)
@no_type_check
def _thin(path, old, out):
    """Fill `out` with the stretches that begin in the first `old` rows; returns how many there are. From each row on,
    as many are taken together as may be."""
    now, count, first = path[-1, 0], 0, 0
    while first < old:
        last = first + 1  # row at which the stretch ends
        low = high = path[first, 3]
        shallow = deep = path[first, 4]
        while last < old:
            q, depth = path[last, 3], path[last, 4]
            low, high, shallow, deep = min(low, q), max(high, q), min(shallow, depth), max(deep, depth)
            if not _one(path, first, last + 1, now, low, high, deep - shallow):
                break
            last += 1
        out[count] = path[first]
        span = path[last, 0] - path[first, 0]
        if last > first + 1 and span > 0.0:
            for column in range(3, path.shape[1]):
                total = 0.0
                for row in range(first, last):
                    total += path[row, column] * (path[row + 1, 0] - path[row, 0])
                out[count, column] = total / span
        count, first = count + 1, last
    return count


@numba.njit(cache=True)
@no_type_check
def _one(path, first, last, now, low, high, depths):
    """Whether the stretches from row `first` to row `last` may be one."""
    age, span = now - path[last, 0], path[last, 0] - path[first, 0]
    width = math.sqrt(4.0 * age + 2.0 * SIGMA**2)
    dx, dy = path[last, 1] - path[first, 1], path[last, 2] - path[first, 2]
    if high <= 0.0:
        return True  # nothing is lit: no heat to move
    if low < (1.0 - ALIKE) * high or depths > ASIDE * width:
        return False
    if low < (1.0 - EVEN) * high and (math.hypot(dx, dy) > LONG * width or span > BRIEF * age):
        return False
    travelled = 0.0
    for row in range(first, last):
        w = (path[row, 0] - path[first, 0]) / span if span > 0.0 else 0.0
        aside = math.hypot(path[first, 1] + w * dx - path[row, 1], path[first, 2] + w * dy - path[row, 2])
        if aside > ASIDE * width:
            return False
        travelled += math.hypot(path[row + 1, 1] - path[row, 1], path[row + 1, 2] - path[row, 2])
    return math.hypot(dx, dy) >= QUICK * travelled
