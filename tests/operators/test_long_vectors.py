"""The shipped operator along hatches of vectors as long as a build's, against the reference: the heat of the vector
before is a hundred frames old, and the pool is longer for it; and what many vectors left adds up."""

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from operators import card
from operators.engine import Engine
from operators.melt_pool.plan import TRAVEL
from operators.operator import Stream, Task
from operators.reference.operator import ReferenceOperator
from twin.attribution.attribution import explained, traced
from twin.material import IN625, IN718, Material
from twin.process import Process

VECTOR, ASIDE, FRAMES = 60, 2, 184  # frames; a frame is half a diameter
CELLS = 6  # of the reference a diameter: sizes within a few per cent


LPBF, DED = (IN625, 100e-6, 195.0, 0.8), (IN718, 0.8e-3, 360.0, 0.02)  # beam diameter m, power W, scan speed m/s
Told = tuple[Process, Stream, list[np.ndarray]]


def told(of: tuple[Material, float, float, float], frames: int) -> Told:
    """Process, stream, and the rows of each frame."""
    alloy, diameter_m, power_w, speed_m_per_s = of
    process = Process(alloy, diameter_m, 298.0)
    stream = Stream("hatch", process.groups(), process.peclet(speed_m_per_s), process.surface())
    source = process.source(power_w, speed_m_per_s)
    return process, stream, list(islice(_frames(TRAVEL / stream.peclet, source.q, source.depth), frames))


@pytest.fixture(scope="module")
def hatch() -> tuple[np.ndarray, np.ndarray]:
    """Sizes (frame, 3) in d by the reference, and by the shipped operator."""
    _, stream, frames = told(LPBF, FRAMES)
    reference, operator = ReferenceOperator(CELLS), Engine(*card.load("asno-melt-pool"), fine=False)
    found = []
    for each in (reference, operator):
        (looks,) = each.step([Task(stream, frames, [])])
        found.append(np.array([each.grid.sizes(look.theta, stream.groups.solidus) for look in looks]))
    return found[0], found[1]


def _frames(frame: float, q: float, depth: float) -> Iterator[np.ndarray]:
    """There and back, rows (t, x, y, q, depth); the laser is off on the way to the next vector."""
    t = x = y = heading = 0.0
    side = 1.0
    while True:
        for turned, lit, count in ((heading, True, VECTOR), (heading + side * math.pi / 2, False, ASIDE)):
            for _ in range(count):
                now = (q if lit else 0.0, depth)
                there = x + TRAVEL * math.cos(turned), y + TRAVEL * math.sin(turned)
                yield np.array([[t, x, y, *now], [t + frame, *there, *now]])
                (x, y), t = there, t + frame
        heading, side = heading + side * math.pi, -side


def middles() -> list[np.ndarray]:
    """Frames of each vector but its begin and its end."""
    period = VECTOR + ASIDE
    return [np.arange(n * period + 20, min(n * period + VECTOR, FRAMES) - 2) for n in range(3)]


def test_the_pool_is_longer_beside_what_was_heated_before(hatch: tuple[np.ndarray, np.ndarray]) -> None:
    """Or the test below would find nothing."""
    reference, _ = hatch
    first, second, third = (reference[each, 0].mean() for each in middles())
    assert second > 1.2 * first
    assert third > 1.05 * second


def test_the_operator_knows_the_heat_of_long_vectors(hatch: tuple[np.ndarray, np.ndarray]) -> None:
    """Weights that had learned from pasts of 45 frames said half the length in the middle of the second and third."""
    reference, operator = hatch
    for each in middles():
        wrong = np.abs(operator[each] / reference[each] - 1)
        assert (np.median(wrong, axis=0) < (0.1, 0.05, 0.05)).all(), np.median(wrong, axis=0)
        assert (wrong < (0.2, 0.15, 0.1)).all(), wrong.max(axis=0)


def test_what_many_slow_vectors_have_left_adds_up() -> None:
    """Of DED 60 d^2/alpha are six vectors of 30 d. An operator that forgot what is older was 5 % off after twelve, and
    8 % after thirty."""
    _, stream, frames = told(DED, 13 * (VECTOR + ASIDE) - 5)
    reference, operator = ReferenceOperator(CELLS), Engine(*card.load("asno-melt-pool"), fine=False)
    truth, found = (np.stack([look.theta.ravel() for look in each.step([Task(stream, frames, [])])[0][-40:]])
                    for each in (reference, operator))  # fmt: skip
    wrong = np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)
    assert frames[-1][-1, 0] > 120, "d^2/alpha"
    assert wrong.mean() < 0.025, wrong.mean()


def test_what_earlier_vectors_have_brought_adds_up() -> None:
    """From a straight track to a path with turns the integrand is rough: sixteen points missed a fifth and more."""
    process, stream, frames = told(LPBF, FRAMES)
    _, diameter_m, power_w, speed_m_per_s = LPBF
    gradients = Engine(*card.load("asno-melt-pool")).gradients()
    watts = [np.column_stack([rows, np.where(rows[:, 3] > 0, power_w, 0.0)]) for rows in frames]
    for frame in (95, 158):
        trace = traced(
            watts[: frame + 1], None, stream, process, nominal_power_w=power_w, nominal_speed_m_per_s=speed_m_per_s,
            frame_s=TRAVEL * diameter_m / speed_m_per_s, lead_s=0.0,
        )  # fmt: skip
        _, shares, _ = explained(gradients, trace, "depth")
        assert shares.difference > 0.02, "d: deeper than a straight track"
        assert shares.defect <= 0.03, frame
