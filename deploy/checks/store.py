"""Store and weights: the database can be written and agrees about the time, weights are those of their cards."""

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from deploy.checks.finding import Finding
from deploy.errors import DatabaseError, SettingsError
from deploy.monitor.logs import without_secrets
from deploy.settings import Settings
from deploy.wiring import open_store, read_store
from twin.clock import SystemClock
from twin.store.approvals import BY_SETTINGS
from twin.store.port import StoreError
from twin.store.sql.engine import connect, file_of
from twin.store.tables import SCHEMA_REVISION
from twin.store.upkeep.schema import revision_at

NETWORK = ("nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "glusterfs", "ceph")
SKEW_S = 1.0
now_s = SystemClock().now_s
WITHOUT_WEIGHTS = ("reference", "conservative")
REMEDY = "promote a card that is here, or roll back, on the page Models"


def store(settings: Settings) -> Iterator[Finding]:
    """The database: writable, of which version, on what disk, and whose clocks disagree. No file is made."""
    try:
        place = settings.database_place
        file = file_of(settings.database_url)
        if file is not None and not file.exists():
            yield _not_yet(file, place)
            yield Finding("sqlite", "ok", sqlite3.sqlite_version)
            yield _file_system(file)
            yield _power_cut(settings)
            return
        schema = revision_at(settings.database_url)
        if schema not in (None, SCHEMA_REVISION):
            yield Finding("database", "MISSING", f"{place} has schema {schema}", "./meltwin db upgrade")
            return
        open_store(settings).close()
    except (DatabaseError, SettingsError, StoreError) as error:
        yield Finding("database", "MISSING", without_secrets(str(error)), "see the settings database, data_dir")
        return
    yield Finding("database", "ok", f"{place}, writable")
    if file is not None:
        yield Finding("sqlite", "ok", sqlite3.sqlite_version)
        yield _file_system(file)
        yield _power_cut(settings)
    else:
        yield from _server(settings)
    yield from _machines(settings)


def _not_yet(file: Path, place: str) -> Finding:
    """Whether `run` could make it: in its folder, or in the nearest one above that is there."""
    folder = next(each for each in file.absolute().parents if each.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding("database", "ok", f"{place} is not there yet; {folder} is writable")
    why = f"{folder} is {'not writable' if folder.is_dir() else 'no folder'}"
    return Finding("database", "MISSING", f"{place} cannot be made: {why}", "see the settings database, data_dir")


def _file_system(path: Path) -> Finding:
    name = str(path.absolute())
    holders = [part for part in psutil.disk_partitions(all=True) if _holds(part.mountpoint, name)]
    kind = max(holders, key=lambda part: len(part.mountpoint)).fstype if holders else ""
    if kind.lower() in NETWORK:
        return Finding(
            "database's disk", "LOSES", f"{path} lies on {kind}", "SQLite needs a local disk; or use PostgreSQL"
        )
    return Finding("database's disk", "ok", f"local ({kind or 'unknown'})")


def _holds(mountpoint: str, name: str) -> bool:
    return name.startswith(mountpoint.rstrip("/") + "/") or mountpoint == "/"


def _power_cut(settings: Settings) -> Finding:
    if settings.durability == "full":
        return Finding("durability", "ok", "full: a commit survives a power cut")
    told = "normal: a power cut may lose the last commits, which the broker has been told to forget"
    return Finding("durability", "look", told, "durability = full, or a supply that does not fail")


def _server(settings: Settings) -> Iterator[Finding]:
    engine = connect(settings.database_url, writes=False)
    try:
        with engine.connect() as connection:
            version = str(connection.execute(text("SHOW server_version")).scalar())
            waits = str(connection.execute(text("SHOW synchronous_commit")).scalar())
            syncs = str(connection.execute(text("SHOW fsync")).scalar())
            before_s = now_s()
            theirs_s = float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())
            skew_s = theirs_s - (before_s + now_s()) / 2
    except SQLAlchemyError as error:
        reason = without_secrets(str(getattr(error, "orig", None) or error).splitlines()[0])
        yield Finding("postgresql", "MISSING", reason, "see the setting database")
        return
    finally:
        engine.dispose()
    yield Finding("postgresql", "ok", version)
    keeps = "off" not in (waits, syncs)
    told = f"synchronous_commit is {waits}, fsync is {syncs}"
    yield Finding("durability", "ok" if keeps else "LOSES", told, "a crash of the server loses commits: set both on")
    state = "ok" if abs(skew_s) < SKEW_S else "look"
    yield Finding("database's clock", state, f"{skew_s:+.3f} s from ours", "keep both by NTP")  # type: ignore[arg-type]


def _machines(settings: Settings) -> Iterator[Finding]:
    """A machine whose newest message was sent in our future has another time."""
    reader = read_store(settings)
    try:
        rows = reader.machines()
    finally:
        reader.close()
    here_s = now_s()
    for row in rows.itertuples():
        if row.last_sent_s == row.last_sent_s and row.last_sent_s - here_s > SKEW_S:
            told = f"{row.last_sent_s - here_s:.1f} s ahead of ours"
            yield Finding(f"clock of {row.machine}", "look", told, "keep the machine's clock by NTP")


def serving(settings: Settings) -> Iterator[Finding]:
    """Which card serves which machine, and who let it; whether it can."""
    from operators import card

    try:
        reader = read_store(settings)
    except (DatabaseError, SettingsError, StoreError, SQLAlchemyError):
        return  # told by `store`
    try:
        approvals = {str(name): reader.approval(str(name)) for name in reader.machines()["machine"]}
    finally:
        reader.close()
    for machine, approval in sorted(approvals.items()):
        if approval is None or approval.card == BY_SETTINGS:
            named = settings.operators.get(machine, settings.operator)
            yield Finding(f"serves {machine}", "ok", f"{named}, by the settings")
            continue
        told = f"{approval.card}, {approval.act.replace('_', ' ')} by {approval.by} on {_date(approval.at_s)}"
        try:
            sha256 = "" if approval.card in WITHOUT_WEIGHTS else card.load(approval.card)[1]["sha256"]
        except card.CardError as error:
            yield Finding(f"serves {machine}", "look", f"{told}: {error}", REMEDY)
            continue
        same = sha256 == approval.sha256
        yield Finding(
            f"serves {machine}", "ok" if same else "look", told if same else f"{told}, with other weights", REMEDY
        )


def _date(moment_s: float) -> str:
    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%d %H:%M} UTC"


def weights() -> Iterator[Finding]:
    """Every shipped card, with its weights as the card says."""
    from operators import card

    names = card.names()
    if not names:
        yield Finding("weights", "absent", "none", "make them: ./meltwin train melt-pool")
    for name in names:
        try:
            card.load(name)
        except card.CardError as error:
            yield Finding(f"weights {name}", "MISSING", str(error), "fetch the file again")
        else:
            yield Finding(f"weights {name}", "ok", "as its card says")


def folder(settings: Settings) -> Finding:
    """Where everything is written: ours, and closed to strangers' writing."""
    path = settings.data_dir
    if not path.exists():
        return Finding("data_dir", "look", f"{path} is not there yet", "`run` makes it")
    if not os.access(path, os.W_OK):
        return Finding("data_dir", "MISSING", f"{path} is not writable", "see the setting data_dir")
    mode = path.stat().st_mode & 0o777
    if mode & 0o002:
        return Finding("data_dir", "UNSAFE", f"{path} has mode {mode:04o}: anybody may write", f"chmod o-w {path}")
    return Finding("data_dir", "ok", f"{path}, mode {mode:04o}")
