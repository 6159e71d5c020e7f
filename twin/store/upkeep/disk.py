"""Disk: the guard that keeps a full disk from losing anything.

    free < spare    fields and pictures are no longer kept; sizes, alerts and messages are
    free < stop     nothing is kept: `StoreFullError`, so that nothing is acknowledged and the broker holds the rest

Either raises an alert on every machine before it happens, while there is room to say so, and clears it by itself once
there is a tenth more room than that. A disk that fills all the same (another program, another disk) fails the
transaction whole: SQLite and PostgreSQL say that they are full, which is a `StoreFullError` too.

Free is what the file system has, and pages in the file that pruning gave back. Of a server elsewhere nothing is known.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from twin.clock import Clock, SystemClock
from twin.forecast import Alert, Severity
from twin.store.port import StoreFullError
from twin.store.tables import AlertRow, MachineRow

MIB = 2**20
RECOVERY = 1.1  # of a limit, before what it stopped begins again
LOW, FULL = "disk_low", "disk_full"
_MEDIUM: Severity = "medium"
_HIGH: Severity = "high"


@dataclass(frozen=True)
class Room:
    """Free space on the disk, in MiB, below which less is kept, and below which nothing is."""

    spare_mib: float
    stop_mib: float
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    clock: Clock = field(default_factory=SystemClock)


class DiskGuard:
    """Asked before every write of one store, by its one writer."""

    def __init__(self, room: Room, file: Path, say: Callable[[list[Alert], float], None]) -> None:
        """`say` commits alerts in a transaction of their own."""
        self._room, self._file, self._say = room, file, say
        self._short: set[str] | None = None  # kinds of alert that there is reason for; None: not looked yet
        self._standing: set[str] = set()  # kinds of alert that are raised

    def admit(self, engine: Engine) -> bool:
        """Whether fields and pictures may be kept. Raises `StoreFullError` where nothing may."""
        free = self._free(engine)
        if self._short is None:
            self._standing = _open_kinds(engine)
            self._short = set(self._standing)
        for kind, limit_mib in ((LOW, self._room.spare_mib), (FULL, self._room.stop_mib)):
            short = free < limit_mib * MIB * (RECOVERY if kind in self._short else 1.0)
            self._short = self._short | {kind} if short else self._short - {kind}
            if short != (kind in self._standing):
                self._tell(engine, kind, free, short)
        if FULL in self._short:
            raise StoreFullError(
                f"{free / MIB:,.0f} MiB are free beside {self._file}, less than disk_stop_mib: nothing is taken until "
                "there is more; see meltwin db prune"
            )
        return LOW not in self._short

    def _free(self, engine: Engine) -> int:
        free = self._room.free_bytes(self._file.parent)
        if free >= max(self._room.spare_mib, self._room.stop_mib) * MIB * RECOVERY:
            return free
        with engine.connect() as connection:  # short of room: do empty pages in the file help?
            pages = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            return int(free + pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())

    def _tell(self, engine: Engine, kind: str, free: int, short: bool) -> None:
        now_s = self._room.clock.now_s()
        with suppress(StoreFullError):  # no room even to say so: what is being written fails the same way, and is told
            with engine.connect() as connection:
                alerts = _raised(connection, kind, free, now_s) if short else _cleared(connection, kind, now_s)
            self._say(alerts, now_s)
            if short and alerts:  # without a machine there is nobody to tell yet
                self._standing.add(kind)
            elif not short:
                self._standing.discard(kind)


def _open_kinds(engine: Engine) -> set[str]:
    """What a run before this one has raised and not cleared."""
    still = select(AlertRow.kind).where(AlertRow.kind.in_((LOW, FULL)), AlertRow.cleared_s.is_(None))
    with engine.connect() as connection:
        return set(connection.execute(still.distinct()).scalars())


def _raised(connection: Connection, kind: str, free: int, now_s: float) -> list[Alert]:
    what = (
        "Fields and pictures are no longer kept" if kind == LOW else "Nothing is taken from the broker, which holds it"
    )
    evidence = f"{free / MIB:,.0f} MiB are free on the store's disk. {what}."
    action = "Make room: see what `meltwin db prune` would delete, or free the disk."
    severity = _MEDIUM if kind == LOW else _HIGH
    known = connection.execute(select(MachineRow.machine, MachineRow.build).order_by(MachineRow.machine)).all()
    return [
        Alert(machine, build or "", kind, severity, 0, None, None, now_s, now_s, evidence, action)
        for machine, build in known
    ]


def _cleared(connection: Connection, kind: str, now_s: float) -> list[Alert]:
    row = AlertRow
    still = select(*row.__table__.c).where(row.kind == kind, row.cleared_s.is_(None))
    return [
        Alert(
            a.machine, a.build, a.kind, a.severity, a.layer, None, None, a.first_seen_s, max(a.last_seen_s, now_s),
            a.evidence, a.action, cleared_s=now_s,
        )
        for a in connection.execute(still)
    ]  # fmt: skip
