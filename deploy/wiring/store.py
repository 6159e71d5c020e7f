"""The store and what stands beside it: people, requests, and who may see the page."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from deploy.errors import DatabaseError, MeltwinError, SettingsError
from deploy.monitor.logs import without_secrets
from deploy.settings import Settings, listed
from twin.clock import SystemClock
from twin.people import People
from twin.store.port import Store, StoreError, StoreMissingError
from twin.store.sql.people import SqlPeople
from twin.store.sql.requests import Asker
from twin.store.sql.store import SqlStore
from twin.store.sql.stretch import Stretches
from twin.store.upkeep.disk import Room
from twin.store.upkeep.schema import revision_at

if TYPE_CHECKING:
    from ui.access.access import Access as PageAccess


def open_store(settings: Settings) -> Store:
    """The writer; makes the folder, the file and the schema where they are missing."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return SqlStore.create(
            settings.database_url,
            durability=settings.durability,
            backups=settings.data_dir / "backups",
            room=Room(settings.disk_spare_mib, settings.disk_stop_mib),
        )
    except (OSError, SQLAlchemyError) as error:
        raise DatabaseError(
            f"cannot write to {settings.database_place}: {_reason(error)}; see the settings database, data_dir"
        ) from error


def read_store(settings: Settings) -> Store:
    """A reader of what was written."""
    return SqlStore.open_reader(settings.database_url)


def people(settings: Settings) -> People:
    """The port of people's acts. Makes an empty store where there is none; the schema of an older one is for `run`."""
    if revision_at(settings.database_url) is None:
        open_store(settings).close()
    return SqlPeople.open(settings.database_url)


def page_access(settings: Settings, first: Callable[[People], None]) -> "PageAccess | None":
    """Who may see the page; None where nobody signs in. `first` is called while there is no account."""
    from ui.access.access import Access as PageAccess
    from ui.access.cookie import KeyFileError, Signer, key_in
    from ui.access.proxy import proxies
    from ui.access.roll import Roll

    if settings.ui_sign_in == "off":
        return None
    try:
        signer = Signer(key_in(settings.data_dir / "session.key"))
    except KeyFileError as error:
        raise MeltwinError(f"{error}; see the setting data_dir") from error
    trusted = proxies(listed(settings.ui_proxy.get("address", "")), settings.ui_proxy.get("header", ""))
    return PageAccess(Roll(partial(people, settings), first), signer, proxies=trusted)


def store_lost(settings: Settings) -> dict[str, str]:
    """Why a reader cannot open the store now; empty when it can."""
    try:
        SqlStore.open_reader(settings.database_url).close()
    except (SQLAlchemyError, StoreError, SettingsError) as error:
        return {"store": _reason(error)}
    return {}


@contextmanager
def holdings(settings: Settings, *, writes: bool) -> Iterator[SqlStore | None]:
    """The store whole: for a writer made where there is none, for a reader None then."""
    if writes:
        store: SqlStore | None = open_store(settings)  # type: ignore[assignment]
    else:
        try:
            store = SqlStore.open_reader(settings.database_url)
        except StoreMissingError:
            store = None
    try:
        yield store
    finally:
        if store is not None:
            store.close()


@contextmanager
def stored(settings: Settings) -> Iterator[Stretches]:
    """What is stored, for reading."""
    with closing(SqlStore.open_reader(settings.database_url)) as store:
        yield store


def ask(settings: Settings, kind: str, arguments: dict[str, Any], who: str, within_s: float) -> int:
    """Ask the run process, as a page does; the number of the request."""
    with closing(Asker(settings.database_url)) as asker:
        now_s = SystemClock().now_s()
        return asker.ask(kind, arguments, who=who, now_s=now_s, deadline_s=now_s + within_s)


def _reason(error: Exception) -> str:
    """The first line, without what a driver may have put in of the URL."""
    return without_secrets(str(getattr(error, "orig", None) or error).splitlines()[0])
