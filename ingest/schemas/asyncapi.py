"""AsyncAPI 3.0: the wire as one document for other people's tools, made from the types and the topics.

`python -m ingest.schemas` writes it to `docs/asyncapi.json`; a test holds the file to it, and its examples to the
schemas and to `decode`.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ingest.codecs import columns, text
from ingest.codecs.fault import CODES
from ingest.decode import MAX_PAYLOAD_BYTES
from ingest.schemas.examples import examples, examples_of_others
from ingest.sparkplug.topics import READ, rebirth_topic
from ingest.topics import KINDS, PREFIX, RETAINED
from twin.observation import SCHEMA_VERSION, Message

Models = dict[str, type[BaseModel]]
FILE = Path(__file__).parents[2] / "docs" / "asyncapi.json"
_NAME = {"description": "1 to 64 of A-Z a-z 0-9 _ . -"}
_DRAFT = "application/schema+json;version=draft-2020-12"
_KINDS_OF_COLUMNS = frozenset(kind.model_fields["kind"].default for kind in columns.COLUMNS)


def document(messages: dict[str, type[Message]], schema_of: Any, said_by: Models, by_people: Models) -> dict[str, Any]:
    """The document: a channel for each kind, its message as JSON and, where there is one, as columns; and Sparkplug.
    `said_by`: what the twin says, `by_people`: what people say to it."""
    ours = {kind: _channel(kind, model) for kind, model in {**said_by, **by_people}.items()}
    channels = {kind: _channel(kind, messages[kind]) for kind in KINDS} | ours | _sparkplug_channels()
    said = examples()
    forms: dict[str, Any] = {}
    for kind in KINDS:
        forms[kind] = _text_message(kind, messages[kind], said[kind], schema_of(kind))
        if kind in _KINDS_OF_COLUMNS:
            forms[f"{kind}_columns"] = _columns_message(kind)
    others = examples_of_others()
    forms |= {k: _text_message(k, model, others[k], schema_of(k)) for k, model in {**said_by, **by_people}.items()}
    forms["sparkplug"] = {
        "title": "A Sparkplug B payload",
        "contentType": "application/octet-stream",
        "summary": "Protobuf, Sparkplug 3.0 section 6.4; docs/wire.md says what its metrics become.",
        "payload": {"type": "string", "format": "binary"},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Meltwin",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": "What a machine and people say to the twin over MQTT 5, QoS 1, and the twin to them. A "
            f"message that cannot be read is kept whole with one of the codes {', '.join(CODES)}; at most "
            f"{MAX_PAYLOAD_BYTES} bytes a message.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": text.CONTENT_TYPE,
        "servers": {
            "embedded": {
                "host": "127.0.0.1:18830",
                "protocol": "mqtt5",
                "description": "started by `meltwin run`; an external broker takes its place in production",
            }
        },
        "channels": channels,
        "operations": {_verb(name, said_by): _operation(name, channels[name], name in said_by) for name in channels},
        "components": {"messages": forms},
    }


def text_of(messages: dict[str, type[Message]], schema_of: Any, said_by: Models, by_people: Models) -> str:
    """The document as it stands in the file."""
    return json.dumps(document(messages, schema_of, said_by, by_people), indent=2) + "\n"


def _verb(name: str, said_by: Models) -> str:
    return f"{'say' if name in said_by else 'take'}_{name}"


def _channel(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    names = [kind, f"{kind}_columns"] if kind in _KINDS_OF_COLUMNS else [kind]
    retained = kind in RETAINED
    return {
        "address": f"{PREFIX}/{{site}}/{{machine}}/{kind}",
        "description": f"{_first_line(model)} {'Retained.' if retained else 'Not retained.'}",
        "parameters": {"site": _NAME, "machine": _NAME},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _sparkplug_channels() -> dict[str, Any]:
    group, node, device = ({"description": f"Sparkplug {name} id"} for name in ("group", "edge node", "device"))
    kinds = {"description": "kind of the message", "enum": sorted(kind for kind in READ if kind[0] == "N")}
    of_devices = {"description": "kind of the message", "enum": sorted(kind for kind in READ if kind[0] == "D")}
    message = {"sparkplug": {"$ref": "#/components/messages/sparkplug"}}
    return {
        "sparkplug_node": {
            "address": "spBv1.0/{group}/{kind}/{node}",
            "description": "Read with the setting sparkplug_group.",
            "parameters": {"group": group, "kind": kinds, "node": node},
            "messages": message,
        },
        "sparkplug_device": {
            "address": "spBv1.0/{group}/{kind}/{node}/{device}",
            "description": "Read with the setting sparkplug_group.",
            "parameters": {"group": group, "kind": of_devices, "node": node, "device": device},
            "messages": message,
        },
        "sparkplug_rebirth": {
            "address": rebirth_topic("{group}", "{node}"),
            "description": "The one command that the twin can say, and only with the setting sparkplug_rebirth: "
            "Node Control/Rebirth. QoS 0.",
            "parameters": {"group": group, "node": node},
            "messages": message,
        },
    }


def _operation(name: str, channel: dict[str, Any], said: bool) -> dict[str, Any]:
    ours = not name.startswith("sparkplug")
    return {
        "action": "send" if said or name == "sparkplug_rebirth" else "receive",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{each}"} for each in channel["messages"]],
        "bindings": {"mqtt": {"qos": int(ours), "retain": name in RETAINED, "bindingVersion": "0.2.0"}},
    }


def _text_message(kind: str, model: type[BaseModel], example: BaseModel, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": f"{kind} as JSON",
        "contentType": text.CONTENT_TYPE,
        "summary": _first_line(model),
        "payload": {"schemaFormat": _DRAFT, "schema": schema},
        "examples": [{"name": kind, "payload": json.loads(example.model_dump_json())}],
    }


def _columns_message(kind: str) -> dict[str, Any]:
    return {
        "title": f"{kind} as columns",
        "contentType": columns.CONTENT_TYPE,
        "summary": "The same message in little-endian arrays; docs/wire.md says the layout.",
        "payload": {"type": "string", "format": "binary"},
    }


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]
