"""Live: one reader for all viewers. It reads the store when there is news, draws each part of a page once, and fans
out: first the quick parts, which change with every frame, then the others, one at a time.

A page asks over a websocket for what is newer than what it holds, draws it, and only then asks again. So at most one
answer is under way for each viewer: a slow server or a slow browser makes updates rarer, never a queue. Dash's own
ways were weighed: a `dcc.Interval` prunes every answer that takes longer than its interval, and a persistent websocket
callback does not start again after a reconnect when it has inputs.
"""

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self
from zlib import crc32

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from plotly.io.json import to_json_plotly
from sqlalchemy.exc import SQLAlchemyError

from twin.clock import Clock
from twin.people import People
from twin.store.port import Store, StoreError, StoreMissingError
from ui.access.roles import Act, may
from ui.access.who import Who, who
from ui.body import NotJsonError, TooLongError, said
from ui.figures import DARK, LIGHT

Props = dict[str, dict[str, Any]]  # component id -> what to set on it
Asked = dict[str, str]  # what stands in a page's address behind the `?`

READ_PERIOD_S = 0.1  # of all rows of a page
LOOK_PERIOD_S = 0.02  # for news of them
QUICK_PERIOD_S = 0.08  # nobody sees more than a dozen pictures a second, and the twin may need the core
DRAWN_S = 0.01  # drawing of other parts goes on until so much is spent
SMALL_BYTES = 12_000  # others go together up to so many
REST = 1 / 3  # of the time that reading and drawing took: a quarter of a core stays free, however much is to be drawn
FORGET_AFTER_S = 5.0  # nobody asked for this long: not read any more
DEFAULT = "machine"  # the page of whoever does not say which
MOST_ASKED = 8
PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}


class View(Protocol):
    """What the store said to one page at `read_s`. `waiting_for` is empty when there is something to show; `trouble`
    says why the store could not be read this time, the rows are then those of the last time."""

    @property
    def read_s(self) -> float: ...

    @property
    def waiting_for(self) -> str: ...

    @property
    def trouble(self) -> str: ...

    def pulse(self) -> dict[str, Any]:
        """What the page needs every time, to tell fresh from stale by itself when no more pulses come."""
        ...

    def waits(self, for_what: str, now_s: float) -> Self:
        """The view of a page with nothing to show."""
        ...

    def troubled(self, why: str, now_s: float) -> Self:
        """This view, once more, because there is no newer one."""
        ...


@dataclass(frozen=True)
class Part:
    """A piece of a page that is drawn and sent as one, at most once in `period_s`. `choice` names what is asked that
    changes no reading, only this drawing: `draw` then gets what was said for it, too. `source` gives the object that is
    all it is drawn from: while the view has the very same one it is not drawn anew."""

    name: str
    period_s: float
    draw: Callable[..., Props]
    choice: str = ""
    source: Callable[[Any], object] | None = None

    @property
    def quick(self) -> bool:
        """Whether it is drawn with every reading."""
        return self.period_s <= READ_PERIOD_S


@dataclass(frozen=True)
class Page:
    """A page by its name: `read` gives its view of the store for what is asked (a machine, say) after the last one,
    None while there is nothing to show; `empty` is the view before any reading. `act`: what one must be allowed to do
    to see it; `source`: what it reads, the store or the people; `news`: whether there are rows for the quick
    parts that a view has not, found at a small part of the cost of reading them; `bare`: its view while there is no
    store, where it has something to show all the same."""

    name: str
    path: str
    title: str
    layout: Callable[[], Any]
    empty: View
    read: Callable[[Any, Asked, Any, float], View | None]
    parts: tuple[Part, ...]
    act: Act = "read"
    source: Literal["store", "people"] = "store"
    news: Callable[[Any, Any], bool] | None = None
    bare: Callable[[Asked, Any, float], View] | None = None


@dataclass
class _Drawn:
    """A part as JSON; its stamp changes only when the picture does."""

    at_s: float
    stamp: int
    json: str
    source: object = None


Turn = Literal["quick", "others", "both"]


@dataclass(frozen=True)
class Update:
    """An answer as JSON, and whose turn is next."""

    json: str
    turn: Turn


_Said = tuple[tuple[str, str], ...]
_Subject = tuple[str, _Said]  # page, and what of it
_Watch = tuple[_Subject, str, _Said]  # one subject in one colour scheme with some choices, as somebody watches it
_Piece = tuple[_Subject, str, str, str]  # a part of a subject in a colour scheme, by what was chosen for it


class Feed:
    """Reads one store for every viewer."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        pages: Sequence[Page],
        clock: Clock,
        *,
        stale_after_s: float,
        waiting_text: str,
        people: Callable[[], People] | None = None,
    ) -> None:
        self._open_store, self._clock, self._people = open_store, clock, people
        self._pages = {page.name: page for page in pages}
        self._stale_after_s, self._waiting_text = stale_after_s, waiting_text
        self._store: Store | None = None
        self._views: dict[_Subject, View] = {}
        self._watches: dict[_Watch, float] = {}  # when it was last asked for
        self._drawn: dict[_Piece, _Drawn] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ui-reader")
        self._task: asyncio.Task[None] | None = None
        self._ticked = asyncio.Event()

    def shows(self, page: str, person: Who | None) -> bool:
        """Whether there is a page of that name, and this person may see it."""
        found = self._pages.get(page)
        return found is not None and person is not None and may(person.role, found.act)

    async def next(
        self, page: str, asked: Mapping[str, str], scheme: str, seen: Mapping[str, int], turn: Turn = "both"
    ) -> Update:
        """The next update: a pulse always, and parts that are not what the viewer holds. `turn`: which kind goes first;
        two kinds in turn keep a browser's draws short, and no frame waits for two slow ones."""
        choices = {part.choice for part in self._pages[page].parts}
        items = sorted(asked.items())
        subject = (page, tuple(item for item in items if item[0] not in choices))
        watch = (subject, scheme, tuple(item for item in items if item[0] in choices))
        self._watches[watch] = self._clock.now_s()
        if self._task is None or self._task.done():
            if self._task is not None and not self._task.cancelled():
                self._task.result()  # a mistake in drawing is shown to whoever asked, not swallowed
            self._task = asyncio.create_task(self._run())
        if not self._newer(watch, seen, turn):
            waiter = asyncio.ensure_future(self._ticked.wait())
            await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
        newer = self._newer(watch, seen, turn)
        parts = ",".join(f'"{name}":{{"stamp":{part.stamp},"props":{part.json}}}' for name, part in newer.items())
        quick = {part.name for part in self._pages[page].parts if part.quick}
        return Update(
            f'{{"pulse":{self._pulse(subject)},"parts":{{{parts}}}}}', "others" if quick & {*newer} else "quick"
        )

    async def close(self) -> None:
        """Stop reading and let go of the store."""
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=True)
        if self._store is not None:
            self._store.close()

    async def _run(self) -> None:
        """Look, read, draw and tick while anybody watches."""
        loop = asyncio.get_running_loop()
        while self._forget():
            began_s = loop.time()
            watches = list(self._watches)
            for step in (self._draw_quick, self._draw_next):
                if await loop.run_in_executor(self._thread, step, watches):
                    self._ticked.set()
                    self._ticked = asyncio.Event()
            took_s = loop.time() - began_s
            await asyncio.sleep(max(LOOK_PERIOD_S - took_s, REST * took_s, 0.005))

    def _forget(self) -> bool:
        now_s = self._clock.now_s()
        kept = {watch: asked_s for watch, asked_s in self._watches.items() if now_s - asked_s < FORGET_AFTER_S}
        self._watches.clear()
        self._watches.update(kept)
        watched = {subject for subject, _, _ in kept}
        self._views = {subject: view for subject, view in self._views.items() if subject in watched}
        pieces = {piece for watch in kept for _, piece in self._pieces(watch)}
        self._drawn = {piece: drawn for piece, drawn in self._drawn.items() if piece in pieces}
        return bool(kept)

    def _pieces(self, watch: _Watch) -> list[tuple[Part, _Piece]]:
        """The parts of a page as they are watched; those who chose the same, or for whom it is all one, share them."""
        subject, scheme, said = watch
        chosen = dict(said)
        parts = self._pages[subject[0]].parts
        return [(part, (subject, scheme, part.name, chosen.get(part.choice, ""))) for part in parts]

    def _draw_quick(self, watches: list[_Watch]) -> bool:
        """Read what has news, and draw what changes with it. Whether anything was read."""
        read = {subject for subject in {subject for subject, _, _ in watches} if self._has_news(subject)}
        for subject in read:
            self._views[subject] = self._read(subject)
        quick = {
            piece: part
            for watch in watches
            for part, piece in self._pieces(watch)
            if part.quick and self._is_due(part, piece)
        }
        self._draw(quick)
        return bool(read or quick)

    def _draw_next(self, watches: list[_Watch]) -> bool:
        """Other parts of each watch, those due for longest first and else in the order of the page, until `DRAWN_S` are
        spent. Whether there were any."""
        begun_s, drawn = time.perf_counter(), False
        while not drawn or time.perf_counter() - begun_s < DRAWN_S:
            chosen: dict[_Piece, Part] = {}
            for watch in watches:
                due = [each for each in self._pieces(watch) if not each[0].quick and self._is_due(*each)]
                if due:
                    part, piece = min(due, key=lambda each: self._drawn_s(each[1]) + each[0].period_s)
                    chosen[piece] = part
            if not chosen:
                break
            self._draw(chosen)
            drawn = True
        return drawn

    def _has_news(self, subject: _Subject) -> bool:
        view, page, now_s = self._views.get(subject), self._pages[subject[0]], self._clock.now_s()
        if view is None or not 0.0 <= now_s - view.read_s < READ_PERIOD_S:
            return True
        if page.news is None or now_s - view.read_s < QUICK_PERIOD_S or view.trouble or view.waiting_for:
            return False
        try:
            return page.news(self._source(page), view)
        except (StoreError, SQLAlchemyError):
            return True  # reading says what the trouble is

    def _drawn_s(self, piece: _Piece) -> float:
        return self._drawn[piece].at_s if piece in self._drawn else -math.inf

    def _is_due(self, part: Part, piece: _Piece) -> bool:
        last, view = self._drawn.get(piece), self._views[piece[0]]
        if last is None:
            return True
        if part.source is not None and part.source(view) is last.source:
            return False
        return view.read_s > last.at_s if part.quick else view.read_s - last.at_s >= part.period_s

    def _read(self, subject: _Subject) -> View:
        now_s, page = self._clock.now_s(), self._pages[subject[0]]
        before = self._views.get(subject, page.empty)
        try:
            return page.read(self._source(page), dict(subject[1]), before, now_s) or page.empty.waits(
                self._waiting_text, now_s
            )
        except StoreMissingError:
            if page.bare is not None:
                return page.bare(dict(subject[1]), before, now_s)
            return page.empty.waits(self._waiting_text, now_s)
        except (StoreError, SQLAlchemyError) as error:
            return before.troubled(str(error).splitlines()[0], now_s)

    def _source(self, page: Page) -> Store | People:
        if page.source == "people":
            if self._people is None:
                raise StoreMissingError("this store keeps no people")
            return self._people()
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _draw(self, pieces: Mapping[_Piece, Part]) -> None:
        drawn = dict(self._drawn)
        for piece, part in pieces.items():
            subject, scheme, _, chosen = piece
            view, palette = self._views[subject], PALETTES[scheme]
            props = part.draw(view, palette, chosen) if part.choice else part.draw(view, palette)
            text = to_json_plotly(props)
            source = part.source(view) if part.source is not None else None
            drawn[piece] = _Drawn(view.read_s, crc32(text.encode()), text, source)
        self._drawn = drawn  # at once: viewers look at it meanwhile

    def _newer(self, watch: _Watch, seen: Mapping[str, int], turn: Turn) -> dict[str, _Drawn]:
        """Of what a viewer does not hold: the quick parts, and of the others as many as are small, or one. Others that
        it never held come first, in the order of the page, then those that were drawn first; none comes before a quick
        one that it never held."""
        newer = [
            (part, self._drawn[piece])
            for part, piece in self._pieces(watch)
            if piece in self._drawn and seen.get(part.name) != self._drawn[piece].stamp
        ]
        quick = {part.name: drawn for part, drawn in newer if part.quick}
        others = [(part.name, drawn) for part, drawn in newer if not part.quick]
        if not others or any(name not in seen for name in quick) or (quick and turn == "quick"):
            return quick
        chosen: dict[str, _Drawn] = {}
        for name, drawn in sorted(others, key=lambda each: each[1].at_s if each[0] in seen else -math.inf):
            if chosen and sum(len(each.json) for each in (*chosen.values(), drawn)) > SMALL_BYTES:
                break
            chosen[name] = drawn
        return chosen if turn == "others" else quick | chosen

    def _pulse(self, subject: _Subject) -> str:
        view = self._views.get(subject, self._pages[subject[0]].empty)
        always = {"waiting": view.waiting_for, "trouble": view.trouble, "stale_after_s": self._stale_after_s}
        return json.dumps(view.pulse() | always)


def mount(server: FastAPI, feed: Feed, path: str = "/live") -> None:
    """Serve `feed` to pages of this very host; a page from elsewhere is turned away. Where no websocket comes through,
    the same asks come as requests."""

    @server.post(path)
    async def polled(request: Request) -> Response:
        try:
            ask = await said(request)
        except (TooLongError, NotJsonError) as error:
            return Response(str(error), 415)
        page, scheme = _page_of(ask)
        if not feed.shows(page, who()):
            return Response(status_code=404)
        update = await feed.next(page, _asked(ask), scheme, _seen(ask))
        return Response(update.json, media_type="application/json")

    @server.websocket(path)
    async def live(socket: WebSocket) -> None:
        if socket.headers.get("origin", "").split("//")[-1] != socket.headers.get("host"):
            await socket.close(code=1008)
            return
        await socket.accept()
        turn: Turn = "quick"
        try:
            while True:
                ask = json.loads(await socket.receive_text())
                page, scheme = _page_of(ask)
                if not feed.shows(page, who()):
                    await socket.close(code=1008)
                    return
                update = await feed.next(page, _asked(ask), scheme, _seen(ask), turn)
                turn = update.turn
                await socket.send_text(update.json)
        except (WebSocketDisconnect, json.JSONDecodeError):
            return


def _page_of(ask: dict[str, Any]) -> tuple[str, str]:
    return str(ask.get("page") or DEFAULT), "dark" if ask.get("scheme") == "dark" else "light"


def _seen(ask: dict[str, Any]) -> dict[str, int]:
    seen = ask.get("seen")
    return seen if isinstance(seen, dict) else {}


def _asked(ask: dict[str, Any]) -> Asked:
    """What a page asks for, no more of it than an address may say."""
    said = ask.get("asked")
    items = list(said.items())[:MOST_ASKED] if isinstance(said, dict) else []
    return {str(name)[:64]: str(value)[:256] for name, value in items}
