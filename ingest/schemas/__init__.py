"""The published JSON Schemas of the wire, one file a kind, generated from the types.

`python -m ingest.schemas` writes them; a test fails when a file and its type disagree.
"""

import json
from pathlib import Path

from twin.observation import SCHEMA_VERSION, Build, Layer, Message, Parameters, Plan, Signal, State

FOLDER = Path(__file__).parent
MESSAGES: dict[str, type[Message]] = {
    "state": State,
    "build": Build,
    "layer": Layer,
    "parameters": Parameters,
    "plan": Plan,
    "signal": Signal,
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


def write(folder: Path = FOLDER) -> None:
    """Write all schemas."""
    for kind in MESSAGES:
        (folder / f"{kind}.json").write_text(text_of(kind))
