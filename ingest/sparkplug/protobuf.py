"""Protobuf: the wire format, as much of it as Sparkplug needs (protobuf.dev, Encoding). It knows nothing of metrics."""

import struct
from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
Value = int | bytes


class ProtobufError(ValueError):
    """Not protobuf. Raised and caught inside `ingest/sparkplug`."""


def fields(data: bytes | memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """(field number, wire type, value) of one message in order: an int for varints and fixed ones (little endian,
    unsigned), a view without a copy for what has a length. Raises ProtobufError at the first wrong byte."""
    view, at = memoryview(data), 0
    while at < len(view):
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ProtobufError(f"field number 0 at byte {at}")
        if wire == VARINT:
            value, at = _varint(view, at)
            yield number, wire, value
            continue
        if wire == LENGTH:
            length, at = _varint(view, at)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise ProtobufError(f"wire type {wire} at byte {at}")
        if length > len(view) - at:
            raise ProtobufError(f"ends inside field {number}")
        value_view = view[at : at + length]
        at += length
        yield number, wire, value_view if wire == LENGTH else int.from_bytes(value_view, "little")


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at >= len(view):
            raise ProtobufError("ends inside a number")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise ProtobufError(f"a number longer than {_MAX_VARINT_BYTES} bytes at byte {at}")


def float_of(bits: int) -> float:
    """A `float` field."""
    return float(struct.unpack("<f", bits.to_bytes(4, "little"))[0])


def double_of(bits: int) -> float:
    """A `double` field."""
    return float(struct.unpack("<d", bits.to_bytes(8, "little"))[0])


def varint(number: int, value: int) -> bytes:
    """One varint field; a negative value in two's complement of 64 bits."""
    return _number(number << 3 | VARINT) + _number(value & (2**64 - 1))


def length(number: int, value: bytes) -> bytes:
    """One field of bytes, text or an embedded message."""
    return _number(number << 3 | LENGTH) + _number(len(value)) + value


def fixed32(number: int, value: float) -> bytes:
    """One `float` field."""
    return _number(number << 3 | FIXED32) + struct.pack("<f", value)


def fixed64(number: int, value: float) -> bytes:
    """One `double` field."""
    return _number(number << 3 | FIXED64) + struct.pack("<d", value)


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
