"""App: builds the Dash application around a store. It loads neither torch nor the operators.

Everything that a page needs is served from here: scripts, styles and fonts come from no other host.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from dash import ClientsideFunction, Dash, Input, page_container, register_page
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.middleware.base import RequestResponseEndpoint
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from twin.clock import Clock, SystemClock
from twin.store.port import Store
from twin.store.sql.store import SqlStore
from ui import ids
from ui.access.access import Access
from ui.access.guard import guard
from ui.desk import Desk
from ui.doing import Doing, mount_doings
from ui.doings import alerts, attribution
from ui.doings import builds as on_builds
from ui.doings import models as on_models
from ui.doings import people as on_people
from ui.files import mount_files
from ui.live import Feed, Page, mount
from ui.pages import floor, machine, models, people, replay
from ui.pages.builds import page as builds
from ui.pages.shell import lost, shell
from ui.replay import asking
from ui.replay.serve import Replays, mount_replays

PAGES = (floor.PAGE, machine.PAGE, replay.PAGE, builds.PAGE, models.PAGE, people.PAGE)
DOINGS: tuple[Doing, ...] = (  # what people do, on any page
    *alerts.DOINGS, *attribution.DOINGS, *asking.DOINGS, *on_builds.DOINGS, *on_models.DOINGS, *on_people.DOINGS,
)  # fmt: skip
LOOPBACK = ("127.0.0.1", "localhost")

# plotly.js compiles its shaders' bindings with `new Function` and styles elements in place
FROM_HERE_ONLY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)

INDEX = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <title>{%title%}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/mark.svg">
        {%css%}
    </head>
    <body>
        {%app_entry%}
        <footer>{%config%}{%scripts%}{%renderer%}</footer>
    </body>
</html>"""


def build_app(
    store: str | Store,
    *,
    clock: Clock | None = None,
    stale_after_s: float = 5.0,
    allowed_hosts: tuple[str, ...] = LOOPBACK,
    access: Access | None = None,
) -> Dash:
    """The application over a store, or over the URL of one that need not exist yet. `app.server` is the ASGI app.

    `allowed_hosts` are the names by which browsers may call it; any other is refused, so that a page elsewhere cannot
    reach a server on this computer by renaming itself. Without `access` nobody signs in.
    """
    desk = Desk.over(store, clock)
    feed = Feed(
        _opener(store),
        PAGES,
        clock or SystemClock(),
        stale_after_s=stale_after_s,
        waiting_text=_waiting_text(store),
        people=lambda: desk.people,
    )
    replays = Replays(_opener(store), clock or SystemClock())
    server = _server(feed, desk, replays)
    app = Dash(
        "meltwin",
        server=server,
        title="Meltwin",
        update_title="",
        index_string=INDEX,
        assets_folder=str(Path(__file__).parent / "assets"),
        serve_locally=True,
        add_log_handler=False,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        use_pages=True,
        pages_folder="",
    )
    for page in PAGES:
        register_page(page.name, path=page.path, title=f"{page.title} – Meltwin", layout=_laid_out(page))
    register_page("not_found_404", title="No such page – Meltwin", layout=lambda **asked: lost(PAGES))
    app.layout = page_container
    app.clientside_callback(
        ClientsideFunction("meltwin", "choose"), Input(ids.MACHINES, "value"), prevent_initial_call=True
    )
    server.add_middleware(_PagePaths, routes=server.router.routes)
    guard(server, access, allowed_hosts)
    return app


class _PagePaths:
    """What no route has is a page's address, or nobody's, and is answered as the root's is, which alone makes Dash
    ready: the browser then says which page it stands for. `/?machine=NAME`, as the machine's page was called before
    there was a floor, leads there."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app, self._routes = app, tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked = parse_qs(scope["query_string"].decode("latin-1"))
            if scope["path"] == "/" and "machine" in asked:
                to = f"{machine.PAGE.path}?{urlencode({'machine': asked['machine'][0]})}"
                await RedirectResponse(to)(scope, receive, send)
                return
            if scope["method"] == "GET" and all(route.matches(scope)[0] is Match.NONE for route in self._routes):
                scope = {**scope, "path": "/", "raw_path": b"/"}
        await self._app(scope, receive, send)


def _laid_out(page: Page) -> Callable[..., Any]:
    """The page for whoever asks: the bar says who. What stands in the address is read in the browser."""
    return lambda **asked: shell(page, PAGES)


def _server(feed: Feed, desk: Desk, replays: Replays) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()
        desk.close()
        replays.close()

    # FastAPI's own documentation pages load scripts from another host
    server = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @server.middleware("http")
    async def from_here_only(request: Request, call_next: RequestResponseEndpoint) -> Response:
        answer = await call_next(request)
        answer.headers["Content-Security-Policy"] = FROM_HERE_ONLY
        return answer

    @server.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Open to anybody who may reach the port: the server answers."""
        return {"status": "ok"}

    mount(server, feed)
    mount_doings(server, DOINGS, desk)
    mount_files(server, desk)
    mount_replays(server, replays)
    return server


def _opener(store: str | Store) -> Callable[[], Store]:
    if isinstance(store, str):
        return lambda: SqlStore.open_reader(store)
    return lambda: store


def _waiting_text(store: str | Store) -> str:
    if not isinstance(store, str) or "sqlite" not in store:
        return "No machine has said anything yet."
    return f"No machine has said anything yet. Reading {store.split('///')[-1]}."
