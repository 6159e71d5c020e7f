"""Decoding: whatever arrives is an Observation or a Rejected with a reason of one line; what we encode comes back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.codecs.fault import CODES
from ingest.decode import MAX_PAYLOAD_BYTES, decode, encode
from ingest.schemas import FOLDER, text_of
from ingest.schemas import MESSAGES as SCHEMAS
from ingest.topics import KINDS, BadTopicError, Topic, parse_topic, topic_of
from tests.ingest.said import build, frame, parameters, plan
from twin.observation import Frame, Layer, Message, Observation, Rejected, Signal, State

TOPIC = topic_of("hall", "m-1", "parameters")
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
TIMES = st.floats(-1e9, 1e9)
NAMES = st.from_regex(r"[A-Za-z0-9_.\-]{1,64}", fullmatch=True)

MESSAGES = [
    State(source="a", sequence=0, time_s=0.0, status="online", note="grüße"),
    build(),
    Layer(source="a", sequence=1, time_s=2.0, build="b", layer=3, z_m=1e-3),
    parameters(3, [0.0, 0.01, 0.01, 0.1 + 0.2], final=True, sent_s=1.7e9),
    plan(0, [0.0, 1.0], [0.0, 0.01], [0.01, 0.0], dwell_s=[0.0, 0.5]),
    Signal(
        source="a",
        sequence=9,
        time_s=0.0,
        build="b",
        layer=0,
        name="melt_pool_width_m",
        sample_time_s=[0.0],
        value=[1e-4],
    ),
    frame(4, np.linspace(900.0, 2500.0, 12, dtype=np.float32).reshape(3, 4), sent_s=1.7e9),
    frame(5, np.arange(12, dtype=np.uint16).reshape(4, 3), scale=0.25, offset=700.0, camera="side", view="off_axis"),
    frame(6, np.arange(12).reshape(2, 6), dtype="uint16", quantity="intensity", unit="counts", x_m=0.01),
]


def wire(message: Message = MESSAGES[3], **changes: object) -> bytes:
    return json.dumps(json.loads(encode(message)) | changes).encode()


def picture(**changes: object) -> bytes:
    return wire(MESSAGES[6], **changes)


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in json.loads(wire()).items() if name != field}).encode()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.kind)
def test_round_trip(message: Message) -> None:
    topic = topic_of("hall", "m-1", message.kind)  # type: ignore[attr-defined]
    observation = decode(topic, encode(message))
    assert isinstance(observation, Observation)
    assert observation.message == message
    assert (observation.site, observation.machine, observation.topic) == ("hall", "m-1", topic)
    assert observation.key == (message.source, message.channel, message.sequence)


@given(st.lists(TIMES, min_size=1, max_size=20).map(sorted), st.data())
def test_every_finite_number_survives_the_wire(time_s: list[float], data: st.DataObject) -> None:
    n = len(time_s)
    x_m = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=n, max_size=n))
    power_w = data.draw(st.lists(st.floats(0, 1e6), min_size=n, max_size=n))
    message = parameters(data.draw(st.integers(0, 2**63 - 1)), time_s, x_m, power_w)
    observation = decode(TOPIC, encode(message))
    assert isinstance(observation, Observation)
    assert observation.message == message


@given(st.text(max_size=100), st.binary(max_size=200))
def test_random_bytes_never_raise(topic: str, payload: bytes) -> None:
    for where in (topic, TOPIC):
        result = decode(where, payload)
        assert isinstance(result, Rejected)  # random bytes are no message
        assert (result.topic, result.payload) == (where, payload)
        assert result.reason
        assert "\n" not in result.reason
        assert len(result.reason) <= 400
        assert result.code in CODES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("parameters"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(json.loads(wire()))), JSON, st.sampled_from(KINDS))
def test_a_message_with_one_field_wrong_never_raises(field: str, value: object, kind: str) -> None:
    result = decode(topic_of("hall", "m-1", kind), wire(**{field: value}))
    assert isinstance(result, Observation | Rejected)
    if isinstance(result, Observation):
        assert result.message.kind == kind
    else:
        assert result.code in CODES


@pytest.mark.parametrize(
    ("payload", "code", "says"),
    [
        (b"", "empty", "EOF"),
        (wire()[:-1], "truncated", "EOF"),
        (b"\xff\xfe{", "not_json", "JSON"),
        (wire() + b"}", "not_json", "trailing"),
        (b"null", "wrong_type", "object"),
        (b"[" * 100_000, "too_deep", "recursion"),
        (b'{"a":' * 50_000, "too_deep", "recursion"),
        (wire(sample_time_s=[0.0, float("nan"), 1.0, 2.0]), "not_a_number", "finite"),
        (wire(time_s=float("inf")), "not_a_number", "finite"),
        (wire(x_m=[None, 0.0, 0.0, 0.0]), "wrong_type", "number"),
        (wire(x_m=["near", 0.0, 0.0, 0.0]), "wrong_type", "number"),
        (wire(time_s=1e11), "out_of_range", "time_s beyond"),
        (wire(sample_time_s=[0.0, 0.0, 0.0, 1e300]), "out_of_range", "sample_time_s beyond"),
        (wire(x_m=[0.0, 1e9, 0.0, 0.0]), "out_of_range", "x_m beyond"),
        (wire(beam_power_w=[0.0, 1e9, 0.0, 0.0]), "out_of_range", "beam_power_w beyond"),
        (wire(beam_power_w=[0.0, -1.0, 0.0, 0.0]), "out_of_range", "greater than or equal to 0"),
        (wire(sequence=-1), "out_of_range", "greater than or equal to 0"),
        (wire(sequence=2**63), "out_of_range", "less than or equal"),
        (wire(sequence="1x"), "wrong_type", "integer"),
        (wire(version=2), "unknown_version", "version"),
        (wire(version=True), "unknown_version", "version"),
        (wire(sequence="1"), "wrong_type", "integer"),
        (wire(time_s="1.5"), "wrong_type", "number"),
        (wire(final=1), "wrong_type", "boolean"),
        (wire(version=2, kind="spectrum", x_m=[]), "unknown_version", "tag"),
        (wire(kind="spectrum"), "wrong_kind", "tag"),
        (wire(kind="frame"), "wrong_kind", "a frame message on the topic of parameters"),
        (picture(), "wrong_kind", "a frame message on the topic of parameters"),
        (without("kind"), "missing_field", "discriminator"),
        (without("x_m"), "missing_field", "x_m"),
        (wire(extra=1), "unknown_field", "extra"),
        (wire(beam_power_kw=[0.2]), "wrong_unit", "beam_power_kw"),
        (wire(x_mm=[0.2]), "wrong_unit", "x_mm"),
        (wire(beam_power=[0.2]), "wrong_unit", "beam_power"),
        (wire(sample_time_s=[3.0, 2.0, 1.0, 0.0]), "out_of_order", "goes back"),
        (wire(x_m=[0.0]), "wrong_length", "differ in length"),
        (wire(x_m=[]), "wrong_length", "at least 1"),
        (wire(x_m=[0.0] * 10_001), "wrong_length", "at most 10000"),
        (wire(source=""), "bad_value", "source"),
        (wire(source="a b"), "bad_value", "source"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), "oversized", "over"),
    ],
)
def test_each_fault_is_rejected_with_its_code_and_reason(payload: bytes, code: str, says: str) -> None:
    result = decode(TOPIC, payload)
    assert isinstance(result, Rejected)
    assert (result.code, result.payload) == (code, payload), result.reason
    assert says in result.reason


@pytest.mark.parametrize(
    ("payload", "code", "says"),
    [
        (picture(value=[1000.0] * 11), "wrong_length", "11 pixels are not 3 rows of 4"),
        (picture(rows=2**40, columns=2**40), "out_of_range", "less than or equal to 1024"),
        (picture(value=[1000.0] * (2**18 + 1)), "oversized", "over"),
        (picture(value=[1e39] + [1000.0] * 11), "not_a_number", "finite"),
        (picture(value=[float("nan")] * 12), "not_a_number", "finite"),
        (picture(value=[["x"]]), "wrong_type", "number"),
        (picture(value=[-1.0] * 12), "out_of_range", "temperature"),
        (picture(scale=1e30), "out_of_range", "temperature"),
        (picture(unit="C"), "wrong_unit", "in K"),
        (picture(unit="K", quantity="intensity"), "wrong_unit", "in K"),
        (picture(dtype="uint16", value=[0.5] * 12), "out_of_range", "whole number"),
        (picture(dtype="uint16", value=[65536] * 12), "out_of_range", "whole number"),
        (picture(dtype="float64"), "bad_value", "dtype"),
        (picture(sensor_min=3000.0, sensor_max=900.0), "out_of_range", "sensor_min"),
        (picture(sensor_min=-5.0), "out_of_range", "sensor"),
        (picture(pixel_m=10.0), "out_of_range", "less than or equal to 0.01"),
        (picture(pixel_um=10.0), "wrong_unit", "pixel_um"),
        (picture(x_m=1e9), "out_of_range", "x_m beyond"),
    ],
)
def test_each_fault_of_a_picture_is_rejected_with_its_code(payload: bytes, code: str, says: str) -> None:
    result = decode(topic_of("hall", "m-1", "frame"), payload)
    assert isinstance(result, Rejected)
    assert result.code == code, result.reason
    assert says in result.reason


def test_what_is_without_end_is_no_number_anywhere() -> None:
    for name in ("nominal_beam_power_w", "nominal_scan_speed_m_per_s", "hatch_spacing_m"):
        result = decode(topic_of("hall", "m-1", "build"), wire(build(), **{name: float("inf")}))
        assert isinstance(result, Rejected)
        assert result.code == "not_a_number", result.reason
    whole = decode(TOPIC, wire(sequence=3.0, layer=2.0))
    assert isinstance(whole, Observation)
    assert (whole.message.sequence, type(whole.message.sequence)) == (3, int)


def test_a_signal_under_a_name_in_another_unit_is_told_from_an_unknown_one() -> None:
    topic = topic_of("hall", "m-1", "signal")
    for name, code in (("melt_pool_width_um", "wrong_unit"), ("humidity", "bad_value")):
        result = decode(topic, wire(MESSAGES[5], name=name))
        assert isinstance(result, Rejected)
        assert result.code == code


@pytest.mark.parametrize(("topic", "code"), [("meltwin/v2/s/m/state", "unknown_version"), ("a/b", "bad_topic")])
def test_a_topic_of_another_version_is_told_from_a_bad_one(topic: str, code: str) -> None:
    result = decode(topic, wire())
    assert isinstance(result, Rejected)
    assert result.code == code


def test_numbers_too_long_for_any_machine_are_rejected() -> None:
    for payload in (wire(sequence=10**400), wire().replace(b'"time_s": 1', b'"time_s": 1' + b"0" * 400)):
        result = decode(TOPIC, payload)
        assert isinstance(result, Rejected | Observation)
        assert isinstance(result, Observation) or result.code in CODES


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("build", {"beam_diameter_m": 1e-300}),
        ("build", {"beam_diameter_m": 1e-9}),
        ("plan", {"first_vector": 2**63 - 1}),
    ],
)
def test_a_number_that_would_overflow_further_on_is_out_of_range(kind: str, changes: dict[str, float]) -> None:
    message = next(m for m in MESSAGES if m.kind == kind)  # type: ignore[attr-defined]
    result = decode(topic_of("s", "m", kind), wire(message, **changes))
    assert isinstance(result, Rejected)
    assert result.code == "out_of_range"


def test_a_picture_is_said_in_its_unit_and_never_written_to() -> None:
    observation = decode(topic_of("hall", "m-1", "frame"), encode(MESSAGES[7]))
    assert isinstance(observation, Observation)
    message = observation.message
    assert isinstance(message, Frame)
    np.testing.assert_array_equal(message.picture(), 700.0 + 0.25 * np.arange(12.0).reshape(4, 3))
    assert message.picture().dtype == np.float32
    assert message.channel == "frame/side"
    with pytest.raises(ValueError, match="read-only"):
        message.value[0] = 1


@settings(max_examples=50)
@given(st.data())
def test_no_pixel_is_changed_on_the_wire(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    pixel = data.draw(st.sampled_from([st.floats(0, 5000, width=32), st.integers(0, 65_535)]))
    dtype = "uint16" if isinstance(data.draw(pixel), int) else "float32"
    value = np.array(data.draw(st.lists(pixel, min_size=rows * columns, max_size=rows * columns)), dtype=dtype)
    message = frame(0, value.reshape(rows, columns))
    observation = decode(topic_of("hall", "m-1", "frame"), encode(message))
    assert isinstance(observation, Observation)
    assert observation.message == message


def test_a_frame_too_short_to_count_is_rejected() -> None:
    payload = encode(build()).replace(b'"frame_s":0.02', b'"frame_s":1e-300')
    result = decode(topic_of("hall", "m-1", "build"), payload)
    assert isinstance(result, Rejected)
    assert "frame_s" in result.reason


def test_the_topic_and_the_message_must_agree() -> None:
    result = decode(topic_of("hall", "m-1", "layer"), wire())
    assert isinstance(result, Rejected)
    assert result.reason == "a parameters message on the topic of layer"


@given(NAMES, NAMES, st.sampled_from(KINDS))
def test_topics_round_trip(site: str, machine: str, kind: str) -> None:
    assert parse_topic(topic_of(site, machine, kind)) == Topic(site, machine, kind)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "meltwin",
        "meltwin/v1/s/m",
        "meltwin/v2/s/m/state",
        "other/v1/s/m/state",
        "meltwin/v1/s/+/state",
        "meltwin/v1/s/m/x",
        "meltwin/v1//m/state",
        "meltwin/v1/s/m/state/",
        "meltwin/v1/s/" + "m" * 65 + "/state",
        "meltwin/v1/s/m\n/state",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(BadTopicError):
        parse_topic(topic)
    assert isinstance(decode(topic, wire()), Rejected)


def test_every_kind_has_a_schema() -> None:
    assert set(SCHEMAS) == set(KINDS)
    assert {path.stem for path in FOLDER.glob("*.json")} == {*KINDS, "alert", "forecast", "ack"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_equals_the_type(kind: str) -> None:
    text = (FOLDER / f"{kind}.json").read_text()
    assert text == text_of(kind), "the types changed: run `python -m ingest.schemas`"
    assert json.loads(text)["properties"]["kind"]["const"] == kind
