"""A build as a file: what other programs read is what the store holds, with units and where it came from."""

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import pyvista as pv

from tests.contracts import store_cases as case
from twin.export import ExportError, write_build
from twin.forecast import Field
from twin.observation import Parameters
from twin.store.port import Step
from twin.store.sql.store import SqlStore

TIME_S = np.array([0.0, 1e-4, 2e-4, 3e-4, 3e-4, 4e-4])
X_M = np.array([0.0, 1e-3, 1e-3, 2e-3, 2e-3, 3e-3])
POWER_W = np.array([200.0, 200.0, 0.0, 150.0, 100.0, 0.0])
TEMPERATURE_K = (300.0 + np.arange(4 * 3 * 5).reshape(4, 3, 5) * 20.0).astype(np.float32)
X, Y, Z = np.array([-3e-4, -1e-4, 0, 1e-4]), np.array([-1e-4, 0, 1e-4]), np.array([0, 1e-5, 3e-5, 6e-5, 1e-4])
PICTURE = case.frame(0)


def samples(number: int, sequence: int) -> Parameters:
    zeros = [0.0] * len(TIME_S)
    return Parameters(
        source="m1", sequence=sequence, time_s=number + 0.0, build="b1", layer=number,
        sample_time_s=(TIME_S + number).tolist(), x_m=X_M.tolist(), y_m=zeros, z_m=[number * 4e-5] * len(TIME_S),
        beam_power_w=POWER_W.tolist(), final=True,
    )  # fmt: skip


def snapshot(offset: float, lead_s: float = 0.0) -> Field:
    return Field(X, Y, Z, TEMPERATURE_K + np.float32(offset), 1563.0, 3000.0, 0.7, lead_s)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    built = case.build(data_hash="abc", assumed=["preheat_k"])
    messages = [
        built, samples(1, 0), samples(2, 1), case.plan(0, [0.0, 1.0]), case.signal(0, [0.0, 0.1], [1e-4, 2e-4]), PICTURE
    ]  # fmt: skip
    made = SqlStore.create(f"sqlite:///{tmp_path}/store.db")
    forecasts = [
        case.forecast(0, fields=(snapshot(0.0), snapshot(7.0, 62.5e-6))),
        case.forecast(1, layer=2, fields=(snapshot(40.0),)),
        case.forecast(2, layer=2, lead_count=0),
    ]
    cards = [{"name": "reference", "kind": "enthalpy"}, {"name": "unused"}]
    observations = [case.heard(message) for message in messages]
    made.write(Step(observations, forecasts=forecasts, alerts=[case.alert()], cards=cards, received_s=5.0))
    made.write(Step([case.heard(case.build("b2", 1))], received_s=6.0))
    yield made
    made.close()


def test_hdf5_holds_the_build_with_units_and_provenance(store: SqlStore, tmp_path: Path) -> None:
    write_build(store, "b1", tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5") as file:
        assert (file.attrs["machine"], file.attrs["build"], file.attrs["data_hash"]) == ("m1", "b1", "abc")
        assert json.loads(file.attrs["cards"]) == {"reference": {"name": "reference", "kind": "enthalpy"}}
        assert json.loads(file.attrs["assumed"]) == ["preheat_k"]
        assert json.loads(file.attrs["build_message"])["material"] == "IN625"
        np.testing.assert_array_equal(file["parameters/00002/x_m"], X_M)
        np.testing.assert_array_equal(file["parameters/00002/beam_power_w"], POWER_W)
        assert file["parameters/00002/beam_power_w"].attrs["unit"] == "W"
        assert file["parameters/00002/x_m"].attrs["unit"] == "m"
        assert file["forecasts/length_m"].shape == (5,)  # two leads, two leads, one withheld
        assert np.isnan(file["forecasts/length_m"][4])
        assert file["forecasts/operator"].asstr()[0] == "reference"
        assert file["signals/value"][:].tolist() == [1e-4, 2e-4]
        assert len(file["fields"]) == 3
        np.testing.assert_array_equal(file["fields/000001/temperature_k"], TEMPERATURE_K + 7)
        assert file["fields/000001/temperature_k"].attrs["unit"] == "K"
        assert file["fields/000001"].attrs["lead_s"] == 62.5e-6
        assert (file["fields/000000"].attrs["beam_x_m"], file["fields/000000"].attrs["layer"]) == (0.1, 1)
        np.testing.assert_array_equal(file["pictures/000000"], PICTURE.picture())
        assert file["pictures/000000"].attrs["unit"] == PICTURE.unit
        assert file["pictures/000000"].attrs["pixel_m"] == PICTURE.pixel_m
        assert file["scan_vectors/00001/scan_speed_m_per_s"].attrs["unit"] == "m/s"


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize(
    ("table", "rows"), [("forecasts", 5), ("parameters", 12), ("signals", 2), ("pictures", 1), ("alerts", 1)]
)
def test_a_table_of_the_build(store: SqlStore, tmp_path: Path, name: str, table: str, rows: int) -> None:
    write_build(store, "m1/b1", tmp_path / name, table=table)
    read = pd.read_csv(tmp_path / name) if name.endswith("csv") else pd.read_parquet(tmp_path / name)
    assert len(read) == rows
    if table == "parameters":
        np.testing.assert_array_equal(read.time_s, np.concatenate([TIME_S + 1, TIME_S + 2]))
    if name.endswith("parquet"):
        about = json.loads(pyarrow.parquet.read_schema(tmp_path / name).metadata[b"meltwin"])
        assert about["data_hash"] == "abc"


def test_one_layer_of_a_table(store: SqlStore, tmp_path: Path) -> None:
    write_build(store, "b1", tmp_path / "t.csv", table="parameters", layer=2)
    assert set(pd.read_csv(tmp_path / "t.csv").layer) == {2}


@pytest.mark.parametrize("name", ["f.vtr", "f.vtk"])
def test_a_field_stands_on_its_own_grid(store: SqlStore, tmp_path: Path, name: str) -> None:
    write_build(store, "b1", tmp_path / name, frame=0)
    grid = pv.read(tmp_path / name)
    assert grid.dimensions == (4, 3, 5)
    assert grid.x == pytest.approx(X)
    assert grid.z == pytest.approx(-Z[::-1])  # up: the surface is the last
    at = grid.find_closest_point((-1e-4, 1e-4, -3e-5))
    assert grid["temperature_k"][at] == TEMPERATURE_K[1, 2, 2]  # lead 0, not the one ahead
    assert grid.field_data["solidus_k"][0] == 1563.0
    assert grid.field_data["heading_rad"][0] == 0.7
    assert grid.field_data["data_hash"][0] == "abc"


def test_an_even_grid_has_the_nodes_values_and_lines_between(store: SqlStore, tmp_path: Path) -> None:
    write_build(store, "b1", tmp_path / "f.vti", frame=0)
    grid = pv.read(tmp_path / "f.vti")
    assert grid.spacing == pytest.approx((1e-4, 1e-4, 1e-5))
    assert grid.dimensions == (5, 3, 11)
    values = grid["temperature_k"].reshape(grid.dimensions, order="F")
    assert values[0, 0, -1] == pytest.approx(TEMPERATURE_K[0, 0, 0])
    assert values[1, 0, -1] == pytest.approx((TEMPERATURE_K[0, 0, 0] + TEMPERATURE_K[1, 0, 0]) / 2)
    assert values[4, 2, 0] == pytest.approx(TEMPERATURE_K[3, 2, 4])
    assert values[4, 2, -4] == pytest.approx(TEMPERATURE_K[3, 2, 2])  # 30 um down is a node
    assert values.min() == TEMPERATURE_K.min()
    assert values.max() == TEMPERATURE_K.max()


def test_the_newest_field_unless_another_is_named(store: SqlStore, tmp_path: Path) -> None:
    write_build(store, "b1", tmp_path / "f.vtr")
    assert pv.read(tmp_path / "f.vtr")["temperature_k"].min() == TEMPERATURE_K.min() + 40
    with pytest.raises(ExportError, match="no temperature field of layer 1, frame 9"):
        write_build(store, "b1", tmp_path / "g.vtr", layer=1, frame=9)


def test_a_scan_path_is_stretches_of_one_power(store: SqlStore, tmp_path: Path) -> None:
    write_build(store, "b1", tmp_path / "p.vtp")
    mesh = pv.read(tmp_path / "p.vtp")
    assert mesh.n_points == 12
    assert mesh["beam_power_w"].tolist() == [200, 0, 150, 100] * 2
    assert mesh["layer"].tolist() == [1] * 4 + [2] * 4
    first = mesh.get_cell(0)
    assert first.points[:, 0].tolist() == pytest.approx([0, 1e-3, 1e-3])
    np.testing.assert_array_equal(mesh["time_s"], np.concatenate([TIME_S + 1, TIME_S + 2]))
    energy_j = sum(
        power * (mesh["time_s"][cell.point_ids[-1]] - mesh["time_s"][cell.point_ids[0]])
        for power, cell in zip(mesh["beam_power_w"], mesh.cell, strict=True)
    )
    assert energy_j == pytest.approx(2 * float((POWER_W[:-1] * np.diff(TIME_S)).sum()))
    write_build(store, "b1", tmp_path / "one.vtp", layer=2)
    assert set(pv.read(tmp_path / "one.vtp")["layer"]) == {2}


def test_which_build_is_meant(store: SqlStore, tmp_path: Path) -> None:
    assert write_build(store, "m1", tmp_path / "t.csv") == ("m1", "b2")
    assert write_build(store, "m1/b1", tmp_path / "t.csv") == ("m1", "b1")
    with pytest.raises(ExportError, match="no build or machine 'b9'; the newest are m1/b2, m1/b1"):
        write_build(store, "b9", tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "table", "says"),
    [("b.xlsx", "forecasts", "ending must be"), ("b.csv", "moods", "no table 'moods'"),
     ("no/b.h5", "alerts", "no folder"),
     ("b.vtr", "forecasts", "no temperature field"), ("b.vtp", "forecasts", "no path")],
)  # fmt: skip
def test_what_cannot_be_is_one_line_and_leaves_no_file(
    store: SqlStore, tmp_path: Path, name: str, table: str, says: str
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ExportError, match=says) as refused:
        write_build(store, "b2", tmp_path / name, table=table)
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before
