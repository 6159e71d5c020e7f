"""Archives (zip, tar, tar.gz, tar.bz2, tar.xz): unpacked into a folder of our own, or refused as a whole.

Refused before anything is written: members with absolute paths, with `..`, with a drive or a backslash, links and
devices, encrypted members, two members of one name, more members or bytes than a build has, and packing so tight that
only a bomb has it. What a member says of its size is not believed: bytes are counted while they come.
"""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from ingest.errors import BadSourceError

MAX_MEMBERS = 50_000
MAX_BYTES = 32 << 30
MAX_PACKING = 200  # unpacked bytes over packed bytes, of the archive above the next
SMALL_BYTES = 16 << 20
_COPY_BYTES = 1 << 20
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


class _Member(NamedTuple):
    name: str
    size: int
    what: str  # file, folder, or what it is instead
    handle: zipfile.ZipInfo | tarfile.TarInfo


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar, by its content; a gzip file counts when there is a tar in it."""
    try:
        return path.is_file() and (_is_zip(path) or tarfile.is_tarfile(path))
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """What the archive holds, in a temporary folder: its one member, or the folder of all."""
    with TemporaryDirectory(prefix="meltwin-archive-", ignore_cleanup_errors=True) as folder:
        unpack(path, Path(folder))
        top = sorted(Path(folder).iterdir())
        yield top[0] if len(top) == 1 else Path(folder)


def unpack(path: Path, folder: Path, most: int = MAX_BYTES) -> None:
    """Write every member below `folder`. Raises BadSourceError, with the member's name, before writing outside."""
    allowed = min(most, max(SMALL_BYTES, MAX_PACKING * path.stat().st_size))
    try:
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                members = [_of_zip(info) for info in archive.infolist()]
                _check(path, members, allowed)
                _write(path, folder, allowed, ((m, archive.open(m.handle)) for m in members if m.what == "file"))  # type: ignore[arg-type]
        else:
            with tarfile.open(path) as tar:
                listed: list[_Member] = []
                total = 0
                for info in tar:  # headers only: sizes are added up before anything is unpacked
                    listed.append(_of_tar(info))
                    total += listed[-1].size
                    if len(listed) > MAX_MEMBERS or total > allowed:
                        break
                _check(path, listed, allowed)
                _write(path, folder, allowed, ((m, tar.extractfile(m.handle)) for m in listed if m.what == "file"))  # type: ignore[arg-type, misc]
    except _DAMAGED as wrong:
        raise BadSourceError(path, f"is not a whole archive: {' '.join(str(wrong).split())[:200]}") from wrong


def _of_zip(info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    if info.flag_bits & 1:
        what = "encrypted"
    elif info.is_dir():
        what = "folder"
    else:
        what = "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "a link or device"
    return _Member(info.filename, info.file_size, what, info)


def _of_tar(info: tarfile.TarInfo) -> _Member:
    what = "file" if info.isreg() else "folder" if info.isdir() else "a link or device"
    return _Member(info.name, info.size, what, info)


def _check(path: Path, members: list[_Member], allowed: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise BadSourceError(path, f"holds more than {MAX_MEMBERS:,} members")
    seen: set[str] = set()
    for member in members:
        shown = ascii(member.name)[1:-1][:120]
        place = PurePosixPath(member.name)
        if place.is_absolute() or ".." in place.parts or "\\" in member.name or ":" in member.name.split("/")[0]:
            raise BadSourceError(path, f"member {shown} leads out of the archive's folder")
        if "\0" in member.name or not place.parts:
            if member.what == "folder":
                continue  # `./`
            raise BadSourceError(path, f"member {shown!r} has no name")
        if member.what not in ("file", "folder"):
            raise BadSourceError(path, f"member {shown} is {member.what}: only plain files are read")
        if member.what == "file":
            key = str(place).lower()
            if key in seen:
                raise BadSourceError(path, f"member {shown} is there twice")
            seen.add(key)
    total = sum(member.size for member in members)
    if total > allowed:
        raise BadSourceError(path, f"unpacks to {total:,} bytes, more than {allowed:,}")


def _write(path: Path, folder: Path, allowed: int, files: Iterable[tuple[_Member, IO[bytes]]]) -> None:
    root, written = folder.resolve(), 0
    for member, source in files:
        target = (root / PurePosixPath(member.name)).resolve()
        if not target.is_relative_to(root):  # stands behind the check of names
            raise BadSourceError(path, f"member {member.name!r} leads out of the archive's folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("xb") as file:
            while piece := source.read(_COPY_BYTES):
                written += len(piece)
                if written > allowed:
                    raise BadSourceError(path, f"unpacks to more than {allowed:,} bytes, whatever it declares")
                file.write(piece)
