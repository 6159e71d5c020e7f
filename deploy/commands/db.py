"""`meltwin db`: what a store needs over the years."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.commands.options import Database
from deploy.errors import MeltwinError, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.store.upkeep.prune import Pruned

db = typer.Typer(
    help=(
        "Look after the store of the setting `database`: what it holds, its schema, copies of it, an end to what is "
        "old, tables as files.\n\nExample: `./meltwin db status`"
    ),
    no_args_is_help=True,
)
Machine = Annotated[str | None, typer.Option(help="rows of this machine only")]


def status(database: Database = None) -> None:
    """Say what the store holds: schema, size, rows by table, first and last message, room on the disk.

    It reads only, and works while `run` writes. Rows of the large tables are those that the counters tell.

    Example: `./meltwin db status`
    """
    from shutil import disk_usage

    from deploy.settings import load
    from twin.store.sql.engine import file_of
    from twin.store.upkeep.status import status as look

    settings = load(database=database)
    found = look(settings.database_url)
    file = file_of(settings.database_url)
    waits = "" if found.revision == found.newest_revision else f"; {found.newest_revision} waits: meltwin db upgrade"
    lines = {"store": found.place, "schema": found.revision + waits, "size": _size(found.size_bytes)}
    if found.reusable_bytes:
        lines["size"] += f", of which {_size(found.reusable_bytes)} are free to be used again"
    if file is not None:
        lines["disk"] = f"{_size(disk_usage(file.parent).free)} free beside it"
    for name, at_s in (("first", found.first_received_s), ("last", found.last_received_s)):
        lines[f"{name} message"] = _date(at_s)
    for name, value in lines.items():
        typer.echo(f"{name:>14}  {value}")
    typer.echo("")
    for name, count in {**found.rows, **found.apart}.items():
        typer.echo(f"{name:>22}  {count:>14,}")


def upgrade(
    database: Database = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="you have made one yourself")] = False,
) -> None:
    """Bring the schema to this program's, in one transaction, after a backup; `run` does the same when it starts.

    If the backup cannot be made (no room, no pg_dump) nothing is changed. Stop an older version's `run` and `ui` first.

    Example: `./meltwin db upgrade`
    """
    from deploy.errors import DatabaseError
    from deploy.settings import load
    from twin.store.tables import SCHEMA_REVISION
    from twin.store.upkeep.schema import revision_at
    from twin.store.upkeep.schema import upgrade as migrate

    settings = load(database=database)
    url, place = settings.database_url, settings.database_place
    before = revision_at(url)
    if before == SCHEMA_REVISION:
        typer.echo(f"{place} has schema {before}: nothing to do")
        return
    try:
        made = migrate(url, backups=settings.data_dir / "backups", backup=not no_backup)
    except OSError as error:
        raise DatabaseError(
            f"cannot write to {place}: {error.strerror}; see the settings database, data_dir"
        ) from error
    if made is not None:
        typer.echo(f"backup: {made}")
    typer.echo(f"{place}: schema {before or 'none'} -> {SCHEMA_REVISION}")


def backup(
    database: Database = None,
    to: Annotated[Path | None, typer.Option(help="folder; left out: `backups` in the setting data_dir")] = None,
) -> None:
    """Copy the whole store to a dated file, while it is in use; the copy is checked, and only its owner may read it.

    SQLite: a file that is a store itself. PostgreSQL: what `pg_dump` writes, for `pg_restore`.

    Example: `./meltwin db backup --to /mnt/backups`
    """
    from deploy.settings import load
    from twin.store.upkeep.backup import back_up
    from twin.store.upkeep.schema import revision_at

    settings = load(database=database)
    url = settings.database_url
    made = back_up(url, to or settings.data_dir / "backups", name=revision_at(url))
    typer.echo(f"{made}  ({_size(made.stat().st_size)})")


def prune(
    database: Database = None,
    preview: Annotated[bool, typer.Option("--preview", help="only say what would go: so it is without --yes")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="delete it")] = False,
) -> None:
    """Delete what is older than the setting `keep_days` says of its kind; without `--yes` only say what would go.

    Never forecasts, sizes, alerts, notes, acknowledgements or gaps; nothing of a build that is marked by
    `./meltwin db keep`, and nothing that a restart needs. It may be stopped, and works while `run` writes.

    Example: `./meltwin db prune`, then `./meltwin db prune --yes`
    """
    from deploy.settings import load
    from twin.clock import SystemClock
    from twin.store.upkeep import prune as pruning

    if preview and yes:
        raise MeltwinError("--preview deletes nothing and --yes does: choose one")
    settings = load(database=database)
    url, now_s = _newest(settings.database_url), SystemClock().now_s()
    days = {str(kind): value for kind, value in settings.keep_days.items()}
    parts = pruning.prune(url, days, now_s) if yes else pruning.preview(url, days, now_s)
    for line in _told(parts, days):
        typer.echo(line)
    rows, size = sum(part.rows for part in parts), sum(part.bytes for part in parts)
    done = "deleted" if yes else "would go; delete them with --yes"
    typer.echo(f"{rows:,} rows with {_size(size)} of arrays and messages {done}")


def keep(
    build: Annotated[str, typer.Argument(help="name of the build")],
    machine: Annotated[str | None, typer.Option(help="left out: the only machine that has such a build")] = None,
    note: Annotated[str, typer.Option(help="why")] = "",
    release: Annotated[bool, typer.Option("--release", help="take the mark back")] = False,
    database: Database = None,
) -> None:
    """Mark a build, so that pruning leaves it whole; `--release` takes the mark back. Who and when is kept with it.

    Example: `./meltwin db keep golden-7 --note "the first without pores"`
    """
    import getpass

    from deploy.settings import load
    from twin.clock import SystemClock
    from twin.store.upkeep import prune as pruning
    from twin.store.upkeep.export import table

    url = _newest(load(database=database).database_url)
    known = table(url, "layers", machine=machine, build=build), table(url, "builds", machine=machine, build=build)
    machines = sorted({name for rows in known for name in rows.machine})
    if len(machines) != 1:
        raise MeltwinError(
            f"{'several machines have' if machines else 'no machine has'} a build {build}"
            + (f": choose by --machine among {', '.join(machines)}" if machines else "")
        )
    if release:
        was = pruning.release(url, machines[0], build)
        typer.echo(f"{build} of {machines[0]} {'is no longer kept' if was else 'was not marked'}")
        return
    pruning.keep(url, machines[0], build, by=getpass.getuser(), now_s=SystemClock().now_s(), note=note)
    typer.echo(f"{build} of {machines[0]} is kept from pruning")


def export(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="a table of docs/store.md")],
    to: Annotated[Path, typer.Argument(help="file: .csv, .csv.gz or .parquet", dir_okay=False)],
    machine: Machine = None,
    build: Annotated[str | None, typer.Option(help="rows of this build only")] = None,
    database: Database = None,
) -> None:
    """Write one table, or what one build has in it, to CSV or Parquet; the columns' names carry the units.

    Samples of `parameters` are one row each, messages are JSON; fields and pictures come without their arrays.

    Example: `./meltwin db export melt_pool sizes.csv --build wall-7`
    """
    from deploy.settings import load
    from twin.export import ExportError, write_table
    from twin.store.upkeep.export import table

    settings = load(database=database)
    rows = table(settings.database_url, name, machine=machine, build=build)
    about = {"table": name, "machine": machine, "build": build, "store": settings.database_place}
    try:
        write_table(rows, to, about)
    except ImportError as error:
        raise MeltwinError(f"{to}: Parquet needs pyarrow, which is not installed: write .csv instead") from error
    except (ExportError, OSError) as error:
        raise MeltwinError(str(error)) from error
    typer.echo(f"{to}: {len(rows):,} rows, {len(rows.columns)} columns")


for verb in (status, upgrade, backup, prune, keep, export):
    db.command()(told(verb))


def _newest(url: str) -> str:
    """The URL of a store of this program's schema; another is told, not changed."""
    from twin.store.sql.store import SqlStore

    SqlStore.open_reader(url).close()
    return url


def _told(parts: "Sequence[Pruned]", days: dict[str, float]) -> list[str]:
    return [
        f"{part.table:>14}  {part.rows:>12,} rows  {_size(part.bytes):>10}  older than {days[part.kind]:g} days"
        for part in parts
    ]


def _size(size: int) -> str:
    if size < 2**10:
        return f"{size} B"
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size / 2**10:,.1f} KiB"


def _date(at_s: float | None) -> str:
    from datetime import UTC, datetime

    return "none" if at_s is None else datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
