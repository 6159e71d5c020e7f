"""Births: which life of a source a message belongs to. One that counts from 0 again says new things under old keys.

A new life begins with any of these, and each is recorded:

    an `online` state with another `birth` than the last, or with other content under a sequence that is taken;
    a `build` or `layer` with other content under a sequence that is taken;
    a sequence below `OPENING` with other content, in a channel that had come `OPENING` further.

The same content under the same key is a redelivery, of whichever life it was; that of a file replayed twice is the same
too, because when it was sent does not count. Other content in the middle of a channel stays a conflict, on record.
After a new life began, what still comes of the old one (in flight, or held by the broker) goes to the old one.

Two machines may say one name. A gateway that numbers both counts on from one to the other, and is one source. Where a
machine says a sequence that is another machine's, or one that their channel has long passed, it counts for itself: from
then on it is a source of its own, `name@machine`, whose first life is recorded as a birth is.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Protocol

from twin.observation import Birth, Build, Layer, Message, Observation, State, life_of, own_name, parts_of
from twin.store.packing import same_content

OPENING = 8  # sequences at the beginning of a channel whose content is remembered
NEAR = 64  # a sequence so near to the newest one belongs to the same life
MAX_SOURCES = 1024
MAX_REMEMBERED = 128  # messages of one channel
MAX_SAID = 1024  # sequences of one channel whose machine is remembered: more than a step holds


class Kept(Protocol):
    """What the store can say of messages that were committed, by this process or by another one."""

    def messages(
        self, source: str, channel: str, *, first: int = 0, last: int | None = None, newest: int | None = None
    ) -> list[Observation]:
        """Those of one life of a source in a channel, by sequence: from first to last, or the newest so many."""
        ...

    def births(self, source: str) -> int:
        """How often a source has begun anew."""
        ...

    def next_frame(self, machine: str, build: str, layer: int) -> int:
        """The first frame of a layer of which nothing is kept."""
        ...


class Nothing:
    """Nothing was committed before."""

    def messages(
        self, source: str, channel: str, *, first: int = 0, last: int | None = None, newest: int | None = None
    ) -> list[Observation]:
        return []

    def births(self, source: str) -> int:
        return 0

    def next_frame(self, machine: str, build: str, layer: int) -> int:
        return 0


@dataclass
class _Channel:
    """One channel of one life."""

    newest: int  # -1: nothing yet
    opening: dict[int, Message]
    said: OrderedDict[int, str] = field(default_factory=OrderedDict)  # by which machine, the newest
    machines: set[str] = field(default_factory=set)  # that have spoken

    def hear(self, sequence: int, machine: str) -> None:
        """Who said a sequence first."""
        self.machines.add(machine)
        if self.said.setdefault(sequence, machine) == machine and len(self.said) > MAX_SAID:
            self.said.popitem(last=False)

    def remember(self, message: Message) -> None:
        """The beginning always, of what comes later the newest."""
        self.opening.setdefault(message.sequence, message)
        if len(self.opening) > MAX_REMEMBERED:
            del self.opening[next(sequence for sequence in self.opening if sequence >= OPENING)]


@dataclass
class _Source:
    birth: int
    channels: dict[tuple[int, str], _Channel] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)  # the life of the last message in a channel


class Births:
    """Gives every observation its life. One caller, one thread; telling it the same twice changes nothing."""

    def __init__(self, kept: Kept | None = None) -> None:
        self._kept = kept or Nothing()
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._own: OrderedDict[tuple[str, str], bool] = OrderedDict()  # of what it says, and the machine
        self._noticed: list[Birth] = []

    def place(self, observation: Observation, now_s: float) -> Observation:
        """The observation in its life. What the store raises when asked passes through; nothing is changed then."""
        message, machine = observation.message, observation.machine
        name = self._name(observation, now_s)
        own, source = name != message.source, self._source(name)
        if source.birth == 0 and not _remembered(message):  # nearly always
            first = self._channel(name, 0, message.channel)
            first.newest = max(first.newest, message.sequence)
            first.hear(message.sequence, machine)
            return observation
        channel = self._channel(name, source.birth, message.channel)
        birth, reason = self._life(name, message, source, channel)
        mine = self._channel(name, birth, message.channel)
        if reason:
            source.birth = birth
            self._noticed.append(Birth(machine, name, birth, message.channel, message.sequence, reason, now_s))
        source.last[message.channel] = birth
        if not _farewell(message):
            mine.newest = max(mine.newest, message.sequence)
            mine.hear(message.sequence, machine)
        if _remembered(message):
            mine.remember(message)
        return observation if birth == 0 else replace(observation, birth=birth, own=own)

    def noticed(self) -> list[Birth]:
        """The births since the last call."""
        noticed, self._noticed = self._noticed, []
        return noticed

    def _name(self, observation: Observation, now_s: float) -> str:
        """Under which name a machine counts: what it says, or its own where another machine counts under that."""
        message, machine = observation.message, observation.machine
        said, own = message.source, own_name(message.source, machine)
        if (said, machine) not in self._own:
            self._own[said, machine] = self._kept.births(own) > 0
            if len(self._own) > MAX_SOURCES:
                self._own.popitem(last=False)
        if self._own[said, machine]:
            return own
        channel = self._channel(said, self._source(said).birth, message.channel)
        if _farewell(message) or not channel.machines - {machine} or not self._is_others(observation, channel):
            return said
        self._own[said, machine], self._source(own).birth = True, 1
        others = ", ".join(sorted(channel.machines - {machine})[:3])
        reason = f"{others} said {message.channel} {message.sequence} as {said} before, so {machine} counts for itself"
        self._noticed.append(Birth(machine, own, 1, message.channel, message.sequence, reason, now_s))
        return own

    def _is_others(self, observation: Observation, channel: _Channel) -> bool:
        """Whether a sequence is another machine's, or comes from another count than its channel's."""
        message, machine = observation.message, observation.machine
        at = message.sequence
        if at in channel.said:
            return channel.said[at] != machine
        if at > channel.newest:
            return False
        life = life_of(message.source, self._source(message.source).birth)
        kept = self._kept.messages(life, message.channel, first=at, last=at)
        return kept[0].machine != machine if kept else at < channel.newest - NEAR

    def _life(self, name: str, message: Message, source: _Source, channel: _Channel) -> tuple[int, str]:
        """(birth, why it is a new one; empty where it is not)."""
        sequence, now = message.sequence, source.birth
        if _farewell(message):
            return now, ""
        if not _remembered(message):
            ahead = sequence - channel.newest if channel.newest >= 0 else -1
            going_on = 0 < ahead <= NEAR and source.last.get(message.channel, now) == now
            return (now, "") if now == 0 or going_on else (self._old(name, message, now), "")
        taken = channel.opening.get(sequence)
        if taken is not None and same_content(taken, message):
            return now, ""
        for birth in range(now - 1, _first(name) - 1, -1):
            earlier = self._channel(name, birth, message.channel).opening.get(sequence)
            if earlier is not None and same_content(earlier, message):
                return birth, ""
        if isinstance(message, State) and message.birth is not None:
            known = [m.birth for m in channel.opening.values() if isinstance(m, State) and m.birth is not None]
            if known:
                said = f"its state says birth {message.birth}, the last was {known[-1]}"
                return (now, "") if known[-1] == message.birth else (now + 1, said)
        if taken is None:
            return now, ""
        if isinstance(message, State | Build | Layer):
            return now + 1, f"{message.channel} {sequence} said something else before"
        if channel.newest >= sequence + OPENING:
            return now + 1, f"{message.channel} had come to {channel.newest} and began again at {sequence}"
        return now, ""

    def _old(self, source: str, message: Message, now: int) -> int:
        """The life in which a message is known or goes on that does not follow what the newest life said last."""
        at, channel = message.sequence, message.channel
        ahead = {
            birth: at - self._channel(source, birth, channel).newest for birth in range(now, _first(source) - 1, -1)
        }
        for birth, by in ahead.items():
            if by <= 0:
                known = self._kept.messages(life_of(source, birth), channel, first=at, last=at)
                if known and same_content(known[0].message, message):
                    return birth
        going_on = [(by, -birth) for birth, by in ahead.items() if 0 < by <= NEAR]
        return -min(going_on)[1] if going_on else now

    def _source(self, name: str) -> _Source:
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = _Source(self._kept.births(name))
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        return source

    def _channel(self, source: str, birth: int, name: str) -> _Channel:
        channels = self._sources[source].channels
        if (birth, name) not in channels:
            life = life_of(source, birth)
            newest = self._kept.messages(life, name, newest=OPENING)
            first = self._kept.messages(life, name, last=OPENING - 1) if newest else []
            said = [o.message for o in [*first, *newest] if _remembered(o.message)]
            at = max((o.message.sequence for o in newest if not _farewell(o.message)), default=-1)
            by = OrderedDict((o.message.sequence, o.machine) for o in [*first, *newest] if not _farewell(o.message))
            opening: dict[int, Message] = {message.sequence: message for message in said}
            channels[birth, name] = _Channel(at, opening, by, set(by.values()))
        return channels[birth, name]


def _first(name: str) -> int:
    """The first life of a source; one of a machine that counts for itself is recorded."""
    return int(parts_of(name)[1])


def _farewell(message: Message) -> bool:
    """A death: the last will was written before anybody knew when it would be said."""
    return isinstance(message, State) and message.status == "offline"


def _remembered(message: Message) -> bool:
    """Whether a message's content tells a redelivery from a new life."""
    return isinstance(message, State | Build | Layer) or message.sequence < OPENING
