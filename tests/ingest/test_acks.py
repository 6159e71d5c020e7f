"""Acknowledgements over MQTT: who, when and why, on one kind of topic and nowhere else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.acks import read_ack
from ingest.topics import KINDS, OUT_KINDS, PREFIX, topic_of
from twin.alarms.acts import Act
from twin.observation import Rejected

TOPIC = topic_of("hall", "m1", "ack")


def said(**fields: Any) -> bytes:
    whole = {
        "version": 1, "kind": "ack", "source": "panel", "sent_s": 5.0, "build": "b1", "alert": "keyhole", "by": "Ada",
        "note": "power lowered",
    }  # fmt: skip
    return json.dumps({name: value for name, value in (whole | fields).items() if value is not None}).encode()


def test_an_acknowledgement_says_what_it_must() -> None:
    act = Act("m1", "b1", "keyhole", "acknowledged", "Ada", 5.0, "power lowered")
    assert read_ack(TOPIC, said()) == act
    assert read_ack(TOPIC, said(occurrence=3)) == Act(**(vars(act) | {"occurrence": 3}))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"by": None}, "missing_field"),
        ({"note": None}, "missing_field"),
        ({"sent_s": None}, "missing_field"),
        ({"by": ""}, "bad_value"),
        ({"by": " "}, "bad_value"),
        ({"by": "twin"}, "bad_value"),
        ({"by": "A\nB"}, "bad_value"),
        ({"note": "x" * 501}, "bad_value"),
        ({"build": "b\0"}, "bad_value"),
        ({"alert": "key\0hole"}, "bad_value"),
        ({"until_s": 9.0}, "unknown_field"),
        ({"sent_s": "5"}, "wrong_type"),
        ({"version": 2}, "unknown_version"),
        ({"kind": "alert"}, "bad_value"),
    ],
)
def test_what_says_too_little_or_too_much_is_kept_as_a_reject(fields: dict[str, Any], code: str) -> None:
    found = read_ack(TOPIC, said(**fields))
    assert isinstance(found, Rejected)
    assert (found.code, found.topic, found.payload) == (code, TOPIC, said(**fields))


@pytest.mark.parametrize("kind", [*KINDS, *OUT_KINDS, "command", "NCMD"])
def test_no_other_topic_acknowledges(kind: str) -> None:
    found = read_ack(f"{PREFIX}/hall/m1/{kind}", said())
    assert isinstance(found, Rejected)
    assert found.code == "bad_topic"


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode), st.text(max_size=40))
def test_whatever_comes_is_read_or_refused(payload: bytes, more: str) -> None:
    for topic in (TOPIC, f"{PREFIX}/{more}/ack"):
        assert isinstance(read_ack(topic, payload), Act | Rejected)
