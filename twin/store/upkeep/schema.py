"""Schema: migrations up and down, on SQLite and PostgreSQL, each in one transaction.

The history is `twin/store/migrations/versions`; `tables/` is what it must come to. While a migration copies a table
(SQLite cannot alter a column) its foreign keys point nowhere, so they are checked at the end, before the commit.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from twin.store.port import StoreCorruptError, StoreVersionError
from twin.store.sql.engine import answering, connect, file_of, told
from twin.store.tables import SCHEMA_REVISION
from twin.store.upkeep.backup import back_up

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def revision_of(connection: Connection) -> str | None:
    """The revision of a store; None where there are no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def revision_at(url: str) -> str | None:
    """The same by URL; None also where there is no file. Changes nothing."""
    file = file_of(url)
    if file is not None and not file.exists():
        return None
    engine = connect(url, writes=False, upkeep=True)
    try:
        with answering(engine), engine.connect() as connection:
            return revision_of(connection)
    finally:
        engine.dispose()


def upgrade(url: str, *, backups: Path | None = None, backup: bool = True) -> Path | None:
    """Bring the schema to the newest revision, in one transaction. Returns the backup that was made before, if any.

    An empty store needs none. Raises `StoreVersionError` for a store of a newer program, and whatever `back_up` raises;
    then nothing has changed.
    """
    file = file_of(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    before = revision_at(url)
    if before == SCHEMA_REVISION:
        return None
    _refuse_unknown(url, before)
    made = back_up(url, backups, name=before) if backup and before is not None else None
    _migrate(url, "upgrade", "head")
    return made


def downgrade(url: str, revision: str = "base") -> None:
    """Take the schema back to a revision; what that one cannot hold is lost. Makes no backup."""
    _migrate(url, "downgrade", revision)


def _migrate(url: str, direction: str, revision: str) -> None:
    from alembic import command

    engine = connect(url, writes=True, upkeep=True)
    try:
        with answering(engine), engine.begin() as connection:
            if direction == "upgrade" and revision_of(connection) == SCHEMA_REVISION:
                return  # another start was first
            getattr(command, direction)(alembic(connection), revision)
            _check_keys(connection)
    finally:
        engine.dispose()


def alembic(connection: Connection) -> Any:
    """Alembic's configuration, over a connection and inside its transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _refuse_unknown(url: str, revision: str | None) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if revision is not None and revision not in known:
        raise StoreVersionError(
            f"the store at {told(url)} has schema {revision}, which is newer than {SCHEMA_REVISION}: upgrade Meltwin"
        )


def _check_keys(connection: Connection) -> None:
    """PostgreSQL looks by itself."""
    if connection.dialect.name != "sqlite":
        return
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if lost is not None:
        raise StoreCorruptError(f"migrated, a row of {lost[0]} would point to no row of {lost[2]}: nothing is changed")
