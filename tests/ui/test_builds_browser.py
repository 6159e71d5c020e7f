"""The builds' page as an engineer uses it: two builds are marked good, the third is compared, a note is put at a place
and stands there after a reload, and the report that is made holds it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ui.shelved import MACHINE, ODD_LAYER, shelve
from tests.ui.test_browser import PATIENCE_MS, browser  # noqa: F401  (a fixture)
from twin.remarks import standing
from twin.store.sql.store import SqlStore


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/builds.db"
    store = SqlStore.create(url)
    for number in range(3):
        shelve(store, f"lug-{number + 1}", number=number, odd=number == 2, layers=5, frames=80)
    store.close()
    return url


def mark_good(page: Any) -> None:
    page.wait_for_selector("#build-good :text('Nobody has marked this build')", timeout=PATIENCE_MS)
    page.fill("#good-why", "CT without indications")
    page.fill("#by-approve", "Ada Lovelace")
    page.click("#good-form .do")
    page.wait_for_selector("#build-good :text('Marked good')", timeout=PATIENCE_MS)


@pytest.mark.timeout(120)
def test_an_engineer_compares_a_build_notes_a_place_and_makes_a_report(
    browser: Any,  # noqa: F811
    serve: Callable[..., str],
    url: str,
) -> None:
    page, wrong = browser.new_page(viewport={"width": 1440, "height": 900}), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    address = serve(url)
    page.goto(f"{address}/builds")
    page.wait_for_selector("#builds-list tr:has-text('lug-3'):has-text('SIMULATED')", timeout=PATIENCE_MS)
    page.fill("#builds-filter", "lug-2")
    page.wait_for_selector("#builds-count:text-is('1 of 3 builds')")
    page.fill("#builds-filter", "")
    page.click("#builds-list a:text-is('lug-1')")
    mark_good(page)
    page.goto(f"{address}/builds?machine={MACHINE}&build=lug-2&picture=heat")  # without WebGL, which takes seconds here
    mark_good(page)
    page.click("text=All builds")
    page.wait_for_selector("#builds-list tr:has-text('lug-1') :text('Ada Lovelace')", timeout=PATIENCE_MS)
    page.goto(f"{address}/builds?machine={MACHINE}&build=lug-3&picture=heat")
    page.wait_for_selector("#build-against :text('Against 2 good builds')", timeout=PATIENCE_MS)
    worst = page.wait_for_selector("#build-outside li:first-child button", timeout=PATIENCE_MS)
    assert f"Layer {ODD_LAYER}" in worst.inner_text()
    assert "µm above the limit" in worst.inner_text()
    assert page.inner_text("#build-outside p").startswith("1 of 5")
    worst.click()
    page.wait_for_selector(f"#build-plane-title:has-text('layer {ODD_LAYER}')", timeout=PATIENCE_MS)
    assert f"layer={ODD_LAYER}" in page.url

    page.fill("#note-text", "Spatter beside the hatch")
    page.fill("#note-layer", str(ODD_LAYER))
    page.select_option("#note-shape", "circle")
    for name, millimetres in (("x", "0.8"), ("y", "0.2"), ("radius", "0.15")):
        page.fill(f"#note-{name}", millimetres)
    page.fill("#by-note", "Ben")
    page.click("#note-form .do")
    page.wait_for_selector("#build-notes :text('Spatter beside the hatch')", timeout=PATIENCE_MS)
    page.reload()
    place = f"layer {ODD_LAYER}, circle at x 0.80, y 0.20 mm, radius 0.15 mm"
    page.wait_for_selector(f"#build-notes li:has-text('{place}'):has-text('Ben')", timeout=PATIENCE_MS)
    drawn = "() => document.querySelector('#build-plane .js-plotly-plot')?._fullData?.some((t) => t.meta === 'notes')"
    page.wait_for_function(drawn, timeout=PATIENCE_MS)

    page.select_option("#file-form", "report-html")
    page.click("#file-form-form .do")
    page.wait_for_selector("#file-form-form .said a:text-is('open')", timeout=PATIENCE_MS)
    with page.expect_popup() as opened:
        page.click("#file-form-form .said a:text-is('open')")
    report = opened.value
    report.wait_for_selector("#notes :text('Spatter beside the hatch')", timeout=PATIENCE_MS)
    assert "Ada Lovelace" not in report.inner_text("#notes")
    assert place in report.inner_text("#notes")

    page.bring_to_front()
    page.click("#build-notes .withdraw")
    page.fill("#withdraw-why", "it was a shadow")
    page.click("#withdraw-form .do")
    page.wait_for_selector("#build-notes .withdrawn:has-text('withdrawn by Ben'):has-text('it was a shadow')")
    assert wrong == []
    kept = SqlStore.open_reader(url)
    assert standing(kept.build_marks())["build"].tolist() == ["lug-1", "lug-2"]
    assert (kept.build_marks()["at_s"] > time.time() - 300).all()
    assert kept.notes(MACHINE, "lug-3")["radius_m"].tolist() == [pytest.approx(1.5e-4)]
    kept.close()
