"""The builds' page without a browser: what is read when, what is said, and what the figures show."""

from contextvars import copy_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.ui.shelved import BEGUN_S, FRAME_S, MACHINE, ODD_LAYER, shelve
from twin.observation import Skipped
from twin.remarks import NOTES, Note
from twin.store.fake.store import FakeStore
from twin.store.packing import table
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from twin.store.sql.stretch import Stretch
from twin.store.sums import POINTS
from ui import ids
from ui import kept as keeping
from ui.access.who import Who, set_who
from ui.figures import DARK, DED, LIGHT, LPBF
from ui.figures.builds import heat, limits_chart, measure, plane, stack
from ui.pages.builds import listing, page, remarks, words
from ui.report.rows import read
from ui.report.sections.what import verdict
from ui.shelf import CHOICES, Looked, Shelf, read_shelf

ASKED = {"machine": MACHINE, "build": "lug-3"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = SqlStore.create(f"sqlite:///{tmp_path_factory.mktemp('shelf')}/s.db")
    for number in range(3):
        shelve(made, f"lug-{number + 1}", number=number, odd=number == 2)
    for name in ("lug-1", "lug-2"):
        made.mark_build(MACHINE, name, good=True, by="Ada", note="CT clean", now_s=1.0)
    made.note(Note(MACHINE, "lug-3", "spatter", "Ben", 2.0, ODD_LAYER, "rectangle", 1e-4, 2e-4, 5e-4, 4e-4))
    yield made
    made.close()


def whole(store: Any, asked: dict[str, str]) -> Shelf:
    """As the feed does, until nothing is missing."""
    shelf: Shelf | None = Shelf(0.0)
    for tick in range(1, 60):
        shelf = read_shelf(store, asked, shelf or Shelf(0.0), float(tick))
        if shelf is None or not shelf.reading:
            break
    assert shelf is not None
    return shelf


def text(node: Any) -> str:
    """All words of Dash components, in order."""
    if node is None or isinstance(node, str | int | float):
        return str(node or "")
    if isinstance(node, list | tuple):
        return " ".join(text(each) for each in node)
    return text(getattr(node, "children", None))


def test_a_store_without_builds_waits() -> None:
    assert read_shelf(FakeStore(), {}, Shelf(0.0), 1.0) is None


def test_the_list_has_every_build_with_what_is_known_of_it(store: Any) -> None:
    shelf = whole(store, {})
    rows = listing.rows(shelf, LIGHT)[ids.BUILDS_LIST]["children"]
    told = [text(row) for row in rows]
    assert [words_.split()[0] for words_ in told] == ["lug-3", "lug-2", "lug-1"]
    assert "SIMULATED" in told[0]
    assert "98.6 %" in told[0]
    assert "720" in told[0]
    assert "good  Ada, 1970-01-01: CT clean" in told[1]
    assert "good" not in told[0]
    assert page._compared(shelf, LIGHT) == {}, "nothing of one build in the list"
    shown = rows[0].children[-1].children
    assert shown.href == f"/replay?machine={MACHINE}&build=lug-3"


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (None, ("–", "–", False)),
        ({}, ("0", "–", False)),
        ({"ok": 10}, ("10", "100 %", False)),
        ({"ok": 99_999, "residual": 1}, ("100,000", "> 99.9 %", True)),
        ({"residual": 4}, ("4", "0 %", True)),
        ({"ok": 13, "skipped": 2}, ("15", "86.7 %", True)),
    ],
)
def test_a_share_in_order_never_rounds_to_all(outcomes: dict[str, int] | None, said: tuple[str, str, bool]) -> None:
    assert listing.in_order(outcomes) == said


@pytest.mark.parametrize("kind", [FakeStore, SqlStore])
def test_a_frame_that_was_skipped_is_not_in_order_neither_here_nor_in_a_report(kind: Any, tmp_path: Path) -> None:
    made = kind() if kind is FakeStore else SqlStore.create(f"sqlite:///{tmp_path}/s.db")
    shelve(made, "lug-1", number=0, layers=2, frames=26)
    made.write(Step(skipped=[Skipped(MACHINE, "lug-1", 2, 26, 33, BEGUN_S)]))
    row = listing.rows(whole(made, {}), LIGHT)[ids.BUILDS_LIST]["children"][0]
    head = text(page._head(whole(made, {"machine": MACHINE, "build": "lug-1"}), LIGHT)[ids.BUILD_HEAD]["children"])
    for said in (text(row), head):
        assert "60" in said
        assert "86.7 %" in said
        assert "skipped" in said
    if kind is SqlStore:
        told = " ".join(verdict(read(made, Stretch(MACHINE, "lug-1", 1, 2))))
        assert "52 of the 60 frames that were due (86.7\u00a0%)" in told
    made.close()


def test_a_build_is_read_some_frames_at_a_time_and_each_layer_once(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.shelf.FRAMES", 300)
    monkeypatch.setattr(keeping, "_stores", type(keeping._stores)())
    read: list[tuple[str, int]] = []
    real = store.layer_sums

    def counted(machine: str, build: str, first: int, last: int) -> pd.DataFrame:
        read.extend((build, layer) for layer in range(first, last + 1))
        return real(machine, build, first, last)

    monkeypatch.setattr(store, "layer_sums", counted)
    first = read_shelf(store, ASKED, Shelf(0.0), 1.0)
    assert first is not None
    assert "6 of 6 layers of lug-1" in first.reading
    assert len(read) < 6
    done = whole(store, ASKED)
    assert done.reading == ""
    assert sorted(read) == [(f"lug-{n}", layer) for n in (1, 2, 3) for layer in range(1, 7)]
    whole(store, ASKED | {"quantity": "depth_m"})
    assert len(read) == 18, "another look reads no layer again"


def test_the_layer_that_deviates_is_named_with_by_how_much(store: Any) -> None:
    shelf = whole(store, ASKED)
    assert shelf.one is not None
    worst = shelf.one.outside.iloc[0]
    assert worst["layer"] == ODD_LAYER
    (told, items, *_) = words.outside(shelf.one, LPBF)
    assert text(told).startswith("1 of 6")
    of = measure(worst["quantity"], LPBF)
    assert f"{of.say(worst['by'])} above the limit" in text(items.children[0])
    assert "Against 2 good builds" in text(words.against(shelf.one, ""))
    alone = whole(store, {"machine": MACHINE, "build": "lug-1"})
    assert alone.one is not None
    assert alone.one.kin.builds == ((MACHINE, "lug-2"),), "never against itself"
    assert "One good build says" in text(words.against(alone.one, ""))


def test_a_build_that_is_not_there_is_said(store: Any) -> None:
    shelf = whole(store, {"machine": MACHINE, "build": "lug-9"})
    assert "There is no build lug-9" in text(page._head(shelf, DARK)[ids.BUILD_HEAD]["children"])
    for part in page.PARTS[2:]:
        assert part.draw(shelf, DARK) == {}


@pytest.mark.parametrize(
    ("asked", "looked"),
    [
        ({}, Looked()),
        ({"quantity": "drop table", "picture": "x", "layer": "-1"}, Looked()),
        ({"quantity": "depth_m", "picture": "heat", "layer": "12"}, Looked("depth_m", "heat", 12)),
        ({"layer": "9" * 40}, Looked()),
    ],
)
def test_what_makes_no_sense_in_an_address_is_the_usual(asked: dict[str, str], looked: Looked) -> None:
    assert Looked.of(asked) == looked


@pytest.mark.parametrize("quantity", CHOICES)
@pytest.mark.parametrize("picture", ["stack", "heat"])
def test_every_choice_draws_something(store: Any, quantity: str, picture: str) -> None:
    shelf = whole(store, ASKED | {"quantity": quantity, "picture": picture, "layer": str(ODD_LAYER)})
    for part in page.PARTS[1:]:
        assert part.draw(shelf, DARK)
    assert page._whole(shelf, DARK)[ids.BUILD_WHOLE]["figure"].data
    assert page._plane(shelf, DARK)[ids.BUILD_PLANE]["figure"].data
    has_samples = quantity not in ("observed_length_m", "observed_depth_m")
    assert bool(page._compared(shelf, DARK)[ids.BUILD_LIMITS]["figure"].data) is has_samples


def test_the_chart_draws_limits_and_what_is_beyond(store: Any) -> None:
    one = whole(store, ASKED).one
    assert one is not None
    figure = limits_chart(one.comparison, measure("width_m", LPBF), LIGHT, ODD_LAYER)
    traces = {trace.meta: trace for trace in figure.data}
    assert set(traces) == {"low", "high", "median", "build", "outside"}
    rows = one.comparison[one.comparison["quantity"] == "width_m"].set_index("layer")
    np.testing.assert_allclose(traces["build"].y, rows["value"] * 1e6)
    np.testing.assert_allclose(traces["high"].y, rows["high"] * 1e6)
    assert traces["outside"].x.tolist() == [ODD_LAYER]
    assert figure.layout.shapes[0].x0 == ODD_LAYER


def test_a_layer_without_a_value_is_a_hole_in_the_line(store: Any) -> None:
    one = whole(store, ASKED).one
    assert one is not None
    some = one.comparison[~one.comparison["layer"].isin([2, 3])]
    line = next(t for t in limits_chart(some, measure("width_m", LPBF), LIGHT).data if t.meta == "build")
    assert line.x.tolist() == [1, 2, 3, 4, 5, 6]
    assert np.isnan(line.y).tolist() == [False, True, True, False, False, False]


def test_outcomes_and_alerts_by_layer_are_counted_and_have_no_limits(store: Any) -> None:
    for quantity, wanted in (("outcome", [0, 0, 0, 100 / 12, 0, 0]), ("alerts", [0, 0, 0, 1, 0, 0])):
        shelf = whole(store, ASKED | {"quantity": quantity})
        (trace,) = page._compared(shelf, LIGHT)[ids.BUILD_LIMITS]["figure"].data
        assert trace.x.tolist() == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(trace.y, wanted)


def test_the_stack_is_in_millimetres_with_its_layer_to_click(store: Any) -> None:
    shelf = whole(store, ASKED)
    assert shelf.one is not None
    points, warned = shelf.one.points, shelf.one.alerts.assign(z_m=np.nan)
    figure = stack(points, measure("width_m", LPBF), LIGHT, 40e-6, warned)
    traces = {trace.meta: trace for trace in figure.data}
    fine = points[points["outcome"] == "ok"]
    np.testing.assert_allclose(traces["frames"].z, fine["layer"] * 0.04, rtol=1e-6)
    assert traces["frames"].customdata.tolist() == fine["layer"].tolist()
    assert len(traces["odd"].x) == 10
    assert traces["alerts"].z[0] == pytest.approx(ODD_LAYER * 0.04)


def test_the_map_by_time_has_a_hole_where_there_is_nothing(store: Any) -> None:
    bins = store.layer_bins(MACHINE, "lug-3", 1, 6, every=20)
    bins = bins[~((bins["layer"] == 2) & (bins["bin"] == 1))]
    (trace,) = heat(bins, measure("width_m", LPBF), LIGHT, 20, FRAME_S).data
    assert trace.z.shape == (6, 6)
    assert trace.z[1, 1] is None
    assert trace.x[0] == pytest.approx(10 * FRAME_S * 1e3)


def test_notes_stand_at_their_places_in_millimetres(store: Any) -> None:
    notes = store.notes(MACHINE, "lug-3")
    figure = plane(table([], POINTS), None, LIGHT, notes, pd.DataFrame())
    (trace,) = figure.data
    assert (trace.x[0], trace.y[0], trace.text) == (pytest.approx(0.3), pytest.approx(0.3), (f"{notes['id'][0]}",))
    (shape,) = figure.layout.shapes
    assert (shape.type, shape.x0, shape.y1) == ("rect", pytest.approx(0.1), pytest.approx(0.4))
    assert (
        "no frame"
        in plane(table([], POINTS), None, LIGHT, table([], NOTES), pd.DataFrame()).layout.annotations[0].text.lower()
    )


@pytest.mark.parametrize(
    ("role", "notes", "marks"), [("viewer", False, False), ("operator", True, False), ("engineer", True, True)]
)
def test_a_form_is_only_there_for_who_may(role: str, notes: bool, marks: bool) -> None:
    def laid_out() -> tuple[str, str]:
        set_who(Who("ada", role, "password"))
        return text(remarks.note_form()), text(remarks.good_form())

    note, mark = copy_context().run(laid_out)
    assert ("Keep the note" in note, "Mark as good" in mark) == (notes, marks)
    assert (f"Your role, {role}, may not" in note, f"Your role, {role}, may not" in mark) == (not notes, not marks)
    assert "Your name" not in note + mark, "the guard knows who it is"


def test_quantities_are_said_in_the_unit_of_the_process() -> None:
    assert measure("width_m", LPBF).say(142e-6) == "142.0 µm"
    assert measure("width_m", DED).say(1.42e-3) == "1.42 mm"
    assert measure("scan_speed_m_per_s", LPBF).say(0.8) == "800 mm/s"
    assert measure("beam_power_w", LPBF).say(-3.0, signed=True) == "−3.0 W"
    assert measure("not_ok_share", LPBF).say(0.05) == "5.0 %"
