"""Beam: how strongly a drawn beam heats drawn metal, and how deep it is put, at each of its powers.

By a rule of the form of `operators.reference.rule` whose constants are drawn around the shipped ones, so that data
stay when that is refitted. Absorptivity follows the depth of the hole or, as where a user told it or a machine was
calibrated, is one number; then a flat melt may be heated as strongly as a hole.
"""

from dataclasses import dataclass

import numpy as np

from operators.reference.rule import Rule

LEAST = (0.2, 0.4)  # absorptivity of a flat solid
TOLD = (0.2, 0.9)  # that is told, in half of the draws
FLOOR, GAIN, TRAPPING, HOLE = (0.15, 0.25), (2.2, 4.2), (1.2, 2.4), (0.7, 0.9)
CALM, BOILS = (1.1, 1.7), (0.3, 0.8)  # boiling number where a hole begins, and how much more until it is whole


@dataclass(frozen=True)
class Beam:
    """strength: P/(k d dT) at full power; boiling: theta of the boiling point; least: absorptivity of the flat solid;
    absorptivity: None where it follows the depth."""

    strength: float
    peclet: float
    boiling: float
    least: float
    absorptivity: float | None
    rule: Rule

    @staticmethod
    def drawn(rng: np.random.Generator, q: float, peclet: float, boiling: float) -> "Beam":
        """One that absorbs about q at full power: q itself where its absorptivity is one number."""
        calm = rng.uniform(*CALM)
        floor, gain, trapping, hole = (rng.uniform(*bounds) for bounds in (FLOOR, GAIN, TRAPPING, HOLE))
        rule = Rule(floor, gain, trapping, hole=hole, calm=calm, boiling=calm + rng.uniform(*BOILS))
        least, told = rng.uniform(*LEAST), rng.uniform(*TOLD)
        return Beam(q / told, peclet, boiling, least, told if rng.random() < 0.5 else None, rule)

    def source(self, level: float = 1.0) -> tuple[float, float]:
        """(q, depth) at a share of the full power."""
        strength, rule = level * self.strength, self.rule
        if self.absorptivity is None:
            absorptivity, depth = rule.source(strength, self.peclet, self.boiling, self.least)
            return absorptivity * strength, depth
        flat = min(self.absorptivity, rule.flat(self.least))
        depth = rule.depth(self.absorptivity * strength, flat * strength, self.peclet, self.boiling)
        return self.absorptivity * strength, depth
