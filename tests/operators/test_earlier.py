"""The laws of earlier heat: each age counts once, a straight track has none, and what lies beside the beam has some."""

import numpy as np
import pytest
import torch

from operators import response
from operators.melt_pool.earlier import AGES, EARLIER, earlier
from operators.melt_pool.forcing import NARROWED, sources

PECLET, Q = 10.0, 20.0


def hatch(vectors: int, length: float, aside: float = 1.0, depth: float = 0.3) -> np.ndarray:
    """There and back along x, rows (t, x, y, q, depth), at 10 d a unit of time; ends in the middle of the last."""
    rows, t = [], 0.0
    for n in range(vectors):
        begin, end = (0.0, length) if n % 2 == 0 else (length, 0.0)
        end = (begin + end) / 2 if n == vectors - 1 else end
        rows.append((t, begin, n * aside, Q, depth))
        t += abs(end - begin) / PECLET
        rows.append((t, end, n * aside, 0.0, depth))
        t += aside / PECLET
    return np.array(rows)


def heat(path: np.ndarray) -> dict[str, float]:
    return dict(zip(EARLIER, earlier(sources(path, PECLET, 0.0)[0], PECLET).tolist(), strict=True))


def test_together_with_the_youngest_they_are_the_linear_response_under_the_beam() -> None:
    path = hatch(9, 20.0)
    now, at = path[-1, 0], sources(path, PECLET, 0.0)[0]
    young = at[at[:, 0] * PECLET < AGES[0]]
    zero = torch.zeros(1, dtype=torch.float64)
    whole, lately = (float(response.field(torch.from_numpy(each), zero, zero, zero, NARROWED)) for each in (at, young))
    assert len(young) < len(at), now
    assert sum(heat(path).values()) == pytest.approx(whole - lately, rel=2e-3)


def test_a_straight_track_has_none_of_what_it_left_long_ago() -> None:
    track = np.array([(0.0, 0.0, 0.0, Q, 0.3), (20.0, 200.0, 0.0, 0.0, 0.0)])
    assert max(list(heat(track).values())[1:]) < 1e-6


@pytest.mark.parametrize(("length", "oldest"), [(11.0, 0), (22.0, 1), (44.0, 2), (88.0, 3), (176.0, 4)])
def test_the_vector_before_is_as_old_as_it_is_long(length: float, oldest: int) -> None:
    found = list(heat(hatch(2, length)).values())
    assert found[oldest] > 2e-3
    assert found[oldest] > 3 * (sum(found) - found[oldest])
