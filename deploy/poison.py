"""Poison: what could not be read so far, remembered by what it says, so that the same bytes said again and readable now
mark their reject as cured."""

from collections.abc import Sequence

from twin.observation import Observation, Rejected
from twin.store.packing import digest

MOST = 2000


class Poison:
    """The newest `MOST` rejects of one run."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def remember(self, topic: str, payload: bytes) -> None:
        """It could not be read."""
        self._known[_name(topic, payload)] = None
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def cured(self, observations: Sequence[Observation], rejects: Sequence[Rejected]) -> list[Rejected]:
        """Messages that can be read and are kept as rejects; they are forgotten once this is committed (`forget`)."""
        for reject in rejects:
            self.remember(reject.topic, reject.payload)
        if not self._known:
            return []
        said = (Rejected(each.topic, each.payload, "") for each in observations)
        return [each for each in said if _name(each.topic, each.payload) in self._known]

    def forget(self, cured: Sequence[Rejected]) -> None:
        """Their rows say when they could be read."""
        for reject in cured:
            self._known.pop(_name(reject.topic, reject.payload), None)


def _name(topic: str, payload: bytes) -> str:
    return digest(topic.encode("utf-8", "replace"), payload)
