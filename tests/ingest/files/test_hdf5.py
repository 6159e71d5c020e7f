"""HDF5 from elsewhere: what leads out of the file, or declares what it does not hold, is refused before it is read."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.errors import BadSourceError
from ingest.readers import open_source
from tests.ingest.readers.logs import BUILD


def external_link(file: h5py.File) -> None:
    file["XYPT/1/X"] = h5py.ExternalLink("/etc/passwd", "/X")


def soft_link(file: h5py.File) -> None:
    file["XYPT/1/X"] = h5py.SoftLink("/XYPT/1/Y")


def linked_group(file: h5py.File) -> None:
    del file["XYPT/1"]
    file["XYPT/1"] = h5py.ExternalLink("other.h5", "/XYPT/1")


def stored_elsewhere(file: h5py.File) -> None:
    file["XYPT/1"].create_dataset("X", (100,), "f8", external=[("/etc/passwd", 0, 800)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((100,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "X", (100,))
    file["XYPT/1"].create_virtual_dataset("X", layout)


def huge(file: h5py.File) -> None:
    file["XYPT/1"].create_dataset("X", (10**12,), "f8", chunks=(1000,))


def never_written(file: h5py.File) -> None:
    file["XYPT/1"].create_dataset("X", (100,), "f8")


def half_written(file: h5py.File) -> None:
    data = file["XYPT/1"].create_dataset("X", (100,), "f8", chunks=(10,))
    data[:50] = 1.0


def bomb(file: h5py.File) -> None:
    file["XYPT/1"].create_dataset(
        "X", data=np.zeros(40_000_000), chunks=(4_000_000,), compression="gzip", compression_opts=9
    )


def one_great_chunk(file: h5py.File) -> None:
    data = file["XYPT/1"].create_dataset("X", (60_000_000,), "f8", chunks=(60_000_000,))
    data.id.write_direct_chunk((0,), bytes(16))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (external_link, "XYPT/1/X is a link to /etc/passwd: links are not followed"),
        (soft_link, "is a link to /XYPT/1/Y"),
        (linked_group, "XYPT/1 is a link to other.h5"),
        (stored_elsewhere, "stored in another file"),
        (virtual, "stored in another file"),
        (huge, "declares 1,000,000,000,000 values"),
        (never_written, "declares 800 bytes and stores 0"),
        (half_written, "has 5 of 10 chunks"),
        (bomb, "unpacks"),
        (one_great_chunk, "chunks of 480,000,000 bytes"),
    ],
)
def test_it_is_refused_before_it_is_read(tmp_path: Path, make: Callable[[h5py.File], None], says: str) -> None:
    path = tmp_path / "a.h5"
    (tmp_path / "build.toml").write_text(BUILD.format(format="xypt"))
    with h5py.File(path, "w") as file:
        file["XYPT/1/Y"] = file["XYPT/1/P"] = np.zeros(100)
        make(file)
    with pytest.raises(BadSourceError, match=says) as refused:
        open_source(path)
    assert "\n" not in str(refused.value)


def test_hdf5_of_another_kind_says_what_was_found(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["temperatures"] = np.zeros(3)
    with pytest.raises(BadSourceError, match="is HDF5 with temperatures, not XYPT"):
        open_source(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["slices/part_ids"] = np.zeros(3)
    with pytest.raises(BadSourceError, match="and no scans"):
        open_source(tmp_path / "b.h5")


def test_damage_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 20)
    with pytest.raises(BadSourceError, match="not whole HDF5") as refused:
        open_source(tmp_path / "a.h5")
    assert "\n" not in str(refused.value)
