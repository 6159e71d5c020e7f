"""Ids: given once on a page; what the parts set is there; what the scripts name is on some page."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from tests.ui.shelved import MACHINE, shelve
from tests.ui.synthetic import LPBF_BAY, SyntheticStore, frame_step, opening_step
from twin.people import FakePeople
from twin.store.fake.store import FakeStore
from ui.access.who import LOCAL, set_who
from ui.app import PAGES
from ui.figures import LIGHT
from ui.live import Page
from ui.pages.shell import shell

ASSETS = Path(__file__).parents[2] / "ui" / "assets"
ASKED = {
    "machine": {"machine": LPBF_BAY.name},
    "replay": {"machine": MACHINE, "build": "odd"},
    "builds": {"machine": MACHINE, "build": "odd"},
}
NAMED = re.compile(r"""(?:byId|say|set|set_props|getElementById)\(\s*["']([\w-]+)["']\s*[,)]""")


def ids(component: Any) -> Iterator[str]:
    """Every id in a tree of components, as they come."""
    if isinstance(component, list | tuple):
        for each in component:
            yield from ids(each)
    elif hasattr(component, "to_plotly_json"):
        props = component.to_plotly_json()["props"]
        if isinstance(props.get("id"), str):
            yield props["id"]
        for value in props.values():
            yield from ids(value)


def on(page: Page) -> list[str]:
    def seen() -> list[str]:
        set_who(LOCAL)
        return list(ids(shell(page, PAGES)))

    return copy_context().run(seen)


@pytest.fixture(scope="module")
def store() -> FakeStore:
    """A machine at work, and a build that is done."""
    found, source = FakeStore(), SyntheticStore(now_s=time.time())
    shelve(found, "odd", number=0, odd=True)  # type: ignore[arg-type]
    found.write(opening_step(source, LPBF_BAY))
    for _ in range(4):
        source.advance(1, time.time())
        found.write(frame_step(source, LPBF_BAY, with_field=True))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_id_is_given_once_on_a_page(page: Page) -> None:
    again = {name: count for name, count in Counter(on(page)).items() if count > 1}
    assert again == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("about", [True, False], ids=["one", "all"])
def test_what_a_part_sets_is_on_its_page(page: Page, about: bool, store: FakeStore) -> None:
    source = FakePeople() if page.source == "people" else store
    view = page.read(source, ASKED.get(page.name, {}) if about else {}, page.empty, time.time()) or page.empty
    there = set(on(page))
    for part in page.parts:
        props = part.draw(view, LIGHT, "") if part.choice else part.draw(view, LIGHT)
        assert set(props) <= there, part.name


def test_what_the_scripts_name_is_on_some_page() -> None:
    there = {name for page in PAGES for name in on(page)}
    script = "\n".join(path.read_text() for path in sorted(ASSETS.glob("*.js")))
    drawn = "\n".join(path.read_text() for path in sorted((ASSETS.parent).rglob("*.py")))  # ids of what parts draw
    for name in set(NAMED.findall(script)):
        assert name in there or f'"{name}"' in drawn, name
