"""Machine: anything that says messages with a process time at which each is due. Simulated machines and recordings."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from twin.observation import Message, Origin, State

FAREWELL_SEQUENCE = 2**31 - 1  # of the state channel: after every other, known before any is said


class Due(NamedTuple):
    """A message and the process time at which the machine says it."""

    due_s: float
    message: Message


class Machine(Protocol):
    """Says its messages in order of due time. Knows no wall clock; `time_factor` is process seconds a wall second."""

    @property
    def name(self) -> str:
        """The machine's name in its topics."""
        ...

    @property
    def source(self) -> str:
        """The source's name in its messages. A new run takes a new one."""
        ...

    @property
    def origin(self) -> Origin: ...

    @property
    def time_factor(self) -> float: ...

    def messages(self) -> Iterator[Due]: ...


class Numbering:
    """Counts each channel of one source from 0."""

    def __init__(self) -> None:
        self._next: defaultdict[str, int] = defaultdict(int)

    def next(self, channel: str) -> int:
        """The next sequence of the channel."""
        number = self._next[channel]
        self._next[channel] += 1
        return number


def farewell(machine: Machine, time_s: float = 0.0, note: str = "lost without a goodbye") -> State:
    """The last state of a machine. The broker says it as last will when the machine is lost."""
    return State(
        source=machine.source,
        sequence=FAREWELL_SEQUENCE,
        time_s=time_s,
        status="offline",
        origin=machine.origin,
        time_factor=machine.time_factor,
        note=note,
    )


def source_name(machine: str, run: str) -> str:
    """One source a run, so that a run said again does not repeat the keys of an earlier one."""
    return f"{machine}.{run}" if run else machine
