"""A hatch in nested boxes that follow the beam, against the same hatch in one fixed box that holds all of it.

Ten tracks there and back with temperature-dependent properties, each three inner boxes long, so that what an earlier
track left has to go out of the inner box, live on in the outer ones and come back in.
"""

from functools import cache

import numpy as np

from operators.groups import Groups
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid

ALLOY = Groups(mushy=0.04, latent=0.2, k_cold=0.5, k_liquid=1.1, c_cold=0.7, c_liquid=1.1)
PECLET, Q, DEPTH = 12.0, 12.0, 0.2
TRACKS, LENGTH, HATCH, TURN = 10, 27.0, 0.7, 0.06  # spacing in d; the laser is off for TURN between tracks
CELLS, MARGIN = 6, 10.0  # of the fixed box around the hatch, in d
KELVIN = 1325.0  # dT of IN625
GRID = WindowGrid()
NESTED = Boxes(CELLS, along=9.0, deep=2.0, levels=4)
ALONE = Boxes(CELLS, along=9.0, deep=2.0, levels=1)
# beside, behind and below the beam, 4 to 8 d away, a cell's width from symmetry planes: (ahead, to the right, down)
FAR = np.array(
    [
        *[(0.0, -4.0, 0.1), (0.0, -6.0, 0.1), (0.0, -8.0, 0.1), (0.0, 4.0, 0.1), (4.0, 0.0, 0.1)],
        *[(-6.0, 0.0, 0.1), (-8.0, 0.0, 0.1), (-4.0, -4.0, 0.1), (-4.0, 0.0, 4.0), (0.0, 0.0, 4.0), (0.0, 0.0, 6.0)],
    ]
)


class Fixed(MeltPoolSolver):
    """One box around the whole hatch, which stays where it is."""

    def __init__(self) -> None:
        across = (TRACKS - 1) * HATCH + 2 * MARGIN
        super().__init__(ALLOY, Boxes(CELLS, along=LENGTH + 2 * MARGIN, across=across, deep=MARGIN, levels=1))
        self.cell[0] = -round(MARGIN * CELLS)
        self._placed = True

    def _follow(self, beam: np.ndarray) -> None:
        pass


def hatch(solver: MeltPoolSolver) -> tuple[np.ndarray, np.ndarray]:
    """Sizes (track, place, 3) and far temperatures in K (track, place, point): half-way and near the end."""
    pools: list[list[np.ndarray]] = []
    temperatures: list[list[np.ndarray]] = []
    x, y, z = GRID.points
    time, before = 0.0, 0.0
    for track in range(TRACKS):
        to_right = track % 2 == 0
        side, sign = track * HATCH, 1.0 if to_right else -1.0
        if track > 0:
            solver.advance(np.array([[time - TURN, before, side - HATCH, 0, 0], [time, before, side, 0, 0]]))
        pools.append([])
        temperatures.append([])
        done = 0.0
        for upto in (0.5 * LENGTH, LENGTH - 1.0, LENGTH):
            begin, end = (done, upto) if to_right else (LENGTH - done, LENGTH - upto)
            later = time + (upto - done) / PECLET
            solver.advance(np.array([[time, begin, side, Q, DEPTH], [later, end, side, Q, DEPTH]]))
            time, done, before = later, upto, end
            if upto < LENGTH:
                pools[-1].append(np.array(GRID.sizes(solver.theta(end + sign * x, side + y, z), ALLOY.solidus)))
                ahead, right, down = FAR.T
                temperatures[-1].append(KELVIN * solver.theta(end + sign * ahead, side + right, down))
        time += TURN
    assert abs(solver.ledger.defect) < 1e-5
    return np.array(pools), np.array(temperatures)


@cache
def reference() -> tuple[np.ndarray, np.ndarray]:
    return hatch(Fixed())


def apart(boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """How far a hatch in these boxes is from the fixed one: sizes relative, temperatures in K."""
    pools, temperatures = hatch(MeltPoolSolver(ALLOY, boxes))
    return np.abs(pools / reference()[0] - 1), np.abs(temperatures - reference()[1])


def told(sizes: np.ndarray, far: np.ndarray) -> str:
    lines = [
        f"track {track}: sizes off by {(100 * size.max(axis=0)).round(2)} % at most, far by {kelvin.max():.1f} K"
        for track, (size, kelvin) in enumerate(zip(sizes, far, strict=True))
    ]
    return "\n".join([*lines, f"far by point: {far.max(axis=(0, 1)).round(1)} K"])


def test_tracks_are_long_and_feel_the_heat_of_earlier_ones() -> None:
    """Or the tests below would find nothing."""
    pools, temperatures = reference()
    assert 3 * NESTED.along <= LENGTH
    assert (pools[0] > 0.4).all()
    assert (pools[-1, :, 0] > 1.2 * pools[0, :, 0]).all()
    assert (temperatures[-1].max(axis=0) > 50).all()


def test_heat_that_left_the_inner_box_comes_back_as_it_would_in_one_large_box() -> None:
    """Measured: sizes within 0.4 %, far temperatures within 5.2 K, on every track."""
    sizes, far = apart(NESTED)
    print(told(sizes, far))
    assert sizes.max() <= 0.03, told(sizes, far)
    assert far.max() <= 10.0, told(sizes, far)


def test_without_the_outer_boxes_it_does_not() -> None:
    """The first track knows no difference in size; every other one does."""
    sizes, far = apart(ALONE)
    print(told(sizes, far))
    assert sizes[0].max() <= 0.03, told(sizes, far)
    assert (sizes[1:].max(axis=(1, 2)) > 0.03).all(), told(sizes, far)
    assert (far[1:].max(axis=(1, 2)) > 10.0).all(), told(sizes, far)
