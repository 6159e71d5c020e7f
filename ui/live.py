"""Live: one reader for all viewers. It reads the store a few times a second, draws each part once, and fans out.

A page asks over a websocket for what is newer than what it holds, draws it, and only then asks again. So at most one
answer is under way for each viewer: a slow server or a slow browser makes updates rarer, never a queue. Dash's own
ways were weighed: a `dcc.Interval` prunes every answer that takes longer than its interval, and a persistent websocket
callback does not start again after a reconnect when it has inputs.
"""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from plotly.io.json import to_json_plotly
from sqlalchemy.exc import SQLAlchemyError

from twin.clock import Clock
from twin.store.port import Store, StoreError, StoreMissingError
from ui.figures import DARK, LIGHT, Palette
from ui.snapshot import Fresh, Slow, Snapshot, read_fresh, read_machines, read_slow

Props = dict[str, dict[str, Any]]  # component id -> what to set on it

READ_PERIOD_S = 0.25
SLOW_PERIOD_S = 1.0
FORGET_AFTER_S = 5.0  # nobody asked for this long: not read any more
PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}


@dataclass(frozen=True)
class Part:
    """A piece of a page that is drawn and sent as one, at most once in `period_s`."""

    name: str
    period_s: float
    draw: Callable[[Snapshot, Palette], Props]


@dataclass
class _Drawn:
    """A part as JSON; its stamp changes only when the picture does."""

    at_s: float
    stamp: int
    json: str


@dataclass
class _Watch:
    """One machine in one colour scheme, as somebody watches it."""

    asked_s: float
    drawn: dict[str, _Drawn] = field(default_factory=dict)


class Feed:
    """Reads one store for every viewer."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        parts: tuple[Part, ...],
        clock: Clock,
        *,
        stale_after_s: float,
        waiting_text: str,
    ) -> None:
        self._open_store, self._parts, self._clock = open_store, parts, clock
        self._stale_after_s, self._waiting_text = stale_after_s, waiting_text
        self._store: Store | None = None
        self._snapshots: dict[str, Snapshot] = {}
        self._slow_read_s: dict[str, float] = {}
        self._watches: dict[tuple[str, str], _Watch] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ui-reader")
        self._task: asyncio.Task[None] | None = None
        self._ticked = asyncio.Event()

    async def next(self, machine: str, scheme: str, seen: dict[str, int]) -> str:
        """The next update as JSON: a pulse always, and each part that is not what the viewer holds."""
        watch = self._watches.setdefault((machine, scheme), _Watch(asked_s=0.0))
        watch.asked_s = self._clock.now_s()
        if self._task is None or self._task.done():
            if self._task is not None and not self._task.cancelled():
                self._task.result()  # a mistake in drawing is shown to whoever asked, not swallowed
            self._task = asyncio.create_task(self._run())
        waiter = asyncio.ensure_future(self._ticked.wait())
        await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        newer = {name: part for name, part in watch.drawn.items() if seen.get(name) != part.stamp}
        parts = ",".join(f'"{name}":{{"stamp":{part.stamp},"props":{part.json}}}' for name, part in newer.items())
        return f'{{"pulse":{self._pulse(machine)},"parts":{{{parts}}}}}'

    async def close(self) -> None:
        """Stop reading and let go of the store."""
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=True)
        if self._store is not None:
            self._store.close()

    async def _run(self) -> None:
        """Read, draw and tick while anybody watches; never more than half of the time."""
        loop = asyncio.get_running_loop()
        while self._forget():
            began_s = loop.time()
            await loop.run_in_executor(self._thread, self._refresh, list(self._watches))
            self._ticked.set()
            self._ticked = asyncio.Event()
            took_s = loop.time() - began_s
            await asyncio.sleep(max(READ_PERIOD_S - took_s, took_s, 0.02))

    def _forget(self) -> bool:
        now_s = self._clock.now_s()
        kept = {key: watch for key, watch in self._watches.items() if now_s - watch.asked_s < FORGET_AFTER_S}
        self._watches.clear()
        self._watches.update(kept)
        return bool(kept)

    def _refresh(self, keys: list[tuple[str, str]]) -> None:
        for machine in {machine for machine, _ in keys}:
            self._snapshots[machine] = self._read(machine)
        for key in keys:
            self._draw(self._snapshots[key[0]], self._watches[key], PALETTES[key[1]])

    def _read(self, asked: str) -> Snapshot:
        now_s = self._clock.now_s()
        before = self._snapshots.get(asked, Snapshot(now_s))
        try:
            if self._store is None:
                self._store = self._open_store()
            return self._read_rows(self._store, asked, before, now_s)
        except StoreMissingError:
            return Snapshot(now_s, waiting_for=self._waiting_text)
        except (StoreError, SQLAlchemyError) as error:
            return replace(before, read_s=now_s, trouble=str(error).splitlines()[0])

    def _read_rows(self, store: Store, asked: str, before: Snapshot, now_s: float) -> Snapshot:
        machines = read_machines(store)
        if not machines:
            return Snapshot(now_s, waiting_for=self._waiting_text)
        row = next((row for row in machines if row["machine"] == asked), machines[0])
        machine = str(row["machine"])
        known = before.machine == machine
        fresh = read_fresh(store, machine, before.fresh if known else Fresh())
        slow = before.slow if known else Slow()
        if not known or now_s - self._slow_read_s.get(asked, 0.0) >= SLOW_PERIOD_S:
            slow = read_slow(store, row, fresh.latest)
            self._slow_read_s[asked] = now_s
        return Snapshot(now_s, machines=machines, machine=machine, fresh=fresh, slow=slow)

    def _draw(self, snapshot: Snapshot, watch: _Watch, palette: Palette) -> None:
        for part in self._parts:
            last = watch.drawn.get(part.name)
            if last is not None and snapshot.read_s - last.at_s < part.period_s:
                continue
            text = to_json_plotly(part.draw(snapshot, palette))
            watch.drawn[part.name] = _Drawn(snapshot.read_s, crc32(text.encode()), text)

    def _pulse(self, asked: str) -> str:
        """What the page needs every time, to tell fresh from stale by itself when no more pulses come."""
        snapshot = self._snapshots.get(asked, Snapshot(self._clock.now_s()))
        return json.dumps(
            {
                "machine": snapshot.machine,
                "machines": [row["machine"] for row in snapshot.machines],
                "waiting": snapshot.waiting_for,
                "trouble": snapshot.trouble,
                "age_s": snapshot.age_s,
                "forecast_age_s": snapshot.forecast_age_s,
                "stale_after_s": self._stale_after_s,
            }
        )


def mount(server: FastAPI, feed: Feed, path: str = "/live") -> None:
    """Serve `feed` to pages of this very host; a page from elsewhere is turned away."""

    @server.websocket(path)
    async def live(socket: WebSocket) -> None:
        if socket.headers.get("origin", "").split("//")[-1] != socket.headers.get("host"):
            await socket.close(code=1008)
            return
        await socket.accept()
        try:
            while True:
                ask = json.loads(await socket.receive_text())
                scheme = "dark" if ask.get("scheme") == "dark" else "light"
                await socket.send_text(await feed.next(str(ask.get("machine") or ""), scheme, ask.get("seen") or {}))
        except (WebSocketDisconnect, json.JSONDecodeError):
            return
