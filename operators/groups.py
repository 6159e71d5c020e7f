"""Groups: the dimensionless numbers through which alloy, spot and machine enter.

Reference values are those of the solid at the solidus: k_ref, c_ref, alpha = k_ref/(rho c_ref). With T0 the build
temperature and dT = T_liquidus - T0,

    theta = (T - T0)/dT,   h = enthalpy / (rho c_ref dT),   Phi = int k dT / (k_ref dT),   q = A P/(k_ref d dT).

k and c rise linearly from T0 to the solidus and are constant in the liquid; between solidus and liquidus k is linear,
c is the mean of both ends, and the latent heat is spread evenly. What segregates freezes late: a share `late` of the
latent heat may be freed, evenly, over `tail` below the solidus, where k and c stay those of the solid. The solidus
still bounds the melt pool.
"""

from dataclasses import astuple, dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Groups:
    """The groups of one material at one build temperature. All dimensionless."""

    mushy: float  # (T_liquidus - T_solidus)/(T_liquidus - T0)
    latent: float  # Lf/(c_ref dT): inverse Stefan number
    k_cold: float  # k(T0)/k_ref
    k_liquid: float  # k_liquid/k_ref
    c_cold: float  # c(T0)/c_ref
    c_liquid: float  # c_liquid/c_ref
    boiling: float = 2.0  # (T_boil - T0)/dT
    tail: float = 0.0  # (T_solidus - T_frozen)/dT: how far below the solidus the last melt freezes
    late: float = 0.0  # share of the latent heat that is freed there

    def __post_init__(self) -> None:
        values = np.array(astuple(self))
        always = values[:7]  # all but the tail
        if not np.isfinite(values).all() or (always <= 0).any() or self.mushy >= 1:
            raise ValueError(f"groups must be positive and mushy below 1: {self}")
        if not (0 <= self.tail < self.solidus and 0 <= self.late < 1 and (self.tail > 0) == (self.late > 0)):
            raise ValueError(f"tail and late must be both zero, or a tail above T0 and a share below 1: {self}")

    @property
    def solidus(self) -> float:
        """theta at the solidus."""
        return 1.0 - self.mushy

    @property
    def h_frozen(self) -> float:
        """h where the last melt freezes."""
        theta = self.solidus - self.tail
        return (self.c_cold + 0.5 * (1.0 - self.c_cold) * theta / self.solidus) * theta

    @property
    def h_solidus(self) -> float:
        """h at the solidus."""
        return 0.5 * (self.c_cold + 1.0) * self.solidus + self.late * self.latent

    @property
    def h_liquidus(self) -> float:
        """h at the liquidus."""
        return self.h_solidus + self.mushy * 0.5 * (1.0 + self.c_liquid) + (1.0 - self.late) * self.latent

    @property
    def fastest_diffusivity(self) -> float:
        """Largest dPhi/dh: what limits an explicit step."""
        mushy = max(1.0, self.k_liquid) * self.mushy / (self.h_liquidus - self.h_solidus)
        late = max(1.0, self.k_cold) * self._tail_slope
        return max(self.k_cold / self.c_cold, 1.0, mushy, late, self.k_liquid / self.c_liquid)

    @property
    def _tail_slope(self) -> float:
        """dtheta/dh of the tail; 0 without one."""
        return self.tail / (self.h_solidus - self.h_frozen) if self.tail > 0 else 0.0

    def law(self) -> np.ndarray:
        """Constants of h -> theta -> Phi as the kernels want them, float64.

        [c_cold, slope of c, h_s, theta_s, mushy slope dtheta/dh, h_l, 1/c_liquid, k_cold, slope of k, Phi_s, slope of
        k in the mushy zone, Phi_l, k_liquid, h_f, theta_f, slope dtheta/dh of the tail]; s, l, f: at the solidus,
        at the liquidus and where the last melt freezes.
        """
        s, m = self.solidus, self.mushy
        phi_s = 0.5 * (self.k_cold + 1.0) * s
        phi_l = phi_s + 0.5 * (1.0 + self.k_liquid) * m
        mushy_slope = m / (self.h_liquidus - self.h_solidus)
        return np.array(
            [
                self.c_cold,
                (1.0 - self.c_cold) / s,
                self.h_solidus,
                s,
                mushy_slope,
                self.h_liquidus,
                1.0 / self.c_liquid,
                self.k_cold,
                (1.0 - self.k_cold) / s,
                phi_s,
                (self.k_liquid - 1.0) / m,
                phi_l,
                self.k_liquid,
                self.h_frozen,
                s - self.tail,
                self._tail_slope,
            ]
        )

    def short_law(self) -> np.ndarray:
        """Constants of h -> Phi in one go, as the fast kernel wants them: [c, c^2, 2 slope of c, k, slope of k/2, h_s,
        mushy slope, Phi_s, slope of k in the mushy zone/2, h_l, Phi_l, k_liquid/c_liquid, h_f, theta_f, tail slope]."""
        c, slope, h_s, _, mushy, h_l, per_c, k, k_slope, phi_s, k_mushy, phi_l, k_liquid, *tail = self.law()
        return np.array(
            [
                *(
                    c,
                    c * c,
                    2 * slope,
                    k,
                    0.5 * k_slope,
                    h_s,
                    mushy,
                    phi_s,
                    0.5 * k_mushy,
                    h_l,
                    phi_l,
                    k_liquid * per_c,
                ),
                *tail,
            ]
        )

    def vector(self) -> np.ndarray:
        """The groups in order, all of them."""
        return np.array(astuple(self), dtype=np.float32)

    @staticmethod
    def names() -> tuple[str, ...]:
        return tuple(f.name for f in fields(Groups))


TOLD = ("mushy", "latent", "k_cold", "k_liquid", "c_cold", "c_liquid", "boiling", "tail", "late")
"""The groups that an operator is told."""


CONSTANT = Groups(mushy=0.04, latent=1e-9, k_cold=1.0, k_liquid=1.0, c_cold=1.0, c_liquid=1.0)
"""Constant properties and no latent heat: the case with an exact solution (Eagar-Tsai)."""
