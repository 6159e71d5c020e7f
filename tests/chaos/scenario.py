"""A chaos run: machines say their stories through a broker to a twin that writes to a database, and one after another,
at random moments, the twin is killed, the broker and the database are stopped, the line is cut, the disk is full.

After each fault the twin must go on committing; how long that takes from the end of the fault is its recovery time.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.chaos.laws import broken, out_of_order
from tests.chaos.parts import Machines, TwinProcess, story
from tests.chaos.proxy import Proxy
from twin.store.sql.store import SqlStore

RECOVERED_S = 60.0  # later is a fault of its own
QUIET_S = 30.0  # without anything new, when not everything is in
SITE = "chaos"


class Stoppable(Protocol):
    """A broker or a database."""

    port: int

    def start(self) -> Any: ...

    def stop(self) -> Any: ...


@dataclass(frozen=True)
class Faults:
    """How many of each."""

    kills: int = 0
    broker_restarts: int = 0
    database_stops: int = 0
    cuts: int = 0
    full_disks: int = 0
    down_s: float = 1.0  # how long a broker, a database or a line is away


@dataclass
class Result:
    """What came of it. `recovery_s`: by fault, seconds from the end of the fault to the next commit."""

    messages: int = 0
    wall_s: float = 0.0
    lives: int = 1
    store_tries: int = 0
    duplicates: int = 0
    out_of_order: int = 0  # as they arrived
    gaps: int = 0
    recovery_s: dict[str, list[float]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def run(
    broker: Stoppable,
    database: str,
    faults: Faults,
    *,
    messages: int,
    per_s: float,
    seed: int = 0,
    server: Stoppable | None = None,
    gaps_allowed: bool = False,
    told: Callable[[str], None] = lambda line: None,
) -> Result:
    """The whole run. `server`: that of the database, where it is one."""
    rng, result = random.Random(seed), Result(messages=messages)
    stories = {machine: story(messages // 2, machine) for machine in ("m1", "m2")}
    result.messages = sum(map(len, stories.values()))
    order = [name for name, count in _counted(faults) for _ in range(count)]
    rng.shuffle(order)
    begun_s = time.monotonic()
    with Proxy(broker.port) as line:
        twin = TwinProcess(line.port, database, SITE)
        _wait(lambda: bool(twin.said), RECOVERED_S)
        machines = Machines(broker.port, SITE, stories, per_s)
        machines.start()
        for name in order:
            _wait(lambda: time.monotonic() - twin.grew_s < 1.0, RECOVERED_S)  # in full swing
            time.sleep(rng.uniform(0.2, 1.2))
            over_s = _FAULTS[name](twin, broker, line, server, faults.down_s, result)
            recovered = _wait(lambda: twin.grew_s > over_s or machines.done, RECOVERED_S)  # noqa: B023
            took_s = twin.grew_s - over_s
            if not recovered:
                result.broken.append(f"{name}: nothing was committed for {RECOVERED_S:.0f} s")
            else:  # below 0: it was over before the fault was, from what had been taken
                result.recovery_s.setdefault(name, []).append(round(max(took_s, 0.0), 2))
            told(f"{name}: recovered after {took_s:.2f} s; {machines.said:,} of {result.messages:,} said")
        machines.faults_over.set()
        _wait(lambda: machines.done, 60.0 + messages / per_s * 4)
        store = SqlStore.open_reader(database)
        _settle(store, result.messages, twin)
        if twin.stop() != 0:
            result.broken.append("the twin did not end well")
        if faults.database_stops + faults.full_disks and not twin.tries:
            result.broken.append("the database was stopped and nobody noticed")
        result.store_tries = twin.tries
        counts = store.counts()
        result.broken += broken(store, stories, gaps_allowed=gaps_allowed)
        result.duplicates, result.gaps = counts["duplicates"], counts["gaps"]
        result.out_of_order = out_of_order(store)
        store.close()
    result.wall_s = round(time.monotonic() - begun_s, 1)
    return result


def _counted(faults: Faults) -> list[tuple[str, int]]:
    return [
        ("kill", faults.kills),
        ("broker restart", faults.broker_restarts),
        ("database stop", faults.database_stops),
        ("network cut", faults.cuts),
        ("full disk", faults.full_disks),
    ]


def _kill(twin: TwinProcess, broker: Any, line: Any, server: Any, down_s: float, result: Result) -> float:
    twin.kill()
    result.lives += 1
    over_s = time.monotonic()
    twin.start()
    return over_s


def _broker(twin: Any, broker: Stoppable, line: Any, server: Any, down_s: float, result: Any) -> float:
    broker.stop()
    time.sleep(down_s)
    broker.start()
    return time.monotonic()


def _database(twin: Any, broker: Any, line: Any, server: Stoppable | None, down_s: float, result: Any) -> float:
    assert server is not None
    server.stop()
    time.sleep(down_s)
    server.start()
    return time.monotonic()


def _cut(twin: Any, broker: Any, line: Proxy, server: Any, down_s: float, result: Any) -> float:
    line.cut()
    time.sleep(down_s)
    line.mend()
    return time.monotonic()


def _full_disk(twin: TwinProcess, broker: Any, line: Any, server: Any, down_s: float, result: Any) -> float:
    """No file may grow beyond one page: every commit fails until there is room again."""
    twin.limit_files(4096)
    _wait(lambda: "store" in twin.said.get("waits", []) or time.monotonic() - twin.grew_s > 3.0, 20.0)
    time.sleep(down_s)
    twin.limit_files(None)
    return time.monotonic()


_FAULTS: dict[str, Callable[..., float]] = {
    "kill": _kill,
    "broker restart": _broker,
    "database stop": _database,
    "network cut": _cut,
    "full disk": _full_disk,
}


def _wait(until: Callable[[], bool], most_s: float) -> bool:
    end_s = time.monotonic() + most_s
    while not until():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def _settle(store: SqlStore, messages: int, twin: TwinProcess) -> None:
    """Until everything is in, or nothing new has come for a while."""
    seen, since_s = -1, time.monotonic()
    while time.monotonic() - since_s < QUIET_S:
        counts = store.counts()
        now = counts["observations"] + counts["gaps"]
        if counts["observations"] >= messages:
            return
        if now != seen:
            seen, since_s = now, time.monotonic()
        time.sleep(0.2)
