"""Server: `/metrics`, `/healthz` and `/readyz` on 127.0.0.1, in a thread of its own, from before anything else starts.

`/healthz` 200 while the process should be left alone, 503 when its loop stands still. `/readyz` 200 when messages are
taken, forecast and kept; 503 with what is waited for, and why.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from deploy.monitor.metrics import Metrics
from deploy.monitor.readiness import Readiness
from deploy.ports import HERE, need_port

Answer = tuple[int, str, bytes]  # status, content type, body


@contextmanager
def served(port: int, metrics: Metrics, readiness: Readiness) -> Iterator[None]:
    """Serve until the block ends. PortTakenError names the setting `metrics_port`."""
    need_port(port, "metrics_port")
    server = ThreadingHTTPServer((HERE, port), _handler(answers(metrics, readiness)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answers(metrics: Metrics, readiness: Readiness) -> dict[str, Callable[[], Answer]]:
    """What each path answers."""

    def healthz() -> Answer:
        stuck = readiness.stuck()
        return _json(503 if stuck else 200, {"status": stuck or "ok"})

    def readyz() -> Answer:
        waits = readiness.asked()
        return _json(503 if waits else 200, {"ready": not waits, "waits": waits})

    return {
        "/metrics": lambda: (200, CONTENT_TYPE_LATEST, metrics.text()),
        "/healthz": healthz,
        "/readyz": readyz,
    }


def _json(status: int, row: dict[str, object]) -> Answer:
    return status, "application/json", json.dumps(row).encode() + b"\n"


def _handler(paths: dict[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "meltwin", ""
        timeout = 5.0

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0]
            answer = paths.get(path)
            status, kind, body = answer() if answer else (404, "text/plain", b"see /metrics, /healthz, /readyz\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape is no event."""

    return Handler
