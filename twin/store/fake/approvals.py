"""FakeApprovals: the approvals in memory, for tests; the half of `FakeStore` that answers `twin/store/approvals.py`."""

from dataclasses import replace

import pandas as pd

from twin.store.approvals import Approval, as_table, promoted, rolled_back


class FakeApprovals:
    """A list, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._approvals: list[Approval] = []

    def approvals(self, machine: str | None = None, limit: int = 500) -> pd.DataFrame:
        return as_table([each for each in self._approvals[::-1] if machine in (None, each.machine)][:limit])

    def approval(self, machine: str) -> Approval | None:
        mine = self._approvals_of(machine)
        return mine[-1] if mine else None

    def promote(
        self, machine: str, card: str, *, sha256: str, by: str, note: str, now_s: float, after: int | None = None
    ) -> Approval:
        row = promoted(self._approvals_of(machine), machine, card, sha256, by=by, note=note, now_s=now_s, after=after)
        return self._add_approval(row)

    def roll_back(self, machine: str, *, by: str, note: str, now_s: float, after: int | None = None) -> Approval:
        return self._add_approval(
            rolled_back(self._approvals_of(machine), machine, by=by, note=note, now_s=now_s, after=after)
        )

    def _approvals_of(self, machine: str) -> list[Approval]:
        return [each for each in self._approvals if each.machine == machine]

    def _add_approval(self, row: Approval) -> Approval:
        self._approvals.append(replace(row, number=len(self._approvals) + 1))
        return self._approvals[-1]
