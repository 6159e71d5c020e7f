"""Cases: what was measured, and which rows set the constants of the rule.

NIST AMB2018-02 (IN625, bare plate; B. Lane et al. 2020, doi 10.1007/s40192-020-00169-1, table 4), typed in. Chen's
preheated IN718 (doi 10.1016/j.addma.2020.101642) is read from the data folder beside the project.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[3].parent / "shared" / "data"


@dataclass(frozen=True)
class Case:
    """One straight track and its measured melt pool; NaN where something was not measured."""

    name: str
    material: str
    beam_power_w: float
    scan_speed_m_per_s: float
    beam_diameter_m: float  # D4-sigma
    preheat_k: float
    length_m: float
    width_m: float
    depth_m: float
    cooling_k_per_s: float = float("nan")
    fitted: bool = False  # this row set a constant of the rule


def nist() -> list[Case]:
    """The six cases; AMMT's cooling rates are not to be used, says their source."""
    nan = float("nan")
    rows = [
        ("AMMT-A", 137.9, 0.4, 170, 300, 148, 42, nan),
        ("AMMT-B", 179.2, 0.8, 170, 359, 123, 36, nan),
        ("AMMT-C", 179.2, 1.2, 170, 370, 106, 30, nan),
        ("CBM-A", 150.0, 0.4, 100, 659, 171, 151, 6.20e5),
        ("CBM-B", 195.0, 0.8, 100, 780, 133, 91, 9.35e5),
        ("CBM-C", 195.0, 1.2, 100, 754, 100, 60, 1.28e6),
    ]
    return [
        Case(name, "IN625", p, v, d * 1e-6, 298.15, length * 1e-6, w * 1e-6, deep * 1e-6, rate, name.endswith("-B"))
        for name, p, v, d, length, w, deep, rate in rows
    ]


CHEN_FITTED_W = (200.0, 285.0)  # at each of their four speeds: the eight pairs that set the rule


def chen() -> list[Case]:
    """80 tracks on a plate of IN718 at 100 to 500 C, 100 um spot; 16 pairs of power and speed."""
    with (DATA / "in718_preheat" / "chen2020_in718_preheat.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [
        Case(
            f"{row['power_W']} W, {row['speed_m_s']} m/s, {row['preheat_C']} C", "IN718", float(row["power_W"]),
            float(row["speed_m_s"]), 100e-6, 273.15 + float(row["preheat_C"]), float("nan"),
            float(row["width_um"]) * 1e-6, float(row["depth_um"]) * 1e-6, fitted=float(row["power_W"]) in CHEN_FITTED_W,
        )
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True)
class Simonds:
    """One 10 ms shot at a plate of 316L (B. J. Simonds et al., Phys. Rev. Applied 10 (2018) 044061, table 3)."""

    irradiance_mw_per_cm2: float  # mean over the spot
    energy_j: float
    absorptance: float
    keyhole: bool

    @property
    def spot_diameter_m(self) -> float:
        """Of the spot over which the irradiance is the mean: energy over 10 ms and irradiance."""
        area_m2 = self.energy_j / SHOT_S / (self.irradiance_mw_per_cm2 * 1e10)
        return 2.0 * (area_m2 / math.pi) ** 0.5


SHOT_S = 0.010


def simonds() -> list[Simonds]:
    """Ten shots, rising in irradiance."""
    with (DATA / "nist_amb2018_02" / "simonds2018_316l_absorptance_table3.csv").open() as file:
        return [
            Simonds(
                float(row["avg_irradiance_MW_cm2"]), float(row["E_in_J"]), float(row["eta_coupling"]),
                bool(row["time_to_keyhole_ms"]),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
