"""Lag: how much longer messages wait on their way than they need, by machine.

    lag = (now - sent_s) - the least of it in the last one to two minutes

The least of it holds what clocks differ by and what the wire always takes, so a machine whose clock is off is not
behind. No broker says how much it holds back (rumqttd sends at most 100 unacknowledged messages, whatever it holds), so
how old the newest message is tells that more waits.
"""

REMEMBERED_S = 60.0
CAUGHT_UP = 0.25  # of the lag at which a machine was behind


class Lag:
    """Time is an argument; machines that send no `sent_s` have no lag."""

    def __init__(self) -> None:
        # since when, the least since then, and that of the time before
        self._least: dict[str, tuple[float, float, float]] = {}
        self._newest: dict[str, float] = {}
        self._behind: set[str] = set()

    def meet(self, machine: str, sent_s: float | None, now_s: float) -> None:
        """A message was taken from the broker."""
        if sent_s is None:
            return
        age_s = now_s - sent_s
        since_s, least_s, before_s = self._least.get(machine, (now_s, age_s, age_s))
        if now_s - since_s > REMEMBERED_S:
            since_s, least_s, before_s = now_s, age_s, least_s
        self._least[machine] = since_s, min(least_s, age_s), before_s
        self._newest[machine] = age_s

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
