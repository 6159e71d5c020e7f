"""Families: ways in which a forecast may not be what it was calibrated for, each with what is told in place of what is.

Shifts with a truth of their own come from `draws.SHIFTS`: one parameter beyond the envelope, or an alloy that was never
seen. The others keep the truth of draws in distribution and tell the operator something else: another absorptivity or
alloy, a path that a faulty sensor reports, or one that is sampled too seldom.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from operators.operator import Operator
from twin.process import Process
from twin.trust.calibrate import recipe
from twin.trust.calibrate.draws import ALLOYS, ENVELOPE, Draw
from twin.trust.calibrate.readings import Readings, envelope, readings
from twin.trust.calibrate.tracks import Track
from twin.trust.calibrated import Calibrated

STREAM = 0x46414D49
Frames = list[np.ndarray]
UNSEEN = ("absorptivity told wrong", "alloy told wrong")
"""What no score can see that reads only what is told: the groups told are as good as the right ones."""


def told(track: Track, **changes: object) -> Draw:
    """A draw of which another process is told; times and strengths follow."""
    draw = track.draw
    assert isinstance(draw.process, Process)
    process = replace(draw.process, **changes)  # type: ignore[arg-type]
    stream = replace(
        draw.stream, groups=process.groups(), peclet=process.peclet(draw.scan_speed_m_per_s), surface=process.surface()
    )
    return replace(draw, process=process, stream=stream)


def absorptivity(track: Track, rng: np.random.Generator) -> Draw:
    """0.6 to 0.8 times, or 1.25 to 1.5 times what the metal takes up."""
    draw = track.draw
    assert isinstance(draw.process, Process)
    own = draw.process.source(*draw.setting).absorptivity
    factor = rng.uniform(0.6, 0.8) if rng.random() < 0.5 else rng.uniform(1.25, 1.5)
    return told(track, absorptivity=float(np.clip(own * factor, 0.05, 1.0)))


def alloy(track: Track, rng: np.random.Generator) -> Draw:
    """Another of the four."""
    others = [a for a in ALLOYS if a.name != track.draw.stratum]
    return told(track, material=others[int(rng.integers(len(others)))])


def _said(draw: Draw, factor: np.ndarray) -> Frames:
    """The frames until now with the power reported times `factor` (frame,), and those ahead as planned."""
    out = [frame.copy() for frame in draw.rows]
    for n in range(draw.issued + 1):
        stretch = draw.stretches[n]
        out[n][:, 3:] = (
            draw.source(replace(stretch, level=stretch.level * float(factor[n]))) if factor[n] > 0 else (0.0, 0.2)
        )
    return out


def bias(draw: Draw, rng: np.random.Generator) -> Frames:
    """Power 15 to 40 % too low or too high."""
    off = rng.uniform(0.15, 0.4) * (1 if rng.random() < 0.5 else -1)
    return _said(draw, np.full(draw.issued + 1, 1 + off))


def spikes(draw: Draw, rng: np.random.Generator) -> Frames:
    """Three times the power in two of the last four frames."""
    factor = np.ones(draw.issued + 1)
    factor[-4:][rng.permutation(4)[:2]] = 3.0
    return _said(draw, factor)


def dropout(draw: Draw, rng: np.random.Generator) -> Frames:
    """The power reads nothing for the last two to six frames, at most all but two."""
    factor = np.ones(draw.issued + 1)
    factor[-min(int(rng.integers(2, 7)), draw.issued - 1) :] = 0.0
    return _said(draw, factor)


def freeze(draw: Draw, rng: np.random.Generator) -> Frames:
    """All readings stand still for the last two to six frames."""
    return _moved(draw, rng, lambda n, begin, lag: min(n, begin))


def late(draw: Draw, rng: np.random.Generator) -> Frames:
    """All readings come two to six frames late."""
    return _moved(draw, rng, lambda n, begin, lag: max(n - lag, 0))


def _moved(draw: Draw, rng: np.random.Generator, source: Callable[[int, int, int], int]) -> Frames:
    lag = min(int(rng.integers(2, 7)), draw.issued - 1)
    out = [frame.copy() for frame in draw.rows]
    standing = [source(n, draw.issued - lag, lag) for n in range(draw.issued + 1)]
    for n, of in enumerate(standing):
        out[n][:, 1:] = draw.rows[of][:, 1:]
        if n and standing[n - 1] == of:  # the reading stands: so does the beam
            out[n][:, 1:3] = draw.rows[of][1, 1:3]
    out[draw.issued + 1][0, 1:3] = out[draw.issued][1, 1:3]
    return out


def seldom(draw: Draw, rng: np.random.Generator) -> Frames:
    """One sample in eight frames: straight in between, power held."""
    del rng
    out = [frame.copy() for frame in draw.rows]
    begin = draw.issued % 8 - 8
    for first in range(begin, draw.issued, 8):
        a, b = max(first + 1, 0), min(first + 8, draw.issued)
        start, end = draw.rows[a][0, 1:3], draw.rows[b][1, 1:3]
        for n in range(a, b + 1):
            share = np.array([n - a, n - a + 1]) / (b - a + 1)
            out[n][:, 1:3] = start + share[:, None] * (end - start)
            out[n][:, 3:] = draw.rows[a][0, 3:]
    return out


TOLD: dict[str, Callable[[Track, np.random.Generator], Draw]] = {
    "absorptivity told wrong": absorptivity,
    "alloy told wrong": alloy,
}
SAID: dict[str, Callable[[Draw, np.random.Generator], Frames]] = {
    "sensor bias": bias,
    "sensor freeze": freeze,
    "sensor dropout": dropout,
    "sensor spikes": spikes,
    "time lag": late,
    "resolution": seldom,
}


def shifted(name: str, operator: Operator, tracks: Sequence[Track]) -> Readings:
    """What the operator makes of these tracks under a family that tells something else."""
    rngs = [np.random.default_rng([STREAM, *name.encode(), track.draw.number]) for track in tracks]
    pairs = list(zip(tracks, rngs, strict=True))
    if name in TOLD:
        return readings(operator, tracks, told=[TOLD[name](track, rng) for track, rng in pairs])
    return readings(operator, tracks, said=[SAID[name](track.draw, rng) for track, rng in pairs])


def keyhole(known: Readings, left: Readings, tokens: int) -> tuple[Readings, Readings, Calibrated]:
    """Keyholes where only conduction was calibrated on, and sources no deeper than its deepest are in the envelope:
    conduction left for a test, keyholes, and that calibration. The operator has learned both, so errors stay small."""
    calm = known.take(known.groups == "conduction")
    deepest = max(draw.source(draw.stretches[draw.issued])[1] for draw in calm.draws)
    box = {**ENVELOPE, "depth": [ENVELOPE["depth"][0], deepest]}

    def within(some: Readings) -> Readings:
        return replace(some, envelope=np.array([envelope(draw, box) for draw in some.draws]))

    inside, outside = (within(left.take(left.groups == which)) for which in ("conduction", "keyhole"))
    return inside, outside, recipe.of_all(within(calm), tokens, {})
