"""One broker for all tests that need one."""

from collections.abc import Iterator

import pytest

from ingest.broker import EmbeddedBroker
from tests.ingest.said import free_port


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(free_port()) as running:
        yield running
