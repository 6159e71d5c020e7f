"""The process map: it says what the functions it is made of say, and where each card's envelope ends."""

import json
import math

import numpy as np
import pytest

from deploy.answers import UnansweredError
from deploy.maps import ARGUMENTS, envelopes, process_maps
from twin import query
from twin.process_map import Asked, process_map
from twin.regime import keyhole_number, regime
from twin.trust import outside

ASKED = Asked("IN625", 100e-6, 298.15, 100e-6, 40e-6)
ENVELOPES = envelopes()


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    return process_map(ASKED, ENVELOPES)


def at(told: dict[str, object], power: int, speed: int) -> tuple[float, float]:
    return told["beam_power_w"][power], told["scan_speed_m_per_s"][speed]  # type: ignore[index]


def test_it_is_json_of_a_size_that_a_page_can_take(told: dict[str, object]) -> None:
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert len(json.dumps(told)) < 100_000


@pytest.mark.parametrize(("power", "speed"), [(2, 17), (2, 19)])
def test_in_conduction_sizes_are_those_of_the_formula_asked_for_one_point(
    told: dict[str, object], power: int, speed: int
) -> None:
    answer = query.melt_pool("IN625", *at(told, power, speed), 100e-6, by="eagar-tsai")
    assert answer.regime == "conduction"
    assert told["width_m"][power][speed] == pytest.approx(answer.melt_pool.width_m, rel=2e-3)  # type: ignore[index]
    assert told["depth_m"][power][speed] >= 0.998 * answer.melt_pool.depth_m  # type: ignore[index]


@pytest.mark.parametrize("case", [("IN625", 100e-6), ("Ti-6Al-4V", 100e-6), ("IN718", 77e-6), ("SS316L", 600e-6)])
def test_sizes_are_near_enough_to_the_operators_to_sort(case: tuple[str, float]) -> None:
    """Width within a fifth, depth within a quarter, length within two fifths, in the median; few far off."""
    alloy, spot_m = case
    told = process_map(Asked(alloy, spot_m, 298.15, spot_m, 0.4 * spot_m), ENVELOPES)
    beyond = np.array(told["cards"]["asno-melt-pool"]["beyond"])
    off = []
    for power, speed in np.argwhere(beyond < -0.02)[::17]:
        answer = query.melt_pool(alloy, *at(told, power, speed), spot_m, by="operator")
        pool = answer.melt_pool
        if answer.outcome.kind == "ok" and pool.depth_m > 0:
            exact = np.array([pool.width_m, pool.depth_m, pool.length_m])
            mine = np.array([told[name][power][speed] for name in ("width_m", "depth_m", "length_m")])
            off.append(np.abs(mine / exact - 1.0))
    assert len(off) > 10
    assert (np.median(off, axis=0) < [0.2, 0.25, 0.4]).all(), np.median(off, axis=0)


def test_regimes_and_keyhole_numbers_are_those_of_the_twin(told: dict[str, object]) -> None:
    process, seen = ASKED.process, set()
    for power in range(0, 24, 3):
        for speed in range(0, 24, 3):
            point = at(told, power, speed)
            number = told["boiling_number"][power][speed]  # type: ignore[index]
            seen.add(regime(number))
            exact = process.source(*point).boiling_number
            assert number == pytest.approx(exact, rel=2e-3)
            assert told["keyhole_number"][power][speed] == pytest.approx(keyhole_number(process, *point), rel=2e-3)  # type: ignore[index]
    assert seen == {"conduction", "transition", "keyhole"}


def test_more_power_never_makes_lack_of_fusion_worse_and_a_wider_hatch_never_better(told: dict[str, object]) -> None:
    index = np.array(told["lack_of_fusion"])
    assert (np.diff(index, axis=0) <= 1e-9).all()
    wider = np.array(process_map(Asked("IN625", 100e-6, 298.15, 160e-6, 40e-6), {})["lack_of_fusion"])
    assert (wider >= index - 1e-9).all()
    assert (wider > index).any()


@pytest.mark.parametrize("name", list(ENVELOPES))
def test_a_point_is_inside_a_card_just_where_the_twin_finds_nothing_outside(told: dict[str, object], name: str) -> None:
    beyond, process = np.array(told["cards"][name]["beyond"]), ASKED.process  # type: ignore[index]
    assert (beyond < 0).any()
    assert (beyond > 0).any()
    for power in range(0, 24, 4):
        for speed in range(0, 24, 4):
            found = outside(ENVELOPES[name], process, *at(told, power, speed))
            if abs(beyond[power, speed]) > 1e-6:
                assert (found is None) == (beyond[power, speed] < 0), at(told, power, speed)


def test_what_a_card_spans_ends_where_the_twin_says_outside(told: dict[str, object]) -> None:
    trained, envelope = told["cards"]["asno-melt-pool"], ENVELOPES["asno-melt-pool"]  # type: ignore[index]
    slow, fast = trained["scan_speed_m_per_s"]
    for speed, is_in in ((slow * 1.01, True), (fast * 0.99, True), (slow * 0.97, False), (fast * 1.03, False)):
        found = outside(envelope, ASKED.process, 150.0, speed)
        assert (found is None or found.which != "scan speed") == is_in
    hot = trained["preheat_k"][1]
    assert outside(envelope, Asked("IN625", 100e-6, hot, 1e-4, 4e-5).process, 0.0, 0.0) is None
    assert outside(envelope, Asked("IN625", 100e-6, hot + 10.0, 1e-4, 4e-5).process, 0.0, 0.0) is not None


def test_an_alloy_that_no_card_knows_has_a_map_and_no_trained_part() -> None:
    told = process_map(Asked("AlSi10Mg", 100e-6, 298.15, 100e-6, 40e-6), ENVELOPES)
    trained = told["cards"]["asno-melt-pool"]
    assert min(map(min, trained["beyond"])) > 0
    assert (trained["beam_power_w"], trained["preheat_k"]) == (None, None)
    assert math.isfinite(np.array(told["lack_of_fusion"]).max())


@pytest.mark.parametrize(
    "wrong", [{"material": "butter"}, {"hatch_spacing_m": 0.0}, {"preheat_k": 5000.0}, {"beam_diameter_m": math.nan}]
)
def test_what_cannot_be_is_refused_in_words(wrong: dict[str, object]) -> None:
    arguments = {name: getattr(ASKED, name) for name in ARGUMENTS} | wrong
    with pytest.raises(UnansweredError):
        process_maps(arguments)
