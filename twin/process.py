"""Process: an alloy, a spot and a build temperature, and the dimensionless numbers that they make.

Lengths go by the beam diameter d (D4-sigma), times by d^2/alpha, temperature by theta = (T - T0)/(Tl - T0); k, cp and
alpha are those of the solid at the solidus (`operators.groups`). The keyhole number sorts regimes; it sizes nothing.
"""

import math
from dataclasses import dataclass

from operators.groups import Groups
from twin.forecast import Regime
from twin.material import Material

ABSORPTIVITY = 0.35  # bare plate in conduction; sources span .28 to .45
CONDUCTION_BELOW = 1.86  # between AMMT-A (1.38) and CBM-C (2.51) of AMB2018-02
KEYHOLE_ABOVE = 6.0  # Gan 2021


@dataclass(frozen=True)
class Process:
    """What stays the same while the beam moves."""

    material: Material
    beam_diameter_m: float
    preheat_k: float = 298.15  # T0: temperature of the part before
    absorptivity: float = ABSORPTIVITY

    def __post_init__(self) -> None:
        if not (math.isfinite(self.beam_diameter_m) and self.beam_diameter_m > 0):
            raise ValueError(f"beam diameter must be above 0 m, got {self.beam_diameter_m}")
        if not 0 < self.preheat_k < self.material.solidus_k:
            raise ValueError(
                f"preheat must lie between 0 K and the solidus of {self.material.name}, "
                f"{self.material.solidus_k:g} K, got {self.preheat_k}"
            )
        if not 0 < self.absorptivity <= 1:
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
        )

    def q(self, beam_power_w: float) -> float:
        """Strength of the beam: A P/(k d (Tl - T0))."""
        scale = self.material.conductivity_w_per_m_k * self.beam_diameter_m * self.temperature_k_rise
        return self.absorptivity * beam_power_w / scale

    def peclet(self, scan_speed_m_per_s: float) -> float:
        """v d/alpha."""
        return scan_speed_m_per_s * self.beam_diameter_m / self.diffusivity_m2_per_s

    def theta(self, temperature_k: float) -> float:
        """(T - T0)/(Tl - T0)."""
        return (temperature_k - self.preheat_k) / self.temperature_k_rise

    def temperature_k(self, theta: float) -> float:
        """T0 + theta (Tl - T0)."""
        return self.preheat_k + theta * self.temperature_k_rise


def keyhole_number(process: Process, beam_power_w: float, scan_speed_m_per_s: float) -> float:
    """Ke = eta P/((Tl - T0) pi rho cp sqrt(alpha v r0^3)), r0 half the D4-sigma diameter (Gan 2021).

    eta = max(A_min, .7 (1 - exp(-.6 Ke_m Ld))), Ke_m = Ke with eta = A_min, Ld = sqrt(alpha/(v r0)). The floor is ours:
    without it eta falls below the absorptivity of a flat surface in conduction. 0 without power or speed.
    """
    if beam_power_w <= 0 or scan_speed_m_per_s <= 0:
        return 0.0
    material, alpha, r0 = process.material, process.diffusivity_m2_per_s, 0.5 * process.beam_diameter_m
    heat = process.temperature_k_rise * math.pi * material.density_kg_per_m3 * material.specific_heat_j_per_kg_k
    per_eta = beam_power_w / (heat * math.sqrt(alpha * scan_speed_m_per_s * r0**3))
    diffusion_length = math.sqrt(alpha / (scan_speed_m_per_s * r0))
    deepened = 0.7 * (1.0 - math.exp(-0.6 * material.minimum_absorptivity * per_eta * diffusion_length))
    return max(material.minimum_absorptivity, deepened) * per_eta


def regime(keyhole_number: float) -> Regime:
    """conduction below CONDUCTION_BELOW, keyhole above KEYHOLE_ABOVE, transition between.

    The lower limit is fitted to the six cases of AMB2018-02 (IN625, bare plate; Lane et al. 2020): the geometric
    mean of the largest number of the three in conduction and the smallest of the other three. It moves with the
    property set and need not hold for another alloy: draw it as a band.
    """
    if keyhole_number < CONDUCTION_BELOW:
        return "conduction"
    return "keyhole" if keyhole_number > KEYHOLE_ABOVE else "transition"
