"""Laws of the forcings: they agree where properties do, and where nothing gets warm the cold one is the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from operators.groups import CONSTANT, Groups
from operators.melt_pool.forcing import AGO, CHANNELS, asinh, forcing, sources, together
from operators.melt_pool.trajectories import condition
from operators.operator import Stream
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from operators.window import WindowGrid

GRID = WindowGrid()
AXES = [torch.from_numpy(a).float() for a in (GRID.x, GRID.y, GRID.z)]
PECLET = 8.0
GROUPS = Groups(mushy=0.05, latent=0.3, k_cold=0.3, k_liquid=1.0, c_cold=0.6, c_liquid=1.0)


def track(q: float, frames: int = 24, corner: bool = True) -> np.ndarray:
    """Rows (t, x, y, q, depth): along x, then around a corner."""
    steps = np.tile([0.5, 0.0], (frames, 1))
    if corner:
        steps[frames // 2 :] = [0.0, 0.5]
    at = np.vstack([[0.0, 0.0], np.cumsum(steps, 0)])
    time = np.arange(frames + 1) * 0.5 / PECLET
    return np.column_stack([time, at, np.full(frames + 1, q), np.full(frames + 1, 0.3)])


def channels(groups: Groups, path: np.ndarray, heading: float) -> dict[str, np.ndarray]:
    told = torch.from_numpy(condition(Stream("s", groups, PECLET), 0.3))[None]
    now, before = (together([s]) for s in sources(path, PECLET, heading))
    return dict(zip(CHANNELS, np.sinh(forcing(now, before, told, *AXES)[0].numpy()), strict=True))


def off(a: np.ndarray, b: np.ndarray) -> float:
    weight = GRID.weights()
    return float(np.sqrt((weight * (a - b) ** 2).sum() / (weight * b**2).sum()))


def test_with_constant_properties_there_is_one_answer() -> None:
    found = channels(CONSTANT, track(5.0), np.pi / 2)
    for name in ("mean", "cold", "hot"):
        assert off(found[name], found["constant"]) < 1e-3


def test_where_nothing_gets_warm_the_cold_one_is_the_truth() -> None:
    """Heat of a hundredth of what melts: conduction is linear then, at the properties of the cold plate."""
    path, heading = track(0.05), np.pi / 2
    solver = MeltPoolSolver(GROUPS, Boxes(10, levels=4))
    solver.advance(path)
    x, y, z = GRID.points
    truth = solver.theta(path[-1, 1] - y, path[-1, 2] + x, z)
    found = {name: off(field, truth) for name, field in channels(GROUPS, path, heading).items()}
    assert found["cold"] < 0.03
    assert min(found["hot"], found["constant"]) > 0.1
    assert found["cold"] < found["mean"] < found["hot"]


def test_what_was_is_seen_from_where_the_beam_is() -> None:
    """The last channel is the first as it stood AGO, moved back by as far."""
    found = channels(GROUPS, track(10.0, corner=False), 0.0)
    hottest = {name: float(GRID.x[int(np.argmax(field[:, 12, 0]))]) for name, field in found.items()}
    assert hottest["mean before"] == pytest.approx(hottest["mean"] - AGO, abs=0.2)


def test_padding_weighs_nothing() -> None:
    path = track(10.0)
    now, before = sources(path, PECLET, 0.0)
    told = torch.from_numpy(condition(Stream("s", GROUPS, PECLET), 0.3))[None]
    alone = forcing(together([now]), together([before]), told, *AXES)
    longer = [together([some, np.vstack([some, some])])[:1] for some in (now, before)]
    torch.testing.assert_close(forcing(*longer, told, *AXES), alone, atol=1e-5, rtol=1e-4)
    cold = forcing(together([now[:0]]), together([before[:0]]), told, *AXES)
    assert (cold == 0).all(), "no past, no heat"


def test_more_heat_is_warmer_everywhere() -> None:
    low, high = (channels(replace(GROUPS, tail=0.1, late=0.2), track(q), 0.0) for q in (8.0, 9.0))
    for name in CHANNELS:
        assert (high[name] >= low[name] - 1e-6).all()


def test_asinh_is_asinh() -> None:
    theta = torch.cat([torch.zeros(1), torch.logspace(-6, 2, 400)])
    torch.testing.assert_close(asinh(theta), torch.asinh(theta.double()).float(), rtol=1e-6, atol=2e-7)
