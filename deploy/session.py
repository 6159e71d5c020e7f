"""Session: the whole path for a while: broker, run loop, page, and a program that publishes. They start in the order in
which each needs the one before, and stop in the order that loses nothing.

    broker -> store -> run loop (warm) -> page -> publisher ... publisher ends -> drain -> close windows -> all stop
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from deploy import wiring
from deploy.errors import ChildFailedError
from deploy.ports import need_port
from deploy.run import RunLoop
from deploy.settings import Settings, as_environment
from deploy.supervise import Child, StopSignals
from twin.clock import Clock, SystemClock

DRAIN_S = 10.0  # wall seconds without a message after which what is missing is given up


@dataclass(frozen=True)
class Ended:
    """What is left: the loop with its tally, what the publisher said last, and whether a person stopped it."""

    loop: RunLoop
    said: dict[str, Any]
    interrupted: bool


def hold(
    settings: Settings,
    publisher: Sequence[str],
    *,
    headless: bool,
    each_turn: Callable[[RunLoop, dict[str, Any]], None],
    linger: Callable[[Ended], None] = lambda ended: None,
    clock: Clock | None = None,
) -> Ended:
    """Run `publisher` (a verb and its arguments) through broker, twin and store to its end, or until Ctrl-C.

    With a page, `linger` is called when all is committed; the page stays until a second wish to stop.
    """
    if not headless:
        need_port(settings.ui_port, "ui_port")
    environment = as_environment(settings)
    with ExitStack() as parts:
        stop = parts.enter_context(StopSignals())
        parts.enter_context(wiring.broker(settings))
        store = parts.enter_context(closing(wiring.open_store(settings)))
        source = parts.enter_context(closing(wiring.mqtt_source(settings)))
        loop = wiring.run_loop(settings, source, store)
        loop.resume()
        page = None if headless else parts.enter_context(Child("ui", environment=environment))
        feeder = parts.enter_context(Child(*publisher, environment=environment, talks=True))
        loop.run(
            stop=lambda: stop() or feeder.code is not None,
            each_turn=lambda tally: each_turn(loop, feeder.said),
        )
        code = feeder.stop()
        drain(
            loop, feeder.said.get("messages_published", 0), clock or SystemClock(), lambda: each_turn(loop, feeder.said)
        )
        loop.finish()
        ended = Ended(loop, feeder.said, stop())
        if code != 0:
            raise ChildFailedError(f"`{' '.join(publisher)}` ended with exit code {code}; its own line stands above")
        if page is not None and not ended.interrupted:
            linger(ended)
            while not stop() and page.code is None:
                loop.turn()
        return ended


def drain(loop: RunLoop, published: int, clock: Clock, each_turn: Callable[[], None] = lambda: None) -> None:
    """Turn until everything that was published is in, or nothing has come for `DRAIN_S`."""
    last_s = clock.now_s()
    while loop.tally.messages_taken < published and clock.now_s() - last_s < DRAIN_S:
        if loop.turn():
            last_s = clock.now_s()
        each_turn()
