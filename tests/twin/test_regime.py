"""Regimes: the published keyhole flags of AMB2018-02, the keyhole number by hand, and limits that order as they
should."""

import math

import pytest

from operators.reference.rule import RULE
from twin.material import IN625, material
from twin.process import Process
from twin.regime import balling, keyhole_number, lack_of_fusion, regime, remelted_m

CBM = [(150.0, 0.4, 100e-6), (195.0, 0.8, 100e-6), (195.0, 1.2, 100e-6)]
AMMT = [(137.9, 0.4, 170e-6), (179.2, 0.8, 170e-6), (179.2, 1.2, 170e-6)]


def number(power_w: float, speed_m_per_s: float, diameter_m: float) -> float:
    return keyhole_number(Process(IN625, diameter_m), power_w, speed_m_per_s)


def boils(power_w: float, speed_m_per_s: float, diameter_m: float) -> float:
    return Process(IN625, diameter_m).source(power_w, speed_m_per_s).boiling_number


@pytest.mark.parametrize("case", CBM)
def test_the_keyhole_flag_is_on_for_the_tight_spot(case: tuple[float, float, float]) -> None:
    assert regime(boils(*case)) == "keyhole"
    assert boils(*case) > 1.2 * RULE.boiling


@pytest.mark.parametrize("case", AMMT)
def test_the_keyhole_flag_is_off_for_the_wide_spot(case: tuple[float, float, float]) -> None:
    assert regime(boils(*case)) == "conduction"


def test_a_wide_slow_beam_of_directed_energy_deposition_is_in_conduction() -> None:
    assert regime(Process(material("IN718"), 800e-6).source(360.0, 0.0106).boiling_number) == "conduction"


def test_keyhole_numbers_order_the_cases_as_their_measured_aspect() -> None:
    a, b, c = (number(*case) for case in CBM)
    assert a > b > c > max(number(*case) for case in AMMT)


def test_keyhole_number_by_hand() -> None:
    # IN625 at 1563 K: k 30.0616, cp 719.918, alpha 30.0616/(8440*719.918) = 4.94757e-6 m2/s; Tl - T0 = 1324.85 K
    # AMMT-A: r0 = 85 um
    # sqrt(alpha v r0^3) = sqrt(4.94757e-6 * .4 * 6.14125e-13) = 1.10243e-9
    # eta at its floor: .28 * 137.9/(1324.85 * pi * 8440 * 719.918 * 1.10243e-9) = 38.612/27.8801
    assert number(137.9, 0.4, 170e-6) == pytest.approx(1.38493, rel=1e-3)
    # CBM-A: sqrt(4.94757e-6 * .4 * 1.25e-13) = 4.97372e-10; P part 150/12.5783 = 11.9253; Ke_m = 3.33908
    # Ld = sqrt(4.94757e-6/(.4 * 50e-6)) = .497372; eta = .7 (1 - exp(-.6 * 3.33908 * .497372)) = .441568
    assert number(150.0, 0.4, 100e-6) == pytest.approx(11.9253 * 0.441568, rel=1e-3)


def test_no_power_or_no_speed_has_no_keyhole() -> None:
    assert number(0.0, 0.8, 1e-4) == 0.0
    assert number(195.0, 0.0, 1e-4) == 0.0


def test_regimes_are_in_order() -> None:
    limits = (0.0, RULE.calm, 0.5 * (RULE.calm + RULE.boiling), RULE.boiling)
    assert [regime(b) for b in limits] == ["conduction", "transition", "transition", "keyhole"]


def test_tracks_that_just_overlap_have_an_index_of_one() -> None:
    # half-ellipses of W 100 and D 50 um, 80 um apart, meet 30 um deep: sqrt(1 - .64) of the depth
    assert lack_of_fusion(80e-6, 30e-6, 100e-6, 50e-6) == pytest.approx(1.0)
    assert lack_of_fusion(80e-6, 40e-6, 100e-6, 50e-6) > 1 > lack_of_fusion(80e-6, 20e-6, 100e-6, 50e-6)
    assert lack_of_fusion(80e-6, 30e-6, 0.0, 0.0) == math.inf


def test_a_longer_pool_is_nearer_to_balling() -> None:
    assert 0 == balling(0.0, 0.0) < balling(300e-6, 100e-6) < 1 < balling(900e-6, 100e-6)


def test_powder_takes_its_metal_from_the_depth_in_the_plate() -> None:
    assert remelted_m(80e-6, 0.0) == 80e-6
    assert 0 < remelted_m(80e-6, 40e-6) < 80e-6
    assert remelted_m(10e-6, 40e-6) == 0.0
