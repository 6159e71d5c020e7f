"""Lag: how much longer messages wait on their way than they need, by machine.

    lag = (now - sent_s) - the least of it in the last one to two minutes

The least of it holds what clocks differ by and what the wire always takes, so a machine whose clock is off is not
behind; where a machine's clock is set back, as a later sequence tells, it is measured anew. No broker says how much it
holds back (rumqttd sends at most 100 unacknowledged messages, whatever it holds), so how old the newest message is
tells that more waits.
"""

from twin.observation import Message

REMEMBERED_S = 60.0
SET_BACK_S = 1.0  # from one sequence of a channel to a later one: a clock was set
CAUGHT_UP = 0.25  # of the lag at which a machine was behind


class Lag:
    """Time is an argument; machines that send no `sent_s` have no lag."""

    def __init__(self) -> None:
        # since when, the least since then, and that of the time before
        self._least: dict[str, tuple[float, float, float]] = {}
        self._newest: dict[str, float] = {}
        self._said: dict[
            tuple[str, str, str], tuple[int, float]
        ] = {}  # sequence and sent_s by machine, source, channel
        self._behind: set[str] = set()

    def meet(self, machine: str, sent_s: float | None, now_s: float, message: Message | None = None) -> None:
        """A message was taken from the broker."""
        if sent_s is None:
            return
        if message is not None and self._set_back(machine, message, sent_s):
            self._least.pop(machine, None)
        age_s = now_s - sent_s
        since_s, least_s, before_s = self._least.get(machine, (now_s, age_s, age_s))
        if now_s - since_s > REMEMBERED_S:
            since_s, least_s, before_s = now_s, age_s, least_s
        self._least[machine] = since_s, min(least_s, age_s), before_s
        self._newest[machine] = age_s

    def _set_back(self, machine: str, message: Message, sent_s: float) -> bool:
        """Whether a later sequence was sent earlier. What is delivered again has no later one."""
        key = (machine, message.source, message.channel)
        sequence, before_s = self._said.get(key, (-1, sent_s))
        later = message.sequence > sequence
        if later or sent_s > before_s:
            self._said[key] = message.sequence, sent_s
        return later and sent_s < before_s - SET_BACK_S

    def of(self, machine: str) -> float:
        """Seconds, of the newest message."""
        if machine not in self._newest:
            return 0.0
        _, least_s, before_s = self._least[machine]
        return self._newest[machine] - min(least_s, before_s)

    def behind(self, machine: str, most_s: float) -> bool:
        """Whether the lag is over `most_s`, or was and has not nearly gone since: to skip just enough would leave every
        forecast late."""
        lag_s = self.of(machine)
        if lag_s > most_s:
            self._behind.add(machine)
        elif lag_s < CAUGHT_UP * most_s:
            self._behind.discard(machine)
        return machine in self._behind
