"""Columns: messages as little-endian arrays, for samples at 100 kHz and for pictures.

    offset  size        what
    0       4           "MWCB"
    4       2           version of this form: 1
    6       2           c, the number of columns
    8       4           h, the length of the head
    12      4           CRC-32 of all that follows
    16      h           the head: the message without its columns, as JSON
            c times     1 length of a name, the name (ASCII), 1 dtype, 4 number of values, 8 scale, 8 offset (float64)
            0 to 7      zeros up to a multiple of 8
            c times     the values of a column, and zeros up to a multiple of 8

A value is offset + scale * stored; of dtype 0 nothing is stored and value i is offset + scale * i (samples every 10 us;
a constant height). Nothing is allocated before the sizes have been held against the length of the payload; stored
numbers are read where they stand (`numpy.frombuffer`).
"""

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError
from pydantic_core import from_json

from ingest.codecs.fault import Fault, of_validation, one_line
from ingest.codecs.ranges import column_out_of_range, out_of_range
from twin.observation import MAX_PIXELS, MAX_SAMPLES, SCHEMA_VERSION, Frame, Message, Parameters, Plan, Signal

CONTENT_TYPE = "application/vnd.meltwin.columns.v1"
MAGIC = b"MWCB"
VERSION = 1
COLUMNS: dict[type[Message], tuple[str, ...]] = {
    Parameters: ("sample_time_s", "x_m", "y_m", "z_m", "beam_power_w"),
    Signal: ("sample_time_s", "value"),
    Plan: ("start_s", "x0_m", "y0_m", "x1_m", "y1_m", "z_m", "beam_power_w", "scan_speed_m_per_s", "dwell_s"),
    Frame: ("value",),
}
_KINDS = {kind.model_fields["kind"].default: kind for kind in COLUMNS}
_OPTIONAL = frozenset({"dwell_s"})
_NOT_NEGATIVE = frozenset({"beam_power_w", "scan_speed_m_per_s", "dwell_s"})
_REGULAR = 0
_DTYPES = {1: "<f8", 2: "<f4", 3: "<i4", 4: "<u2", 5: "<i2"}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_FIXED = struct.Struct("<4sHHII")
_ENTRY = struct.Struct("<BIdd")


class _Column(NamedTuple):
    name: str
    dtype: int
    length: int
    scale: float
    offset: float


def write(message: Message, compact: bool = False) -> bytes:
    """The wire form of a message with columns. Exact; `compact` stores evenly spaced times as two numbers (good to a
    millionth of the spacing), and positions and powers as float32 (good to 6e-8 of the number).
    """
    names = [name for name in COLUMNS[type(message)] if getattr(message, name) is not None]
    head = message.model_dump_json(exclude=set(COLUMNS[type(message)])).encode()
    entries, blocks = b"", []
    for name in names:
        dtype, scale, offset, stored = _stored(message, name, compact)
        count = len(getattr(message, name))
        entries += struct.pack("<B", len(name)) + name.encode() + _ENTRY.pack(dtype, count, scale, offset)
        blocks.append(stored + bytes(-len(stored) % 8))
    body = head + entries
    body += bytes(-(_FIXED.size + len(body)) % 8) + b"".join(blocks)
    return _FIXED.pack(MAGIC, VERSION, len(names), len(head), zlib.crc32(body)) + body


def _stored(message: Message, name: str, compact: bool) -> tuple[int, float, float, bytes]:
    """(dtype, scale, offset, bytes) of one column."""
    if isinstance(message, Frame):
        dtype = {"float32": "<f4", "uint16": "<u2"}[message.dtype]
        return _CODES[dtype], 1.0, 0.0, np.ascontiguousarray(message.value, dtype=dtype).tobytes()
    values = np.asarray(getattr(message, name), dtype="<f8")
    step = float(values[-1] - values[0]) / max(len(values) - 1, 1)
    even = np.abs(values - (values[0] + step * np.arange(len(values)))).max() <= 1e-6 * abs(step)
    if even and (compact or step == 0.0):
        return _REGULAR, step, float(values[0]), b""
    if compact and not name.endswith("time_s") and name not in ("start_s", "dwell_s"):
        return _CODES["<f4"], 1.0, 0.0, values.astype("<f4").tobytes()
    return _CODES["<f8"], 1.0, 0.0, values.tobytes()


def read(payload: bytes, kind: str) -> Message | Fault:
    """The message, or why not. `kind` is that of the topic."""
    sizes = _sizes(payload)
    if isinstance(sizes, Fault):
        return sizes
    columns, head_length, at = sizes
    try:
        head = from_json(payload[_FIXED.size : _FIXED.size + head_length])
    except ValueError as wrong:
        text = str(wrong)
        return Fault("too_deep" if "recursion" in text else "not_json", one_line(f"the head: {text}"))
    if not isinstance(head, dict):
        return Fault("wrong_type", "the head is no object")
    if head.get("version", SCHEMA_VERSION) != SCHEMA_VERSION:
        return Fault("unknown_version", one_line(f"version {head['version']!r:.40} is not {SCHEMA_VERSION}"))
    said = head.get("kind", kind)
    if said != kind or kind not in _KINDS:
        return Fault("wrong_kind", one_line(f"a {said!s:.40} message as columns on the topic of {kind}"))
    fault = _columns_fault(columns, _KINDS[kind])
    if fault is not None:
        return fault
    values: dict[str, Any] = {}
    for column in columns:
        values[column.name] = _values(payload, column, at)
        at += _block(column)
    return _message(_KINDS[kind], head, values)


def _sizes(payload: bytes) -> tuple[list[_Column], int, int] | Fault:
    """(columns, length of the head, where the values begin), once every length agrees with the payload's."""
    if not payload:
        return Fault("empty", "no bytes")
    if not payload.startswith(MAGIC[: len(payload)]):
        return Fault("not_columns", "does not begin with MWCB")
    if len(payload) < _FIXED.size:
        return Fault("truncated", f"{len(payload)} bytes are less than the fixed part")
    _, version, number, head_length, checksum = _FIXED.unpack_from(payload)
    if version != VERSION:
        return Fault("unknown_version", f"version {version} of the columns is not {VERSION}")
    at, columns = _FIXED.size + head_length, []
    for _ in range(number):
        name_end = at + 1 + payload[at] if at < len(payload) else len(payload)
        if name_end + _ENTRY.size > len(payload):
            return Fault("truncated", "ends inside the table of columns")
        name = payload[at + 1 : name_end].decode("ascii", "replace")
        columns.append(_Column(name, *_ENTRY.unpack_from(payload, name_end)))
        at = name_end + _ENTRY.size
    unknown = next((column for column in columns if column.dtype != _REGULAR and column.dtype not in _DTYPES), None)
    if unknown is not None:
        return Fault("bad_value", one_line(f"column {unknown.name}: dtype {unknown.dtype} is unknown"))
    at += -at % 8
    expected = at + sum(_block(column) for column in columns)
    if expected != len(payload):
        code = "truncated" if expected > len(payload) else "wrong_length"
        return Fault(code, f"{len(payload)} bytes are not the {expected} that it announces")
    if zlib.crc32(memoryview(payload)[_FIXED.size :]) != checksum:
        return Fault("corrupt", "does not match its checksum")
    return columns, head_length, at


def _block(column: _Column) -> int:
    size = 0 if column.dtype == _REGULAR else column.length * np.dtype(_DTYPES[column.dtype]).itemsize
    return size + -size % 8


def _columns_fault(columns: list[_Column], model: type[Message]) -> Fault | None:
    names, most = [column.name for column in columns], MAX_PIXELS if model is Frame else MAX_SAMPLES
    for name in names:
        if name not in COLUMNS[model]:
            return Fault("unknown_field", one_line(f"column {name} is none of {', '.join(COLUMNS[model])}"))
    if len(set(names)) < len(names):
        return Fault("bad_value", "a column stands twice")
    missing = set(COLUMNS[model]) - set(names) - _OPTIONAL
    if missing:
        return Fault("missing_field", f"column {min(missing)}: required")
    for column in columns:
        if not 1 <= column.length <= most:
            return Fault("wrong_length", f"column {column.name}: {column.length} values are not 1 to {most}")
        if not (np.isfinite(column.scale) and np.isfinite(column.offset)):
            return Fault("not_a_number", f"column {column.name}: scale or offset is not a finite number")
        if model is Frame and (column.scale != 1.0 or column.offset != 0.0):
            return Fault("bad_value", "a picture says its scale and offset in the head")
    if len({column.length for column in columns}) > 1:
        return Fault("wrong_length", f"columns differ in length: { {c.name: c.length for c in columns} }")
    return None


def _values(payload: bytes, column: _Column, at: int) -> np.ndarray:
    """The values of a column, stored numbers read where they stand; float64 unless they need no arithmetic."""
    with np.errstate(all="ignore"):  # what is not finite then is refused
        if column.dtype == _REGULAR:
            return column.offset + column.scale * np.arange(column.length)
        stored = np.frombuffer(payload, dtype=_DTYPES[column.dtype], count=column.length, offset=at)
        if (column.scale, column.offset) == (1.0, 0.0):
            return stored
        return column.offset + column.scale * stored.astype(np.float64)


def _message(model: type[Message], head: dict[str, Any], values: dict[str, np.ndarray]) -> Message | Fault:
    """The head is checked by the type, the columns at once by numpy: no number passes through Python on its own."""
    own = [name for name in COLUMNS[model] if name in head]
    if own:
        return Fault("unknown_field", f"{own[0]} stands in the head")
    for name, column in values.items():
        low, high = float(column.min()), float(column.max())
        if not (np.isfinite(low) and np.isfinite(high)):  # NaN passes through both
            return Fault("not_a_number", f"column {name}: a value is not a finite number")
        if name in _NOT_NEGATIVE and low < 0:
            return Fault("out_of_range", f"column {name}: a value is below 0")
        fault = column_out_of_range(name, low, high)
        if fault is not None:
            return fault
    time_s = values.get("sample_time_s")
    if model is Parameters and time_s is not None and (time_s[1:] < time_s[:-1]).any():
        return Fault("out_of_order", "sample_time_s goes back inside one message")
    try:
        if model is Frame:
            frame = Frame.model_validate(head | values, strict=True)
            return out_of_range(frame) or frame
        message = model.model_validate(head | {name: [0.0] for name in values}, strict=True)
    except ValidationError as wrong:
        return of_validation(wrong)
    return out_of_range(message, columns=False) or message.model_copy(
        update={name: column.tolist() for name, column in values.items()}
    )
