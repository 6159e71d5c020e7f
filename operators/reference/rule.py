"""Rule: how much of the beam a melt pool absorbs and how deep it is put, from the process groups, for every alloy.

A surface that boils digs itself a hole; the hole lets the light in deep and traps it. With Q = P/(k d dT) the strength
of the beam, Pe = v d/alpha, theta_b the boiling point, A_flat the absorptivity of a flat melt:

    B = sqrt(2/pi) A_flat Q/(theta_b sqrt(1 + .19 Pe))            boiling number
    D = FLOOR + s (max(FLOOR, D_hole) - FLOOR),  s = 0 at B <= CALM, 1 at B >= BOILING, linear between
    D_hole = GAIN A Q/(2 pi theta_b) ln(1 + 2/Pe)                 Gladush and Smurov's line source, of radius d/2
    A = A_hole - (A_hole - A_flat) exp(-TRAPPING (D - FLOOR))     light that a hole of aspect D traps

B is how hot conduction alone would make the surface, over its boiling point (the peak of Eagar and Tsai's Gaussian
beam; the root is within 2 % of it). It is what tells a wide slow beam, which melts deep and never boils, from a narrow
one: the depth of the line source alone does not. A_flat is LIFT times the least absorptivity of the flat solid. D and A
follow from each other; where there are two solutions the deeper is taken, which is where a beam that dug its hole
stays.

CALM and BOILING bracket the onset in Simonds' absorptances of 316L under a standing spot (no keyhole at .290 MW/cm2,
one at .412; B by the disc's steady peak), LIFT and HOLE are his plateaus (.31 over Ye's .28; the mean of .77 and .86).
FLOOR, GAIN and TRAPPING were fitted, by `python -m tests.validation.reference.fit`, to AMB2018-02 cases AMMT-B and
CBM-B (IN625) and to eight pairs of Chen's preheated IN718. No other measurement set them.

Sources: G. G. Gladush and I. Smurov, Physics of Laser Materials Processing (Springer 2011), for D_hole; B. J. Simonds
et al., Phys. Rev. Applied 10 (2018) 044061; J. Ye et al., Adv. Eng. Mater. 21 (2019) 1900185."""

import math
from dataclasses import dataclass

SLOWEST = 0.5  # Peclet number below which a beam counts as moving at it: a line source that stands goes ever deeper


@dataclass(frozen=True)
class Rule:
    """The constants, all dimensionless."""

    floor: float = 0.18
    gain: float = 3.2
    trapping: float = 1.8
    lift: float = 0.31 / 0.28
    hole: float = 0.815
    calm: float = 1.36
    boiling: float = 1.94

    def flat(self, least: float) -> float:
        """A of a flat melt of an alloy whose flat solid absorbs `least`."""
        return min(self.lift * least, self.hole)

    def boiling_number(self, strength: float, peclet: float, boiling: float) -> float:
        """B for an absorbed strength q = A P/(k d dT)."""
        return math.sqrt(2 / math.pi) * strength / (boiling * math.sqrt(1 + 0.19 * peclet))

    def depth(self, strength: float, flat_strength: float, peclet: float, boiling: float) -> float:
        """D for an absorbed strength, and the one that a flat melt would absorb."""
        b = self.boiling_number(flat_strength, peclet, boiling)
        share = min(max((b - self.calm) / (self.boiling - self.calm), 0.0), 1.0)
        hole = self.gain * strength / (2 * math.pi * boiling) * math.log1p(2.0 / max(peclet, SLOWEST))
        return self.floor + share * (max(self.floor, hole) - self.floor)

    def absorptivity(self, depth: float, least: float) -> float:
        """A of a hole of aspect `depth`."""
        flat = self.flat(least)
        return self.hole - (self.hole - flat) * math.exp(-self.trapping * max(0.0, depth - self.floor))

    def source(self, strength: float, peclet: float, boiling: float, least: float) -> tuple[float, float]:
        """(A, D) of a beam of strength Q = P/(k d dT) that moves at Pe over metal that boils at theta_b.

        The largest of the fixed points, from above: A falls from HOLE until it gives itself back.
        """
        if not (strength >= 0 and peclet >= 0 and boiling > 0 and 0 < least <= 1):
            raise ValueError(f"no source for {strength=}, {peclet=}, {boiling=}, {least=}")
        a = self.hole
        for _ in range(500):
            depth = self.depth(a * strength, self.flat(least) * strength, peclet, boiling)
            smaller = self.absorptivity(depth, least)
            if a - smaller < 1e-7:
                break
            a = smaller
        return a, depth


RULE = Rule()
