"""FakeRemarks: remarks in memory, for tests; the half of `FakeStore` that answers `twin.remarks.Remarks`."""

from typing import Any

import pandas as pd

from twin.remarks import MARKS, NOTES, Note, RemarkError, check_mark, check_withdrawal
from twin.store import packing


class FakeRemarks:
    """Every verb looks at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._notes: dict[int, Note] = {}
        self._withdrawn: dict[int, tuple[str, float, str]] = {}
        self._marks: list[dict[str, Any]] = []

    def build_is_known(self, machine: str, build: str, layer: int | None = None) -> bool:
        """Whether anything is stored of a build, and of that layer."""
        raise NotImplementedError

    def note(self, note: Note) -> int:
        self._check(note.machine, note.build, note.layer)
        number = len(self._notes) + 1
        self._notes[number] = note
        return number

    def withdraw_note(self, note: int, *, by: str, why: str, now_s: float) -> None:
        check_withdrawal(note in self._notes, note in self._withdrawn, by, why)
        self._withdrawn[note] = (by, now_s, why)

    def notes(
        self, machine: str | None = None, build: str | None = None, *, layer: int | None = None, limit: int = 500
    ) -> pd.DataFrame:
        rows = []
        for number, note in sorted(self._notes.items(), reverse=True):
            by, at_s, why = self._withdrawn.get(number, (None, None, None))
            told = vars(note) | {"id": number, "withdrawn_by": by, "withdrawn_s": at_s, "withdrawn_why": why}
            if machine in (None, note.machine) and build in (None, note.build) and layer in (None, note.layer):
                rows.append([told[name] for name in NOTES])
        return packing.table(rows[:limit], NOTES)

    def mark_build(self, machine: str, build: str, *, good: bool, by: str, note: str, now_s: float) -> None:
        self._check(machine, build, None)
        mine = [mark["good"] for mark in self._marks if (mark["machine"], mark["build"]) == (machine, build)]
        check_mark(mine[-1] if mine else None, good, by, note)
        row = {"id": len(self._marks) + 1, "machine": machine, "build": build, "good": good}
        self._marks.append(row | {"by": by, "at_s": now_s, "note": note})

    def build_marks(self, machine: str | None = None, build: str | None = None) -> pd.DataFrame:
        mine = [row for row in self._marks if machine in (None, row["machine"]) and build in (None, row["build"])]
        return packing.table([[row[name] for name in MARKS] for row in mine], MARKS)

    def _check(self, machine: str, build: str, layer: int | None) -> None:
        if not self.build_is_known(machine, build):
            raise RemarkError(f"There is no build {build!r} of machine {machine!r}.")
        if layer is not None and not self.build_is_known(machine, build, layer):
            raise RemarkError(f"Nothing is stored of layer {layer} of build {build!r}.")
