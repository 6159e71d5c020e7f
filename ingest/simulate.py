"""Simulate: let machines speak through publishers at the pace of a clock, each by its own time factor."""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from ingest.decode import encode
from ingest.machines.ded import ded_wall
from ingest.machines.lpbf import lpbf_hatch
from ingest.machines.machine import Due, Machine, farewell
from ingest.source import Publisher
from ingest.topics import RETAINED, topic_of
from twin.clock import Clock
from twin.observation import Message

REHEARSED = 24  # messages of a machine, its first picture among them
_NAP_S = 0.1  # how soon a wish to stop is heard


@dataclass
class Said:
    """What was said, by machine."""

    messages: dict[str, int] = field(default_factory=dict)
    process_s: dict[str, float] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def total(self) -> int:
        """Messages of all machines."""
        return sum(self.messages.values())


def machines(seed: int, run: str = "") -> list[Machine]:
    """The two of the demonstration: a DED wall in real time, an LPBF hatch in slow motion."""
    return [ded_wall(seed, run), lpbf_hatch(seed + 1, run)]


def last_will(site: str, machine: Machine) -> tuple[str, bytes]:
    """Topic and payload for the broker to say, retained, when the machine is lost."""
    return topic_of(site, machine.name, "state"), encode(farewell(machine))


def simulate(
    publishers: Mapping[str, Publisher],
    clock: Clock,
    seed: int,
    for_s: float,
    site: str = "local",
    run: str = "",
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Said], None] = lambda said: None,
) -> Said:
    """Let the machines named in `publishers` speak for `for_s` wall seconds, then say goodbye and drain."""
    speaking = [machine for machine in machines(seed, run) if machine.name in publishers]
    said = Said({m.name: 0 for m in speaking}, {m.name: 0.0 for m in speaking})
    for machine in speaking:  # to nobody: what a camera needs is loaded before the clock runs
        deque(islice(machine.messages(), REHEARSED), maxlen=0)
    began_s = clock.now_s()
    try:
        for wall_s, machine, due in _merged(speaking):
            if wall_s > for_s or not wait_until(began_s + min(wall_s, for_s), clock, stopped):
                break
            say(publishers[machine.name], site, machine, due.message, clock)
            said.messages[machine.name] += 1
            said.process_s[machine.name] = due.due_s
            said.wall_s = clock.now_s() - began_s
            progress(said)
    finally:
        for machine in speaking:
            goodbye = farewell(machine, said.process_s[machine.name], "stopped")
            say(publishers[machine.name], site, machine, goodbye, clock)
            said.messages[machine.name] += 1
        for machine in speaking:
            publishers[machine.name].drain(10.0)
    return said


def _merged(speaking: list[Machine]) -> Iterator[tuple[float, Machine, Due]]:
    """All messages of all machines by the wall second at which they are due."""

    def paced(at: int, machine: Machine) -> Iterator[tuple[float, int, Due]]:
        for due in machine.messages():
            yield due.due_s / machine.time_factor, at, due

    streams = (paced(at, machine) for at, machine in enumerate(speaking))
    for wall_s, at, due in heapq.merge(*streams, key=lambda each: each[:2]):
        yield wall_s, speaking[at], due


def wait_until(time_s: float, clock: Clock, stopped: Callable[[], bool]) -> bool:
    """False when somebody wants to stop."""
    while not stopped():
        left_s = time_s - clock.now_s()
        if left_s <= 0:
            return True
        clock.sleep_s(min(left_s, _NAP_S))
    return False


def say(publisher: Publisher, site: str, machine: Machine, message: Message, clock: Clock) -> None:
    """Publish one message on its topic, stamped with the wall clock."""
    kind: str = message.kind  # type: ignore[attr-defined]
    stamped = message.model_copy(update={"sent_s": clock.now_s()})
    publisher.publish(topic_of(site, machine.name, kind), encode(stamped), retain=kind in RETAINED)
