"""Remarks: what people say of a build: notes on it, on its layers and places, and whether it is good.

What was said is never changed. A note is withdrawn, and a mark taken back, by a further word that says who, when and
why. Places are machine coordinates on the layer, in m; times are wall clocks, UTC s, and arguments.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import pandas as pd

Shape = Literal["", "point", "circle", "rectangle"]
COORDINATES: dict[str, tuple[str, ...]] = {
    "": (),
    "point": ("x_m", "y_m"),
    "circle": ("x_m", "y_m", "radius_m"),
    "rectangle": ("x_m", "y_m", "x1_m", "y1_m"),
}
LONGEST = 2000  # characters of a note
FURTHEST_M = 10.0  # from the machine's origin
NOTES = {
    "id": int, "machine": object, "build": object, "layer": float, "shape": object, "x_m": float, "y_m": float,
    "x1_m": float, "y1_m": float, "radius_m": float, "text": object, "by": object, "at_s": float,
    "withdrawn_by": object, "withdrawn_s": float, "withdrawn_why": object,
}  # fmt: skip
MARKS = {"id": int, "machine": object, "build": object, "good": bool, "by": object, "at_s": float, "note": object}


class RemarkError(ValueError):
    """What was said cannot be kept; the text is for the person."""


@dataclass(frozen=True)
class Note:
    """A note on a build, on one of its layers, or on a place there: a point, a circle about (x, y), or a rectangle
    from (x, y) to (x1, y1)."""

    machine: str
    build: str
    text: str
    by: str
    at_s: float
    layer: int | None = None
    shape: Shape = ""
    x_m: float | None = None
    y_m: float | None = None
    x1_m: float | None = None
    y1_m: float | None = None
    radius_m: float | None = None

    def __post_init__(self) -> None:
        if not self.text.strip() or len(self.text) > LONGEST:
            raise RemarkError(f"A note has a text of at most {LONGEST} characters.")
        _named(self.by)
        if self.shape not in COORDINATES:
            raise RemarkError(f"{self.shape!r} is no mark-up: {', '.join(filter(None, COORDINATES))}.")
        if self.shape and self.layer is None:
            raise RemarkError("A place is on a layer: say which.")
        for name in ("x_m", "y_m", "x1_m", "y1_m", "radius_m"):
            value, wanted = getattr(self, name), name in COORDINATES[self.shape]
            if wanted != (value is not None):
                raise RemarkError(f"A {self.shape or 'note without a place'} has {_listed(self.shape)}.")
            if value is not None and not (math.isfinite(value) and abs(value) <= FURTHEST_M):
                raise RemarkError(f"A coordinate lies within {FURTHEST_M:g} m.")
        if self.radius_m is not None and self.radius_m <= 0:
            raise RemarkError("The radius of a circle is above 0.")


class Remarks(Protocol):
    """Every implementation passes tests/contracts/test_remarks.py. Writes raise `RemarkError` for what is not there, or
    is so already, and `StoreUnavailableError` where a later try may succeed."""

    def note(self, note: Note) -> int:
        """Keep a note on a build and layer that are stored; its id."""
        ...

    def withdraw_note(self, note: int, *, by: str, why: str, now_s: float) -> None:
        """Take a note back, once, and say why. It stays on record."""
        ...

    def notes(
        self, machine: str | None = None, build: str | None = None, *, layer: int | None = None, limit: int = 500
    ) -> pd.DataFrame:
        """Notes, the newest first, the withdrawn too; columns NOTES."""
        ...

    def mark_build(self, machine: str, build: str, *, good: bool, by: str, note: str, now_s: float) -> None:
        """Mark a build as good, or take the mark back; the note says why."""
        ...

    def build_marks(self, machine: str | None = None, build: str | None = None) -> pd.DataFrame:
        """All that was said, the oldest first; the last of a build stands. Columns MARKS."""
        ...


def standing(marks: pd.DataFrame) -> pd.DataFrame:
    """Of `Remarks.build_marks` those builds that are good now: the mark that stands of each."""
    last = marks.drop_duplicates(["machine", "build"], keep="last")
    return last[last["good"]].reset_index(drop=True)


def check_mark(was: bool | None, good: bool, by: str, note: str) -> None:
    """Raises `RemarkError` for a mark that changes nothing, or does not say who and why."""
    _named(by)
    if not note.strip() or len(note) > LONGEST:
        raise RemarkError(f"Say why, in at most {LONGEST} characters.")
    if bool(was) == good:
        raise RemarkError("This build is marked good already." if good else "This build is not marked good.")


def check_withdrawal(found: bool, withdrawn: bool, by: str, why: str) -> None:
    """Raises `RemarkError` for a withdrawal of what is not there, or by nobody, or without a reason."""
    _named(by)
    if not found:
        raise RemarkError("There is no such note.")
    if withdrawn:
        raise RemarkError("This note has been withdrawn already.")
    if not why.strip() or len(why) > LONGEST:
        raise RemarkError(f"Say why, in at most {LONGEST} characters.")


def _named(by: str) -> None:
    if not by.strip() or len(by) > 64:
        raise RemarkError("Say who you are, in at most 64 characters.")


def _listed(shape: str) -> str:
    return ", ".join(COORDINATES[shape]) or "no coordinates"
