"""Inferred: how much of the beam a kin of streams absorbs, from pictures of the surface, by least squares.

The rows say q; the metal takes up factor q. The plate is advanced twice, at the factor in hand and at a little more, so
that each picture c that the scheme predicts comes with its slope by u = ln factor. With the residual r = seen - c,

    u = (sum J (r + J u') + u0/s0^2) / (sum J^2 + 1/s0^2),     each sum over the last pictures, over sd^2,

u' being the factor that the plate then had (Gauss and Newton, one step a picture). Pixels beyond the sensor's range say
only that much: both sides are clipped. Where a picture has nothing warm in it, nothing is learned from it.
"""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from operators.operator import Picture

KEPT = 10  # pictures
STEADY = 0.05
"""Spread of ln factor that all pictures before the last ones may reach: what is absorbed drifts, and no scheme is so
right that more pictures would tell it better."""
MORE = 0.1  # of the factor, for its slope
SPREAD = 0.35  # s0 of ln factor, where nothing better is known
WIDEST = math.log(3.0)
MODEL = 0.03
"""theta that the scheme's surface is off by where it is told everything, beside the camera's noise."""
NOISE = 0.03  # of a reading
CORRELATED = 8.0
"""Residuals of neighbouring cells and pictures are alike: so many cells count as one."""
LEAST = 0.05  # information of one picture, in 1/s^2 of u; below it nothing warm is in it


@dataclass(frozen=True)
class Word:
    """What one picture says: information and information times u."""

    time: float
    information: float
    weighted: float


@dataclass
class Inferred:
    """Of one kin. `prior`: u0 and its spread."""

    prior: tuple[float, float] = (0.0, SPREAD)
    words: deque[Word] = field(default_factory=lambda: deque(maxlen=KEPT))

    @property
    def pictures(self) -> int:
        return len(self.words)

    @property
    def log_factor(self) -> float:
        u0, spread = self.prior
        information = sum(word.information for word in self.words) + 1 / spread**2
        u = (sum(word.weighted for word in self.words) + u0 / spread**2) / information
        return min(max(u, -WIDEST), WIDEST)

    @property
    def factor(self) -> float:
        return math.exp(self.log_factor)

    @property
    def spread(self) -> float:
        """Standard deviation of ln factor, if residuals are as large as they are taken to be."""
        return 1 / math.sqrt(sum(word.information for word in self.words) + 1 / self.prior[1] ** 2)

    def heard(self, word: Word | None) -> None:
        """One picture more. The oldest goes over to what was known before."""
        if word is None:
            return
        if len(self.words) == KEPT:
            u0, spread = self.prior
            oldest = self.words[0]
            information = 1 / spread**2 + oldest.information
            u = (u0 / spread**2 + oldest.weighted) / information
            self.prior = u, max(1 / math.sqrt(information), STEADY)
        self.words.append(word)


def said(
    picture: Picture, predicted: np.ndarray, at_more: np.ndarray, log_factor: float, cells: int, rise: float
) -> Word | None:
    """What a picture says of a plate that had `log_factor`; `predicted` and `at_more`: theta that the pixels should
    show at this factor and at MORE more of it. None where it says nothing."""
    alive = np.isfinite(picture.theta)  # a dead pixel says nothing
    told = np.where(alive, picture.theta, picture.low)
    seen, now, more = (np.clip(theta, picture.low, picture.high) for theta in (told, predicted, at_more))
    slope = (more - now) / math.log1p(MORE)
    alike = CORRELATED * max(1.0, 1 / (cells * picture.pixel)) ** 2  # pixels smaller than cells say the same again
    sd = (MODEL / rise) ** 2 + (NOISE * seen) ** 2
    weight = alive / (alike * sd)
    information = float((weight * slope**2).sum())
    if not information > LEAST:
        return None
    away = np.clip(float((weight * slope * (seen - now)).sum()) / information, -1.0, 1.0)
    return Word(picture.time, information, information * (log_factor + float(away)))
