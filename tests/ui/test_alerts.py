"""The list of alerts: what asks for a person first, in which state, by shape and words as well as colour."""

from contextvars import copy_context
from dataclasses import replace
from typing import Any

import pytest

from tests.ui.synthetic import SyntheticStore
from twin.alarms.kinds import STATUS
from ui import ids
from ui.access.who import Who, set_who
from ui.figures import LIGHT
from ui.pages import acting
from ui.pages.lists import alerts
from ui.snapshot import Snapshot, read_machines, read_slow
from ui.words import ALERT_KINDS, alert_name

BOTH = ["acknowledge", "shelve"]
MAY = [BOTH, BOTH, ["acknowledge"], ["shelve"], ["unshelve"], []]  # by the order of the list


def shown(now_s: float | None = None) -> tuple[list[Any], str]:
    store = SyntheticStore()
    row = read_machines(store)[1]
    snapshot = Snapshot(
        store.now_s, machines=(row,), machine=str(row["machine"]), slow=read_slow(store, row, None, store.now_s)
    )  # fmt: skip
    made = alerts(replace(snapshot, read_s=now_s or store.now_s), LIGHT)
    return made["alerts"]["children"][0].children, made["alert-count"]["title"]


def text(node: Any) -> str:
    if node is None or isinstance(node, str):
        return node or ""
    parts = node if isinstance(node, list | tuple) else [getattr(node, "children", "")]
    return " ".join(text(part) for part in parts)


def test_what_nobody_knows_stands_first_and_then_what_is_known_silent_or_over() -> None:
    items, count = shown()
    assert [item.className.split()[2] for item in items] == [
        "unacknowledged", "unacknowledged", "returned", "acknowledged", "shelved", "cleared"
    ]  # fmt: skip
    assert "keyhole" in text(items[0])
    assert count == "2 to acknowledge, 1 acknowledged, 1 advice, 1 shelved"


def test_each_says_its_state_severity_status_place_times_and_what_to_do() -> None:
    items, _ = shown()
    first = text(items[0])
    for words in (
        "not acknowledged", "act now", "out of specification", "lpbf-demo, layer 3, x 3.20, y 1.10 mm",
        "first 14 s ago, last 1 s ago", "Do:", "Lower the power",
    ):  # fmt: skip
        assert words in first, words
    assert "stands" in text(items[1]), "an advisory asks for no acknowledgement"
    assert "over, not acknowledged" in text(items[2])
    assert "Do:" not in text(items[2])


def test_who_knows_and_why_it_is_silent_is_said() -> None:
    items, _ = shown()
    known = text(items[3])
    assert "Ada Lovelace, 2 min ago: hatch spacing checked" in known
    assert "×4" in known, "times that it came in a flood"
    assert "Ben: silent for 25 min more: test bench" in text(items[4])


def test_a_shelf_that_is_over_speaks_on_the_page_by_itself() -> None:
    items, count = shown(SyntheticStore().now_s + 1501)
    assert [item.className.split()[2] for item in items].count("shelved") == 0
    assert count.startswith("3 to acknowledge")


def test_severity_is_told_by_shape_as_well_and_state_by_a_mark() -> None:
    items, _ = shown()
    shapes = {item.className.split()[1]: item.children[0].className.split()[1] for item in items}
    assert len(set(shapes.values())) == len(shapes) == 3
    marks = [item.children[1].children[0].children[1].children[0].className for item in items]
    assert marks[0] == "sign unacknowledged"
    assert len(set(marks)) == 5


def test_every_kind_has_words() -> None:
    assert set(STATUS) <= set(ALERT_KINDS)
    assert alert_name("silence_melt_pool_width_m") == "Sensor silent: melt pool width m"


def test_what_may_be_done_follows_from_the_state_and_each_button_knows_its_alert() -> None:
    items, _ = shown()
    for item, deeds in zip(items, MAY, strict=True):
        rows = [part for part in item.children[1].children if getattr(part, "className", "") == "acts"]
        about = [button.to_plotly_json()["props"] for row in rows for button in row.children]
        assert [each["data-deed"] for each in about] == deeds
        assert all(f"lpbf-demo/{each['data-kind']}/{each['data-occurrence']}" == item.key for each in about)
        assert all(each["data-machine"] == "lpbf-bay-2" for each in about)


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("operator", True), ("engineer", True)])
def test_who_only_looks_is_told_so_and_who_is_known_is_not_asked_for_a_name(role: str, may: bool) -> None:
    def looked() -> tuple[Any, bool, Any]:
        set_who(Who("eve", role, "password"))
        return acting.only_looks(), acting.allowed(), acting.dialog()

    note, allowed, dialog = copy_context().run(looked)
    assert allowed == may
    assert ("operator" in text(note)) != may
    fields = str(dialog)
    assert ids.ACT_BY not in fields
    assert "as eve" in fields
    assert ids.ACT_BY in str(acting.dialog()), "where nobody signs in the name is asked"
