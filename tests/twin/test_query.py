"""The steady melt pool: trends that physics fixes, and outcomes that warn."""

import re
from typing import Any

import numpy as np
import pytest

from deploy.errors import MeltwinError
from deploy.wiring import melt_pool_query
from twin.material import IN625
from twin.process import Process
from twin.query import Answer, _measured, melt_pool

AMMT_B: dict[str, Any] = {
    "material": "IN625",
    "beam_power_w": 179.2,
    "scan_speed_m_per_s": 0.8,
    "beam_diameter_m": 170e-6,
}
BOTH = pytest.mark.parametrize("by", ["reference", "eagar-tsai"])


def ask(by: str, **changes: Any) -> Answer:
    return melt_pool(**{**AMMT_B, "by": by, **changes})


@BOTH
def test_faster_is_shallower_and_narrower(by: str) -> None:
    slow, fast = ask(by).melt_pool, ask(by, scan_speed_m_per_s=1.2).melt_pool
    assert fast.depth_m < slow.depth_m
    assert fast.width_m < slow.width_m


@BOTH
def test_preheat_power_and_absorptivity_deepen_and_a_wider_spot_does_not(by: str) -> None:
    base = ask(by)
    for change in ({"preheat_k": 600.0}, {"beam_power_w": 220.0}, {"absorptivity": 0.45}):
        assert ask(by, **change).melt_pool.depth_m > base.melt_pool.depth_m
    assert ask(by, beam_diameter_m=210e-6).melt_pool.depth_m < base.melt_pool.depth_m
    assert (base.outcome.kind, base.regime, base.operator) == ("ok", "conduction", by)


@pytest.mark.parametrize("by", ["eagar-tsai", "rosenthal"])
def test_the_same_groups_give_the_same_melt_pool_in_diameters(by: str) -> None:
    one = ask(by).melt_pool
    scale = 0.6  # q goes by P/d and Peclet by v d
    other = ask(
        by,
        beam_diameter_m=170e-6 * scale,
        beam_power_w=179.2 * scale,
        scan_speed_m_per_s=0.8 / scale,
    ).melt_pool
    small = np.array([other.length_m, other.width_m, other.depth_m])
    np.testing.assert_allclose(small / scale, [one.length_m, one.width_m, one.depth_m], rtol=1e-4)


@BOTH
def test_no_power_melts_nothing(by: str) -> None:
    answer = ask(by, beam_power_w=0.0)
    assert (answer.melt_pool.length_m, answer.melt_pool.width_m, answer.melt_pool.depth_m) == (0.0, 0.0, 0.0)
    assert (answer.keyhole_number, answer.outcome.kind) == (0.0, "ok")


def test_the_reference_is_within_15_percent_of_the_measured_depth() -> None:
    pool = ask("reference").melt_pool  # AMB2018-02 case B on the AMMT: 36 um deep
    assert pool.depth_m == pytest.approx(36e-6, rel=0.15)


@BOTH
def test_a_melt_pool_that_the_window_cuts_is_outside(by: str) -> None:
    outcome = ask(by, beam_power_w=3000.0).outcome
    assert (outcome.kind, outcome.unit) == ("outside_envelope", "m")
    assert outcome.by > 0


def test_what_is_outside_is_answered_by_the_reference_and_says_which_number_is_beyond_which() -> None:
    answer = ask("operator", beam_power_w=900.0)
    assert (answer.operator, answer.outcome.kind, answer.band) == ("reference", "outside_envelope", None)
    assert re.fullmatch(r"beam power 900 W, trained up to \d+", answer.evidence)
    assert ask("operator").evidence == ""


def test_outside_and_too_slow_for_the_reference_is_said_of_both() -> None:
    with pytest.raises(
        ValueError, match=r"asno-melt-pool has not learned this \(scan speed .* trained down to .*\), and the ref"
    ):
        ask("operator", scan_speed_m_per_s=0.001)
    with pytest.raises(ValueError, match="for the reference"):
        ask("reference", scan_speed_m_per_s=0.001)


def test_a_field_that_is_not_finite_has_no_size() -> None:
    pool, outcome = _measured(Process(IN625, 1e-4), np.full((2, 2, 2), np.nan))
    assert outcome.kind == "non_finite"
    assert pool.length_m == 0.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"beam_power_w": -1.0}, "beam power"),
        ({"beam_power_w": float("nan")}, "beam power"),
        ({"scan_speed_m_per_s": 0.0}, "scan speed"),
        ({"scan_speed_m_per_s": 1e-4}, "scan speed must be at least"),
        ({"beam_diameter_m": 0.0}, "beam diameter"),
        ({"preheat_k": 2000.0}, "preheat"),
        ({"absorptivity": 0.0}, "absorptivity"),
        ({"material": "cheese"}, "IN625, IN718"),
        ({"by": "guess"}, "eagar-tsai"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(change: dict[str, Any], says: str) -> None:
    with pytest.raises(MeltwinError, match=says) as raised:
        melt_pool_query(**{**AMMT_B, "by": "reference", **change})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("by", ["eagar-tsai", "rosenthal"])
def test_a_formula_refuses_a_beam_that_it_does_not_know(by: str) -> None:
    with pytest.raises(ValueError, match="ring"):
        ask(by, beam_shape="ring")
