"""Laws of the melt pool's baselines: they read what is said, learn from it, and stand in the table by it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from operators.melt_pool.forcing import CHANNELS
from operators.melt_pool.losses import Losses
from operators.melt_pool.plan import TRAVEL
from operators.melt_pool.recipe import MeltPoolLearner, asno_of
from operators.melt_pool.samples import FEWEST, Samples
from operators.melt_pool.trajectories import CONDITION
from operators.train import Manner, Run
from operators.window import WindowGrid
from tests.validation.baselines.test_baselines import needs_neuralop
from tests.validation.harness.rows import Results, Row
from tests.validation.melt_pool import learned, suite
from tests.validation.melt_pool.learned import CONTENDERS, FRAMES, Material, controls, count

PECLET = 5.0
FRAME = TRAVEL / PECLET
SHAPE = WindowGrid().shape
DEAR = ("lrsa", "transolver")  # seconds a step: built here, trained elsewhere


def named(name: str) -> object:
    return pytest.param(name, marks=needs_neuralop if name == "fno" else ())


def pool(strength: torch.Tensor, aside: torch.Tensor) -> torch.Tensor:
    """Spots, each as strong and as far aside as told."""
    grid = WindowGrid()
    x, y, z = torch.meshgrid(*(torch.from_numpy(a).float() for a in (grid.x, grid.y, grid.z)), indexing="ij")
    far = x**2 + (y - aside[:, None, None, None]) ** 2 + z**2
    return torch.asinh(strength[:, None, None, None] * torch.exp(-far))


@pytest.fixture(scope="module")
def material() -> Material:
    """Samples whose pools are a third stronger than the forcings say, as the controls tell."""
    n = 4 * FEWEST
    draw = torch.Generator().manual_seed(0)
    strength, aside = 1 + torch.rand(n, generator=draw), 0.3 * torch.randn(n, generator=draw)
    forcing = torch.stack([pool(strength * (1 - 0.1 * c), aside) for c in range(len(CHANNELS))], 1)
    told = torch.rand(n, len(CONDITION), generator=draw)
    told[:, 0] *= 0.2  # of the solidus
    read = torch.zeros(n, FRAMES, 3)
    read[:, :, 1], read[:, :, 2] = aside[:, None], strength[:, None]
    data = Samples(forcing.half(), told, pool(1.3 * strength, aside).half(), np.arange(n) // 4)
    return Material.of(data, read, Losses())


def straight(frames: int, q: float = 12.0) -> np.ndarray:
    return np.array([[n * FRAME, TRAVEL * n, 0.0, q, 0.3] for n in range(frames + 1)])


def test_controls_of_a_straight_track_lie_behind_the_beam() -> None:
    read = controls(straight(30), PECLET, 0.0)
    assert read[:, 0] == pytest.approx(-TRAVEL * np.arange(FRAMES), abs=1e-5)
    assert read[:, 1] == pytest.approx(np.zeros(FRAMES), abs=1e-6)
    assert read[:, 2] == pytest.approx(np.full(FRAMES, 12.0), rel=1e-5)


def test_controls_turn_with_the_window_and_know_when_the_beam_was_off() -> None:
    path = straight(30)
    path[28:30, 3] = 0.0  # off in the last two frames
    far = path.copy()
    far[:, 1], far[:, 2] = -path[:, 2], path[:, 1]  # the same track, to the left
    assert controls(far, PECLET, math.pi / 2) == pytest.approx(controls(path, PECLET, 0.0), abs=1e-4)
    assert controls(path, PECLET, 0.0)[:4, 2] == pytest.approx([0.0, 0.0, 12.0, 12.0], abs=1e-4)
    young = controls(straight(3), PECLET, 0.0)
    assert young[3:, 0] == pytest.approx(np.full(FRAMES - 3, -3 * TRAVEL), abs=1e-5)
    assert young[2:5, 2] == pytest.approx([12.0, 0.0, 0.0], abs=1e-4)


@pytest.mark.parametrize("name", [named(name) for name in CONTENDERS])
def test_every_contender_says_a_field_and_has_about_as_many_parameters(name: str, material: Material) -> None:
    model = CONTENDERS[name].made(material)
    share = count(model) / count(asno_of(material.told, material.losses))
    assert (0.3 if name == "asno-without-space" else 0.6) < share < 1.7
    data = material.of_controls if CONTENDERS[name].of_controls else material.of_forcings
    with torch.no_grad():
        field = model(data.forcing[:2].float(), data.told[:2])
    assert field.shape == (2, *SHAPE)
    assert torch.isfinite(field).all()


def test_without_time_only_the_first_forcing_is_read_and_with_it_all(material: Material) -> None:
    forcing, told = material.of_forcings.forcing[:1].float(), material.of_forcings.told[:1]
    for name, same in (("asno-without-time", True), ("asno", False)):
        torch.manual_seed(0)
        model = CONTENDERS[name].made(material)
        torch.nn.init.normal_(model.explicit.weight, std=0.1)  # it begins as nothing
        with torch.no_grad():
            before, other = model(forcing, told), forcing.clone()
            other[:, 1:] *= 0.5
            assert torch.equal(model(other, told), before) is same


def test_without_space_no_section_knows_another_and_with_it_each_does(material: Material) -> None:
    forcing, told = material.of_forcings.forcing[:1].float(), material.of_forcings.told[:1]
    for name, alone in (("asno-without-space", True), ("asno", False)):
        torch.manual_seed(0)
        model = CONTENDERS[name].made(material)
        torch.nn.init.normal_(model.explicit.weight, std=0.1)
        with torch.no_grad():
            before, other = model(forcing, told), forcing.clone()
            other[:, :, 20] += 0.3
            moved = (model(other, told) - before).abs().amax((0, 2, 3)) > 1e-5
        assert moved[20]
        assert bool(moved[:20].any() or moved[21:].any()) is not alone


@pytest.mark.parametrize("name", [named(name) for name in CONTENDERS if name not in DEAR])
def test_what_is_trained_errs_less_than_before(name: str, material: Material) -> None:
    steps = {"pod-mlp": 100, "deeponet": 60}.get(name, 25)
    contender = CONTENDERS[name]
    data = material.of_controls if contender.of_controls else material.of_forcings
    kind = learned.ControlsLearner if contender.of_controls else MeltPoolLearner
    torch.manual_seed(0)
    learner = kind(data, contender.made(material), "cpu", batch=4)
    rows = data.part("test")

    def error() -> float:
        with torch.no_grad():
            return float(
                (learner.model(data.forcing[rows].float(), data.told[rows]) - data.target[rows].float()).norm()
            )

    before = error()
    Run(learner, Manner(steps, 3e-3, looks=1), 0, say=lambda line: None).go()
    assert error() < 0.97 * before


def test_seconds_are_shared_between_rates_and_the_best_of_them(material: Material) -> None:
    made = learned.trained("pod-mlp", material, 3.0)
    assert made.rate in learned.RATES
    assert made.run.step == made.run.steps > 4
    assert 1.0 < made.seconds < 6.0
    assert made.run.spent > 0.4 * made.seconds


def test_a_row_needs_samples_and_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["--budget", "smoke", "--operators", "unet", "--out", str(tmp_path / "r.json")]
    assert suite.main(asked) == 2
    assert "--samples FOLDER" in capsys.readouterr().err
    assert suite.main([*asked, "--samples", str(tmp_path)]) == 2
    assert "has no samples" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


def test_what_was_trained_stands_in_a_table_of_its_own(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.json")
    sizes = {f"{name} {q}": 0.01 for name in ("length", "width", "depth") for q in suite.QUANTILES}
    for name, error, steps in (("asno-melt-pool", 0.01, 0), ("asno", 0.03, 900), ("unet", 0.05, 70)):
        errors = {"free": {"event": error, "steady": 0.02}, "sizes free": sizes}
        results.rows["melt_pool", name, 0, "small"] = Row(
            "melt_pool", name, "learned", 0, "small", errors, 1000, seconds=300.0 * (steps > 0), steps=steps
        )
    _, _, first, second = suite.peers(results, "small").splitlines()
    assert first.startswith("| asno | **3.00** / **2.00** |")
    assert second.startswith("| unet | 5.00 / **2.00** |")
    assert "| 900 | 300 |" in first
    assert "unet" not in suite.table(results, "small")
    assert "asno-melt-pool" in suite.table(results, "small")
