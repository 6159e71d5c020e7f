"""Desk: what pages write through when a person acts, and read for it: the store, its requests, its people.

Each is opened when first needed, because the store may not be there when the page starts. What a page writes it writes
here, in short transactions beside the writer's; a machine's history stays `run`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from twin.clock import Clock, SystemClock
from twin.people import People
from twin.store.port import Store, StoreMissingError
from twin.store.requests import Asks
from twin.store.sql.people import SqlPeople
from twin.store.sql.requests import Asker
from twin.store.sql.store import SqlStore


@dataclass(frozen=True)
class Openers:
    """How each is opened."""

    store: Callable[[], Store]  # takes people's acts on alerts
    asks: Callable[[], Asks]
    people: Callable[[], People]


class Desk:
    """All a page's writes pass here; safe to call from several threads."""

    def __init__(self, openers: Openers, clock: Clock | None = None) -> None:
        self._openers, self._clock = openers, clock or SystemClock()
        self._open: dict[str, Any] = {}
        self._lock = Lock()

    @classmethod
    def over(cls, store: str | Store, clock: Clock | None = None) -> "Desk":
        """Over a store by its URL, or over one that is held in memory (without people)."""
        if isinstance(store, str):
            url = store
            return cls(Openers(lambda: SqlStore.open_desk(url), lambda: Asker(url), lambda: SqlPeople.open(url)), clock)

        def nobody() -> People:
            raise StoreMissingError("this store keeps no people")

        return cls(Openers(lambda: store, lambda: store, nobody), clock)

    def now_s(self) -> float:
        """The wall clock."""
        return self._clock.now_s()

    @property
    def store(self) -> Store:
        """The store; of its writes, those of people's acts. Raises `StoreError`."""
        found: Store = self._held("store", self._openers.store)
        return found

    @property
    def asks(self) -> Asks:
        """What is asked of the twin. Raises `StoreError`."""
        found: Asks = self._held("asks", self._openers.asks)
        return found

    @property
    def people(self) -> People:
        """Accounts. Raises `StoreError`."""
        found: People = self._held("people", self._openers.people)
        return found

    def close(self) -> None:
        """Let go of all that was opened."""
        with self._lock:
            for each in self._open.values():
                if hasattr(each, "close"):
                    each.close()
            self._open.clear()

    def _held(self, name: str, opener: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._open:
                self._open[name] = opener()
            return self._open[name]
