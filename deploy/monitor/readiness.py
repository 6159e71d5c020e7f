"""Readiness: what a starting or running twin waits for, and since when it has not turned. Read by other threads."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from twin.clock import Clock

PARTS = ("broker", "store", "operator")
STUCK_S = 120.0  # longer than any step
PROBE_S = 5.0  # between two looks at the store, however often it is asked
Waits = Mapping[str, str]


class Readiness:
    """Not ready until every part has started, and again while one is lost; not alive when the loop has stopped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._starting = dict.fromkeys(PARTS, "not started yet")
        self._lost: Callable[[], Waits] = dict
        self._probe: Callable[[], Waits] | None = None
        self._probing = threading.Lock()
        self._probed: tuple[float, Waits] = (-float("inf"), {})
        self._turned_s: float | None = None

    @contextmanager
    def starting(self, part: str) -> Iterator[None]:
        """`part` is being started; it is there when the block ends."""
        with self._lock:
            self._starting[part] = "starting"
        yield
        with self._lock:
            del self._starting[part]

    def watch(self, lost: Callable[[], Waits], probe: Callable[[], Waits] = dict) -> None:
        """`lost` says at once, in any thread, what has been lost since, and why; `probe` may take its time to look."""
        self._lost, self._probe = lost, probe

    def turned(self) -> None:
        """The run loop has made a turn."""
        self._turned_s = self._clock.now_s()

    def waits(self) -> dict[str, str]:
        """What is waited for, by part, and why, as far as the loop knows; empty when ready."""
        with self._lock:
            starting = dict(self._starting)
        return {**self._lost(), **starting}

    def asked(self) -> dict[str, str]:
        """The same for somebody outside: also what only a look tells. Not for the consumer's thread."""
        if self._probe is None:
            return self.waits()
        with self._probing:
            now_s = self._clock.now_s()
            if abs(now_s - self._probed[0]) >= PROBE_S:
                self._probed = (now_s, self._probe())
            return {**self._probed[1], **self.waits()}

    def stuck(self) -> str:
        """Why the process should be started again; empty when it lives."""
        if self._turned_s is None:
            return ""
        still_s = self._clock.now_s() - self._turned_s
        return f"the run loop has not turned for {still_s:.0f} s" if still_s > STUCK_S else ""
