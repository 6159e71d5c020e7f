"""Size: how many trajectories of a law a budget has, and on what they are made."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Counts of trajectories; `cells`: along a side of the inner grid on which they are made, 0 where the suite has one
    for all budgets; `shorter`: how many times shorter than the source's they are."""

    fit: int
    validation: int
    test: int
    cells: int = 0
    shorter: int = 1

    def counts(self, tests: Iterable[str]) -> dict[str, int]:
        """By split, in the order in which they are drawn."""
        return {"fit": self.fit, "validation": self.validation} | dict.fromkeys(tests, self.test)
