"""Laws of the figure of melt-pool sizes over time."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.ui.synthetic import DED_CELL, HORIZON, LPBF_BAY, SyntheticStore
from ui.figures import DED, LIGHT, LPBF, timeline
from ui.figures.style import round_up
from ui.figures.timeline import laser_off_spans, split

STORE = SyntheticStore(frame=300)


def rows(machine, limit=160):
    return STORE.melt_pool(machine.name, limit=limit)


def traces(figure, meta):
    return [trace for trace in figure.data if trace.meta == meta]


@pytest.mark.parametrize(("machine", "unit"), [(LPBF_BAY, LPBF), (DED_CELL, DED)])
def test_horizon_is_drawn_strictly_after_now(machine, unit):
    figure = go.Figure(timeline(rows(machine), STORE.signals(machine.name), unit, LIGHT))
    assert len(traces(figure, "forecast")) == 3
    for trace in traces(figure, "forecast"):
        assert len(trace.x) == HORIZON
        assert min(trace.x) > 0
    for trace in [*traces(figure, "estimate"), *traces(figure, "observed")]:
        assert max(trace.x) <= 0


@pytest.mark.parametrize(
    ("machine", "unit", "per_m", "name"), [(LPBF_BAY, LPBF, 1e6, "µm"), (DED_CELL, DED, 1e3, "mm")]
)
def test_sizes_are_in_the_unit_of_the_axis(machine, unit, per_m, name):
    frames = rows(machine)
    figure = go.Figure(timeline(frames, STORE.signals(machine.name), unit, LIGHT))
    newest = split(frames)[0].iloc[-1]
    ends = [trace.y[-1] for trace in traces(figure, "estimate")]
    np.testing.assert_allclose(ends, [newest[c] * per_m for c in ("width_m", "length_m", "depth_m")], rtol=1e-6)
    assert {figure.layout[axis].title.text for axis in ("yaxis", "yaxis2", "yaxis3")} == {name}


@pytest.mark.parametrize(("machine", "unit", "scale", "name"), [(LPBF_BAY, LPBF, 1e3, "ms"), (DED_CELL, DED, 1, "s")])
def test_time_axis_says_its_unit(machine, unit, scale, name):
    figure = go.Figure(timeline(rows(machine), pd.DataFrame(), unit, LIGHT))
    assert figure.layout.xaxis.title.text == f"process time from now, {name}"
    assert traces(figure, "forecast")[0].x[-1] == pytest.approx(HORIZON * machine.frame_s * scale, rel=1e-5)


def test_the_first_frame_of_all_has_an_axis_of_some_length():
    frames = rows(LPBF_BAY)
    alone = frames[(frames["frame"] == STORE.frame) & (frames["lead_s"] == 0)]
    begin, end = go.Figure(timeline(alone, pd.DataFrame(), LPBF, LIGHT)).layout.xaxis.range
    assert begin < 0 < end


def test_what_is_forecast_is_told_before_between_what_the_estimate_of_now_lies():
    banded = SyntheticStore(frame=300, banded=True)
    figure = go.Figure(timeline(banded.melt_pool(LPBF_BAY.name), pd.DataFrame(), LPBF, LIGHT))
    (width,) = [note.text for note in figure.layout.annotations if note.text.startswith("<b>Width")]
    assert width.index("now") < width.index("→") < width.index("(now ")


def test_only_the_newest_frame_has_a_horizon():
    frames = rows(LPBF_BAY)
    _, ahead = split(frames)
    assert set(ahead["frame"]) == {STORE.frame}


def test_laser_off_stretches_cover_exactly_the_frames_without_power():
    frames = pd.DataFrame({"time_s": [0.0, 1, 2, 3, 4, 5], "beam_power_w": [100.0, 0, 0, 100, 0, 100]})
    assert laser_off_spans(frames) == [(0.0, 2.0), (3.0, 4.0)]


def test_laser_off_is_shaded():
    estimate, _ = split(rows(LPBF_BAY, 60))
    figure = go.Figure(timeline(rows(LPBF_BAY, 60), pd.DataFrame(), LPBF, LIGHT))
    shaded = [shape for shape in figure.layout.shapes if shape.name == "laser off"]
    begin_s = estimate["time_s"].iloc[-1] - 6 * HORIZON * LPBF_BAY.frame_s
    assert len(shaded) == len(laser_off_spans(estimate[estimate["time_s"] >= begin_s]))
    assert all(shape.x1 <= 0 for shape in shaded)


def test_frames_that_are_not_ok_are_marked_and_say_why():
    frames = rows(LPBF_BAY)
    at_s = frames.loc[(frames["lead_s"] == 0) & (frames["frame"] == STORE.frame - 5), "time_s"].item()
    frames["outcome"] = np.where(frames["time_s"] == at_s, "drift", "ok")
    figure = go.Figure(timeline(frames, pd.DataFrame(), LPBF, LIGHT))
    marks = traces(figure, "not ok")
    assert [list(mark.text) for mark in marks] == [["drift"]] * 3
    assert marks[0].x[0] == pytest.approx(-5 * LPBF_BAY.frame_s * 1e3, rel=1e-5)


def test_missing_frames_break_the_line():
    frames = rows(LPBF_BAY)
    frames = frames[~frames["frame"].between(STORE.frame - 12, STORE.frame - 8)]
    figure = go.Figure(timeline(frames, pd.DataFrame(), LPBF, LIGHT))
    whole = go.Figure(timeline(rows(LPBF_BAY), pd.DataFrame(), LPBF, LIGHT))
    assert np.isnan(traces(figure, "estimate")[0].y).sum() == 1
    assert np.isnan(traces(whole, "estimate")[0].y).sum() == 0


@pytest.mark.parametrize(("machine", "unit"), [(LPBF_BAY, LPBF), (DED_CELL, DED)])
def test_a_second_opinion_is_dashed_beside_and_has_its_own_horizon(machine, unit):
    frames, second = rows(machine), STORE.melt_pool(machine.name, limit=160, opinion="reference")
    alone = go.Figure(timeline(frames, pd.DataFrame(), unit, LIGHT))
    figure = go.Figure(timeline(frames, pd.DataFrame(), unit, LIGHT, second))
    assert not traces(alone, "second")
    for mine, other in zip(traces(figure, "estimate"), traces(figure, "second"), strict=True):
        np.testing.assert_allclose(other.y, 1.1 * np.asarray(mine.y), rtol=1e-5)
        np.testing.assert_array_equal(other.x, mine.x)
        assert (mine.line.dash, other.line.dash) == (None, "6px,4px")
    assert all(min(trace.x) > 0 for trace in traces(figure, "second, ahead"))
    told = [note.text for note in figure.layout.annotations if "second opinion" in note.text]
    assert len(told) == 3
    assert all(unit.name in text for text in told)
    assert len(go.Figure(timeline(frames, pd.DataFrame(), unit, LIGHT, pd.DataFrame())).data) == len(alone.data)


def test_no_rows_give_a_message():
    figure = go.Figure(timeline(pd.DataFrame(), pd.DataFrame(), LPBF, LIGHT))
    assert not figure.data
    assert "No frame" in figure.layout.annotations[0].text


@pytest.mark.parametrize("value", [1e-5, 0.03, 1.0, 1.51, 99.0, 160.0, 8.1e4])
def test_axis_limits_hold_the_value_and_no_more_than_half_again(value):
    assert value * (1 - 1e-9) <= round_up(value) <= 1.51 * value


def test_the_band_lies_around_estimate_and_horizon_and_is_told():
    store = SyntheticStore(frame=300, banded=True)
    frames = store.melt_pool(LPBF_BAY.name, limit=160)
    figure = go.Figure(timeline(frames, pd.DataFrame(), LPBF, LIGHT))
    shapes = traces(figure, "band")
    assert len(shapes) == 6, "of the estimate and of the horizon, for each size"
    for past, ahead in zip(shapes[::2], shapes[1::2], strict=True):
        assert max(past.x) <= 0
        assert min(ahead.x) == 0
    newest = split(frames)[0].iloc[-1]
    assert max(shapes[0].y) >= newest["width_m"] * 1.1e6 * 0.999
    assert "in 90 %" in figure.layout.annotations[0].text


def test_a_frame_that_claims_no_band_breaks_it_and_none_is_drawn_without():
    frames = SyntheticStore(frame=300, banded=True).melt_pool(LPBF_BAY.name, limit=160)
    at_s = frames.loc[(frames["lead_s"] == 0) & (frames["frame"] == STORE.frame - 5), "time_s"].item()
    frames.loc[(frames["time_s"] == at_s) & (frames["lead_s"] == 0), "width_low_m"] = np.nan
    shapes = traces(go.Figure(timeline(frames, pd.DataFrame(), LPBF, LIGHT)), "band")
    assert np.isnan(shapes[0].x).sum() == 1, "two stretches"
    none = go.Figure(timeline(rows(LPBF_BAY), pd.DataFrame(), LPBF, LIGHT))
    assert not traces(none, "band")
    assert "in 90 %" not in none.layout.annotations[0].text
