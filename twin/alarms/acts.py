"""Acts: what people do about an alert, and in which state that leaves it (ISA-18.2, section 5).

unacknowledged   the cause is there, nobody has said that he knows
acknowledged     the cause is there, a named person knows
returned         the cause is gone, nobody has said that he knows
shelved          a named person silenced it until a time; it speaks again by itself
cleared          the cause is gone, and somebody knows (he acknowledged it, or had it shelved) or need not (advisory)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from twin.alarms.kinds import wants_word

State = Literal["unacknowledged", "acknowledged", "returned", "shelved", "cleared"]
Deed = Literal["acknowledged", "shelved", "unshelved"]
OF_THE_TWIN = ("raised", "cleared", "grouped", "changed")  # other words of the history
TWIN = "twin"
MOST_SHELVED_S = 12 * 3600.0  # a shift: nothing is silenced for good
MOST_WORDS = 500


class BadActError(ValueError):
    """An act that says too little, or too much: the text says what."""


@dataclass(frozen=True)
class Act:
    """A named person about one alert of a machine. `occurrence`: which time that it was raised; None: for an
    acknowledgement all that are unacknowledged, else the newest."""

    machine: str
    build: str
    kind: str
    deed: Deed
    by: str
    at_s: float  # wall clock
    note: str = ""
    occurrence: int | None = None
    until_s: float | None = None  # of what is shelved

    def __post_init__(self) -> None:
        for name, text, most in (("by", self.by, 64), ("note", self.note, MOST_WORDS)):
            if len(text) > most or not text.isprintable():
                raise BadActError(f"{name} must be one line of at most {most} characters")
        if not self.by.strip() or self.by == TWIN:
            raise BadActError("an act is a person's: say who (by)")
        if self.deed != "unshelved" and not self.note.strip():
            raise BadActError("say why (note)")
        if not math.isfinite(self.at_s):
            raise BadActError("an act has a time")
        if (self.deed == "shelved") != (self.until_s is not None):
            raise BadActError("what is shelved is shelved until a time, nothing else is")
        if self.until_s is not None and not 0 < self.until_s - self.at_s <= MOST_SHELVED_S:
            raise BadActError(f"an alert is shelved for more than 0 and at most {MOST_SHELVED_S / 3600:g} hours")


def state_of(row: Mapping[str, Any], now_s: float) -> State:
    """The state of a row of `Store.alerts` at a moment of the wall clock."""
    cleared, known, until_s = _there(row["cleared_s"]), _there(row["acknowledged_s"]), row["shelved_until_s"]
    shelf = _there(until_s)
    if cleared and (known or not wants_word(row["severity"]) or (shelf and until_s >= row["cleared_s"])):
        return "cleared"
    if shelf and until_s > now_s:
        return "shelved"
    if cleared:
        return "returned"
    return "acknowledged" if known else "unacknowledged"


def _there(moment_s: float | None) -> bool:
    return moment_s is not None and not math.isnan(moment_s)
