"""Decoding: whatever arrives is an Observation or a Rejected with a reason of one line; what we encode comes back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode import MAX_PAYLOAD_BYTES, decode, encode
from ingest.schemas import FOLDER, text_of
from ingest.schemas import MESSAGES as SCHEMAS
from ingest.topics import KINDS, BadTopicError, Topic, parse_topic, topic_of
from tests.ingest.said import build, parameters, plan
from twin.observation import Layer, Message, Observation, Rejected, Signal, State

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
]


def wire(**changes: object) -> bytes:
    return json.dumps(json.loads(encode(MESSAGES[3])) | changes).encode()


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


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "EOF"),
        (b"\xff\xfe{", "JSON"),
        (b"null", "object"),
        (b"[" * 100_000, "recursion"),
        (b'{"a":' * 50_000, "recursion"),
        (wire(sample_time_s=[0.0, float("nan"), 1.0, 2.0]), "finite"),
        (wire(time_s=float("inf")), "finite"),
        (wire().replace(b'"time_s":', b'"time_s":1e999,"time_s":'), None),
        (wire(time_s=1e11), "time_s beyond"),
        (wire(sample_time_s=[0.0, 0.0, 0.0, 1e300]), "sample_time_s beyond"),
        (wire(x_m=[0.0, 1e9, 0.0, 0.0]), "position beyond"),
        (wire(beam_power_w=[0.0, 1e9, 0.0, 0.0]), "beam_power_w beyond"),
        (wire(beam_power_w=[0.0, -1.0, 0.0, 0.0]), "greater than or equal to 0"),
        (wire(sequence=-1), "greater than or equal to 0"),
        (wire(sequence="1x"), "integer"),
        (wire(sequence=10**400), None),
        (wire(version=2), "version"),
        (wire(kind="frame"), "tag"),
        (wire(extra=1), "extra"),
        (wire(sample_time_s=[3.0, 2.0, 1.0, 0.0]), "goes back"),
        (wire(x_m=[0.0]), "differ in length"),
        (wire(source=""), "source"),
        (wire(source="a b"), "source"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), "over"),
    ],
)
def test_each_fault_is_rejected_with_its_reason(payload: bytes, says: str | None) -> None:
    result = decode(TOPIC, payload)
    if says is None:
        assert isinstance(result, Observation | Rejected)
        return
    assert isinstance(result, Rejected)
    assert says in result.reason, result.reason
    assert result.payload == payload


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
    assert {path.stem for path in FOLDER.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_equals_the_type(kind: str) -> None:
    text = (FOLDER / f"{kind}.json").read_text()
    assert text == text_of(kind), "the types changed: run `python -m ingest.schemas`"
    assert json.loads(text)["properties"]["kind"]["const"] == kind
