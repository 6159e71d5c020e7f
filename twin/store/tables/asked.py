"""What was asked of the twin, and its counters."""

from sqlalchemy import (
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from twin.store.tables.base import ROW_ID, Base


class RequestRow(Base):
    """What a page asks of the run process (`twin/store/requests.py`); arguments and answer are JSON."""

    __tablename__ = "requests"
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    kind: Mapped[str]
    arguments: Mapped[str]
    who: Mapped[str]
    asked_s: Mapped[float]
    deadline_s: Mapped[float]
    state: Mapped[str]
    claims: Mapped[int]
    claimed_s: Mapped[float | None]
    lease_until_s: Mapped[float | None]
    progress: Mapped[float]
    answer: Mapped[str | None]
    error: Mapped[str]
    answered_s: Mapped[float | None]
    __table_args__ = (Index(None, "state", "asked_s"),)


class CounterRow(Base):
    """How many, so that nobody counts a growing table: `detail` is a kind, a source or an outcome."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
