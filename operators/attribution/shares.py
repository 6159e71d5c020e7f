"""Shares: what each moment has contributed to the difference between a path and a baseline, by integrated gradients.

    share_i = (p_i - b_i) int_0^1 dY/dp_i (b + s (p - b)) ds,    sum share_i = Y(p) - Y(b)

(Sundararajan, Taly and Yan, arXiv 1703.01365). The way from b to p is cut into pieces, the integral over each is by
Gauss-Legendre. Over a piece, too, shares add up to the difference of Y between its ends: pieces that miss it, as where
a vector's heat meets the next, are halved. Where Y bends a piece misses a quarter of it after that; where Y jumps it
misses as much as before, and is left at SHORTEST, or sooner where all is LOST. What does not add up in the end is
`defect`: of the difference, or of a hundredth of Y where that is more.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from operators.attribution.gradients import Gradient, Gradients, Scalar
from operators.attribution.moments import Moments

PIECES = 4  # of the way, to begin with
POINTS = 2  # of a piece
SHORTEST = 2.0**-6  # of the way: what is missed there is a jump, as of a pool that closes
GOOD = 0.03  # of the difference, that pieces may miss together
LOST = 0.25  # of the difference: parts that would miss more than that at the end are not worth any more work
MOST = 64_000  # moments at all points together: some seconds on two cores


@dataclass(frozen=True)
class Shares:
    """parts (m, 4): of PARAMETERS of each moment; `at`: the gradient on the path itself."""

    value: float
    baseline: float
    parts: np.ndarray
    at: Gradient
    points: int

    @property
    def difference(self) -> float:
        return self.value - self.baseline

    @property
    def defect(self) -> float:
        """What the parts miss of the difference."""
        return float(abs(self.parts.sum() - self.difference) / max(abs(self.difference), 0.01 * abs(self.value), 1e-9))


@dataclass(frozen=True, eq=False)
class _Piece:
    """Of the way: what its moments bring (m, 4), and by how much that is more than the difference of its ends."""

    begin: float
    end: float
    parts: np.ndarray
    over: float

    @property
    def missed(self) -> float:
        return abs(self.over)

    @property
    def lasting(self) -> float:
        """What halves down to SHORTEST would be over by, if Y bends here."""
        return self.over * (SHORTEST / (self.end - self.begin)) ** 2


class _Way:
    """From a baseline to a path: pieces of it, whose ends are asked for once."""

    def __init__(self, gradients: Gradients, path: Moments, baseline: np.ndarray, scalar: Scalar) -> None:
        self._gradients, self._path, self._scalar = gradients, path, scalar
        self._baseline, self._step = baseline, path.values - baseline
        self._known: dict[float, float] = {}
        self.points = 0

    def values(self, places: list[float]) -> list[float]:
        """Y at some places of the way, from 0 to 1."""
        new = [place for place in dict.fromkeys(places) if place not in self._known]
        self._known |= zip(new, self._gradients.values(self._at(new), self._scalar), strict=True) if new else {}
        return [self._known[place] for place in places]

    def pieces(self, ends: list[tuple[float, float]]) -> list[_Piece]:
        unit, weights = np.polynomial.legendre.leggauss(POINTS)
        places = [begin + 0.5 * (end - begin) * (1 + at) for begin, end in ends for at in unit.tolist()]
        slopes = [each.by_moment for each in self._gradients(self._at(places), self._scalar)]
        self.points += len(places)
        out = []
        for n, (begin, end) in enumerate(ends):
            mine = slopes[n * POINTS : (n + 1) * POINTS]
            parts = 0.5 * (end - begin) * np.tensordot(weights, mine, 1) * self._step
            low, high = self.values([begin, end])
            out.append(_Piece(begin, end, parts, float(parts.sum() - (high - low))))
        return out

    def _at(self, places: list[float]) -> list[Moments]:
        return [self._path.put(self._baseline + place * self._step) for place in places]


def between(gradients: Gradients, path: Moments, baseline: np.ndarray, scalar: Scalar) -> Shares:
    """From a baseline (values of the same moments) to a path."""
    (at,) = gradients([path], scalar)
    if np.allclose(path.values, baseline, rtol=1e-9, atol=1e-9):
        return Shares(at.value, at.value, np.zeros_like(baseline), at, 0)
    way = _Way(gradients, path, baseline, scalar)
    edges = np.linspace(0.0, 1.0, PIECES + 1).tolist()
    start, *_, end = way.values(edges)
    pieces = way.pieces(list(pairwise(edges)))
    all_of_it = max(abs(end - start), 0.01 * abs(end), 1e-9)
    while rough := _rough(pieces, GOOD * all_of_it):
        lost = abs(sum(each.lasting for each in pieces)) > LOST * all_of_it
        if lost or (way.points + 2 * POINTS * len(rough)) * len(path) > MOST:
            break
        halves = [half for each in rough for half in _halves(each)]
        pieces = [each for each in pieces if each not in rough] + way.pieces(halves)
    return Shares(at.value, start, np.sum([each.parts for each in pieces], 0), at, way.points)


def _rough(pieces: list[_Piece], may_miss: float) -> list[_Piece]:
    """The pieces that miss most, without which the others miss half of what they may; none where all miss no more than
    that, or are short."""
    left = sum(each.missed for each in pieces)
    if left <= may_miss:
        return []
    out = []
    for each in sorted(pieces, key=lambda each: -each.missed):
        if left <= 0.5 * may_miss:
            break
        if each.end - each.begin > SHORTEST:
            out.append(each)
        left -= each.missed
    return out


def _halves(piece: _Piece) -> list[tuple[float, float]]:
    middle = 0.5 * (piece.begin + piece.end)
    return [(piece.begin, middle), (middle, piece.end)]
