"""Promoted: which operator a layer begins with, by what people have approved (`twin/store/approvals.py`).

    look    between two turns: what is approved is read, and what is new loaded, before a layer needs it
    begin   where a layer begins: the card approved last when its first window was sent; None: that of the settings

A layer ends with the operator that it began with. So a restart, which sends a layer's windows once more, gives it the
same one. A card that cannot serve (there is none of that name, or its weights are not those that were approved) is
passed over for the one approved before it, and an alert says so until a layer begins with what is approved.
"""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from operators.operator import Operator
from twin.alarms.kinds import REFUSED
from twin.forecast import Alert
from twin.store.approvals import BY_SETTINGS, Approval, stack

LOOK_S = 1.0
ACTION = "promote a card that is here, or roll back, on the page Models"


class CardRefusedError(ValueError):
    """A card cannot be loaded; the text says why."""


def _none() -> Sequence[Approval]:
    return ()


def _unknown(name: str) -> Operator:
    raise CardRefusedError(f"there is no card {name} here")


@dataclass
class Promoted:
    """`read`: the whole history, oldest first (may raise `StoreError`). `load`: an operator, warm, by the name of its
    card; raises `CardRefusedError`. `keep`: is given the cards of what was loaded. One caller, one thread."""

    read: Callable[[], Sequence[Approval]] = _none
    load: Callable[[str], Operator] = _unknown
    keep: Callable[[list[dict[str, Any]]], object] = lambda cards: None
    _looked_s: float = -math.inf
    _history: dict[str, list[Approval]] = field(default_factory=dict)
    _known: dict[str, Operator | str] = field(default_factory=dict)  # by card; or why there is none
    _to_keep: list[dict[str, Any]] = field(default_factory=list)
    _open: dict[str, Alert] = field(default_factory=dict)  # by machine
    _told: list[Alert] = field(default_factory=list)

    def look(self, now_s: float) -> None:
        """Read, at most once in LOOK_S, what is approved. Raises `StoreError`: then nothing has changed."""
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        history: dict[str, list[Approval]] = {}
        for row in self.read():
            history.setdefault(row.machine, []).append(row)
        changed = {machine for machine, rows in history.items() if rows != self._history.get(machine)}
        self._history = history
        for machine in changed:  # what could not be loaded may be there by now
            card = history[machine][-1].card
            if isinstance(self._known.get(card), str):
                del self._known[card]
            if card != BY_SETTINGS:
                self._operator(card)
        if self._to_keep:
            self.keep(self._to_keep)
            self._to_keep = []

    def begin(self, machine: str, build: str, layer: int, at_s: float, now_s: float) -> Operator | None:
        """The operator of a layer whose first window was sent at `at_s`; None: that of the settings."""
        rows = [row for row in self._history.get(machine, ()) if row.at_s <= at_s]
        served, refused = stack(rows), ""
        while served:
            card, sha256 = served.pop()
            found = self._operator(card)
            if isinstance(found, str):
                refused = refused or found
            elif found.card.get("sha256", "") != sha256:
                refused = refused or f"the weights of {card} are not those that were approved (sha256 differs)"
            else:
                self._say(machine, build, layer, refused and f"{refused}; {card} serves", now_s)
                return found
        self._say(machine, build, layer, refused and f"{refused}; the card of the settings serves", now_s)
        return None

    def take_up(self, alerts: Sequence[Alert]) -> None:
        """Alerts that an earlier run left open."""
        self._open |= {alert.machine: alert for alert in alerts if alert.kind == REFUSED}

    def aside(self) -> "Promoted":
        """One that chooses alike and says nothing: for looking back."""
        other = copy(self)
        other._open, other._told = {}, []
        return other

    def alerts(self) -> list[Alert]:
        """Alerts raised, seen again or cleared since the last call."""
        told, self._told = self._told, []
        return told

    def _operator(self, card: str) -> Operator | str:
        if card not in self._known:
            try:
                operator = self.load(card)
                self._known[card] = operator
                self._to_keep.append(operator.card)
            except CardRefusedError as error:
                self._known[card] = str(error)
        return self._known[card]

    def _say(self, machine: str, build: str, layer: int, why: str, now_s: float) -> None:
        known = self._open.get(machine)
        if known is not None and (not why or known.build != build):
            self._told.append(replace(known, cleared_s=now_s))
            del self._open[machine]
            known = None
        if why:
            first = known or Alert(machine, build, REFUSED, "medium", layer, None, None, now_s, now_s, why, ACTION)
            self._open[machine] = replace(first, last_seen_s=now_s, evidence=why)
            self._told.append(self._open[machine])
