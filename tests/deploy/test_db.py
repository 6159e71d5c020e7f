"""`meltwin db`, as a person calls it, on both engines; and no secret in anything that is printed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from deploy.checks import store as checks
from deploy.cli import app
from deploy.settings import load
from tests.contracts import store_cases as case
from tests.contracts.store_cases import heard
from tests.postgres import PASSWORD, USER
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from twin.store.tables import SCHEMA_REVISION
from twin.store.upkeep import backup
from twin.store.upkeep.schema import downgrade, revision_at

ROOT = Path(__file__).parents[2]
QUOTED = "s3cret%2Fpass%40word"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A filled store that the settings name, its password in the environment."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    url = f"sqlite:///{tmp_path}/s.db" if server is None else str(server.database())
    store = SqlStore.create(url)
    hot = (case.field(np.full((3, 2, 2), 1000.0)),)
    store.write(case.whole_step(received_s=1000.0))
    store.write(
        Step([heard(case.parameters(1, final=True))], forecasts=[case.forecast(9, fields=hot)], received_s=2000.0)
    )
    store.close()
    monkeypatch.setenv("MELTWIN_DATABASE", url)
    monkeypatch.setenv("MELTWIN_DATA_DIR", str(tmp_path / "var"))
    return url


def ask(*words: str, code: int = 0) -> Result:
    """Run a verb; its output holds no password, whatever happens."""
    result = CliRunner().invoke(app, ["db", *words])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    assert PASSWORD not in result.output + result.stderr
    assert "s3cret" not in result.output + result.stderr
    return result


def test_status_tells_what_is_there(url: str) -> None:
    said = ask("status").output
    assert SCHEMA_REVISION in said
    assert "1970-01-01 00:16:40 UTC" in said
    rows = {
        line.split()[0]: line.split()[-1] for line in said.splitlines() if line.strip() and line.split()[-1].isdigit()
    }
    assert (rows["forecasts"], rows["melt_pool"], rows["observations"], rows["fields"]) == ("3", "6", "7", "2")


def test_an_older_schema_is_told_and_upgraded_after_a_backup(url: str, tmp_path: Path) -> None:
    downgrade(url, "0003_frames")
    assert "waits: meltwin db upgrade" in ask("status").output
    assert "has schema 0003_frames" in ask("prune", code=2).stderr
    (found,) = checks.store(load())
    assert (found.state, found.remedy) == ("MISSING", "./meltwin db upgrade")
    assert revision_at(url) == "0003_frames", "to look is not to upgrade"
    said = ask("upgrade").output
    assert f"0003_frames -> {SCHEMA_REVISION}" in said
    assert len(list((tmp_path / "var" / "backups").iterdir())) == 1
    assert "nothing to do" in ask("upgrade").output


def test_without_a_backup_there_is_no_upgrade_unless_it_is_said(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downgrade(url, "0003_frames")
    monkeypatch.setattr(backup, "_copy", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    monkeypatch.setattr(backup, "pg_dump", lambda: None)
    assert "no backup" in ask("upgrade", code=2).stderr
    assert revision_at(url) == "0003_frames"
    ask("upgrade", "--no-backup")
    assert revision_at(url) == SCHEMA_REVISION


def test_backup_makes_a_file_with_everything(url: str, tmp_path: Path) -> None:
    said = ask("backup", "--to", str(tmp_path / "b")).output
    made = next((tmp_path / "b").iterdir())
    assert str(made) in said.replace("\n", "")
    if url.startswith("sqlite"):
        copy = SqlStore.open_reader(f"sqlite:///{made}")
        assert copy.counts()["observations"] == 7
        copy.close()
    else:
        assert made.read_bytes()[:5] == b"PGDMP"


def test_prune_previews_and_deletes_only_when_it_is_said(url: str) -> None:
    said = ask("prune").output
    assert "would go" in said
    assert ask("prune", "--preview").output == said
    reader = SqlStore.open_reader(url)
    assert reader.counts()["fields"] == 2
    assert "deleted" in ask("prune", "--yes").output
    assert reader.counts()["fields"] == 0
    assert reader.counts()["forecasts"] == 3
    assert "pruned_fields" in ask("status").output
    assert "choose one" in ask("prune", "--yes", "--preview", code=2).stderr
    reader.close()


def test_a_kept_build_is_not_pruned(url: str) -> None:
    ask("keep", "b1", "--note", "golden")
    assert "no machine has a build none" in ask("keep", "none", code=2).stderr
    assert ask("prune", "--yes").output.splitlines()[-1].startswith("0 rows")
    assert "no longer kept" in ask("keep", "b1", "--release").output
    assert not ask("prune", "--yes").output.splitlines()[-1].startswith("0 rows")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_export_writes_a_table_with_units(url: str, tmp_path: Path, ending: str) -> None:
    def read(name: str, *words: str) -> pd.DataFrame:
        to = tmp_path / f"{name}.{ending}"
        ask("export", name, str(to), *words)
        return pd.read_csv(to) if ending == "csv" else pd.read_parquet(to)

    sizes = read("melt_pool", "--build", "b1")
    assert {"machine", "layer", "frame", "length_m", "width_m", "depth_m", "beam_power_w"} <= set(sizes.columns)
    assert (len(sizes), sizes.width_m.iloc[0]) == (6, 120e-6)
    samples = read("parameters", "--machine", "m1")
    assert samples.time_s.tolist() == [1e-5, 0.0, 0.5] or sorted(samples.time_s) == [0.0, 1e-5, 0.5]
    assert "temperature_k" not in read("fields").columns
    message = json.loads(read("observations").json.iloc[0])
    assert message["kind"] == "state"
    assert read("melt_pool", "--build", "none").empty
    assert len(read("alerts")) == 1


def test_every_table_can_be_exported(url: str, tmp_path: Path) -> None:
    from twin.store.upkeep.export import TABLES, table

    for name in TABLES:
        columns = table(url, name).columns
        assert len(columns) > 2, name


def test_mistakes_are_one_line(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, line in (
        (("export", "none", "x.csv"), "no table none"),
        (("export", "rejects", "x.csv", "--build", "b"), "does not say which build"),
        (("export", "alerts", str(tmp_path / "x.txt")), "csv"),
        (("export", "alerts", str(tmp_path / "no" / "x.csv")), "no folder"),
        (("status", "--database", f"sqlite:///{tmp_path}/none.db"), "no store"),
        (("status", "--database", "postgresql://me:s3cret@h/d"), "MELTWIN_DATABASE"),
        (("status", "--database", "nonsense"), "not a URL"),
    ):
        said = ask(*words, code=2).stderr
        assert line in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("verb", ["status", "upgrade"])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("sqlite:///{here}", "is a folder"),
        ("sqlite:///{here}/garbage.db", "is no SQLite database"),
        ("postgresql://u:s3cret@[::1/d", "is not a URL"),
        ("sqlite:///{here}/garbage.db/s.db", "cannot write to|there is no store at"),
    ],
)
def test_a_place_that_can_hold_no_store_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, place: str, says: str
) -> None:
    (tmp_path / "garbage.db").write_bytes(b"garbage" * 1000)
    monkeypatch.setenv("MELTWIN_DATABASE", place.format(here=tmp_path))
    found = CliRunner().invoke(app, ["db", verb])
    assert (found.exit_code, len(found.stderr.strip().splitlines())) == (2, 1)
    assert re.search(says, found.stderr)
    assert "s3cret" not in found.stderr


@pytest.mark.parametrize("server", ["there", "gone", "wrong password"])
def test_no_secret_in_anything_that_is_printed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    """Every verb that speaks of the store, by file and by environment: all that they print, and the doctor's line."""
    running = request.getfixturevalue("postgres")
    url = running.database()
    if server == "gone":
        url = url.replace(f":{running.port}/", ":1/")
    if server == "wrong password":
        url = f"postgresql://{USER}:s3cret-other@127.0.0.1:{running.port}/postgres"
    (tmp_path / "url").write_text(url)
    monkeypatch.setenv("MELTWIN_DATA_DIR", str(tmp_path))
    said = ""
    for name in (url, f"file:{tmp_path}/url"):
        monkeypatch.setenv("MELTWIN_DATABASE", name)
        for words in (["status"], ["upgrade"], ["backup"], ["prune"], ["export", "alerts", str(tmp_path / "a.csv")]):
            result = CliRunner().invoke(app, ["db", *words])
            assert result.exit_code in (0, 2), result.exception
            said += result.output + result.stderr
        said += "".join(each.line for each in checks.store(load()))
    assert not {part for part in ("s3cret", "pass%40word", "pass@word") if part in said}
    assert "***" in said
    assert "s3cret" not in repr(load())


def test_a_process_that_fails_prints_no_secret(tmp_path: Path) -> None:
    """A whole program with its own standard error: one line, and not the URL."""
    told = {**os.environ, "MELTWIN_DATABASE": f"postgresql://me:{QUOTED}@127.0.0.1:1/d", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "deploy.cli", "db", "status"]
    done = subprocess.run(command, env=told, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("meltwin: the store at postgresql+psycopg://me:***@127.0.0.1:1/d does not answer")
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stdout + done.stderr
