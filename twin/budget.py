"""Budget: how much of the wall clock the fallback may take, so that what is outside the envelope of one machine does
not hold up the forecasts of the others.

The reference forecasts a layer from its first window on, or not at all: heat that it has not followed is lost. So where
it has taken more than its share of the time since the layer began, and its windows are old by then, it is given up for
the rest of that layer, and the rows say so.
"""

from collections.abc import Sequence

from twin.clock import Clock
from twin.forecast import Outcome

SHARE = 0.5  # of the wall time since a layer began


class Budget:
    """`share`: of the wall time since a layer began; `patience_s`: how old a window may be, by its publisher's
    clock."""

    def __init__(self, clock: Clock, share: float = SHARE, patience_s: float = 5.0) -> None:
        self._clock, self.share, self.patience_s = clock, share, patience_s
        self._began: dict[str, float] = {}
        self._spent: dict[str, float] = {}

    def now_s(self) -> float:
        """The wall clock."""
        return self._clock.now_s()

    def spend(self, streams: Sequence[str], seconds: float) -> None:
        """What one step of the fallback took, for these streams together."""
        for stream in streams:
            self._spent[stream] = self._spent.get(stream, 0.0) + seconds / len(streams)

    def over(self, stream: str, sent_s: float | None, now_s: float) -> Outcome | None:
        """Whether a stream is to be given up, and how old its newest window is. What was sent without a clock is never
        late: a log is read as fast as it goes."""
        began_s = self._began.setdefault(stream, now_s)
        if sent_s is None or now_s - sent_s <= self.patience_s:
            return None
        if self._spent.get(stream, 0.0) <= self.share * (now_s - began_s):
            return None
        return Outcome("too_slow", "reference", now_s - sent_s, "s")

    def forget(self, stream: str) -> None:
        self._began.pop(stream, None)
        self._spent.pop(stream, None)
