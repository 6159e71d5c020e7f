"""What people do about builds: notes, and which are good. Coordinates come and are kept in metres."""

from collections.abc import Callable

from twin.remarks import Note, RemarkError
from ui.desk import Desk
from ui.doing import Doing, RefusedError, Said, number, text


def _note(desk: Desk, by: str, said: Said) -> Said:
    """`{machine, build, text}`, and where it is about a layer `layer`, about a place there `shape` and coordinates."""
    places = ("x_m", "y_m", "x1_m", "y1_m", "radius_m")
    where = {name: number(said, name, low=-10.0, high=10.0) for name in places if said.get(name) is not None}
    layer = None if said.get("layer") is None else _whole(said, "layer")
    note = Note(
        *_place(said), text(said, "text", most=2000), by, desk.now_s(), layer, text(said, "shape", most=16), **where  # type: ignore[arg-type]
    )  # fmt: skip
    return {"note": desk.store.note(note)}


def _withdraw_note(desk: Desk, by: str, said: Said) -> Said:
    """`{note, why}`."""
    desk.store.withdraw_note(_whole(said, "note"), by=by, why=text(said, "why"), now_s=desk.now_s())
    return {}


def _mark(good: bool) -> Callable[[Desk, str, Said], Said]:
    def mark(desk: Desk, by: str, said: Said) -> Said:
        """`{machine, build, why}`."""
        machine, build = _place(said)
        desk.store.mark_build(machine, build, good=good, by=by, note=text(said, "why"), now_s=desk.now_s())
        return {"good": good}

    return mark


def _place(said: Said) -> tuple[str, str]:
    return text(said, "machine", most=256), text(said, "build", most=256)


def _whole(said: Said, key: str) -> int:
    value = number(said, key, low=0, high=2**53)
    if value != int(value):
        raise RefusedError(f"{key} must be a whole number")
    return int(value)


def _in_words(do: Callable[[Desk, str, Said], Said]) -> Callable[[Desk, str, Said], Said]:
    """What cannot be kept is the person's to mend."""

    def done(desk: Desk, by: str, said: Said) -> Said:
        try:
            return do(desk, by, said)
        except RemarkError as error:
            raise RefusedError(str(error)) from error

    return done


DOINGS = (
    Doing("note", "note", _in_words(_note)),
    Doing("withdraw_note", "note", _in_words(_withdraw_note)),
    Doing("mark_good", "approve", _in_words(_mark(True))),
    Doing("unmark_good", "approve", _in_words(_mark(False))),
)
