"""The binary form: equal to JSON in what it says, exact, and safe against every wrong size."""

import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.codecs import columns
from ingest.codecs.fault import CODES
from ingest.decode import decode, encode
from ingest.topics import topic_of
from tests.ingest.said import frame, parameters, plan
from twin.observation import Frame, Message, Observation, Parameters, Rejected, Signal

SIGNAL = Signal(
    source="a", sequence=9, time_s=0.0, build="b", layer=0, name="photodiode_v", sample_time_s=[0.0, 0.5], value=[1, 2]
)
MESSAGES: list[Message] = [
    parameters(3, [0.0, 0.01, 0.01, 0.1 + 0.2], final=True, sent_s=1.7e9),
    plan(0, [0.0, 1.0], [0.0, 0.01], [0.01, 0.0], dwell_s=[0.0, 0.5]),
    plan(1, [0.0, 1.0], [0.0, 0.01], [0.01, 0.0]),
    SIGNAL,
    frame(4, np.linspace(900.0, 2500.0, 12, dtype=np.float32).reshape(3, 4)),
    frame(5, np.arange(15, dtype=np.uint16).reshape(5, 3), scale=0.25, offset=700.0),
]
HEAD = b'{"source":"a","sequence":7,"time_s":1.0,"build":"b","layer":2}'


def topic(message: Message) -> str:
    return topic_of("hall", "m", message.kind)  # type: ignore[attr-defined]


def by_hand(
    given: list[tuple[bytes, int, int, float, float, bytes]], head: bytes = HEAD, version: int = 1, **wrong: int
) -> bytes:
    """The form as docs/wire.md tells it: (name, dtype, count, scale, offset, stored bytes) of each column."""
    body = head
    for name, dtype, count, scale, offset, _ in given:
        body += bytes([len(name)]) + name + struct.pack("<BIdd", dtype, count, scale, offset)
    while (16 + len(body)) % 8:
        body += b"\0"
    for *_, stored in given:
        body += stored
        while (16 + len(body)) % 8:
            body += b"\0"
    number, length = wrong.get("columns", len(given)), wrong.get("length", len(head))
    return b"MWCB" + struct.pack("<HHII", version, number, length, wrong.get("crc", zlib.crc32(body))) + body


X = (b"x_m", 3, 4, 1e-9, 0.25, struct.pack("<4i", 0, -100, 100, 2_000_000))
TIME = (b"sample_time_s", 0, 4, 1e-5, 1.0, b"")
Y = (b"y_m", 2, 4, 1.0, 0.0, struct.pack("<4f", 0.0, 0.5, 0.25, 0.125))
Z = (b"z_m", 0, 4, 0.0, 0.004, b"")
POWER = (b"beam_power_w", 4, 4, 0.1, 0.0, struct.pack("<4H", 0, 1950, 1950, 3700))
WHOLE = [TIME, X, Y, Z, POWER]


def read(payload: bytes, kind: str = "parameters") -> Observation | Rejected:
    result = decode(topic_of("hall", "m", kind), payload, columns.CONTENT_TYPE)
    assert isinstance(result, Observation) or result.code in CODES
    return result


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.kind)
def test_columns_say_what_json_says(message: Message) -> None:
    for payload, content_type in (
        (columns.write(message), columns.CONTENT_TYPE),
        (columns.write(message), "Application/Vnd.Meltwin.Columns.v1; charset=binary"),
        (columns.write(message), ""),
        (encode(message), "application/json; charset=utf-8"),
    ):
        observation = decode(topic(message), payload, content_type)
        assert isinstance(observation, Observation), observation
        assert observation.message == message


def test_bytes_made_by_hand_are_read() -> None:
    observation = read(by_hand(WHOLE))
    assert isinstance(observation, Observation), observation
    message = observation.message
    assert isinstance(message, Parameters)
    assert (message.source, message.sequence, message.layer, message.final) == ("a", 7, 2, False)
    assert message.sample_time_s == [1.0 + i * 1e-5 for i in range(4)]
    assert message.x_m == pytest.approx([0.25, 0.25 - 1e-7, 0.25 + 1e-7, 0.252])
    assert message.y_m == [0.0, 0.5, 0.25, 0.125]
    assert message.z_m == [0.004] * 4
    assert message.beam_power_w == pytest.approx([0.0, 195.0, 195.0, 370.0])


@settings(max_examples=60)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30).map(sorted), st.data())
def test_every_finite_number_survives(time_s: list[float], data: st.DataObject) -> None:
    n = len(time_s)
    x_m = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=n, max_size=n))
    power_w = data.draw(st.lists(st.floats(0, 1e6), min_size=n, max_size=n))
    message = parameters(data.draw(st.integers(0, 2**63 - 1)), time_s, x_m, power_w)
    observation = read(columns.write(message))
    assert isinstance(observation, Observation)
    assert observation.message == message


def test_a_compact_chunk_of_100_ms_at_100_khz_is_12_bytes_a_sample_and_stays_within_its_word() -> None:
    time_s = (3600.0 + 1e-5 * np.arange(10_000)).tolist()
    path = np.random.default_rng(0).uniform(-0.2, 0.2, 10_000)
    said = parameters(0, time_s, path.tolist(), (1e3 * np.abs(path)).tolist())
    varied = said.model_copy(update={"y_m": path[::-1].tolist()})
    payload = columns.write(varied, compact=True)
    assert len(payload) < 12.1 * 10_000
    observation = read(payload)
    assert isinstance(observation, Observation)
    message = observation.message
    assert isinstance(message, Parameters)
    assert np.abs(np.subtract(message.sample_time_s, time_s)).max() <= 1e-11
    for name in ("x_m", "y_m", "z_m", "beam_power_w"):
        np.testing.assert_allclose(getattr(message, name), getattr(varied, name), rtol=6e-8)


def test_a_picture_is_read_where_it_stands() -> None:
    payload = columns.write(frame(0, np.arange(12, dtype=np.uint16).reshape(3, 4)))
    observation = read(payload, "frame")
    assert isinstance(observation, Observation)
    assert isinstance(observation.message, Frame)
    assert np.shares_memory(observation.message.value, np.frombuffer(payload, dtype=np.uint8))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "empty"),
        (b"MW", "truncated"),
        (b"MWCB", "truncated"),
        (b"{}", "not_columns"),
        (by_hand(WHOLE, version=2), "unknown_version"),
        (by_hand(WHOLE, head=HEAD[:-1] + b',"version":2,"new":1}'), "unknown_version"),
        (by_hand(WHOLE, crc=1), "corrupt"),
        (by_hand(WHOLE)[:-1], "truncated"),
        (by_hand(WHOLE) + bytes(8), "wrong_length"),
        (by_hand(WHOLE, length=2**32 - 1), "truncated"),
        (by_hand(WHOLE, columns=2**16 - 1), "truncated"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 1, 2**32 - 1, 1.0, 0.0, b"")]), "truncated"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 0, 2**32 - 1, 1.0, 0.0, b"")]), "wrong_length"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 0, 0, 1.0, 0.0, b"")]), "wrong_length"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 0, 3, 0.0, 1.0, b"")]), "wrong_length"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 9, 4, 1.0, 0.0, bytes(32))]), "bad_value"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 0, 4, -1.0, 0.0, b"")]), "out_of_range"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 0, 4, 1e9, 0.0, b"")]), "out_of_range"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 0, 4, float("nan"), 0.0, b"")]), "not_a_number"),
        (by_hand([TIME, X, Y, Z, (b"beam_power_w", 0, 4, 1e308, 1e308, b"")]), "not_a_number"),
        (by_hand([TIME, X, Z, POWER, (b"y_m", 1, 4, 1.0, 0.0, struct.pack("<4d", 0, np.nan, 0, 0))]), "not_a_number"),
        (by_hand([X, Y, Z, POWER, (b"sample_time_s", 0, 4, -1e-5, 1.0, b"")]), "out_of_order"),
        (by_hand([TIME, X, Y, Z]), "missing_field"),
        (by_hand([*WHOLE, X]), "bad_value"),
        (by_hand([*WHOLE, (b"beam_power_kw", 0, 4, 0.0, 0.0, b"")]), "unknown_field"),
        (by_hand(WHOLE, head=b"[1]"), "wrong_type"),
        (by_hand(WHOLE, head=b'{"source":'), "not_json"),
        (by_hand(WHOLE, head=b"[" * 5000), "too_deep"),
        (by_hand(WHOLE, head=b"{}"), "missing_field"),
        (by_hand(WHOLE, head=HEAD[:-1] + b',"extra":1}'), "unknown_field"),
        (by_hand(WHOLE, head=HEAD[:-1] + b',"x_m":[1.0]}'), "unknown_field"),
        (by_hand(WHOLE, head=HEAD[:-1] + b',"kind":"plan"}'), "wrong_kind"),
        (by_hand(WHOLE, head=HEAD.replace(b"1.0", b"1e11")), "out_of_range"),
    ],
)
def test_each_fault_has_its_code(payload: bytes, code: str) -> None:
    result = read(payload)
    assert isinstance(result, Rejected)
    assert result.code == code, result.reason


def test_a_kind_without_columns_and_an_unknown_content_type_are_told() -> None:
    assert getattr(read(by_hand(WHOLE), "state"), "code", None) == "wrong_kind"
    result = decode(topic_of("hall", "m", "parameters"), by_hand(WHOLE), "application/cbor")
    assert isinstance(result, Rejected)
    assert result.code == "unknown_content_type"


def test_a_picture_larger_than_it_holds_is_refused() -> None:
    head = frame(0, np.zeros((2, 2), dtype=np.float32)).model_dump_json(exclude={"value"}).encode()
    whole = head.replace(b'"rows":2', b'"rows":1024').replace(b'"columns":2', b'"columns":1024')
    for count in (4, 2**18, 2**20):
        result = read(by_hand([(b"value", 0, count, 1.0, 0.0, b"")], head=whole), "frame")
        assert isinstance(result, Rejected)
        assert result.code == "wrong_length", result


def test_a_hostile_size_is_refused_before_anything_is_allocated() -> None:
    hostile = [
        by_hand([(b"sample_time_s", dtype, 2**32 - 1, 1.0, 0.0, b""), X, Y, Z, POWER]) for dtype in (0, 1, 2, 3, 4, 5)
    ]
    tracemalloc.start()
    for payload in hostile:
        assert isinstance(read(payload), Rejected)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000, "more than the payloads themselves"


@settings(max_examples=300)
@given(st.data())
def test_flipped_cut_and_random_bytes_never_raise(data: st.DataObject) -> None:
    payload = bytearray(columns.write(data.draw(st.sampled_from(MESSAGES))))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):  # as if the sender had meant it
        payload[12:16] = struct.pack("<I", zlib.crc32(payload[16:]))
    cut: Any = payload[: data.draw(st.integers(0, len(payload)))]
    for kind in ("parameters", "plan", "signal", "frame"):
        read(bytes(cut), kind)
        read(bytes(payload), kind)
