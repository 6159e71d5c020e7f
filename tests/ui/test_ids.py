"""Ids: all in one file, each on some page, given once on a page; what parts, scripts and styles name is there."""

import ast
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from tests.ui.shelved import MACHINE, shelve
from tests.ui.synthetic import LPBF_BAY, SyntheticStore, frame_step, opening_step
from twin.people import ROLES, FakePeople
from twin.store.fake.store import FakeStore
from ui import ids
from ui.access.who import LOCAL, Who, set_who
from ui.app import PAGES
from ui.figures import LIGHT
from ui.live import Page
from ui.models.asked import BOUNDS
from ui.pages.builds.remarks import COORDINATES
from ui.pages.shell import shell
from ui.replay.again import FACTORS

UI = Path(ids.__file__).parent
ASSETS = UI / "assets"
SOURCES = {path: ast.parse(path.read_text()) for path in sorted(UI.rglob("*.py")) if path != Path(ids.__file__)}
SCRIPT = "\n".join(path.read_text() for path in sorted(ASSETS.glob("*.js")))
ASKED = {
    "machine": {"machine": LPBF_BAY.name},
    "replay": {"machine": MACHINE, "build": "odd"},
    "builds": {"machine": MACHINE, "build": "odd"},
}
PERSONS = (LOCAL, *(Who("somebody", role, "password") for role in ROLES))

CONSTANTS = {name: value for name, value in vars(ids).items() if name.isupper()}
MAKERS: dict[Callable[[str], str], Sequence[str]] = {  # what makes ids by a pattern, and of what
    ids.again_factor: tuple(FACTORS),
    ids.note_coordinate: tuple(COORDINATES),
    ids.by: ("approve", "note"),
    ids.map_field: tuple(BOUNDS),
}
KNOWN = [*CONSTANTS.values(), *(make(name) for make, names in MAKERS.items() for name in names)]

NAMED = re.compile(
    r"""(?:byId|say|set|set_props|getElementById|value|put|idle|hook|metres)\(\s*["']([\w-]+)["']\s*[,)]"""
)
COMPARED = re.compile(r"""\.id\s*[!=]==\s*["']([\w-]+)["']""")
SELECTOR = re.compile(r"""(?:querySelector(?:All)?|closest|matches)\(\s*(["'])(.*?)\1""")
IN_SELECTOR = re.compile(r"#([A-Za-z][\w-]*)")
MADE = re.compile(r"""\bid: ["']([\w-]+)["']""")  # by a script itself, in a place that a page has for it
STYLED_ELSEWHERE = {"sign-in.css"}  # a page of plain HTML, with ids of its own


def ids_in(component: Any) -> Iterator[str]:
    """Every id in a tree of components, as they come."""
    if isinstance(component, list | tuple):
        for each in component:
            yield from ids_in(each)
    elif hasattr(component, "to_plotly_json"):
        props = component.to_plotly_json()["props"]
        if isinstance(props.get("id"), str):
            yield props["id"]
        for value in props.values():
            yield from ids_in(value)


def on(page: Page, person: Who = LOCAL) -> list[str]:
    def seen() -> list[str]:
        set_who(person)
        return list(ids_in(shell(page, PAGES)))

    return copy_context().run(seen)


def everywhere() -> set[str]:
    return {name for page in PAGES for person in PERSONS for name in on(page, person)}


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


@pytest.mark.parametrize("person", PERSONS, ids=lambda person: f"{person.role} {person.by}")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_id_is_given_once_on_a_page(page: Page, person: Who) -> None:
    again = {name: count for name, count in Counter(on(page, person)).items() if count > 1}
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
        drawn = [name for each in props.values() for name in ids_in(each.get("children"))]
        assert drawn == [], f"{part.name} draws ids anew"


def test_what_the_pages_have_is_what_the_file_has() -> None:
    assert everywhere() == set(KNOWN)


def test_no_two_ids_are_the_same() -> None:
    assert {name: count for name, count in Counter(KNOWN).items() if count > 1} == {}


def test_a_constant_is_called_as_its_value_is() -> None:
    assert [name for name, value in CONSTANTS.items() if name != value.upper().replace("-", "_")] == []


def test_every_pattern_is_told_of_what() -> None:
    made = {value for value in vars(ids).values() if callable(value)}
    assert made == set(MAKERS)
    assert all(make.__doc__ for make in MAKERS)


def outermost(value: ast.AST | None) -> Iterator[ast.Dict]:
    """The dicts that a returned value is put together of."""
    if isinstance(value, ast.Dict):
        yield value
    elif isinstance(value, ast.BinOp):
        yield from outermost(value.left)
        yield from outermost(value.right)
    elif isinstance(value, ast.IfExp):
        yield from outermost(value.body)
        yield from outermost(value.orelse)


def said_in_place(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Ids as text: of a component, of a label's control, and as a key of Props."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("id", "htmlFor"):
            if isinstance(node.value, ast.Constant | ast.JoinedStr):
                yield node.value.lineno, ast.unparse(node.value)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None and ast.unparse(node.returns) == "Props":
            for each in ast.walk(node):
                for found in outermost(each.value) if isinstance(each, ast.Return) else ():
                    yield from ((key.lineno, ast.unparse(key)) for key in found.keys if isinstance(key, ast.Constant))


def test_no_id_is_said_in_place() -> None:
    found = [
        f"{path.relative_to(UI)}:{line}: {what}" for path, tree in SOURCES.items() for line, what in said_in_place(tree)
    ]
    assert found == []


def test_every_id_of_the_file_is_used() -> None:
    used = {
        node.attr
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ids"
    }
    assert used == {*CONSTANTS, *(make.__name__ for make in MAKERS)}


def test_what_the_scripts_name_is_on_some_page() -> None:
    named = {*NAMED.findall(SCRIPT), *COMPARED.findall(SCRIPT)}
    named |= {name for _, selector in SELECTOR.findall(SCRIPT) for name in IN_SELECTOR.findall(selector)}
    assert len(named) > 80, "the scripts name ids in another way than they did"
    assert named - set(MADE.findall(SCRIPT)) - everywhere() == set()


def test_what_a_script_makes_no_page_has() -> None:
    assert set(MADE.findall(SCRIPT)) & set(KNOWN) == set()


def test_what_the_styles_name_is_on_some_page() -> None:
    styles = "\n".join(path.read_text() for path in sorted(ASSETS.glob("*.css")) if path.name not in STYLED_ELSEWHERE)
    selectors = re.sub(r"\{[^{}]*\}", " ", re.sub(r"/\*.*?\*/|url\(\".*?\"\)", " ", styles, flags=re.S))
    named = set(IN_SELECTOR.findall(selectors))
    assert named
    assert named - everywhere() == set()
