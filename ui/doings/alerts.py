"""What people do about alerts: acknowledge, shelve, unshelve (ISA-18.2; `twin/alarms/acts.py`). The store keeps who,
when and why; each gives `said`, the words for who did it."""

from twin.alarms.acts import MOST_SHELVED_S, MOST_WORDS
from ui.desk import Desk
from ui.doing import Doing, Said, number, text

MOST_MINUTES = MOST_SHELVED_S / 60


def acknowledge(desk: Desk, by: str, said: Said) -> Said:
    """`by` knows of one occurrence of an alert. The first acknowledgement stands, a later one is kept as well."""
    occurrence = int(number(said, "occurrence", low=0, high=1e9))
    changed = desk.store.acknowledge(
        *_which(said), by=by, note=_note(said), now_s=desk.now_s(), occurrence=occurrence
    )  # fmt: skip
    return {"said": f"Acknowledged by {by}." if changed else "Somebody had acknowledged it already; your note is kept."}


def shelve(desk: Desk, by: str, said: Said) -> Said:
    """Silence an alert for so many minutes."""
    minutes, now_s = number(said, "minutes", low=1, high=MOST_MINUTES), desk.now_s()
    desk.store.shelve(*_which(said), by=by, note=_note(said), now_s=now_s, until_s=now_s + 60 * minutes)
    return {"said": f"Shelved by {by} for {minutes:.0f} min. Then it speaks again."}


def unshelve(desk: Desk, by: str, said: Said) -> Said:
    """Let it speak again before its time."""
    changed = desk.store.unshelve(*_which(said), by=by, now_s=desk.now_s(), note=_note(said))
    return {"said": f"Speaks again, by {by}." if changed else "It was not shelved any more."}


def _which(said: Said) -> tuple[str, str, str]:
    return text(said, "machine", most=256), text(said, "build", most=256), text(said, "kind", most=256)


def _note(said: Said) -> str:
    return " ".join(text(said, "note", most=MOST_WORDS).split())


DOINGS = (
    Doing("acknowledge", "acknowledge", acknowledge),
    Doing("shelve", "shelve", shelve),
    Doing("unshelve", "shelve", unshelve),
)
