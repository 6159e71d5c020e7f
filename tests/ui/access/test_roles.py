"""Laws of roles, and of who one is while something runs on one's behalf."""

import threading
from pathlib import Path
from typing import Any, get_args

import pytest

from twin.people import ROLES
from ui.access.roles import LEAST, Act, may
from ui.access.who import LOCAL, NotAllowedError, Who, need, set_who, who

HOUR_S = 3600.0
ROOT = Path(__file__).parents[3]


def test_the_table_of_roles_is_complete_and_every_role_may_what_the_one_before_it_may() -> None:
    assert set(LEAST) == set(get_args(Act))
    for act in LEAST:
        allowed = [may(role, act) for role in ROLES]
        assert allowed == sorted(allowed), act
        assert allowed[-1], "an engineer may everything"
        assert not may("king", act)
        assert not may("", act)


def test_a_viewer_reads_an_operator_acts_on_alerts_an_engineer_answers_for_what_serves() -> None:
    reads = {act for act in LEAST if may("viewer", act)}
    operates = {act for act in LEAST if may("operator", act)} - reads
    assert reads == {"read"}
    assert operates == {"acknowledge", "shelve", "note", "ask"}
    assert {act for act in LEAST if may("engineer", act)} - reads - operates == {
        "approve",
        "promote",
        "manage accounts",
    }
    with pytest.raises(KeyError):
        may("engineer", "fire the laser")  # type: ignore[arg-type]


def test_who_is_needed_must_be_somebody_who_may() -> None:
    def asks(act: Any) -> Who:
        return need(act)

    def alone() -> None:
        assert who() is None
        with pytest.raises(NotAllowedError, match="not signed in"):
            asks("read")
        set_who(Who("vera", "viewer", "password"))
        assert asks("read").name == "vera"
        with pytest.raises(NotAllowedError, match="To acknowledge needs the role operator; you are viewer"):
            asks("acknowledge")
        set_who(LOCAL)
        assert asks("approve") == LOCAL

    thread = threading.Thread(target=alone)
    thread.start()
    thread.join()
    assert who() is None, "nobody is somebody in another's thread"
