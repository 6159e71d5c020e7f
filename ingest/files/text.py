"""Text from elsewhere: of a known size before it is read, plain or gzip, line by line."""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ingest.errors import BadSourceError

MAX_TEXT_BYTES = 2 << 30
MAX_LINE_CHARACTERS = 16 << 20
MAX_PACKING = 200  # unpacked bytes over packed bytes, above the next
SMALL_BYTES = 16 << 20
GZIP = b"\x1f\x8b"
_HEAD_BYTES = 4096


def head(path: Path, size: int = _HEAD_BYTES) -> bytes:
    """The first bytes of a file; of a gzip file, of what it packs."""
    try:
        with path.open("rb") as file:
            first = file.read(size)
        if first.startswith(GZIP):
            with gzip.open(path) as file:
                first = file.read(size)
    except (OSError, EOFError, zlib.error) as wrong:
        raise BadSourceError(path, f"cannot be read: {wrong}") from wrong
    return first


def lines(path: Path, most: int = MAX_TEXT_BYTES) -> Iterator[tuple[int, str]]:
    """Number and text of each line, without its end. Too large, cut short or not UTF-8: a BadSourceError."""
    if path.stat().st_size > most:
        raise BadSourceError(path, f"has {path.stat().st_size:,} bytes, more than {most:,}")
    number = 0
    try:
        with io.TextIOWrapper(opened(path, most), encoding="utf-8-sig") as text:
            while line := text.readline(MAX_LINE_CHARACTERS):
                number += 1
                if len(line) == MAX_LINE_CHARACTERS:
                    raise BadSourceError(path, f"a line of more than {MAX_LINE_CHARACTERS:,} characters", number)
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as wrong:
        raise BadSourceError(path, f"is not text: {wrong.reason}", number + 1) from wrong
    except (EOFError, OSError, zlib.error) as wrong:
        raise BadSourceError(path, f"is not whole: {wrong}", number + 1) from wrong


def cells(line: str, delimiter: str = ",") -> list[str]:
    """The cells of one line of CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def opened(path: Path, most: int = MAX_TEXT_BYTES) -> IO[bytes]:
    """The bytes of a plain or gzip file; more than `most`, or than a sound packing gives, end as a BadSourceError."""
    file = path.open("rb")
    packed = file.read(2) == GZIP
    file.seek(0)
    if not packed:
        return file
    file.close()
    most = min(most, max(SMALL_BYTES, MAX_PACKING * path.stat().st_size))
    return io.BufferedReader(Bounded(gzip.open(path), path, most))  # type: ignore[arg-type]


class Bounded(io.RawIOBase):
    """A stream that refuses to give more than `most` bytes."""

    def __init__(self, inner: IO[bytes], path: Path | str, most: int) -> None:
        self._inner = inner
        self._path = path
        self._most = most
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._inner.read(len(buffer))
        self._given += len(piece)
        if self._given > self._most:
            raise BadSourceError(self._path, f"unpacks to more than {self._most:,} bytes")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._inner.close()
        super().close()


def file_hash(paths: list[Path]) -> str:
    """SHA-256 over the files' bytes, one after another."""
    import hashlib

    content = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                content.update(piece)
    return content.hexdigest()


def size_of(paths: list[Path]) -> int:
    """Bytes of these files."""
    return sum(os.stat(path).st_size for path in paths)
