"""Proxy: a TCP line between two programs that can be cut and mended."""

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes bytes on to `port`. While it is cut, nothing passes and no new
    connection is taken; connections that were open are broken."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._lines: list[socket.socket] = []
        self._lock = threading.Lock()
        self._cut = self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection and take no new one."""
        with self._lock:
            self._cut = True
            lines, self._lines = self._lines, []
        for line in lines:
            _shut(line)

    def mend(self) -> None:
        """Let pass again."""
        self._cut = False

    def close(self) -> None:
        self._closed = True
        self.cut()
        self._server.close()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self._cut:
                _shut(near)
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._to), timeout=5.0)
            except OSError:
                _shut(near)
                continue
            far.settimeout(None)
            with self._lock:
                self._lines += [near, far]
            for left, right in ((near, far), (far, near)):
                left.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_pass_on, args=(left, right), daemon=True).start()


def _pass_on(left: socket.socket, right: socket.socket) -> None:
    with suppress(OSError):
        while data := left.recv(65536):
            right.sendall(data)
    _shut(left)
    _shut(right)


def _shut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
