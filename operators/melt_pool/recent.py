"""Recent: what a path did lately, in few numbers: how far from steady the pool must be.

An operator errs most where the laser has just gone off, a corner was just turned, or a track has just begun
(docs/trust.md). The numbers are of the last REACH diameters of travel at the nominal scan speed.
"""

import math

import numpy as np

REACH = 4.0  # d of nominal travel
RECENT = ("on", "lit", "step", "turned", "pace", "aside", "even", "age")
ALIKE = 1e-3  # rad, or share, within which two stretches go on as one


def recent(past: np.ndarray, peclet: float, heading: float) -> np.ndarray:
    """RECENT of a path of rows (t, x, y, q, depth) that ends now, seen from a window that points along `heading`.

    on: whether the newest stretch is lit; lit: share of the time that was; step: 1 - weakest/strongest of what was lit;
    turned: corners, each as (1 - cos)/2 of its angle; pace: mean speed over the nominal one; aside: 1 - cos of the
    angle between newest movement and window; even: share of the time since anything changed; age: of the path, in five
    times REACH."""
    now, span = past[-1, 0], REACH / peclet
    times = past[:, 0]
    first = max(int(np.searchsorted(times, now - span, side="right")) - 1, 0)
    far = np.diff(past[first:, 1:3], axis=0)
    whole = np.diff(times[first:])
    begins = np.maximum(times[first:-1], now - span)
    length = np.hypot(far[:, 0], far[:, 1])
    columns = (begins, times[first + 1 :], whole, length, *far.T, past[first:-1, 3])
    kept = [
        (end - begin, step / max(of, 1e-12), math.atan2(y, x), q)
        for begin, end, of, step, x, y, q in zip(*(column.tolist() for column in columns), strict=True)
        if end > begin
    ]
    if not kept:
        return np.zeros(len(RECENT), dtype=np.float32)
    total = sum(each[0] for each in kept)
    lit = [each for each in kept if each[3] > 0]
    strengths = [each[3] for each in lit]
    moving = [each for each in kept if each[1] > 0]
    turned = sum(1 - math.cos(b[2] - a[2]) for a, b in zip(moving, moving[1:], strict=False)) / 2
    even = 0.0
    for each in reversed(kept):
        if not _alike(each, kept[-1]):
            break
        even += each[0]
    return np.array(
        [
            float(kept[-1][3] > 0),
            sum(each[0] for each in lit) / total,
            1 - min(strengths) / max(strengths) if strengths else 0.0,
            turned,
            sum(each[0] * each[1] for each in kept) / total / peclet,
            1 - math.cos(kept[-1][2] - heading) if kept[-1][1] > 0 else 0.0,
            min(even / span, 1.0),
            min((now - times[0]) / (5 * span), 1.0),
        ],
        dtype=np.float32,
    )


def _alike(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    speed, strength = abs(a[1] - b[1]), abs(a[3] - b[3])
    return (
        1 - math.cos(a[2] - b[2]) < ALIKE and speed <= ALIKE * max(b[1], 1e-9) and strength <= ALIKE * max(b[3], 1e-9)
    )
