"""Asked: whether the band of one question, `./meltwin melt-pool --by operator`, holds what `--by reference` answers.

What somebody asks is no draw of the calibration: the track is long and steady, and the reference reads its own answer
off finer nodes and marches other cells than a teacher."""

import math

import numpy as np

from tests.validation.trust import metrics
from twin.process import Process
from twin.query import Answer, melt_pool, slowest_m_per_s
from twin.regime import regime
from twin.trust import outside
from twin.trust.bands import SIZES, scale
from twin.trust.calibrate.draws import ABSORPTIVITY, ALLOYS, ENVELOPE, MACHINES, PREHEAT_K, REGIMES, STREAM

WORD = 0x41534B  # sets these random numbers apart from those of draws
GROUP = "one question at a time"


def question(number: int) -> tuple[Process, float, float]:
    """Process, beam power in W and scan speed in m/s: alloys and regimes in turn, the rest at random inside the
    envelope."""
    attempt = 0
    while True:
        rng = np.random.default_rng([STREAM, WORD, number, attempt])
        powers, speeds, diameters = MACHINES["LPBF" if rng.random() < 0.5 else "DED"]
        power, speed, diameter = (math.exp(rng.uniform(*np.log(each))) for each in (powers, speeds, diameters))
        absorptivity = None if rng.random() < 0.5 else rng.uniform(*ABSORPTIVITY)
        process = Process(ALLOYS[number % len(ALLOYS)], diameter, rng.uniform(*PREHEAT_K), absorptivity)
        wanted = REGIMES[number // len(ALLOYS) % len(REGIMES)]
        if (
            speed > slowest_m_per_s(process)
            and regime(process.source(power, speed).boiling_number) == wanted
            and outside(ENVELOPE, process, power, speed) is None
        ):
            return process, power, speed
        attempt += 1


def answer(number: int, by: str) -> Answer:
    """What is answered to a question."""
    process, power, speed = question(number)
    return melt_pool(
        process.material, power, speed, process.beam_diameter_m, process.preheat_k, process.absorptivity, by=by
    )


def held(count: int) -> dict[str, float]:
    """Of the questions that get a band: how often each size of the reference's answer is inside, with its 95 %
    interval, and half of the band over the size, in the median. As `measure.coverage` has it of a group of draws."""
    inside: dict[str, list[bool]] = {size: [] for size in SIZES}
    wide: dict[str, list[float]] = {size: [] for size in SIZES}
    for number in range(count):
        said = answer(number, "operator")
        if said.band is None:
            continue
        true, d = answer(number, "reference").melt_pool, question(number)[0].beam_diameter_m
        for size in SIZES:
            low, high, here, right = (
                float(getattr(each, f"{size}_m")) for each in (said.band.low, said.band.high, said.melt_pool, true)
            )
            inside[size].append(low <= right <= high)
            wide[size].append((high - here) / (d * float(scale(here / d))))
    told = {"draws": float(len(inside[SIZES[0]]))}
    for size in SIZES:
        low, high = metrics.interval(sum(inside[size]), len(inside[size]))
        told |= {size: float(np.mean(inside[size])), f"{size} low": low, f"{size} high": high}
        told[f"{size} half-width"] = float(np.median(wide[size]))
    return told
