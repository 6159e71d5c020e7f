"""What an operator and an engineer do on a machine's page, in Chromium, down to the rows of the store."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import need
from tests.ui.synthetic import LPBF_BAY, SyntheticStore, frame_step, opening_step
from tests.ui.test_attribution import DEPTH, WITHHELD
from tests.ui.test_browser import FLAGS
from twin.forecast import Alert
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from ui.access.who import Who

PATIENCE_MS = 20_000
BUILD = "lpbf-demo"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = need("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A fresh window; what the page complains of fails the test."""
    window = chromium.new_page(viewport={"width": 1440, "height": 900})
    window.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    window.on("pageerror", lambda error: complaints.append(str(error)))
    yield window
    window.close()
    assert complaints == []


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'machine.db'}"


@pytest.fixture
def writer(url: str) -> Iterator[SqlStore]:
    """A store in which one machine has scanned some frames."""
    store, source = SqlStore.create(url), SyntheticStore(frame=100, now_s=time.time())
    store.write(opening_step(source, LPBF_BAY))
    for _ in range(60):
        source.advance(1, time.time())
        store.write(frame_step(source, LPBF_BAY, with_field=False))
    source.advance(1, time.time())
    store.write(frame_step(source, LPBF_BAY, with_field=True))
    yield store
    store.close()


def raised(kind: str = "keyhole", evidence: str = "keyhole number 6.8") -> Step:
    now_s = time.time()
    alert = Alert(
        LPBF_BAY.name, BUILD, kind, "high", 3, 3.2e-3, 1.1e-3, now_s - 9, now_s, evidence, "Lower the power"
    )  # fmt: skip
    return Step(alerts=[alert])


@pytest.mark.timeout(60)
def test_an_alert_arises_and_is_acknowledged_and_shelved_by_keyboard(
    page: Any, serve: Callable[..., str], url: str, writer: SqlStore
) -> None:
    page.goto(f"{serve(url, stale_after_s=600.0)}/machine?machine={LPBF_BAY.name}")
    page.wait_for_selector("#alerts:has-text('No alerts')")
    writer.write(raised())
    row = page.locator("#alerts li").first
    row.wait_for()
    assert "layer 3, x 3.20, y 1.10 mm" in row.inner_text()
    assert page.inner_text("#alert-count") == "1 to acknowledge"

    row.locator("button[data-deed=acknowledge]").press("Enter")
    page.wait_for_selector("#act-dialog[open]")
    assert page.inner_text("#act-title") == "Acknowledge: Too deep: keyhole"
    page.fill("#act-note", "spatter on the window")
    page.keyboard.press("Enter")
    page.wait_for_selector("#act-refused:has-text('Say who you are')")
    assert page.evaluate("document.activeElement.id") == "act-by"
    page.keyboard.type("Ada")
    writer.write(raised(evidence="keyhole number 7.1"))
    page.wait_for_selector("#alerts:has-text('keyhole number 7.1')")
    assert page.input_value("#act-note") == "spatter on the window", "what was typed outlives an update"
    page.keyboard.press("Enter")
    page.wait_for_selector("#act-said:has-text('Acknowledged by Ada.')")
    page.wait_for_selector("#alerts .people:has-text('Ada')")
    assert "spatter on the window" in row.inner_text()
    (kept,) = writer.alerts(LPBF_BAY.name).to_dict("records")
    assert (kept["acknowledged_by"], kept["acknowledged_note"]) == ("Ada", "spatter on the window")
    assert abs(kept["acknowledged_s"] - time.time()) < 30

    shelve = row.locator("button[data-deed=shelve]")
    shelve.press("Enter")
    page.wait_for_selector("#act-dialog[open]")
    assert page.input_value("#act-by") == "Ada", "the name is remembered"
    page.keyboard.press("Escape")
    page.wait_for_selector("#act-dialog", state="hidden")
    page.wait_for_function("document.activeElement.dataset.deed === 'shelve'")
    writer.write(raised(evidence="keyhole number 7.3"))
    page.wait_for_selector("#alerts:has-text('keyhole number 7.3')")
    assert page.evaluate("document.activeElement.dataset.deed") == "shelve", "focus stays where it was"
    assert writer.alerts(LPBF_BAY.name)["shelved_by"].isna().all()
    page.keyboard.press("Enter")
    page.fill("#act-note", "nozzle is changed at noon")
    page.fill("#act-minutes", "45")
    page.click("#act-send")
    page.wait_for_selector("#alerts:has-text('silent for')")
    (kept,) = writer.alerts(LPBF_BAY.name).to_dict("records")
    assert kept["shelved_note"] == "nozzle is changed at noon"
    assert abs(kept["shelved_until_s"] - time.time() - 45 * 60) < 30

    row.locator("button[data-deed=unshelve]").hover()
    page.mouse.down()
    page.wait_for_timeout(1500)  # a slow press, while the list moves on
    page.mouse.up()
    page.wait_for_selector("#act-dialog[open]")
    page.click("#act-send")
    page.wait_for_selector("#alerts button[data-deed=shelve]")
    assert writer.alert_acts().act.tolist() == ["raised", "acknowledged", "shelved", "unshelved"]


@pytest.mark.timeout(60)
def test_a_viewer_sees_alerts_and_nothing_to_press(
    page: Any, serve: Callable[..., str], url: str, writer: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.access.guard.LOCAL", Who("eve", "viewer", "password"))
    writer.write(raised())
    page.goto(f"{serve(url, stale_after_s=600.0)}/machine?machine={LPBF_BAY.name}")
    page.wait_for_selector("#alerts li:has-text('keyhole')")
    assert not page.is_visible("button[data-deed]")
    assert page.is_visible(".alerts-card :text('needs the role operator')")
    refused = "window.dash_clientside.meltwin.act('acknowledge', {}).then(() => 'done', (error) => error.message)"
    assert "needs the role operator; you are viewer" in page.evaluate(refused)


PLACE = """() => {  // of a frame that was some time ago, in pixels of the map; what the pointer is on is kept
    const graph = document.querySelector("#layer .js-plotly-plot");
    graph.on("plotly_hover", (event) => { window.pointedAt = event.points[0].customdata; });
    const path = graph._fullData.find((each) => each.name === "path"), n = path.x.length - 20, axes = graph._fullLayout;
    return [axes.xaxis.l2p(path.x[n]), axes.yaxis.l2p(path.y[n])];
}"""


@pytest.fixture
def answering(url: str, writer: SqlStore) -> Iterator[list[dict[str, Any]]]:
    """Somebody who answers what is asked, of the length with why it is withheld; gives what was asked."""
    stop, asked, own = threading.Event(), list[dict[str, Any]](), SqlStore.create(url)

    def work() -> None:
        while not stop.wait(0.1):
            now_s = time.time()
            request = own.claim(("attribution",), now_s=now_s, lease_s=10.0)
            if request is not None:
                asked.append(request.arguments)
                stop.wait(0.4)
                answer = WITHHELD if request.arguments["of"] == "length" else DEPTH
                own.answer(request, answer, now_s=time.time())

    thread = threading.Thread(target=work)
    thread.start()
    yield asked
    stop.set()
    thread.join(10)
    own.close()


@pytest.mark.timeout(60)
def test_a_moment_is_picked_and_the_page_says_why(
    page: Any, serve: Callable[..., str], url: str, writer: SqlStore, answering: list[dict[str, Any]]
) -> None:
    looks: list[str] = []
    page.on("request", lambda said: looks.append(said.url) if "look_attribution" in said.url else None)
    page.goto(f"{serve(url, stale_after_s=600.0)}/machine?machine={LPBF_BAY.name}")
    page.wait_for_function("document.querySelector('#timeline .js-plotly-plot')?.layout?.meta?.frame?.length > 10")
    page.locator("#why-open").press("Enter")
    assert page.evaluate("document.activeElement.id") == "why-mark"
    newest = int(page.get_attribute("#why-mark", "aria-valuenow"))
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert page.get_attribute("#why-mark", "aria-valuetext") == "188 µs before now, frame 158 of layer 3"
    assert int(page.get_attribute("#why-mark", "aria-valuenow")) == newest - 3
    page.fill("#why-by", "Ada")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why-state:has-text('Answered.')")
    assert "63% of the extra depth comes from the power of 215 W" in page.inner_text("#why-sentence")
    assert "Asked by Ada" in page.inner_text("#why-facts")
    assert "correlation of 0.99" in page.inner_text("#why-facts")
    page.wait_for_function("document.querySelector('#why-places .js-plotly-plot')?._fullData?.length === 4")
    assert answering[0]["frame"] == 158
    assert page.evaluate("document.querySelectorAll('#why-moments .bars path').length") > 10
    after = len(looks)
    page.wait_for_timeout(800)
    assert len(looks) == after, "nobody looks once it is there"

    box = page.locator("#timeline .js-plotly-plot .draglayer .xy").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    picked = page.get_attribute("#why-mark", "aria-valuetext")
    assert "frame 158 " not in picked
    page.click("#why-of >> text=Length")
    page.select_option("#why-lead", index=2)
    page.click("text=Ask why")
    page.wait_for_selector("#why-state:has-text('fails its own test')")
    assert not page.is_visible("#why-moments")
    assert answering[1]["of"] == "length"
    assert answering[1]["lead_s"] == pytest.approx(2 * LPBF_BAY.frame_s)
    assert f"frame {answering[1]['frame']} of layer 3" in picked

    x, y = page.evaluate(PLACE)
    page.locator("#layer").scroll_into_view_if_needed()
    box = page.locator("#layer .draglayer .xy").first.bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.wait_for_function("window.pointedAt")
    page.mouse.click(box["x"] + x, box["y"] + y)
    frame = page.evaluate("window.pointedAt")
    page.wait_for_function(f"document.querySelector('#why-mark').ariaValueText.includes('frame {frame} of layer 3')")
    page.click("text=Ask why")
    page.wait_for_function("document.querySelector('#why-state').textContent.includes('Answered') === false")
    until_s = time.time() + 10
    while len(answering) < 3 and time.time() < until_s:
        page.wait_for_timeout(100)
    assert (answering[2]["layer"], answering[2]["frame"]) == (3, frame), "a place on the layer is a frame of it"
    page.locator("#why-mark").focus()
    page.keyboard.press("Escape")
    assert not page.is_visible("#why")
    assert page.evaluate("document.activeElement.id") == "why-open"


@pytest.mark.timeout(60)
def test_without_anybody_who_answers_the_page_says_so_and_takes_the_question_back(
    page: Any, serve: Callable[..., str], url: str, writer: SqlStore
) -> None:
    page.goto(f"{serve(url, stale_after_s=600.0)}/machine?machine={LPBF_BAY.name}")
    page.wait_for_function("document.querySelector('#timeline .js-plotly-plot')?.layout?.meta?.frame?.length > 10")
    page.click("#why-open")
    page.click("text=Ask why")
    page.wait_for_selector("#why-state:has-text('Say who you are')")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why-state:has-text('it waits for its turn')")
    page.wait_for_selector("#why-state:has-text('Nobody has taken it up')")
    page.click("#why-close")
    until_s = time.time() + 10
    while writer.requests()[0].state != "dropped" and time.time() < until_s:
        page.wait_for_timeout(100)
    assert [request.state for request in writer.requests()] == ["dropped"]


CAMERA = """() => {
    const scene = document.querySelector('#pool .js-plotly-plot')?._fullLayout?.scene?._scene;
    const eye = scene && scene.getCamera().eye;
    return eye ? [eye.x, eye.y, eye.z] : null;
}"""
DRAWN = "document.querySelector('#pool-age').textContent"


@pytest.mark.timeout(60)
def test_the_pool_stays_turned_while_it_is_turned_and_after(
    page: Any, serve: Callable[..., str], url: str, writer: SqlStore
) -> None:
    source = SyntheticStore(frame=161, now_s=time.time())

    def moved_on() -> None:
        before = page.evaluate(DRAWN)
        for _ in range(12):
            source.advance(4, time.time())
            writer.write(frame_step(source, LPBF_BAY, with_field=True))
            page.wait_for_timeout(400)
            if page.evaluate(DRAWN).split(",")[0] != before.split(",")[0]:
                return

    page.goto(f"{serve(url, stale_after_s=600.0)}/machine?machine={LPBF_BAY.name}")
    page.wait_for_function(f"({CAMERA})() !== null")
    page.wait_for_timeout(500)
    box = page.locator("#pool").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.wait_for_timeout(500)  # the view follows the hand a picture later
    held = page.evaluate(CAMERA)
    moved_on()
    assert page.evaluate(CAMERA) == pytest.approx(held), "nothing is drawn anew under the hand"
    page.mouse.up()
    moved_on()
    assert page.evaluate(CAMERA) == pytest.approx(held, rel=1e-3)
    page.select_option("[data-choice=pool]", "whole")
    page.wait_for_function("location.search.includes('pool=whole')")
    page.select_option("[data-choice=colour]", "width")
    words = "document.querySelector('#layer .js-plotly-plot')._fullData.map((trace) => trace.hovertemplate).join()"
    page.wait_for_function(f"{words}.includes('width')")
    page.reload()
    page.wait_for_function("document.querySelector('[data-choice=colour]')?.value === 'width'")
    assert page.input_value("[data-choice=pool]") == "whole"
