"""A broker of our own on a free port, and a machine that says what a test gives it."""

import socket
from collections.abc import Iterator, Sequence

from ingest.machines.machine import Due
from ingest.source import Delivery, Source
from twin.observation import Message, Origin


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Told:
    """A machine that says these messages."""

    name = "m"
    source = "a"
    origin: Origin = "replay"
    time_factor = 1.0

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages

    def messages(self) -> Iterator[Due]:
        for message in self._messages:
            yield Due(message.time_s, message)


def take_all(source: Source, count: int, ack: bool = True, patience: int = 10) -> list[Delivery]:
    """Take until `count` have come, or nothing has come `patience` times."""
    taken: list[Delivery] = []
    empty = 0
    while len(taken) < count and not source.exhausted and empty < patience:
        batch = source.take(100, 0.2)
        empty = 0 if batch else empty + 1
        if ack:
            source.ack(batch)
        taken += batch
    return taken
