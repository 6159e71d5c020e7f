"""Builds: hatches whose vectors are as long as those of a build: the beam comes back beside what it heated a hundred
frames ago, again and again. Drawn as the test set is, but for the path."""

from functools import lru_cache

from tests.validation.melt_pool.case import SEED, Case, candidate, fits, permitted
from tests.validation.melt_pool.paths import Features

NAME = "builds"
SIZES = {"smoke": (1, 40), "small": (8, 300), "medium": (8, 600), "full": (20, 2000)}  # (hatches, frames)
FIRST = 10_000  # number of the first: none of the test set has it
VECTORS = (15.0, 50.0)  # d
FEATURES = tuple(Features(shape, steps=False, off=False) for shape in ("serpentine", "one way"))


def build_cases(budget: str, seed: int = SEED) -> list[Case]:
    """Those of a budget."""
    count, frames = SIZES[budget]
    return [hatched(FIRST + number, frames, seed) for number in range(count)]


@lru_cache(maxsize=64)
def hatched(number: int, frames: int, seed: int = SEED) -> Case:
    """The first draw of a number that may stand: there and back, and one way, in turn."""
    attempt = 0
    while True:
        case = candidate(number, frames, seed, attempt, FEATURES[number % len(FEATURES)], VECTORS)
        if permitted(case) and fits(case):
            return case
        attempt += 1
