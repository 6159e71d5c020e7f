"""The report says what the store says: nothing more, nothing less, and the same each time."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.ui.report import built
from tests.ui.report.page import Page
from twin.remarks import Note
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from ui.report import ReportError, Rows, Stamp, document, read, stretch_of

STAMP = Stamp(1_800_000_000.0, "A. Quality <qa@works>", "meltwin test")
LAYERS, FRAMES = 5, 200


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    made = SqlStore.create(f"sqlite:///{tmp_path_factory.mktemp('report') / 'store.db'}")
    built.fill(made, LAYERS, FRAMES)
    built.acknowledge(made, "outside_envelope", "M. Ito", 'looked at it: <fine> & "dry"')
    yield made
    made.close()


@pytest.fixture(scope="module")
def rows(store: SqlStore) -> Rows:
    return read(store, stretch_of(store, built.MACHINE, built.BUILD))


def text_of(rows: Rows, stamp: Stamp = STAMP) -> str:
    """What a person reads, in one line."""
    page = Page(document(rows, stamp))
    return re.sub(r"\s+", " ", " ".join(text for _, text in page.all("body")))


def test_the_same_rows_give_the_same_bytes_and_a_stamp_changes_its_own_lines(store: SqlStore, rows: Rows) -> None:
    again = read(store, stretch_of(store, built.MACHINE, built.BUILD))
    assert document(again, STAMP) == document(rows, STAMP)
    other = document(rows, replace(STAMP, made_s=STAMP.made_s + 61, made_by="another"))
    one, two = (page.splitlines() for page in (document(rows, STAMP), other))
    assert len(one) == len(two)
    changed = [line for line, was in zip(two, one, strict=True) if line != was]
    assert len(changed) == 4  # the seal, the line under the title, when, by whom
    assert all("meltwin-report" in line or "another" in line or "2027" in line for line in changed)


def test_it_stands_alone_and_can_be_read_by_all(rows: Rows) -> None:
    page = document(rows, STAMP)
    assert Page(page).faults == []
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert "default-src 'none'" in page


def test_what_people_wrote_is_shown_and_is_not_markup(rows: Rows) -> None:
    page, said = document(rows, STAMP), text_of(rows)
    for words in (
        built.PART,
        'M. Ito, 2023-11-14 22:14:20 UTC: “looked at it: <fine> & "dry"”',
        "recoater <hopped>",
        STAMP.made_by,
    ):
        assert words in said
    assert "<fine>" not in page
    assert "<hopped>" not in page
    assert "<qa@" not in page


def test_notes_of_people_and_marks_are_shown_with_who_and_when(store: SqlStore, tmp_path: Path) -> None:
    noting = SqlStore.create(f"sqlite:///{tmp_path}/noted.db")
    built.fill(noting, LAYERS, 20)

    def note(words: str, **where: Any) -> int:
        return noting.note(Note(built.MACHINE, built.BUILD, words, "Ben", built.BEGUN_S, **where))

    note("on the build & <all> of it")
    note("spatter", layer=2, shape="circle", x_m=1e-3, y_m=2e-3, radius_m=5e-4)
    back = note("a shadow", layer=2)
    note("elsewhere", layer=5)
    noting.withdraw_note(back, by="Eve", why="looked again", now_s=built.BEGUN_S + 60)
    noting.mark_build(built.MACHINE, built.BUILD, good=True, by="Ada", note="CT clean", now_s=built.BEGUN_S)
    rows = read(noting, stretch_of(noting, built.MACHINE, built.BUILD, layers=(1, 3)))
    assert document(rows, STAMP) == document(read(noting, rows.stretch), STAMP)
    noting.close()
    said = text_of(rows)
    for words in (
        "the build on the build & <all> of it Ben, 2023-11-14 22:13:20 UTC",
        "layer 2, circle at x 1.00, y 2.00 mm, radius 0.50 mm spatter",
        "withdrawn Eve, 2023-11-14 22:14:20 UTC: “looked again”",
        "Marked good by Ada, 2023-11-14 22:13:20 UTC: “CT clean”",
        "recoater <hopped>",
    ):
        assert words in said
    assert "elsewhere" not in said
    assert "Nobody has marked" in text_of(read(store, stretch_of(store, built.MACHINE, built.BUILD)))


def test_frames_by_outcome_and_what_is_not_known_add_up(rows: Rows) -> None:
    said = text_of(rows)
    due, odd = LAYERS * FRAMES + 16, 40
    assert rows.layers["frames"].sum() == LAYERS * FRAMES
    assert rows.outcomes["frames"].sum() == LAYERS * FRAMES
    assert f"{due - odd - 16:,} of the {due:,} frames that were due" in said
    assert "may not be relied on throughout" in said
    assert rows.outcomes.set_index("kind").loc["outside_envelope", "frames"] == odd
    assert "by up to 0.42" in said
    assert "Frames skipped 16 in layer 3" in said
    assert "1 message never came" in said
    assert "Rejected messages 1 truncated 1" in said  # the one of another machine is not counted
    assert "2 alerts: 1 open, 1 acknowledged by nobody" in said


def test_sizes_are_those_of_the_frames_in_order(store: SqlStore, rows: Rows) -> None:
    widths = []
    for layer in range(1, LAYERS + 1):
        frames = store.layer_frames(rows.stretch, layer)
        fine = frames[(frames["outcome"] == "ok") & frames["laser_on"]]
        widths += fine["width_m"].tolist()
        told = rows.layers.set_index("layer").loc[layer]
        assert told["width_p95_m"] == pytest.approx(fine["width_m"].quantile(0.95), rel=1e-12)
        assert told["pools"] == len(fine)
    assert rows.sizes["width"].count == len(widths)
    assert rows.sizes["width"].mean == pytest.approx(sum(widths) / len(widths), rel=1e-12)


def test_observed_minus_forecast_is_the_bias_of_the_sensor(rows: Rows) -> None:
    now, ahead = rows.residuals["width"]
    assert now.mean == pytest.approx(built.BIAS_M, rel=1e-9)
    assert now.deviation < 1e-10
    assert ahead.count > 0
    assert rows.horizon_s == pytest.approx(2 * built.FRAME_S)
    assert rows.residuals["depth"][0].count == 0
    assert "Width, now (lead 0) +7.0" in text_of(rows)


def test_assumed_is_marked_and_certified_is_not_claimed(rows: Rows) -> None:
    cells = dict(re.findall(r'<th scope="row">([^<]+)</th><td>[^<]*</td><td>(.*?)</td>', document(rows, STAMP)))
    assert "assumed" in cells["Beam diameter (D4-sigma)"]
    assert "assumed" in cells["Absorptivity"]
    assert cells["Material"] == "stated"
    assert "Data certified no" in text_of(rows)


def test_card_hashes_and_units_are_told(rows: Rows) -> None:
    said = text_of(rows)
    for words in (
        built.CARD["sha256"],
        rows.said.data_hash,
        rows.forecast_hash,
        "f" * 64,
        "peclet",
        "75",
        "test · median",
    ):
        assert words in said
    for heading in re.findall(r'<th scope="col"[^>]*>((?:Mean|5 %|Standard)[^<]*)</th>', document(rows, STAMP)):
        assert heading.endswith(", µm"), heading


def test_a_stretch_of_layers_and_of_time_holds_no_other_frames(store: SqlStore) -> None:
    some = read(store, stretch_of(store, built.MACHINE, built.BUILD, layers=(2, 3)))
    assert some.layers["layer"].tolist() == [2, 3]
    assert not some.whole
    assert set(some.alerts["layer"]) == {3}
    begin_s = 4 * built.LAYER_S + 50 * built.FRAME_S
    timed = read(
        store, stretch_of(store, built.MACHINE, built.BUILD, from_s=begin_s, to_s=begin_s + 49.5 * built.FRAME_S)
    )
    assert timed.layers["layer"].tolist() == [4]
    assert timed.layers["frames"].sum() == 50
    assert timed.alerts.empty
    assert "process time from 40.0031 s" in text_of(timed)


def test_a_build_without_forecasts_has_no_verdict(store: SqlStore, tmp_path: Path) -> None:
    bare = SqlStore.create(f"sqlite:///{tmp_path / 'bare.db'}")
    messages = [*built.opening(1), *built.layer_messages(1, 20)]
    bare.write(Step([built.said(message) for message in messages], received_s=built.BEGUN_S))
    rows = read(bare, stretch_of(bare, built.MACHINE, built.BUILD))
    said = text_of(rows)
    assert "No verdict: no frame of this stretch has a forecast" in said
    assert "0 of 1" in said
    assert "may be relied on" not in said
    assert Page(document(rows, STAMP)).faults == []
    bare.close()


def test_a_build_that_goes_on_says_so(tmp_path: Path) -> None:
    store = SqlStore.create(f"sqlite:///{tmp_path / 'going.db'}")
    built.fill(store, 2, 20, end=False)
    rows = read(store, stretch_of(store, built.MACHINE, built.BUILD))
    assert "This build is not at its end. The machine is online; 2 of 5 layers are stored" in text_of(rows)
    store.close()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"machine": "m9", "build": "b"}, "there is no machine 'm9' with a build; there are m7"),
        ({"machine": "m7", "build": "b"}, "machine m7 has no build 'b'; its newest are bracket-12"),
        ({"machine": "m7", "build": "bracket-12", "layers": (8, 9)}, "nothing stored there: it has layers 1 to 5"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(store: SqlStore, asked: dict[str, object], says: str) -> None:
    with pytest.raises(ReportError, match=re.escape(says)):
        stretch_of(store, **asked)  # type: ignore[arg-type]


def test_many_layers_cost_a_bounded_number_of_questions_each_and_few_are_printed(tmp_path: Path) -> None:
    asked = {}
    for layers in (45, 90):
        store = SqlStore.create(f"sqlite:///{tmp_path / f'{layers}.db'}")
        built.fill(store, layers, 8)
        statements: list[str] = []
        event.listen(store._engine, "before_cursor_execute", lambda *said, kept=statements: kept.append(said[2]))
        rows = read(store, stretch_of(store, built.MACHINE, built.BUILD))
        asked[layers] = len(statements)
        page = Page(document(rows, STAMP))
        assert page.faults == []
        assert len(rows.maps) == 4
        printed = re.sub(r"<details>.*?</details>", "", document(rows, STAMP), flags=re.S)
        assert printed.count("<tr>") < 140
        store.close()
    assert asked[90] - asked[45] <= 45 * 5
