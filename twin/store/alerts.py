"""Alerts: what a word of the twin, or an act of a person, does to the rows of one alert. Pure: both stores fold by it.

An occurrence begins with the first word after the one before was cleared, and there is one open at a time. The word
with the newest time stands; first and last seen are the bounds of all. What people said is never touched by a word.
Whatever changes the state is also a row of the history, which nothing changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from twin.alarms.acts import TWIN, Act
from twin.forecast import Alert
from twin.store.packing import plain_text

Row = dict[str, Any]
KEY = ("machine", "build", "kind", "occurrence")
_SHELF = ("shelved_until_s", "shelved_by", "shelved_note")
_WORD = ("acknowledged_s", "acknowledged_by", "acknowledged_note")
_NOBODY: Mapping[str, None] = dict.fromkeys((*_WORD, *_SHELF))


class Folded(NamedTuple):
    """The row as it is now (None: nothing has changed), and what the history says of it."""

    row: Row | None
    history: list[Row]


def told(newest: Row | None, alert: Alert) -> Folded:
    """A word of the twin over the newest occurrence of its kind, if there is one."""
    said = alert_row(alert)
    if newest is None:
        return _raised(said, 1, _NOBODY)
    cleared_s = newest["cleared_s"]
    if cleared_s is not None and alert.first_seen_s > cleared_s:
        return _raised(said, newest["occurrence"] + 1, _kept_shelf(newest, alert.first_seen_s))
    if newest["occurrence"] > 1 and alert.last_seen_s < newest["first_seen_s"]:
        return Folded(None, [])  # of an occurrence that is over
    row = newest | said if said_s(said) >= said_s(newest) else dict(newest)
    row["first_seen_s"] = min(newest["first_seen_s"], said["first_seen_s"])
    row["last_seen_s"] = max(newest["last_seen_s"], said["last_seen_s"])
    row["count"] = max(newest["count"], said["count"])
    history = _changes(newest, row)
    until_s = row["shelved_until_s"]
    if until_s is not None and row["cleared_s"] is None and row["last_seen_s"] >= until_s:
        row |= dict.fromkeys(_SHELF)
        history.append(_entry(row, "unshelved", TWIN, until_s, "its time is over"))
    return Folded(row if row != newest else None, history)


def acted(row: Row, act: Act) -> Folded:
    """An act on one occurrence. An acknowledgement that is there stands; another one is history only."""
    said: Row = {}
    if act.deed == "acknowledged" and row["acknowledged_s"] is None:
        said = dict(zip(_WORD, (act.at_s, plain_text(act.by), plain_text(act.note)), strict=True))
    elif act.deed == "shelved":
        said = dict(zip(_SHELF, (act.until_s, plain_text(act.by), plain_text(act.note)), strict=True))
    elif act.deed == "unshelved":
        said = dict.fromkeys(_SHELF)
    changed = row | said
    entry = _entry(row, act.deed, plain_text(act.by), act.at_s, plain_text(act.note)) | {"until_s": act.until_s}
    return Folded(changed if changed != row else None, [entry])


def meant(rows: Sequence[Row], act: Act) -> list[Row]:
    """Which occurrences an act is about, of all of that kind, the newest last; none: there is no such alert."""
    if act.occurrence is not None:
        return [row for row in rows if row["occurrence"] == act.occurrence]
    if act.deed == "acknowledged":
        return [row for row in rows if row["acknowledged_s"] is None] or list(rows[-1:])
    return list(rows[-1:])


def alert_row(alert: Alert) -> Row:
    """An alert as the twin says it, without its occurrence and what people did."""
    return {
        "machine": alert.machine,
        "build": alert.build,
        "kind": alert.kind,
        "severity": alert.severity,
        "layer": alert.layer,
        "x_m": None if alert.x_m is None else float(alert.x_m),
        "y_m": None if alert.y_m is None else float(alert.y_m),
        "first_seen_s": float(alert.first_seen_s),
        "last_seen_s": float(alert.last_seen_s),
        "evidence": plain_text(alert.evidence),
        "action": plain_text(alert.action),
        "cleared_s": None if alert.cleared_s is None else float(alert.cleared_s),
        "count": alert.count,
    }


def said_s(row: Row) -> tuple[float, bool]:
    """When an alert's word was said; of two said at once the one that clears it is the later."""
    cleared_s = row["cleared_s"]
    return (row["last_seen_s"] if cleared_s is None else max(row["last_seen_s"], cleared_s), cleared_s is not None)


def _raised(said: Row, occurrence: int, people: Mapping[str, Any]) -> Folded:
    row = {**said, "occurrence": occurrence, **people}
    history = [_entry(row, "raised", TWIN, row["first_seen_s"], row["evidence"])]
    if row["cleared_s"] is not None:
        history.append(_entry(row, "cleared", TWIN, row["cleared_s"], ""))
    return Folded(row, history)


def _kept_shelf(before: Row, now_s: float) -> dict[str, Any]:
    """What is shelved stays so when its cause comes back."""
    until_s = before["shelved_until_s"]
    still = until_s is not None and until_s > now_s
    return dict(_NOBODY) | ({name: before[name] for name in _SHELF} if still else {})


def _changes(before: Row, row: Row) -> list[Row]:
    """What a person would want to find in the history: not that it was seen again."""
    found = []
    if row["count"] > before["count"]:
        found.append(_entry(row, "grouped", TWIN, row["last_seen_s"], f"{row['count']} times"))
    if row["severity"] != before["severity"]:
        found.append(_entry(row, "changed", TWIN, row["last_seen_s"], f"{before['severity']} to {row['severity']}"))
    if row["cleared_s"] is not None and before["cleared_s"] is None:
        found.append(_entry(row, "cleared", TWIN, row["cleared_s"], ""))
    elif row["cleared_s"] is None and before["cleared_s"] is not None:
        found.append(_entry(row, "raised", TWIN, row["last_seen_s"], row["evidence"]))
    return found


def _entry(row: Row, deed: str, by: str, at_s: float, note: str) -> Row:
    return {name: row[name] for name in KEY} | {"act": deed, "by": by, "at_s": at_s, "note": note, "until_s": None}
