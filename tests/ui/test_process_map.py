"""The process map's figure: regimes, limits and the trained range where the numbers say, builds where planned."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from ui.figures.process_map import Point, process_map
from ui.figures.style import DARK, LIGHT

SPEEDS, POWERS = np.geomspace(0.1, 4.0, 20), np.linspace(50.0, 500.0, 24)
BUILD = Point("m1", "cube", 200.0, 0.8, 100e-6)


def told(**more: Any) -> dict[str, Any]:
    """Numbers that go by P/sqrt(v): conduction below 100 of it, keyhole above 200, trained between 50 and 400."""
    ratio = POWERS[:, None] / SPEEDS[None, :] ** 0.5
    return {
        "material": "IN625", "beam_diameter_m": 100e-6, "scan_speed_m_per_s": SPEEDS.tolist(),
        "beam_power_w": POWERS.tolist(), "boiling_number": (ratio / 100).tolist(),
        "keyhole_number": (ratio / 40).tolist(), "lack_of_fusion": (150 / ratio).tolist(),
        "balling": (ratio / 1e4).tolist(),
        "limits": {"calm": 1.0, "boiling": 2.0, "deep_keyhole": 6.0, "balling": 7.6, "lack_of_fusion": 1.0},
        "cards": {"asno": {"beyond": np.maximum(50 - ratio, ratio - 400).tolist()}},
    } | more  # fmt: skip


def traces(figure: go.Figure) -> dict[str, Any]:
    return {trace.meta: trace for trace in figure.data}


def test_each_limit_that_crosses_the_map_is_one_line_at_its_level() -> None:
    found = traces(process_map(told(), "asno", [BUILD], LIGHT))
    assert found["lack of fusion"].contours.start == found["lack of fusion"].contours.end == 1.0
    assert found["deep keyhole"].contours.start == 6.0
    assert found["asno: trained"].contours.start == 0.0
    assert "balling" not in found, "a limit that the map does not reach is no line"
    dashes = [found[name].line.dash for name in ("lack of fusion", "deep keyhole", "asno: trained")]
    assert len(set(dashes)) == 3, "told apart without colour"


def test_regimes_are_three_greys_split_where_the_boiling_number_says() -> None:
    regime = traces(process_map(told(), "asno", [], LIGHT))["regime"]
    x, y = np.meshgrid(regime.x, regime.y)
    ratio = y / x**0.5
    clear = (abs(ratio - 100) > 4) & (abs(ratio - 200) > 4)
    assert (np.array(regime.z)[clear] == ((ratio >= 100).astype(int) + (ratio >= 200))[clear]).all()


def test_a_card_without_a_part_in_the_map_has_no_line_and_the_map_is_there() -> None:
    outside = told(cards={"asno": {"beyond": np.ones((24, 20)).tolist()}})
    for figure in (process_map(outside, "asno", [], DARK), process_map(told(), "other", [], DARK)):
        assert "regime" in traces(figure)
        assert not any("trained" in str(meta) for meta in traces(figure))


def test_builds_lie_at_their_power_and_speed_and_another_spot_is_hollow() -> None:
    other = Point("m2", "ring", 300.0, 1.2, 70e-6)
    found = traces(process_map(told(), "asno", [BUILD, other], LIGHT))
    assert (found["builds"].x, found["builds"].y) == ((0.8,), (200.0,))
    assert (found["other spot"].x, found["other spot"].marker.symbol) == ((1.2,), "circle-open")
    assert found["other spot"].text == ("ring on m2<br>300 W, 1.20 m/s, spot 70 µm",)


@pytest.mark.parametrize(("speeds", "title"), [((0.1, 4.0), "m/s"), ((0.005, 0.1), "mm/s")])
def test_the_speed_has_the_unit_of_its_size(speeds: tuple[float, float], title: str) -> None:
    figure = process_map(told(scan_speed_m_per_s=np.geomspace(*speeds, 20).tolist()), "asno", [], LIGHT)
    assert figure.layout.xaxis.title.text == f"scan speed, {title}"
    assert figure.layout.yaxis.title.text == "beam power, W"


def test_without_a_map_the_figure_says_why() -> None:
    figure = process_map(None, "asno", [], LIGHT, "asked for")
    assert figure.layout.annotations[0].text == "asked for"
    assert not figure.data
