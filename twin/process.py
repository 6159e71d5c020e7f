"""Process: an alloy, a spot and a build temperature, and the dimensionless numbers that they make.

Lengths go by the beam diameter d (D4-sigma), times by d^2/alpha, temperature by theta = (T - T0)/(Tl - T0); k, cp and
alpha are those of the solid at the solidus (`operators.groups`). The boiling number sorts regimes
(`operators.reference.rule`); the keyhole number is told beside it.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from operators.groups import Groups
from operators.melt_pool.scales import CONDUCTIVITY, DIFFUSIVITY, RISE_K
from operators.operator import Scales
from operators.reference.beam import BEAM_SHAPES, BeamShape
from operators.reference.rule import RULE
from operators.reference.surface import Surface
from twin.material import Material

GAS_J_PER_MOL_K = 8.314
STEFAN_BOLTZMANN = 5.67e-8  # W/(m2 K4)
ATMOSPHERE_PA = 1.013e5
CONDENSED = 0.82  # Hertz-Knudsen: what does not condense again (Anisimov 1968)
CONVECTION_W_PER_M2_K = 20.0  # gas that flows over the plate


@dataclass(frozen=True)
class Process:
    """What stays the same while the beam moves."""

    material: Material
    beam_diameter_m: float
    preheat_k: float = 298.15  # T0: temperature of the part before
    absorptivity: float | None = None  # None: by the rule, from power and speed
    beam_shape: BeamShape = "gaussian"
    layer_thickness_m: float = 0.0  # of powder over the plate; 0: bare plate

    def __post_init__(self) -> None:
        if not (math.isfinite(self.beam_diameter_m) and self.beam_diameter_m > 0):
            raise ValueError(f"beam diameter must be above 0 m, got {self.beam_diameter_m}")
        if not 0 < self.preheat_k < self.material.solidus_k:
            raise ValueError(
                f"preheat must lie between 0 K and the solidus of {self.material.name}, "
                f"{self.material.solidus_k:g} K, got {self.preheat_k}"
            )
        if self.material.late and self.preheat_k >= self.material.frozen_k:
            raise ValueError(
                f"preheat must lie below {self.material.frozen_k:g} K, where the last melt of {self.material.name} "
                f"freezes, got {self.preheat_k}"
            )
        if not (math.isfinite(self.layer_thickness_m) and self.layer_thickness_m >= 0):
            raise ValueError(f"layer thickness must be at least 0 m, got {self.layer_thickness_m}")
        if self.beam_shape not in BEAM_SHAPES:
            raise ValueError(f"beam shape must be {', '.join(BEAM_SHAPES)}, got {self.beam_shape!r}")
        if self.absorptivity is not None and not 0 < self.absorptivity <= 1:
            raise ValueError(f"absorptivity must be above 0 and at most 1, got {self.absorptivity}")

    @property
    def length_m(self) -> float:
        """Unit of length: the beam diameter."""
        return self.beam_diameter_m

    @property
    def diffusivity_m2_per_s(self) -> float:
        """alpha of the solid at the solidus."""
        return self.material.diffusivity_m2_per_s

    @property
    def time_s(self) -> float:
        """Unit of time: d^2/alpha."""
        return self.beam_diameter_m**2 / self.diffusivity_m2_per_s

    @property
    def temperature_k_rise(self) -> float:
        """Unit of temperature: Tl - T0."""
        return self.material.liquidus_k - self.preheat_k

    def groups(self) -> Groups:
        """The groups of this alloy at this build temperature."""
        m, rise = self.material, self.temperature_k_rise
        k, c = m.conductivity_w_per_m_k, m.specific_heat_j_per_kg_k
        return Groups(
            mushy=(m.liquidus_k - m.solidus_k) / rise,
            latent=m.latent_heat_j_per_kg / (c * rise),
            k_cold=m.conductivity_solid_w_per_m_k(self.preheat_k) / k,
            k_liquid=m.conductivity_liquid_w_per_m_k / k,
            c_cold=m.specific_heat_solid_j_per_kg_k(self.preheat_k) / c,
            c_liquid=m.specific_heat_liquid_j_per_kg_k / c,
            boiling=(m.boiling_k - self.preheat_k) / rise,
            tail=(m.solidus_k - m.frozen_k) / rise if m.late > 0 else 0.0,
            late=m.late,
        )

    def surface(self) -> Surface:
        """What the melt of this process loses through its surface (`operators.reference.surface`)."""
        m, rise = self.material, self.temperature_k_rise
        unit = m.conductivity_w_per_m_k * rise / self.beam_diameter_m  # of heat flux
        molar_heat = m.vaporisation_j_per_kg * m.molar_mass_kg_per_mol / GAS_J_PER_MOL_K
        jet = CONDENSED * ATMOSPHERE_PA * m.vaporisation_j_per_kg
        jet *= math.sqrt(m.molar_mass_kg_per_mol / (2 * math.pi * GAS_J_PER_MOL_K * rise))
        return Surface(
            evaporation=jet / unit,
            vapour=molar_heat / rise,
            boiling=m.boiling_k / rise,
            zero=self.preheat_k / rise,
            radiation=m.emissivity * STEFAN_BOLTZMANN * rise**4 / unit,
            convection=CONVECTION_W_PER_M2_K * rise / unit,
        )

    def scales(self) -> Scales:
        """Units of the groups over the fixed ones (`operators.melt_pool.scales`)."""
        return Scales(
            self.temperature_k_rise / RISE_K,
            self.material.conductivity_w_per_m_k / CONDUCTIVITY,
            self.diffusivity_m2_per_s / DIFFUSIVITY,
        )

    def strength(self, beam_power_w: float) -> float:
        """Strength of the whole beam: Q = P/(k d (Tl - T0)); what is absorbed of it is q = A Q."""
        scale = self.material.conductivity_w_per_m_k * self.beam_diameter_m * self.temperature_k_rise
        return beam_power_w / scale

    def source(self, beam_power_w: float, scan_speed_m_per_s: float) -> "Source":
        """Absorptivity and depth of the source at this power and speed (`operators.reference.rule`)."""
        return _source(self, beam_power_w, scan_speed_m_per_s)

    def peclet(self, scan_speed_m_per_s: float) -> float:
        """v d/alpha."""
        return scan_speed_m_per_s * self.beam_diameter_m / self.diffusivity_m2_per_s

    def theta(self, temperature_k: float) -> float:
        """(T - T0)/(Tl - T0)."""
        return (temperature_k - self.preheat_k) / self.temperature_k_rise

    def temperature_k(self, theta: float) -> float:
        """T0 + theta (Tl - T0)."""
        return self.preheat_k + theta * self.temperature_k_rise


@dataclass(frozen=True)
class Source:
    """What the beam is to the metal: absorbed strength q, absorptivity, depth in d, and the boiling number."""

    q: float
    absorptivity: float
    depth: float
    boiling_number: float


@lru_cache(maxsize=4096)
def _source(process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> Source:
    strength, peclet = process.strength(beam_power_w), process.peclet(scan_speed_m_per_s)
    boiling = (process.material.boiling_k - process.preheat_k) / process.temperature_k_rise
    least = process.material.minimum_absorptivity
    if process.absorptivity is None:
        absorptivity, depth = RULE.source(strength, peclet, boiling, least)
        flat = RULE.flat(least)
    else:
        absorptivity = process.absorptivity
        flat = min(absorptivity, RULE.flat(least))
        depth = RULE.depth(absorptivity * strength, flat * strength, peclet, boiling)
    return Source(absorptivity * strength, absorptivity, depth, RULE.boiling_number(flat * strength, peclet, boiling))
