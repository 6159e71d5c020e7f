"""The published schemas are the types."""

import json

import pytest

from ingest.schemas import FOLDER, MESSAGES, text_of
from ingest.topics import KINDS


def test_every_kind_has_a_schema() -> None:
    assert set(MESSAGES) == set(KINDS)
    assert {path.stem for path in FOLDER.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_equals_the_type(kind: str) -> None:
    text = (FOLDER / f"{kind}.json").read_text()
    assert text == text_of(kind), "the types changed: run `python -m ingest.schemas`"
    assert json.loads(text)["properties"]["kind"]["const"] == kind
