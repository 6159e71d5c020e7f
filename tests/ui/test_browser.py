"""The page in Chromium on a database that a thread keeps feeding: it moves, without errors, and all from here."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import need
from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from tests.ui.synthetic import DED_CELL, LPBF_BAY, SyntheticStore, frame_step, opening_step
from twin.store.port import Step
from twin.store.sql.store import SqlStore

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]
HARMLESS = ("GPU stall due to ReadPixels", "willReadFrequently")
PATIENCE_MS = 60_000
WIDTH = """() => {
    const graph = document.querySelector('#timeline .js-plotly-plot');
    const line = graph && graph._fullData && graph._fullData.find((trace) => trace.meta === 'forecast');
    return line ? Array.from(line.y).join() : null;
}"""


@pytest.fixture
def browser() -> Iterator[Any]:
    program = need("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def fed_url(tmp_path: Path) -> Iterator[str]:
    """A database into which a thread writes frames of two machines, four times a second."""
    url, stop = f"sqlite:///{tmp_path / 'fed.db'}", threading.Event()
    writer, source = SqlStore.create(url), SyntheticStore(frame=100, now_s=time.time())
    machines = (LPBF_BAY, DED_CELL)
    for machine in machines:
        writer.write(opening_step(source, machine))

    def feed() -> None:
        for _ in range(60):
            source.advance(1, time.time())
            writer.write(frame_step(source, LPBF_BAY, with_field=False))
        while not stop.wait(0.25):
            source.advance(3, time.time())
            for machine in machines:
                writer.write(frame_step(source, machine, with_field=True))

    thread = threading.Thread(target=feed)
    thread.start()
    yield url
    stop.set()
    thread.join(20)
    writer.close()


@pytest.mark.timeout(180)
def test_the_forecast_moves_in_a_browser(browser: Any, serve: Callable[..., str], fed_url: str) -> None:
    address = serve(fed_url)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type == "error" and not _harmless(said) else None
    )
    page.goto(f"{address}/machine?machine={LPBF_BAY.name}")

    page.wait_for_function(f"({WIDTH})() !== null", timeout=PATIENCE_MS)
    before = page.evaluate(WIDTH)
    page.wait_for_function(f"(before) => ({WIDTH})() !== before", arg=before, timeout=PATIENCE_MS)

    assert page.inner_text("#origin").split("\n")[0].startswith("SIMULATED")
    assert "slow motion: 1 s here is 1 ms at the machine" in page.inner_text("#origin")
    assert "Forecast in order" in page.inner_text("#verdict")
    page.wait_for_function("document.documentElement.dataset.fresh === 'fresh'", timeout=PATIENCE_MS)
    page.wait_for_selector("#pool .js-plotly-plot .gl-container canvas", state="attached", timeout=PATIENCE_MS)

    page.get_by_text(DED_CELL.name).first.click()
    page.wait_for_function("document.querySelector('#facts')?.textContent.includes('SS316L')", timeout=PATIENCE_MS)
    assert "assumed" in page.inner_text("#facts")

    assert complaints == []
    assert requests
    assert all(url.startswith((address, "data:", "blob:")) for url in requests)


@pytest.mark.timeout(180)
def test_a_silent_machine_and_a_dead_server_show_as_stale(
    browser: Any, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SyntheticStore(now_s=time.time())
    page = browser.new_page()
    page.goto(serve(store, stale_after_s=1.0) + "/machine")
    page.wait_for_function("document.documentElement.dataset.fresh === 'stale'", timeout=PATIENCE_MS)
    assert page.is_visible("text=No fresh data")
    assert not page.is_visible("#verdict")

    machines = store.machines()

    def stuck() -> Any:
        time.sleep(8)
        return machines

    monkeypatch.setattr(store, "machines", stuck)
    page.wait_for_function("document.documentElement.dataset.link === 'lost'", timeout=PATIENCE_MS)
    assert page.is_visible("text=page not updated for")


@pytest.mark.timeout(120)
def test_where_no_websocket_comes_through_the_page_asks_by_requests(browser: Any, serve: Callable[..., str]) -> None:
    store = SyntheticStore(now_s=time.time())
    page = browser.new_page()
    page.route_web_socket("**/live", lambda socket: socket.close())
    page.goto(f"{serve(store)}/machine?machine={LPBF_BAY.name}")
    page.wait_for_function(f"({WIDTH})() !== null", timeout=PATIENCE_MS)
    before = page.evaluate(WIDTH)
    store.advance(5, time.time())
    page.wait_for_function(f"(before) => ({WIDTH})() !== before", arg=before, timeout=PATIENCE_MS)
    page.wait_for_function("document.documentElement.dataset.link === 'ok'", timeout=PATIENCE_MS)


@pytest.mark.timeout(120)
def test_a_second_opinion_and_what_is_absorbed_are_shown_with_age_unit_and_source(
    browser: Any, serve: Callable[..., str]
) -> None:
    store = SyntheticStore(now_s=time.time(), opinion="reference", inferring=True)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{serve(store)}/machine?machine={LPBF_BAY.name}")
    page.wait_for_selector("#second-key:has-text('ago')", timeout=PATIENCE_MS)
    assert "reference (µm, " in page.inner_text("#second-key")
    page.wait_for_selector("#absorbed-age:has-text('from 10 camera frames, made ')", timeout=PATIENCE_MS)
    lines = """() => Array.from(document.querySelectorAll('.js-plotly-plot')).flatMap(
        (graph) => (graph._fullData || []).map((trace) => trace.meta))"""
    page.wait_for_function(f"({lines})().includes('inferred')", timeout=PATIENCE_MS)
    assert {"second", "second, ahead", "inferred", "nominal"} <= set(page.evaluate(lines))
    store.inferring = False
    store.advance(1, time.time())
    page.wait_for_selector("#absorbed-age:has-text('not inferred')", timeout=PATIENCE_MS)
    page.wait_for_selector("text=infers no absorptivity", timeout=PATIENCE_MS)


@pytest.mark.timeout(120)
def test_before_any_data_the_page_says_what_it_waits_for(
    browser: Any, serve: Callable[..., str], tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(serve(f"sqlite:///{tmp_path / 'none.db'}"))
    page.wait_for_selector("text=Waiting for a machine", timeout=PATIENCE_MS)
    assert page.is_visible("text=./meltwin demo")
    assert not page.is_visible("#timeline")


@pytest.mark.timeout(120)
def test_a_hundred_machines_fit_on_one_screen_and_lead_to_each(
    browser: Any, serve: Callable[..., str], tmp_path: Path
) -> None:
    url, source = f"sqlite:///{tmp_path / 'hall.db'}", SyntheticStore(now_s=time.time())
    store = SqlStore.create(url)
    for number in range(100):
        machine = replace(LPBF_BAY, name=f"m{number:03d}")
        now_s = source.now_s - (600.0 if number == 7 else 0.0)
        said = [case.state(source=machine.name, sent_s=now_s), case.build(source=machine.name, part="lug", layers=90)]
        observations = [heard(each, machine.name) for each in said]
        store.write(Step(observations, forecasts=[case.forecast(1, machine=machine.name)], received_s=now_s))
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(serve(url, stale_after_s=300.0))
    page.wait_for_function("document.querySelectorAll('#hall [data-fresh]').length === 100", timeout=PATIENCE_MS)
    page.wait_for_selector("#hall-summary:has-text('100 machines: 1 without fresh data, 99 in order')")
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert page.inner_text("[data-machine=m008] .part:visible") == "lug"
    assert page.inner_text("[data-machine=m007] .say:visible") == "No fresh data"
    assert page.inner_text("[data-machine=m008] .say:visible") == "Forecast in order"
    page.click("[data-machine=m042] a")
    page.wait_for_selector("#machines-box:has-text('m042')", timeout=PATIENCE_MS)
    assert page.inner_text("nav [aria-current=page]") == "Machine"
    store.close()


def test_an_address_from_before_there_was_a_floor_leads_to_its_machine(browser: Any, serve: Callable[..., str]) -> None:
    page = browser.new_page()
    page.goto(f"{serve(SyntheticStore(now_s=time.time()))}/?machine={DED_CELL.name}")
    assert page.url.endswith(f"/machine?machine={DED_CELL.name}")
    page.wait_for_function("document.querySelector('#facts')?.textContent.includes('SS316L')", timeout=PATIENCE_MS)


def test_an_address_that_no_page_has_leads_to_those_that_there_are(browser: Any, serve: Callable[..., str]) -> None:
    faults: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" and not _harmless(said) else None)
    page.goto(f"{serve(SyntheticStore(now_s=time.time()))}/nowhere")
    page.get_by_text("There is no such page").wait_for(timeout=PATIENCE_MS)
    assert not page.locator("[data-page]").count(), "nothing is asked of the server"
    painted = "element => getComputedStyle(element).backgroundColor"
    assert page.locator(".page").evaluate(painted) == "rgba(0, 0, 0, 0)", "nothing is wrong with the machine"
    page.locator("nav a").first.click()
    page.wait_for_function("document.querySelector('[data-page=floor]')", timeout=PATIENCE_MS)
    assert faults == []


def _harmless(said: Any) -> bool:
    return any(words in said.text for words in HARMLESS)
