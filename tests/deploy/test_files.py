"""`import` and `export` as a person types them: in and out is the same path, and every mistake is one line."""

import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import pyvista as pv

from deploy.commands.files import TABLES
from tests.ingest.readers.logs import PEREGRINE, ROWS, scan_path
from twin.export.source import TABLES as THERE_ARE

ROOT = Path(__file__).parents[2]


def meltwin(*arguments: object, database: Path, code: int = 0) -> str:
    command = [sys.executable, "-m", "deploy.cli", *map(str, arguments), "--database", f"sqlite:///{database}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_in_and_out_is_the_same_path(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    path = scan_path(tmp_path, [PEREGRINE, *ROWS])
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as file:
        file.write(path, path.name)
        file.write(tmp_path / "build.toml", "build.toml")
    said = meltwin("import", path, database=database)
    assert "assumed: absorptivity, preheat_k" in said
    again = meltwin("import", tmp_path / "packed.zip", "--dry-run", database=database)
    assert "is in the database already" in again  # the same content under another name
    assert "machine m" in meltwin("export", "m", "--to", tmp_path / "b.h5", database=database)
    meltwin("export", "m", "--to", tmp_path / "b.vtp", database=database)
    with h5py.File(tmp_path / "b.h5") as book:
        energy_j = float((book["parameters/00007/beam_power_w"][:-1] * np.diff(book["parameters/00007/time_s"])).sum())
        assert "absorptivity" in book.attrs["assumed"]
    assert energy_j == pytest.approx(200 * 0.002 + 100 * 0.002)
    mesh = pv.read(tmp_path / "b.vtp")
    assert mesh.bounds[:4] == pytest.approx((0, 1e-3, 0, 1e-3))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import", "nowhere.h5"], "nowhere.h5: there is no such file"),
        (["import", "README.md", "--dry-run"], "which is not a scan path"),
        (["export", "m2", "--to", "b.h5"], "there is no store"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    said = meltwin(*arguments, database=tmp_path / "none.db", code=2)
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_the_tables_that_the_help_names_are_there() -> None:
    assert set(TABLES) == set(THERE_ARE)
