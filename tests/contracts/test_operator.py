"""The laws that every Operator keeps. A new operator gets its tests by adding a line to `OPERATORS`."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from operators import card
from operators.conservative.engine import Conservative
from operators.engine import Engine
from operators.groups import Groups
from operators.melt_pool.asno import Asno
from operators.melt_pool.trajectories import CONDITION
from operators.operator import FakeOperator, Look, Operator, Stream, Task
from operators.reference.operator import ReferenceOperator
from operators.window import WindowGrid

GROUPS = Groups(mushy=0.045, latent=0.3, k_cold=0.2, k_liquid=1.17, c_cold=0.57, c_liquid=0.99)
PECLET = 12.0
FRAME = 0.5 / PECLET
Q = 12.0


def untrained() -> Operator:
    grid = WindowGrid()
    model = Asno(len(grid.x), len(grid.y) * len(grid.z), len(CONDITION)).eval()
    told = {axis: getattr(grid, axis).tolist() for axis in "xyz"}
    return Engine(model, {"name": "untrained", "grid": told})


def shipped() -> Operator:
    return Engine(*card.load(card.names()[0]))


OPERATORS: dict[str, Callable[[], Operator]] = {
    "fake": FakeOperator,
    "reference": lambda: ReferenceOperator(cells_per_diameter=4),
    "untrained ASNO": untrained,
    "shipped ASNO": shipped,
    "conservative": lambda: Conservative({"name": "hfluxno-melt-pool"}),
}
NEAR = {"fake": 1e-12, "reference": 0.03, "untrained ASNO": 2e-3, "shipped ASNO": 2e-3, "conservative": 0.01}
# of the peak: cells, float32


@pytest.fixture(params=OPERATORS, scope="module")
def operator(request: pytest.FixtureRequest) -> Operator:
    return OPERATORS[request.param]()


@pytest.fixture
def near(operator: Operator, request: pytest.FixtureRequest) -> float:
    return NEAR[request.node.callspec.params["operator"]]


@pytest.fixture
def stream(operator: Operator) -> Stream:
    operator.forget("s")
    operator.forget("other")
    return Stream("s", GROUPS, PECLET)


def track(frames: int, first: int = 0, q: float = Q, angle: float = 0.0, at: tuple[float, float] = (0, 0)) -> list:
    """Stretches of a straight track, a frame each."""
    c, s = math.cos(angle), math.sin(angle)
    out = []
    for n in range(first, first + frames):
        along = np.array([0.5 * n, 0.5 * (n + 1)])
        out.append(np.stack([[n * FRAME, (n + 1) * FRAME], at[0] + c * along, at[1] + s * along, [q, q]], axis=1))
    return out


def alike(a: Look, b: Look, within: float) -> None:
    assert np.abs(a.theta - b.theta).max() <= within * max(np.abs(b.theta).max(), 1e-9)


def test_a_look_for_each_stretch_where_the_beam_then_is(operator: Operator, stream: Stream) -> None:
    assert isinstance(operator, Operator)
    looks = operator.step([Task(stream, track(3), track(2, 3))])[0]
    assert len(looks) == 5
    for look, x in zip(looks, (0.5, 1.0, 1.5, 2.0, 2.5), strict=True):
        assert (look.x, look.y, look.heading) == (x, 0.0, 0.0)
        assert look.theta.shape == operator.grid.shape
        assert np.isfinite(look.theta).all()
    length, width, depth = operator.grid.sizes(looks[2].theta, GROUPS.solidus)
    assert min(length, width, depth) > 0


def test_nothing_to_do_is_nothing_done(operator: Operator, stream: Stream) -> None:
    assert operator.step([]) == []
    assert operator.step([Task(stream, [], [])]) == [[]]


def test_nothing_melts_without_power(operator: Operator, stream: Stream) -> None:
    look = operator.step([Task(stream, track(4, q=0.0), [])])[0][-1]
    assert operator.grid.sizes(look.theta, GROUPS.solidus) == (0.0, 0.0, 0.0)


def test_looking_ahead_leaves_no_trace(operator: Operator, stream: Stream, near: float) -> None:
    operator.step([Task(stream, track(3), [track(1, 3)[0], np.vstack(track(4, 3))])])
    after = operator.step([Task(stream, track(1, 3), [])])[0][0]
    operator.forget("s")
    alike(after, operator.step([Task(stream, track(4), [])])[0][-1], near)


def test_ahead_is_what_is_then_observed(operator: Operator, stream: Stream, near: float) -> None:
    forecast = operator.step([Task(stream, track(3), [np.vstack(track(2, 3))])])[0][-1]
    observed = operator.step([Task(stream, track(2, 3), [])])[0][-1]
    alike(forecast, observed, near)


def test_one_stretch_or_many(operator: Operator, stream: Stream, near: float) -> None:
    one_by_one = [operator.step([Task(stream, [rows], [])])[0][0] for rows in track(5)]
    operator.forget("s")
    at_once = operator.step([Task(stream, track(5), [])])[0]
    for a, b in zip(one_by_one, at_once, strict=True):
        alike(a, b, near)


def test_streams_in_one_step_do_not_meet(operator: Operator, stream: Stream, near: float) -> None:
    other = Stream("other", GROUPS, 2 * PECLET)
    beside, _ = operator.step([Task(stream, track(4), []), Task(other, track(2, q=3 * Q), [])])
    operator.forget("s")
    alone = operator.step([Task(stream, track(4), [])])[0]
    for a, b in zip(beside, alone, strict=True):
        alike(a, b, near)


def test_heat_is_remembered_until_it_is_forgotten(operator: Operator, stream: Stream) -> None:
    """The peak of a beam is there within half a diameter; what is remembered is the heat that lies behind it."""
    # Both looks are made alone: a batch of several rounds its sums in another order.
    cold = operator.step([Task(stream, track(1, 0), [])])[0][0]
    operator.forget("s")
    warm = operator.step([Task(stream, track(6), [])])[0]
    assert warm[5].theta.sum() > 1.5 * warm[0].theta.sum()
    off = operator.step([Task(stream, track(1, 6, q=0.0), [])])[0][0]
    assert 0 < off.theta.max() < warm[5].theta.max()
    operator.forget("s")
    alike(operator.step([Task(stream, track(1, 0), [])])[0][0], cold, 1e-6)


def test_a_machine_has_no_middle_and_no_north(operator: Operator, stream: Stream, near: float) -> None:
    here = operator.step([Task(stream, track(6), [])])[0][-1]
    operator.forget("s")
    there = operator.step([Task(stream, track(6, angle=math.pi / 2, at=(37.0, -12.0)), [])])[0][-1]
    assert there.heading == pytest.approx(math.pi / 2)
    alike(there, here, max(near, 0.05 if isinstance(operator, ReferenceOperator) else 0.0))


def test_paths_are_read_and_not_written(operator: Operator, stream: Stream) -> None:
    rows = track(3)
    before = [r.copy() for r in rows]
    operator.step([Task(stream, rows[:2], rows[2:])])
    assert all((a == b).all() for a, b in zip(rows, before, strict=True))


def test_the_card_says_who_it_is(operator: Operator) -> None:
    told = json.loads(json.dumps(operator.card))
    assert told["name"]
    assert told["device"] == "cpu"
