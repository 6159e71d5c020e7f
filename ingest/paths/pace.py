"""Pace: what the times in a source's parameters say about its clock, and whether it fell silent between two layers.

Three things are told, each as an outcome of the first frame after it, by how many seconds:

    clock_skew  the process time steps back; or it runs away from the publisher's own clock by more than `SKEW_S` wall
                seconds between two messages (live and simulated machines that say `sent_s`; a replay skips pauses);
                or `sent_s` lies more than `SKEW_S` ahead of our clock
    silence     a layer begins much later after the one before than is usual (`twin.cadence`)

Of the Peregrine log's 1,818 layers these rules find its step of -10.7 s and its gap of 1,475 s, and nothing else.
"""

from twin.cadence import Cadence
from twin.forecast import Outcome
from twin.observation import Parameters, State

SKEW_S = 5.0
_SAME_S = 1e-9


class Pace:
    """The times of one life of one source, in the order of its sequence."""

    def __init__(self) -> None:
        self._end_s: float | None = None
        self._sent_s: float | None = None
        self._place: tuple[str, int] | None = None
        self._begun_s = 0.0
        self._cadence = Cadence()
        self._ahead = False

    def take(self, message: Parameters, state: State | None, received_s: float) -> Outcome | None:
        """The next message; what its times say, if anything."""
        start_s = message.sample_time_s[0]
        said = self._step(message, start_s, state) or self._layer(message, start_s) or self._wall(message, received_s)
        if self._place != (message.build, message.layer):
            self._place, self._begun_s = (message.build, message.layer), start_s
        self._end_s, self._sent_s = message.sample_time_s[-1], message.sent_s
        return said

    def _step(self, message: Parameters, start_s: float, state: State | None) -> Outcome | None:
        if self._end_s is None:
            return None
        by_s = start_s - self._end_s
        if by_s < -_SAME_S:
            return Outcome("clock_skew", "process time", by_s, "s")
        if state is None or state.origin == "replay" or message.sent_s is None or self._sent_s is None:
            return None
        ran_s = message.sample_time_s[-1] - self._end_s
        away_s = ran_s - (message.sent_s - self._sent_s) * state.time_factor
        return Outcome("clock_skew", "process time", away_s, "s") if away_s > SKEW_S * state.time_factor else None

    def _layer(self, message: Parameters, start_s: float) -> Outcome | None:
        if self._place is None or self._place == (message.build, message.layer):
            return None
        interval_s = start_s - self._begun_s
        silent = self._cadence.take(interval_s)
        return Outcome("silence", "the machine between two layers", interval_s, "s") if silent else None

    def _wall(self, message: Parameters, received_s: float) -> Outcome | None:
        ahead_s = -1.0 if message.sent_s is None else message.sent_s - received_s
        was, self._ahead = self._ahead, ahead_s > SKEW_S
        return Outcome("clock_skew", "the publisher's clock", ahead_s, "s") if self._ahead and not was else None
