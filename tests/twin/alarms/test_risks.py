"""Risks: their order, their quantiles against measured widths, and silence where NIST saw good tracks."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.alarms import risks
from twin.alarms.risks import SPREAD, low, middle, quantile
from twin.forecast import MeltPool
from twin.regime import BALLING, DEEP_KEYHOLE

WIDTHS = Path(__file__).parents[4] / "shared" / "data" / "lpbf_raptor_widths" / "ULI_v1700_theta0_widths.txt"
# Lane 2020 (doi 10.1007/s40192-020-00169-1), table 4: length, width, depth in um
AMB2018_02 = {
    "AMMT-A": (300, 148, 42), "AMMT-B": (359, 123, 36), "AMMT-C": (370, 106, 30),
    "CBM-A": (659, 171, 151), "CBM-B": (780, 133, 91), "CBM-C": (754, 100, 60),
}  # fmt: skip
SIZES = st.floats(10e-6, 1e-3)


def pool(length_um: float, width_um: float, depth_um: float) -> MeltPool:
    return MeltPool(length_um * 1e-6, width_um * 1e-6, depth_um * 1e-6)


def test_a_quantile_is_what_measured_widths_fall_short_of() -> None:
    if not WIDTHS.exists():
        pytest.skip("the measured track widths are not here (shared/data/lpbf_raptor_widths)")
    width_m = np.loadtxt(WIDTHS, delimiter=",")[:, 1]
    assert width_m.std() / width_m.mean() == pytest.approx(SPREAD, abs=0.001)
    for share in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95):
        measured = np.quantile(width_m, share) / width_m.mean()
        assert quantile(1.0, share) == pytest.approx(measured, abs=0.03), share


@settings(deadline=None)
@given(SIZES, SIZES, SIZES, SIZES, st.floats(0.0, 0.3), st.floats(1.01, 2.0))
def test_lack_of_fusion_grows_with_hatch_spacing_layer_thickness_and_spread(
    hatch_m: float, layer_m: float, width_m: float, depth_m: float, spread: float, more: float
) -> None:
    mean = MeltPool(1e-3, width_m, depth_m)

    def share(hatch: float, layer: float, wider: float) -> float:
        rare = low(mean, wider)
        return risks.overlap_index(hatch, layer, rare.width_m, rare.depth_m)

    here = share(hatch_m, layer_m, spread)
    assert share(hatch_m * more, layer_m, spread) > here
    assert share(hatch_m, layer_m * more, spread) > here
    assert share(hatch_m, layer_m, spread + 0.05) > here
    assert here >= risks.overlap_index(hatch_m, layer_m, width_m, depth_m), "a mean hides it"


@settings(deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.0, 0.3))
def test_quantiles_are_in_order_and_their_middle_is_the_mean(one: float, other: float, spread: float) -> None:
    first, second = sorted((one, other))
    assert quantile(1.0, first, spread) <= quantile(1.0, second, spread)
    assert quantile(2.0, 0.5, spread) == pytest.approx(2.0)


def test_the_low_quantiles_of_both_sizes_make_the_high_one_of_the_index() -> None:
    """Where width and depth fall short together: drawn, the index is above that of the quantiles in one place of 20."""
    scatter = 1.0 + SPREAD * np.random.default_rng(0).standard_normal(200_000)
    drawn = (100e-6 / (133e-6 * scatter)) ** 2 + (40e-6 / (91e-6 * scatter)) ** 2
    mean = pool(780, 133, 91)
    assert np.mean(drawn > risks.lack_of_fusion(100e-6, 40e-6, mean).share) == pytest.approx(0.05, abs=0.002)


def test_rare_lack_of_fusion_is_advice_and_frequent_one_an_alarm() -> None:
    mean = pool(780, 133, 91)
    near, wide = risks.lack_of_fusion(110e-6, 40e-6, mean), risks.lack_of_fusion(140e-6, 40e-6, mean)
    assert (near.severity, "one place in twenty" in near.evidence) == ("low", True)
    assert "width 109 µm (middle 133), depth 75 µm (middle 91)" in near.evidence
    assert near.share > 1
    wall = risks.lack_of_fusion(900e-6, 250e-6, pool(1800, 1000, 410))
    assert "tracks 0.90 mm apart" in wall.evidence, "DED's lengths are told in mm"
    assert "width 0.82 mm (middle 1.00), depth 336 µm (middle 410)" in wall.evidence
    assert (wide.severity, "every other place" in wide.evidence) == ("medium", True)
    assert risks.lack_of_fusion(80e-6, 30e-6, mean).share < 1
    cold = risks.lack_of_fusion(80e-6, 30e-6, MeltPool(0.0, 0.0, 0.0))
    assert cold.share == math.inf
    assert "nothing melts" in cold.evidence


def test_the_low_side_of_a_band_counts_where_it_is_lower_than_tracks_scatter() -> None:
    mean = pool(780, 133, 91)
    alone = risks.lack_of_fusion(100e-6, 40e-6, mean).share
    assert risks.lack_of_fusion(100e-6, 40e-6, mean, pool(700, 130, 89)).share == alone
    assert risks.lack_of_fusion(100e-6, 40e-6, mean, pool(700, 130, 60)).share > alone
    wide = risks.lack_of_fusion(100e-6, 40e-6, mean, pool(500, 90, 60))
    assert wide.share == risks.overlap_index(100e-6, 40e-6, 90e-6, 60e-6)


@pytest.mark.parametrize("name", AMB2018_02)
def test_balling_is_silent_on_nists_tracks_and_only_ever_advice(name: str) -> None:
    told = risks.balling(pool(*AMB2018_02[name]))
    assert told.share < 1
    assert told.severity == "low"


def test_balling_speaks_of_longer_pools() -> None:
    assert risks.balling(pool(100 * BALLING * 1.01, 100, 50)).share > 1
    assert risks.balling(MeltPool(0.0, 0.0, 0.0)).share == 0


def test_a_keyhole_is_a_risk_where_the_boiling_number_says_so_and_ke_is_high() -> None:
    deep = risks.keyhole("keyhole", 1.1 * DEEP_KEYHOLE)
    assert deep is not None
    assert (deep.share, deep.severity) == (pytest.approx(1.1), "medium")
    for regime in ("transition", "conduction", None):
        assert risks.keyhole(regime, 20.0) is None  # type: ignore[arg-type]


def test_overheating_is_a_pool_wider_than_a_steady_track_is_in_nineteen_of_twenty_places() -> None:
    steady = pool(780, 133, 91)
    told = [risks.overheating(pool(780, 133 * more, 91 * more), steady) for more in (1.0, 1.17, 1.19)]
    share = [risk.share for risk in told if risk is not None]
    assert share[0] < share[1] < 1 < share[2]
    joined = risks.overheating(pool(780, 133 * 1.6, 91 * 1.1), steady)
    assert joined is not None
    assert joined.share < 1, "two pools that join at a turn are wide, and not hot"
    assert risks.overheating(steady, MeltPool(0.0, 0.0, 0.0)) is None
    hot = risks.overheating(pool(780, 160, 137), steady)
    assert hot is not None
    assert "1.20 times as wide and 1.51 times as deep" in hot.evidence


def test_a_middle_does_not_see_the_start_of_a_track() -> None:
    pools = [pool(780, 133, 91)] * 9 + [MeltPool(0.0, 0.0, 0.0)] * 4
    assert middle(pools) == pool(780, 133, 91)
