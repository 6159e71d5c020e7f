"""What tests may need from outside: system programs and public data. Absent, they skip with a line that says how to get
them; with CI=true in the environment an absent program fails instead.

`need("chromium")` gives the program's path and `shared_data("ded_pelican")` the folder's; both are fixtures too.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from tests.postgres import Server

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as deploy.cli: idle numeric threads must not spin

DATA = Path(__file__).parents[2] / "shared" / "data"
REMEDIES = {
    "chromium": "apt install chromium chromium-driver",
    "chromedriver": "apt install chromium chromium-driver",
    "mosquitto": "apt install mosquitto",
    "postgres": "apt install postgresql",
    "openssl": "apt install openssl",
    "systemd-analyze": "apt install systemd",
}
NOT_ON_THE_PATH = ("/usr/sbin", "/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))


def absent(line: str) -> NoReturn:
    """Skip here; fail where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(line)
    pytest.skip(line)


def need(program: str) -> str:
    """The path of a system program."""
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *NOT_ON_THE_PATH]))
    return path or absent(f"{program} is not installed: {REMEDIES[program]}")


def shared_data(name: str) -> Path:
    """A folder of the public data that is not committed."""
    if not (DATA / name).is_dir():
        pytest.skip(f"the public data {name} is not at {DATA}")
    return DATA / name


@pytest.fixture(name="need", scope="session")
def _need() -> Callable[[str], str]:
    return need


@pytest.fixture(name="shared_data", scope="session")
def _shared_data() -> Callable[[str], Path]:
    return shared_data


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Server]":
    """A PostgreSQL server of the tests' own (tests/postgres.py)."""
    from tests.postgres import server

    need("postgres")
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def empty_store(postgres: "Server") -> Callable[[], str]:
    """Gives the URL of an empty store of the newest schema in PostgreSQL, as often as it is called.

    There are three of them, emptied and lent again in turn: a database of its own for each of hundreds costs minutes.
    A test that changes the schema, or needs more than three at once, takes `postgres.database()`.
    """
    from tests.postgres import StoresInTurn

    return StoresInTurn(postgres)


@pytest.fixture(autouse=True)
def _settings_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run with the defaults, whatever the person who runs them has set."""
    for name in list(os.environ):
        if name.startswith("MELTWIN_"):
            monkeypatch.delenv(name)
