"""A real server for the interface's tests, on a free port of 127.0.0.1."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn

from twin.store.port import Store
from ui.access import who
from ui.app import build_app


@pytest.fixture(autouse=True)
def _nobody_stays() -> Iterator[None]:
    """Who one test is, the next is not."""
    before = who._now.set(None)
    yield
    who._now.reset(before)


@contextmanager
def _running(asgi: Any) -> Iterator[str]:
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(asgi, log_level="error", timeout_graceful_shutdown=1, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def _served(store: str | Store, **settings: Any) -> AbstractContextManager[str]:
    return _running(build_app(store, **settings).server)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """`serve(store)` starts a server and gives its address; all stop when the test ends."""
    with ExitStack() as servers:
        yield lambda store, **settings: servers.enter_context(_served(store, **settings))


@pytest.fixture
def running() -> Iterator[Callable[[Any], str]]:
    """The same for an ASGI application that is already built."""
    with ExitStack() as servers:
        yield lambda asgi: servers.enter_context(_running(asgi))
