"""Scales: fixed units of the camera operator, which is not told the alloy and so cannot go by its properties.

Lengths go by the beam diameter d (D4-sigma), times by d^2/DIFFUSIVITY, temperature above the build temperature by
RISE_K, enthalpy per volume by RISE_K CONDUCTIVITY/DIFFUSIVITY, a power by CONDUCTIVITY d RISE_K. So

    h_t = div grad Phi(h) + A q w,    Phi = int k dT/(CONDUCTIVITY RISE_K),    q = P/(CONDUCTIVITY d RISE_K)

holds for every alloy; only Phi(h) and theta(h) are its own. In these units solid and melt of nickel alloys, steels and
Ti-6Al-4V have dPhi/dh from .4 to 1.9 and dtheta/dh from .7 to 2.1, melt near theta = 1 and boil near 2.
"""

from dataclasses import dataclass

RISE_K = 1500.0
CONDUCTIVITY = 25.0  # W/(m K)
DIFFUSIVITY = 5e-6  # m2/s


@dataclass(frozen=True)
class Scales:
    """Units of a beam of this diameter over a plate of this build temperature."""

    beam_diameter_m: float
    build_k: float = 298.15

    def __post_init__(self) -> None:
        if not (0 < self.beam_diameter_m < float("inf") and 0 < self.build_k < float("inf")):
            raise ValueError(f"beam diameter and build temperature must be above 0, got {self}")

    @property
    def time_s(self) -> float:
        return self.beam_diameter_m**2 / DIFFUSIVITY

    @property
    def power_w(self) -> float:
        return CONDUCTIVITY * self.beam_diameter_m * RISE_K

    @property
    def enthalpy_j_per_m3(self) -> float:
        return RISE_K * CONDUCTIVITY / DIFFUSIVITY

    def peclet(self, scan_speed_m_per_s: float) -> float:
        """v d/DIFFUSIVITY."""
        return scan_speed_m_per_s * self.beam_diameter_m / DIFFUSIVITY

    def theta(self, temperature_k: float) -> float:
        return (temperature_k - self.build_k) / RISE_K

    def temperature_k(self, theta: float) -> float:
        return self.build_k + theta * RISE_K
