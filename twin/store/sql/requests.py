"""SqlRequests: the requests of `twin/store/requests.py` in the table `requests`.

Every verb is one transaction that holds the right to write, so that two who claim at once never get the same. `Asker`
is what a page holds: it may write nothing else.
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, insert, or_, select, update

from twin.store.port import StoreMissingError, StoreReadOnlyError, StoreVersionError
from twin.store.requests import GIVEN_UP, LATE, MOST_CLAIMS, WITHDRAWN, Request
from twin.store.sql.engine import answering, connect, file_of, told
from twin.store.tables import SCHEMA_REVISION, RequestRow
from twin.store.upkeep.schema import revision_of

_TABLE = RequestRow.__table__


class SqlAsks:
    """The half of who asks, over an engine that may write."""

    _engine: Engine
    _writes: bool

    def ask(self, kind: str, arguments: dict[str, Any], *, who: str, now_s: float, deadline_s: float) -> int:
        """See `Asks.ask`."""
        if not deadline_s > now_s:
            raise ValueError(f"a deadline must lie ahead: {deadline_s} is not after {now_s}")
        row = {
            "kind": kind, "arguments": json.dumps(arguments), "who": who, "asked_s": now_s, "deadline_s": deadline_s,
            "state": "waiting", "claims": 0, "progress": 0.0, "error": "",
        }  # fmt: skip
        self._may_write()
        with answering(self._engine), self._engine.begin() as connection:
            return int(connection.execute(insert(RequestRow).values(row).returning(RequestRow.id)).scalar_one())

    def withdraw(self, request: int, now_s: float) -> bool:
        """See `Asks.withdraw`."""
        waiting = and_(RequestRow.id == request, RequestRow.state == "waiting")
        return self._changed(waiting, {"state": "dropped", "error": WITHDRAWN, "answered_s": now_s}) > 0

    def request(self, request: int) -> Request | None:
        """See `Asks.request`."""
        with answering(self._engine), self._engine.connect() as connection:
            row = connection.execute(select(_TABLE).where(RequestRow.id == request)).mappings().one_or_none()
        return None if row is None else _request(row)

    def _changed(self, where: ColumnElement[bool], values: dict[str, Any]) -> int:
        self._may_write()
        with answering(self._engine), self._engine.begin() as connection:
            return int(connection.execute(update(RequestRow).where(where).values(values)).rowcount)

    def _may_write(self) -> None:
        if not self._writes:
            raise StoreReadOnlyError("this store was opened for reading")


class SqlRequests(SqlAsks):
    """Both halves: of the process that answers."""

    def requests(self, *, kind: str | None = None, limit: int = 100) -> list[Request]:
        """See `Requests.requests`."""
        asked = select(_TABLE).order_by(RequestRow.id.desc()).limit(limit)
        if kind is not None:
            asked = asked.where(RequestRow.kind == kind)
        with answering(self._engine), self._engine.connect() as connection:
            return [_request(row) for row in connection.execute(asked).mappings()]

    def claim(self, kinds: tuple[str, ...], *, now_s: float, lease_s: float) -> Request | None:
        """See `Requests.claim`."""
        self._may_write()
        with answering(self._engine), self._engine.begin() as connection:
            free = select(_TABLE).where(_free(now_s))
            rows = [_request(row) for row in connection.execute(free).mappings()]
            for each in rows:
                if (end := _end(each, now_s)) is not None:
                    connection.execute(update(RequestRow).where(RequestRow.id == each.id).values(end))
            left = [each for each in rows if each.kind in kinds and _end(each, now_s) is None]
            if not left:
                return None
            oldest = min(left, key=lambda each: (each.asked_s, each.id))
            values = {
                "state": "claimed", "claims": oldest.claims + 1, "claimed_s": now_s, "lease_until_s": now_s + lease_s,
            }  # fmt: skip
            taken = update(RequestRow).where(RequestRow.id == oldest.id).values(values).returning(_TABLE)
            return _request(connection.execute(taken).mappings().one())

    def report(self, request: Request, progress: float, *, now_s: float, lease_s: float) -> bool:
        """See `Requests.report`."""
        return self._changed(_held(request), {"progress": progress, "lease_until_s": now_s + lease_s}) > 0

    def answer(self, request: Request, answer: dict[str, Any] | None, *, now_s: float, error: str = "") -> bool:
        """See `Requests.answer`."""
        values = {
            "state": "failed" if error else "done", "error": error, "answered_s": now_s,
            "answer": None if answer is None else json.dumps(answer),
        }  # fmt: skip
        return self._changed(_held(request), values if error else values | {"progress": 1.0}) > 0

    def drop_expired(self, now_s: float) -> int:
        """See `Requests.drop_expired`."""
        late = and_(_free(now_s), RequestRow.deadline_s <= now_s)
        dropped = self._changed(late, {"state": "dropped", "error": LATE, "answered_s": now_s})
        given_up = and_(_free(now_s), RequestRow.claims >= MOST_CLAIMS)
        self._changed(given_up, {"state": "failed", "error": GIVEN_UP, "answered_s": now_s})
        return dropped


class Asker(SqlAsks):
    """What a page asks through: it writes rows of `requests` and nothing else."""

    def __init__(self, url: str) -> None:
        """Raises `StoreMissingError` and `StoreVersionError` as a reader does."""
        file = file_of(url)
        if file is not None and not file.exists():
            raise StoreMissingError(f"there is no store at {file} yet: start `run` first")
        self._engine, self._writes = connect(url, writes=True), True
        with answering(self._engine), self._engine.connect() as connection:
            revision = revision_of(connection)
        if revision != SCHEMA_REVISION:
            self._engine.dispose()
            raise StoreVersionError(f"the store at {told(url)} has schema {revision}, not {SCHEMA_REVISION}")

    def close(self) -> None:
        """Let go of the file or server."""
        self._engine.dispose()


def _free(now_s: float) -> ColumnElement[bool]:
    """Nobody is at it."""
    lapsed = and_(RequestRow.state == "claimed", RequestRow.lease_until_s <= now_s)
    return or_(RequestRow.state == "waiting", lapsed)


def _held(request: Request) -> ColumnElement[bool]:
    return and_(RequestRow.id == request.id, RequestRow.state == "claimed", RequestRow.claims == request.claims)


def _end(request: Request, now_s: float) -> dict[str, Any] | None:
    """What becomes of a request that nobody is at and that is not to be taken up; None: it is."""
    if request.deadline_s <= now_s:
        return {"state": "dropped", "error": LATE, "answered_s": now_s}
    if request.claims >= MOST_CLAIMS:
        return {"state": "failed", "error": GIVEN_UP, "answered_s": now_s}
    return None


def _request(row: Any) -> Request:
    told = dict(row)
    told["arguments"] = json.loads(told["arguments"])
    told["answer"] = None if told["answer"] is None else json.loads(told["answer"])
    return Request(**told)
