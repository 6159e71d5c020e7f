"""Kept: layers that were read of a store's builds, so that each is read once, and some at a time.

A page that compares builds needs every layer of several. At most `FRAMES` are read in one reading; until all are there
the page says how far it is. A layer is read again when it has more frames than before.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd

from twin.store.port import Store

FRAMES = 8000  # read at once: about a tenth of a second
BUILDS = 24  # kept at most; the one not asked for longest goes first
Place = tuple[str, str]
Read = Callable[[int, int], pd.DataFrame]  # first and last layer


class Layers:
    """One kind of rows of one build, by layer."""

    def __init__(self) -> None:
        self._frames: dict[int, int] = {}
        self._rows: dict[int, pd.DataFrame] = {}
        self._whole: pd.DataFrame | None = None

    def bring(self, counts: dict[int, int], read: Read, frames: int) -> int:
        """Read what is missing, in order, until `frames` are used up; what is left of them."""
        stale = [layer for layer, count in counts.items() if self._frames.get(layer) != count]
        while stale and frames > 0:
            some = [stale.pop(0)]
            many = counts[some[0]]
            while stale and many + counts[stale[0]] <= frames:
                many += counts[stale[0]]
                some.append(stale.pop(0))
            rows, self._whole = read(some[0], some[-1]), None
            of_layer = dict(tuple(rows.groupby("layer")))
            for layer in some:
                self._frames[layer], self._rows[layer] = counts[layer], of_layer.get(layer, rows.iloc[:0])
            frames -= max(many, FRAMES // 40)  # a reading of nothing costs too
        return frames

    def rows(self) -> pd.DataFrame:
        """All that is read, by layer; the same object until more is."""
        if self._whole is None:
            some = [self._rows[layer] for layer in sorted(self._rows)]
            full = [rows for rows in some if len(rows)] or some[:1]
            self._whole = pd.concat(full, ignore_index=True) if full else pd.DataFrame()
        return self._whole

    def missing(self, counts: dict[int, int]) -> int:
        """How many layers are not read as they are now."""
        return sum(self._frames.get(layer) != count for layer, count in counts.items())


class Kept:
    """What was read of one store."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[Place, str], Layers] = {}
        self.archive: tuple[float, pd.DataFrame | None] = (0.0, None)  # when it was read, all builds
        self.compared: tuple[tuple[pd.DataFrame, ...], Any, Any] = ((), None, None)  # of what, limits, comparison
        self.counts: dict[Place, tuple[float, dict[int, int]]] = {}
        self.outcomes: dict[Place, tuple[float, float, dict[str, int]]] = {}  # heard_s, when counted

    def layers(self, place: Place, kind: str) -> Layers:
        """The rows of a kind of a build; the oldest go when there are too many."""
        found = self._kinds.pop((place, kind), None) or Layers()
        self._kinds[place, kind] = found
        while len(self._kinds) > BUILDS:
            del self._kinds[next(iter(self._kinds))]
        return found


_stores: "WeakKeyDictionary[Store, Kept]" = WeakKeyDictionary()


def kept(store: Store) -> Kept:
    """What was read of a store; gone with it."""
    return _stores.setdefault(store, Kept())
