"""Session: what the messages of an edge node mean one after another: births, order, aliases, and what is missing.

**Order.** `seq` counts all messages of a node, 0 to 255 and again. Unwrapped from the birth on it is n = 0, 1, 2, ...;
a message that is not the next one waits `reorder_s` for those before it. What does not come is a `Gap` of the channel
`sparkplug` in n. It may have belonged to any channel, so each channel of the node leaves one sequence out, by which the
frames over it carry a gap.

**Keys.** One life of a node is (group, node, bdSeq, birth time in ms). Its source is the name of the node or device and
a checksum of the full name; the life (`Observation.birth`) is 256 * birth time + bdSeq; its sequences count the
observations of each channel from the birth on. The same messages from a birth on therefore give the same keys, whoever
reads them, and no two lives share one.

**Rebirth.** Data before a birth, an unknown alias and a gap need one. `needs` says so, at most every `ask_s` for a
node; asking is not done here.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.codecs.fault import Fault, one_line
from ingest.sparkplug import payload as wire
from ingest.sparkplug.naming import Meaning, meaning_of
from ingest.sparkplug.observe import Device, Sample
from ingest.sparkplug.payload import Metric, Payload
from ingest.sparkplug.topics import COMMANDS, Address, name_of, parse
from twin.observation import Gap, Observation, Rejected, life_of

REORDER_S = 2.0
ASK_S = 10.0
MAX_NODES = 256
MAX_DEVICES = 256  # of a node
MAX_WAITING, MAX_WAITING_BYTES = 64, 4 << 20  # of a node
CHANNEL = "sparkplug"
_REBIRTH = "Node Control/Rebirth"
_BDSEQ = "bdSeq"


class Need(NamedTuple):
    """An edge node whose picture is incomplete until it is born again."""

    group: str
    node: str
    reason: str
    noticed_s: float


class _Message(NamedTuple):
    address: Address
    topic: str
    bytes: bytes
    payload: Payload


@dataclass
class _Born:
    """A node or device with what its birth says of its metrics: the meaning of a name, the name behind an alias."""

    device: Device
    meanings: dict[str, Meaning | None] = field(default_factory=dict)
    aliases: dict[int, tuple[str, int]] = field(default_factory=dict)  # name, datatype


@dataclass
class _Life:
    """One node between its birth and the next. `machines` by device name; "" is the node itself."""

    bdseq: int
    born_ms: int
    expected: int = 0  # n of the next message
    machines: dict[str, _Born] = field(default_factory=dict)
    given_up: tuple[int, int] = (0, -1)  # the newest gap, first and last n; none yet
    waiting: dict[int, tuple[_Message, float]] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)  # checksum of the message last taken at each seq
    online: bool = True

    @property
    def birth(self) -> int:
        """Another number for each life; it fits SQL."""
        return self.born_ms % 2**52 * 256 + self.bdseq % 256

    @property
    def waiting_bytes(self) -> int:
        return sum(len(message.bytes) for message, _ in self.waiting.values())


@dataclass
class Counts:
    """What became of the messages, and of metrics that mean nothing to us."""

    messages: int = 0
    duplicates: int = 0
    lost: int = 0
    late: int = 0  # came after it had been given up as lost
    commands: int = 0  # of others; they are not ours to read
    old_deaths: int = 0
    unmapped: int = 0  # metrics in births


class Sessions:
    """All edge nodes. One caller, one thread; time is an argument; nothing is ever raised for what was sent."""

    def __init__(self, reorder_s: float = REORDER_S, ask_s: float = ASK_S) -> None:
        self._reorder_s = reorder_s
        self._ask_s = ask_s
        self._lives: dict[tuple[str, str], _Life] = {}
        self._asked_s: dict[tuple[str, str], float] = {}
        self._needs: list[Need] = []
        self._gaps: list[Gap] = []
        self._met: list[tuple[str, str]] = []
        self.counts = Counts()

    def read(self, topic: str, data: bytes, now_s: float) -> list[Observation | Rejected]:
        """What one message says, and what those say that had waited for it. Rejects keep the message whole."""
        address = parse(topic)
        if topic.startswith("spBv1.0/STATE/"):
            state = wire.read_host_state(data)
            return [_rejected(topic, data, state)] if isinstance(state, Fault) else []
        if address is None:
            return [Rejected(topic, data, "a topic that Sparkplug does not have", "bad_topic")]
        self.counts.messages += 1
        if address.kind in COMMANDS:
            self.counts.commands += 1
            return []
        payload = wire.read(data)
        if isinstance(payload, Fault):
            return [_rejected(topic, data, payload)]
        message = _Message(address, topic, data, payload)
        if address.kind == "NBIRTH":
            return list(self._born(message, now_s))
        if address.kind == "NDEATH":
            return list(self._died(message, now_s))
        return list(self._in_order(message, now_s))

    def tick(self, now_s: float) -> list[Observation | Rejected]:
        """Time passes: what has been waited for too long is lost."""
        said: list[Observation | Rejected] = []
        for (group, node), life in self._lives.items():
            while life.waiting and now_s - min(since for _, since in life.waiting.values()) >= self._reorder_s:
                said += self._give_up(group, node, life, now_s)
        return said

    def needs(self) -> list[Need]:
        """The nodes that need a rebirth, as noticed since the last call."""
        needs, self._needs = self._needs, []
        return needs

    def met(self) -> list[tuple[str, str]]:
        """(group, node) of the births since the last call: whatever they needed is there."""
        met, self._met = self._met, []
        return met

    def gaps(self) -> list[Gap]:
        """Messages that never came, since the last call, in n."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def _born(self, message: _Message, now_s: float) -> Iterator[Observation | Rejected]:
        group, _, node, _ = message.address
        payload, place = message.payload, (group, node)
        bdseq = next((int(m.value) for m in payload.metrics if m.name == _BDSEQ and type(m.value) is int), 0)
        born_ms = payload.timestamp_ms if payload.timestamp_ms is not None else int(now_s * 1000)
        known = self._lives.get(place)
        if known is not None and (known.bdseq, known.born_ms) == (bdseq, born_ms):
            self.counts.duplicates += 1
            return
        if payload.seq not in (0, None):
            yield _rejected(message.topic, message.bytes, Fault("bad_value", f"NBIRTH has seq {payload.seq}, not 0"))
            return
        while len(self._lives) >= MAX_NODES and place not in self._lives:
            del self._lives[next(iter(self._lives))]
        if known is not None:
            yield from self._end(group, node, known, now_s)
        life = self._lives[place] = _Life(bdseq, born_ms, expected=1)
        self._asked_s.pop(place, None)
        self._met.append(place)
        yield from self._birth(life, message, now_s)

    def _died(self, message: _Message, now_s: float) -> Iterator[Observation | Rejected]:
        """Only the death of this life counts: a will of an earlier connection may come late."""
        life = self._lives.get((message.address.group, message.address.node))
        bdseq = next((m.value for m in message.payload.metrics if m.name == _BDSEQ), None)
        if life is None or not life.online or (bdseq is not None and bdseq != life.bdseq):
            self.counts.old_deaths += 1
            return
        yield from self._end(message.address.group, message.address.node, life, now_s)
        life.online = False
        for born in life.machines.values():
            if born.device.online:
                yield born.device.state(message, "offline", _time_s(message, now_s), "the edge node died")

    def _end(self, group: str, node: str, life: _Life, now_s: float) -> Iterator[Observation | Rejected]:
        """A life is over: what still waited was said, and what it waited for is lost."""
        while life.waiting:
            yield from self._give_up(group, node, life, now_s)

    def _in_order(self, message: _Message, now_s: float) -> Iterator[Observation | Rejected]:
        group, _, node, _ = message.address
        life, seq = self._lives.get((group, node)), message.payload.seq
        if seq is None or not 0 <= seq <= 255:
            yield _rejected(message.topic, message.bytes, Fault("bad_value", f"seq {seq} is not 0 to 255"))
            return
        if life is None or not life.online:
            self._need(group, node, "data before a birth", now_s)
            yield _rejected(message.topic, message.bytes, Fault("not_born", f"the edge node {node} has not been born"))
            return
        checksum = zlib.crc32(message.topic.encode("utf-8", "replace") + message.bytes)
        if life.newest.get(seq) == checksum:
            self.counts.duplicates += 1
            return
        n = life.expected + (seq - life.expected) % 256
        if life.given_up[0] <= n - 256 <= life.given_up[1]:
            self.counts.late += 1
            return
        if n in life.waiting:
            self.counts.duplicates += 1
            return
        life.waiting[n] = (message, now_s)
        yield from self._consecutive(life, now_s)
        while len(life.waiting) >= MAX_WAITING or life.waiting_bytes > MAX_WAITING_BYTES:
            yield from self._give_up(group, node, life, now_s)

    def _consecutive(self, life: _Life, now_s: float) -> Iterator[Observation | Rejected]:
        while life.expected in life.waiting:
            message, _ = life.waiting.pop(life.expected)
            life.newest[life.expected % 256] = zlib.crc32(message.topic.encode("utf-8", "replace") + message.bytes)
            life.expected += 1
            yield from self._take(life, message, now_s)

    def _give_up(self, group: str, node: str, life: _Life, now_s: float) -> Iterator[Observation | Rejected]:
        first = min(life.waiting)
        source = life_of(_source(group, node, ""), life.birth)
        self._gaps.append(Gap(name_of(node), source, CHANNEL, life.expected, first - 1, now_s))
        self.counts.lost += first - life.expected
        self._need(group, node, f"{first - life.expected} messages lost", now_s)
        for born in life.machines.values():
            born.device.leave_out()
        life.given_up = (life.expected, first - 1)
        life.expected = first
        yield from self._consecutive(life, now_s)

    def _take(self, life: _Life, message: _Message, now_s: float) -> Iterator[Observation | Rejected]:
        kind, born = message.address.kind, life.machines.get(message.address.device)
        if kind == "DBIRTH":
            yield from self._birth(life, message, now_s)
        elif born is None or not born.device.online:
            self._need(message.address.group, message.address.node, "data before a birth", now_s)
            text = f"the device {message.address.device} has not been born"
            yield _rejected(message.topic, message.bytes, Fault("not_born", one_line(text)))
        elif kind == "DDEATH":
            born.device.online = False
            yield born.device.state(message, "offline", _time_s(message, now_s), "the device died")
        else:
            yield from self._data(born, message, now_s)

    def _birth(self, life: _Life, message: _Message, now_s: float) -> Iterator[Observation | Rejected]:
        """A birth names every metric, gives it an alias, and says its value now."""
        address, known = message.address, life.machines.get(message.address.device)
        if known is None and len(life.machines) >= MAX_DEVICES:
            yield _rejected(message.topic, message.bytes, Fault("oversized", f"more than {MAX_DEVICES} devices"))
            return
        names = (address.node, address.device) if address.device else (address.node,)
        source = _source(address.group, address.node, address.device)
        born = _Born(known.device if known else Device(name_of(address.group), name_of(*names), source, life.birth))
        life.machines[address.device] = born
        born.device.online = True
        for metric in message.payload.metrics:
            if metric.name is None or metric.name in (_BDSEQ, _REBIRTH):
                continue
            meaning = meaning_of(metric)
            if isinstance(meaning, Fault):
                yield _rejected(message.topic, message.bytes, meaning)
                meaning = None
            self.counts.unmapped += meaning is None
            born.meanings[metric.name] = meaning
            if metric.alias is not None:
                born.aliases[metric.alias] = (metric.name, metric.datatype)
        note = f"{address.kind} {life.bdseq}{_not_used(born)}"
        yield born.device.state(message, "online", _time_s(message, now_s), note)
        yield from self._data(born, message, now_s)

    def _data(self, born: _Born, message: _Message, now_s: float) -> Iterator[Observation | Rejected]:
        samples: list[Sample] = []
        unknown: list[str] = []
        time_s = _time_s(message, now_s)
        for metric in message.payload.metrics:
            if metric.name in (_BDSEQ, _REBIRTH):
                continue
            name, datatype = metric.name, metric.datatype
            if name is None:
                name, datatype = born.aliases.get(-1 if metric.alias is None else metric.alias, (None, 0))
            if name is None or name not in born.meanings:
                unknown.append(str(metric.alias if metric.name is None else metric.name))
                continue
            meaning = born.meanings[name]
            if meaning is not None and metric.value is not None:
                at_s = time_s if metric.timestamp_ms is None else metric.timestamp_ms / 1000
                samples.append(Sample(meaning.field, at_s, meaning.value(wire.signed(metric.value, datatype))))
        if unknown:
            self._need(message.address.group, message.address.node, "an alias that no birth gave", now_s)
            text = f"no birth gave {', '.join(unknown[:5])}"
            yield _rejected(message.topic, message.bytes, Fault("unknown_alias", one_line(text)))
        yield from born.device.observe(message, samples, time_s)

    def _need(self, group: str, node: str, reason: str, now_s: float) -> None:
        if now_s - self._asked_s.get((group, node), -float("inf")) < self._ask_s:
            return
        while len(self._asked_s) >= MAX_NODES:
            del self._asked_s[next(iter(self._asked_s))]
        self._asked_s[group, node] = now_s
        self._needs.append(Need(group, node, reason, now_s))


def rebirth_request(now_s: float) -> bytes:
    """The payload of NCMD by which a node is asked for its rebirth; `topics.rebirth_topic` says where."""
    now_ms = int(now_s * 1000)
    metric = Metric(_REBIRTH, timestamp_ms=now_ms, datatype=wire.DataType.BOOLEAN, value=True)
    return wire.write(Payload(now_ms, None, (metric,)))


def _not_used(born: _Born) -> str:
    """The metrics of a birth that mean nothing to us, the first few by name: a misspelt one is seen."""
    names = [name for name, meaning in born.meanings.items() if meaning is None]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"; not used: {', '.join(name[:64] for name in names[:5])}{more}" if names else ""


def _source(group: str, node: str, device: str) -> str:
    whole = f"{group}/{node}/{device}".encode("utf-8", "replace")
    return f"{name_of(device or node, longest=55)}.{zlib.crc32(whole):08x}"


def _time_s(message: _Message, now_s: float) -> float:
    return now_s if message.payload.timestamp_ms is None else message.payload.timestamp_ms / 1000


def _rejected(topic: str, data: bytes, fault: Fault) -> Rejected:
    return Rejected(topic, data, fault.reason, fault.code)
