"""The dimensionless numbers: by hand where they can be, and what the rule makes of a process."""

import dataclasses
import math
from typing import Any

import pytest

from twin.material import IN625, MATERIALS, Material
from twin.process import Process


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
    assert process.strength(195.0) * scale == pytest.approx(195.0)


def test_an_absorptivity_that_is_told_is_kept_and_sets_the_depth() -> None:
    weak, strong = (Process(IN625, 1e-4, absorptivity=a).source(195.0, 0.8) for a in (0.4, 0.6))
    assert (weak.absorptivity, strong.absorptivity) == (0.4, 0.6)
    assert strong.q == pytest.approx(1.5 * weak.q)
    assert strong.depth > weak.depth


def test_the_rule_is_told_the_alloy_only_by_its_groups_and_its_least_absorptivity() -> None:
    one = Process(IN625, 1e-4).source(195.0, 0.8)
    renamed = dataclasses.replace(IN625, name="another", molar_mass_kg_per_mol=0.03, emissivity=0.9)
    assert Process(renamed, 1e-4).source(195.0, 0.8) == one
    other = Process(dataclasses.replace(IN625, minimum_absorptivity=0.2), 1e-4).source(195.0, 0.8)
    assert other.absorptivity < one.absorptivity


def test_no_power_and_no_speed_have_a_source_that_is_finite() -> None:
    for power_w, speed in ((0.0, 0.8), (195.0, 0.0), (0.0, 0.0)):
        source = Process(IN625, 1e-4).source(power_w, speed)
        assert all(map(math.isfinite, dataclasses.astuple(source)))
    assert Process(IN625, 1e-4).source(0.0, 0.8).q == 0.0


def test_evaporation_at_the_boiling_point_by_hand() -> None:
    # .82 p0 Lv sqrt(M/(2 pi R T)) at 3000 K: .82 * 1.013e5 * 6.457e6 * sqrt(.0595/(2 pi 8.314 3000)) = 3.305e8 W/m2
    process = Process(IN625, 1e-4)
    surface = process.surface()
    unit = IN625.conductivity_w_per_m_k * process.temperature_k_rise / process.length_m
    assert surface.boiling * process.temperature_k_rise == pytest.approx(IN625.boiling_k)
    assert surface.evaporation / math.sqrt(surface.boiling) * unit == pytest.approx(3.305e8, rel=2e-3)
    assert surface.zero == pytest.approx(298.15 / process.temperature_k_rise)
    # a black body at 3000 K radiates 4.593e6 W/m2
    assert surface.radiation * surface.boiling**4 * unit == pytest.approx(0.4 * 4.593e6, rel=1e-3)


@pytest.mark.parametrize(
    "changes", [{"layer_thickness_m": -1e-6}, {"layer_thickness_m": math.nan}, {"beam_shape": "star"}]
)
def test_an_impossible_layer_or_beam_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        Process(IN625, 1e-4, **changes)


@pytest.mark.parametrize(
    ("diameter_m", "preheat_k", "absorptivity"),
    [
        (0.0, 300.0, 0.35),
        (math.nan, 300.0, 0.35),
        (math.inf, 300.0, 0.35),
        (1e-4, 0.0, 0.35),
        (1e-4, 1563.0, 0.35),
        (1e-4, 1430.0, 0.35),  # the last melt freezes at 1421 K
        (1e-4, math.nan, 0.35),
        (1e-4, 300.0, 0.0),
        (1e-4, 300.0, 1.1),
        (1e-4, 300.0, math.nan),
    ],
)
def test_an_impossible_process_is_refused(diameter_m: float, preheat_k: float, absorptivity: float) -> None:
    with pytest.raises(ValueError, match=r"must"):
        Process(IN625, diameter_m, preheat_k, absorptivity)


@pytest.mark.parametrize("alloy", MATERIALS.values(), ids=MATERIALS)
def test_a_plate_may_be_as_hot_as_it_is_solid(alloy: Material) -> None:
    solid_k = alloy.frozen_k if alloy.late else alloy.solidus_k
    Process(alloy, 1e-4, solid_k - 1.0).groups()
    with pytest.raises(ValueError, match=f"{solid_k:g} K, "):
        Process(alloy, 1e-4, solid_k)
