"""SqlApprovals: the approvals of `twin/store/approvals.py` in the table `approvals`.

Reading goes by the store's engine; an act is one transaction that holds the right to write, so that of two people who
act at once the second sees what the first has done.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, insert, select

from twin.store.approvals import Approval, as_table, promoted, rolled_back
from twin.store.port import StoreReadOnlyError
from twin.store.sql.engine import answering
from twin.store.tables import ApprovalRow

_TABLE: Any = ApprovalRow.__table__


class SqlApprovals:
    """Over the two engines of `SqlStore`."""

    _engine: Engine
    _desk: Engine | None  # by which people's acts are written

    def approvals(self, machine: str | None = None, limit: int = 500) -> pd.DataFrame:
        """See `Approvals.approvals`."""
        with answering(self._engine), self._engine.connect() as connection:
            return as_table(_newest(connection, machine, limit))

    def approval(self, machine: str) -> Approval | None:
        """See `Approvals.approval`."""
        with answering(self._engine), self._engine.connect() as connection:
            return next(iter(_newest(connection, machine, 1)), None)

    def promote(
        self, machine: str, card: str, *, sha256: str, by: str, note: str, now_s: float, after: int | None = None
    ) -> Approval:
        """See `Approvals.promote`."""
        return self._approve(
            machine,
            lambda rows: promoted(rows, machine, card, sha256, by=by, note=note, now_s=now_s, after=after),
        )

    def roll_back(self, machine: str, *, by: str, note: str, now_s: float, after: int | None = None) -> Approval:
        """See `Approvals.roll_back`."""
        return self._approve(
            machine, lambda rows: rolled_back(rows, machine, by=by, note=note, now_s=now_s, after=after)
        )

    def _approve(self, machine: str, made: Callable[[Sequence[Approval]], Approval]) -> Approval:
        if self._desk is None:
            raise StoreReadOnlyError("this store was opened for reading")
        with answering(self._desk), self._desk.begin() as connection:
            row = made(_newest(connection, machine, None)[::-1])
            values = {name: value for name, value in vars(row).items() if name != "number"}
            kept = connection.execute(insert(ApprovalRow).values(values).returning(ApprovalRow.id)).scalar_one()
            return replace(row, number=int(kept))


def _newest(connection: Connection, machine: str | None, limit: int | None) -> list[Approval]:
    """Newest first."""
    asked = select(_TABLE).order_by(_TABLE.c.id.desc())
    asked = asked if machine is None else asked.where(_TABLE.c.machine == machine)
    rows = connection.execute(asked if limit is None else asked.limit(limit)).mappings()
    return [Approval(number=row["id"], **{name: row[name] for name in row if name != "id"}) for row in rows]
