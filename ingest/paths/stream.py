"""Stream: one (source, channel) put back in the order of its sequence, each message once.

A missing sequence holds the later ones back until it comes, or until `patience` later ones wait, or until the first
of them has waited `patience_s`; then it is given up as a gap and the stream goes on. Where the stream begins: at 0 when
the first sequence seen is within `patience` of 0 (an earlier one may still come), else, having joined in the middle,
at the smallest sequence that arrives within the same patience; what came before is then nobody's gap.

Before a sequence is given up the store is asked for it: another process may have committed it (two twins on one session
by mistake), and then it takes its place and is no gap.

Every message that arrives is counted once: received + found = released + duplicates + late + waiting.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from twin.observation import Observation


class Released(NamedTuple):
    """A message in its place. `missing`: the (first, last) sequence given up just before it."""

    observation: Observation
    missing: tuple[int, int] | None = None


Find = Callable[[int, int], list[Observation] | None]  # (first, last): what is kept of them; None: cannot say now


def _none(first: int, last: int) -> list[Observation] | None:
    return []


class Stream:
    """Reorder buffer of one channel; amortised O(1) a message."""

    def __init__(self, patience: int, patience_s: float, find: Find = _none) -> None:
        self._patience = patience
        self._patience_s = patience_s
        self._next: int | None = None  # None: it is not known yet where the stream begins
        self._waiting: dict[int, tuple[Observation, float]] = {}
        self._given_up: list[tuple[int, int]] = []  # the newest gaps, to tell a late message from a duplicate
        self._oldest_s = float("inf")  # arrival of the message that has waited longest
        self._find = find
        self.duplicates = 0
        self.late = 0
        self.found = 0  # in the store, brought there by another process

    @property
    def waiting(self) -> int:
        """Messages held back."""
        return len(self._waiting)

    def begin_at(self, sequence: int) -> None:
        """Say where the stream begins, if nothing has come yet."""
        if self._next is None and not self._waiting:
            self._next = sequence

    def add(self, observation: Observation, now_s: float) -> Iterator[Released]:
        """Take one message; give what is now in order."""
        sequence = observation.message.sequence
        if self._next is None and sequence <= self._patience:
            self._next = 0
        if sequence in self._waiting:
            self.duplicates += 1
        elif self._next is not None and sequence < self._next:
            if any(first <= sequence <= last for first, last in self._given_up):
                self.late += 1
            else:
                self.duplicates += 1
        elif sequence == self._next and not self._waiting:
            self._next += 1
            yield Released(observation)
        else:
            self._waiting[sequence] = (observation, now_s)
            self._oldest_s = min(self._oldest_s, now_s)
            yield from self._consecutive()
            while len(self._waiting) >= self._patience and self._looked():
                yield from self._give_up()

    def tick(self, now_s: float) -> Iterator[Released]:
        """Give up what has been waited for too long."""
        while self._waiting and now_s - self._oldest_s >= self._patience_s and self._looked():
            yield from self._give_up()

    def flush(self) -> Iterator[Released]:
        """Give up whatever is missing: nothing more will come."""
        while self._waiting:
            self._looked()
            yield from self._give_up()

    def _looked(self) -> bool:
        """Take in what the store has of the missing ones; False when it cannot be asked now."""
        if self._next is None:
            return True
        found = self._find(self._next, min(self._waiting) - 1)
        for observation in found or ():
            self._waiting[observation.message.sequence] = (observation, -float("inf"))
            self.found += 1
        return found is not None

    def _give_up(self) -> Iterator[Released]:
        first = min(self._waiting)
        missing = None
        if self._next is not None and self._next < first:
            missing = (self._next, first - 1)
            self._given_up = [*self._given_up[-15:], missing]
        self._next = first
        yield from self._consecutive(missing)

    def _consecutive(self, missing: tuple[int, int] | None = None) -> Iterator[Released]:
        released = False
        while self._next in self._waiting:
            observation, _ = self._waiting.pop(self._next)
            self._next += 1
            released = True
            yield Released(observation, missing)
            missing = None
        if released:
            self._oldest_s = min((arrived_s for _, arrived_s in self._waiting.values()), default=float("inf"))
