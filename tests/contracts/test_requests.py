"""The laws that requests keep in every Store: one answerer at a time, no lease for ever, nobody waits in vain."""

import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tests.contracts import test_store
from twin.store.port import Store, StoreReadOnlyError
from twin.store.requests import GIVEN_UP, LATE, MOST_CLAIMS, WITHDRAWN, Request
from twin.store.sql.requests import Asker
from twin.store.sql.store import SqlStore

# the same stores, by the same fixtures
empty_file, new, store = test_store.empty_file, test_store.new, test_store.store

KINDS = ("attribution",)
ABOUT = {"machine": "m1", "frame": 3, "of": "depth"}


def asked(store: Store, at_s: float = 10.0, deadline_s: float = 100.0, kind: str = "attribution") -> int:
    return store.ask(kind, ABOUT, who="Ada", now_s=at_s, deadline_s=deadline_s)


def claimed(store: Store, now_s: float = 11.0, lease_s: float = 5.0) -> Request:
    found = store.claim(KINDS, now_s=now_s, lease_s=lease_s)
    assert found is not None
    return found


def now(store: Store, request: int) -> Request:
    found = store.request(request)
    assert found is not None
    return found


def test_what_is_asked_is_claimed_reported_and_answered(store: Store) -> None:
    number = asked(store)
    assert now(store, number).state == "waiting"
    request = claimed(store)
    assert (request.id, request.arguments, request.who, request.state) == (number, ABOUT, "Ada", "claimed")
    assert store.report(request, 0.4, now_s=12.0, lease_s=5.0)
    assert (now(store, number).progress, now(store, number).lease_until_s) == (0.4, 17.0)
    assert store.answer(request, {"sentence": "63 %"}, now_s=13.0)
    done = now(store, number)
    assert (done.state, done.answer, done.answered_s, done.progress) == ("done", {"sentence": "63 %"}, 13.0, 1.0)
    assert done.ended
    assert store.requests() == [done]
    assert store.requests(kind="map") == []
    assert store.request(number + 1) is None


def test_the_oldest_of_the_kinds_that_one_answers_comes_first(store: Store) -> None:
    asked(store, 9.0, kind="map")
    later, earlier = asked(store, 12.0), asked(store, 10.0)
    assert [claimed(store).id, claimed(store).id] == [earlier, later]
    assert store.claim(KINDS, now_s=11.0, lease_s=5.0) is None


def test_two_never_hold_one(store: Store) -> None:
    asked(store)
    claimed(store)
    assert store.claim(KINDS, now_s=15.9, lease_s=5.0) is None


def test_the_lease_of_one_who_crashed_runs_out(store: Store) -> None:
    number = asked(store)
    crashed = claimed(store, 11.0, 5.0)
    second = claimed(store, 16.0)
    assert (second.id, second.claims) == (number, 2)
    assert not store.report(crashed, 0.9, now_s=16.1, lease_s=5.0)
    assert not store.answer(crashed, {"old": True}, now_s=16.2)
    assert store.answer(second, {"new": True}, now_s=16.3)
    assert now(store, number).answer == {"new": True}
    assert not store.answer(second, {"again": True}, now_s=16.4), "an answer stands"


def test_who_reports_keeps_the_lease(store: Store) -> None:
    asked(store)
    request = claimed(store, 11.0, 5.0)
    assert store.report(request, 0.5, now_s=15.0, lease_s=5.0)
    assert store.claim(KINDS, now_s=19.0, lease_s=5.0) is None


def test_what_crashes_everyone_is_given_up(store: Store) -> None:
    number = asked(store, deadline_s=1000.0)
    for n in range(MOST_CLAIMS):
        claimed(store, 11.0 + 10 * n, 5.0)
    assert store.claim(KINDS, now_s=90.0, lease_s=5.0) is None
    assert (now(store, number).state, now(store, number).error) == ("failed", GIVEN_UP)


def test_nothing_waits_after_its_deadline(store: Store) -> None:
    waits, begun = asked(store, 9.0, 20.0), asked(store, 8.0, 20.0)
    held = claimed(store, 19.0, 5.0)
    assert held.id == begun
    assert store.drop_expired(20.0) == 1
    assert (now(store, waits).state, now(store, waits).error) == ("dropped", LATE)
    assert now(store, begun).state == "claimed", "who is at it may finish"
    assert store.claim(KINDS, now_s=24.0, lease_s=5.0) is None
    assert now(store, begun).state == "dropped"
    assert not store.answer(held, {}, now_s=24.5)
    with pytest.raises(ValueError, match="deadline"):
        asked(store, 30.0, 30.0)


def test_what_fails_says_why(store: Store) -> None:
    number = asked(store)
    assert store.answer(claimed(store), None, now_s=12.0, error="no such frame")
    assert (now(store, number).state, now(store, number).error) == ("failed", "no such frame")
    assert now(store, number).answer is None


def test_who_asked_may_take_it_back_until_someone_is_at_it(store: Store) -> None:
    first, second = asked(store, 9.0), asked(store, 10.0)
    claimed(store)
    assert not store.withdraw(first, 12.0)
    assert store.withdraw(second, 12.0)
    assert (now(store, second).state, now(store, second).error) == ("dropped", WITHDRAWN)
    assert store.claim(KINDS, now_s=13.0, lease_s=5.0) is None


def test_of_many_who_claim_at_once_each_gets_another(tmp_path: Path) -> None:
    """Two processes of the same store, as threads with engines of their own."""
    url = f"sqlite:///{tmp_path / 'many.db'}"
    first = SqlStore.create(url)
    numbers = [asked(first, 1.0 + n) for n in range(8)]
    found: list[int] = []
    together = Barrier(4)

    def claim() -> None:
        store = SqlStore.create(url)
        together.wait()
        for _ in range(2):
            found.append(claimed(store).id)
        store.close()

    threads = [Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first.close()
    assert sorted(found) == numbers


def test_a_page_asks_and_writes_nothing_else(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'page.db'}"
    store = SqlStore.create(url)
    page = Asker(url)
    number = page.ask("attribution", ABOUT, who="Ada", now_s=1.0, deadline_s=9.0)
    request = store.claim(KINDS, now_s=2.0, lease_s=5.0)
    assert request is not None
    store.answer(request, {"sentence": "so"}, now_s=3.0)
    seen = page.request(number)
    assert seen is not None
    assert seen.answer == {"sentence": "so"}
    assert not hasattr(page, "write")
    assert not hasattr(page, "claim")
    page.close()
    reader = SqlStore.open_reader(url)
    with pytest.raises(StoreReadOnlyError):
        reader.ask("attribution", ABOUT, who="Ada", now_s=1.0, deadline_s=9.0)
    reader.close()
    store.close()


def test_who_asks_needs_no_torch() -> None:
    code = (
        "import sys, twin.store.sql.requests, twin.attribution.because\n"
        "print('torch' in sys.modules, 'operators' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
