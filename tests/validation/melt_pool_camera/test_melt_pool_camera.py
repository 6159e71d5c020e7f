"""Laws of the suite: the reference plate is the reference solver, its energy adds up, the camera sees what it says, and
a table is told."""

from pathlib import Path

import numpy as np
import pytest
import torch

from operators.camera import draws
from operators.camera.law import BOX, NAMES, matter_of
from operators.camera.operator import CameraFluxNo
from operators.camera.plate import Law, Plate
from operators.camera.samples import NOISE, SENSOR, filmed, made
from operators.camera.score import errors, forecast, summary
from operators.groups import Groups
from operators.reference.boxes import Boxes
from operators.reference.melt_pool import MeltPoolSolver
from tests.validation.melt_pool_camera import suite

BOX_D = (2.0, -2.0, 2.0, -2.0, 4.0)  # depth, y, x


def law(**changed: float) -> Law:
    numbers = dict(zip(NAMES, (0.5, 1.0, 1.0, 1.0, 0.1, 0.4, 0.5, 1.2, 0.8, 1.1, 1.0, 0.0), strict=True)) | changed
    return Law(np.array(list(numbers.values())))


def test_on_a_bare_plate_it_is_the_reference_solver() -> None:
    """In units where both agree: rise, conductivity and diffusivity 1."""
    q, time = 12.0, 0.25
    plate = Plate(law(), BOX_D, 8)
    plate.advance(q, np.array([0.0, 0.0]), np.array([0.0, 2.0]), time)
    groups = Groups(mushy=0.1, latent=0.4, k_cold=0.5, k_liquid=1.2, c_cold=0.8, c_liquid=1.1)
    solver = MeltPoolSolver(groups, Boxes(8, along=6.0, deep=2.0, levels=3, lead=0.0))
    solver.advance(np.array([[0.0, 0.0, 0.0, 0.5 * q, 0.0], [time, 2.0, 0.0, 0.5 * q, 0.0]]))
    z, y, x = np.meshgrid(*(np.arange(n) / 8 + 1 / 16 for n in (16, 32, 48)), indexing="ij")
    wanted = solver.theta(x - 2.0, y - 2.0, z)
    assert wanted.max() > 1.1
    assert np.linalg.norm(plate.theta() - wanted) < 0.01 * np.linalg.norm(wanted)


def test_energy_of_the_plate_adds_up_and_its_share_is_the_absorptivity() -> None:
    plate = Plate(law(powder=0.4, loss=0.03), BOX_D, 8)
    for n in range(4):
        plate.advance(10.0, np.array([0.0, 0.5 * n]), np.array([0.0, 0.5 * n + 0.5]), 0.05)
    assert plate.lost > 0
    assert plate.open.max() == 1.0  # some of the powder has melted
    assert plate.open.min() == pytest.approx(0.4)
    assert (plate.stored() + plate.lost) / (10.0 * 0.2) == pytest.approx(0.5, rel=1e-3)


def test_left_and_right_are_alike() -> None:
    fields = []
    for sign in (1.0, -1.0):
        plate = Plate(law(powder=0.4), (1.0, -1.5, 1.5, -2.0, 2.0), 8)
        plate.advance(10.0, np.array([0.0, 0.0]), np.array([0.3 * sign, 0.5 * sign]), 0.05)
        fields.append(plate.theta())
    assert fields[0] == pytest.approx(fields[1][:, ::-1, ::-1], abs=1e-4)


def test_a_camera_clips_and_its_noise_is_its_own() -> None:
    surface = torch.full((1, 2, 40, 40), 0.8)
    seen = filmed(surface, torch.Generator().manual_seed(0))
    assert float(seen.std()) == pytest.approx(NOISE * 0.8, rel=0.05)
    edge = filmed(torch.tensor([0.0, 5.0]).view(1, 1, 1, 2), torch.Generator().manual_seed(0))
    assert edge.flatten().tolist() == pytest.approx(SENSOR)


def test_what_is_drawn_says_nothing_of_what_is_hidden() -> None:
    tracks = [draws.track("fit", n) for n in range(150)]
    hidden = np.array([t.law.numbers[0] for t in tracks])
    told = np.log([t.power.max() for t in tracks])
    assert abs(np.corrcoef(hidden, told)[0, 1]) < 0.35  # what leaves the range of temperatures is drawn again
    for track in tracks:
        for value, (low, high) in zip(track.law.numbers, BOX.values(), strict=True):
            assert low <= value <= high


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracks")


@pytest.mark.slow
def test_told_the_law_the_operators_cells_are_near_the_reference(folder: Path) -> None:
    """And a wrong absorptivity is far, so the measure sees what is hidden."""
    tracks, model = made("test", 2, folder), CameraFluxNo().eval()
    told = matter_of(tracks.numbers, tracks.tail)
    found = summary(errors(model, forecast(model, told, tracks), tracks))
    assert found["error"] < 0.08
    wrong = told._replace(absorptivity=0.6 * told.absorptivity)
    assert summary(errors(model, forecast(model, wrong, tracks), tracks))["error"] > 0.2


@pytest.mark.slow
def test_smoke_makes_every_row_once_and_the_ledger_closes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    found = suite.run("smoke", None, None, out, folder)
    assert {row.operator for row in found.rows.values()} == {*suite.PLAIN, *suite.LEARNED}
    made_at = out.stat().st_mtime_ns
    suite.run("smoke", None, None, out, folder)
    assert out.stat().st_mtime_ns == made_at
    assert "wanted 5" in suite.bars(found, "smoke")
    told = suite.long_run(CameraFluxNo().eval(), made("test", 2, folder), steps=60)
    assert max(abs(v) for v in told["defect"]) < 1e-6
