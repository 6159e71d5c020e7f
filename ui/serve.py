"""Serve: runs the interface until it is asked to stop."""

import errno
import gc
import socket
from contextlib import suppress

import uvicorn

from ui.access.access import Access
from ui.app import LOOPBACK, build_app


class PortInUseError(Exception):
    """The port is taken; the message names the setting to change."""


def serve(
    database_url: str,
    port: int,
    *,
    host: str = "127.0.0.1",
    hosts: tuple[str, ...] = (),
    stale_after_s: float = 5.0,
    access: Access | None = None,
) -> None:
    """Serve the interface over `database_url` at `host`:`port`; returns after SIGINT or SIGTERM.

    The database need not exist yet: the page says what it waits for. `hosts` are further names by which browsers call
    it, such as a proxy's. Without `access` nobody signs in. Raises `PortInUseError`.
    """
    names = (*LOOPBACK, *hosts) if host in LOOPBACK or hosts else ("*",)
    app = build_app(database_url, stale_after_s=stale_after_s, allowed_hosts=names, access=access)
    config = uvicorn.Config(
        app.server,
        host=host,
        port=port,
        log_config=None,  # as the program that serves has set `logging`
        log_level="warning",
        timeout_graceful_shutdown=2,
        ws_max_size=65536,
        proxy_headers=False,  # whom to believe is for `ui.access.proxy` to say
    )
    gc.collect()
    gc.freeze()  # what is there now stays: looking through it all stopped every viewer for an eighth of a second
    # uvicorn stops in order at SIGINT, then raises it again
    with _bound(host, port) as bound, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    """A socket bound here, so that a taken port is known before anything is started."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"port {port} on {host} is in use: choose another with the setting `ui_port`, or stop what runs there"
            ) from error
        raise
    return bound
