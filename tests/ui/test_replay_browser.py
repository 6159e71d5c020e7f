"""What an engineer does on the replay page, in Chromium, with the crash in the Peregrine log.

The log has the times and notes of 1,819 layers, and the paths of five. Here layers 98 to 106 have those times, and the
beginnings of those paths.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.answers import Answers
from deploy.reforecast import KIND, Reforecasts
from deploy.run import Batch, RunLoop
from ingest.files.again import forecast_again
from ingest.files.bring import bring
from ingest.order import Order
from ingest.readers import open_source
from ingest.source import FakeSource
from operators.operator import FakeOperator
from tests.conftest import shared_data
from tests.deploy.fakes import stretch
from tests.ui.test_browser import PATIENCE_MS, _harmless, browser  # noqa: F401
from twin.clock import SystemClock
from twin.store.sql.store import SqlStore
from twin.twin import Twin

LAYERS, ROWS = range(98, 107), 6
AT = "() => Number(document.documentElement.dataset.momentAt)"


@pytest.fixture
def peregrine(tmp_path: Path) -> tuple[str, str]:
    """URL of a store with the log, and the name of its build."""
    log, folder = shared_data("lpbf_peregrine"), tmp_path / "lpbf_peregrine"
    folder.mkdir()
    shutil.copy(log / "layer_times_notes.csv", folder)
    for number, layer in enumerate(LAYERS):
        path = (log / f"{50 + number % 5:07d}.txt").read_text().splitlines()
        (folder / f"{layer:07d}.txt").write_text("\n".join(path[: 1 + ROWS]) + "\n")
    url = f"sqlite:///{tmp_path / 'log.db'}"
    store = SqlStore.create(url)
    brought = bring(open_source(folder), store, SystemClock(), "replay")
    forecast_again(store, Twin(FakeOperator()).advance, SystemClock(), brought.machine, brought.build)
    store.close()
    return url, brought.build


@pytest.mark.timeout(180)
def test_an_engineer_finds_the_crash_in_the_peregrine_log(
    browser: Any,  # noqa: F811
    serve: Callable[..., str],
    peregrine: tuple[str, str],
) -> None:
    url, build = peregrine
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type == "error" and not _harmless(said) else None
    )

    page.goto(f"{serve(url)}/replay")
    page.wait_for_selector("#recordings tr", timeout=PATIENCE_MS)
    page.fill("#recordings-filter", "nothing like it")
    page.wait_for_selector("#recordings-count:has-text('0 of 1')")
    page.fill("#recordings-filter", "ss316l p5")
    page.click(f"#recordings a:has-text('{build}')")
    page.wait_for_selector("#moment-where:has-text('Layer 98, frame 0')", timeout=PATIENCE_MS)
    assert "REPLAY" in page.inner_text(".player")
    assert "page live" not in page.inner_text("body")
    assert page.is_hidden("#age-chip")

    page.keyboard.press("n")
    page.wait_for_selector("#alerts:has-text('Too deep: keyhole')", timeout=PATIENCE_MS)
    page.wait_for_selector("#moment-where:has-text('Layer 102, frame')")
    alerted = page.evaluate(AT)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"(before) => ({AT})() > before", arg=alerted, timeout=PATIENCE_MS)
    assert page.evaluate(AT) - alerted == pytest.approx(86.67e-6, abs=2e-6), "one frame"

    box = page.locator(".course-box").bounding_box()
    begin, end = 27323.47, 30438.9 + 0.02  # of layers 98 and 106
    share = (29500.0 - begin) / (end - begin)
    page.mouse.click(box["x"] + 84 + share * (box["width"] - 84 - 18), box["y"] + 60)
    page.wait_for_selector("#moment-where:has-text('Gap between layers 104 and 105')", timeout=PATIENCE_MS)
    assert "layer 105 began 1,475 s after the one before it, 27" in page.inner_text("#moment-where")
    assert page.is_visible("text=No fresh data")
    assert page.is_hidden("#verdict")
    assert "in a gap of 1,475 s" in page.inner_text("#stale-text")
    assert "double-exposed" in page.inner_text("#moment-note")

    page.select_option("#speed", "100")
    page.focus("#play")
    before = page.evaluate(AT)
    page.keyboard.press("Space")
    page.wait_for_function(f"(before) => ({AT})() > before + 100", arg=before, timeout=PATIENCE_MS)
    page.click("#play:has-text('Pause')")
    page.wait_for_selector("#play:has-text('Play')")
    page.wait_for_timeout(600)  # the picture that was under way
    held = page.evaluate(AT)
    assert f"at={held}" in page.url

    page.reload()
    page.wait_for_function(f"(held) => ({AT})() === held", arg=held, timeout=PATIENCE_MS)
    page.keyboard.press("]")
    page.wait_for_selector("#moment-where:has-text('Layer 105, frame 0')", timeout=PATIENCE_MS)
    assert page.is_visible("#verdict")
    assert complaints == []


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[str]:
    """A store with one layer of twenty frames, and a thread that answers what is asked of it, as `run` does."""
    url, stop = f"sqlite:///{tmp_path / 'asked.db'}", threading.Event()
    store = SqlStore.create(url)
    source = FakeSource(stretch(20))
    loop = RunLoop(
        source, Order(), Twin(FakeOperator()).advance, store, SystemClock(), Batch(5, 0.0, backlog=None)
    )  # fmt: skip
    while loop.turn() or not source.exhausted:
        pass
    loop.finish()
    answers = Answers(
        store, SystemClock(), {}, {KIND: Reforecasts(store, SystemClock(), lambda name: FakeOperator("other"), Twin)}
    )

    def answer() -> None:
        while not stop.wait(0.05):
            answers()

    thread = threading.Thread(target=answer)
    thread.start()
    yield url
    stop.set()
    thread.join(20)
    store.close()


@pytest.mark.timeout(120)
def test_a_forecast_with_more_power_is_asked_for_and_drawn_beside(
    browser: Any,  # noqa: F811
    serve: Callable[..., str],
    answering: str,
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{serve(answering)}/replay?machine=m1&build=b&at=0.1")
    page.wait_for_selector("#moment-where:has-text('Layer 1, frame 9')", timeout=PATIENCE_MS)
    page.click("#again summary")
    page.fill("#again-power", "120")
    page.fill("#again-frames", "8")
    page.fill("#again-by", "Ada")
    page.click("#again-ask")
    page.wait_for_selector("#again-said:has-text('8 frames: other, beam power x 1.2')", timeout=PATIENCE_MS)
    page.wait_for_function("document.querySelector('#beside').value === 'other, beam power x 1.2'", timeout=PATIENCE_MS)
    page.focus("#play")
    for _ in range(4):
        before = page.evaluate(AT)
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"(before) => ({AT})() > before", arg=before, timeout=PATIENCE_MS)
    page.wait_for_selector("#second-key:has-text('other, beam power x 1.2')", timeout=PATIENCE_MS)
    lines = """() => document.querySelector('#timeline .js-plotly-plot')._fullData.map((trace) => trace.meta)"""
    page.wait_for_function(f"({lines})().includes('second')", timeout=PATIENCE_MS)
    assert "beside=other" in page.url
