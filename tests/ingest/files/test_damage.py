"""Damaged files: whatever bytes change, go or come, a file is read or refused in one line, and nothing else."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.codecs.ranges import out_of_range
from ingest.errors import BadSourceError
from ingest.readers import open_source, opened
from tests.ingest.files.test_archive import packed
from tests.ingest.readers.logs import PEREGRINE, ROWS, scan_path
from tests.ingest.readers.test_cli import HEAD, LAYERS, cli
from tests.ingest.readers.test_csv import ROWS as CSV_ROWS
from tests.ingest.readers.test_csv import TWO, frames, table
from tests.ingest.readers.test_peregrine import peregrine
from tests.ingest.readers.test_xypt import commands, xypt


def packed_scan_path(folder: Path, kind: str) -> Path:
    log = folder / "log"
    log.mkdir()
    scan_path(log, [PEREGRINE, *ROWS])
    return packed(log, kind, folder / "a.bin")


FILES: dict[str, Callable[[Path], Path]] = {
    "xypt": lambda folder: xypt(folder / "a.h5", {"1": commands(300)}, compression="gzip", chunks=(1, 64)),
    "peregrine": lambda folder: peregrine(folder / "a.h5"),
    "cli": lambda folder: cli(folder, [*HEAD, *LAYERS]),
    "csv": lambda folder: table(folder, CSV_ROWS, 'layer = "Y"\n'),
    "frames": lambda folder: frames(folder, TWO),
    "scan path": lambda folder: scan_path(folder, [PEREGRINE, *ROWS]),
    "zip": lambda folder: packed_scan_path(folder, "zip"),
    "tar.gz": lambda folder: packed_scan_path(folder, "gz"),
}


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """Bytes changed at random, cut out, put in, or everything lost from somewhere on."""
    content = bytearray(whole)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at, kind = chance.randrange(len(content) or 1), chance.random()
        if kind < 0.5:
            content[at : at + 1] = bytes([chance.randrange(256)])
        elif kind < 0.6:
            del content[at : at + chance.randrange(1, 50)]
        elif kind < 0.8:
            content[at : at + 1] = bytes(chance.choices(b"0123456789,.$/-enaxif\n \"'", k=3))
        else:
            del content[at + 1 :]
    return bytes(content)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, name: str) -> None:
    whole = FILES[name](tmp_path)
    build_file = tmp_path / "build.toml"
    chance, refusals = random.Random(7), []
    for _ in range(60):
        path = tmp_path / f"damaged{whole.suffix}"
        path.write_bytes(damaged(whole.read_bytes(), chance))
        try:
            with opened(path, build_file if build_file.exists() else None) as recording:
                for due in recording.messages():
                    out_of_range(due.message)
        except BadSourceError as refused:
            refusals.append(str(refused))
    assert len(refusals) >= 10
    assert not [line for line in refusals if "\n" in line]


def test_a_pause_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    rows = ["0,0,0,0.2,a", "9e15,1,0,0,b"]  # nine billion seconds
    with pytest.raises(BadSourceError, match="lasts 9e"):
        list(open_source(table(tmp_path, rows)).messages())
