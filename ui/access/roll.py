"""Roll: the accounts as the server knows them, read at most once a second however many people look.

While the store is away those who were known stay known: a floor that lost its database still sees its page say so. What
has changed there meanwhile holds from the moment it answers again.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from twin.people import Account, People
from twin.store.port import StoreError
from ui.access.cookie import MOST_S

READ_EVERY_S = 1.0
PATIENCE_S = 0.5  # for a store that does not answer, where somebody is known


@dataclass(frozen=True)
class Known:
    """`accounts` None: the store has never answered, and `trouble` says why."""

    accounts: dict[str, Account] | None = None
    trouble: str = ""
    ended: dict[str, float] = field(default_factory=dict)  # sessions signed out, and when


class Roll:
    """`first` is called with the port while there is no account at all; it may make one."""

    def __init__(self, open_people: Callable[[], People], first: Callable[[People], None] | None = None) -> None:
        self._open, self._first = open_people, first
        self._people: People | None = None
        self._last_number = 0
        self._read_s = -1e9
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ui-people")
        self.known = Known()

    async def look(self, *, anew: bool = False) -> Known:
        """What is known now, a second old at most; `anew`: as the store says it now."""
        loop = asyncio.get_running_loop()
        if not anew and loop.time() - self._read_s < READ_EVERY_S:
            return self.known
        if anew and self._task is not None:
            await asyncio.wait({self._task})
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._refresh())
        patience_s = PATIENCE_S if self.known.accounts is not None and not anew else None
        await asyncio.wait({self._task}, timeout=patience_s)
        if self._task.done():
            self._task.result()  # a mistake of ours is shown, not swallowed
        return self.known

    async def write(self, act: Callable[[People], None]) -> None:
        """One act of a person. Raises `StoreError`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, lambda: act(self._opened()))
        self._read_s = -1e9

    async def close(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})
        self._thread.shutdown(wait=True)
        if self._people is not None:
            self._people.close()

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        self.known = await loop.run_in_executor(self._thread, self._read)
        self._read_s = loop.time()

    def _opened(self) -> People:
        if self._people is None:
            self._people = self._open()
        return self._people

    def _read(self) -> Known:
        try:
            people = self._opened()
            accounts = people.accounts()
            if not accounts and self._first is not None:
                self._first(people)
                accounts = people.accounts()
            sign_outs = people.sign_outs(self._last_number)
        except (StoreError, SQLAlchemyError) as error:
            return Known(self.known.accounts, str(error).splitlines()[0], self.known.ended)
        ended = self.known.ended | {each.session: each.at_s for each in sign_outs}
        if sign_outs:
            self._last_number = sign_outs[-1].number
            newest_s = max(ended.values())
            ended = {session: at_s for session, at_s in ended.items() if newest_s - at_s < MOST_S}
        return Known({account.name: account for account in accounts}, "", ended)
