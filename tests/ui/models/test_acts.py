"""What people do on Models and People, through the desk: what is refused, in which words, and what is kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import store_cases as case
from tests.ui.access.laws import CHEAP, people
from twin.clock import FakeClock
from twin.people import People, PeopleError
from twin.store.fake.store import FakeStore
from twin.store.port import Step
from twin.store.sql.people import SqlPeople
from twin.store.sql.store import SqlStore
from ui.access import passwords
from ui.access.who import LOCAL, Who, set_who
from ui.desk import Desk
from ui.doing import RefusedError
from ui.doings import models
from ui.doings import people as accounts
from ui.models.cards import Card, read_cards
from ui.models.gallery import Gallery, read_gallery

CARD = read_cards()[0]
PROMOTE = {"machine": "m1", "card": CARD.name, "sha256": CARD.sha256, "note": "why", "after": 0}
MAP = {"material": "IN625", "spot_um": 100, "preheat_k": 298.15, "hatch_um": 100, "layer_um": 40}


@pytest.fixture
def store() -> FakeStore:
    kept = FakeStore()
    kept.write(Step([case.heard(case.state()), case.heard(case.build())], forecasts=[case.forecast(1)]))
    return kept


@pytest.fixture
def desk(store: FakeStore) -> Desk:
    return Desk.over(store, FakeClock(50.0))


def seen(store: FakeStore, **asked: str) -> Gallery:
    return read_gallery(store, asked, Gallery(0.0), 60.0)


def test_a_card_is_promoted_seen_and_rolled_back(desk: Desk, store: FakeStore) -> None:
    assert models.promote(desk, "ella", PROMOTE)["said"] == f"{CARD.name} serves from the next layer on: m1."
    (serving,) = seen(store).serving
    assert serving.approval is not None
    assert (serving.approval.card, serving.approval.by, serving.approval.at_s) == (CARD.name, "ella", 50.0)
    assert (serving.waits, serving.back_to) == (True, "")
    done = models.roll_back(desk, "ella", {"machine": "m1", "note": "worse", "after": serving.after})
    assert done["said"].startswith("The card of the settings serves from the next layer on")
    (serving,) = seen(store).serving
    assert (serving.waits, serving.back_to) == (False, None)
    assert seen(store).approvals["act"].tolist() == ["rolled_back", "promoted"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"machine": "m9"}, "no machine 'm9'"),
        ({"card": "gone"}, "no card gone"),
        ({"sha256": "0" * 64}, "others than those that you saw"),
        ({"note": ""}, "say why"),
        ({"after": 3}, "meanwhile"),
        ({"after": "3"}, "must be a number"),
    ],
)
def test_what_cannot_be_promoted_is_refused_in_words(
    desk: Desk, store: FakeStore, wrong: dict[str, Any], words: str
) -> None:
    models.promote(desk, "otto", PROMOTE | {"card": "reference"})
    with pytest.raises(RefusedError, match=words):
        models.promote(desk, "ella", PROMOTE | {"after": 1} | wrong)
    assert len(store.approvals()) == 1


def test_weights_that_are_not_the_cards_are_not_promoted(
    desk: Desk, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Card(CARD.name, CARD.told, 1, "0" * 64)
    monkeypatch.setattr(models, "read_cards", lambda: (broken,))
    with pytest.raises(RefusedError, match="not those that its card describes"):
        models.promote(desk, "ella", PROMOTE)


def test_the_reference_serves_without_weights(desk: Desk, store: FakeStore) -> None:
    models.promote(desk, "ella", PROMOTE | {"card": "reference", "sha256": "what a page says"})
    approval = store.approval("m1")
    assert approval is not None
    assert (approval.card, approval.sha256) == ("reference", "")


def test_a_map_is_asked_for_once_and_seen_by_all(desk: Desk, store: FakeStore) -> None:
    number = models.ask_map(desk, "otto", MAP)["request"]
    assert models.ask_map(desk, "ella", MAP)["request"] == number
    asked = {"card": CARD.name} | {name: str(value) for name, value in MAP.items()}
    waiting = seen(store, **asked)
    assert waiting.map is not None
    assert waiting.pulse()["map"] == "waiting"
    request = store.claim(("process_map",), now_s=51.0, lease_s=9.0)
    assert request is not None
    assert request.who == "otto"
    store.answer(request, {"beam_power_w": []}, now_s=52.0)
    assert models.ask_map(desk, "ella", MAP)["request"] == number
    assert models.ask_map(desk, "ella", MAP | {"spot_um": 80})["request"] != number
    assert seen(store, **asked).pulse()["map"] == "done"
    assert seen(store).map is None, "no card is looked at"


def test_a_map_that_nobody_answered_is_asked_for_again(store: FakeStore) -> None:
    clock = FakeClock(50.0)
    desk = Desk.over(store, clock)
    first = models.ask_map(desk, "otto", MAP)["request"]
    clock.sleep_s(2 * models.ANSWER_WITHIN_S)
    store.drop_expired(clock.now_s())
    assert models.ask_map(desk, "otto", MAP)["request"] != first


def test_a_refusal_names_a_field_as_its_form_does(desk: Desk) -> None:
    with pytest.raises(RefusedError, match=r"Spot, µm \(D4σ\) must be a number from 5 to 5000"):
        models.ask_map(desk, "otto", MAP | {"spot_um": -5})


@pytest.mark.parametrize("wrong", [{"spot_um": 0}, {"preheat_k": None}, {"material": 7}])
def test_a_map_of_nothing_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        models.ask_map(desk, "otto", MAP | wrong)


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Desk, People]]:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    url = f"sqlite:///{tmp_path}/p.db"
    SqlStore.create(url).close()
    port, desk = people(SqlPeople.open(url)), Desk.over(url, FakeClock(50.0))
    set_who(Who("ella", "engineer", "password"))
    yield desk, port
    desk.close()


def one(port: People, name: str) -> Any:
    return next(account for account in port.accounts() if account.name == name)


def test_a_person_is_added_with_a_password_that_is_shown_once_and_kept_nowhere(crew: tuple[Desk, People]) -> None:
    desk, port = crew
    done = accounts.add(desk, "ella", {"name": "Ada", "role": "operator"})
    ada = one(port, "ada")
    assert (ada.role, ada.created_by, ada.created_s) == ("operator", "ella", 50.0)
    assert passwords.matches(done["password"], ada.password_hash)
    assert done["password"] not in ada.password_hash
    assert done["password"] not in port.account_acts().to_csv()
    assert accounts.add(desk, "ella", {"name": "pat", "role": "viewer", "proxy": True})["password"] == ""
    assert one(port, "pat").password_hash == ""
    with pytest.raises(PeopleError, match="already"):
        accounts.add(desk, "ella", {"name": "ada", "role": "viewer"})


def test_password_role_and_state_of_others_change_and_are_on_record(crew: tuple[Desk, People]) -> None:
    desk, port = crew
    before = one(port, "otto")
    done = accounts.new_password(desk, "ella", {"name": "otto"})
    assert passwords.matches(done["password"], one(port, "otto").password_hash)
    assert one(port, "otto").epoch > before.epoch, "sessions by the old one have ended"
    accounts.set_role(desk, "ella", {"name": "otto", "role": "engineer"})
    accounts.disable(desk, "ella", {"name": "otto"})
    assert (one(port, "otto").role, one(port, "otto").disabled) == ("engineer", True)
    accounts.enable(desk, "ella", {"name": "otto"})
    assert not one(port, "otto").disabled
    acts = port.account_acts("otto", limit=4)
    assert acts["act"].tolist() == ["enabled", "disabled", "role", "password"]
    assert set(acts["by"]) == {"ella"}


@pytest.mark.parametrize("act", [accounts.new_password, accounts.set_role, accounts.disable, accounts.enable])
def test_nobody_changes_their_own_account_so_that_an_engineer_is_left(crew: tuple[Desk, People], act: Any) -> None:
    desk, port = crew
    before = one(port, "ella")
    with pytest.raises(RefusedError, match="Not your own account"):
        act(desk, "ella", {"name": "ella", "role": "viewer"})
    assert one(port, "ella") == before


def test_where_nobody_signs_in_no_account_is_made(crew: tuple[Desk, People]) -> None:
    desk, port = crew
    set_who(LOCAL)
    with pytest.raises(RefusedError, match="ui_sign_in = required"):
        accounts.add(desk, "Ada", {"name": "ada", "role": "engineer"})
    assert "ada" not in {account.name for account in port.accounts()}


def test_every_act_needs_its_role() -> None:
    assert {doing.act for doing in accounts.DOINGS} == {"manage accounts"}
    assert {doing.name: doing.act for doing in models.DOINGS} == {
        "promote": "promote", "roll_back": "promote", "ask_map": "ask",
    }  # fmt: skip
