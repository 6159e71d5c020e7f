"""PUBLISH packets that are read ahead: however the bytes come in, what is delivered is what was sent, in order."""

import random
import struct
from typing import NamedTuple

import pytest
from paho.mqtt.client import CallbackAPIVersion, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.mqtt import _published, _Subscriber

PING = bytes([PacketTypes.PINGRESP << 4, 0])


class Said(NamedTuple):
    topic: str
    payload: bytes
    mid: int
    content_type: str


def variable(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def packet(said: Said, flags: int = 0, user: tuple[str, str] | None = None) -> bytes:
    """As MQTT 5, section 3.3 has it; QoS 1 where there is a packet identifier."""
    properties = Properties(PacketTypes.PUBLISH)
    if said.content_type:
        properties.ContentType = said.content_type
    if user is not None:
        properties.UserProperty = user
    name = said.topic.encode()
    mid = struct.pack("!H", said.mid) if said.mid else b""
    body = struct.pack("!H", len(name)) + name + mid + properties.pack() + said.payload
    first = PacketTypes.PUBLISH << 4 | flags | (2 if said.mid else 0)
    return bytes([first]) + variable(len(body)) + body


def some(n: int, seed: int) -> tuple[list[Said], bytes]:
    draw = random.Random(seed)
    said, wire = [], b""
    for _ in range(n):
        size = draw.choice((0, 1, 90, 110, 130, 300, 16_370, 16_390, 70_000))
        each = Said(
            draw.choice(("meltwin/v1/a/m1/parameters", "a", "spBv1.0/g/NDATA/ü")), draw.randbytes(size),
            draw.choice((0, 1, 255, 256, 65_535)), draw.choice(("", "application/json", "x" * 140)),
        )  # fmt: skip
        said.append(each)
        wire += packet(each, draw.choice((0, 1, 8, 9)), draw.choice((None, ("k", "v"))))
        if draw.random() < 0.2:
            wire += PING
    return said, wire


def published(ahead: bytes) -> tuple[int, list[Said]]:
    """Where the short way ends, and what went it."""
    heard: list[Said] = []
    return _published(ahead, 0, lambda *each: heard.append(Said(*each))), heard


class Line:
    """A socket from which a number of bytes drawn at random comes at a time, then none."""

    def __init__(self, wire: bytes, seed: int) -> None:
        self._wire, self._draw = wire, random.Random(seed)

    def recv(self, most: int) -> bytes:
        if not self._wire:
            raise BlockingIOError
        count = min(most, self._draw.choice((1, 2, 5, 100, 4096, 65_536)))
        taken, self._wire = self._wire[:count], self._wire[count:]
        return taken

    def close(self) -> None:
        self._wire = b""

    @property
    def left(self) -> bool:
        return bool(self._wire)


@pytest.mark.parametrize("seed", range(8))
def test_however_the_bytes_come_in_the_messages_are_those_that_were_sent(seed: int) -> None:
    said, wire = some(60, seed)
    line, heard = Line(wire, seed), list[Said]()
    by_paho = 0

    def of_paho(client: object, userdata: object, message: MQTTMessage) -> None:
        nonlocal by_paho
        by_paho += 1
        kind = str(getattr(message.properties, "ContentType", ""))
        heard.append(Said(message.topic, bytes(message.payload), message.mid, kind))

    client = _Subscriber(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    client.on_message = of_paho
    client.deliver = lambda *each: heard.append(Said(*each))
    client._sock = line  # type: ignore[assignment]
    while line.left:
        assert client.loop_read() == 0
    assert heard == said
    assert by_paho < len(said)  # some went the short way


def test_what_is_not_a_whole_packet_is_left_where_it_begins() -> None:
    said, _ = some(3, 1)
    whole = b"".join(map(packet, said))
    last = packet(said[-1])
    for cut in (1, 2, 3, 5, len(last) - 1):
        assert published(whole + last[:cut]) == (len(whole), said)


@pytest.mark.parametrize(
    "odd",
    [
        PING,
        bytes([PacketTypes.PUBLISH << 4 | 4]) + packet(Said("a", b"b", 1, ""))[1:],  # QoS 2
        bytes([PacketTypes.PUBLISH << 4 | 6]) + packet(Said("a", b"b", 1, ""))[1:],  # no such QoS
        packet(Said("", b"b", 1, "")),  # a topic alias, which we do not offer
        bytes([PacketTypes.PUBLISH << 4, 4, 0, 1, 0xFF, 0]),  # a topic that is not UTF-8
        bytes([PacketTypes.PUBLISH << 4, 6, 0, 1, 97, 2, 0x7F, 0]),  # a property that does not exist
        bytes([PacketTypes.PUBLISH << 4, 4, 0, 1, 97, 9]),  # properties that are longer than the packet
        bytes([PacketTypes.PUBLISH << 4, 0xFF, 0xFF, 0xFF, 0xFF, 1]),  # a length of five bytes
    ],
)
def test_what_looks_odd_is_left_to_paho(odd: bytes) -> None:
    plain = Said("a", b"b", 7, "t")
    assert published(packet(plain) + odd + packet(plain)) == (len(packet(plain)), [plain])
