"""What people do about alerts from a page: it is in the store with name, time and note, or refused in words."""

import pytest

from tests.contracts import store_cases as case
from twin.alarms.acts import BadActError
from twin.clock import FakeClock
from twin.store.fake.store import FakeStore
from twin.store.port import AlertUnknownError, Step
from ui.desk import Desk
from ui.doing import RefusedError, Said
from ui.doings.alerts import MOST_MINUTES, acknowledge, shelve, unshelve

ABOUT: Said = {"machine": "m1", "build": "b1", "kind": "keyhole", "occurrence": 1, "note": "hatch checked"}


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    store.write(Step(alerts=[case.alert("keyhole", first_seen_s=90.0, last_seen_s=90.0)]))
    return store


@pytest.fixture
def desk(store: FakeStore) -> Desk:
    return Desk.over(store, FakeClock(100.0))


def test_an_acknowledgement_is_kept_with_name_time_and_note_and_the_first_stands(store: FakeStore, desk: Desk) -> None:
    assert acknowledge(desk, "Ada", ABOUT)["said"] == "Acknowledged by Ada."
    (row,) = store.alerts("m1").to_dict("records")
    assert (row["acknowledged_by"], row["acknowledged_s"], row["acknowledged_note"]) == ("Ada", 100.0, "hatch checked")
    assert "already" in acknowledge(desk, "Ben", ABOUT)["said"]
    assert store.alerts("m1")["acknowledged_by"].tolist() == ["Ada"]


def test_a_shelf_ends_after_its_minutes_or_before(store: FakeStore, desk: Desk) -> None:
    assert "Ada for 45 min" in shelve(desk, "Ada", ABOUT | {"minutes": 45})["said"]
    assert store.alerts("m1")["shelved_until_s"].tolist() == [100.0 + 45 * 60]
    assert "by Ben" in unshelve(desk, "Ben", ABOUT | {"note": ""})["said"]
    assert store.alert_acts("m1").act.tolist() == ["raised", "shelved", "unshelved"]


@pytest.mark.parametrize("minutes", [0, -5, MOST_MINUTES + 1, "30", None, float("inf")])
def test_nothing_is_silenced_for_good(store: FakeStore, desk: Desk, minutes: object) -> None:
    with pytest.raises(RefusedError, match="minutes must be a number from 1 to 720"):
        shelve(desk, "Ada", ABOUT | {"minutes": minutes})
    assert store.alert_acts("m1").act.tolist() == ["raised"]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"note": " "}, BadActError),
        ({"note": "a" * 501}, RefusedError),
        ({"kind": "never"}, AlertUnknownError),
        ({"machine": 7}, RefusedError),
        ({"occurrence": "1"}, RefusedError),
    ],
)
def test_what_says_too_little_or_is_about_nothing_changes_nothing(
    store: FakeStore, desk: Desk, more: Said, error: type[Exception]
) -> None:
    with pytest.raises(error):
        acknowledge(desk, "Ada", ABOUT | more)
    assert store.alert_acts("m1").act.tolist() == ["raised"]


def test_a_note_of_two_lines_is_one() -> None:
    store = FakeStore()
    store.write(Step(alerts=[case.alert("keyhole", first_seen_s=90.0, last_seen_s=90.0)]))
    acknowledge(Desk.over(store, FakeClock(100.0)), "Ada", ABOUT | {"note": "seen,\n and  stopped"})
    assert store.alerts("m1")["acknowledged_note"].tolist() == ["seen, and stopped"]
