"""Notes, marks and files over HTTP: who may, what is refused in words, and what is kept."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pandas as pd
import pytest

from tests.ui.shelved import MACHINE, shelve
from twin.store.sql.store import SqlStore
from ui.access.roles import may
from ui.app import build_app
from ui.doing import RefusedError
from ui.doings.builds import DOINGS
from ui.files import FORMS, layers_of

PLACE = {"machine": MACHINE, "build": "lug-1"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('acts')}/s.db"
    store = SqlStore.create(url)
    shelve(store, "lug-1", number=0, layers=3, frames=60)
    store.close()
    return url


@pytest.fixture
def say(url: str, running: Callable[[Any], str]) -> Callable[..., tuple[int, str]]:
    address = running(build_app(url).server)

    def say(name: str, **said: Any) -> tuple[int, str]:
        headers = {"Content-Type": "application/json", "Origin": address}
        try:
            with urlopen(Request(f"{address}/do/{name}", json.dumps(said).encode(), headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    return say


@pytest.fixture
def fetch(url: str, running: Callable[[Any], str]) -> Callable[..., tuple[int, bytes, str]]:
    address = running(build_app(url).server)

    def fetch(form: str, **asked: str) -> tuple[int, bytes, str]:
        try:
            with urlopen(f"{address}/file/{form}?{urlencode(PLACE | asked)}", timeout=60) as answer:
                return answer.status, answer.read(), answer.headers["Content-Disposition"]
        except HTTPError as error:
            return error.code, error.read(), ""

    return fetch


@pytest.fixture
def kept(url: str) -> Iterator[SqlStore]:
    store = SqlStore.open_reader(url)
    yield store
    store.close()


def test_what_is_said_is_kept_under_its_name(say: Callable[..., tuple[int, str]], kept: SqlStore) -> None:
    status, answer = say("note", **PLACE, text="spatter", layer=2, shape="point", x_m=1e-3, y_m=2e-3, by="Ben")
    assert status == 200
    number = json.loads(answer)["note"]
    assert say("withdraw_note", note=number, why="a shadow", by="Ada")[0] == 200
    row = kept.notes().set_index("id").loc[number]
    assert (row["by"], row["layer"], row["x_m"], row["withdrawn_by"]) == ("Ben", 2.0, 1e-3, "Ada")
    assert say("mark_good", **PLACE, why="CT clean", by="Ada")[0] == 200
    assert say("unmark_good", **PLACE, why="crack", by="Eve")[0] == 200
    assert kept.build_marks()["by"].tolist() == ["Ada", "Eve"]


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("note", {"text": "x"}, "who you are"),
        ("note", {"text": "", "by": "Ben"}, "text"),
        ("note", {"text": "x", "by": "Ben", "layer": 99}, "layer 99"),
        ("note", {"text": "x", "by": "Ben", "layer": 1.5}, "whole"),
        ("note", {"text": "x", "by": "Ben", "layer": 1, "shape": "circle", "x_m": 0.0, "y_m": 0.0}, "radius"),
        ("note", {"text": "x", "by": "Ben", "layer": 1, "shape": "point", "x_m": 1e9, "y_m": 0.0}, "x_m"),
        ("mark_good", {"by": "Ben", "why": ""}, "why"),
        ("mark_good", {"by": "Ben", "why": "x", "build": "lug-9"}, "no build"),
        ("unmark_good", {"by": "Ben", "why": "x"}, "not marked"),
        ("withdraw_note", {"by": "Ben", "why": "x", "note": 999}, "no such note"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    say: Callable[..., tuple[int, str]], name: str, said: dict[str, Any], words: str
) -> None:
    status, answer = say(name, **(PLACE | said))
    assert status == 422
    assert words in answer


def test_operators_note_and_engineers_judge() -> None:
    acts = {doing.name: doing.act for doing in DOINGS}
    allowed = {
        role: {name for name, act in acts.items() if may(role, act)} for role in ("viewer", "operator", "engineer")
    }
    assert allowed["viewer"] == set()
    assert allowed["operator"] == {"note", "withdraw_note"}
    assert allowed["engineer"] == {"note", "withdraw_note", "mark_good", "unmark_good"}


def test_a_report_of_a_stretch_is_whole_and_says_who_made_it(fetch: Callable[..., tuple[int, bytes, str]]) -> None:
    from ui.report import seal

    status, content, name = fetch("report-html", layers="2-3", by="Ada <b>")
    assert status == 200
    assert 'filename="m3-lug-1-layers-2-3.html"' in name
    sealed = seal.opened(content, "report")
    assert sealed.whole
    assert (sealed.said["first_layer"], sealed.said["last_layer"]) == (2, 3)
    assert b"Ada &lt;b&gt;" in content


def test_tables_are_what_the_export_writes(fetch: Callable[..., tuple[int, bytes, str]], kept: SqlStore) -> None:
    status, content, name = fetch("forecasts.csv", layers="2")
    assert status == 200
    assert 'filename="m3-lug-1-layer-2-forecasts.csv"' in name
    rows = pd.read_csv(io.BytesIO(content))
    every = kept.forecasts(MACHINE, "lug-1")
    pd.testing.assert_series_equal(rows["width_m"], every[every["layer"] == 2]["width_m"].reset_index(drop=True))
    status, content, _ = fetch("forecasts.parquet")
    assert (status, len(pd.read_parquet(io.BytesIO(content)))) == (200, len(every))
    assert fetch("build.h5")[1].startswith(b"\x89HDF")


@pytest.mark.parametrize(
    ("form", "asked", "words"),
    [
        ("report-html", {"build": "lug-9"}, "no build"),
        ("report-html", {"layers": "7-9"}, "nothing stored there"),
        ("report-html", {"layers": "3-1"}, "no stretch"),
        ("report-docx", {}, "report-html"),
        ("forecasts.csv", {"layers": "1-2"}, "one layer"),
        ("build.h5", {"layers": "1"}, "leave the layers empty"),
        ("forecasts.csv", {"build": "lug-9"}, "no build"),
        ("field.vtr", {}, "no temperature field"),
    ],
)
def test_a_file_that_cannot_be_is_refused_in_words(
    fetch: Callable[..., tuple[int, bytes, str]], form: str, asked: dict[str, str], words: str
) -> None:
    status, content, _ = fetch(form, **asked)
    assert status == 422
    assert words in content.decode()


def test_every_form_has_words_and_stretches_are_read() -> None:
    assert all(FORMS.values())
    assert (layers_of(""), layers_of(" 5 "), layers_of("5 - 7")) == (None, (5, 5), (5, 7))
    with pytest.raises(RefusedError):
        layers_of("all")
