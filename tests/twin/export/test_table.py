"""Tables: what is written is read again by others, number for number, with its units; half a file is never seen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from twin.export import ExportError, write_table

TABLE = pd.DataFrame(
    {
        "time_s": [0.1, 1 / 3, np.nextafter(1.0, 2.0)],
        "length_m": [1e-300, np.nan, 660.1e-6],
        "frame": [1, 2, 3],
        "outcome": ["ok", 'a "quoted", word', "ok"],
    }
)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    path = write_table(TABLE, tmp_path / name)
    read = pd.read_parquet(path) if name.endswith("parquet") else pd.read_csv(path)
    assert list(read.columns) == list(TABLE.columns)
    for column in ("time_s", "length_m"):
        np.testing.assert_array_equal(read[column].to_numpy(), TABLE[column].to_numpy())
    assert read["frame"].dtype == np.int64
    assert list(read["outcome"]) == list(TABLE["outcome"])
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_parquet_says_units_and_where_it_is_from(tmp_path: Path) -> None:
    schema = pyarrow.parquet.read_schema(write_table(TABLE, tmp_path / "t.parquet", about={"card": "asno"}))
    assert schema.field("time_s").metadata[b"unit"] == b"s"
    assert schema.field("length_m").metadata[b"unit"] == b"m"
    assert schema.field("frame").metadata is None
    assert b'"card": "asno"' in schema.metadata[b"meltwin"]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_an_empty_table_keeps_its_columns(tmp_path: Path, name: str) -> None:
    path = write_table(TABLE.iloc[:0], tmp_path / name)
    read = pd.read_parquet(path) if name.endswith("parquet") else pd.read_csv(path)
    assert list(read.columns) == list(TABLE.columns)
    assert len(read) == 0


@pytest.mark.parametrize("name", ["t.xlsx", "t", "no/such/folder/t.csv"])
def test_what_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=r"\.csv|folder") as refused:
        write_table(TABLE, tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_table(TABLE, tmp_path / "t.csv")
    before = path.read_bytes()

    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pd.DataFrame, "to_csv", broken)
    with pytest.raises(OSError, match="space"):
        write_table(TABLE.iloc[:1], path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]
