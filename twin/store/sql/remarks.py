"""SqlRemarks: what people say of builds, in SQLite or PostgreSQL: rows of `notes` and `build_marks`, only ever added.

It is written through the desk's engine (`SqlStore.open_desk`), in short transactions beside the writer's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.orm import aliased

from twin.remarks import MARKS, NOTES, Note, RemarkError, check_mark, check_withdrawal
from twin.store import packing
from twin.store.packing import plain_text
from twin.store.port import StoreReadOnlyError
from twin.store.sql.engine import answering
from twin.store.sql.read import Reader
from twin.store.tables import BuildMarkRow, BuildRow, LayerRow, NoteRow

NOTE: Any = NoteRow.__table__
MARK: Any = BuildMarkRow.__table__


class SqlRemarks(Reader):
    """`twin.remarks.Remarks`, as a part of `SqlStore`."""

    _desk: Engine | None

    def note(self, note: Note) -> int:
        with self._remarking() as connection:
            _known(connection, note.machine, note.build, note.layer)
            row = vars(note) | {"text": plain_text(note.text), "by": plain_text(note.by), "withdraws": None}
            return int(connection.execute(insert(NOTE).values(**row).returning(NOTE.c.id)).scalar_one())

    def withdraw_note(self, note: int, *, by: str, why: str, now_s: float) -> None:
        with self._remarking() as connection:
            found = connection.execute(
                select(NOTE.c.machine, NOTE.c.build, NOTE.c.layer).where(NOTE.c.id == note, NOTE.c.withdraws.is_(None))
            ).first()
            again = connection.execute(select(NOTE.c.id).where(NOTE.c.withdraws == note)).first()
            check_withdrawal(found is not None, again is not None, by, why)
            assert found is not None
            row = {"shape": "", "text": plain_text(why), "by": plain_text(by), "at_s": now_s, "withdraws": note}
            connection.execute(insert(NOTE).values(**found._mapping, **row))

    def notes(
        self, machine: str | None = None, build: str | None = None, *, layer: int | None = None, limit: int = 500
    ) -> pd.DataFrame:
        row, back = NoteRow, aliased(NoteRow)
        said = [row.__table__.c[name] for name in NOTES if not name.startswith("withdrawn_")]
        rows = (
            select(*said, back.by, back.at_s, back.text)
            .outerjoin(back, back.withdraws == row.id)
            .where(row.withdraws.is_(None))
        )
        for column, value in ((row.machine, machine), (row.build, build), (row.layer, layer)):
            if value is not None:
                rows = rows.where(column == value)
        return packing.table(self._rows(rows.order_by(row.id.desc()).limit(limit)), NOTES)

    def mark_build(self, machine: str, build: str, *, good: bool, by: str, note: str, now_s: float) -> None:
        with self._remarking() as connection:
            _known(connection, machine, build, None)
            mine = select(MARK.c.good).where(MARK.c.machine == machine, MARK.c.build == build)
            was = connection.execute(mine.order_by(MARK.c.id.desc()).limit(1)).scalar()
            check_mark(was, good, by, note)
            row = {"good": good, "by": plain_text(by), "at_s": now_s, "note": plain_text(note)}
            connection.execute(insert(MARK).values(machine=machine, build=build, **row))

    def build_marks(self, machine: str | None = None, build: str | None = None) -> pd.DataFrame:
        row = BuildMarkRow
        rows = select(*(row.__table__.c[name] for name in MARKS))
        for column, value in ((row.machine, machine), (row.build, build)):
            if value is not None:
                rows = rows.where(column == value)
        return packing.table(self._rows(rows.order_by(row.id)), MARKS)

    @contextmanager
    def _remarking(self) -> Iterator[Connection]:
        """One word and what it is checked against, in one transaction that nobody else's comes between."""
        if self._desk is None:
            raise StoreReadOnlyError("this store was opened for reading")
        with answering(self._desk), self._desk.begin() as connection:
            yield connection


def _known(connection: Connection, machine: str, build: str, layer: int | None) -> None:
    mine = select(BuildRow.build).where(BuildRow.machine == machine, BuildRow.build == build)
    if connection.execute(mine).first() is None:
        raise RemarkError(f"There is no build {build!r} of machine {machine!r}.")
    if layer is not None:
        here = select(LayerRow.layer).where(LayerRow.machine == machine, LayerRow.build == build)
        if connection.execute(here.where(LayerRow.layer == layer)).first() is None:
            raise RemarkError(f"Nothing is stored of layer {layer} of build {build!r}.")
