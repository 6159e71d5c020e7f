"""Patience: how a store that is away is waited for: tried again, ever more rarely, and said in words meanwhile."""

RETRY_S, RETRY_MAX_S = 0.25, 15.0  # between tries: doubled from the first to the last


class Patience:
    """Of one loop with one store. Times are UTC s."""

    def __init__(self) -> None:
        self._tries, self._since_s = 0, 0.0
        self.next_s = -float("inf")  # not before
        self.why = ""  # empty: nothing is waited for

    def put_off(self, why: str, now_s: float) -> None:
        """It did not answer."""
        self._since_s = now_s if self._tries == 0 else self._since_s
        delay_s = min(RETRY_S * 2.0**self._tries, RETRY_MAX_S)
        self._tries += 1
        self.next_s = now_s + delay_s
        waited_s = now_s - self._since_s
        self.why = f"{why} (for {waited_s:.0f} s, tried {self._tries} times, next in {delay_s:.2g} s)"

    def reached(self, now_s: float) -> str:
        """It answered; what is to be said of the time without it, empty where there was none."""
        tries, since_s = self._tries, self._since_s
        self._tries, self.next_s, self.why = 0, -float("inf"), ""
        return f"the database did not answer for {now_s - since_s:.0f} s; {tries} tries" if tries else ""
