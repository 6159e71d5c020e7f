"""Laws of the figure of absorptivity, and of the words that say where the number is from."""

import numpy as np
import pytest

from tests.ui.synthetic import LPBF_BAY, SyntheticStore
from ui.figures import LIGHT, absorbed
from ui.words import LATE_FRAMES, provenance

STORE = SyntheticStore(frame=300, inferring=True)
ROWS = STORE.absorptivity(LPBF_BAY.name, limit=200)
NOW_S = 300 * LPBF_BAY.frame_s
WHO = "hfluxno-melt-pool"


def traces(figure):
    return {trace.meta: trace for trace in figure.data}


def test_inferred_stands_beside_nominal_with_its_unit():
    figure = absorbed(ROWS, NOW_S, WHO, LIGHT)
    drawn = traces(figure)
    assert set(drawn) == {"nominal", "inferred"}
    assert set(drawn["nominal"].y) == {0.55}
    assert drawn["inferred"].y[-1] == pytest.approx(ROWS["absorptivity"].iloc[-1])
    assert drawn["inferred"].x[-1] == pytest.approx(0.0, abs=1e-4)
    assert figure.layout.xaxis.title.text == "process time from now, ms"
    assert figure.layout.yaxis.title.text == "share of the beam absorbed"
    low, high = figure.layout.yaxis.range
    assert 0 <= low < 0.55 < 0.64 < high <= 1
    assert "0.550 nominal" in figure.layout.annotations[0].text


def test_what_no_picture_has_told_is_not_drawn_as_inferred():
    drawn = traces(absorbed(ROWS, NOW_S, WHO, LIGHT))["inferred"]
    np.testing.assert_array_equal(np.isnan(drawn.y), ROWS["camera_frames"] == 0)
    blind = absorbed(ROWS.assign(camera_frames=0), NOW_S, WHO, LIGHT)
    assert set(traces(blind)) == {"nominal"}
    assert "not inferred yet" in blind.layout.annotations[0].text


def test_frames_whose_energy_does_not_add_up_are_marked():
    broken = ROWS.assign(outcome=np.where(np.arange(len(ROWS)) == 150, "residual", "ok"))
    assert len(traces(absorbed(broken, NOW_S, WHO, LIGHT))["not ok"].x) == 1


def test_an_operator_that_infers_nothing_is_named():
    figure = absorbed(ROWS.iloc[:0], NOW_S, "asno-melt-pool", LIGHT)
    assert not figure.data
    assert "asno-melt-pool infers no absorptivity" in figure.layout.annotations[0].text


@pytest.mark.parametrize(
    ("changed", "late_s", "text", "tone"),
    [
        ({}, 0.0, "from 10 camera frames, made 0 s ago", ""),
        ({}, 1.5 * LATE_FRAMES * LPBF_BAY.frame_s, "old: from 3.75 ms before now", "caution"),
        ({"camera_frames": 0}, 0.0, "no camera frame yet", "caution"),
        ({"outcome": "residual"}, 0.0, "not to be relied on", "fault"),
        ({"outcome": "non_finite"}, 0.0, "not to be relied on", "fault"),
    ],
)
def test_the_source_is_said_and_so_is_what_is_wrong_with_it(changed, late_s, text, tone):
    told = provenance(ROWS.assign(**changed), NOW_S + late_s, WHO, STORE.now_s)
    assert (told.text, told.tone) == (text, tone)
    assert WHO in told.more
    assert provenance(ROWS.iloc[:0], NOW_S, "asno", STORE.now_s).text == "not inferred"


SENSED = SyntheticStore(frame=600, sensing=True).calibration(LPBF_BAY.name)
LATER_S = 600 * LPBF_BAY.frame_s


def test_what_sensors_say_stands_in_its_interval_beside_nominal():
    figure = absorbed(ROWS.iloc[:0], LATER_S, WHO, LIGHT, SENSED)
    drawn = traces(figure)
    assert set(drawn) == {"nominal", "low", "high", "from sensors"}
    assert drawn["low"].fill == "tonexty"
    np.testing.assert_allclose(drawn["high"].y - drawn["low"].y, 0.4 / np.sqrt([1, 2, 3, 4, 5, 6, 6]), rtol=1e-4)
    assert drawn["from sensors"].x[-1] == 0.0, "it holds until now"
    told = figure.layout.annotations[0].text
    assert "<b>0.600</b> (0.52–0.68)" in told
    assert "0.550 nominal" in told


def test_inferred_and_sensed_stand_together():
    drawn = traces(absorbed(ROWS, NOW_S, WHO, LIGHT, SENSED[SENSED["time_s"] <= NOW_S]))
    assert {"inferred", "from sensors", "nominal"} <= set(drawn)


def test_an_estimate_that_is_not_determined_is_pale():
    sure, unsure = (
        traces(absorbed(ROWS.iloc[:0], LATER_S, WHO, LIGHT, rows))["from sensors"].line.color
        for rows in (SENSED, SENSED.assign(identifiable=False))
    )
    assert (sure, unsure) == (LIGHT.forecast, LIGHT.faint)


@pytest.mark.parametrize(
    ("changed", "text", "tone"),
    [
        ({}, "by sensors, not followed", ""),
        ({"followed": True}, "by sensors, followed", ""),
        ({"identifiable": False}, "by sensors, not determined yet", "caution"),
        ({"consistent": False}, "sensors disagree", "caution"),
    ],
)
def test_whether_the_sensors_are_followed_is_said(changed, text, tone):
    told = provenance(ROWS.iloc[:0], LATER_S, WHO, STORE.now_s, SENSED.assign(**changed))
    assert (told.text, told.tone) == (text, tone)
    assert "384 frames of the melt-pool length and the melt-pool width" in told.more
