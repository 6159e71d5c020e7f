"""MeltpoolNet: melt pools and melting modes of 77 papers, and which of its rows are measurements to be held to.

BaratiLab/AMUI at 6dfd421 (P. Akbari et al., Additive Manufacturing 55 (2022) 102817), read from the data folder beside
the project. Power in W, `velocity` in mm/s, sizes, spot, layer and hatch in um. The beam diameter is what each paper
calls it (mostly 1/e2), taken as D4-sigma; `depth_over_length` is depth over layer thickness; `melting_temperature` is
in C here and in K there and is not read. `process` and `sub_process` tell lasers from electron beams and powder bed
from powder fed; nothing tells measured from calculated, and nothing tells bare from powder but a layer thickness.
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.validation.reference.cases import DATA
from twin.material import Material, UnknownMaterialError, material
from twin.process import Process
from twin.query import SLOWEST_PECLET

FOLDER = DATA / "meltpoolnet"
LASER_ON_A_BED = ("SLM", "DMLS")
MOST_ABSORBED = 0.86  # of a beam: the highest of Simonds' absorptances
SMOOTH = 0.025  # scatter about a power law below which a paper's sizes were calculated; measured ones scatter 4 to 50 %
SMALLEST_SPOT_M = 10e-6
CAVITY = ("34", "Runbo data")  # synchrotron X-ray images: depth of the vapour cavity, not of the melt around it
LABELLED_BY_RULE = ("67", "76", "80")  # their comments give thresholds of energy or aspect, not what was seen

Key = tuple[str, float, float, float]


@dataclass(frozen=True)
class Row:
    """One row of a paper, in SI; NaN where it says nothing."""

    paper: str
    alloy: str
    process: str
    sub_process: str
    beam_power_w: float
    scan_speed_m_per_s: float
    beam_diameter_m: float
    width_m: float
    depth_m: float
    layer_thickness_m: float
    hatch_spacing_m: float
    label: str

    @property
    def setting(self) -> Key:
        return self.alloy, self.beam_power_w, self.scan_speed_m_per_s, self.beam_diameter_m

    @property
    def aspect(self) -> float:
        """Measured depth over width."""
        return self.depth_m / self.width_m

    @property
    def powder(self) -> bool:
        """A layer thickness is told; without one the plate was bare, or the paper does not say."""
        return self.layer_thickness_m > 0

    @property
    def cavity(self) -> bool:
        return self.paper in CAVITY

    def on(self) -> Process:
        return Process(material(self.alloy), self.beam_diameter_m)


def geometry() -> list[Row]:
    """Every row of the sizes."""
    return _read("melt_pool_fixture_geometry.csv")


def classes() -> list[Row]:
    """Every row of the melting modes."""
    return _read("melt_pool_fixture_classification.csv")


def _read(name: str) -> list[Row]:
    with (FOLDER / name).open(newline="") as file:
        return [
            Row(
                row["paper_id"], row["material"], row["process"], row.get("sub_process") or "SLM",
                _number(row["power"]), _number(row["velocity"], 1e-3), _number(row["beam_diameter"], 1e-6),
                _number(row.get("melt_pool_width"), 1e-6), _number(row.get("melt_pool_depth"), 1e-6),
                _number(row["layer_thickness"], 1e-6), _number(row["hatch_spacing"], 1e-6),
                (row["melt_pool_shape"] or "").strip().lower(),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def _number(text: str | None, unit: float = 1.0) -> float:
    return round(float(text) * unit, 12) if text else math.nan


@dataclass(frozen=True)
class Sorted:
    """The rows to be held to, and how many were left out for each reason, with the papers."""

    rows: list[Row]
    left_out: dict[str, int]
    papers: dict[str, list[str]]


def measured(rows: Sequence[Row]) -> Sorted:
    """Rows of our alloys with all that the reference needs, less those that cannot be measurements of a melt pool."""
    kept: list[Row] = []
    left: Counter[str] = Counter()
    papers: dict[str, set[str]] = defaultdict(set)
    per_paper = {key: why for key, group in _by_paper(rows).items() if (why := calculated(group))}
    for row in rows:
        why = _unfit(row) or per_paper.get((row.paper, row.alloy)) or _absurd(row)
        if why:
            left[why] += 1
            papers[why].add(row.paper)
        else:
            kept.append(row)
    return Sorted(kept, dict(left), {why: sorted(them, key=_order) for why, them in papers.items()})


def _order(paper: str) -> tuple[int, str]:
    return (int(paper), "") if paper.isdigit() else (10**6, paper)


def _unfit(row: Row) -> str:
    """Why this row is no question to the reference at all, or ''."""
    if not known(row.alloy):
        return "another alloy"
    if row.process != "PBF" or row.sub_process not in LASER_ON_A_BED:
        return "electron beam or powder-fed"
    if not all(v > 0 for v in row.setting[1:]):
        return "no power, scan speed or beam diameter"
    if math.isnan(row.width_m) and math.isnan(row.depth_m):
        return "neither width nor depth"
    return ""


def _absurd(row: Row) -> str:
    """Why this row's numbers cannot all be right, or the reference has no answer, or ''."""
    process = row.on()
    if row.beam_diameter_m < SMALLEST_SPOT_M or row.beam_diameter_m > 3 * row.width_m:
        return "spot below 10 um or over three measured widths"
    least = 0.5 * row.width_m * row.depth_m * row.scan_speed_m_per_s * melting_j_per_m3(process.material)
    if least > MOST_ABSORBED * row.beam_power_w:
        return "melting the measured section takes more than metal can absorb"
    if process.peclet(row.scan_speed_m_per_s) < SLOWEST_PECLET:
        return "slower than the reference goes (Peclet below 0.5)"
    return ""


def known(alloy: str) -> bool:
    try:
        material(alloy)
    except UnknownMaterialError:
        return False
    return True


def melting_j_per_m3(alloy: Material) -> float:
    """Heat that makes a cubic metre of melt out of cold metal."""
    mean = alloy.specific_heat_solid_j_per_kg_k(0.5 * (298.15 + alloy.solidus_k))
    return alloy.density_kg_per_m3 * (mean * (alloy.liquidus_k - 298.15) + alloy.latent_heat_j_per_kg)


def calculated(rows: Sequence[Row]) -> str:
    """Why the sizes of these rows of one paper were not measured track by track, or ''."""
    aspects = np.array([row.aspect for row in rows if row.aspect > 0])
    if len(aspects) >= 5 and aspects.max() < 1.005 * aspects.min():
        return "depth is the same share of width in every row"
    for sizes in ([row.width_m for row in rows], [row.depth_m for row in rows]):
        if (scatter := _scatter(rows, sizes)) is not None and scatter < SMOOTH:
            return "sizes too smooth to be measured: a formula or a simulation"
    return ""


def _scatter(rows: Sequence[Row], sizes: Sequence[float]) -> float | None:
    """Standard deviation of log size about a power law in power and speed (with squares, where there are rows enough);
    None where there are too few rows."""
    there = [(r.beam_power_w, r.scan_speed_m_per_s, s) for r, s in zip(rows, sizes, strict=True) if s > 0]
    there = [row for row in there if row[0] > 0 and row[1] > 0]
    if len(there) < 8:
        return None
    p, v, size = np.log(np.array(there)).T
    columns = [np.ones_like(p), p, v] + ([p**2, v**2, p * v] if len(there) > 12 else [])
    matrix = np.stack(columns, axis=1)
    rest = size - matrix @ np.linalg.lstsq(matrix, size, rcond=None)[0]
    return float(np.sqrt((rest**2).sum() / (len(there) - matrix.shape[1])))


def _by_paper(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of our alloys that a laser made on a bed or plate, by paper and alloy."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if known(row.alloy) and row.sub_process in LASER_ON_A_BED:
            found[row.paper, row.alloy].append(row)
    return found


def capped(rows: Sequence[Row], most: int, seed: int = 0) -> list[Row]:
    """At most so many settings of each paper and alloy, drawn with a fixed seed; every row of a setting that stays."""
    kept: set[tuple[str, Key]] = set()
    for (paper, _), group in sorted(_by_paper(rows).items()):
        settings = sorted({row.setting for row in group})
        picks = np.random.default_rng(seed).permutation(len(settings))[:most]
        kept |= {(paper, settings[i]) for i in picks}
    return [row for row in rows if (row.paper, row.setting) in kept]


def labelled() -> tuple[list[Row], dict[str, int]]:
    """Rows with a melting mode that somebody saw, from both files, each once, and how many were left out."""
    kept: dict[tuple[Key, str], Row] = {}
    left: Counter[str] = Counter()
    rows = [row for row in classes() + geometry() if row.label]
    per_paper = {key for key, group in _by_paper(geometry()).items() if calculated(group)}
    for row in rows:
        if not known(row.alloy):
            left["another alloy"] += 1
        elif row.process != "PBF" or row.sub_process not in LASER_ON_A_BED:
            left["electron beam or powder-fed"] += 1
        elif not all(v > 0 for v in row.setting[1:]) or row.beam_diameter_m < SMALLEST_SPOT_M:
            left["no power, scan speed or beam diameter"] += 1
        elif (row.paper, row.alloy) in per_paper:
            left["paper whose sizes were calculated"] += 1
        elif row.paper in LABELLED_BY_RULE:
            left["labels from thresholds, not from tracks"] += 1
        elif (row.setting, row.label) in kept:
            left["the same setting and label again"] += 1
        else:
            kept[row.setting, row.label] = row
    return list(kept.values()), dict(left)
