"""`report` as a person types it: a file that opens anywhere, and a check that notices what was changed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from tests.conftest import need
from tests.ui.report import built
from twin.observation import Parameters
from twin.store.port import Step
from twin.store.sql.store import SqlStore

ROOT = Path(__file__).parents[2]


def meltwin(*arguments: object, database: Path, code: int = 0) -> str:
    command = [
        sys.executable,
        "-m",
        "deploy.cli",
        "report",
        *map(str, arguments),
        "--database",
        f"sqlite:///{database}",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def database(tmp_path: Path) -> Path:
    store = SqlStore.create(f"sqlite:///{tmp_path / 'a.db'}")
    built.fill(store, 3, 60)
    store.close()
    return tmp_path / "a.db"


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that nobody changes."""
    path = tmp_path_factory.mktemp("mistaken") / "a.db"
    store = SqlStore.create(f"sqlite:///{path}")
    built.fill(store, 3, 10)
    store.close()
    return path


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = need("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.mark.timeout(180)
def test_a_report_is_verified_until_its_bytes_or_the_store_change(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.html"
    said = meltwin(
        built.MACHINE, built.BUILD, "--layers", "2-3", "--by", "qa", "--no-pool", "--out", file, database=database
    )
    assert "b.html: 2 layers of build bracket-12 of machine m7" in said
    assert "messages: the same" in meltwin("--verify", file, database=database)

    content = file.read_bytes()
    (tmp_path / "c.html").write_bytes(content.replace(b"IN625", b"IN718"))
    assert "CHANGED since it was sealed" in meltwin("--verify", tmp_path / "c.html", database=database, code=1)

    store = SqlStore.create(f"sqlite:///{database}")
    late = Parameters(
        source=built.MACHINE, sequence=99, time_s=30.5, build=built.BUILD, layer=3, sample_time_s=[30.5], x_m=[0.0],
        y_m=[0.0], z_m=[0.0], beam_power_w=[1.0],
    )  # fmt: skip
    store.write(Step([built.said(late)], forecasts=built.forecasts(2, 61)[-1:], received_s=built.BEGUN_S + 99))
    store.close()
    after = meltwin("--verify", file, database=database, code=1)
    assert "messages: NOT the same, 8 in the store, 7 in the report" in after
    assert "forecasts: NOT the same" in after
    assert "whole: its bytes are those that were sealed" in after


@pytest.mark.timeout(180)
def test_a_printed_report_has_the_words_and_the_hash(database: Path, tmp_path: Path) -> None:
    need("chromium")
    file = tmp_path / "b.pdf"
    meltwin(built.MACHINE, "--no-pool", "--out", file, database=database)
    content = file.read_bytes()
    assert content.startswith(b"%PDF")
    assert content.rstrip().endswith(b"%%EOF")
    pages = content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") + content.count(b"/Type /Page/")
    assert pages >= 4
    assert "forecasts: the same" in meltwin("--verify", file, database=database)
    file.write_bytes(content.replace(b"/Type /Page", b"/Type /page", 1))
    assert "CHANGED" in meltwin("--verify", file, database=database, code=1)


@pytest.mark.timeout(180)
def test_it_opens_in_a_browser_without_network_script_or_complaint(
    database: Path, tmp_path: Path, browser: Any
) -> None:
    file = tmp_path / "b.html"
    said = meltwin(built.MACHINE, "--view-3d", "--out", file, database=database)
    assert "b.3d.html" in said
    complaints, requests = [], []
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    assert page.inner_text("h1") == "Build report"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # no sideways scroll on a phone
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]

    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))

    page.goto(file.with_suffix(".3d.html").as_uri())
    page.wait_for_selector("#pool .gl-container", state="attached", timeout=60_000)
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["m7"], "say which machine and where to"),
        (["m7", "--out", "b.doc"], "a report goes to .html or .pdf"),
        (["m7", "--layers", "3-1", "--out", "b.html"], "'3-1' ends before it begins"),
        (["m7", "--layers", "x", "--out", "b.html"], "'x' is no stretch of layers"),
        (["m7", "--layers", "1", "--from-s", "2", "--out", "b.html"], "by --layers or by time, not both"),
        (["m7", "b9", "--out", "b.html"], "machine m7 has no build 'b9'; its newest are bracket-12"),
        (["m9", "--out", "b.html"], "there is no machine 'm9' with a build; there are m7"),
        (["--verify", "README.md"], "README.md: this is no report of Meltwin"),
        (["--verify", "nowhere.html"], "nowhere.html: there is no such file"),
    ],
)
def test_a_mistake_is_one_line(mistaken: Path, arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(app, ["report", *arguments, "--database", f"sqlite:///{mistaken}"])
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.output.strip().splitlines()) == 1
