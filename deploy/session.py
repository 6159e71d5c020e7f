"""Session: the whole path for a while: broker, run loop, page, and a program that publishes. They start in the order in
which each needs the one before, and stop in the order that loses nothing.

    broker -> store -> run loop (warm) -> page -> publisher ... publisher ends -> drain -> close windows -> all stop

Windows are closed only where the machine has come to its end: a build that is interrupted may go on later, and its
frames must then be cut where they would have been.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from deploy import wiring
from deploy.errors import ChildFailedError
from deploy.ports import need_port
from deploy.run import RunLoop
from deploy.settings import Settings, as_environment
from deploy.supervise import Child, StopSignals
from ingest.source import Source
from twin.clock import Clock, SystemClock

DRAIN_S = 10.0  # wall seconds without a message after which what is missing is given up
EachTurn = Callable[[RunLoop, dict[str, Any]], None]


@dataclass(frozen=True)
class Ended:
    """What is left: the loop with its tally, what the publisher said last, and whether a person stopped it."""

    loop: RunLoop
    said: dict[str, Any]
    interrupted: bool


def through_broker(settings: Settings, publisher: Sequence[str], *, headless: bool, each_turn: EachTurn) -> Ended:
    """Run `publisher` (a verb and its arguments) through broker, twin and store, to its end or until Ctrl-C."""
    with ExitStack() as parts:
        stop = parts.enter_context(StopSignals())
        parts.enter_context(wiring.broker(settings))
        source = parts.enter_context(closing(wiring.mqtt_source(settings)))
        loop, page = parts.enter_context(_consumer(settings, source, headless))
        feeder = parts.enter_context(Child(*publisher, environment=as_environment(settings), talks=True))
        loop.run(lambda: stop() or feeder.code is not None, each_turn=lambda tally: each_turn(loop, feeder.said))
        code = feeder.stop()
        published = feeder.said.get("messages_published", 0)
        drain(loop, published, SystemClock(), each_turn=lambda: each_turn(loop, feeder.said))
        if not stop():
            loop.finish()
        if code != 0:
            raise ChildFailedError(f"`{publisher[0]}` ended with exit code {code}; what it said stands above")
        ended = Ended(loop, feeder.said, stop())
        each_turn(loop, feeder.said)
        _linger(loop, page, stop)
        return ended


def straight(settings: Settings, source: Source, *, headless: bool, each_turn: EachTurn) -> Ended:
    """Everything of `source` into the twin, without a broker between."""
    with ExitStack() as parts:
        stop = parts.enter_context(StopSignals())
        loop, page = parts.enter_context(_consumer(settings, source, headless))
        while not stop() and (loop.turn() or not source.exhausted):
            each_turn(loop, {"messages_published": loop.tally.messages_taken})
        if not stop():
            loop.finish()
        ended = Ended(loop, {"messages_published": loop.tally.messages_taken}, stop())
        _linger(loop, page, stop)
        return ended


def drain(loop: RunLoop, published: int, clock: Clock, each_turn: Callable[[], None] = lambda: None) -> None:
    """Turn until everything that was published is in, or nothing has come for `DRAIN_S`."""
    last_s = clock.now_s()
    while loop.tally.messages_taken < published and clock.now_s() - last_s < DRAIN_S:
        if loop.turn():
            last_s = clock.now_s()
        each_turn()


def live(settings: Settings, each_turn: EachTurn) -> None:
    """Take messages until Ctrl-C or SIGTERM; what has reached the broker by then is committed before it is stopped."""
    with ExitStack() as parts:
        stop = parts.enter_context(StopSignals())
        parts.enter_context(wiring.broker(settings))
        source = parts.enter_context(closing(wiring.mqtt_source(settings)))
        loop, _ = parts.enter_context(_consumer(settings, source, headless=True))
        loop.run(stop, each_turn=lambda tally: each_turn(loop, {}))
        clock = SystemClock()
        until_s = clock.now_s() + DRAIN_S
        while loop.turn() and clock.now_s() < until_s:
            pass


@contextmanager
def _consumer(settings: Settings, source: Source, headless: bool) -> Iterator[tuple[RunLoop, Child | None]]:
    """The store, the warm run loop, and the page beside them."""
    if not headless:
        need_port(settings.ui_port, "ui_port")
    with closing(wiring.open_store(settings)) as store, ExitStack() as parts:
        loop = wiring.run_loop(settings, source, store)
        loop.resume()
        page = None if headless else parts.enter_context(Child("ui", environment=as_environment(settings)))
        yield loop, page


def _linger(loop: RunLoop, page: Child | None, stop: Callable[[], bool]) -> None:
    """With a page there is something to look at until Ctrl-C."""
    while page is not None and page.code is None and not stop():
        loop.turn()
