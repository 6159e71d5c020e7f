"""Draws: what trust is calibrated and tested on: one moment of a track, and the leads ahead of it.

A draw is the alloy (each of ALLOYS in turn, and groups drawn evenly from the operator's box), the machine's parameters,
a path (`plan`: half of them straight, half with steps, turns, neighbours and laser-off, and half of these with the long
vectors and the long past of a build), and how many frames have passed when the forecast is made. Regimes come in turn
(REGIMES): left to chance one draw in twelve would be in transition. Within the envelope at every frame, and its pool
fits the window. Shifted ones (SHIFTS) begin as such a draw; then one parameter is taken beyond the envelope.

Random numbers are a stream of their own: none is shared with training (`default_rng([seed, number])`) nor with the
melt pool's test set.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from operators import response
from operators.melt_pool import trajectories
from operators.melt_pool.beam import Beam
from operators.melt_pool.forcing import NARROWED
from operators.melt_pool.plan import TRAVEL, Stretch, far_vector, plan
from operators.melt_pool.trajectories import BOX
from operators.operator import Stream, heading_after
from operators.reference.rule import RULE
from operators.window import WindowGrid
from twin.forecast import Regime
from twin.material import ALSI10MG, IN625, IN718, SS316L, TI64
from twin.process import Process
from twin.regime import regime
from twin.trust.envelope import outside

STREAM = 0x54525553  # first word of the random numbers
SEED = 7
ALLOYS = (IN625, IN718, SS316L, TI64)
STRATA = (*(alloy.name for alloy in ALLOYS), "box")
REGIMES: tuple[Regime, ...] = ("conduction", "transition", "conduction", "keyhole")
BLOCK = 40  # draws in which every stratum meets every regime, straight and eventful
PARTS = ("fit", "calibration", "calibration", "calibration")  # block by block
FOLDS = 5  # of blocks: in each a fifth is left for a test of what the others calibrate
SHIFTS = ("power", "speed", "spot", "preheat", "alloy")
MACHINES = {  # power W, scan speed m/s, beam diameter m
    "LPBF": ((50.0, 500.0), (0.2, 2.5), (50e-6, 200e-6)),
    "DED": ((200.0, 2000.0), (3e-3, 40e-3), (0.4e-3, 3e-3)),
}
PREHEAT_K = (293.0, 773.0)
ABSORPTIVITY = (0.2, 0.9)
LEADS = (0, 2, 4, 8)  # frames: those of the twin with its default horizon
ISSUED = (4, 37)  # frames that have passed when a forecast is made
ISSUED_FAR = (40.0, 800.0)  # where it goes far: evenly in the logarithm
BEYOND = (0.1, 0.7)  # how far past the edge of the envelope a shifted parameter is, in its logarithm
LARGEST, WIDEST_AT_LEAST = (15.0, 4.4, 4.5), 0.3  # d; as `trajectories.draw` has them
CUT = (17.5, 5.1, 5.1)  # d: what a shifted pool may reach, by linear response
SLOWEST = 0.5  # Peclet number
ENVELOPE = {name: list(bounds) for name, bounds in BOX.items()}


@dataclass(frozen=True)
class Draw:
    """One forecast to be judged."""

    number: int
    stratum: str
    shift: str  # empty: in distribution
    process: Process | Beam  # a beam where groups were drawn and no alloy
    beam_power_w: float  # the highest; 1 where there is no process
    scan_speed_m_per_s: float  # nominal; the Peclet number where there is no process
    stream: Stream
    stretches: tuple[Stretch, ...]  # a frame each
    issued: int
    vector: int = 0  # frames of its vectors, where it goes far (`plan`)

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Rows (t, x, y, q, depth) of each frame: what an `Operator` takes as observed."""
        frame, out = TRAVEL / self.stream.peclet, []
        t = x = y = 0.0
        for each in self.stretches:
            q, depth = self.source(each)
            far = TRAVEL * each.pace
            end = (t + frame, x + far * math.cos(each.heading), y + far * math.sin(each.heading))
            out.append(np.array([[t, x, y, q, depth], [*end, q, depth]]))
            t, x, y = end
        return out

    def source(self, each: Stretch) -> tuple[float, float]:
        """Absorbed strength and depth of the source in a frame."""
        if isinstance(self.process, Beam):
            return self.process.source(each.level)
        source = self.process.source(each.level * self.beam_power_w, each.pace * self.scan_speed_m_per_s)
        return source.q, source.depth

    @property
    def looked(self) -> list[int]:
        """Frames at whose end the field is asked: now, and at the leads."""
        return [self.issued + lead for lead in LEADS]

    @cached_property
    def poses(self) -> list[tuple[float, float, float]]:
        """(x, y, heading) of the window as each frame ends."""
        out, heading = [], 0.0
        for rows in self.rows:
            heading = heading_after(heading, rows)
            out.append((float(rows[-1, 1]), float(rows[-1, 2]), heading))
        return out

    @property
    def far(self) -> bool:
        """Whether its past is long."""
        return self.vector > 0

    @property
    def strongest(self) -> tuple[float, float]:
        """(q, depth) of the highest power at the nominal speed."""
        if isinstance(self.process, Beam):
            return self.process.source()
        source = self.process.source(self.beam_power_w, self.scan_speed_m_per_s)
        return source.q, source.depth

    @cached_property
    def linear(self) -> tuple[float, float, float]:
        """Length, width and depth of the steady pool by linear response, d."""
        q, depth = self.strongest
        theta = response.straight(q, self.stream.peclet, WindowGrid(), depth, NARROWED)
        return WindowGrid().sizes(theta, self.stream.groups.solidus)

    @property
    def part(self) -> str:
        """Whether it is fitted or calibrated on."""
        return PARTS[self.number // BLOCK % len(PARTS)]

    @property
    def fold(self) -> int:
        """In which fold it is left for a test."""
        return self.number // BLOCK % FOLDS

    @property
    def setting(self) -> tuple[float, float]:
        """Power and scan speed as the forecast is made; the nominal ones while the laser is off."""
        now = self.stretches[self.issued]
        power, speed = (now.level, now.pace) if now.level > 0 else (1.0, 1.0)
        return power * self.beam_power_w, speed * self.scan_speed_m_per_s

    @property
    def group(self) -> Regime:
        """The regime of `setting`: what a band goes by."""
        if isinstance(self.process, Beam):
            return self.regime
        return regime(self.process.source(*self.setting).boiling_number)

    @property
    def regime(self) -> Regime:
        """At the highest power. Of groups without an alloy the source that was drawn is taken for a flat melt's."""
        if isinstance(self.process, Process):
            return regime(self.process.source(self.beam_power_w, self.scan_speed_m_per_s).boiling_number)
        number = RULE.boiling_number(self.strongest[0], self.stream.peclet, self.stream.groups.boiling)
        return "conduction" if self.strongest[1] < 0.3 else "keyhole" if number >= RULE.boiling else "transition"


def drawn(number: int, shift: str = "", seed: int = SEED) -> Draw:
    """The first draw under a number that may stand: the same, however many are made and in whichever order."""
    attempt = 0
    while True:
        key = [STREAM, seed, len(shift) and 1 + SHIFTS.index(shift), number, attempt]
        found = _tried(np.random.default_rng(key), number, shift)
        if found is not None:
            return found
        attempt += 1


def _tried(rng: np.random.Generator, number: int, shift: str) -> Draw | None:
    stratum = STRATA[number % (len(STRATA) - bool(shift))]
    eventful = number // len(STRATA) % 2 == 1
    far = eventful and (number + number // (len(PARTS) * BLOCK)) % 2 == 0
    vector = far_vector(rng) if far else 0
    issued = round(math.exp(rng.uniform(*np.log(ISSUED_FAR)))) if far else int(rng.integers(*ISSUED))
    frames, wanted = issued + LEADS[-1] + 1, REGIMES[number // 10 % len(REGIMES)]
    if stratum == "box" and not shift:
        stream, beam, _ = trajectories.draw(rng, WindowGrid())
        path = tuple(plan(rng, frames, eventful, vector=vector))
        named = replace(stream, name=f"trust {number}")
        told = Draw(number, stratum, "", beam, 1.0, stream.peclet, named, path, issued, vector)
        return told if told.regime == wanted else None
    powers, speeds, diameters = MACHINES["LPBF" if rng.random() < 0.5 else "DED"]
    alloy = ALSI10MG if shift == "alloy" else ALLOYS[number % len(ALLOYS)]
    power = math.exp(rng.uniform(*np.log(powers)))
    speed, diameter = math.exp(rng.uniform(*np.log(speeds))), math.exp(rng.uniform(*np.log(diameters)))
    absorptivity = None if rng.random() < 0.5 else rng.uniform(*ABSORPTIVITY)
    process = Process(alloy, diameter, rng.uniform(*PREHEAT_K), absorptivity)
    path = tuple(plan(rng, frames, eventful, vector=vector))
    told = _draw(
        number, alloy.name if shift == "alloy" else stratum, shift, process, power, speed, path, issued, vector
    )
    if shift == "alloy":
        return told if _held(told, CUT) else None
    if told.regime != wanted or not _held(told, LARGEST) or any(_beyond(told, s) for s in path):
        return None
    return _shifted(rng, told) if shift else told


def _draw(
    number: int, stratum: str, shift: str, process: Process, power: float, speed: float, path: tuple[Stretch, ...],
    issued: int, vector: int,
) -> Draw:  # fmt: skip
    stream = Stream(f"trust {shift} {number}", process.groups(), process.peclet(speed), process.surface())
    return Draw(number, stratum, shift, process, power, speed, stream, path, issued, vector)


def _beyond(draw: Draw, each: Stretch) -> bool:
    """Whether a frame is outside the envelope."""
    assert isinstance(draw.process, Process)
    power, speed = each.level * draw.beam_power_w, each.pace * draw.scan_speed_m_per_s
    return outside(ENVELOPE, draw.process, power, speed) is not None


def _held(draw: Draw, largest: tuple[float, float, float]) -> bool:
    """Whether there is a pool, and the window holds it."""
    if draw.stream.peclet < SLOWEST:
        return False
    sizes = draw.linear
    return sizes[1] > WIDEST_AT_LEAST and all(a <= b for a, b in zip(sizes, largest, strict=True))


def _shifted(rng: np.random.Generator, draw: Draw) -> Draw | None:
    """One parameter beyond the envelope, up or down; None where no pool would be left, or none that the window
    holds."""
    assert isinstance(draw.process, Process)
    up, past = rng.random() < 0.5, rng.uniform(*BEYOND)
    steps = np.arange(1, 80) * 0.05
    for step in steps if up or draw.shift == "preheat" else -steps:
        changed = _changed(draw, math.exp(step))
        if changed is None:
            return None
        if _beyond(changed, Stretch(0.0, 1.0, 1.0)):
            changed = _changed(draw, math.exp(step + math.copysign(past, step)))
            return changed if changed is not None and _held(changed, CUT) else None
    return None


def _changed(draw: Draw, factor: float) -> Draw | None:
    """None where there is no such process: a spot of no size, a plate that is not solid."""
    process, power, speed = draw.process, draw.beam_power_w, draw.scan_speed_m_per_s
    assert isinstance(process, Process)
    power *= factor if draw.shift == "power" else 1.0
    speed *= factor if draw.shift == "speed" else 1.0
    try:
        if draw.shift == "spot":
            process = replace(process, beam_diameter_m=process.beam_diameter_m * factor)
        elif draw.shift == "preheat":
            process = replace(process, preheat_k=process.preheat_k * factor)
        path = draw.stretches, draw.issued, draw.vector
        return _draw(draw.number, draw.stratum, draw.shift, process, power, speed, *path)
    except ValueError:
        return None
