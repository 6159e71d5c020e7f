"""Fixed units: they make one equation, and alloys stand in them where the operator expects it."""

import pytest

from operators.melt_pool.scales import CONDUCTIVITY, DIFFUSIVITY, RISE_K, Scales


def test_units_make_the_heat_equation_free_of_numbers() -> None:
    """A power for a time fills one d^3 with as much as conduction brings through one d^2 at RISE_K over d."""
    scales = Scales(80e-6)
    brought = scales.power_w * scales.time_s
    assert brought == pytest.approx(scales.enthalpy_j_per_m3 * scales.beam_diameter_m**3)
    flux = CONDUCTIVITY * RISE_K / scales.beam_diameter_m
    assert brought == pytest.approx(flux * scales.beam_diameter_m**2 * scales.time_s)


def test_temperatures_go_there_and_back() -> None:
    scales = Scales(80e-6, build_k=400.0)
    assert scales.theta(400.0) == 0.0
    assert scales.theta(400.0 + RISE_K) == 1.0
    assert scales.temperature_k(scales.theta(1234.5)) == pytest.approx(1234.5)
    assert scales.peclet(1.0) == pytest.approx(80e-6 / DIFFUSIVITY)


def test_what_is_no_beam_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Scales(0.0)
