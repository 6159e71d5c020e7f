"""Accounts, and who did what to them."""

from sqlalchemy import (
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from twin.store.tables.base import ROW_ID, Base


class AccountRow(Base):
    """A person who may sign in. `password_hash` says how it was made; empty: only a proxy vouches for this person."""

    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    epoch: Mapped[int]  # sessions of another epoch have ended
    disabled: Mapped[bool]
    created_by: Mapped[str]
    created_s: Mapped[float]
    changed_by: Mapped[str]
    changed_s: Mapped[float]


class AccountActRow(Base):
    """Who did what to whose account, when; never changed, never deleted. `session` of a sign-in or a sign-out."""

    __tablename__ = "account_acts"
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    at_s: Mapped[float]
    by: Mapped[str]
    act: Mapped[str]
    name: Mapped[str]
    detail: Mapped[str]
    session: Mapped[str]
    __table_args__ = (Index(None, "act", "id"), Index(None, "name", "id"))
