"""Laws of gradients and shares: finite differences, completeness, batches; the path is the engine's."""

import numpy as np
import pytest
import torch

from operators import card
from operators.attribution import shares as shares_of
from operators.attribution.contour import gradient
from operators.attribution.gradients import TOGETHER, Gradient, Gradients, Scalar
from operators.attribution.moments import PARAMETERS, Moments
from operators.attribution.shares import between
from operators.attribution.spatial import influence, rows, warming
from operators.engine import Engine
from operators.enthalpy import columns, laws, theta_of
from operators.groups import Groups
from operators.operator import Stream, Task, heading_after
from operators.reference.surface import Surface
from operators.window import WindowGrid

NAME = "asno-melt-pool"
STREAM = Stream("s", Groups(0.05, 0.3, 0.4, 1.0, 0.7, 1.1), 12.0, Surface(5.0, 45.0, 2.6, 0.3))
DT = 0.5 / STREAM.peclet


def path(turn: float = 0.0, powers: tuple[float, ...] = (14.0, 14.0, 18.0, 18.0), frames: int = 24) -> np.ndarray:
    """Frames of half a diameter; a turn after two thirds, and steps of power."""
    out, x, y, heading = [], 0.0, 0.0, 0.3
    for n in range(frames):
        out.append([n * DT, x, y, powers[n * len(powers) // frames], 0.4])
        heading += turn if n == 2 * frames // 3 else 0.0
        x, y = x + 0.5 * np.cos(heading), y + 0.5 * np.sin(heading)
    return np.array([*out, [frames * DT, x, y, 0.0, 0.0]])


@pytest.fixture(scope="module")
def gradients() -> Gradients:
    model, _ = card.load(NAME)
    return Gradients(model, WindowGrid())


def told(rows: np.ndarray, **more: np.ndarray) -> Moments:
    return Moments.of(rows, STREAM, heading_after(0.0, rows), **more)


@pytest.mark.parametrize("turn", [0.0, 1.2, np.pi])
def test_the_field_is_the_engines(gradients: Gradients, turn: float) -> None:
    rows = path(turn)
    model, known = card.load(NAME)
    ((look,),) = Engine(model, known).step([Task(STREAM, [rows], [])])
    for cuts in (None, np.geomspace(0.01, 1.0, 7)):
        (found,) = gradients([told(rows, cuts=cuts)], Scalar("depth"))
        np.testing.assert_allclose(found.theta, look.theta, atol=2e-3 * look.theta.max())
        deep = gradients.grid.sizes(look.theta, STREAM.groups.solidus)[2]
        assert gradients.grid.sizes(found.theta, STREAM.groups.solidus)[2] == pytest.approx(deep, rel=1e-3)


def test_more_paths_than_are_taken_together_answer_as_each_alone(gradients: Gradients) -> None:
    several = [told(path(0.1 * n, frames=12 + n)) for n in range(2 * TOGETHER["cpu"] + 1)]
    for found, one in zip(gradients(several, Scalar("depth")), several, strict=True):
        (alone,) = gradients([one], Scalar("depth"))
        assert found.value == pytest.approx(alone.value, rel=1e-4)
        np.testing.assert_allclose(found.by_moment, alone.by_moment, atol=1e-3 * np.abs(alone.by_moment).max())


def test_moments_are_parted_without_a_change(gradients: Gradients) -> None:
    rows = path(1.2)
    whole, parted = told(rows), told(rows, cuts=np.array([0.031, 0.2]))
    assert len(parted) == len(whole) + 2
    back = parted.rows()
    np.testing.assert_allclose(back[0, 1:3], whole.rows()[0, 1:3], atol=1e-12)
    first, second = gradients([whole, parted], Scalar("length"))
    assert second.value == pytest.approx(first.value, rel=1e-3)
    assert second.by_moment[:, 0].sum() == pytest.approx(first.by_moment[:, 0].sum(), rel=1e-2)


@pytest.mark.parametrize("scalar", [Scalar("depth"), Scalar("width"), Scalar("length"), Scalar(None, (28, 12, 3))])
def test_gradients_are_those_of_finite_differences(gradients: Gradients, scalar: Scalar) -> None:
    at = told(path(0.7))
    (found,) = gradients([at], scalar)
    largest = 0.01 * np.abs(found.by_moment * at.values)[:, :3].max()  # what one in a hundred of any of them does
    for moment in (-1, -3, -8):
        for column, name in enumerate(PARAMETERS):
            step = 0.01 if name == "direction" else 0.01 * at.values[moment, column]
            sides = []
            for sign in (1, -1):
                values = at.values.copy()
                values[moment, column] += sign * step
                sides.append(at.put(values))
            up, down = gradients.values(sides, scalar)
            change = found.by_moment[moment, column] * step
            assert change == pytest.approx((up - down) / 2, rel=0.05, abs=0.03 * largest), (name, moment)


@pytest.mark.parametrize("turn", [0.0, 1.5])
def test_shares_add_up_to_the_difference(gradients: Gradients, turn: float) -> None:
    at = told(path(turn))
    nominal = at.values.copy()
    nominal[:, 0], nominal[:, 3] = 14.0, 0.0
    shares = between(gradients, at, nominal, Scalar("depth"))
    assert shares.defect < 0.03
    assert shares.value != pytest.approx(shares.baseline, rel=1e-3)
    same = np.abs(at.values - nominal) == 0
    assert not shares.parts[same].any(), "what is as in the baseline has no share"


def test_a_step_of_power_is_held_responsible_for_all_of_it(gradients: Gradients) -> None:
    at = told(path(0.0))
    nominal = at.values.copy()
    nominal[:, 0] = 14.0
    shares = between(gradients, at, nominal, Scalar("depth"))
    assert shares.difference > 0
    assert shares.parts[:, 0].sum() == pytest.approx(shares.difference, rel=0.02)
    assert shares.parts[-6:, 0].sum() > 0.6 * shares.difference, "the newest moments weigh most"


def test_a_path_of_many_moments_is_not_looked_at_more_often_than_one_waits_for(
    gradients: Gradients, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = told(path(0.7))
    nominal = at.values.copy()
    nominal[:, 0] = 14.0
    monkeypatch.setattr(shares_of, "GOOD", 1e-5)  # hardly ever good enough
    for points in (50, 20, 1):
        monkeypatch.setattr(shares_of, "MOST", points * len(at))
        found = between(gradients, at, nominal, Scalar("depth"))
        first = shares_of.PIECES * shares_of.POINTS
        assert first <= found.points <= max(points, first)


def test_the_integral_is_looked_at_again_where_it_is_rough(gradients: Gradients) -> None:
    """Along a way on which the number bends sharply: as good as a hundred points, for a few."""
    bends = _Bent(gradients, at=0.83)
    moments = told(path(0.0))
    baseline = moments.values.copy()
    baseline[:, 0] *= 0.5
    found = between(bends, moments, baseline, Scalar("depth"))
    assert found.defect < shares_of.GOOD
    assert found.difference == pytest.approx(100 * 0.17 + 1.0)
    assert found.points < 40


def test_a_jump_on_the_way_is_told_and_not_looked_at_for_ever(gradients: Gradients) -> None:
    """As where a pool closes: what the jump brings no gradient tells."""
    moments = told(path(0.0))
    baseline = moments.values.copy()
    baseline[:, 0] *= 0.5
    found = between(_Bent(gradients, at=0.3, bend=0.0, jump=7.0), moments, baseline, Scalar("depth"))
    assert found.difference == pytest.approx(1.0 + 7.0)
    assert found.defect == pytest.approx(7.0 / found.difference, rel=0.05)
    assert found.points < 100


def test_what_is_lost_anyway_is_given_up(gradients: Gradients) -> None:
    """A jump of seventy times the difference: halving shows in two steps that it is none that halves could follow."""
    moments = told(path(0.0))
    baseline = moments.values.copy()
    baseline[:, 0] *= 0.5
    found = between(_Bent(gradients, at=0.3, bend=100.0, jump=-70.0), moments, baseline, Scalar("depth"))
    assert found.difference == pytest.approx(1.0)
    assert found.defect > 1
    assert found.points <= 12


class _Bent(Gradients):
    """Y = s + bend max(s - at, 0), and a jump at `at`, where s is how far the first moment's strength has come."""

    def __init__(self, like: Gradients, at: float, bend: float = 100.0, jump: float = 0.0) -> None:
        super().__init__(like.model, like.grid)
        self.at, self.bend, self.jump = at, bend, jump

    def __call__(self, several: list[Moments], scalar: Scalar) -> list[Gradient]:
        none, found = np.zeros(1), []
        for one, value in zip(several, self.values(several, scalar), strict=True):
            slope = np.zeros_like(one.values)
            slope[0, 0] = (1.0 + self.bend * (self._way(one) > self.at)) / (0.5 * 14.0)
            found.append(Gradient(value, slope, none, none, none, none))
        return found

    def values(self, several: list[Moments], scalar: Scalar) -> list[float]:
        ways = [self._way(one) for one in several]
        return [s + self.bend * max(s - self.at, 0.0) + self.jump * (s > self.at) for s in ways]

    def _way(self, one: Moments) -> float:
        return float(one.values[0, 0] / 14.0 - 0.5) / 0.5


def test_another_batch_changes_nothing(gradients: Gradients) -> None:
    one, other, third = told(path(0.7)), told(path(0.0, frames=9)), told(path(3.0, (9.0, 20.0)))
    (alone,) = gradients([one], Scalar("depth"))
    for several in ([other, one], [third, other, one]):
        found = gradients(several, Scalar("depth"))[-1]
        assert found.value == pytest.approx(alone.value, rel=1e-5)
        largest = np.abs(alone.by_moment).max(0)
        assert (np.abs(found.by_moment - alone.by_moment).max(0) <= 1e-3 * largest).all()


def test_influence_is_what_heat_under_the_contour_does(gradients: Gradients) -> None:
    """A little heat that spreads from where it lay warms the forecast field, and the size follows."""
    at = told(path(0.0))
    (found,) = gradients([at], Scalar("width"))
    grid, lag, node = gradients.grid, 0.02, (31, 17, 0)
    over = influence(grid, found, at, lag)
    (x, y, z), age = grid.points, lag * np.sqrt(STREAM.groups.k_cold / STREAM.groups.c_cold)
    squared = (x - grid.x[node[0]]) ** 2 + (y - grid.y[node[1]]) ** 2 + z**2
    spread = 1e-4 * 2 * np.exp(-squared / (4 * age)) / (4 * np.pi * age) ** 1.5
    warmer = found.theta + spread * warming(found.theta, at)
    change = gradient(grid, warmer, STREAM.groups.solidus, "width")[0] - found.value
    assert over[node] > 0
    assert change == pytest.approx(1e-4 * over[node], rel=0.02)
    assert over[node] > 50 * abs(over[0, 0, -1])


def test_warming_is_the_slope_of_the_enthalpy() -> None:
    at, h = told(path(0.0)), torch.linspace(0.01, 4.0, 400, dtype=torch.float64)[None]
    law = columns(laws(torch.from_numpy(at.condition[:9]).double()[None]), 2)
    theta = theta_of(h, law)
    slope = (theta_of(h + 1e-6, law) - theta_of(h - 1e-6, law)) / 2e-6
    near = np.isclose(warming(theta[0].numpy(), at), slope[0].numpy(), rtol=1e-5)
    assert (~near).sum() <= 3, "but where the slope jumps"


def test_rows_of_kernels_add_up_to_the_field(gradients: Gradients) -> None:
    at, node = told(path(0.7)), (30, 12, 2)
    (found,) = gradients([at], Scalar(None, node))
    of_h, of_f = rows(gradients, found, at, node)
    h, _, _ = gradients.model.rows(torch.from_numpy(found.forcing)[None], torch.from_numpy(at.condition)[None], node)
    total = float(h[0][node]) + of_h.sum() + of_f.sum()
    assert np.sinh(total) == pytest.approx(float(found.theta[node]), rel=1e-4)
