"""Process map: regimes and limits over scan speed and beam power, for one alloy, spot and build temperature, and where
in it each card was trained. Pure; no operator is asked.

    regime           boiling number against `RULE.calm` and `RULE.boiling` (`twin.regime.regime`)
    keyhole number   Ke of Gan 2021; deep above `DEEP_KEYHOLE`
    lack of fusion   (h/W)^2 + (t/D)^2 of the W and D that one place in twenty falls short of (Tang 2017; `risks.low`)
    balling          L/W over `BALLING`, an advisory

Sizes are Eagar and Tsai's (1983), constant properties of the solid at the solidus: the width with the absorptivity of a
flat melt, the length with that of the rule (`operators.reference.rule`); the depth is the flat melt's or, where that is
larger, BOTTOM of the depth into which the rule puts the heat. Beside the operator's pools that is right within a fifth
in width, a quarter in depth, two fifths in length (tests/twin/test_process_map.py): enough to sort, and no forecast.
The field is linear in the power, so one a speed gives all powers.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from operators.reference import eagar_tsai
from operators.reference.rule import RULE
from operators.window import WindowGrid
from twin.alarms import risks
from twin.forecast import MeltPool
from twin.material import material
from twin.process import Process
from twin.regime import BALLING, DEEP_KEYHOLE, balling, keyhole_number, lack_of_fusion
from twin.trust.envelope import Envelope, distance, numbers

POINTS = 24
PECLET = (0.8, 85.0)  # v d/alpha: what speeds the map shows, and more than any card's
STRENGTH = (4.0, 150.0)  # P/(k d (Tl - T0)): what powers
BOTTOM = 0.87  # depth of a keyhole's pool over the depth of its source, which falls to nothing there
WORST = 99.0  # of a share that may be without end
SPOTS_M = np.geomspace(10e-6, 5e-3, 400)
COLDEST_K, STEP_K = 250.0, 5.0
_Near = tuple[float, dict[str, float]]


@dataclass(frozen=True)
class Asked:
    """What a map is of, SI. Raises `ValueError` (an alloy that is unknown, a number that cannot be)."""

    material: str
    beam_diameter_m: float
    preheat_k: float
    hatch_spacing_m: float
    layer_thickness_m: float

    def __post_init__(self) -> None:
        for name in ("hatch_spacing_m", "layer_thickness_m"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def process(self) -> Process:
        return Process(material(self.material), self.beam_diameter_m, self.preheat_k)


def process_map(asked: Asked, envelopes: Mapping[str, Envelope]) -> dict[str, Any]:
    """The map as a request's answer holds it: `scan_speed_m_per_s` (n), `beam_power_w` (n), each quantity as rows of
    power over columns of speed, and `cards`: of each card how far outside its envelope each point lies, in widths of it
    (negative inside), and what it spans in the user's units."""
    process = asked.process
    alpha, d = process.diffusivity_m2_per_s, process.beam_diameter_m
    speeds = np.geomspace(PECLET[0] * alpha / d, PECLET[1] * alpha / d, POINTS)
    powers = np.linspace(STRENGTH[0], STRENGTH[1], POINTS) / process.strength(1.0)
    at = [[(float(power), float(speed)) for speed in speeds] for power in powers]
    pools = np.array(list(_pools(process, speeds, powers))).transpose(1, 0, 2)  # power, speed, (length, width, depth)
    low = [[risks.low(MeltPool(*map(float, pool))) for pool in row] for row in pools]
    overlap = [
        [lack_of_fusion(asked.hatch_spacing_m, asked.layer_thickness_m, pool.width_m, pool.depth_m) for pool in row]
        for row in low
    ]
    told = [[numbers(process, *each) for each in row] for row in at]
    around = _around(process)
    return vars(asked) | {
        "scan_speed_m_per_s": _rounded(speeds),
        "beam_power_w": _rounded(powers),
        "boiling_number": _rounded([[process.source(*each).boiling_number for each in row] for row in at]),
        "keyhole_number": _rounded([[keyhole_number(process, *each) for each in row] for row in at]),
        "lack_of_fusion": _rounded(np.minimum(overlap, WORST)),
        "balling": _rounded([[balling(float(pool[0]), float(pool[1])) for pool in row] for row in pools]),
        "length_m": _rounded(pools[..., 0]), "width_m": _rounded(pools[..., 1]), "depth_m": _rounded(pools[..., 2]),
        "limits": {
            "calm": RULE.calm, "boiling": RULE.boiling, "deep_keyhole": DEEP_KEYHOLE, "balling": BALLING,
            "lack_of_fusion": 1.0,
        },
        "cards": {name: _trained(process, envelope, at, told, around) for name, envelope in envelopes.items()},
    }  # fmt: skip


def _around(process: Process) -> tuple[list[_Near], list[_Near]]:
    """Other spots, m, and other build temperatures, K, each with the groups that need neither power nor speed."""
    alloy, d = process.material, process.beam_diameter_m
    hottest_k = min(alloy.solidus_k, alloy.frozen_k) - STEP_K
    spots = [(each, Process(alloy, each, process.preheat_k)) for each in SPOTS_M.tolist()]
    heats = [(each, Process(alloy, d, each)) for each in np.arange(COLDEST_K, hottest_k, STEP_K).tolist()]
    found = [[(value, numbers(each, 0.0, 0.0)) for value, each in some] for some in (spots, heats)]
    return found[0], found[1]


def _pools(process: Process, speeds: np.ndarray, powers: np.ndarray) -> Iterator[list[tuple[float, float, float]]]:
    """Length, width and depth in m: of each speed, at each power."""
    grid, solidus, d = WindowGrid(behind=45.0, aside=4.5), process.groups().solidus, process.beam_diameter_m
    flat = RULE.flat(process.material.minimum_absorptivity)
    for speed in speeds.tolist():
        unit = eagar_tsai.steady(1.0, process.peclet(speed), grid)
        sources = [process.source(power, speed) for power in powers.tolist()]
        calm = [grid.sizes(unit * (flat * process.strength(power)), solidus) for power in powers.tolist()]
        long = [grid.sizes(unit * source.q, solidus)[0] for source in sources]
        yield [
            (length * d, width * d, max(depth, BOTTOM * source.depth if depth > 0 else 0.0) * d)
            for source, length, (_, width, depth) in zip(sources, long, calm, strict=True)
        ]


def _trained(
    process: Process, envelope: Envelope, at: list[list[tuple[float, float]]], told: list[list[dict[str, float]]],
    around: tuple[list[_Near], list[_Near]],
) -> dict[str, Any]:  # fmt: skip
    """Where a card was trained, and what it spans in the user's units: the powers and speeds of the map that are
    inside; the spots and preheats at which the groups that need neither are. None: no such value."""
    beyond = np.array([[distance(envelope, values) for values in row] for row in told])
    inside = np.array(at)[beyond <= 0]  # (power, speed)
    spots, heats = around
    peclet, scale = envelope.get("peclet"), process.diffusivity_m2_per_s / process.beam_diameter_m
    return {
        "beyond": _rounded(np.clip(beyond, -WORST, WORST)),
        "beam_power_w": _ends(inside[:, 0]),
        "scan_speed_m_per_s": None if peclet is None or not len(inside) else [number * scale for number in peclet],
        "beam_diameter_m": _ends([spot for spot, values in spots if distance(envelope, values) <= 0]),
        "preheat_k": _ends([heat for heat, values in heats if distance(envelope, values) <= 0]),
    }


def _ends(values: Any) -> list[float] | None:
    return [float(min(values)), float(max(values))] if len(values) else None


def _rounded(values: Any) -> Any:
    """As lists, four digits."""
    array = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(array != 0, 10.0 ** (3 - np.floor(np.log10(np.abs(array)))), 1.0)
    return (np.round(array * size) / size).tolist()
