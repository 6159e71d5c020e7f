"""Models and People in Chromium, as each role: what a viewer, an operator and an engineer see, do, and are refused."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import need
from tests.contracts import store_cases as case
from tests.ui.access.laws import CHEAP, PASSWORD, access, people, until
from tests.ui.test_browser import FLAGS, PATIENCE_MS
from tests.ui.test_process_map import told
from twin.clock import SystemClock
from twin.store.port import Step, Store
from twin.store.sql.people import SqlPeople
from twin.store.sql.store import SqlStore
from ui.access import passwords
from ui.app import build_app
from ui.models.cards import read_cards

CARD = read_cards()[0]
TRY = """async (act) => {
    const answer = await fetch("/do/" + act, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ machine: "m1", card: "reference", note: "why", after: 0, name: "x", role: "viewer" }),
    });
    return [answer.status, await answer.text()];
}"""
WATCH_PEOPLE = """() => new Promise((done) => {
    const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/live");
    socket.onopen = () => socket.send(JSON.stringify({ page: "people", asked: {}, seen: {} }));
    socket.onmessage = () => done("rows");
    socket.onclose = (event) => done(event.code);
})"""
SHUT = "#crew td:nth-child(3):has-text('shut out')"
LINES = """() => Array.from(document.querySelectorAll('#process-map .js-plotly-plot'))
    .flatMap((graph) => (graph._fullData || []).map((trace) => trace.meta))"""


@pytest.fixture
def browser() -> Iterator[Any]:
    program = need("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    kept = SqlStore.create(f"sqlite:///{tmp_path}/m.db")
    said = [case.heard(case.state(sent_s=time.time())), case.heard(case.build())]
    kept.write(Step(said, forecasts=[case.forecast(1)], received_s=time.time()))
    yield kept
    kept.close()


@pytest.fixture
def address(running: Callable[[Any], str], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    url = f"sqlite:///{tmp_path}/m.db"
    return running(build_app(url, access=access(people(SqlPeople.open(url)), SystemClock())).server)


def come_in(browser: Any, address: str, name: str, path: str, password: str = PASSWORD) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(address + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav", timeout=PATIENCE_MS)
    return page


@pytest.mark.timeout(120)
def test_a_viewer_and_an_operator_look_and_are_refused_in_words(browser: Any, address: str, store: Store) -> None:
    for name, role in (("vera", "viewer"), ("otto", "operator")):
        page = come_in(browser, address, name, "/models")
        page.wait_for_selector("#serving tbody tr", timeout=PATIENCE_MS)
        assert f"needs the role engineer; you are {role}" in page.inner_text("#promote-not")
        assert not page.query_selector("#promote")
        assert "People" not in page.inner_text("nav")
        for act in ("promote", "roll_back", "add_account", "new_password", "set_role", "disable_account"):
            status, words = page.evaluate(TRY, act)
            assert (status, f"you are {role}" in words) == (403, True), act
        assert page.evaluate(WATCH_PEOPLE) == 1008
        page.goto(address + "/people")
        page.wait_for_selector(f"text=needs the role engineer; you are {role}", timeout=PATIENCE_MS)
        assert not page.query_selector("#crew")
    assert store.approvals().empty


@pytest.mark.timeout(120)
def test_an_operator_asks_for_the_map_and_a_viewer_sees_it(browser: Any, address: str, store: Store) -> None:
    page = come_in(browser, address, "vera", f"/models?card={CARD.name}")
    page.wait_for_selector("#card-limits li", timeout=PATIENCE_MS)
    page.wait_for_selector("#map-said:has-text('needs the role operator; you are viewer')", timeout=PATIENCE_MS)
    assert store.requests(kind="process_map") == []
    asking = come_in(browser, address, "otto", f"/models?card={CARD.name}")
    asking.wait_for_selector("#card-limits li", timeout=PATIENCE_MS)
    assert until(lambda: bool(store.requests(kind="process_map")), 20.0)
    request = store.claim(("process_map",), now_s=time.time(), lease_s=30.0)
    assert request is not None
    assert (request.who, request.arguments["material"]) == ("otto", "IN625")
    numbers = told()["cards"]["asno"]
    spans = {"beam_power_w": [40.0, 500.0], "scan_speed_m_per_s": [0.06, 3.7], "beam_diameter_m": [24e-6, 3e-3],
             "preheat_k": [250.0, 790.0]}  # fmt: skip
    made = told(cards={CARD.name: numbers | spans}, hatch_spacing_m=1e-4, layer_thickness_m=4e-5)
    store.answer(request, made, now_s=time.time())
    for each in (asking, page):
        each.wait_for_function(f"({LINES})().includes('{CARD.name}: trained')", timeout=PATIENCE_MS)
        each.wait_for_selector("#card-spans:has-text('40 to 500 W')", timeout=PATIENCE_MS)
    assert "builds" in asking.evaluate(LINES)
    assert len(store.requests(kind="process_map")) == 1
    asking.get_by_label("Spot").fill("70")
    asking.get_by_role("button", name="Draw").click()
    assert until(lambda: len(store.requests(kind="process_map")) == 2, 20.0)
    assert store.requests(kind="process_map")[0].arguments["beam_diameter_m"] == 7e-5
    assert "spot_um=70" in asking.url


@pytest.mark.timeout(120)
def test_an_engineer_promotes_sees_who_approved_and_rolls_back(browser: Any, address: str, store: Store) -> None:
    page = come_in(browser, address, "ella", "/models")
    page.wait_for_selector("#serving:has-text('card of the settings')", timeout=PATIENCE_MS)
    page.select_option("#promote-card", label=CARD.name)
    page.get_by_role("button", name="Promote from the next layer on").click()
    page.wait_for_selector("#promote-said:has-text('say why')", timeout=PATIENCE_MS)
    page.get_by_label("Why").fill("holds at turns")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#promote-said:has-text('{CARD.name} serves from the next layer on')", timeout=PATIENCE_MS)
    page.wait_for_selector("#serving tr:has-text('from the next layer on')", timeout=PATIENCE_MS)
    row = page.inner_text("#serving tbody tr")
    assert all(words in row for words in ("m1", CARD.name, "ella", "holds at turns"))
    approval = store.approval("m1")
    assert approval is not None
    assert (approval.card, approval.sha256, approval.by) == (CARD.name, CARD.sha256, "ella")
    page.get_by_label("Why").fill("worse at turns")
    page.get_by_role("button", name="Roll back").click()
    page.wait_for_selector("#promote-said:has-text('The card of the settings serves')", timeout=PATIENCE_MS)
    page.get_by_text("Acts, newest first").click()
    page.wait_for_selector("#approvals tr:has-text('rolled back to card of the settings')", timeout=PATIENCE_MS)
    assert store.approvals()["by"].tolist() == ["ella", "ella"]


@pytest.mark.timeout(120)
def test_an_engineer_adds_a_person_who_comes_in_and_is_shut_out(browser: Any, address: str) -> None:
    page = come_in(browser, address, "ella", "/people")
    page.wait_for_selector("#crew tr:has-text('otto')", timeout=PATIENCE_MS)
    page.get_by_label("Name").fill("Ada")
    page.select_option("#people-role", "operator")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Add, and show a password once").click()
    page.wait_for_selector("#people-password code", timeout=PATIENCE_MS)
    password = page.inner_text("#people-password code")
    page.wait_for_selector("#crew tr:has-text('ada')", timeout=PATIENCE_MS)
    guest = come_in(browser, address, "ada", "/models", password)
    assert "ada operator" in guest.inner_text(".person")
    shut = page.get_by_role("button", name="Shut out: ada")
    shut.click()
    assert "once more" in shut.inner_text().lower(), "what cannot be undone at once is asked for twice"
    assert page.query_selector(SHUT) is None
    assert "Press it again" in page.inner_text("#people-said")
    shut.click()
    page.wait_for_selector("#people-said:has-text('ada is shut out')", timeout=PATIENCE_MS)
    page.wait_for_selector(SHUT, timeout=PATIENCE_MS)
    guest.wait_for_url("**/sign-in**", timeout=PATIENCE_MS)
    page.wait_for_selector("#crew-acts tr:has-text('disabled')", timeout=PATIENCE_MS)
    assert password not in page.inner_text("#crew-acts")
    assert not page.is_visible("#people-password")
