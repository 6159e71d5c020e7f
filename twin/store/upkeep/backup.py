"""Backup: a whole copy of a store while it is in use.

SQLite: the online backup API, page by page, checked afterwards; the copy is a store, to be opened or put back in place.
PostgreSQL: `pg_dump` in its own format, to be put back by `pg_restore`. The password goes by the environment.
"""

import os
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL

from twin.clock import Clock, SystemClock
from twin.store.port import StoreBackupError, StoreMissingError
from twin.store.sql.engine import file_of, parse, told

PAGES = 2000  # of a backup at once: between them a writer may write
WHERE_TO_FIND = "/usr/lib/postgresql"


def back_up(url: str, folder: Path | None = None, *, name: str | None = None, clock: Clock | None = None) -> Path:
    """A dated copy of the store at `url` in `folder` (of an SQLite store by default `backups` beside it); its path.

    `name` goes into the file's name: the schema's revision, say. Raises `StoreBackupError`, and leaves no half copy.
    """
    place, file = parse(url), file_of(url)
    if file is not None and not file.exists():
        raise StoreMissingError(f"there is no store at {file} to back up")
    if folder is None:
        if file is None:
            raise StoreBackupError(f"say into which folder the backup of {told(url)} goes")
        folder = file.parent / "backups"
    date = _date((clock or SystemClock()).now_s())
    stem = "-".join(part for part in (Path(place.database or "store").stem, name, date) if part)
    target = folder / f"{stem}{'.db' if file is not None else '.dump'}"
    half = target.with_name(target.name + ".half")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        half.touch(mode=0o600)  # everything that is known stands in it
    except OSError as error:
        raise StoreBackupError(f"no backup of {told(url)}: {error}") from error
    try:
        if file is not None:
            _copy(file, half)
        else:
            _dump(place, half)
        os.replace(half, target)
    except (OSError, sqlite3.Error) as error:
        raise StoreBackupError(f"no backup of {told(url)} in {folder}: {error}") from error
    finally:
        half.unlink(missing_ok=True)
    return target


def _date(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")


def _copy(file: Path, target: Path) -> None:
    source = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy, pages=PAGES)
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(f"the copy is not whole: {found}")
    finally:
        copy.close()
        source.close()


def pg_dump() -> str | None:
    """The newest `pg_dump` here: Debian keeps one a version, and the one on the path may be another's."""
    installed = sorted(Path(WHERE_TO_FIND).glob("*/bin/pg_dump"), key=lambda path: float(path.parts[-3]))
    return str(installed[-1]) if installed else shutil.which("pg_dump")


def _dump(place: URL, target: Path) -> None:
    program = pg_dump()
    if program is None:
        raise StoreBackupError(
            f"no backup of {told(place)}: pg_dump is not installed (apt install postgresql-client). "
            "Or make a backup yourself, and go on with `meltwin db upgrade --no-backup`"
        )
    host = place.host or place.query.get("host")
    link = {"host": host, "port": place.port, "username": place.username, "dbname": place.database}
    options = [f"--{name}={value}" for name, value in link.items() if value is not None]
    options += ["--format=custom", "--no-password", f"--file={target}"]
    secret = {"PGPASSWORD": str(place.password)} if place.password else {}
    extra = {f"PG{name.upper()}": str(value) for name, value in place.query.items() if name.startswith("ssl")}
    done = subprocess.run(
        [program, *options], env={**os.environ, **extra, **secret}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"pg_dump ended with {done.returncode}"]
        raise StoreBackupError(f"no backup of {told(place)}: {lines[-1]}")
