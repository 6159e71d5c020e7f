"""The laws that approvals keep in every Store: nothing is lost, the newest row says what serves, two people never pass
each other unseen."""

from pathlib import Path
from threading import Barrier, Thread

import pytest

from tests.contracts import test_store
from twin.store.approvals import APPROVALS, BY_SETTINGS, ApprovalError
from twin.store.port import Store, StoreReadOnlyError
from twin.store.sql.store import SqlStore

# the same stores, by the same fixtures
empty_file, new, store = test_store.empty_file, test_store.new, test_store.store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store that is there and empty."""
    made = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("empty_store")()
    SqlStore.create(made).close()
    return str(made)


def promote(
    store: Store, card: str, at_s: float, machine: str = "m1", sha256: str = "aa", after: int | None = None
) -> str:
    return store.promote(machine, card, sha256=sha256, by="Ada", note="better at turns", now_s=at_s, after=after).act


def roll_back(store: Store, at_s: float, machine: str = "m1", after: int | None = None) -> str:
    return store.roll_back(machine, by="Bo", note="worse at turns", now_s=at_s, after=after).card


def test_at_first_the_settings_alone_say_what_serves(store: Store) -> None:
    assert store.approval("m1") is None
    found = store.approvals()
    assert found.empty
    assert list(found.columns) == list(APPROVALS)
    with pytest.raises(ApprovalError, match="nothing to roll back"):
        roll_back(store, 1.0)
    assert store.approvals().empty


def test_who_promoted_what_where_when_and_why_is_kept(store: Store) -> None:
    promote(store, "asno", 1.0)
    promote(store, "hfluxno", 2.0, machine="m2", sha256="bb")
    newest = store.approval("m1")
    assert newest is not None
    assert (newest.card, newest.sha256, newest.act, newest.by, newest.at_s) == ("asno", "aa", "promoted", "Ada", 1.0)
    assert newest.note == "better at turns"
    found = store.approvals()
    assert found["machine"].tolist() == ["m2", "m1"]
    assert found["at_s"].tolist() == [2.0, 1.0]
    assert store.approvals("m2")["card"].tolist() == ["hfluxno"]
    assert len(store.approvals(limit=1)) == 1
    assert store.approval("m3") is None


def test_rolling_back_goes_one_card_back_each_time_to_that_of_the_settings(store: Store) -> None:
    for at_s, card in enumerate(("a", "b", "c")):
        promote(store, card, float(at_s))
    assert [roll_back(store, 10.0 + n) for n in range(3)] == ["b", "a", BY_SETTINGS]
    with pytest.raises(ApprovalError, match="nothing to roll back"):
        roll_back(store, 20.0)
    assert store.approvals("m1")["act"].tolist() == ["rolled_back"] * 3 + ["promoted"] * 3


def test_what_was_rolled_back_is_not_what_a_later_roll_back_brings(store: Store) -> None:
    for at_s, card in enumerate(("a", "b")):
        promote(store, card, float(at_s))
    roll_back(store, 2.0)
    promote(store, "c", 3.0)
    assert roll_back(store, 4.0) == "a"


def test_to_promote_what_serves_already_is_to_approve_it_and_is_no_step_to_roll_back(store: Store) -> None:
    assert [promote(store, card, float(n)) for n, card in enumerate("abb")] == ["promoted", "promoted", "approved"]
    assert promote(store, "b", 4.0, sha256="other") == "promoted"
    assert roll_back(store, 5.0) == "b"
    assert roll_back(store, 6.0) == "a"


def test_machines_do_not_touch_each_other(store: Store) -> None:
    promote(store, "a", 1.0)
    promote(store, "b", 2.0, machine="m2")
    assert roll_back(store, 3.0, machine="m2") == BY_SETTINGS
    newest = store.approval("m1")
    assert newest is not None
    assert newest.card == "a"


def test_who_has_not_seen_the_newest_act_is_refused(store: Store) -> None:
    promote(store, "a", 1.0, after=0)
    seen = store.approval("m1")
    assert seen is not None
    promote(store, "b", 2.0, after=seen.number)
    with pytest.raises(ApprovalError, match="meanwhile Ada has changed what serves m1"):
        promote(store, "c", 3.0, after=seen.number)
    with pytest.raises(ApprovalError, match="meanwhile Ada has changed what serves m1"):
        roll_back(store, 3.0, after=seen.number)
    assert len(store.approvals()) == 2


@pytest.mark.parametrize(("by", "note"), [("", "why"), ("Ada", ""), ("Ada", " "), ("Ada", "x" * 501)])
def test_nothing_is_done_without_a_name_and_a_reason(store: Store, by: str, note: str) -> None:
    with pytest.raises(ApprovalError):
        store.promote("m1", "a", sha256="", by=by, note=note, now_s=1.0)
    assert store.approvals().empty


def test_of_many_who_act_at_once_one_is_heard(url: str) -> None:
    """Each has seen that nothing is promoted; only the first is right about it."""
    start, told = Barrier(4), list[str]()

    def act(name: str) -> None:
        desk = SqlStore.open_desk(url)
        start.wait(20)
        try:
            told.append(promote(desk, name, 1.0, after=0))
        except ApprovalError:
            told.append("refused")
        desk.close()

    threads = [Thread(target=act, args=(f"c{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == ["promoted", "refused", "refused", "refused"]


def test_a_reader_promotes_nothing(url: str) -> None:
    reader = SqlStore.open_reader(url)
    with pytest.raises(StoreReadOnlyError):
        promote(reader, "a", 1.0)
    reader.close()
