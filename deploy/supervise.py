"""Children: programs of ours started beside this one, which stop when told and never outlive it.

`python -m deploy.supervise VERB ...` is `meltwin VERB ...` on a leash: its standard input is a pipe from the parent,
and the end of that pipe means that the parent is gone, however it went. Children stand in sessions of their own,
so that Ctrl-C reaches the parent alone, which then stops them in the order that loses nothing.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

GRACE_S = 15.0
ORPHAN_GRACE_S = 3.0
LATE_S = 5.0


class Child:
    """One program of ours, running. Leaving the `with` block stops it."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None, talks: bool = False) -> None:
        """`talks`: it prints JSON objects, one a line, and the newest is `said`; else its output goes nowhere."""
        self.said: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.supervise", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        self._ear = threading.Thread(target=self._listen, name=f"hear-{arguments[0]}", daemon=True)
        self._ear.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        return self._process.wait(timeout_s)

    def stop(self, grace_s: float = GRACE_S) -> int:
        """Ask it to end (SIGTERM), wait, and only then insist. Returns its exit code; 0 where the asking ended it: it
        had not begun to listen, and so had nothing in hand."""
        asked = self._process.poll() is None
        if asked:
            self._process.terminate()
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        code = self._process.wait()
        self._ear.join(GRACE_S)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return 0 if asked and code == -signal.SIGTERM else code

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self.said = json.loads(line)

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class StopSignals:
    """Ctrl-C and SIGTERM as a question that a loop asks: `stop()`. A second Ctrl-C ends the program at once.

    `when_late` is called, in another thread, when the loop has not heard `LATE_S` after the first.
    """

    def __init__(self, when_late: Callable[[], None] = lambda: None) -> None:
        self._asked = threading.Event()
        self._late = threading.Timer(LATE_S, when_late)
        self._late.daemon = True
        self._before: dict[int, object] = {}

    def __call__(self) -> bool:
        return self._asked.is_set()

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._late.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: object) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()
        self._late.start()


def follow_parent() -> None:
    """End this process when standard input ends: politely first, at once after the grace."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(ORPHAN_GRACE_S)
        os._exit(1)

    threading.Thread(target=watch, name="follow-parent", daemon=True).start()


if __name__ == "__main__":
    follow_parent()
    from deploy.cli import main

    main()
