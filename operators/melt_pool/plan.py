"""Plan: what the beam of a trajectory does, frame by frame.

A straight track, or one with vectors long and short, corners, hatches there and back or one way, steps of power,
changes of pace, and the laser off while the beam goes on, stands, or flies to where the next vector begins. What a
trajectory has of these it has throughout: a hatch of short vectors keeps the heat of many. One that goes far has
vectors as long as those of a build, beside or across what was heated long before, and fewer events.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TRAVEL = 0.5  # the beam travels this many diameters in a frame at its nominal speed
SHAPES = {"straight": 0.25, "corners": 0.25, "hatch": 0.4, "one way": 0.1}
SHAPES_FAR = {"straight": 0.05, "corners": 0.15, "hatch": 0.6, "one way": 0.2}
SHORT, LONG = (2.0, 6.0), (6.0, 30.0)  # frames of a vector; half of the trajectories have short ones
FAR = (8.0, 200.0)  # of one that goes far: evenly in its logarithm
SELDOM = 0.25  # of the events a frame, where it goes far
FULL, FULL_FAR = 0.5, 0.9  # share of stretches that last a frame
ASIDE = (1, 4)  # frames from one vector of a hatch to the next
BACK = (2, 5)  # frames of a flight
LOWEST = 0.45  # share of the power
OFF = (1, 13)  # frames


@dataclass(frozen=True)
class Stretch:
    """What the beam does for `span` frames: which way, how fast (in TRAVEL a frame), and at which share of its
    power."""

    heading: float
    pace: float
    level: float
    span: float = 1.0


def far_vector(rng: np.random.Generator) -> int:
    """Frames of a vector of one that goes far."""
    return round(math.exp(rng.uniform(*np.log(FAR))))


def plan(
    rng: np.random.Generator, frames: int, eventful: bool, whole: bool = True, vector: int = 0
) -> Iterator[Stretch]:
    """So many stretches. `whole`: each lasts a frame; if not, half of the eventful ones are cut short (a
    tenth where it goes far), so that what happens is looked at as soon as it has happened. `vector`: an eventful one
    goes far, with vectors of so many frames (`far_vector`); 0: it does not."""
    if not eventful:
        yield from [Stretch(0.0, 1.0, 1.0)] * frames
        return
    moves, power, off, stands = _moves(rng, vector), 1.0, 0, False
    often = SELDOM if vector else 1.0
    steps, slows, dark = rng.random() < 0.5, rng.random() < 0.25, rng.random() < 0.45
    pace = 1.0
    for _ in range(frames):
        if steps and rng.random() < 0.07 * often:
            power = rng.uniform(LOWEST, 1.0)
        if slows and rng.random() < 0.05 * often:
            pace = rng.uniform(0.4, 1.2)
        if dark and not off and rng.random() < 0.05 * often:
            off, stands = int(rng.integers(*OFF)), rng.random() < 0.5
        span = 1.0 if whole or rng.random() < (FULL_FAR if vector else FULL) else rng.uniform(0.05, 1.0)
        if off and stands:
            yield Stretch(0.0, 0.0, 0.0, span)
        else:
            heading, fast, lit = next(moves)
            yield Stretch(heading, fast * pace, power if lit and not off else 0.0, span)
        off = max(off - 1, 0)


def _moves(rng: np.random.Generator, vector: int) -> Iterator[tuple[float, float, bool]]:
    """(heading, pace, whether the laser is on) of each frame in which the beam does not stand."""
    shapes = SHAPES_FAR if vector else SHAPES
    shape = rng.choice(list(shapes), p=list(shapes.values()))
    if not vector:
        vector = round(rng.uniform(*(SHORT if rng.random() < 0.5 else LONG)))
    aside, back, lit_aside = int(rng.integers(*ASIDE)), int(rng.integers(*BACK)), rng.random() < 0.4
    heading, side = 0.0, rng.choice([-1.0, 1.0])
    while True:
        length = max(2, round(vector * rng.uniform(0.6, 1.4))) if shape == "corners" else vector
        yield from [(heading, 1.0, True)] * length
        if shape == "corners":
            heading += rng.choice([-1.0, 1.0]) * rng.uniform(math.pi / 6, 5 * math.pi / 6)
        elif shape == "hatch":
            yield from [(heading + side * math.pi / 2, 1.0, lit_aside)] * aside
            heading, side = heading + side * math.pi, -side
        elif shape == "one way":
            flight = heading + math.pi - side * math.atan2(aside, length)
            yield from [(flight, math.hypot(length, aside) / back, False)] * back
