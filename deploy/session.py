"""Session: the whole path for a while: broker, run loop, page, and a program that publishes. They start in the order in
which each needs the one before, and stop in the order that loses nothing.

    broker -> store -> page, run loop (warm) -> publisher ... publisher ends -> drain -> close windows -> all stop

Windows are closed only where the machine has come to its end: a build that is interrupted may go on later, and its
frames must then be cut where they would have been.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from deploy import wiring
from deploy.errors import ChildFailedError
from deploy.monitor.monitor import Monitor
from deploy.ports import need_port
from deploy.report import Tally
from deploy.run import RunLoop, settle
from deploy.settings import Settings, as_environment
from deploy.supervise import Child, StopSignals
from ingest.mqtt import MqttSource
from ingest.source import Source
from ingest.sparkplug.stage import Stage
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
        monitor = parts.enter_context(wiring.monitor(settings, serve=False))
        source = _from_broker(settings, parts, monitor)
        loop, page = parts.enter_context(_consumer(settings, source, headless, monitor, says=True))
        feeder = parts.enter_context(Child(*publisher, environment=as_environment(settings), talks=True))
        loop.run(lambda: stop() or feeder.code is not None, each_turn=lambda tally: each_turn(loop, feeder.said))
        code = feeder.stop()
        published = feeder.said.get("messages_published", 0)
        drain(loop, published, SystemClock(), each_turn=lambda: each_turn(loop, feeder.said), stop=stop)
        if not stop():
            loop.finish(stop)
        if code != 0:
            raise ChildFailedError(f"`{publisher[0]}` ended with exit code {code}; what it said stands above")
        ended = Ended(loop, feeder.said, stop())
        each_turn(loop, feeder.said)
        _linger(ended, page, stop, each_turn)
        return ended


def straight(settings: Settings, source: Source, *, headless: bool, each_turn: EachTurn, ends: bool = True) -> Ended:
    """Everything of `source` into the twin, without a broker between. `ends`: nothing more will come of its layers."""
    with ExitStack() as parts:
        stop = parts.enter_context(StopSignals())
        monitor = parts.enter_context(wiring.monitor(settings, serve=False))
        loop, page = parts.enter_context(_consumer(settings, source, headless, monitor))
        while not stop() and (loop.turn() or loop.waits or not source.exhausted):
            each_turn(loop, {"messages_published": loop.tally.messages_taken})
        if ends and not stop():
            loop.finish(stop)
        ended = Ended(loop, {"messages_published": loop.tally.messages_taken}, stop())
        _linger(ended, page, stop, each_turn)
        return ended


def drain(
    loop: RunLoop,
    published: int,
    clock: Clock,
    each_turn: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Turn until everything that was published is in, or nothing has come for `DRAIN_S` although nothing is waited for.

    After `stop()` nothing is waited for that is away: it comes again.
    """
    last_s = clock.now_s()
    while loop.tally.messages_taken < published and clock.now_s() - last_s < DRAIN_S:
        if loop.turn() or (loop.waits and not stop()):
            last_s = clock.now_s()
        each_turn()


def live(settings: Settings, each_turn: EachTurn) -> None:
    """Take messages until Ctrl-C or SIGTERM; what has reached the broker by then is committed before it is stopped."""
    with ExitStack() as parts:
        stop = parts.enter_context(StopSignals())
        monitor = parts.enter_context(wiring.monitor(settings, serve=True))
        source = _from_broker(settings, parts, monitor)
        sparkplug = parts.enter_context(wiring.sparkplug_stage(settings))
        loop, _ = parts.enter_context(_consumer(settings, source, True, monitor, sparkplug, says=True))
        monitor.watch(source, lambda: _lost(source, loop), lambda: wiring.store_lost(settings), settings.queue_messages)

        def turned(tally: Tally) -> None:
            monitor.turn(tally, loop.late)
            each_turn(loop, {})

        loop.run(stop, turned)
        clock = SystemClock()
        until_s = clock.now_s() + DRAIN_S
        while loop.turn() and clock.now_s() < until_s:
            pass
        monitor.stopped(loop.tally)


def _from_broker(settings: Settings, parts: ExitStack, monitor: Monitor) -> MqttSource:
    """The broker, where it is ours, and what it says."""
    with monitor.starting("broker"):
        parts.enter_context(wiring.broker(settings))
        return parts.enter_context(closing(wiring.mqtt_source(settings)))


def _lost(source: MqttSource, loop: RunLoop) -> dict[str, str]:
    """What the loop waits for; a broker from the first moment, and with its own reason."""
    waits = dict(loop.waits)
    if not source.connected:
        waits["broker"] = source.refusal or waits.get("broker", "the broker does not answer")
    return waits


@contextmanager
def _consumer(
    settings: Settings,
    source: Source,
    headless: bool,
    monitor: Monitor,
    sparkplug: Stage | None = None,
    *,
    says: bool = False,
) -> Iterator[tuple[RunLoop, Child | None]]:
    """The store, the warm run loop, and the page beside them. `says`: there is a broker that may be told of alerts."""
    if not headless:
        need_port(settings.ui_port, "ui_port")
    with ExitStack() as parts:
        with monitor.starting("store"):
            store = parts.enter_context(closing(wiring.open_store(settings)))
        page = None if headless else parts.enter_context(Child("ui", environment=as_environment(settings)))
        with monitor.starting("operator"):
            herald = parts.enter_context(wiring.herald(settings, store)) if says else None
            loop = wiring.run_loop(settings, source, store, monitor.step, sparkplug, herald)
            loop.resume()
            settle()
        yield loop, page


def _linger(ended: Ended, page: Child | None, stop: Callable[[], bool], each_turn: EachTurn) -> None:
    """With a page there is something to look at until Ctrl-C."""
    while page is not None and page.code is None and not stop():
        ended.loop.turn()
        each_turn(ended.loop, ended.said)
