"""Laws of the replay: a moment holds nothing from later, is never live, and is asked for by one who may read."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from tests.contracts.test_course import FRAME_S, filled
from tests.twin.test_course import layers, of
from tests.ui.synthetic import LPBF_BAY, SyntheticStore
from twin import course
from twin.course import Course, Here
from twin.remarks import Note
from twin.store.fake.store import FakeStore
from twin.store.port import Step
from ui.figures import LIGHT, LPBF, timeline
from ui.figures.course import course_figure
from ui.live import to_json_plotly
from ui.pages.replay import PAGE, Recordings, read_recordings
from ui.replay.moment import Moment, Recall, alerts_then
from ui.replay.words import seconds, told
from ui.snapshot import Snapshot

Serve = Callable[..., str]


def at(frame: float, opinion: str = "") -> Moment:
    return Recall(filled(FakeStore())).moment("m1", "b1", frame * FRAME_S, opinion, 2000.0)


def test_a_moment_holds_nothing_from_later_but_what_came() -> None:
    moment = at(4)
    fresh, slow = moment.snapshot.fresh, moment.snapshot.slow
    assert fresh.latest is not None
    assert (fresh.latest["frame"], moment.frame) == (4, 4)
    observed = fresh.frames[fresh.frames["lead_s"] == 0]
    assert observed["time_s"].max() == pytest.approx(4 * FRAME_S)
    assert fresh.signals["time_s"].max() <= 4 * FRAME_S
    assert slow.absorptivity["time_s"].max() <= 4 * FRAME_S
    assert slow.calibration["time_s"].max() <= 4 * FRAME_S
    assert moment.snapshot.read_s == 1004.0, "ages are those of then"
    horizon_s = fresh.frames["time_s"].max()
    assert fresh.came["time_s"].min() > 4 * FRAME_S
    assert fresh.came["time_s"].max() <= horizon_s
    assert {"estimate_width_m", "melt_pool_width_m"} <= set(fresh.came["name"])
    assert (moment.before_s, moment.after_s) == (3 * FRAME_S, 5 * FRAME_S)


def test_a_machine_in_a_replay_is_never_live_nor_online() -> None:
    row = at(4).snapshot.row
    assert (row["origin"], row["status"], row["time_factor"]) == ("replay", None, 1.0)


def test_an_opinion_stands_beside_only_where_it_is_asked_for() -> None:
    assert at(4).snapshot.fresh.second.empty
    second = at(4, "reference").snapshot.fresh.second
    assert second["frame"].max() == 4
    assert len(second) >= 5


def test_alerts_are_those_that_stood_then_with_what_was_known_then() -> None:
    store = filled(FakeStore())
    store.acknowledge("m1", "b1", "drift", by="Ada", note="seen", now_s=1005.0)
    rows = store.build_alerts("m1", "b1")
    assert alerts_then(rows, 1002.9).empty
    first = alerts_then(rows, 1003.5).iloc[0]
    assert np.isnan(first["cleared_s"])
    assert np.isnan(first["acknowledged_s"])
    assert first["acknowledged_by"] is None
    assert first["last_seen_s"] == 1003.5
    known = alerts_then(rows, 1005.5).iloc[0]
    assert known["acknowledged_by"] == "Ada"
    assert np.isnan(known["cleared_s"])
    assert alerts_then(rows, 1007.0).iloc[0]["cleared_s"] == 1006.0


def silent() -> Course:
    return of(layers([0.0, 100.0, 200.0, 300.0, 400.0, 2000.0]))


def test_a_gap_is_said_with_how_long_and_what_is_usual_and_a_pause_is_no_gap() -> None:
    gap = told(Moment(1000.0, silent().here(1000.0), Snapshot(float("nan"))), silent())
    assert gap.shown == "silence"
    assert gap.where == "Gap between layers 4 and 5: layer 5 began 1,600 s after the one before it, 100 s is usual"
    assert "Nothing had come for 598 s at this moment, in a gap of 1,598 s" in gap.stale
    pause = told(Moment(50.0, silent().here(50.0), Snapshot(1e9)), silent())
    assert (pause.shown, pause.where) == ("pause", "Pause between layers 0 and 1: 47.5 s of 97.5 s")
    assert pause.stale
    layer = told(Moment(101.0, silent().here(101.0), Snapshot(1e9), frame=12), silent())
    assert (layer.shown, layer.stale) == ("frame", "")
    assert layer.where == "Layer 1, frame 12: 1 s of 2.5 s"
    assert layer.wall == "2001-09-09 01:46:40 UTC"


def test_a_clock_that_stepped_back_is_said_in_the_layer_after() -> None:
    back = of(layers([0.0, 100.0, 90.0]))
    assert (
        "clock stepped back 12.5 s before this layer" in told(Moment(91.0, back.here(91.0), Snapshot(0.0)), back).where
    )


def test_a_layer_without_forecasts_by_then_says_so_and_is_not_shown_as_now() -> None:
    moment = Moment(101.0, Here("layer", 1, 100.0, 102.5), Snapshot(0.0))
    late = at(4)
    stuck = Moment(101.0, Here("layer", 7, 100.0, 102.5), late.snapshot)
    said = told(stuck, silent())
    assert said.shown == "pause"
    assert "No frame of this layer is forecast by this moment: what is shown is of layer 1." in said.stale
    assert told(moment, silent()).shown == "frame"
    ago = told(Moment(20 * FRAME_S, Here("layer", 1, 0.0, 1.0), late.snapshot, frame=4), silent())
    assert (ago.shown, ago.stale) == ("pause", "No frame was forecast in the 1 ms before this moment.")
    assert told(Moment(5 * FRAME_S, Here("layer", 1, 0.0, 1.0), late.snapshot, frame=4), silent()).stale == ""


def test_lengths_of_time_are_readable_at_every_size() -> None:
    assert [seconds(x) for x in (0.0, 6.25e-5, 0.45, 12.34, 1475.45)] == [
        "0 s",
        "62.5 µs",
        "450 ms",
        "12.3 s",
        "1,475 s",
    ]


def traces(figure: Any, meta: str) -> list[Any]:
    return [trace for trace in figure.data if trace.meta == meta]


def test_every_kind_of_event_is_on_the_timeline_at_its_time() -> None:
    told_course = filled(FakeStore()).course("m1", "b1")
    figure = course_figure(told_course, LIGHT)
    (drift,) = [t for t in traces(figure, "not ok") if t.mode == "markers"]
    assert list(drift.x) == [pytest.approx(3 * FRAME_S)]
    (alert,) = [t for t in traces(figure, "low") if t.mode == "markers"]
    assert list(alert.x) == [pytest.approx(3 * FRAME_S)]
    assert "Signal moves away from the forecast (low), layer 1" in alert.text[0]
    assert traces(figure, "skipped")
    assert traces(figure, "gap")
    worked = traces(figure, "beam at work")[0]
    assert np.nanmin(worked.x) == told_course.span[0]
    gap = course_figure(silent(), LIGHT)
    line = next(t for t in traces(gap, "silence") if t.mode == "lines")
    assert list(line.x[:2]) == [402.5, 2000.0]
    assert traces(course_figure(of(layers([0.0, 100.0, 90.0])), LIGHT), "clock steps back")


def test_a_build_of_which_nothing_is_stored_says_so() -> None:
    assert "Nothing is stored" in to_json_plotly(course_figure(of(layers([])), LIGHT))


def test_a_timeline_of_thousands_of_layers_is_small() -> None:
    figure = course_figure(of(layers([100.0 * n for n in range(2000)])), LIGHT)
    assert len(to_json_plotly(figure)) < 700_000
    assert len(figure.data) < 20


def test_the_list_has_a_way_to_each_build_and_reads_nothing_for_who_looks_at_one() -> None:
    store = filled(FakeStore())
    view = read_recordings(store, {}, PAGE.empty, 100.0)  # type: ignore[arg-type]
    assert view is not None
    rows = json.dumps(json.loads(to_json_plotly(PAGE.parts[0].draw(view, LIGHT))))
    assert "/replay?machine=m1&build=b1" in rows
    looked = read_recordings(store, {"build": "b1"}, PAGE.empty, 100.0)  # type: ignore[arg-type]
    assert looked is not None
    assert looked.rows == ()
    assert read_recordings(FakeStore(), {}, PAGE.empty, 100.0) is None  # type: ignore[arg-type]
    assert Recordings(5.0).pulse()["age_s"] is None, "what is stored is not fresh"


def get(address: str, path: str, **asked: Any) -> dict[str, Any]:
    query = urllib.parse.urlencode(asked)
    with urllib.request.urlopen(f"{address}{path}?{query}", timeout=20) as answer:
        return dict(json.loads(answer.read()))


def test_a_moment_over_the_wire_and_what_the_viewer_holds_is_not_sent_again(serve: Serve) -> None:
    address = serve(filled(FakeStore()))
    first = get(address, "/replay/moment", machine="m1", build="b1", at=4 * FRAME_S)
    assert first["said"]["frame"] == 4
    assert {"band", "timeline", "field", "pool", "layer", "alerts", "moment"} <= set(first["parts"])
    assert not {"counts", "missed"} & set(first["parts"])
    band = json.dumps(first["parts"]["band"])
    assert "LIVE" not in band
    assert "machine online" not in band
    seen = {name: part["stamp"] for name, part in first["parts"].items()}
    again = get(address, "/replay/moment", machine="m1", build="b1", at=4 * FRAME_S, seen=json.dumps(seen))
    assert again["parts"] == {}
    told_course = get(address, "/replay/course", machine="m1", build="b1")["said"]
    assert told_course["opinions"] == ["reference"]
    assert told_course["alerts"] == [pytest.approx(3 * FRAME_S)]


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/replay/moment", {"machine": "m1", "build": "b1", "at": "nan"}, 422),
        ("/replay/moment", {"machine": "m1", "build": "b1"}, 422),
        ("/replay/moment", {"machine": "m1", "build": "b1", "at": 1, "seen": "[1"}, 422),
        ("/replay/moment", {"machine": "m1", "build": "none", "at": 1}, 404),
        ("/replay/course", {"machine": "none", "build": "b1"}, 404),
    ],
)
def test_what_cannot_be_answered_is_said_by_its_status(
    serve: Serve, path: str, asked: dict[str, Any], status: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(serve(filled(FakeStore())), path, **asked)
    assert refused.value.code == status


def test_where_nothing_was_ever_stored_an_answer_says_so_in_words(serve: Serve, tmp_path: Path) -> None:
    address = serve(f"sqlite:///{tmp_path}/none.db")
    for path, more in (("/replay/course", {}), ("/replay/moment", {"at": 1.0})):
        assert "No build is stored yet" in get(address, path, machine="m1", build="b1", **more)["missing"]
    assert list(tmp_path.iterdir()) == []


def test_a_build_without_forecasts_shows_its_path_and_how_to_get_them(serve: Serve) -> None:
    store = FakeStore()
    said = [case.build(), case.layer(1), case.plan(0, [0.0]), case.parameters(0, [0.0, 0.1, 0.2])]
    store.write(Step([heard(each) for each in said], received_s=time.time()))
    told_moment = get(serve(store), "/replay/moment", machine="m1", build="b1", at=0.15)
    assert "./meltwin import FILE --forecast" in json.dumps(told_moment["parts"]["timeline"])
    assert told_moment["said"]["frame"] is None
    path = [t for t in told_moment["parts"]["layer"]["props"]["layer"]["figure"]["data"] if t.get("name") == "path"]
    assert path


def test_columns_of_a_course_are_what_the_figure_reads() -> None:
    empty = FakeStore().course("m", "b")
    for table, columns in (
        (empty.layers, course.LAYERS), (empty.breaks, course.BREAKS), (empty.outcomes, course.OUTCOMES),
        (empty.skipped, course.SKIPPED), (empty.alerts, course.ALERTS), (empty.gaps, course.GAPS),
    ):  # fmt: skip
        assert list(table.columns) == list(columns)


def test_the_synthetic_machine_can_be_looked_back_at() -> None:
    store = SyntheticStore(frame=300)
    frame_s = LPBF_BAY.frame_s
    moment = Recall(store).moment(LPBF_BAY.name, "lpbf-demo", 100.4 * frame_s, "", 0.0)  # type: ignore[arg-type]
    assert moment.frame == 100
    assert moment.snapshot.fresh.signals["time_s"].max() <= 100.4 * frame_s
    assert (moment.before_s, moment.after_s) == (pytest.approx(99 * frame_s), pytest.approx(101 * frame_s))
    figure = go.Figure(
        timeline(
            moment.snapshot.fresh.frames, moment.snapshot.fresh.signals, LPBF, LIGHT, None, moment.snapshot.fresh.came
        )
    )
    for meta in ("came, estimated", "came, observed"):
        (width,) = traces(figure, meta)[:1]
        assert min(width.x) > 0, "what came is drawn over the horizon and nowhere else"
        assert max(width.x) <= max(traces(figure, "forecast")[0].x) + 1e-6


def test_what_is_chosen_of_how_a_part_is_drawn_holds_in_a_replay_too(serve: Serve) -> None:
    address = serve(filled(FakeStore()))
    asked = {"machine": "m1", "build": "b1", "at": 4 * FRAME_S}
    power = get(address, "/replay/moment", **asked)["parts"]["layer"]["props"]
    width = get(address, "/replay/moment", **asked, colour="width")["parts"]["layer"]["props"]
    assert power != width


def test_notes_of_people_stand_on_the_timeline_and_beside_their_layer_until_they_are_withdrawn() -> None:
    store = filled(FakeStore())
    kept = store.note(Note("m1", "b1", "powder was damp", "Ada", 3000.0, layer=2))
    gone = store.note(Note("m1", "b1", "a mistake", "Bob", 3001.0, layer=2))
    store.withdraw_note(gone, by="Bob", why="wrong build", now_s=3002.0)
    recall = Recall(store)
    notes = recall.notes("m1", "b1", 0.0)
    assert notes["id"].tolist() == [kept]
    whole = recall.course("m1", "b1", 0.0)
    (mark,) = traces(course_figure(whole, LIGHT, notes), "people's note")
    assert (list(mark.x), list(mark.text)) == ([pytest.approx(6 * FRAME_S)], ["layer 2, Ada: powder was damp"])
    second = recall.moment("m1", "b1", 7 * FRAME_S, "", 0.0)
    assert told(second, whole, notes).note == "Ada, 1970-01-01 00:50:00 UTC: powder was damp"
    first = recall.moment("m1", "b1", 2 * FRAME_S, "", 0.0)
    assert told(first, whole, notes).note == ""
