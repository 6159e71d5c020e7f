"""Laws of the source's rule: its fixed point, what it rises and falls with, its bounds, and the boiling number."""

import inspect
import math
from functools import cache

import numpy as np
import pytest

from operators.reference import eagar_tsai
from operators.reference.rule import RULE, Rule
from operators.window import WindowGrid

LEAST = (0.2, 0.28, 0.4, 0.9)
PECLETS = (0.0, 0.3, 1.0, 5.0, 20.0, 80.0)
BOILINGS = (1.3, 2.0, 2.4)
STRENGTHS = np.geomspace(0.5, 500.0, 60)
STOPS = 1e-5  # the iteration ends this little above the fixed point


def map_of(a: float, strength: float, peclet: float, boiling: float, least: float) -> float:
    """The absorptivity of the hole that a beam absorbed with `a` makes."""
    return RULE.absorptivity(RULE.depth(a * strength, RULE.flat(least) * strength, peclet, boiling), least)


@cache
def sources(peclet: float, boiling: float, least: float) -> np.ndarray:
    """Rows (A, D) over STRENGTHS."""
    return np.array([RULE.source(float(strength), peclet, boiling, least) for strength in STRENGTHS])


@pytest.mark.parametrize("least", LEAST)
@pytest.mark.parametrize("peclet", PECLETS)
def test_absorptivity_and_depth_give_each_other_and_no_deeper_pair_does(peclet: float, least: float) -> None:
    for boiling in BOILINGS:
        for strength, (a, depth) in zip(STRENGTHS, sources(peclet, boiling, least), strict=True):
            flat = RULE.flat(least) * strength
            assert depth == pytest.approx(RULE.depth(a * strength, flat, peclet, boiling), abs=1e-6)
            assert a == pytest.approx(RULE.absorptivity(depth, least), abs=2e-7)
            for deeper in np.linspace(a, RULE.hole, 20)[1:]:
                assert deeper - a < 1e-6 or map_of(deeper, strength, peclet, boiling, least) < deeper


def test_of_several_solutions_the_deepest_is_taken() -> None:
    """With numbers under which a flat melt would stay flat, and a hole stays a hole."""
    rule = Rule(floor=0.2, gain=3.0, trapping=10.0, lift=1.1, hole=0.8, calm=1.3, boiling=1.8)
    strength, peclet, boiling, least = 46.0, 40.0, 2.0, 0.28
    tried = np.linspace(rule.flat(least) - 1e-6, rule.hole, 4001)
    depths = [rule.depth(a * strength, rule.flat(least) * strength, peclet, boiling) for a in tried]
    surplus = np.array([rule.absorptivity(depth, least) for depth in depths]) - tried
    roots = tried[:-1][np.sign(surplus[:-1]) != np.sign(surplus[1:])]
    assert len(roots) == 3
    assert rule.source(strength, peclet, boiling, least)[0] == pytest.approx(roots[-1], abs=2e-4)


@pytest.mark.parametrize("least", LEAST)
@pytest.mark.parametrize("peclet", PECLETS)
def test_neither_falls_with_strength_and_both_stay_in_bounds(peclet: float, least: float) -> None:
    for boiling in BOILINGS:
        found = sources(peclet, boiling, least)
        assert (np.diff(found, axis=0) >= -STOPS).all()
        assert (found[:, 0] >= RULE.flat(least) - 1e-12).all()
        assert (found[:, 0] <= RULE.hole + 1e-12).all()
        assert (found[:, 1] >= RULE.floor).all()
        assert found[-1, 1] > 2 * RULE.floor, "or it was never deep"
        assert found[0] == pytest.approx([RULE.flat(least), RULE.floor], abs=1e-12), "or it was never shallow"


@pytest.mark.parametrize("least", LEAST)
@pytest.mark.parametrize("boiling", BOILINGS)
def test_neither_rises_with_speed(boiling: float, least: float) -> None:
    found = np.array([sources(peclet, boiling, least) for peclet in PECLETS])
    assert (np.diff(found, axis=0) <= STOPS).all()
    assert (found[-1, :, 1] < 0.5 * found[0, :, 1]).any()


@pytest.mark.parametrize("least", LEAST)
@pytest.mark.parametrize("peclet", PECLETS)
def test_neither_rises_with_the_boiling_point(peclet: float, least: float) -> None:
    found = np.array([sources(peclet, boiling, least) for boiling in BOILINGS])
    assert (np.diff(found, axis=0) <= STOPS).all()
    assert (found[-1, :, 1] < 0.7 * found[0, :, 1]).any()


@pytest.mark.parametrize("peclet", PECLETS)
def test_preheated_metal_absorbs_more_and_deeper(peclet: float) -> None:
    """IN625 under 200 W in a beam of 100 um, from 293 K on: Q = P/(k d (Tl - T0)), theta_b = (Tb - T0)/(Tl - T0)."""
    found = []
    for preheat in np.linspace(293.0, 1200.0, 60):
        rise = 1623.0 - preheat
        found.append(RULE.source(200 / (25 * 1e-4 * rise), peclet, (3100 - preheat) / rise, 0.28))
    assert (np.diff(found, axis=0) >= -STOPS).all()
    assert found[-1][1] > found[0][1] or peclet > 20


@pytest.mark.parametrize("least", LEAST)
@pytest.mark.parametrize("peclet", PECLETS)
def test_a_surface_that_does_not_boil_is_flat_and_its_source_grows_from_there(peclet: float, least: float) -> None:
    boiling, flat = 2.0, RULE.flat(least)
    onset = RULE.calm / (RULE.boiling_number(1.0, peclet, boiling) * flat)
    for part in (0.0, 0.3, 0.9, 1 - 1e-9):
        a, depth = RULE.source(part * onset, peclet, boiling, least)
        assert depth == RULE.floor
        assert a == pytest.approx(flat, abs=1e-12)
    beyond = [np.array(RULE.source(onset * (1 + by), peclet, boiling, least)) for by in (1e-5, 1e-7)]
    assert beyond[0] == pytest.approx([flat, RULE.floor], abs=1e-3)
    assert beyond[1] == pytest.approx([flat, RULE.floor], abs=1e-5)


class Peak(WindowGrid):
    """A fine row of points on the surface along the beam's way."""

    def __init__(self, peclet: float) -> None:
        super().__init__(behind=1.5)
        self.__dict__.update(x=np.linspace(-1.5, 0.5, 801), y=np.zeros(1), z=np.zeros(1))


@pytest.mark.parametrize("peclet", [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 40.0, 60.0])
def test_the_boiling_number_is_the_peak_of_eagar_and_tsai_over_the_boiling_point(peclet: float) -> None:
    q, boiling = 10.0, 2.3
    row = eagar_tsai.steady(q, peclet, Peak(peclet))[:, 0, 0]
    assert 0 < row.argmax() < len(row) - 1
    found = RULE.boiling_number(q, peclet, boiling)
    said = f"Pe {peclet}: boiling number {found}, {100 * (found * boiling / row.max() - 1):.2f} % above the peak"
    print(said)
    assert found == pytest.approx(row.max() / boiling, rel=0.025), said


def test_a_standing_beam_is_as_hot_as_its_disc_makes_it() -> None:
    """theta = q/(2 pi) integral of I/r = q sqrt(2 pi)/(4 pi sigma) in the middle of a Gaussian that does not move."""
    sigma = 0.25
    disc = 10.0 * math.sqrt(2 * math.pi) / (4 * math.pi * sigma)
    assert RULE.boiling_number(10.0, 0.0, 1.0) == pytest.approx(disc, rel=1e-9)


@pytest.mark.parametrize(
    "numbers",
    [
        (-1.0, 1.0, 2.0, 0.3),
        (math.nan, 1.0, 2.0, 0.3),
        (1.0, -1.0, 2.0, 0.3),
        (1.0, math.nan, 2.0, 0.3),
        (1.0, 1.0, 0.0, 0.3),
        (1.0, 1.0, math.nan, 0.3),
        (1.0, 1.0, 2.0, 0.0),
        (1.0, 1.0, 2.0, 1.1),
        (1.0, 1.0, 2.0, math.nan),
    ],
)
def test_numbers_that_cannot_be_are_refused(numbers: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="source"):
        RULE.source(*numbers)


def test_the_rule_knows_nothing_but_its_four_numbers() -> None:
    """No alloy, machine or earlier call; and only the ratio of the strength to the boiling point."""
    assert list(inspect.signature(Rule.source).parameters) == ["self", "strength", "peclet", "boiling", "least"]
    first = RULE.source(40.0, 10.0, 2.0, 0.28)
    RULE.source(400.0, 1.0, 1.5, 0.4)
    assert RULE.source(40.0, 10.0, 2.0, 0.28) == first == Rule().source(40.0, 10.0, 2.0, 0.28)
    assert RULE.source(60.0, 10.0, 3.0, 0.28) == pytest.approx(first, abs=1e-9)
