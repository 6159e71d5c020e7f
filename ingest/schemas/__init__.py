"""The published JSON Schemas of the wire, one file a kind, and the AsyncAPI document, generated from the types.

`python -m ingest.schemas` writes them; a test fails when a file and its type disagree.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from twin.alarms.messages import AckMessage, AlertMessage, ForecastMessage
from twin.observation import SCHEMA_VERSION, Build, Frame, Layer, Message, Parameters, Plan, Signal, State

FOLDER = Path(__file__).parent
MESSAGES: dict[str, type[Message]] = {
    "state": State,
    "build": Build,
    "layer": Layer,
    "parameters": Parameters,
    "plan": Plan,
    "signal": Signal,
    "frame": Frame,
}
SAID: dict[str, type[BaseModel]] = {"alert": AlertMessage, "forecast": ForecastMessage}  # by the twin
BY_PEOPLE: dict[str, type[BaseModel]] = {"ack": AckMessage}
EVERY: dict[str, type[BaseModel]] = {**MESSAGES, **SAID, **BY_PEOPLE}


def schema_of(kind: str) -> dict:
    """The JSON Schema of one kind of message."""
    schema = EVERY[kind].model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))  # so that it may stand inside another document
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"meltwin/v{SCHEMA_VERSION}/{kind}",
        **schema,
    }


def _inlined(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(parts[node["$ref"].rpartition("/")[2]], parts)
    return {name: _inlined(each, parts) for name, each in node.items()}


def text_of(kind: str) -> str:
    """The schema as it stands in the file."""
    return json.dumps(schema_of(kind), indent=2) + "\n"


def asyncapi_text() -> str:
    """The AsyncAPI document as it stands in `docs/asyncapi.json`."""
    from ingest.schemas.asyncapi import text_of as document

    return document(MESSAGES, schema_of, SAID, BY_PEOPLE)


def write(folder: Path = FOLDER) -> None:
    """Write all schemas, and the document that gathers them."""
    from ingest.schemas.asyncapi import FILE

    FILE.write_text(asyncapi_text())
    for kind in EVERY:
        (folder / f"{kind}.json").write_text(text_of(kind))
