"""SqlPeople: people's acts in SQLite or PostgreSQL. It writes `accounts` and `account_acts`, and no other table.

It reads through an engine that cannot write, and takes the one right to write (`engine.connect`) only for an act: a
page that is looked at never holds up `run`. An act waits for the disk (`durability="full"`): there are few.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, func, insert, select, update

from twin.people import ACT_COLUMNS, Account, PeopleError, SignOut, check_name, check_role
from twin.store import packing
from twin.store.sql.engine import answering, connect
from twin.store.sql.store import reading_engine
from twin.store.tables import AccountActRow, AccountRow

ROW: Any = AccountRow.__table__
ACT: Any = AccountActRow.__table__


class SqlPeople:
    """`twin.people.People` over a store that `run`, or `SqlStore.create`, has made."""

    def __init__(self, reading: Engine, writing: Engine) -> None:
        self._reading, self._writing = reading, writing

    @classmethod
    def open(cls, url: str) -> "SqlPeople":
        """Raises `StoreMissingError`, `StoreVersionError`; changes no schema."""
        reading = reading_engine(url)
        return cls(reading, connect(url, writes=True, durability="full"))

    def accounts(self) -> list[Account]:
        with answering(self._reading), self._reading.connect() as connection:
            rows = connection.execute(select(*ROW.c)).mappings().all()
        return sorted((Account(**row) for row in rows), key=lambda account: account.name)  # whatever the collation

    def add_account(
        self, name: str, role: str, password_hash: str, *, by: str, now_s: float, first: bool = False
    ) -> None:
        check_name(name)
        check_role(role)
        with self._act() as connection:
            if first and connection.execute(select(func.count()).select_from(ROW)).scalar_one():
                raise PeopleError("there is an account already")
            if connection.execute(select(ROW.c.name).where(ROW.c.name == name)).first():
                raise PeopleError(f"there is an account {name} already")
            who = {"created_by": by, "created_s": now_s, "changed_by": by, "changed_s": now_s}
            row = {"name": name, "role": role, "password_hash": password_hash, "epoch": 1, "disabled": False}
            connection.execute(insert(ROW).values(**row, **who))
            _record(connection, now_s, by, "added", name, role)

    def set_password(self, name: str, password_hash: str, *, by: str, now_s: float) -> None:
        with self._act() as connection:
            was = _one(connection, name)
            _change(connection, name, by, now_s, password_hash=password_hash, epoch=was.epoch + 1)
            _record(connection, now_s, by, "password", name)

    def set_role(self, name: str, role: str, *, by: str, now_s: float) -> None:
        with self._act() as connection:
            was = _one(connection, name)
            check_role(role)
            if role != was.role:
                _change(connection, name, by, now_s, role=role)
                _record(connection, now_s, by, "role", name, f"{was.role} -> {role}")

    def set_disabled(self, name: str, disabled: bool, *, by: str, now_s: float) -> None:
        with self._act() as connection:
            was = _one(connection, name)
            if disabled != was.disabled:
                _change(connection, name, by, now_s, disabled=disabled, epoch=was.epoch + 1)
                _record(connection, now_s, by, "disabled" if disabled else "enabled", name)

    def sign_in(self, name: str, session: str, *, now_s: float) -> None:
        with self._act() as connection:
            _record(connection, now_s, name, "signed in", name, session=session)

    def sign_out(self, name: str, session: str, *, now_s: float) -> None:
        with self._act() as connection:
            _record(connection, now_s, name, "signed out", name, session=session)

    def sign_outs(self, after: int = 0) -> list[SignOut]:
        ended = select(ACT.c.id, ACT.c.session, ACT.c.at_s).where(ACT.c.act == "signed out", ACT.c.id > after)
        with answering(self._reading), self._reading.connect() as connection:
            return [SignOut(*row) for row in connection.execute(ended.order_by(ACT.c.id))]

    def account_acts(self, name: str | None = None, limit: int = 500) -> pd.DataFrame:
        acts = select(ACT.c.at_s, ACT.c.by, ACT.c.act, ACT.c.name, ACT.c.detail)
        if name is not None:
            acts = acts.where(ACT.c.name == name)
        with answering(self._reading), self._reading.connect() as connection:
            rows: list[Any] = list(connection.execute(acts.order_by(ACT.c.id.desc()).limit(limit)).all())
        return packing.table(rows, ACT_COLUMNS)

    def close(self) -> None:
        self._reading.dispose()
        self._writing.dispose()

    @contextmanager
    def _act(self) -> Iterator[Connection]:
        """One act and its record, in one transaction that nobody else's comes between."""
        with answering(self._writing), self._writing.begin() as connection:
            yield connection


def _one(connection: Connection, name: str) -> Any:
    row = connection.execute(select(*ROW.c).where(ROW.c.name == name)).first()
    if row is None:
        raise PeopleError(f"there is no account {name}")
    return row


def _change(connection: Connection, name: str, by: str, now_s: float, **values: Any) -> None:
    connection.execute(update(ROW).where(ROW.c.name == name).values(changed_by=by, changed_s=now_s, **values))


def _record(
    connection: Connection, now_s: float, by: str, act: str, name: str, detail: str = "", session: str = ""
) -> None:
    row = {"at_s": now_s, "by": by, "act": act, "name": name, "detail": detail, "session": session}
    connection.execute(insert(ACT).values(**row))
