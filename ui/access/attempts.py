"""Attempts: failed sign-ins make the next one wait, by name and by address. Memory is bounded; time is an argument.

A name has five attempts, an address twenty; each one more waits twice as long as the one before, a minute at most for a
name (who guesses cannot shut somebody out for longer) and a quarter of an hour for an address. After a quarter of an
hour without a failure all is forgotten. An attempt counts as failed until it has succeeded, so that many at once are
no way around. What is waited for is said and not counted.
"""

from collections import OrderedDict
from dataclasses import dataclass

FORGET_S = 900.0
FREE = {"name": 5, "address": 20}
LONGEST_S = {"name": 60.0, "address": 900.0}
MOST = 4096  # names and addresses remembered; the one that was quiet longest goes first


@dataclass
class _Failed:
    count: int
    last_s: float


class Attempts:
    """Of one server. Nothing is written down: a restart forgets."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._failed: OrderedDict[tuple[str, str], _Failed] = OrderedDict()

    def begin(self, name: str, address: str, now_s: float) -> float:
        """Seconds to wait before the password is even looked at; 0: go on, and this attempt is counted."""
        keys = (("name", name[:64]), ("address", address))
        wait_s = max(self._wait_s(key, now_s) for key in keys)
        if wait_s <= 0.0:
            for key in keys:
                self._count(key, now_s)
        return max(wait_s, 0.0)

    def succeeded(self, name: str, address: str) -> None:
        """The attempt that has begun was right: the name is free again, the address as it was before."""
        self._failed.pop(("name", name[:64]), None)
        kept = self._failed.get(("address", address))
        if kept is not None:
            kept.count -= 1

    def __len__(self) -> int:
        return len(self._failed)

    def _wait_s(self, key: tuple[str, str], now_s: float) -> float:
        failed = self._failed.get(key)
        if failed is None or now_s - failed.last_s >= FORGET_S:
            return 0.0
        beyond = failed.count - FREE[key[0]]
        if beyond < 0:
            return 0.0
        wait_s = min(2.0 ** min(beyond, 20), LONGEST_S[key[0]])
        return min(failed.last_s + wait_s - now_s, wait_s)  # also where the clock was set back

    def _count(self, key: tuple[str, str], now_s: float) -> None:
        failed = self._failed.pop(key, None)
        count = failed.count if failed is not None and now_s - failed.last_s < FORGET_S else 0
        self._failed[key] = _Failed(count + 1, now_s)
        while len(self._failed) > self._most:
            self._failed.popitem(last=False)
