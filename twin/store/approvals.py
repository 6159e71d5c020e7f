"""Approvals: who let which card serve which machine, from when on; an append-only history, and the rules of its next
row.

    promoted      another card than before serves from here on
    approved      the card that serves already, once more, by a named person
    rolled_back   the card before serves again; an empty name: that of the settings `operator`, `operators`

So the newest row of a machine says what is to serve it. The run process takes that up where the next layer begins, and
never within one (`deploy/serving.py`). This module is read by the page too: no torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import pandas as pd

ApprovalAct = Literal["promoted", "rolled_back", "approved"]
BY_SETTINGS = ""  # the card of a machine for which nobody has promoted any
MOST_NOTE = 500
APPROVALS = {
    "number": int, "machine": object, "card": object, "sha256": object, "act": object, "by": object, "at_s": float,
    "note": object,
}  # fmt: skip


class ApprovalError(ValueError):
    """A card cannot be promoted or taken back; the text is for the person."""


@dataclass(frozen=True)
class Approval:
    """From `at_s` (UTC s) on, `card` with the weights of this hash may serve the machine. `number` grows."""

    number: int
    machine: str
    card: str
    sha256: str  # of the weights; empty where the card has none (the reference)
    act: ApprovalAct
    by: str
    at_s: float
    note: str


class Approvals(Protocol):
    """The part of `Store` that keeps them. `after`: the number of the newest row that the person saw (0: none); where
    there is a newer one the act is refused, so that two people cannot pass each other unseen."""

    def approvals(self, machine: str | None = None, limit: int = 500) -> pd.DataFrame:
        """The history, newest first: number, machine, card, sha256, act, by, at_s, note."""
        ...

    def approval(self, machine: str) -> Approval | None:
        """The newest of a machine; None where the settings alone say what serves."""
        ...

    def promote(
        self, machine: str, card: str, *, sha256: str, by: str, note: str, now_s: float, after: int | None = None
    ) -> Approval:
        """Let a card serve from the next layer on. Raises `ApprovalError`."""
        ...

    def roll_back(self, machine: str, *, by: str, note: str, now_s: float, after: int | None = None) -> Approval:
        """Let the card before serve again, from the next layer on. Raises `ApprovalError`."""
        ...


def stack(history: Sequence[Approval]) -> list[tuple[str, str]]:
    """Cards and their hashes as they lie on one another: the last one serves, each roll back takes one away. `history`:
    of one machine, oldest first."""
    served: list[tuple[str, str]] = []
    for each in history:
        if each.act == "rolled_back":
            served = served[:-1]
        elif not served or served[-1] != (each.card, each.sha256):
            served.append((each.card, each.sha256))
    return served


def before(history: Sequence[Approval]) -> tuple[str, str]:
    """What a roll back would bring: card and hash; BY_SETTINGS where nothing was promoted before. Raises
    `ApprovalError` where nothing can be taken back."""
    served = stack(history)
    if not served:
        raise ApprovalError("nothing was promoted here: there is nothing to roll back")
    return served[-2] if len(served) > 1 else (BY_SETTINGS, "")


def promoted(
    history: Sequence[Approval], machine: str, card: str, sha256: str, *, by: str, note: str, now_s: float,
    after: int | None,
) -> Approval:  # fmt: skip
    """The row that promotes `card`, with number 0. Raises `ApprovalError`."""
    _check(history, machine, by, note, after)
    if not card:
        raise ApprovalError("say which card")
    last = history[-1] if history else None
    act: ApprovalAct = "approved" if last and (last.card, last.sha256) == (card, sha256) else "promoted"
    return Approval(0, machine, card, sha256, act, by, now_s, note)


def rolled_back(
    history: Sequence[Approval], machine: str, *, by: str, note: str, now_s: float, after: int | None
) -> Approval:
    """The row that brings back the card before, with number 0. Raises `ApprovalError`."""
    _check(history, machine, by, note, after)
    card, sha256 = before(history)
    return Approval(0, machine, card, sha256, "rolled_back", by, now_s, note)


def as_table(rows: Sequence[Approval]) -> pd.DataFrame:
    """Rows as `Approvals.approvals` gives them."""
    found = pd.DataFrame([[vars(row)[name] for name in APPROVALS] for row in rows], columns=list(APPROVALS))
    return found.astype(APPROVALS)


def _check(history: Sequence[Approval], machine: str, by: str, note: str, after: int | None) -> None:
    if not machine or not by:
        raise ApprovalError("say which machine, and who you are")
    if not note.strip() or len(note) > MOST_NOTE:
        raise ApprovalError(f"say why, in at most {MOST_NOTE} characters")
    newest = history[-1].number if history else 0
    if after is not None and after != newest:
        raise ApprovalError(f"meanwhile {history[-1].by} has changed what serves {machine}: look again")
