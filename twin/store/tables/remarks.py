"""Remarks: what people say of builds. Rows are added, and never changed."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from twin.store.tables.base import ROW_ID, Base


class NoteRow(Base):
    """A note on a build, a layer, or a place on it; or, where `withdraws` names one, that it is taken back and why."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    machine: Mapped[str]
    build: Mapped[str]
    layer: Mapped[int | None]
    shape: Mapped[str]
    x_m: Mapped[float | None]
    y_m: Mapped[float | None]
    x1_m: Mapped[float | None]
    y1_m: Mapped[float | None]
    radius_m: Mapped[float | None]
    text: Mapped[str]
    by: Mapped[str]
    at_s: Mapped[float]
    withdraws: Mapped[int | None]
    __table_args__ = (Index(None, "machine", "build", "layer"), Index("uq_notes_withdraws", "withdraws", unique=True))


class BuildMarkRow(Base):
    """Somebody said that a build is good, or took that back; the last row of a build stands."""

    __tablename__ = "build_marks"
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    machine: Mapped[str]
    build: Mapped[str]
    good: Mapped[bool]
    by: Mapped[str]
    at_s: Mapped[float]
    note: Mapped[str]
    __table_args__ = (Index(None, "machine", "build", "id"),)
