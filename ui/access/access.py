"""Access: who a request is of, and the two acts of coming in and going out. It knows no page and no route."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection

from twin.clock import Clock, SystemClock
from twin.people import NAME, Account
from twin.store.port import StoreError
from ui.access.attempts import Attempts
from ui.access.cookie import MOST_S, Session, Signer
from ui.access.passwords import matches
from ui.access.proxy import Proxies
from ui.access.roll import Known, Roll
from ui.access.who import Who

WRONG = "Name or password is wrong."
NOBODY_YET = "There is no account yet. On the server: ./meltwin account add NAME --role engineer"
CHECKS = 8  # passwords under way at most; each takes a third of a second of a core
_log = logging.getLogger("meltwin.access")


@dataclass(frozen=True)
class Visit:
    """A person, and the session by which they came if it was by a password."""

    who: Who
    session: Session | None = None


@dataclass(frozen=True)
class Refusal:
    """Why somebody was not let in, in words for them and as an HTTP status."""

    status: int
    text: str
    wait_s: int = 0


class Access:
    """Of one server over one store's people."""

    def __init__(
        self, roll: Roll, signer: Signer, *, session_s: float = 43_200.0, proxies: Proxies | None = None,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.signer, self.proxies = signer, proxies or Proxies()
        self._roll, self._session_s, self._clock = roll, session_s, clock or SystemClock()
        self._attempts = Attempts()
        self._renewed: dict[str, float] = {}  # sessions that live longer than an older cookie of theirs says
        self._ended: dict[str, float] = {}  # sessions that were ended here, also where the store does not know
        self._hashing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ui-passwords")
        self._checking = 0

    async def look_ahead(self) -> None:
        """At the start: the first look, which makes the first account where there is none."""
        await self._roll.look()

    async def visit(self, request: HTTPConnection) -> Visit | None:
        """Who this is, or None for nobody that we know."""
        return self._seen(request, await self._roll.look())

    async def lasts(self, visit: Visit) -> bool:
        """Whether they are still who they were: signed in, not shut out, with the same role."""
        known = await self._roll.look()
        if visit.session is None:
            return self._vouched(visit.who.name, known) == visit
        return self._of(visit.session, known) == visit

    async def trouble(self) -> str:
        """Why nobody can sign in now; empty when they can."""
        known = await self._roll.look()
        if known.accounts is None:
            return f"The store cannot be read now: {known.trouble}"
        return "" if known.accounts else NOBODY_YET

    async def sign_in(self, name: str, password: str, address: str) -> Session | Refusal:
        """A new session, or why not. What is wrong, name or password, is neither said nor to be told by the time."""
        name = name.strip().casefold()
        known = await self._roll.look(anew=True)
        if known.accounts is None:
            return Refusal(503, await self.trouble())
        now_s = self._clock.now_s()
        wait_s = ceil(self._attempts.begin(name, address, now_s))
        if wait_s > 0:
            return Refusal(429, f"Too many attempts. Try again in {wait_s} s.", wait_s)
        if self._checking >= CHECKS:
            return Refusal(429, "Too many people sign in at once. Try again in a moment.", 2)
        account = known.accounts.get(name)
        kept = account.password_hash if account is not None and not account.disabled else None
        if not await self._matches(password, kept) or account is None:
            _log.warning("sign-in refused from %s", address)
            return Refusal(401, WRONG)
        self._attempts.succeeded(name, address)
        session = self.signer.begin(name, account.epoch, self._clock.now_s(), self._session_s)
        try:
            await self._roll.write(lambda people: people.sign_in(name, session.id, now_s=session.begun_s))
        except (StoreError, SQLAlchemyError) as error:  # a full disk keeps nobody out who must look at it
            _log.warning("a sign-in is not on record: %s", str(error).splitlines()[0])
        return session

    async def sign_out(self, session: Session) -> None:
        """End a session, wherever its cookie may be; where the store cannot keep that, until this server restarts."""
        now_s = self._clock.now_s()
        self._ended = {key: until_s for key, until_s in self._ended.items() if until_s > now_s}
        self._ended[session.id] = now_s + MOST_S
        try:
            await self._roll.write(lambda people: people.sign_out(session.name, session.id, now_s=now_s))
        except (StoreError, SQLAlchemyError) as error:
            _log.warning("a sign-out is not on record: %s", str(error).splitlines()[0])

    def renewed(self, visit: Visit) -> Session | None:
        """The session to be sent again because it is past its half."""
        session = visit.session and self.signer.renewed(visit.session, self._clock.now_s(), self._session_s)
        if session is not None:
            now_s = self._clock.now_s()
            self._renewed = {key: until_s for key, until_s in self._renewed.items() if until_s > now_s}
            self._renewed[session.id] = session.until_s
        return session

    def left_s(self, session: Session) -> int:
        """Seconds until it ends."""
        return max(0, int(session.until_s - self._clock.now_s()))

    async def close(self) -> None:
        """Let go of the store."""
        self._hashing.shutdown(wait=True)
        await self._roll.close()

    async def _matches(self, password: str, kept: str | None) -> bool:
        self._checking += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashing, matches, password, kept)
        finally:
            self._checking -= 1

    def _seen(self, request: HTTPConnection, known: Known) -> Visit | None:
        name = self.proxies.name(request)
        if name is not None:
            return self._vouched(name, known)
        session = self.signer.read(request.cookies.get(self.signer.cookie_name, ""), self._clock.now_s())
        return None if session is None else self._of(session, known)

    def _vouched(self, name: str, known: Known) -> Visit | None:
        """Whom a proxy names: with the role of their account, else as a viewer."""
        if known.accounts is None or not NAME.fullmatch(name):
            return None
        account = known.accounts.get(name)
        if account is not None and account.disabled:
            return None
        return Visit(Who(name, account.role if account else "viewer", "proxy"))

    def _of(self, session: Session, known: Known) -> Visit | None:
        account: Account | None = (known.accounts or {}).get(session.name)
        until_s = max(session.until_s, self._renewed.get(session.id, 0.0))
        if account is None or account.disabled or account.epoch != session.epoch:
            return None
        if session.id in known.ended or session.id in self._ended or self._clock.now_s() >= until_s:
            return None
        return Visit(Who(account.name, account.role, "password"), session)
