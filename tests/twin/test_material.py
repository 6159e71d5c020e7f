"""Alloys: found by any of their names, and their numbers agree with what was measured."""

import dataclasses

import pytest

from twin.material import IN625, IN718, MATERIALS, Line, UnknownMaterialError, material


@pytest.mark.parametrize("name", list(MATERIALS))
def test_an_alloy_is_found_by_its_own_name(name: str) -> None:
    assert material(name).name == name


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("316L", "SS316L"),
        ("SS316", "SS316L"),
        ("Inconel 625", "IN625"),
        ("Ti64", "Ti-6Al-4V"),
        ("ti-6al-4v", "Ti-6Al-4V"),
    ],
)
def test_an_alloy_is_found_by_its_alias(alias: str, name: str) -> None:
    assert material(alias).name == name


def test_an_unknown_alloy_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownMaterialError) as raised:
        material("unobtainium")
    assert "unobtainium" in str(raised.value)
    assert all(name in str(raised.value) for name in MATERIALS)


@pytest.mark.parametrize(
    ("name", "temperature_k", "conductivity"),
    [("IN625", 296.0, 9.8), ("IN718", 298.0, 8.9), ("SS316L", 300.0, 13.8), ("Ti-6Al-4V", 298.0, 7.0)],
)
def test_cold_conductivity_is_within_half_of_an_independent_table(
    name: str, temperature_k: float, conductivity: float
) -> None:
    assert material(name).conductivity_solid_w_per_m_k(temperature_k) == pytest.approx(conductivity, rel=0.5)


@pytest.mark.parametrize(
    ("name", "conductivity"), [("IN625", 30.0), ("IN718", 29.6), ("SS316L", 31.3), ("Ti-6Al-4V", 27.0)]
)
def test_hot_conductivity_is_within_a_fifth_of_an_independent_table(name: str, conductivity: float) -> None:
    assert material(name).conductivity_w_per_m_k == pytest.approx(conductivity, rel=0.2)


def test_in625_conductivity_is_read_against_celsius() -> None:
    assert IN625.conductivity_solid_w_per_m_k(1563.0) == pytest.approx(4.5847 + 0.0163 * (1563.0 - 273.15))


def test_in718_chord_stays_within_a_watt_of_its_curve() -> None:
    for celsius in range(25, 1290, 50):
        curve = 5.291 + 0.0152 * celsius + 1.382e-6 * celsius**2
        assert IN718.conductivity_solid_w_per_m_k(celsius + 273.15) == pytest.approx(curve, abs=1.0)


def test_disagreeing_sources_are_carried() -> None:
    assert ("latent_heat_j_per_kg", 1.96e5, 2.7e5) in IN718.intervals
    for alloy in MATERIALS.values():
        for name, low, high in alloy.intervals:
            assert low <= getattr(alloy, name) <= high


def test_only_the_aluminium_alloy_is_weak() -> None:
    assert [m.name for m in MATERIALS.values() if m.weak] == ["AlSi10Mg"]


@pytest.mark.parametrize(
    "change",
    [
        {"density_kg_per_m3": 0.0},
        {"liquidus_k": 1500.0},
        {"boiling_k": float("nan")},
        {"minimum_absorptivity": 0.0},
        {"conductivity_solid_w_per_m_k": Line(-1.0, 0.0)},
    ],
)
def test_an_impossible_alloy_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="IN625"):
        dataclasses.replace(IN625, **change)
