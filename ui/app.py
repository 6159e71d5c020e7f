"""App: builds the Dash application around a store. It loads neither torch nor the operators.

Everything that a page needs is served from here: scripts, styles and fonts come from no other host.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from dash import ClientsideFunction, Dash, Input
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from twin.clock import Clock, SystemClock
from twin.store.port import Store
from twin.store.sql import SqlStore
from ui.access.access import Access
from ui.access.guard import guard
from ui.live import Feed, mount
from ui.pages import machine
from ui.pages.shell import shell

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
    feed = Feed(
        _opener(store),
        machine.PARTS,
        clock or SystemClock(),
        stale_after_s=stale_after_s,
        waiting_text=_waiting_text(store),
    )
    server = _server(feed)
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
    )
    app.layout = lambda: shell("machine", "Machine", machine.layout())  # for whoever asks: the bar says who
    app.clientside_callback(
        ClientsideFunction("meltwin", "choose"), Input("machines", "value"), prevent_initial_call=True
    )
    guard(server, access, allowed_hosts)
    return app


def _server(feed: Feed) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await feed.close()

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
    return server


def _opener(store: str | Store) -> Callable[[], Store]:
    if isinstance(store, str):
        return lambda: SqlStore.open_reader(store)
    return lambda: store


def _waiting_text(store: str | Store) -> str:
    if not isinstance(store, str) or "sqlite" not in store:
        return "No machine has said anything yet."
    return f"No machine has said anything yet. Reading {store.split('///')[-1]}."
