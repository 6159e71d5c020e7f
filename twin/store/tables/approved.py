"""Who let which card serve which machine."""

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from twin.store.tables.base import ROW_ID, Base


class ApprovalRow(Base):
    """A person's act: from `at_s` on `card` may serve `machine`; never changed, never deleted. An empty card is that of
    the settings; `sha256` is of the weights that were approved."""

    __tablename__ = "approvals"
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    machine: Mapped[str]
    card: Mapped[str]
    sha256: Mapped[str]
    act: Mapped[str]
    by: Mapped[str]
    at_s: Mapped[float]
    note: Mapped[str]
    __table_args__ = (Index(None, "machine", "id"),)
