"""What people do on the page Models: promote a card, roll back, ask for a process map."""

from typing import Any

from twin.store.approvals import ApprovalError
from ui.desk import Desk
from ui.doing import Doing, RefusedError, Said, number, text
from ui.models import asked as wanted
from ui.models.cards import REFERENCE, Card, read_cards
from ui.models.gallery import newest_map

ANSWER_WITHIN_S = 60.0


def promote(desk: Desk, by: str, said: Said) -> Said:
    """said: machine, card, sha256 (of the weights that the person saw), note, after. The card must lie here, whole."""
    machine, name, sha256 = text(said, "machine"), text(said, "card"), text(said, "sha256")
    _known(desk, machine)
    if name != REFERENCE:
        card = next((each for each in read_cards() if each.name == name), None)
        if card is None:
            raise RefusedError(f"There is no card {name} here.")
        _whole(card, sha256)
    try:
        row = desk.store.promote(
            machine, name, sha256=sha256 if name != REFERENCE else "", by=by, note=text(said, "note"),
            now_s=desk.now_s(), after=_after(said),
        )  # fmt: skip
    except ApprovalError as error:
        raise RefusedError(str(error)) from error
    done = "serves already; approved once more" if row.act == "approved" else "serves from the next layer on"
    return {"said": f"{row.card} {done}: {machine}."}


def roll_back(desk: Desk, by: str, said: Said) -> Said:
    """said: machine, note, after."""
    machine = text(said, "machine")
    try:
        row = desk.store.roll_back(machine, by=by, note=text(said, "note"), now_s=desk.now_s(), after=_after(said))
    except ApprovalError as error:
        raise RefusedError(str(error)) from error
    return {"said": f"{row.card or 'The card of the settings'} serves from the next layer on: {machine}."}


def ask_map(desk: Desk, by: str, said: Said) -> Said:
    """said: material, spot_um, preheat_k, hatch_um, layer_um. A map that is there or on its way is not asked again."""
    fields: dict[str, Any] = {
        key: number(said, key, low=low, high=high, name=wanted.LABELS[key])
        for key, (low, high) in wanted.BOUNDS.items()
    }
    fields["material"] = text(said, "material", most=64)
    arguments = wanted.arguments(fields, read_cards())
    known = newest_map(desk.store, arguments)
    if known is not None and known.state in ("waiting", "claimed", "done"):
        return {"request": known.id}
    now_s = desk.now_s()
    return {"request": desk.asks.ask(wanted.KIND, arguments, who=by, now_s=now_s, deadline_s=now_s + ANSWER_WITHIN_S)}


def _known(desk: Desk, machine: str) -> None:
    if machine not in set(desk.store.machines()["machine"]):
        raise RefusedError(f"There is no machine {machine!r}.")


def _whole(card: Card, sha256: str) -> None:
    if not card.whole:
        raise RefusedError(f"The weights of {card.name} are not those that its card describes: it cannot serve.")
    if sha256 != card.sha256:
        raise RefusedError(f"The weights of {card.name} are others than those that you saw: look again.")


def _after(said: Said) -> int:
    return int(number(said, "after", low=0, high=1e15))


DOINGS = (
    Doing("promote", "promote", promote), Doing("roll_back", "promote", roll_back), Doing("ask_map", "ask", ask_map),
)  # fmt: skip
