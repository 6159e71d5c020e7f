"""The published JSON Schemas of the wire, one file a kind, and the AsyncAPI document, generated from the types.

`python -m ingest.schemas` writes them; a test fails when a file and its type disagree.
"""

import json
from pathlib import Path

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


def schema_of(kind: str) -> dict:
    """The JSON Schema of one kind of message."""
    schema = MESSAGES[kind].model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"meltwin/v{SCHEMA_VERSION}/{kind}",
        **schema,
    }


def text_of(kind: str) -> str:
    """The schema as it stands in the file."""
    return json.dumps(schema_of(kind), indent=2) + "\n"


def asyncapi_text() -> str:
    """The AsyncAPI document as it stands in `docs/asyncapi.json`."""
    from ingest.schemas.asyncapi import text_of as document

    return document(MESSAGES, schema_of)


def write(folder: Path = FOLDER) -> None:
    """Write all schemas, and the document that gathers them."""
    from ingest.schemas.asyncapi import FILE

    FILE.write_text(asyncapi_text())
    for kind in MESSAGES:
        (folder / f"{kind}.json").write_text(text_of(kind))
