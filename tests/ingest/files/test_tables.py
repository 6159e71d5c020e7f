"""Tables: observed melt pools and materials in SI, each known by its columns; what a table leaves out is said."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ingest.errors import BadSourceError
from ingest.files.tables import read_table
from ingest.readers import open_source


def test_geometry_in_si(tmp_path: Path) -> None:
    head = (
        "material,process,power,velocity,melt_pool_depth,melt_pool_width,melt_pool_length,melting_temperature,paper_id"
    )
    (tmp_path / "a.csv").write_text(f"{head}\nIN718,PBF,285,960,71,130,,1673,4\nAl-2.5Fe,PBF,200,500,50,,300,273,5\n")
    table = read_table(tmp_path / "a.csv")
    assert table.attrs["kind"] == "meltpoolnet geometry"
    first = table.iloc[0]
    assert (first.beam_power_w, first.scan_speed_m_per_s) == pytest.approx((285.0, 0.96))
    assert (first.melt_pool_depth_m, first.melt_pool_width_m) == pytest.approx((71e-6, 130e-6))
    assert np.isnan(first.melt_pool_length_m)
    assert table.melting_k.tolist()[0] == 1673.0
    assert np.isnan(table.melting_k[1])  # nobody knew it: 0 C


def test_classification_is_in_celsius(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "material,power,velocity,melt_pool_shape,melting_temperature\nIN718,285,960,LOF,1400\n"
    )
    table = read_table(tmp_path / "a.csv")
    assert table.attrs["kind"] == "meltpoolnet classification"
    assert table.melting_k[0] == pytest.approx(1673.15)
    assert table.label[0] == "LOF"


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "", "material,power,velocity,melt_pool_shape,melting_temperature\nx,fast,1,LOF,1\n"]
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(BadSourceError) as refused:
        read_table(tmp_path / "a.csv")
    assert "\n" not in str(refused.value)


def test_the_real_tables(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("meltpoolnet")
    geometry = read_table(folder / "melt_pool_fixture_geometry.csv")
    labels = read_table(folder / "melt_pool_fixture_classification.csv")
    assert (len(geometry), len(labels)) == (1806, 474)
    assert geometry.melt_pool_depth_m.count() == 1453
    assert geometry.melt_pool_depth_m.median() == pytest.approx(95e-6)
    # the two tables agree on an alloy's melting point only when each is read in its own unit
    for alloy in ("IN718", "SS316L", "SS17-4PH"):
        points = [set(table.melting_k[table.material == alloy].dropna()) for table in (geometry, labels)]
        assert min(points[0]) == pytest.approx(min(points[1]), rel=0.01)
    thermal = read_table(shared_data("materials") / "thermal_tables.csv")
    assert len(thermal) == 58
    assert thermal.temperature_k.min() > 273
    constants = read_table(shared_data("materials") / "constants.csv")
    both = constants.dropna(subset=["solidus_k", "liquidus_k"])
    assert len(both) == 9
    assert (both.solidus_k < both.liquidus_k).all()


def test_a_table_is_no_build_and_says_who_reads_it(shared_data: Callable[[str], Path]) -> None:
    with pytest.raises(BadSourceError, match=r"is a table \(meltpoolnet geometry\) and not a build"):
        open_source(shared_data("meltpoolnet") / "melt_pool_fixture_geometry.csv")


def test_the_frames_as_a_table(shared_data: Callable[[str], Path]) -> None:
    table = read_table(shared_data("lpbf_ammt_frames") / "nist_ammt_rtc_in625_frames.csv.gz")
    assert len(table) == 41806
    assert set(table.shape_class) == set(range(8))
    assert "residual_heat_feature" in table.attrs["left_out"]
    assert isinstance(table, pd.DataFrame)
