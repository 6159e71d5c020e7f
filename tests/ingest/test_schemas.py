"""What is published about the wire is what the code does: schemas, examples and AsyncAPI agree with `decode`."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ingest.codecs import columns, text
from ingest.decode import decode, encode
from ingest.schemas import FOLDER, asyncapi_text, schema_of
from ingest.schemas.asyncapi import FILE
from ingest.schemas.examples import examples, examples_of_others
from ingest.simulate import machines
from ingest.sparkplug.topics import parse
from ingest.topics import KINDS, RETAINED, names_of, parse_topic, topic_of
from tests.ingest.test_decode import MESSAGES
from twin.observation import Message, Observation, Rejected

SCHEMAS = {kind: Draft202012Validator(json.loads((FOLDER / f"{kind}.json").read_text())) for kind in KINDS}
EXAMPLES = examples()
OTHERS = examples_of_others()
# What a schema cannot say: numbers beyond JSON's, columns of one length, order, units of units.
BEYOND_SCHEMAS = {"out_of_range", "wrong_length", "out_of_order", "wrong_unit", "not_a_number"}


def kind_of(message: Message) -> str:
    return str(message.kind)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize("message", [*MESSAGES, *EXAMPLES.values()], ids=kind_of)
def test_messages_keep_their_schema(message: Message) -> None:
    SCHEMAS[kind_of(message)].validate(json.loads(encode(message)))


def test_what_the_simulated_machines_say_keeps_its_schema() -> None:
    for machine in machines(0, "r"):
        for due in islice(machine.messages(), 60):
            SCHEMAS[kind_of(due.message)].validate(json.loads(encode(due.message)))


NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, -1, 2, 1.0, 3.0, 0.5, 1e300])
TEXTS = st.sampled_from(["", "1", "online", "lpbf", "K", "a b", "x" * 65, "IN718", "frame", "temperature_k", "é"])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400)
@given(st.sampled_from(KINDS), st.data())
def test_schema_and_decode_agree(kind: str, data: st.DataObject) -> None:
    """A message with some fields changed or gone: what decode takes the schema allows, and what the schema allows
    decode refuses only for what no schema can say."""
    said: dict[str, Any] = json.loads(encode(EXAMPLES[kind]))
    names = [*SCHEMAS[kind].schema["properties"], "extra"]
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)):
        if data.draw(st.booleans()):
            said[name] = data.draw(JSON)
        else:
            said.pop(name, None)
    said["kind"] = kind  # without it our topic does not help a reader of the schema either
    result = decode(topic_of("s", "m", kind), json.dumps(said).encode())
    allowed = SCHEMAS[kind].is_valid(json.loads(json.dumps(said)))
    if isinstance(result, Rejected):
        assert not allowed or result.code in BEYOND_SCHEMAS, (result.code, result.reason)
    else:
        assert allowed, "decode takes what the schema forbids"


def test_the_document_is_that_of_the_types() -> None:
    assert FILE.read_text() == asyncapi_text(), "the types changed: run `python -m ingest.schemas`"


DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolved(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 20
    for reference in found:
        assert resolved(reference)


def test_every_kind_is_a_channel_that_the_twin_takes() -> None:
    for kind in KINDS:
        channel, operation = DOCUMENT["channels"][kind], DOCUMENT["operations"][f"take_{kind}"]
        assert parse_topic(channel["address"].format(site="s", machine="m")).kind == kind
        assert operation["action"] == "receive"
        assert operation["bindings"]["mqtt"] == {"qos": 1, "retain": kind in RETAINED, "bindingVersion": "0.2.0"}
    sent = [name for name, operation in DOCUMENT["operations"].items() if operation["action"] == "send"]
    assert sent == ["say_alert", "say_forecast", "take_sparkplug_rebirth"], "the twin says nothing else"
    assert DOCUMENT["operations"]["take_ack"]["action"] == "receive"


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_what_the_twin_and_people_say_has_a_schema_and_an_example(kind: str) -> None:
    schema = json.loads((FOLDER / f"{kind}.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert schema == schema_of(kind)
    channel = DOCUMENT["channels"][kind]
    assert names_of(channel["address"].format(site="s", machine="m"), [kind]).kind == kind
    (form,) = [resolved(reference["$ref"]) for reference in channel["messages"].values()]
    (example,) = form["examples"]
    Draft202012Validator(schema).validate(example["payload"])
    assert type(OTHERS[kind]).model_validate_json(json.dumps(example["payload"])) == OTHERS[kind]


@pytest.mark.parametrize("name", [name for name in DOCUMENT["channels"] if name.startswith("sparkplug")])
def test_sparkplug_channels_are_addresses_of_sparkplug(name: str) -> None:
    channel = DOCUMENT["channels"][name]
    for kind in channel["parameters"].get("kind", {"enum": ["NCMD"]})["enum"]:
        assert parse(channel["address"].format(group="g", kind=kind, node="n", device="d"))


@pytest.mark.parametrize("kind", KINDS)
def test_examples_of_the_document_are_read_in_every_form_that_it_names(kind: str) -> None:
    where = topic_of("s", "m", kind)
    for reference in DOCUMENT["channels"][kind]["messages"].values():
        form = resolved(reference["$ref"])
        if form["contentType"] == text.CONTENT_TYPE:
            assert form["payload"]["schema"] == schema_of(kind)
            (example,) = form["examples"]
            Draft202012Validator(form["payload"]["schema"]).validate(example["payload"])
            observation = decode(where, json.dumps(example["payload"]).encode(), form["contentType"])
        else:
            assert form["contentType"] == columns.CONTENT_TYPE
            observation = decode(where, columns.write(EXAMPLES[kind]), form["contentType"])
        assert isinstance(observation, Observation)
        assert observation.message == EXAMPLES[kind]
