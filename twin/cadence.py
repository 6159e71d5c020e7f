"""Cadence: how far apart layers begin, and which interval is a silence. Pure.

A layer begins silent when it begins later after the one before than `SILENT` times the median of the last `LAYERS`
intervals. A pause that is usual, as for recoating, is none; nothing is said before `FEWEST` intervals are known.
"""

from collections import deque
from statistics import median

SILENT = 4.0
LAYERS = 16
FEWEST = 4  # intervals before a cadence is known


class Cadence:
    """The intervals between the beginnings of one machine's layers, in the order of the layers."""

    def __init__(self) -> None:
        self._intervals_s: deque[float] = deque(maxlen=LAYERS)

    @property
    def usual_s(self) -> float | None:
        """The usual interval; None before any is known."""
        return median(self._intervals_s) if self._intervals_s else None

    def take(self, interval_s: float) -> bool:
        """The next interval (process seconds); whether it is a silence. One that is, or goes back, is not usual."""
        usual_s, known = self.usual_s or 0.0, len(self._intervals_s) >= FEWEST
        silent = known and interval_s > SILENT * usual_s > 0
        if not silent and interval_s > 0:
            self._intervals_s.append(interval_s)
        return silent
