"""Readers: files that a machine left behind, as a Recording that says its messages again.

`open_source` finds out what a path holds by what is in it, never by its ending. A source is checked before its first
message, so a malformed or truncated file is an error and never a shorter build; of a file too large for the memory
(XYPT, Peregrine HDF5) it is names, shapes and lengths that are checked first, and values layer by layer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ingest.errors import BadSourceError
from ingest.files import archive, hdf5, tables, text
from ingest.readers import cli, columns, frames, pelican, peregrine, scan_path, xypt
from ingest.readers.build_file import FILE_NAME, find_build_file, read_build_file
from ingest.readers.recording import Recording

KNOWN = (
    "a scan path (`Mode X Y Z Pmod tParam`, one .txt file or a folder of them), a Pelican log (a folder with x.zip, "
    "y.zip, z.zip and onoff.zip), NIST XYPT or Peregrine in HDF5, CLI text ($$HEADERSTART), the AMMT frame table, or "
    "CSV with [csv] in its build file"
)


def open_source(path: Path | str, build_file: Path | str | None = None, run: str = "") -> Recording:
    """Read a file or folder. `build_file` says what the log does not carry; without it, see `find_build_file`."""
    path = Path(path)
    if not path.exists():
        raise BadSourceError(path, "there is no such file or folder")
    reader = reader_of(path)
    found = Path(build_file) if build_file is not None else find_build_file(path, reader.FORMAT)
    recording: Recording = reader.read(path, read_build_file(found, reader.FORMAT), run)
    return recording


@contextmanager
def opened(path: Path | str, build_file: Path | str | None = None) -> Iterator[Recording]:
    """As `open_source`, also for a zip or tar of a source: it is unpacked for as long as the recording is used."""
    path = Path(path)
    if not archive.is_archive(path):
        yield open_source(path, build_file)
        return
    with archive.unpacked(path) as inside:
        try:
            if build_file is None and not (inside if inside.is_dir() else inside.parent).joinpath(FILE_NAME).exists():
                # the archive's own name and place are where a build file is looked for, as for the folder it packs
                build_file = find_build_file(path, reader_of(inside).FORMAT)
            yield open_source(inside, build_file)
        except BadSourceError as wrong:
            if wrong.path.is_relative_to(inside.parent if inside.is_file() else inside):
                raise BadSourceError(f"{path}: {wrong.path.name}", wrong.reason, wrong.line) from wrong
            raise


def reader_of(path: Path) -> ModuleType:
    """The module that reads what is there; it has FORMAT and read(path, build_file, run)."""
    if path.is_dir():
        return _of_folder(path)
    first = text.head(path)
    if first.startswith(hdf5.SIGNATURE):
        return _of_hdf5(path)
    if archive.is_archive(path):
        raise BadSourceError(path, "is an archive: `import` reads what is in it, or unpack it first")
    if cli.START in first:
        return cli
    words = first.decode("utf-8-sig", "replace").split(None, 6)
    if [word.lower().split("(")[0] for word in words[:2]] == ["mode", "x"] or words[:2] == ["Number", "of"]:
        return scan_path
    names = _header(first)
    if set(frames.COLUMNS) <= set(names):
        return frames
    kind = tables.kind_of_header(names)
    if kind is not None:
        raise BadSourceError(
            path, f"is a table ({kind.name}) and not a build: ingest.files.tables.read_table gives it as a DataFrame"
        )
    if path.suffix.lower() == ".txt":
        return scan_path  # says what is wrong with its header
    if len(names) >= 3:
        return columns
    raise BadSourceError(path, f"begins with {_shown(first)}, which is not {KNOWN}")


def _header(first: bytes) -> list[str]:
    line = first.decode("utf-8-sig", "replace").partition("\n")[0].strip()
    if "\0" in line or "�" in line:
        return []
    delimiter = max(",;\t", key=line.count)
    return [name.strip() for name in text.cells(line, delimiter)]


def _of_folder(path: Path) -> ModuleType:
    if pelican.holds(path):
        return pelican
    if scan_path.holds(path):
        return scan_path
    found = ", ".join(sorted(each.name for each in path.iterdir())[:5]) or "nothing"
    raise BadSourceError(path, f"is a folder with {found}, which is not {KNOWN}")


def _of_hdf5(path: Path) -> ModuleType:
    with hdf5.open_hdf5(path) as file:
        found = hdf5.names(path, file)
    if xypt.GROUP in found:
        return xypt
    if "scans" in found:
        return peregrine
    missing = " and no scans" if set(peregrine.GROUPS) & set(found) else ""
    raise BadSourceError(
        path,
        f"is HDF5 with {', '.join(found[:6]) or 'nothing'}{missing}, not XYPT (NIST) or scans (Peregrine)",
    )


def _shown(first: bytes) -> str:
    return ascii(first[:24].decode("latin-1")) if first else "nothing"


__all__ = ["Recording", "open_source", "opened"]
