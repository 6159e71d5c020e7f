"""Stream: one (source, channel) put back in the order of its sequence, each message once.

A missing sequence holds the later ones back until it comes, or until `patience` later ones wait, or until the first
of them has waited `patience_s`; then it is given up as a gap and the stream goes on. Where the stream begins: at 0 when
the first sequence seen is within `patience` of 0 (an earlier one may still come), else, having joined in the middle,
at the smallest sequence that arrives within the same patience; what came before is then nobody's gap.

Every message that arrives is counted once: received = released + duplicates + late + waiting.
"""

from collections.abc import Iterator
from typing import NamedTuple

from twin.observation import Observation


class Released(NamedTuple):
    """A message in its place. `missing`: the (first, last) sequence given up just before it."""

    observation: Observation
    missing: tuple[int, int] | None = None


class Stream:
    """Reorder buffer of one channel; amortised O(1) a message."""

    def __init__(self, patience: int, patience_s: float) -> None:
        self._patience = patience
        self._patience_s = patience_s
        self._next: int | None = None  # None: it is not known yet where the stream begins
        self._waiting: dict[int, tuple[Observation, float]] = {}
        self._given_up: list[tuple[int, int]] = []  # the newest gaps, to tell a late message from a duplicate
        self._oldest_s = float("inf")  # arrival of the message that has waited longest
        self.duplicates = 0
        self.late = 0

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
            while len(self._waiting) >= self._patience:
                yield from self._give_up()

    def tick(self, now_s: float) -> Iterator[Released]:
        """Give up what has been waited for too long."""
        while self._waiting and now_s - self._oldest_s >= self._patience_s:
            yield from self._give_up()

    def flush(self) -> Iterator[Released]:
        """Give up whatever is missing: nothing more will come."""
        while self._waiting:
            yield from self._give_up()

    def _give_up(self) -> Iterator[Released]:
        first = min(self._waiting)
        missing = None
        if self._next is not None:
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
