"""Requests: the port through which a page asks for what it cannot read, and the run process answers.

    ask -> waiting -> claim -> claimed -> answer -> done | failed
                 \\-> dropped: its deadline has passed, or who asked takes it back

A claim is a lease: who holds it says so again (`progress`) or loses it, and the next one to claim takes the request up.
`claims` counts them, so that an answer of one who has lost the lease changes nothing. Times are wall clocks, and
arguments of the caller. This module is read by the page too: no torch here.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

State = Literal["waiting", "claimed", "done", "failed", "dropped"]
ENDED: tuple[State, ...] = ("done", "failed", "dropped")
LATE = "nobody had answered by its deadline"
WITHDRAWN = "who had asked took it back"
MOST_CLAIMS = 3  # after so many leases that ran out it is given up
GIVEN_UP = f"whoever took it up did not come back, {MOST_CLAIMS} times"


@dataclass(frozen=True)
class Request:
    """One question. `progress`: share done, 0 to 1; `answer`: what came of it, as JSON holds it."""

    id: int
    kind: str
    arguments: dict[str, Any]
    who: str
    asked_s: float
    deadline_s: float
    state: State = "waiting"
    claims: int = 0
    claimed_s: float | None = None
    lease_until_s: float | None = None
    progress: float = 0.0
    answer: dict[str, Any] | None = None
    error: str = ""
    answered_s: float | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Asks(Protocol):
    """What a page may do."""

    def ask(self, kind: str, arguments: dict[str, Any], *, who: str, now_s: float, deadline_s: float) -> int:
        """Ask; returns the request's id. ValueError for a deadline that has passed."""
        ...

    def withdraw(self, request: int, now_s: float) -> bool:
        """Take back what nobody has begun to answer; whether it could be."""
        ...

    def request(self, request: int) -> Request | None:
        """A request as it is now."""
        ...


class Requests(Asks, Protocol):
    """And what who answers may do."""

    def requests(self, *, kind: str | None = None, limit: int = 100) -> list[Request]:
        """The newest, newest first."""
        ...

    def claim(self, kinds: tuple[str, ...], *, now_s: float, lease_s: float) -> Request | None:
        """The oldest that waits, or whose lease has run out, for this caller alone until the lease ends; None: there is
        none. What has passed its deadline is dropped before."""
        ...

    def report(self, request: Request, progress: float, *, now_s: float, lease_s: float) -> bool:
        """Say how far it is, which renews the lease; False: it has been lost, and there is nothing more to do."""
        ...

    def answer(
        self, request: Request, answer: dict[str, Any] | None, *, now_s: float, error: str = ""
    ) -> bool:  # fmt: skip
        """The end: an answer, or why there is none. False where the lease has been lost to another, or it was dropped:
        nothing is changed."""
        ...

    def drop_expired(self, now_s: float) -> int:
        """Drop what waits past its deadline, also under a lease that has run out; returns how many."""
        ...
