"""Signing in with Chromium, as each role: in, refused where due, out; and out by itself when the account is shut."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import need as program
from tests.ui.access.laws import CHEAP, PASSWORD, PEOPLE, access, people
from tests.ui.synthetic import LPBF_BAY, SyntheticStore
from tests.ui.test_browser import FLAGS, PATIENCE_MS
from twin.people import People
from ui.access import passwords
from ui.access.who import need
from ui.app import build_app

ACTS = ("acknowledge", "approve")
TRY = """async (path) => (await fetch(path, { method: "POST" })).status"""


@pytest.fixture
def browser() -> Iterator[Any]:
    chromium = program("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> People:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    return people()


@pytest.fixture
def address(running: Callable[[Any], str], port: People) -> str:
    built = build_app(SyntheticStore(now_s=time.time()), access=access(port))
    for act in ACTS:

        async def endpoint(act: Any = act) -> str:
            return need(act).name

        built.server.post(f"/try/{act}")(endpoint)
    return running(built.server)


def sign_in(page: Any, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


@pytest.mark.timeout(240)
def test_each_role_comes_in_does_what_it_may_and_goes(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for name, role in PEOPLE.items():
        page.goto(f"{address}/machine?machine={LPBF_BAY.name}")
        assert page.evaluate("document.activeElement.id") == "name", "one can type at once"
        sign_in(page, name, "wrong horse battery")
        page.wait_for_selector("[role=alert]:has-text('Name or password is wrong.')", timeout=PATIENCE_MS)
        assert page.evaluate("document.activeElement.id") == "password"
        assert page.get_by_label("Password").input_value() == ""
        sign_in(page, name)
        page.wait_for_selector(f".person:has-text('{name} {role}')", timeout=PATIENCE_MS)
        assert page.url == f"{address}/machine?machine={LPBF_BAY.name}"
        page.wait_for_function("document.documentElement.dataset.fresh === 'fresh' || "
                               "document.documentElement.dataset.fresh === 'stale'", timeout=PATIENCE_MS)  # fmt: skip
        statuses = [page.evaluate(TRY, f"/try/{act}") for act in ACTS]
        assert statuses == [200 if role != "viewer" else 403, 200 if role == "engineer" else 403]
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{address}/sign-in*", timeout=PATIENCE_MS)
        left = [page.request.post(f"{address}/try/{act}", headers={"Origin": address}) for act in ACTS]
        assert [answer.status for answer in left] == [401, 401]
        page.go_back()
        page.wait_for_selector("text=Sign in", timeout=PATIENCE_MS)
        assert not page.is_visible("#timeline"), "nothing is left for whoever sits down next"
    assert complaints == []


@pytest.mark.timeout(120)
def test_a_page_that_is_open_asks_again_when_its_person_is_shut_out(browser: Any, address: str, port: People) -> None:
    page = browser.new_page()
    page.goto(address)
    sign_in(page, "otto")
    page.wait_for_selector(".person", timeout=PATIENCE_MS)
    page.wait_for_function("document.documentElement.dataset.link === 'ok'", timeout=PATIENCE_MS)
    port.set_disabled("otto", True, by="test", now_s=2.0)
    page.wait_for_url(f"{address}/sign-in*", timeout=PATIENCE_MS)
    sign_in(page, "otto")
    page.wait_for_selector("[role=alert]", timeout=PATIENCE_MS)


@pytest.mark.timeout(120)
def test_a_link_from_elsewhere_finds_who_is_signed_in(browser: Any, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    sign_in(page, "otto")
    page.wait_for_selector(".person", timeout=PATIENCE_MS)
    mail = context.new_page()
    mail.goto(address.replace("127.0.0.1", "localhost") + "/sign-in")  # another site to a browser
    mail.evaluate("(to) => { location.href = to; }", f"{address}/machine?machine={LPBF_BAY.name}")
    mail.wait_for_selector(".person:has-text('otto')", timeout=PATIENCE_MS)
    assert mail.url == f"{address}/machine?machine={LPBF_BAY.name}"
    stranger = browser.new_context().new_page()
    stranger.goto(address.replace("127.0.0.1", "localhost") + "/sign-in")
    stranger.evaluate("(to) => { location.href = to; }", f"{address}/machine?machine={LPBF_BAY.name}")
    stranger.wait_for_url(f"{address}/sign-in?to=*", timeout=PATIENCE_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_is_readable_in_both_schemes_and_on_a_phone(browser: Any, address: str, scheme: Any) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 640}, color_scheme=scheme)
    page.goto(address)
    sign_in(page, "otto", "wrong horse battery")
    page.wait_for_selector("[role=alert]", timeout=PATIENCE_MS)
    for place in ("label", "input", "button", "h1", "h2", ".error", ".hint", ".hint code"):
        assert page.evaluate(CONTRAST, place) >= 4.5, place
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (
        page.evaluate("getComputedStyle(document.body).backgroundColor")
        == {
            "light": "rgb(242, 244, 246)",
            "dark": "rgb(18, 22, 26)",
        }[scheme]
    )
    assert page.locator("button").bounding_box()["height"] >= 44, "a thumb's width"


# WCAG 2.2, 1.4.3: contrast of a text with what is behind it
CONTRAST = """(selector) => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (rgb) => rgb.slice(0, 3).map((value) => value / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const element = document.querySelector(selector);
    let ground = element;
    const behind = () => getComputedStyle(ground).backgroundColor;
    while (ground && /, 0\\)$|transparent/.test(behind())) ground = ground.parentElement;
    const pair = [getComputedStyle(element).color, behind()].map(parse).map(light);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""
