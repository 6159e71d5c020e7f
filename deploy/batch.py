"""Batch: how much goes into one transaction, and which frames go without a forecast when more waits than can be had."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from twin.observation import Skipped, Window


@dataclass(frozen=True)
class Batch:
    """How much goes into one transaction.

    `windows`: in a replay one message may close many; what is left of a batch waits for the next step. `backlog`: of a
    machine that is not replayed so many frames of a step are forecast, the newest; only the newest one while more
    waits behind it, as a full batch says or messages `behind_s` later than usual, until they no longer are; None: all.
    `most`: windows that one step holds in memory.
    """

    messages: int = 500
    wait_s: float = 0.05
    windows: int = 128
    backlog: int | None = 128
    behind_s: float = 3.0
    most: int = 8192

    def newest_first(
        self, windows: Sequence[Window], replayed: Collection[str], behind: Collection[str], more_waits: bool
    ) -> list[Window]:
        """Marks those as skipped that are too many: of each machine that is not replayed the newest are forecast.
        `behind`: machines whose messages come `behind_s` later than usual."""
        if self.backlog is None:
            return list(windows)
        left = Counter[str]()
        marked: list[Window] = []
        for window in reversed(windows):
            left[window.machine] += 1
            most = 1 if more_waits or window.machine in behind else self.backlog
            skip = left[window.machine] > most and window.machine not in replayed
            marked.append(replace(window, skipped=True) if skip else window)
        return marked[::-1]


def ranges(windows: Sequence[Window], now_s: float) -> Iterator[Skipped]:
    """The frames that were skipped, as ranges without a hole."""
    begun: Skipped | None = None
    for window in windows:
        if not window.skipped:
            continue
        place = (window.machine, window.build, window.layer)
        if begun is not None and (begun.machine, begun.build, begun.layer, begun.last_frame + 1) == (
            *place,
            window.index,
        ):
            begun = replace(begun, last_frame=window.index)
            continue
        if begun is not None:
            yield begun
        begun = Skipped(*place, window.index, window.index, now_s)
    if begun is not None:
        yield begun
