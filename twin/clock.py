"""Clock: the one port through which wall-clock time enters.

Everything else takes time as an argument, so that live, replay and simulation are the same code.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, and waits."""

    def now_s(self) -> float:
        """Seconds since the Unix epoch, UTC."""
        ...

    def sleep_s(self, seconds: float) -> None:
        """Return after `seconds`; at once when it is not positive."""
        ...


class SystemClock:
    """The computer's own clock."""

    def now_s(self) -> float:
        return time.time()

    def sleep_s(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class FakeClock:
    """A clock that a test moves by hand; sleeping moves it."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        return self._now_s

    def sleep_s(self, seconds: float) -> None:
        self._now_s += max(seconds, 0.0)
