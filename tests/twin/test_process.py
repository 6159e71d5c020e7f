"""The dimensionless numbers: by hand where they can be, and the published keyhole flags of AMB2018-02."""

import math

import pytest

from twin.material import IN625, MATERIALS, Material
from twin.process import CONDUCTION_BELOW, KEYHOLE_ABOVE, Process, keyhole_number, regime

CBM = [(150.0, 0.4, 100e-6), (195.0, 0.8, 100e-6), (195.0, 1.2, 100e-6)]
AMMT = [(137.9, 0.4, 170e-6), (179.2, 0.8, 170e-6), (179.2, 1.2, 170e-6)]


def number(power_w: float, speed_m_per_s: float, diameter_m: float) -> float:
    return keyhole_number(Process(IN625, diameter_m), power_w, speed_m_per_s)


@pytest.mark.parametrize("case", CBM)
def test_keyhole_flag_is_on_for_the_tight_spot(case: tuple[float, float, float]) -> None:
    assert regime(number(*case)) != "conduction"


@pytest.mark.parametrize("case", AMMT)
def test_keyhole_flag_is_off_for_the_wide_spot(case: tuple[float, float, float]) -> None:
    assert regime(number(*case)) == "conduction"


def test_the_limit_stands_halfway_between_the_two_machines() -> None:
    between = math.sqrt(max(number(*case) for case in AMMT) * min(number(*case) for case in CBM))
    assert pytest.approx(between, abs=0.02) == CONDUCTION_BELOW


def test_keyhole_numbers_order_the_cases_as_their_measured_aspect() -> None:
    a, b, c = (number(*case) for case in CBM)
    assert a > b > c


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
    limits = (0.0, CONDUCTION_BELOW, KEYHOLE_ABOVE, KEYHOLE_ABOVE + 0.1)
    assert [regime(ke) for ke in limits] == ["conduction", "transition", "transition", "keyhole"]


@pytest.mark.parametrize("alloy", list(MATERIALS.values()), ids=lambda m: m.name)
def test_groups_agree_with_the_alloy(alloy: Material) -> None:
    process = Process(alloy, 1e-4, preheat_k=400.0)
    groups = process.groups()
    assert groups.solidus == pytest.approx(process.theta(alloy.solidus_k))
    assert groups.boiling == pytest.approx(process.theta(alloy.boiling_k))
    heat = alloy.density_kg_per_m3 * alloy.specific_heat_j_per_kg_k * process.temperature_k_rise
    assert groups.latent * heat == pytest.approx(alloy.density_kg_per_m3 * alloy.latent_heat_j_per_kg)


def test_scales_undo_themselves() -> None:
    process = Process(IN625, 1e-4)
    assert process.temperature_k(process.theta(1234.0)) == pytest.approx(1234.0)
    assert process.theta(IN625.liquidus_k) == pytest.approx(1.0)
    assert process.time_s * process.diffusivity_m2_per_s == pytest.approx(process.length_m**2)
    assert process.peclet(0.8) == pytest.approx(0.8 * process.time_s / process.length_m)
    scale = IN625.conductivity_w_per_m_k * process.length_m * process.temperature_k_rise
    assert process.q(195.0) * scale == pytest.approx(0.35 * 195.0)


@pytest.mark.parametrize(
    ("diameter_m", "preheat_k", "absorptivity"),
    [
        (0.0, 300.0, 0.35),
        (math.nan, 300.0, 0.35),
        (math.inf, 300.0, 0.35),
        (1e-4, 0.0, 0.35),
        (1e-4, 1563.0, 0.35),
        (1e-4, math.nan, 0.35),
        (1e-4, 300.0, 0.0),
        (1e-4, 300.0, 1.1),
        (1e-4, 300.0, math.nan),
    ],
)
def test_an_impossible_process_is_refused(diameter_m: float, preheat_k: float, absorptivity: float) -> None:
    with pytest.raises(ValueError, match=r"must"):
        Process(IN625, diameter_m, preheat_k, absorptivity)
