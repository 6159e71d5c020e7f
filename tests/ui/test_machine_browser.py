"""What an operator and an engineer do on a machine's page, in Chromium, down to the rows of the store."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import need
from tests.ui.synthetic import LPBF_BAY, SyntheticStore, frame_step, opening_step
from tests.ui.test_browser import FLAGS
from twin.forecast import Alert
from twin.store.port import Step
from twin.store.sql import SqlStore
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
    assert page.evaluate("document.activeElement.dataset.deed") == "shelve", "focus is where it was"
    assert writer.alerts(LPBF_BAY.name)["shelved_by"].isna().all()
    page.keyboard.press("Enter")
    page.fill("#act-note", "nozzle is changed at noon")
    page.fill("#act-minutes", "45")
    page.click("#act-send")
    page.wait_for_selector("#alerts:has-text('silent for')")
    (kept,) = writer.alerts(LPBF_BAY.name).to_dict("records")
    assert kept["shelved_note"] == "nozzle is changed at noon"
    assert abs(kept["shelved_until_s"] - time.time() - 45 * 60) < 30

    row.locator("button[data-deed=unshelve]").click()
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
    assert page.is_visible("text=needs the role operator")
    refused = "window.dash_clientside.meltwin.act('acknowledge', {}).then(() => 'done', (error) => error.message)"
    assert "needs the role operator; you are viewer" in page.evaluate(refused)
