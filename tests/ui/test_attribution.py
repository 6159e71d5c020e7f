"""The card that says why: its two figures, and what it says of a question in each state. By a recorded answer."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.ui.synthetic import LPBF_BAY, SyntheticStore
from tests.ui.test_alerts import text
from twin.attribution.because import attribution
from twin.store.requests import GIVEN_UP, LATE, Request
from ui import ids
from ui.figures import DARK, LIGHT, LPBF, moments, places, timeline
from ui.figures.attribution import CAUSES, view
from ui.pages.because import over, picks, shown
from ui.snapshot import Fresh, Snapshot, read_fresh

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return told


DEPTH, WITHHELD = recorded("attribution_depth"), recorded("attribution_length_withheld")
ASKED = Request(
    7, "attribution", {name: DEPTH[name] for name in ("machine", "build", "layer", "frame", "of", "lead_s")}, "Ada",
    asked_s=100.0, deadline_s=120.0,
)  # fmt: skip
CLAIMED = replace(ASKED, state="claimed", claims=1, claimed_s=100.5, lease_until_s=130.5)
DONE = replace(CLAIMED, state="done", progress=1.0, answer=DEPTH, answered_s=102.0)


def words(request: Request, now_s: float) -> str:
    props = shown(request, now_s, LPBF, LIGHT)
    return " ".join(
        text(props[name]["children"]) for name in (ids.WHY_STATE, ids.WHY_WAITED, ids.WHY_SENTENCE, ids.WHY_FACTS)
    )


def bars(figure: Any, name: str) -> np.ndarray:
    (found,) = [np.asarray(trace.y, float) for trace in figure.data if trace.name == name]
    return found


def test_what_the_stretches_have_brought_adds_up_to_the_difference_from_nominal() -> None:
    figure, told = moments(DEPTH, LIGHT), attribution(DEPTH["attribution"])
    brought = sum(bars(figure, cause).sum() for cause in CAUSES)
    assert brought == pytest.approx(1e6 * told.difference, rel=told.defect + 1e-3)
    assert bars(figure, "1 % power").sum() == pytest.approx(1e6 * told.by_percent[:, 0].sum(), rel=1e-3)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_newest_stretch_is_at_the_right_and_a_cause_is_told_by_its_hatching_too(palette: Any) -> None:
    figure = moments(DEPTH, palette)
    newest = DEPTH["table"][0]
    assert [bars(figure, cause)[-1] for cause in CAUSES] == pytest.approx([newest[cause] for cause in CAUSES], rel=1e-5)
    assert figure.layout.xaxis.ticktext[-1] == "now"
    assert figure.layout.xaxis.ticktext[0] == "6.3 ms"
    of = [(trace.marker.color, trace.marker.pattern.shape) for trace in figure.data[:3]]
    assert len({colour for colour, _ in of}) == len({shape for _, shape in of}) == 3
    assert not any(" us" in tick for tick in figure.layout.xaxis.ticktext)


def test_the_map_is_the_answers_in_the_frame_of_the_beam_and_its_view_holds_what_counts() -> None:
    spatial = DEPTH["spatial"]
    figure = places(spatial, LPBF, LIGHT)
    surface, section = figure.data[:2]
    np.testing.assert_allclose(surface.z, np.array(spatial["surface"]).T, atol=1e-6)
    np.testing.assert_allclose(section.z, np.array(spatial["section"]).T, atol=1e-6)
    np.testing.assert_allclose(section.y, 1e6 * np.array(spatial["z_m"]), rtol=1e-5)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-1, 1), "nothing changes nothing: grey"
    begin, end, _, depth = view(spatial)
    i, k = np.unravel_index(np.abs(spatial["section"]).argmax(), np.shape(spatial["section"]))
    assert begin <= spatial["x_m"][i] <= end
    assert spatial["z_m"][k] <= depth
    assert begin <= 0 <= end
    assert figure.layout.yaxis2.range[0] > figure.layout.yaxis2.range[1], "depth grows downwards"


def test_an_answer_says_what_by_whom_when_how_long_and_how_far_it_is_to_be_believed() -> None:
    said = words(DONE, 110.0)
    for part in (
        "63% of the extra depth comes from the power of 215 W", "µm deeper", "Asked by Ada at 00:01:40 UTC",
        "depth of frame 100, layer 0", "after 2 s, of which 1.5 s", "correlation of 0.99 (median of 11 cases",
        "the parts miss 0.2% of the difference", "asno-melt-pool",
    ):  # fmt: skip
        assert part in said, part
    assert over(DONE, 102.0)
    props = shown(DONE, 110.0, LPBF, LIGHT)
    assert "Where heat 125 µs before" in props[ids.WHY_PLACES_SAID]["children"]
    assert "answered" in props[ids.WHY]["className"]


def test_what_is_withheld_says_why_and_draws_nothing() -> None:
    request = replace(DONE, answer=WITHHELD)
    said = words(request, 110.0)
    assert "Withheld" in said
    assert "fails its own test: its rank correlation with the reference's adjoint is 0.89" in said
    props = shown(request, 110.0, LPBF, LIGHT)
    assert not props[ids.WHY_MOMENTS]["figure"].data
    assert "answered" not in props[ids.WHY]["className"]
    half = shown(
        replace(DONE, answer=DEPTH | {"spatial": None, "spatial_withheld": "too few cases"}), 110.0, LPBF, LIGHT
    )
    assert "too few cases" in half[ids.WHY_PLACES_SAID]["children"]
    assert half[ids.WHY_MOMENTS]["figure"].data
    assert not half[ids.WHY_PLACES]["figure"].data


@pytest.mark.parametrize(
    ("request_", "now_s", "ended", "said"),
    [
        (ASKED, 101.0, False, "Forecasts come first"),
        (ASKED, 101.0, False, "1 s of at most 20 s"),
        (ASKED, 104.0, False, "without a ./meltwin run on this store nobody answers"),
        (CLAIMED, 101.0, False, "Being worked out"),
        (replace(CLAIMED, progress=0.4), 101.0, False, "40% done"),
        (CLAIMED, 121.0, False, "Being worked out"),
        (CLAIMED, 131.0, True, "Nobody answered in time"),
        (ASKED, 120.0, True, "Nobody answered in time"),
        (replace(ASKED, state="dropped", error=LATE, answered_s=125.0), 126.0, True, "Nobody answered in time"),
        (replace(ASKED, state="failed", error=GIVEN_UP, answered_s=102.0), 103.0, True, "Not answered"),
        (replace(ASKED, state="failed", error="layer 3 has no frame 9", answered_s=102.0), 103.0, True, "no frame 9"),
    ],
)
def test_each_state_of_a_question_has_words_and_an_end(request_: Request, now_s: float, ended: bool, said: str) -> None:
    assert said in words(request_, now_s)
    assert over(request_, now_s) == ended


def test_the_browser_may_pick_what_the_picture_shows_and_nothing_else() -> None:
    store = SyntheticStore(frame=300)
    snapshot = Snapshot(store.now_s, machine=LPBF_BAY.name, fresh=read_fresh(store, LPBF_BAY.name, Fresh()))
    figure = timeline(snapshot.fresh.frames, snapshot.fresh.signals, LPBF, LIGHT)
    told = picks(snapshot, figure)
    line = next(trace for trace in go.Figure(figure).data if trace.meta == "estimate")
    shown_ms = (np.array(told["time_s"]) - told["now_s"]) * told["per_s"]
    np.testing.assert_allclose(shown_ms, line.x, atol=1e-4)
    assert (told["frame"][-1], told["build"], set(told["layer"])) == (300, "lpbf-demo", {3})
    assert [float(value) for value, _ in told["leads"]] == pytest.approx(np.arange(1, 9) * LPBF_BAY.frame_s)
    assert told["leads"][0][1] == "in 62.5 µs"
    assert picks(Snapshot(0.0), figure) == {}
