"""Draws: plates, alloys, powders, tracks and powers that the camera operator learns from and is tested on.

A track crosses a box of metal that was cold, with steps of power, turns, and the laser off at times. What is drawn and
never told: absorptivity, the alloy (groups and units at random, half of them with a tail; ALLOYS only to test), the
powder and the loss. The power is chosen by a mean metal and a mean absorptivity: what was told says nothing of what was
not.
"""

import math
from dataclasses import dataclass

import numpy as np

from operators.camera.law import ALLOY, BOX, NAMES
from operators.camera.plate import Law
from operators.nets.heat import FASTEST, STEEPEST

SHAPE = 9, 24, 72  # cells (z, y, x) of the box
CELLS = 4  # a diameter
CONTEXT, AHEAD = 10, 20  # frames
TRAVEL = 0.5  # diameters in a frame at nominal speed
PECLET = (2.0, 40.0)  # evenly in its logarithm
ABSORPTIVITY = (0.2, 0.9)
BARE = 0.5  # share of plates without powder
POWDER = (0.3, 0.7)  # what a layer of it conducts, of what metal does: sintered
HOTTEST, COLDEST = 2.7, 0.9  # about how hot the surface may get, and must
NOMINAL = (1.2, 2.2)  # the same, by a mean metal of absorptivity .5
MARGIN = 1.25  # diameters from the walls
STREAM = 0x43414D  # first word of the random numbers

ALLOYS = {  # at a build temperature of 298 K; `twin.material` has the sources
    "IN625": ((0.8832, 1.2025, 0.9895, 0.0453, 0.3041, 0.3142, 1.0005, 0.5711, 0.9852), (0.1072, 0.1815)),
    "IN718": ((0.8832, 1.297, 1.1453, 0.0453, 0.2135, 0.3067, 0.9252, 0.6135, 1.1183), (0.0694, 0.2309)),
    "SS316L": ((0.9546, 1.4193, 1.4657, 0.0419, 0.3075, 0.3926, 0.5724, 0.7005, 1.2658), (0.0, 0.0)),
    "Ti-6Al-4V": ((1.0832, 1.082, 1.6272, 0.0283, 0.2345, 0.2588, 1.2791, 0.7275, 1.1072), (0.0, 0.0)),
}
SPLITS = ("fit", "validation", "test", "alloys")


@dataclass(frozen=True)
class Track:
    """One trajectory before it is solved. places: of the beam at the ends of frames, (y, x) in diameters from the
    box's corner, one more than frames; power: q of each frame; frame: its time."""

    law: Law
    power: np.ndarray
    places: np.ndarray
    frame: float
    alloy: str = ""

    @property
    def frames(self) -> int:
        return len(self.power)


def track(split: str, number: int, frames: int = CONTEXT + AHEAD) -> Track:
    """The same however many are drawn. `frames`: of which the first are alike."""
    rng = np.random.default_rng([STREAM, SPLITS.index(split), number])
    name = list(ALLOYS)[number % len(ALLOYS)] if split == "alloys" else ""
    while True:
        law = _law(rng, name)
        peclet = math.exp(rng.uniform(*np.log(PECLET)))
        nominal = rng.uniform(*NOMINAL)
        q = nominal * math.sqrt(1 + 0.19 * peclet) / (math.sqrt(2 / math.pi) * 0.5)
        hot = math.sqrt(2 / math.pi) * law.numbers[0] * q / law.numbers[2]
        hot /= math.sqrt(1 + 0.19 * peclet / law.numbers[3])
        if not COLDEST < hot < HOTTEST:
            continue
        places = _places(rng)
        power = q * _levels(rng)
        return Track(law, power[:frames], places[: frames + 1], TRAVEL / peclet, name)


def _law(rng: np.random.Generator, name: str) -> Law:
    while True:
        numbers = np.array([rng.uniform(*BOX[each]) for each in NAMES])
        numbers[0] = rng.uniform(*ABSORPTIVITY)
        numbers[NAMES.index("powder")] = 1.0 if rng.random() < BARE else rng.uniform(*POWDER)
        tail = (rng.uniform(0.02, 0.2), rng.uniform(0.05, 0.35)) if rng.random() < 0.5 else (0.0, 0.0)
        if name:
            numbers[ALLOY], tail = ALLOYS[name]
        if _stable(numbers):
            return Law(numbers, tail)


def _stable(numbers: np.ndarray) -> bool:
    """Whether the scheme may have these curves as they are."""
    _, _, k, alpha, _, _, k_cold, k_liquid, c_cold, c_liquid, *_ = numbers
    fastest = alpha * max(1.0, k_cold / c_cold, k_liquid / c_liquid)
    return bool(fastest < FASTEST and alpha / k / min(c_cold, 1.0) < STEEPEST)


def _places(rng: np.random.Generator) -> np.ndarray:
    """Along x, from either end; of each four one goes straight, one askew, one zigzags and one is a narrow hatch."""
    _, ny, nx = (n / CELLS for n in SHAPE)
    while True:
        heading, kind = 0.0, int(rng.integers(4))
        place = np.array([rng.uniform(MARGIN, ny - MARGIN), rng.uniform(MARGIN, MARGIN + 0.5)])
        places, across = [place], 0
        heading = rng.uniform(-0.15, 0.15) if kind == 1 else 0.0
        for n in range(CONTEXT + AHEAD):
            if kind == 2 and rng.random() < 0.15:
                heading = rng.uniform(-1.0, 1.0)
            if kind == 3 and (across > 0 or rng.random() < 0.1):  # aside for two frames, then on, or back
                if across == 0:
                    turned, across = rng.choice([-1.0, 1.0]), 3
                    back = math.pi - heading if rng.random() < 0.5 and n > 6 else heading
                across -= 1
                heading = turned * math.pi / 2 if across else back
            place = place + TRAVEL * np.array([math.sin(heading), math.cos(heading)])
            places.append(place)
        found = np.array(places)
        if (found >= MARGIN).all() and (found[:, 0] <= ny - MARGIN).all() and (found[:, 1] <= nx - MARGIN).all():
            break
    if rng.random() < 0.5:
        found[:, 1] = nx - found[:, 1]
    return found


def _levels(rng: np.random.Generator) -> np.ndarray:
    """Power of each frame over the nominal one: half of the tracks have steps, a quarter the laser off for a while."""
    levels, level, stepping = [], 1.0, rng.random() < 0.5
    for _ in range(CONTEXT + AHEAD):
        if stepping and rng.random() < 0.12:
            level = rng.uniform(0.6, 1.1)
        levels.append(level)
    if rng.random() < 0.25:
        begin, long = int(rng.integers(5, CONTEXT + AHEAD - 4)), int(rng.integers(2, 5))
        levels[begin : begin + long] = [0.0] * long
    return np.array(levels)
