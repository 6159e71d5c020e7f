"""Every test of the store's runs on SQLite and on PostgreSQL, unless it says that it is of one alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from twin.store.sql.store import SqlStore


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/100% Düse.db"
    return str(request.getfixturevalue("empty_store")())


@pytest.fixture
def own_url(request: pytest.FixtureRequest, url: str) -> str:
    """The same for a test that changes the schema."""
    return url if url.startswith("sqlite") else str(request.getfixturevalue("postgres").database())


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore.create(url)
    yield store
    store.close()
