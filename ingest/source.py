"""The two ends of the wire: Source (deliveries in, acknowledged when their rows are committed) and Publisher.

Both are ports. `FakeSource` and `FakePublisher` are hand-written; `ingest.mqtt` and `ingest.replay` have the real ones.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from ingest.codecs.text import CONTENT_TYPE


class Delivery(NamedTuple):
    """One message from a source; `token` is the source's own, for `ack`. The content type says the codec."""

    topic: str
    payload: bytes
    token: tuple[int, ...] = ()
    content_type: str = ""


class Source(Protocol):
    """Gives deliveries in the order in which they arrive. What is never acknowledged is delivered again some day."""

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        """Wait up to `timeout_s` for a message; then everything that is there, at most `max_messages`."""
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Say that these are safe; they are not delivered again."""
        ...

    @property
    def exhausted(self) -> bool:
        """True when no further delivery will ever come (a file read to its end; never a broker)."""
        ...

    @property
    def trouble(self) -> tuple[str, str] | None:
        """(kind, why) when something is wrong with the line: `broker`, it does not answer; `take_over`, another program
        takes our session. None when all is well."""
        ...

    def close(self) -> None:
        """Let go. What was taken and not acknowledged stays with the sender. Safe to call twice."""
        ...


class Publisher(Protocol):
    """Sends messages in order, each at least once."""

    @property
    def published(self) -> int:
        """Messages that the other side has confirmed."""
        ...

    def publish(self, topic: str, payload: bytes, retain: bool = False, content_type: str = CONTENT_TYPE) -> None:
        """Send; block while too many are unconfirmed."""
        ...

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything is confirmed; False when it is not in time."""
        ...

    def close(self) -> None:
        """Drain briefly and disconnect. Safe to call twice."""
        ...


class FakeSource:
    """A source in memory. `reconnect` delivers again what was not acknowledged, as a broker does."""

    def __init__(self, deliveries: Iterable[tuple[str, bytes]], ends: bool = True) -> None:
        self._ready = deque(Delivery(topic, payload, (n,)) for n, (topic, payload) in enumerate(deliveries))
        self._unacknowledged: dict[tuple[int, ...], Delivery] = {}
        self._ends = ends

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        taken = [self._ready.popleft() for _ in range(min(max_messages, len(self._ready)))]
        self._unacknowledged.update((each.token, each) for each in taken)
        return taken

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            self._unacknowledged.pop(each.token, None)

    @property
    def exhausted(self) -> bool:
        return self._ends and not self._ready

    @property
    def trouble(self) -> tuple[str, str] | None:
        return None

    def close(self) -> None:
        self.reconnect()

    def reconnect(self) -> None:
        """The connection broke and came back."""
        self._ready.extendleft(reversed(self._unacknowledged.values()))
        self._unacknowledged.clear()


class FakePublisher:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.content_types: list[str] = []
        self.retained: dict[str, bytes] = {}
        self.ready = True
        self.connections = 1

    @property
    def published(self) -> int:
        return len(self.sent)

    def publish(self, topic: str, payload: bytes, retain: bool = False, content_type: str = CONTENT_TYPE) -> None:
        self.sent.append((topic, payload))
        self.content_types.append(content_type)
        if retain:
            self.retained[topic] = payload

    def drain(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        return None
