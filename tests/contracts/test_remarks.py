"""The laws that every store keeps of what people say: who, when and why stand for ever, and nothing is said twice."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.contracts import store_cases as case
from twin.remarks import LONGEST, MARKS, NOTES, Note, RemarkError, standing
from twin.store.fake.store import FakeStore
from twin.store.port import Step, Store, StoreReadOnlyError
from twin.store.sql.store import SqlStore


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "fake":
        made = FakeStore()
    else:
        sqlite = f"sqlite:///{tmp_path}/s.db"
        made = SqlStore.create(sqlite if request.param == "sqlite" else request.getfixturevalue("empty_store")())
    builds = [case.heard(case.build(name, number)) for number, name in enumerate(("b1", "b2"))]
    made.write(Step([*builds, case.heard(case.layer(1))], received_s=5.0))
    yield made
    made.close()


def noted(text: str = "spatter", **fields: Any) -> Note:
    return Note("m1", "b1", text, **({"by": "Ada", "at_s": 7.0} | fields))


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")  # type: ignore[return-value]


def test_nothing_is_said_at_first(store: Store) -> None:
    assert list(store.notes().columns) == list(NOTES)
    assert list(store.build_marks().columns) == list(MARKS)
    assert store.notes().empty
    assert standing(store.build_marks()).empty


def test_a_note_comes_back_with_who_when_and_where(store: Store) -> None:
    first = store.note(noted())
    second = store.note(noted("here", layer=1, shape="circle", x_m=1e-3, y_m=-2e-3, radius_m=5e-4, at_s=8.0))
    store.note(noted("there", layer=1, shape="rectangle", x_m=0.0, y_m=0.0, x1_m=1e-3, y1_m=2e-3))
    found = rows(store.notes("m1", "b1"))
    assert [row["text"] for row in found] == ["there", "here", "spatter"], "the newest first"
    assert found[1] == dict.fromkeys(NOTES) | {
        "id": second, "machine": "m1", "build": "b1", "layer": 1, "shape": "circle", "x_m": 1e-3, "y_m": -2e-3,
        "radius_m": 5e-4, "text": "here", "by": "Ada", "at_s": 8.0,
    }  # fmt: skip
    assert first < second
    assert [row["text"] for row in rows(store.notes("m1", "b1", layer=1))] == ["there", "here"]
    assert [row["text"] for row in rows(store.notes(limit=1))] == ["there"]
    assert store.notes("m1", "b2").empty
    assert store.notes("m2").empty


def test_a_withdrawn_note_stays_with_who_took_it_back_and_why(store: Store) -> None:
    number = store.note(noted())
    store.note(noted("stays"))
    store.withdraw_note(number, by="Ben", why="wrong layer", now_s=9.0)
    other, mine = rows(store.notes())
    assert (mine["text"], mine["by"], mine["at_s"]) == ("spatter", "Ada", 7.0)
    assert (mine["withdrawn_by"], mine["withdrawn_s"], mine["withdrawn_why"]) == ("Ben", 9.0, "wrong layer")
    assert other["withdrawn_by"] is None
    with pytest.raises(RemarkError, match="already"):
        store.withdraw_note(number, by="Eve", why="again", now_s=10.0)
    assert rows(store.notes())[1] == mine


def test_a_build_is_good_until_that_is_taken_back_and_all_is_kept(store: Store) -> None:
    store.mark_build("m1", "b1", good=True, by="Ada", note="CT clean", now_s=1.0)
    store.mark_build("m1", "b2", good=True, by="Ada", note="CT clean", now_s=2.0)
    store.mark_build("m1", "b1", good=False, by="Ben", note="crack found", now_s=3.0)
    marks = store.build_marks()
    assert [(row.build, row.good, row.by, row.at_s, row.note) for row in marks.itertuples()] == [
        ("b1", True, "Ada", 1.0, "CT clean"),
        ("b2", True, "Ada", 2.0, "CT clean"),
        ("b1", False, "Ben", 3.0, "crack found"),
    ]
    assert standing(marks)["build"].tolist() == ["b2"]
    assert len(store.build_marks("m1", "b1")) == 2
    store.mark_build("m1", "b1", good=True, by="Ben", note="was the scanner", now_s=4.0)
    assert set(standing(store.build_marks())["build"]) == {"b1", "b2"}


REFUSED: dict[str, tuple[str, Callable[[Store], Any]]] = {
    "no such build": ("no build", lambda s: s.note(Note("m1", "b9", "x", "Ada", 1.0))),
    "no such machine": ("no build", lambda s: s.mark_build("m9", "b1", good=True, by="Ada", note="x", now_s=1.0)),
    "no such layer": ("layer 2", lambda s: s.note(noted(layer=2))),
    "no such note": ("no such note", lambda s: s.withdraw_note(9, by="Ada", why="x", now_s=1.0)),
    "not good": ("not marked", lambda s: s.mark_build("m1", "b1", good=False, by="Ada", note="x", now_s=1.0)),
    "without a reason": ("why", lambda s: s.mark_build("m1", "b1", good=True, by="Ada", note=" ", now_s=1.0)),
    "by nobody": ("who", lambda s: s.mark_build("m1", "b1", good=True, by="", note="x", now_s=1.0)),
    "no text": ("text", lambda s: s.note(noted("  "))),
    "too long": (str(LONGEST), lambda s: s.note(noted("x" * (LONGEST + 1)))),
    "a place nowhere": ("which", lambda s: s.note(noted(shape="point", x_m=0.0, y_m=0.0))),
    "half a place": ("x_m, y_m", lambda s: s.note(noted(layer=1, shape="point", x_m=0.0))),
    "no radius": ("radius", lambda s: s.note(noted(layer=1, shape="circle", x_m=0.0, y_m=0.0, radius_m=0.0))),
    "not a number": ("within", lambda s: s.note(noted(layer=1, shape="point", x_m=float("nan"), y_m=0.0))),
    "another shape": ("star", lambda s: s.note(noted(layer=1, shape="star"))),
    "coordinates alone": ("no coordinates", lambda s: s.note(noted(layer=1, x_m=0.0))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused_in_words_and_leaves_no_trace(store: Store, name: str) -> None:
    words, act = REFUSED[name]
    with pytest.raises(RemarkError, match=words):
        act(store)
    assert store.notes().empty
    assert store.build_marks().empty


def test_twice_good_is_refused(store: Store) -> None:
    store.mark_build("m1", "b1", good=True, by="Ada", note="x", now_s=1.0)
    with pytest.raises(RemarkError, match="already"):
        store.mark_build("m1", "b1", good=True, by="Ben", note="y", now_s=2.0)
    assert len(store.build_marks()) == 1


def test_a_desk_keeps_remarks_and_a_reader_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    writer = SqlStore.create(url)
    writer.write(Step([case.heard(case.build())], received_s=5.0))
    desk, reader = SqlStore.open_desk(url), SqlStore.open_reader(url)
    desk.note(noted())
    assert reader.notes()["by"].tolist() == ["Ada"]
    with pytest.raises(StoreReadOnlyError):
        reader.note(noted())
    for store in (desk, reader, writer):
        store.close()


def test_a_remark_is_never_changed_or_deleted_in_the_code() -> None:
    source = (Path(__file__).parents[2] / "twin" / "store" / "sql" / "remarks.py").read_text()
    assert "insert(NOTE)" in source
    assert not {"update(", "delete("} & {word for word in ("update(", "delete(") if word in source}
