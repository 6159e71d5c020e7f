"""Alloys: found by any of their names, and their numbers agree with what was measured."""

import dataclasses

import pytest

from twin.material import IN625, IN718, MATERIALS, Line, Material, UnknownMaterialError, material, scheil


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


# Special Metals (IN625), Mills 2002 (IN718, Ti-6Al-4V), Kim 1975 (SS316L)
TABLES = {
    "IN625": [(296.0, 9.8), (573.0, 15.5), (873.0, 21.3), (1255.0, 30.0)],
    "IN718": [(298.0, 8.9), (573.0, 15.2), (873.0, 20.8), (1273.0, 26.7), (1443.0, 29.3)],
    "SS316L": [(300.0, 13.8), (1670.0, 31.3)],
    "Ti-6Al-4V": [(298.0, 7.0), (1873.0, 27.0)],
}


@pytest.mark.parametrize("name", TABLES)
def test_conductivity_is_within_a_fifth_of_an_independent_table(name: str) -> None:
    for temperature_k, conductivity in TABLES[name]:
        assert material(name).conductivity_solid_w_per_m_k(temperature_k) == pytest.approx(conductivity, rel=0.2)


def test_in625_conducts_as_its_melt_at_the_solidus() -> None:
    assert pytest.approx(IN625.conductivity_liquid_w_per_m_k, rel=0.01) == IN625.conductivity_w_per_m_k


def test_in718_chord_stays_within_a_watt_of_its_curve() -> None:
    for kelvin in range(298, 1563, 50):
        curve = 5.291 + 0.0152 * kelvin + 1.382e-6 * kelvin**2
        assert IN718.conductivity_solid_w_per_m_k(kelvin) == pytest.approx(curve, abs=1.0)


def test_disagreeing_sources_are_carried() -> None:
    assert ("latent_heat_j_per_kg", 1.96e5, 2.7e5) in IN718.intervals
    for alloy in MATERIALS.values():
        for name, low, high in alloy.intervals:
            assert low <= getattr(alloy, name) <= high


@pytest.mark.parametrize(
    ("alloy", "name"), [(alloy, name) for alloy in MATERIALS.values() for name in alloy.uncertain], ids=str
)
def test_every_property_has_an_interval_that_holds_it_and_can_be_varied(alloy: Material, name: str) -> None:
    interval = alloy.interval(name)
    assert interval.low <= getattr(alloy, name) <= interval.high
    assert interval.low < interval.high
    for end in (interval.low, interval.high):
        other = alloy.varied(name, end)
        assert getattr(other, name) == pytest.approx(end)
        moved = {n for n in alloy.uncertain if getattr(other, n) != pytest.approx(getattr(alloy, n))} - {name}
        # lines are read at the solidus: they move with it, and nothing else does
        assert moved <= ({"conductivity_w_per_m_k", "specific_heat_j_per_kg_k"} if name == "solidus_k" else set())


def test_only_the_aluminium_alloy_is_weak() -> None:
    assert [m.name for m in MATERIALS.values() if m.weak] == ["AlSi10Mg"]


@pytest.mark.parametrize(
    "change",
    [
        {"density_kg_per_m3": 0.0},
        {"liquidus_k": 1500.0},
        {"boiling_k": float("nan")},
        {"minimum_absorptivity": 0.0},
        {"late": 1.0},
        {"frozen_k": 1600.0},
        {"conductivity_solid_w_per_m_k": Line(-1.0, 0.0)},
    ],
)
def test_an_impossible_alloy_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="IN625"):
        dataclasses.replace(IN625, **change)


def test_what_is_left_of_the_melt_obeys_scheil() -> None:
    """Solute is kept: d(f c) = k c df, with the melt at its liquidus, fall_k (c/c0 - 1) below that of the alloy."""
    fall_k, partition, below_k, step_k = 42.0, 0.48, 60.0, 1e-3
    assert scheil(0.0, fall_k, partition) == 1.0
    ends = [scheil(below_k + side, fall_k, partition) for side in (-step_k, step_k)]
    melts = [1 + (below_k + side) / fall_k for side in (-step_k, step_k)]  # c/c0
    rejected = ends[1] * melts[1] - ends[0] * melts[0]
    frozen = partition * sum(melts) / 2 * (ends[1] - ends[0])
    assert rejected == pytest.approx(frozen, rel=1e-6)
