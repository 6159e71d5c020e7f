"""Payload: the Sparkplug B message as types, read and written (Sparkplug 3.0, section 6.4: fields and datatypes).

    Payload   1 timestamp, 2 metrics, 3 seq, 4 uuid, 5 body
    Metric    1 name, 2 alias, 3 timestamp, 4 datatype, 5 is_historical, 6 is_transient, 7 is_null, 8 metadata,
              9 properties, value: 10 int, 11 long, 12 float, 13 double, 14 boolean, 15 string, 16 bytes,
              17 dataset, 18 template
    PropertySet 1 keys, 2 values
    PropertyValue 1 type, 2 is_null, 3 int, 4 long, 5 float, 6 double, 7 boolean, 8 string

Signed integers stand in two's complement of their width in `int` or `long`. Arrays, datasets, templates and files are
known by their datatype and not read. What is unknown is passed over, as protobuf wants it.
"""

import json
from dataclasses import dataclass, field
from enum import IntEnum

from ingest.codecs.fault import Fault, one_line
from ingest.sparkplug import protobuf as pb

MAX_PAYLOAD_BYTES = 1 << 20
MAX_METRICS = 10_000
MAX_PROPERTIES = 100

Scalar = int | float | bool | str


class DataType(IntEnum):
    """The datatypes that are read; the others have numbers from 15 on."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14


_SIGNED_BITS: dict[int, int] = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
_INT: set[int] = {DataType.INT8, DataType.INT16, DataType.INT32, DataType.UINT8, DataType.UINT16, DataType.UINT32}


@dataclass(frozen=True)
class Metric:
    """One metric. A datatype beyond `DataType` has no value here; in data messages datatype and name may be missing."""

    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    value: Scalar | None = None
    is_historical: bool = False
    is_null: bool = False
    properties: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Payload:
    """One message."""

    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = ()


def read(data: bytes) -> Payload | Fault:
    """The payload, or why not. It never raises; memory is bounded by the length of `data`."""
    if len(data) > MAX_PAYLOAD_BYTES:
        return Fault("oversized", f"payload of {len(data)} bytes is over {MAX_PAYLOAD_BYTES}")
    timestamp_ms = seq = None
    metrics: list[Metric] = []
    try:
        for number, _, value in pb.fields(data):
            if number == 1:
                timestamp_ms = _int(value)
            elif number == 3:
                seq = _int(value)
            elif number == 2:
                if len(metrics) == MAX_METRICS:
                    return Fault("oversized", f"more than {MAX_METRICS} metrics")
                metrics.append(_metric(_view(value)))
    except (pb.ProtobufError, UnicodeDecodeError) as wrong:
        return Fault("not_protobuf", one_line(str(wrong)))
    return Payload(timestamp_ms, seq, tuple(metrics))


def _metric(data: memoryview) -> Metric:
    said: dict[int, int | memoryview] = {}
    properties: dict[str, Scalar] = {}
    for number, _, value in pb.fields(data):
        if number == 9:
            properties = _properties(_view(value))
        else:
            said[number] = value  # the last one counts
    datatype = _int(said.get(4, 0))
    is_null = bool(_int(said.get(7, 0)))
    return Metric(
        name=bytes(_view(said[1])).decode() if 1 in said else None,
        alias=_int(said[2]) if 2 in said else None,
        timestamp_ms=_int(said[3]) if 3 in said else None,
        datatype=datatype,
        value=None if is_null else _value(said, datatype, first=10),
        is_historical=bool(_int(said.get(5, 0))),
        is_null=is_null,
        properties=properties,
    )


def _value(said: dict[int, int | memoryview], datatype: int, first: int) -> Scalar | None:
    """The value among the fields from `first` on: int, long, float, double, boolean, string."""
    for at in (0, 1):
        if first + at in said:
            bits = _int(said[first + at])
            return _signed(bits & (2**32 - 1) if at == 0 else bits, datatype)
    if first + 2 in said:
        return pb.float_of(_bits(said[first + 2], 32))
    if first + 3 in said:
        return pb.double_of(_bits(said[first + 3], 64))
    if first + 4 in said:
        return bool(_int(said[first + 4]))
    return bytes(_view(said[first + 5])).decode() if first + 5 in said else None


def _signed(bits: int, datatype: int) -> int:
    width = _SIGNED_BITS.get(datatype)
    if width is None:
        return bits
    bits &= 2**width - 1
    return bits - 2**width if bits >> (width - 1) else bits


def signed(bits: Scalar, datatype: int) -> Scalar:
    """A value of a data message, which leaves the datatype to its birth."""
    return _signed(bits, datatype) if isinstance(bits, int) and not isinstance(bits, bool) else bits


def _properties(data: memoryview) -> dict[str, Scalar]:
    keys: list[str] = []
    values: list[Scalar | None] = []
    for number, _, value in pb.fields(data):
        if len(keys) > MAX_PROPERTIES or len(values) > MAX_PROPERTIES:
            raise pb.ProtobufError(f"more than {MAX_PROPERTIES} properties")
        if number == 1:
            keys.append(bytes(_view(value)).decode())
        elif number == 2:
            said = {inner: inner_value for inner, _, inner_value in pb.fields(_view(value))}
            values.append(_value(said, _int(said.get(1, 0)), first=3))
    return {key: value for key, value in zip(keys, values, strict=False) if value is not None}


def _int(value: int | memoryview) -> int:
    if isinstance(value, int):
        return value
    raise pb.ProtobufError("text where a number must be")


def _bits(value: int | memoryview, width: int) -> int:
    bits = _int(value)
    if bits >> width:
        raise pb.ProtobufError(f"{width} bits cannot hold a number")
    return bits


def _view(value: int | memoryview) -> memoryview:
    if isinstance(value, memoryview):
        return value
    raise pb.ProtobufError("a number where text or a message must be")


def write(payload: Payload) -> bytes:
    """The inverse of `read`, for what the twin says and for tests."""
    out = b"" if payload.timestamp_ms is None else pb.varint(1, payload.timestamp_ms)
    for metric in payload.metrics:
        out += pb.length(2, _write_metric(metric))
    return out + (b"" if payload.seq is None else pb.varint(3, payload.seq))


def _write_metric(metric: Metric) -> bytes:
    out = b"" if metric.name is None else pb.length(1, metric.name.encode())
    for number, value in ((2, metric.alias), (3, metric.timestamp_ms)):
        out += b"" if value is None else pb.varint(number, value)
    out += pb.varint(4, metric.datatype) if metric.datatype else b""
    out += pb.varint(5, 1) if metric.is_historical else b""
    out += pb.varint(7, 1) if metric.is_null else b""
    if metric.properties:
        keys = b"".join(pb.length(1, key.encode()) for key in metric.properties)
        values = (_write_value(value, _datatype_of(value), 3) for value in metric.properties.values())
        typed = zip(metric.properties.values(), values, strict=True)
        out += pb.length(9, keys + b"".join(pb.length(2, pb.varint(1, _datatype_of(v)) + text) for v, text in typed))
    return out + (b"" if metric.value is None else _write_value(metric.value, metric.datatype, 10))


def _datatype_of(value: Scalar) -> DataType:
    kinds = {bool: DataType.BOOLEAN, int: DataType.INT64, float: DataType.DOUBLE, str: DataType.STRING}
    return kinds[type(value)]


def _write_value(value: Scalar, datatype: int, first: int) -> bytes:
    if isinstance(value, bool):
        return pb.varint(first + 4, int(value))
    if isinstance(value, str):
        return pb.length(first + 5, value.encode())
    if isinstance(value, float):
        return pb.fixed32(first + 2, value) if datatype == DataType.FLOAT else pb.fixed64(first + 3, value)
    if datatype in _INT:
        return pb.varint(first, value & (2**32 - 1))
    return pb.varint(first + 1, value)


@dataclass(frozen=True)
class HostState:
    """What a host application says of itself, retained under spBv1.0/STATE/<host>: JSON, not protobuf."""

    online: bool
    timestamp_ms: int


def read_host_state(data: bytes) -> HostState | Fault:
    """The STATE message of Sparkplug 3.0."""
    try:
        said = json.loads(data) if len(data) <= 1024 else None
    except (ValueError, RecursionError):
        return Fault("not_json", "a STATE message is JSON")
    if not isinstance(said, dict) or type(said.get("online")) is not bool or type(said.get("timestamp")) is not int:
        return Fault("bad_value", "a STATE message says online and timestamp")
    return HostState(said["online"], said["timestamp"])


def write_host_state(state: HostState) -> bytes:
    """The inverse of `read_host_state`."""
    return json.dumps({"online": state.online, "timestamp": state.timestamp_ms}).encode()
