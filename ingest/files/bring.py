"""Bring: a recording straight into a store, without a broker and without a forecast.

Keys are made of content and position: source = machine and a hash of the data, the build file and the layers, and a
message's number in it. So a file that was brought in before changes nothing, under whatever name it comes again, and
one that was broken off goes on where it stopped: transactions hold messages in order, and what a store has of a source
is always its beginning. Reading goes layer by layer; what is known is not made again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.codecs.ranges import out_of_range
from ingest.errors import BadSourceError
from ingest.machines.machine import Due, farewell
from ingest.readers.recording import Recording
from twin.clock import Clock
from twin.observation import Layer, Message, Observation, Parameters, Signal
from twin.store.port import Step

if TYPE_CHECKING:
    from twin.store.holdings import Holdings

BATCH_SAMPLES = 25_000  # in one transaction, at most, but for the last message's
BATCH_MESSAGES = 500
_MESSAGES_AT_END = 2  # of the state channel: it is there, it has ended


@dataclass
class Brought:
    """What came of one recording."""

    machine: str
    build: str
    data_hash: str
    layers: int
    messages: int = 0  # new ones
    samples: int = 0
    signals: int = 0
    layers_seen: int = 0
    known: int = 0  # messages that were there before
    complete: bool = False  # everything is in the store
    left_out: dict[str, int] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was new."""
        return self.messages > 0


def bring(
    recording: Recording,
    store: "Holdings | None",
    clock: Clock,
    site: str,
    *,
    dry_run: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Brought], None] = lambda brought: None,
) -> Brought:
    """Say everything that the store does not know yet, in transactions; stop between two of them when told.

    `dry_run` reads and counts the same and writes nothing (a store is not needed). Raises BadSourceError at a number
    that no machine could mean; what was committed before stays, and is found again.
    """
    keyed = recording.keyed()
    if store is not None:
        _not_live(keyed, store)
    known = store.heard(keyed.source) if store is not None else {}
    brought = Brought(
        keyed.name,
        keyed.build_name,
        keyed.data_hash,
        len(keyed.layers),
        known=sum(known.values()),
        layers_seen=max(known.get("layer", 0) - 1, 0),  # the last one that is known may be half there
        left_out=dict(keyed.dropped),
        assumed=keyed.build_file.all_assumed,
    )
    if known.get("state", 0) >= _MESSAGES_AT_END:
        brought.complete, brought.layers_seen = True, brought.layers
        return brought
    batch: list[Observation] = []
    samples = 0

    def commit() -> None:
        if store is not None and not dry_run and batch:
            store.write(Step(observations=batch, received_s=clock.now_s()))
        batch.clear()
        progress(brought)

    for message in _said(keyed, known):
        fault = out_of_range(message)
        if fault:
            raise BadSourceError(keyed.build_name, f"message {message.channel} {message.sequence}: {fault.reason}")
        batch.append(Observation(site, keyed.name, message))  # type: ignore[arg-type]
        samples += _count(brought, message)
        if samples >= BATCH_SAMPLES or len(batch) >= BATCH_MESSAGES:
            commit()
            samples = 0
            if stopped():
                return brought
    commit()
    brought.complete, brought.layers_seen = True, brought.layers
    return brought


def _not_live(keyed: Recording, store: "Holdings") -> None:
    """What was must not stand for what is: the last word about a machine that works now is its own."""
    machines = store.machines()
    mine = machines[(machines.machine == keyed.name) & (machines.status == "online") & (machines.origin == "live")]
    if len(mine):
        told = "is online in this database: give its old build another machine name in the build file"
        raise BadSourceError(keyed.build_name, f"machine {keyed.name} {told}")


def _said(keyed: Recording, known: dict[str, int]) -> Iterator[Message]:
    last: Due | None = None
    for last in keyed.messages(known):
        yield last.message
    end_s = last.due_s if last is not None else float(keyed.layers[-1].path.time_s[-1])
    yield farewell(keyed, end_s, "the recording ends")


def _count(brought: Brought, message: Message) -> int:
    """Add a message to the counts; how many samples it has."""
    brought.messages += 1
    if isinstance(message, Parameters):
        brought.samples += len(message.x_m)
        brought.layers_seen = min(brought.layers_seen + message.final, brought.layers)
        return len(message.x_m)
    if isinstance(message, Signal):
        brought.signals += len(message.value)
        return len(message.value)
    return 1 if isinstance(message, Layer) else 0
