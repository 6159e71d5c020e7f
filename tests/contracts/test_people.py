"""The laws that every People keeps: who did what to whom is on record, and what ends a session ends it."""

import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from tests.contracts import store_cases as case
from twin.people import ACT_COLUMNS, FakePeople, People, PeopleError
from twin.store.port import StoreError, StoreMissingError, StoreVersionError
from twin.store.sql.people import SqlPeople
from twin.store.sql.store import SqlStore
from twin.store.tables import AccountActRow, AccountRow
from twin.store.upkeep.export import table
from twin.store.upkeep.schema import downgrade

CHANGES: dict[str, Callable[[People], None]] = {
    "password": lambda people: people.set_password("ada", "h2", by="eve", now_s=2.0),
    "disabled": lambda people: people.set_disabled("ada", True, by="eve", now_s=2.0),
    "role": lambda people: people.set_role("ada", "engineer", by="eve", now_s=2.0),
}


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def people(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[People]:
    opened: People
    if request.param == "fake":
        opened = FakePeople()
    else:
        url = f"sqlite:///{tmp_path}/people.db"
        url = url if request.param == "sqlite" else str(request.getfixturevalue("empty_store")())
        SqlStore.create(url).close()
        opened = SqlPeople.open(url)
    yield opened
    opened.close()


def acts(people: People, name: str | None = None) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in people.account_acts(name).itertuples(index=False)]


def test_nobody_at_first(people: People) -> None:
    assert people.accounts() == []
    assert people.sign_outs() == []
    found = people.account_acts()
    assert found.empty
    assert list(found.columns) == list(ACT_COLUMNS)
    assert found.dtypes["at_s"] == np.float64


def test_an_account_says_who_made_it_and_when(people: People) -> None:
    people.add_account("ada", "operator", "h1", by="eve", now_s=1.5)
    (ada,) = people.accounts()
    assert (ada.name, ada.role, ada.password_hash, ada.epoch, ada.disabled) == ("ada", "operator", "h1", 1, False)
    assert (ada.created_by, ada.created_s, ada.changed_by, ada.changed_s) == ("eve", 1.5, "eve", 1.5)
    assert acts(people) == [(1.5, "eve", "added", "ada", "operator")]
    assert "h1" not in repr(ada), "a hash in a log is one too many"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_says_who_and_when_and_keeps_what_was(people: People, change: str) -> None:
    people.add_account("ada", "operator", "h1", by="first", now_s=1.0)
    CHANGES[change](people)
    (ada,) = people.accounts()
    assert (ada.created_by, ada.created_s, ada.changed_by, ada.changed_s) == ("first", 1.0, "eve", 2.0)
    assert acts(people)[0][:4] == (2.0, "eve", change, "ada")
    assert len(acts(people)) == 2


@pytest.mark.parametrize(("change", "ends"), [("password", True), ("disabled", True), ("role", False)])
def test_a_changed_password_or_a_shut_account_ends_sessions(people: People, change: str, ends: bool) -> None:
    people.add_account("ada", "operator", "h1", by="first", now_s=1.0)
    CHANGES[change](people)
    assert (people.accounts()[0].epoch > 1) is ends


def test_who_is_let_in_again_does_not_find_the_old_sessions(people: People) -> None:
    people.add_account("ada", "operator", "h1", by="first", now_s=1.0)
    people.set_disabled("ada", True, by="eve", now_s=2.0)
    people.set_disabled("ada", False, by="eve", now_s=3.0)
    (ada,) = people.accounts()
    assert (ada.disabled, ada.epoch) == (False, 3)
    assert [act[2] for act in acts(people)] == ["enabled", "disabled", "added"]


def test_what_changes_nothing_leaves_no_trace(people: People) -> None:
    people.add_account("ada", "operator", "h1", by="first", now_s=1.0)
    before = people.accounts(), acts(people)
    people.set_role("ada", "operator", by="eve", now_s=2.0)
    people.set_disabled("ada", False, by="eve", now_s=2.0)
    assert (people.accounts(), acts(people)) == before


@pytest.mark.parametrize("name", ["", "Ada", "ada lovelace", "a" * 65, "-ada", "ada\n", "local", "ada'; drop", "äda"])
def test_a_name_that_cannot_be_is_refused(people: People, name: str) -> None:
    with pytest.raises(PeopleError, match="name"):
        people.add_account(name, "viewer", "h", by="eve", now_s=1.0)
    assert people.accounts() == []


def test_what_is_not_there_and_what_is_there_twice(people: People) -> None:
    people.add_account("ada", "viewer", "h", by="eve", now_s=1.0)
    before = people.accounts(), acts(people)
    with pytest.raises(PeopleError, match="ada already"):
        people.add_account("ada", "engineer", "h", by="eve", now_s=2.0)
    with pytest.raises(PeopleError, match="already"):
        people.add_account("bob", "engineer", "h", by="eve", now_s=2.0, first=True)
    with pytest.raises(PeopleError, match="king"):
        people.set_role("ada", "king", by="eve", now_s=2.0)
    for change in CHANGES.values():
        with pytest.raises(PeopleError, match="no account bob"):
            change(_Renamed(people))  # type: ignore[arg-type]
    assert (people.accounts(), acts(people)) == before


class _Renamed:
    """The same people, where whatever is done to ada is done to bob."""

    def __init__(self, people: People) -> None:
        self._people = people

    def __getattr__(self, verb: str) -> Any:
        return lambda name, *rest, **more: getattr(self._people, verb)("bob", *rest, **more)


def test_sign_outs_are_told_in_order_and_once(people: People) -> None:
    people.add_account("ada", "viewer", "h", by="eve", now_s=1.0)
    people.sign_in("ada", "s1", now_s=2.0)
    people.sign_out("ada", "s1", now_s=3.0)
    (first,) = people.sign_outs()
    assert (first.session, first.at_s) == ("s1", 3.0)
    people.sign_out("ada", "s2", now_s=4.0)
    assert [ended.session for ended in people.sign_outs()] == ["s1", "s2"]
    assert [ended.session for ended in people.sign_outs(first.number)] == ["s2"]
    assert [act[1:4] for act in acts(people, "ada")][:3] == [
        ("ada", f"signed {way}", "ada") for way in ("out", "out", "in")
    ]


def test_acts_are_newest_first_of_one_and_at_most_so_many(people: People) -> None:
    for number in count():
        people.add_account(f"p{number}", "viewer", "h", by="eve", now_s=float(number))
        if number == 5:
            break
    assert [act[3] for act in acts(people)] == ["p5", "p4", "p3", "p2", "p1", "p0"]
    assert people.account_acts(limit=2).name.tolist() == ["p5", "p4"]
    assert acts(people, "p3") == [(3.0, "eve", "added", "p3", "viewer")]


# what only a store in a file or server can get wrong


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/store.db"
    store = SqlStore.create(url)
    store.write(case.whole_step())
    store.close()
    return url


def test_two_first_starts_make_one_account(url: str) -> None:
    ready, done = threading.Barrier(4), []

    def start(number: int) -> None:
        people = SqlPeople.open(url)
        ready.wait()
        try:
            people.add_account(f"first{number}", "engineer", "h", by="first start", now_s=1.0, first=True)
            done.append(number)
        except PeopleError:
            pass
        people.close()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    people = SqlPeople.open(url)
    assert len(people.accounts()) == 1
    people.close()


def test_who_only_looks_never_holds_up_the_writer(url: str) -> None:
    people, writer = SqlPeople.open(url), SqlStore.create(url)
    with writer._engine.begin() as connection:  # `run` in the middle of a step
        assert people.accounts() == []
        assert people.sign_outs() == []
        connection.exec_driver_sql("SELECT 1")
    writer.close()
    people.close()


def test_the_reading_half_cannot_write(url: str) -> None:
    people = SqlPeople.open(url)
    with pytest.raises(DBAPIError, match="readonly"), people._reading.begin() as connection:
        connection.execute(insert(AccountActRow.__table__).values(id=1))
    people.close()


def test_nothing_of_a_machines_history_can_be_said_through_this_port() -> None:
    verbs = {name for name in dir(SqlPeople) if not name.startswith("_")}
    assert verbs == {name for name in dir(People) if not name.startswith("_")} | {"open"}
    source = Path(__file__).parents[2] / "twin" / "store" / "sql" / "people.py"
    assert {name for name in ("ROW", "ACT") if f"insert({name})" in source.read_text()} == {"ROW", "ACT"}
    assert "delete" not in source.read_text()
    assert "update(ACT" not in source.read_text(), "the record is append-only"
    assert (AccountRow.__tablename__, AccountActRow.__tablename__) == ("accounts", "account_acts")


def test_a_store_that_is_not_there_or_is_older_is_left_as_it_is(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        SqlPeople.open(f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    older = shutil.copy(tmp_path / "store.db", tmp_path / "older.db")
    downgrade(f"sqlite:///{older}", "0009_machine_calibration")
    with pytest.raises(StoreVersionError):
        SqlPeople.open(f"sqlite:///{older}")


def test_no_hash_leaves_the_store_with_an_export(url: str) -> None:
    people = SqlPeople.open(url)
    people.add_account("ada", "viewer", "scrypt$secret", by="eve", now_s=1.0)
    people.close()
    found = table(url, "accounts")
    assert found.name.tolist() == ["ada"]
    assert "secret" not in found.to_csv()
    with pytest.raises(StoreError, match="no table passwords"):
        table(url, "passwords")
