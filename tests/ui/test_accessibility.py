"""Every page, dark and light, through axe-core: no serious and no critical violation (WCAG 2.2 AA and best practice).

axe-core's script comes from the package axe-playwright-python and is run in the page as it is served.
"""

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import need
from tests.ui.access.laws import CHEAP, PASSWORD, access, people
from tests.ui.shelved import MACHINE, ODD_LAYER, shelve
from tests.ui.synthetic import LPBF_BAY, SyntheticStore, frame_step, opening_step
from tests.ui.test_browser import FLAGS, PATIENCE_MS
from twin.clock import SystemClock
from twin.store.sql.people import SqlPeople
from twin.store.sql.store import SqlStore
from ui.access import passwords
from ui.app import PAGES, build_app
from ui.models.cards import read_cards

PACKAGE = find_spec("axe_playwright_python")
BAD = ("serious", "critical")
SCHEMES = ("dark", "light")
PLACES = {page.path: page.path for page in PAGES} | {
    "/machine": f"/machine?machine={LPBF_BAY.name}",
    "alerts": f"/machine?machine={MACHINE}",
    "one card": f"/models?card={read_cards()[0].name}",
    "one build": f"/builds?machine={MACHINE}&build=odd&layer={ODD_LAYER}",
    "one replay": f"/replay?machine={MACHINE}&build=odd&layer={ODD_LAYER}",
}
RUN = """async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    const told = (node) => node.html.slice(0, 160) + " | " + (node.any[0] || node.all[0] || {}).message;
    return found.violations.map((each) => ({
        id: each.id, impact: each.impact, help: each.help, where: each.nodes.slice(0, 4).map(told),
    }));
}"""

pytestmark = pytest.mark.skipif(PACKAGE is None, reason="axe-core is not here: pip install axe-playwright-python")


@pytest.fixture(scope="module")
def axe() -> str:
    assert PACKAGE is not None
    assert PACKAGE.origin is not None
    return (Path(PACKAGE.origin).parent / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = need("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with something of everything: a machine at work, builds that are done, one not like the others."""
    url, source = f"sqlite:///{tmp_path_factory.mktemp('axe') / 'all.db'}", SyntheticStore(now_s=time.time())
    store = SqlStore.create(url)
    for number, name in enumerate(("one", "two", "odd")):
        shelve(store, name, number=number, odd=name == "odd")
    store.mark_build(MACHINE, "one", good=True, by="Ada", note="CT clean", now_s=source.now_s)
    store.write(opening_step(source, LPBF_BAY))
    for _ in range(20):
        source.advance(1, time.time())
        store.write(frame_step(source, LPBF_BAY, with_field=True))
    store.close()
    return url


def violations(page: Any, axe: str) -> list[dict[str, Any]]:
    page.evaluate(axe)
    return [each for each in page.evaluate(RUN) if each["impact"] in BAD]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_no_page_has_a_serious_violation(
    browser: Any, serve: Callable[..., str], axe: str, url: str, place: str
) -> None:
    address = serve(url, stale_after_s=600.0)
    found = {}
    for scheme in SCHEMES:
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
        page.goto(address + place)
        page.wait_for_function("document.documentElement.dataset.waiting === 'no'", timeout=PATIENCE_MS)
        page.wait_for_timeout(1200)  # every part has been drawn once
        found[scheme] = violations(page, axe)
        page.close()
    assert found == {scheme: [] for scheme in SCHEMES}


@pytest.mark.timeout(60)
def test_a_page_that_waits_or_has_lost_its_server_has_none(
    browser: Any, serve: Callable[..., str], axe: str, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(serve(f"sqlite:///{tmp_path / 'none.db'}"))
    page.wait_for_selector("text=Waiting for a machine", timeout=PATIENCE_MS)
    assert violations(page, axe) == []
    page.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_sign_in_page_has_none(
    browser: Any, running: Callable[[Any], str], axe: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    store = SyntheticStore(now_s=time.time())
    address = running(build_app(store, access=access(people(), SystemClock())).server)
    page = browser.new_page(color_scheme=scheme)
    page.goto(address)
    page.fill("#name", "ada")
    page.fill("#password", "not the password")
    page.click("button")
    page.wait_for_selector("#error", timeout=PATIENCE_MS)
    assert violations(page, axe) == []
    page.close()


@pytest.mark.timeout(120)
def test_the_accounts_have_none(
    browser: Any, running: Callable[[Any], str], axe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    url = f"sqlite:///{tmp_path}/a.db"
    SqlStore.create(url).close()
    port = people(SqlPeople.open(url))
    port.set_disabled("vera", True, by="ella", now_s=2.0)
    address = running(build_app(url, access=access(port, SystemClock())).server)
    for scheme in SCHEMES:
        page = browser.new_context(color_scheme=scheme).new_page()
        page.goto(address + "/people")
        page.fill("#name", "ella")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#crew tr:has-text('vera')", timeout=PATIENCE_MS)
        assert violations(page, axe) == [], scheme
        page.close()
