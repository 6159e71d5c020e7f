"""Material: the properties of an alloy, and where each number comes from.

k and cp of the solid are straight lines a + b T with T in kelvin; those of the liquid are constants. A curve or a table
becomes the chord through its two ends. The mist files (ORNL-MDF/Myna) label k of IN625 and IN718 as against degrees
Celsius, but their numbers are against kelvin: so read, IN625 meets its own liquid value at the solidus (30.06 and
30.08) and both stay within 20 % of independent tables from 296 K on; read against Celsius both conduct half of what was
measured at room temperature.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

NIOBIUM_K, NIOBIUM_PARTITION = 10.5, 0.48
"""Of niobium in nickel: fall of the liquidus per wt %, partition coefficient (Ghosh 2017, arXiv 1705.06669)."""


def scheil(below_k: float, fall_k: float, partition: float) -> float:
    """Share of melt left `below_k` under the liquidus of an alloy whose solute lowers that by fall_k (Scheil and
    Gulliver: melt well mixed, nothing diffuses in the solid).

        f = (1 + below/fall)^(-1/(1 - k))
    """
    return float((1 + below_k / fall_k) ** (-1 / (1 - partition)))


class UnknownMaterialError(ValueError):
    """No such alloy; the text lists those that there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown material {name!r}: choose one of {', '.join(MATERIALS)}")


@dataclass(frozen=True)
class Line:
    """value(T) = at_zero + slope T, T in K."""

    at_zero: float
    slope: float

    def __call__(self, temperature_k: float) -> float:
        return self.at_zero + self.slope * temperature_k

    @classmethod
    def through(cls, first: tuple[float, float], last: tuple[float, float]) -> "Line":
        """The chord through two points (T in K, value)."""
        slope = (last[1] - first[1]) / (last[0] - first[0])
        return cls(first[1] - slope * first[0], slope)


@dataclass(frozen=True)
class Interval:
    """Low and high value of a property, and why."""

    low: float
    high: float
    reason: str


ASSUMED = {
    "density_kg_per_m3": 0.03,
    "solidus_k": 0.02,
    "liquidus_k": 0.01,
    "boiling_k": 0.03,
    "latent_heat_j_per_kg": 0.1,
    "conductivity_w_per_m_k": 0.1,
    "conductivity_liquid_w_per_m_k": 0.2,
    "specific_heat_j_per_kg_k": 0.05,
    "specific_heat_liquid_j_per_kg_k": 0.1,
    "vaporisation_j_per_kg": 0.1,
    "minimum_absorptivity": 0.1,
}
"""Half-widths, as shares, of properties that only one of our sources gives: a judgement, not a measurement."""


@dataclass(frozen=True)
class Material:
    """One alloy. `intervals` (property, low, high) tells where sources disagree; `weak`: too little is measured.

    k and cp of the solid go by their values at the solidus there. `interval` has one for every property.
    """

    name: str
    density_kg_per_m3: float
    solidus_k: float
    liquidus_k: float
    boiling_k: float
    latent_heat_j_per_kg: float
    conductivity_solid_w_per_m_k: Line
    conductivity_liquid_w_per_m_k: float
    specific_heat_solid_j_per_kg_k: Line
    specific_heat_liquid_j_per_kg_k: float
    minimum_absorptivity: float  # of the bare flat surface at about 1.07 um
    vaporisation_j_per_kg: float
    molar_mass_kg_per_mol: float
    source: str
    emissivity: float = 0.4
    frozen_k: float = math.nan  # where the last melt freezes, below the solidus; NaN where `late` is 0
    late: float = 0.0  # share of the latent heat freed between solidus and frozen_k
    intervals: tuple[tuple[str, float, float], ...] = ()
    weak: bool = False

    def __post_init__(self) -> None:
        positive = (
            self.density_kg_per_m3,
            self.solidus_k,
            self.latent_heat_j_per_kg,
            self.conductivity_solid_w_per_m_k(self.solidus_k),
            self.conductivity_liquid_w_per_m_k,
            self.specific_heat_solid_j_per_kg_k(self.solidus_k),
            self.specific_heat_liquid_j_per_kg_k,
            self.vaporisation_j_per_kg,
            self.molar_mass_kg_per_mol,
            self.emissivity,
        )
        if not all(math.isfinite(value) and value > 0 for value in positive):
            raise ValueError(f"{self.name}: every property must be positive and finite")
        if not self.solidus_k < self.liquidus_k < self.boiling_k < math.inf:
            raise ValueError(f"{self.name}: solidus, liquidus and boiling point must rise in this order")
        if not (0 <= self.late < 1 and (self.late == 0 or 0 < self.frozen_k < self.solidus_k)):
            raise ValueError(f"{self.name}: what freezes late must be a share below 1, and freeze below the solidus")
        if not 0 < self.minimum_absorptivity <= 1:
            raise ValueError(f"{self.name}: minimum absorptivity must lie in (0, 1]")

    @property
    def uncertain(self) -> tuple[str, ...]:
        """The properties that have an interval."""
        return tuple(dict.fromkeys([*ASSUMED, *(name for name, _, _ in self.intervals)]))

    def interval(self, name: str) -> Interval:
        """Between which values a property lies: what sources say where they disagree, else an assumed share around the
        one that there is."""
        for known, low, high in self.intervals:
            if known == name:
                return Interval(low, high, "sources disagree")
        value, share = getattr(self, name), ASSUMED[name]
        return Interval(value * (1 - share), value * (1 + share), f"one source; {share:.0%} assumed")

    def varied(self, name: str, value: float) -> "Material":
        """The alloy with another value of one property; k and cp of the solid keep the shape of their lines."""
        lines = {
            "conductivity_w_per_m_k": "conductivity_solid_w_per_m_k",
            "specific_heat_j_per_kg_k": "specific_heat_solid_j_per_kg_k",
        }
        if name not in lines:
            changed: dict[str, Any] = {name: value}
            return replace(self, **changed)
        line, factor = getattr(self, lines[name]), value / getattr(self, name)
        changed = {lines[name]: Line(line.at_zero * factor, line.slope * factor)}
        return replace(self, **changed)

    @property
    def conductivity_w_per_m_k(self) -> float:
        """k of the solid at the solidus: the reference value of the groups."""
        return self.conductivity_solid_w_per_m_k(self.solidus_k)

    @property
    def specific_heat_j_per_kg_k(self) -> float:
        """cp of the solid at the solidus: the reference value of the groups."""
        return self.specific_heat_solid_j_per_kg_k(self.solidus_k)

    @property
    def diffusivity_m2_per_s(self) -> float:
        """alpha = k/(rho cp) of the solid at the solidus."""
        return self.conductivity_w_per_m_k / (self.density_kg_per_m3 * self.specific_heat_j_per_kg_k)


IN625 = Material(
    name="IN625",
    density_kg_per_m3=8440.0,
    solidus_k=1563.0,
    liquidus_k=1623.0,
    boiling_k=3000.0,
    latent_heat_j_per_kg=2.9e5,
    conductivity_solid_w_per_m_k=Line(4.5847, 0.0163),
    conductivity_liquid_w_per_m_k=30.078,
    specific_heat_solid_j_per_kg_k=Line(338.39, 0.2441),
    specific_heat_liquid_j_per_kg_k=709.25,
    minimum_absorptivity=0.28,
    vaporisation_j_per_kg=6.457e6,
    molar_mass_kg_per_mol=0.0595,
    source="mist IN625.json (Capriccioli 2009, Pawel 1985); absorptivity Ye 2019; end of freezing DuPont 1996, what "
    "freezes late as Ni-4Nb (Keller 2017)",
    frozen_k=1421.0,
    late=scheil(60.0, 4 * NIOBIUM_K, NIOBIUM_PARTITION),
    intervals=(
        ("density_kg_per_m3", 7570.0, 8440.0),
        ("frozen_k", 1410.0, 1431.0),
        ("late", scheil(60.0, 3.15 * NIOBIUM_K, NIOBIUM_PARTITION), scheil(60.0, 5 * NIOBIUM_K, NIOBIUM_PARTITION)),
        ("latent_heat_j_per_kg", 2.18e5, 2.9e5),
        ("conductivity_w_per_m_k", 30.0, 31.3),
        ("conductivity_liquid_w_per_m_k", 30.0, 38.8),
        ("specific_heat_j_per_kg_k", 579.0, 720.0),
        ("specific_heat_liquid_j_per_kg_k", 709.0, 751.0),
        ("minimum_absorptivity", 0.28, 0.33),
    ),
)

IN718 = Material(
    name="IN718",
    density_kg_per_m3=8170.0,
    solidus_k=1563.0,
    liquidus_k=1623.0,
    boiling_k=3038.0,
    latent_heat_j_per_kg=1.96e5,
    # 5.291 + .0152 T + 1.382e-6 T^2, its chord from 298 K to the solidus
    conductivity_solid_w_per_m_k=Line.through((298.15, 9.9457), (1563.0, 32.4248)),
    conductivity_liquid_w_per_m_k=30.0,
    specific_heat_solid_j_per_kg_k=Line(362.0, 0.2118),
    specific_heat_liquid_j_per_kg_k=775.0,
    minimum_absorptivity=0.28,
    vaporisation_j_per_kg=6.457e6,
    molar_mass_kg_per_mol=0.0579,
    source="mist IN718.json (Agazhanov 2019, Hosaeus 2001); absorptivity as IN625; boiling point GO-MELT; end of "
    "freezing Knorovsky 1989, what freezes late as Ni-5Nb (Ghosh 2017)",
    frozen_k=1471.0,
    late=scheil(60.0, 5 * NIOBIUM_K, NIOBIUM_PARTITION),
    intervals=(
        ("late", scheil(60.0, 4.75 * NIOBIUM_K, NIOBIUM_PARTITION), scheil(60.0, 5.5 * NIOBIUM_K, NIOBIUM_PARTITION)),
        ("solidus_k", 1533.0, 1563.0),
        ("liquidus_k", 1609.0, 1623.0),
        ("latent_heat_j_per_kg", 1.96e5, 2.7e5),
        ("density_kg_per_m3", 8000.0, 8170.0),
        ("conductivity_w_per_m_k", 29.2, 32.5),
        ("conductivity_liquid_w_per_m_k", 29.0, 30.0),
        ("specific_heat_j_per_kg_k", 655.0, 710.0),
        ("specific_heat_liquid_j_per_kg_k", 720.0, 775.0),
    ),
)

SS316L = Material(
    name="SS316L",
    density_kg_per_m3=7955.0,
    solidus_k=1670.0,
    liquidus_k=1730.0,
    boiling_k=3090.0,
    latent_heat_j_per_kg=2.68e5,
    conductivity_solid_w_per_m_k=Line(9.248, 0.01571),
    conductivity_liquid_w_per_m_k=12.41 + 0.003279 * 2410.0,  # rises with T: midway between liquidus and boiling
    specific_heat_solid_j_per_kg_k=Line(386.7, 0.1329),
    specific_heat_liquid_j_per_kg_k=770.4,
    minimum_absorptivity=0.28,
    vaporisation_j_per_kg=7.41e6,
    molar_mass_kg_per_mol=0.0556,
    source="mist SS316L.json (Kim 1975; k and cp against K), melting range Kim 1975; absorptivity Ye 2019",
    intervals=(
        ("solidus_k", 1471.0, 1670.0),
        ("liquidus_k", 1709.0, 1730.0),
        ("density_kg_per_m3", 7245.0, 7990.0),
        ("conductivity_w_per_m_k", 31.3, 35.5),
        ("specific_heat_j_per_kg_k", 608.0, 732.0),
    ),
)

TI64 = Material(
    name="Ti-6Al-4V",
    density_kg_per_m3=4430.0,
    solidus_k=1877.0,
    liquidus_k=1923.0,
    boiling_k=3550.0,
    latent_heat_j_per_kg=2.86e5,
    conductivity_solid_w_per_m_k=Line.through((298.0, 7.0), (1873.0, 27.0)),
    conductivity_liquid_w_per_m_k=34.6,
    specific_heat_solid_j_per_kg_k=Line.through((298.0, 546.0), (1873.0, 750.0)),
    specific_heat_liquid_j_per_kg_k=831.0,
    minimum_absorptivity=0.26,
    vaporisation_j_per_kg=8.9e6,
    molar_mass_kg_per_mol=0.0467,
    source="Mills 2002 through AM_Thermomechanical_Solver (tables against K, chords); absorptivity Ye 2019",
    intervals=(
        ("boiling_k", 3533.0, 3560.0),
        ("density_kg_per_m3", 3920.0, 4430.0),
        ("conductivity_w_per_m_k", 24.5, 27.1),
        ("specific_heat_j_per_kg_k", 740.0, 751.0),
    ),
)

ALSI10MG = Material(
    name="AlSi10Mg",
    density_kg_per_m3=2680.0,
    solidus_k=843.0,
    liquidus_k=883.0,
    boiling_k=2740.0,
    latent_heat_j_per_kg=3.8e5,
    conductivity_solid_w_per_m_k=Line.through((373.0, 138.4), (673.0, 155.2)),
    conductivity_liquid_w_per_m_k=113.0,
    specific_heat_solid_j_per_kg_k=Line.through((373.0, 800.0), (673.0, 758.0)),
    specific_heat_liquid_j_per_kg_k=900.0,
    minimum_absorptivity=0.2,
    vaporisation_j_per_kg=1.07e7,
    molar_mass_kg_per_mol=0.0271,
    source="Akwaboa 2023 (tables against K, nothing measured above 673 K); liquid after rosenthal-meltpool, "
    "latent heat estimated, absorptivity assumed",
    weak=True,
)

MATERIALS = {m.name: m for m in (IN625, IN718, SS316L, TI64, ALSI10MG)}


def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


_ALIASES = {_key(m.name): m for m in MATERIALS.values()} | {
    "316l": SS316L,
    "ss316": SS316L,
    "inconel625": IN625,
    "inconel718": IN718,
    "ti64": TI64,
}


def material(name: str) -> Material:
    """The alloy of this name or alias; case, blanks and hyphens do not matter."""
    try:
        return _ALIASES[_key(name)]
    except KeyError:
        raise UnknownMaterialError(name) from None
