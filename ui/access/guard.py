"""Guard: nothing of the page runs for somebody we do not know. Pure ASGI around the whole application, so that pages,
callbacks, downloads and websockets pass the same door.

    nobody, a page                  303 to /sign-in, and back afterwards
    nobody, a callback or a write   401
    nobody, a websocket             closed with 4401, also one whose session ends while it is open
    a write, a websocket            only from pages of this host (`Origin`), else 403
    a role that may not             403 (`ui.access.who.need`)
    /healthz, the sign-in form      open

A response to somebody whose session is past its half carries a longer one.
"""

import asyncio
from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.access.access import Access, Refusal, Visit
from ui.access.cookie import Session
from ui.access.page import AGAIN, ASSETS, POLICY, local_path, sign_in_page
from ui.access.who import LOCAL, NotAllowedError, set_who

SIGNED_OUT = 4401  # a websocket's close: sign in again
ELSEWHERE = "Only a page of this very host may write."
OPEN = frozenset(("/healthz", *ASSETS))
READS = ("GET", "HEAD")
LOOK_EVERY_S = 1.0  # whether an open websocket's session still lasts
MOST_BYTES = 4096  # of a sign-in form
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}  # fmt: skip


def guard(server: FastAPI, access: Access | None, hosts: Iterable[str]) -> None:
    """Put the guard around `server`, outermost but for the check of the host's name; the last thing to be put there.

    Without `access` nobody signs in: whoever reaches the port is `LOCAL`.
    """
    server.add_exception_handler(NotAllowedError, _not_allowed)
    server.add_middleware(Guard, access=access)
    server.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))


class Guard:
    """The middleware."""

    def __init__(self, app: ASGIApp, access: Access | None) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._lifespan(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._access is not None:
            await self._access.look_ahead()
        try:
            await self._app(scope, receive, send)
        finally:
            if self._access is not None:
                await self._access.close()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer: Response | None = None
        if request.method not in READS and not _from_here(request):
            answer = PlainTextResponse(ELSEWHERE, 403)
        elif scope["path"] in OPEN:
            return await self._app(scope, receive, send)
        elif scope["path"] == "/sign-in":
            answer = await self._sign_in(request)
        visit = None if answer else await self._visit(request)
        if answer is None and scope["path"] == "/sign-out":
            answer = await self._sign_out(request, visit)
        if answer is None and visit is None:
            answer = await self._stranger(request)
        if answer is not None:
            return await answer(scope, receive, send)
        assert visit is not None
        set_who(visit.who)
        return await self._app(scope, receive, self._renewing(request, visit, send))

    async def _visit(self, request: HTTPConnection) -> Visit | None:
        return Visit(LOCAL) if self._access is None else await self._access.visit(request)

    async def _stranger(self, request: Request) -> Response:
        path = request.scope["path"]
        if request.method not in READS or path.startswith(("/_", "/assets")):
            return PlainTextResponse("Sign in first.", 401)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # a link in a mail: the browser keeps the cookie back until a page of this host asks, which this one does
            return HTMLResponse(AGAIN, headers=PAGE_HEADERS)
        to = local_path(path + (f"?{request.url.query}" if request.url.query else ""))
        return RedirectResponse("/sign-in" + (f"?to={quote(to, safe='')}" if to != "/" else ""), 303)

    async def _sign_in(self, request: Request) -> Response:
        if self._access is None or (request.method in READS and await self._access.visit(request)):
            return RedirectResponse(local_path(request.query_params.get("to", "/")), 303)
        if request.method in READS:
            trouble = await self._access.trouble()
            return _page(200, to=local_path(request.query_params.get("to", "/")), error=trouble)
        form = await _form(request)
        if form is None:
            return PlainTextResponse("A sign-in is a short form.", 400)
        to, name = local_path(form.get("to", "/")), form.get("name", "")
        address = self._access.proxies.address(request)
        session = await self._access.sign_in(name, form.get("password", ""), address)
        if isinstance(session, Refusal):
            answer = _page(session.status, to=to, name=name[:64], error=session.text)
            if session.wait_s:
                answer.headers["Retry-After"] = str(session.wait_s)
            return answer
        welcome = RedirectResponse(to, 303)
        welcome.headers["Set-Cookie"] = self._cookie(request, session)
        return welcome

    async def _sign_out(self, request: Request, visit: Visit | None) -> Response:
        if request.method != "POST":
            return PlainTextResponse("Signing out is an act: POST.", 405, {"Allow": "POST"})
        answer = RedirectResponse("/sign-in", 303)
        if self._access is None or visit is None or visit.session is None:
            return answer
        await self._access.sign_out(visit.session)
        answer.headers["Set-Cookie"] = self._cookie(request, None)
        return answer

    def _cookie(self, request: HTTPConnection, session: Session | None) -> str:
        """`Set-Cookie`: no script reads it, no other site's link or form sends it; over TLS it stays there."""
        assert self._access is not None
        name = self._access.signer.cookie_name
        jar: SimpleCookie = SimpleCookie({name: self._access.signer.sign(session) if session else ""})
        jar[name].update({"path": "/", "httponly": True, "samesite": "Strict"})
        jar[name]["max-age"] = self._access.left_s(session) if session else 0
        if self._access.proxies.secure(request):
            jar[name]["secure"] = True
        return jar[name].OutputString()

    def _renewing(self, request: Request, visit: Visit, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith(("text/html", "application/json")):
                    headers.setdefault("Cache-Control", "no-store")  # not for whoever sits down here next
                session = self._access.renewed(visit) if self._access is not None else None
                if session is not None:
                    headers.append("Set-Cookie", self._cookie(request, session))
            await send(message)

        return sending

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HTTPConnection(scope)
        if not _from_here(request):
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        visit = await self._visit(request)
        if visit is None:  # taken first, so that the page can read the code
            await receive()
            await send({"type": "websocket.accept"})
            return await send({"type": "websocket.close", "code": SIGNED_OUT, "reason": "sign in"})
        set_who(visit.who)
        if self._access is None:
            return await self._app(scope, receive, send)
        watched = _Watched(self._access, visit, receive, send)
        try:
            await self._app(scope, watched.receive, watched.send)
        finally:
            watched.let_go()


class _Watched:
    """A websocket that closes when its session ends, whether or not anybody says something."""

    def __init__(self, access: Access, visit: Visit, receive: Receive, send: Send) -> None:
        self._access, self._visit, self._receive, self._send = access, visit, receive, send
        self._next: asyncio.Future[Message] | None = None
        self._looked_s = -1e9
        self._closed = False

    async def receive(self) -> Message:
        while True:
            if self._next is None:
                self._next = asyncio.ensure_future(self._receive())
            await asyncio.wait({self._next}, timeout=LOOK_EVERY_S)
            if not await self._lasts():
                return {"type": "websocket.disconnect", "code": SIGNED_OUT}
            if self._next.done():
                message, self._next = self._next.result(), None
                return message

    async def send(self, message: Message) -> None:
        if await self._lasts():
            await self._send(message)

    def let_go(self) -> None:
        if self._next is not None:
            self._next.cancel()

    async def _lasts(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if not self._closed and now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            if not await self._access.lasts(self._visit):
                self._closed = True
                await self._send({"type": "websocket.close", "code": SIGNED_OUT, "reason": "sign in"})
        return not self._closed


async def _not_allowed(_: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 403)


def _from_here(request: HTTPConnection) -> bool:
    """Whether a browser says that a page of this host asks; other programs say so too, if they mean it."""
    origin = request.headers.get("origin", "")
    return "//" in origin and origin.split("//", 1)[1] == request.headers.get("host")


def _page(status: int, **words: Any) -> Response:
    return HTMLResponse(sign_in_page(**words), status, PAGE_HEADERS)


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None for what is none, or too long for one."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            return None
    if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
        return None
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=8)
    return {name: values[0] for name, values in fields.items()}
