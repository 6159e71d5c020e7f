"""FakeRequests: the requests in memory, for tests; the half of `FakeStore` that answers `twin/store/requests.py`."""

import json
from dataclasses import replace
from typing import Any

from twin.store.requests import GIVEN_UP, LATE, MOST_CLAIMS, WITHDRAWN, Request


class FakeRequests:
    """Every verb looks at all of them."""

    def __init__(self) -> None:
        self._requests: dict[int, Request] = {}

    def ask(self, kind: str, arguments: dict[str, Any], *, who: str, now_s: float, deadline_s: float) -> int:
        if not deadline_s > now_s:
            raise ValueError(f"a deadline must lie ahead: {deadline_s} is not after {now_s}")
        number = len(self._requests) + 1
        self._requests[number] = Request(number, kind, json.loads(json.dumps(arguments)), who, now_s, deadline_s)
        return number

    def withdraw(self, request: int, now_s: float) -> bool:
        known = self._requests.get(request)
        if known is None or known.state != "waiting":
            return False
        self._requests[request] = replace(known, state="dropped", error=WITHDRAWN, answered_s=now_s)
        return True

    def request(self, request: int) -> Request | None:
        return self._requests.get(request)

    def requests(self, *, kind: str | None = None, limit: int = 100) -> list[Request]:
        chosen = [each for each in self._requests.values() if kind in (None, each.kind)]
        return sorted(chosen, key=lambda each: -each.id)[:limit]

    def claim(self, kinds: tuple[str, ...], *, now_s: float, lease_s: float) -> Request | None:
        self.drop_expired(now_s)
        free = [each for each in self._requests.values() if each.kind in kinds and _free(each, now_s)]
        if not free:
            return None
        oldest = min(free, key=lambda each: (each.asked_s, each.id))
        taken = replace(
            oldest, state="claimed", claims=oldest.claims + 1, claimed_s=now_s, lease_until_s=now_s + lease_s
        )
        self._requests[taken.id] = taken
        return taken

    def report(self, request: Request, progress: float, *, now_s: float, lease_s: float) -> bool:
        known = self._held(request)
        if known is not None:
            self._requests[request.id] = replace(known, progress=progress, lease_until_s=now_s + lease_s)
        return known is not None

    def answer(self, request: Request, answer: dict[str, Any] | None, *, now_s: float, error: str = "") -> bool:
        known = self._held(request)
        if known is not None:
            done = json.loads(json.dumps(answer))
            self._requests[request.id] = replace(
                known, state="failed" if error else "done", answer=done, error=error, answered_s=now_s,
                progress=known.progress if error else 1.0,
            )  # fmt: skip
        return known is not None

    def drop_expired(self, now_s: float) -> int:
        dropped = 0
        for each in list(self._requests.values()):
            if not _free(each, now_s):
                continue
            if each.deadline_s <= now_s:
                self._requests[each.id] = replace(each, state="dropped", error=LATE, answered_s=now_s)
                dropped += 1
            elif each.claims >= MOST_CLAIMS:
                self._requests[each.id] = replace(each, state="failed", error=GIVEN_UP, answered_s=now_s)
        return dropped

    def _held(self, request: Request) -> Request | None:
        known = self._requests.get(request.id)
        held = known is not None and known.state == "claimed" and known.claims == request.claims
        return known if held else None


def _free(request: Request, now_s: float) -> bool:
    """Whether nobody is at it."""
    lapsed = request.state == "claimed" and (request.lease_until_s or 0.0) <= now_s
    return request.state == "waiting" or lapsed
