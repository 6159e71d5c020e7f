"""The laws of what is promoted: a layer ends with the operator that it began with, and a card that cannot serve is
passed over in words."""

from dataclasses import replace

import pytest

from operators.operator import FakeOperator
from tests.twin.test_twin import ENVELOPE, build, window
from twin.alarms.kinds import REFUSED
from twin.forecast import Alert, Forecast
from twin.promoted import LOOK_S, CardRefusedError, Promoted
from twin.store.approvals import Approval, ApprovalAct
from twin.store.fake.store import FakeStore
from twin.store.port import StoreUnavailableError
from twin.twin import Twin

MACHINE = "m"


def operator(name: str, sha256: str = "") -> FakeOperator:
    made = FakeOperator(name, ENVELOPE)
    made.card |= {"sha256": sha256 or f"of {name}"}
    return made


class Shelf:
    """Cards that can be loaded, and how often they were."""

    def __init__(self, *names: str) -> None:
        self.here = {name: operator(name) for name in names}
        self.loaded: list[str] = []

    def load(self, name: str) -> FakeOperator:
        self.loaded.append(name)
        if name not in self.here:
            raise CardRefusedError(f"there is no card {name} here")
        return self.here[name]


def approved(number: int, card: str, at_s: float, sha256: str = "", act: ApprovalAct = "promoted") -> Approval:
    return Approval(number, MACHINE, card, sha256 or f"of {card}", act, "Ada", at_s, "why")


def begun(promoted: Promoted, at_s: float, layer: int = 1, build: str = "b") -> str:
    found = promoted.begin(MACHINE, build, layer, at_s, at_s)
    return "" if found is None else str(found.card["name"])


def looked(*history: Approval, shelf: Shelf | None = None) -> Promoted:
    promoted = Promoted(lambda: history, (shelf or Shelf("a", "b")).load)
    promoted.look(1000.0)
    return promoted


def test_nobody_has_promoted_anything() -> None:
    assert begun(looked(), 5.0) == ""
    assert Promoted().begin(MACHINE, "b", 1, 1.0, 1.0) is None


def test_a_layer_begins_with_what_was_approved_when_it_began() -> None:
    promoted = looked(
        approved(1, "a", 10.0), approved(2, "b", 20.0), approved(3, "a", 30.0, act="rolled_back"),
        approved(4, "", 40.0, sha256=" ", act="rolled_back"),
    )  # fmt: skip
    assert [begun(promoted, at_s) for at_s in (9.0, 10.0, 25.0, 35.0, 45.0)] == ["", "a", "b", "a", ""]
    assert promoted.alerts() == []


def test_other_machines_are_left_alone() -> None:
    assert looked(approved(1, "a", 10.0)).begin("another", "b", 1, 50.0, 50.0) is None


@pytest.mark.parametrize(
    ("card", "sha256", "why"), [("gone", "", "there is no card gone here"), ("b", "other", "not those that were app")]
)
def test_a_card_that_cannot_serve_is_passed_over_and_an_alert_says_so(card: str, sha256: str, why: str) -> None:
    history = [approved(1, "a", 10.0), approved(2, card, 20.0, sha256)]
    promoted = Promoted(lambda: history, Shelf("a", "b").load)
    promoted.look(100.0)
    assert begun(promoted, 100.0) == "a"
    (alert,) = promoted.alerts()
    assert (alert.kind, alert.machine, alert.layer, alert.raised) == (REFUSED, MACHINE, 1, True)
    assert why in alert.evidence
    assert alert.evidence.endswith("a serves")
    assert begun(promoted, 101.0, layer=2) == "a"
    (again,) = promoted.alerts()
    assert (again.first_seen_s, again.last_seen_s, again.layer) == (100.0, 101.0, 1)
    history.append(approved(3, "a", 102.0, act="rolled_back"))
    promoted.look(103.0)
    assert begun(promoted, 103.0, layer=3) == "a"
    (over,) = promoted.alerts()
    assert over.cleared_s == 103.0


def test_without_one_that_can_serve_the_settings_say_who_does() -> None:
    promoted = looked(approved(1, "gone", 10.0))
    assert begun(promoted, 20.0) == ""
    assert "the card of the settings serves" in promoted.alerts()[0].evidence


def test_a_new_build_closes_the_alert_of_the_old_one_and_one_that_was_left_open_is_taken_up() -> None:
    promoted = looked(approved(1, "gone", 10.0))
    left = Alert(MACHINE, "old", REFUSED, "medium", 3, None, None, 1.0, 2.0, "e", "a")
    promoted.take_up([left])
    begun(promoted, 20.0, build="new")
    over, raised = promoted.alerts()
    assert over == replace(left, cleared_s=20.0)
    assert (raised.build, raised.raised) == ("new", True)


def test_looking_loads_before_a_layer_needs_it_once_and_keeps_the_card() -> None:
    shelf, kept, reads = Shelf("a"), [], []

    def read() -> list[Approval]:
        reads.append(1)
        return [approved(1, "a", 10.0)]

    promoted = Promoted(read, shelf.load, kept.extend)
    for now_s in (20.0, 20.0 + 0.5 * LOOK_S, 20.0 + LOOK_S):
        promoted.look(now_s)
    begun(promoted, 30.0)
    assert (shelf.loaded, [card["name"] for card in kept], len(reads)) == (["a"], ["a"], 2)


def test_a_store_that_is_away_changes_nothing() -> None:
    history = [approved(1, "a", 10.0)]

    def read() -> list[Approval]:
        if not history:
            raise StoreUnavailableError("away")
        return history

    promoted = Promoted(read, Shelf("a").load)
    promoted.look(20.0)
    history.clear()
    with pytest.raises(StoreUnavailableError):
        promoted.look(30.0)
    assert begun(promoted, 30.0) == "a"


def test_a_card_that_was_not_there_is_looked_for_again_when_it_is_promoted_again() -> None:
    shelf, history = Shelf(), [approved(1, "a", 10.0)]
    promoted = Promoted(lambda: list(history), shelf.load)
    promoted.look(20.0)
    shelf.here["a"] = operator("a")
    history.append(approved(2, "a", 30.0, act="approved"))
    promoted.look(40.0)
    assert begun(promoted, 50.0) == "a"


def names(twin: Twin, *windows: tuple[int, int, float], now_s: float = 100.0) -> list[str]:
    """Who forecasts windows of (layer, frame, when it was sent), in this order."""
    told = [window(frame, layer=layer, sent_s=sent_s) for layer, frame, sent_s in windows]
    found: list[Forecast] = twin.advance(told, lambda *_: build(), now_s)[0]
    return [forecast.operator for forecast in sorted(found, key=lambda each: (each.layer, each.frame))]


def test_the_twin_takes_a_promotion_up_at_the_next_layer_and_never_within_one() -> None:
    store, shelf = FakeStore(), Shelf("a", "b")

    def read() -> list[Approval]:
        rows = store.approvals().iloc[::-1]
        return [Approval(**row) for row in rows.to_dict("records")]  # type: ignore[misc]

    promoted = Promoted(read, shelf.load)
    twin = Twin(operator("of the settings"), promoted=promoted)
    assert names(twin, (1, 0, 1.0)) == ["of the settings"]
    store.promote(MACHINE, "a", sha256="of a", by="Ada", note="why", now_s=1.5)
    promoted.look(2.0)
    assert names(twin, (1, 1, 2.5)) == ["of the settings"]
    assert names(twin, (1, 2, 3.0), (2, 0, 3.1), (2, 1, 3.2)) == ["of the settings", "a", "a"]
    assert "m/b/1" in shelf.here["a"].forgotten
    store.promote(MACHINE, "b", sha256="of b", by="Ada", note="why", now_s=4.0)
    store.roll_back(MACHINE, by="Ada", note="why", now_s=4.5)
    store.roll_back(MACHINE, by="Ada", note="why", now_s=5.0)
    promoted.look(6.0)
    assert names(twin, (2, 2, 6.0), (3, 0, 6.1)) == ["a", "of the settings"]
    again = Twin(operator("of the settings"), promoted=promoted)  # a restart, which sends layer 2 once more
    assert names(again, (2, 0, 3.1), (2, 1, 3.2), (2, 2, 6.0)) == ["a", "a", "a"]


def test_a_second_opinion_stays_the_one_that_was_asked() -> None:
    twin = Twin(operator("second"), opinion="second", promoted=looked(approved(1, "a", 1.0)))
    assert names(twin, (1, 0, 5.0)) == ["second"]


def test_looking_back_raises_nothing() -> None:
    promoted = looked(approved(1, "gone", 1.0))
    twin = Twin(operator("of the settings"), promoted=promoted)
    twin.retrace([window(0, sent_s=5.0)], lambda *_: build())
    assert promoted.alerts() == []
