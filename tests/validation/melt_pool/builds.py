"""Builds: hatches whose vectors are as long as those of a build: the beam comes back beside what it heated a hundred
frames ago, again and again. Drawn as the test set is, but for the path."""

from functools import lru_cache

from tests.validation.melt_pool.case import SEED, Case, candidate, fits, permitted
from tests.validation.melt_pool.paths import Features

NAME = "builds"
SIZES = {"smoke": (1, 40), "small": (8, 300), "medium": (8, 600), "full": (20, 2000)}  # (hatches, frames)
FIRST = 10_000  # number of the first: none of the test set has it
VECTORS = (15.0, 50.0)  # d
LONG_SIZES = {"smoke": (0, 0), "small": (4, 500), "medium": (4, 1000), "full": (10, 2000)}  # of those with longer ones
LONG_FIRST, LONG_VECTORS = 11_000, (50.0, 100.0)
FEATURES = tuple(Features(shape, steps=False, off=False) for shape in ("serpentine", "one way"))


def build_cases(budget: str, seed: int = SEED) -> list[Case]:
    """Those of a budget."""
    kinds = ((FIRST, *SIZES[budget]), (LONG_FIRST, *LONG_SIZES[budget]))
    return [hatched(first + number, frames, seed) for first, count, frames in kinds for number in range(count)]


@lru_cache(maxsize=64)
def hatched(number: int, frames: int, seed: int = SEED) -> Case:
    """The first draw of a number that may stand: there and back, and one way, in turn."""
    attempt, vectors = 0, LONG_VECTORS if number >= LONG_FIRST else VECTORS
    while True:
        case = candidate(number, frames, seed, attempt, FEATURES[number % len(FEATURES)], vectors)
        if permitted(case) and fits(case):
            return case
        attempt += 1
