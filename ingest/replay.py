"""Replay: a recording said again, through a real broker at 1x, Nx or as fast as it goes, or straight into the twin.

Both ways end in the same observations: `DirectSource` is a Source over the same bytes on the same topics.
"""

from collections.abc import Callable, Iterator, Sequence

from ingest.decode import encode
from ingest.machines.machine import Due, Machine, farewell
from ingest.simulate import Said, say, wait_until
from ingest.source import Delivery, Publisher
from ingest.topics import topic_of
from twin.clock import Clock
from twin.observation import Message, State


def replay(
    machine: Machine,
    publisher: Publisher,
    clock: Clock,
    speed: float | None,
    site: str = "replay",
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Said], None] = lambda said: None,
) -> Said:
    """Say everything, at `speed` process seconds a wall second, or as fast as the broker takes it (None).

    Pauses between layers are machine time too and are waited for; only speed None skips them. A clock that steps back
    in the log is said as it stands, without waiting.
    """
    said = Said({machine.name: 0}, {machine.name: 0.0})
    began_s, first_s, now_s = clock.now_s(), None, 0.0
    for due in machine.messages():
        first_s = due.due_s if first_s is None else first_s
        if speed is not None and not wait_until(began_s + (due.due_s - first_s) / speed, clock, stopped):
            break
        if stopped():
            break
        now_s = due.due_s
        say(publisher, site, machine, _paced(due.message, speed), clock)
        said.messages[machine.name] += 1
        said.process_s[machine.name] = now_s - first_s
        said.wall_s = clock.now_s() - began_s
        progress(said)
    say(publisher, site, machine, farewell(machine, now_s, "the recording ends"), clock)
    said.messages[machine.name] += 1
    publisher.drain(60.0)
    said.wall_s = clock.now_s() - began_s
    return said


def deliveries(machine: Machine, site: str = "replay", speed: float | None = None) -> Iterator[tuple[str, bytes]]:
    """Topic and payload of everything that the machine says, and of its farewell, as `replay` publishes them."""
    last = Due(0.0, farewell(machine))
    for last in machine.messages():
        yield topic_of(site, machine.name, last.message.kind), encode(_paced(last.message, speed))  # type: ignore[attr-defined]
    yield topic_of(site, machine.name, "state"), encode(farewell(machine, last.due_s, "the recording ends"))


class DirectSource:
    """A machine's messages as a Source, without a broker. Nothing is lost, so nothing comes twice."""

    def __init__(self, machine: Machine, site: str = "replay") -> None:
        self._deliveries = deliveries(machine, site)
        self._given = 0
        self._exhausted = False

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        taken: list[Delivery] = []
        while len(taken) < max_messages and not self._exhausted:
            following = next(self._deliveries, None)
            if following is None:
                self._exhausted = True
                break
            taken.append(Delivery(*following, (self._given,)))
            self._given += 1
        return taken

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        return None

    @property
    def exhausted(self) -> bool:
        return self._exhausted

    @property
    def trouble(self) -> tuple[str, str] | None:
        return None

    def close(self) -> None:
        self._exhausted = True


class KeptSource:
    """Deliveries that are at hand, once."""

    def __init__(self, kept: Sequence[Delivery]) -> None:
        self._left = list(kept)

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        taken, self._left = self._left[:max_messages], self._left[max_messages:]
        return taken

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        return None

    @property
    def exhausted(self) -> bool:
        return not self._left

    @property
    def trouble(self) -> tuple[str, str] | None:
        return None

    def close(self) -> None:
        self._left = []


def _paced(message: Message, speed: float | None) -> Message:
    """A state says the factor at which its time runs."""
    if isinstance(message, State) and speed is not None:
        return message.model_copy(update={"time_factor": speed})
    return message
