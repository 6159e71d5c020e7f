"""Readers: files that a machine left behind, as a Recording that says its messages again.

`open_source` finds out what a path holds. A whole source is read and checked before its first message, so a malformed
or truncated file is an error and never a shorter build.
"""

from pathlib import Path

from ingest.errors import BadSourceError
from ingest.readers import pelican, scan_path
from ingest.readers.build_file import find_build_file, read_build_file
from ingest.readers.recording import Recording


def open_source(path: Path | str, build_file: Path | str | None = None, run: str = "") -> Recording:
    """Read a file or folder. `build_file` says what the log does not carry; without it, see `find_build_file`."""
    path = Path(path)
    if not path.exists():
        raise BadSourceError(path, "there is no such file or folder")
    reader = pelican if pelican.holds(path) else scan_path if scan_path.holds(path) else None
    if reader is None:
        raise BadSourceError(
            path,
            "is neither a scan path (`Mode X Y Z Pmod tParam`, one .txt file or a folder of them) "
            "nor a Pelican log (a folder with x.zip, y.zip, z.zip and onoff.zip)",
        )
    found = Path(build_file) if build_file is not None else find_build_file(path, reader.FORMAT)
    return reader.read(path, read_build_file(found, reader.FORMAT), run)


__all__ = ["Recording", "open_source"]
