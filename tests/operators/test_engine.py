"""Laws of the engine: what it is told, what it says while the laser is off, what it encodes."""

import numpy as np
import pytest
import torch

from operators import card
from operators.card import CardError
from operators.engine import Engine
from operators.groups import Groups
from operators.operator import Stream, Task
from operators.reference.operator import ReferenceOperator
from operators.reference.surface import Surface
from tests.operators.walks import walked


def test_a_card_of_another_grid_is_refused() -> None:
    model, told = card.load(card.names()[0])
    for wrong in (told["grid"]["x"][1:], [x * 1.01 for x in told["grid"]["x"]]):
        with pytest.raises(CardError, match="another grid"):
            Engine(model, {**told, "grid": {**told["grid"], "x": wrong}})


def test_with_the_laser_off_it_cools_as_the_reference_does() -> None:
    """IN625, 195 W, .8 m/s, 100 um: fourteen diameters of track, then the beam goes on dark. What forces the operator
    is nothing then, and it must not vanish: the pool shrinks and closes when the reference's does."""
    peclet, q, depth, frames, dark = 15.7, 21.0, 0.83, 28, 10
    stream = Stream("s", Groups(0.045, 0.3, 0.31, 1.0, 0.57, 0.99), peclet, Surface(1.0, 55.0, 2.3, 0.22))
    at = 0.5 * np.arange(frames + dark + 1)
    rows = np.stack([at / peclet, at, 0 * at, np.where(np.arange(len(at)) < frames, q, 0.0), 0 * at + depth], 1)
    stretches = [rows[n : n + 2] for n in range(frames + dark)]
    model, told = card.load("asno-melt-pool")
    engine, reference = Engine(model, told), ReferenceOperator(8)
    weight = engine.grid.weights()
    pools = []
    for ours, theirs in zip(
        *(op.step([Task(stream, stretches, [])])[0][frames:] for op in (engine, reference)), strict=True
    ):
        off = np.sqrt((weight * (ours.theta - theirs.theta) ** 2).sum() / (weight * theirs.theta**2).sum())
        assert off < 0.15
        assert ours.theta.max() > 0.5, "it does not vanish with the forcing"
        pools.append(
            [op.grid.sizes(look.theta, stream.groups.solidus)[0] for op, look in ((engine, ours), (reference, theirs))]
        )
    lengths = np.array(pools)
    assert lengths[0].min() > 1
    assert (lengths[-1] == 0).all()
    closed = (lengths > 0).sum(0)
    assert abs(int(closed[0]) - int(closed[1])) <= 1, "frames until the pool is closed"


def test_what_was_encoded_ends_with_the_tokens_of_the_encoder() -> None:
    model, told = card.load("asno-melt-pool")
    engine = Engine(model, told)
    stream = Stream("one", Groups(0.05, 0.3, 0.3, 1.0, 0.6, 1.0), 10.0)
    (looks,) = engine.step([Task(stream, walked([(0.5, 0.0, 10.0)] * 2), [])])
    with torch.no_grad():
        tokens = []
        handle = model.space.register_forward_hook(lambda _, __, out: tokens.append(out.mean(1).numpy()))
        engine.forget("one")
        (again,) = engine.step([Task(stream, walked([(0.5, 0.0, 10.0)] * 2), [])])
        handle.remove()
    assert engine.token_width == tokens[0].shape[1]
    for look, other, token in zip(looks, again, tokens[0], strict=True):
        np.testing.assert_allclose(look.encoded[-engine.token_width :], token, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(look.encoded, other.encoded)


def test_while_the_laser_is_off_an_operator_is_told_the_depth_of_the_last_lit_source() -> None:
    """Whatever the rows of the dark say of a source that is not there."""
    model, told = card.load("asno-melt-pool")
    engine, stream = Engine(model, told), Stream("one", Groups(0.05, 0.3, 0.3, 1.0, 0.6, 1.0), 10.0)
    fields = []
    for depth in (0.0, 0.18, 3.0):
        rows = walked([(0.5, 0.0, 20.0)] * 8 + [(0.5, 0.0, 0.0)] * 3)
        for each in rows[8:]:
            each[:, 4] = depth
        engine.forget("one")
        fields.append(np.stack([look.theta for look in engine.step([Task(stream, rows, [])])[0]]))
    np.testing.assert_allclose(fields[1], fields[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(fields[2], fields[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [(1, 3, np.nan), (1, 1, np.inf), (2, 0, -1.0), (1, 3, -5.0), (1, 4, -0.1)],
    ids=["NaN", "infinite", "times back", "negative strength", "negative depth"],
)
@pytest.mark.parametrize("ahead", [False, True])
def test_a_path_that_is_none_is_refused_and_no_stream_goes_on(row: int, column: int, value: float, ahead: bool) -> None:
    model, told = card.load(card.names()[0])
    engine = Engine(model, told)
    good, bad = (Stream(name, Groups(0.05, 0.3, 0.3, 1.0, 0.6, 1.0), 10.0) for name in ("good", "bad"))
    first = walked([(0.5, 0.0, 10.0)] * 4)
    engine.step([Task(good, first[:2], []), Task(bad, first[:2], [])])
    before = {name: rows.copy() for name, rows in engine._past.items()}
    wrong = np.vstack([first[2], first[3][1:]])
    wrong[row, column] = value
    with pytest.raises(ValueError, match="path"):
        engine.step([Task(good, first[2:3], []), Task(bad, [], [wrong]) if ahead else Task(bad, [wrong], [])])
    assert {name: rows.tolist() for name, rows in engine._past.items()} == {n: r.tolist() for n, r in before.items()}


def test_no_metal_is_colder_than_the_build_and_what_nobody_heated_is_as_cold() -> None:
    model, told = card.load(card.names()[0])
    engine, stream = Engine(model, told), Stream("one", Groups(0.05, 0.3, 0.3, 1.0, 0.6, 1.0), 10.0)
    dark, lit = [(0.5, 0.0, 0.0)] * 2, [(0.5, 0.0, 20.0)] * 3
    looks = engine.step([Task(stream, walked([*dark, *lit, *dark * 20]), [])])[0]
    assert [bool(look.theta.any()) for look in looks[:3]] == [False, False, True]
    assert min(float(look.theta.min()) for look in looks) == 0.0
    engine.forget("one")
    ((begun,),) = engine.step([Task(stream, [np.array([[0.0, 0, 0, 20.0, 0.9], [0.0, 0, 0, 20.0, 0.9]])], [])])
    assert not begun.theta.any(), "lit, and for no time yet"
