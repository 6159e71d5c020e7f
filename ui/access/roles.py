"""Roles: the one table of who may do what. Each role may what the ones before it may."""

from typing import Literal

from twin.people import ROLES

Act = Literal["read", "acknowledge", "shelve", "note", "ask", "approve", "promote", "manage accounts"]

LEAST: dict[Act, str] = {
    "read": "viewer",  # every page, every report of what is stored
    "acknowledge": "operator",  # an alert, with a note
    "shelve": "operator",  # an alert, for a while
    "note": "operator",  # on a layer or a place
    "ask": "operator",  # a `request` row: work for the twin, such as an attribution
    "approve": "engineer",  # a recipe, a good build
    "promote": "engineer",  # a card to forecasts of record, and back
    "manage accounts": "engineer",
}


def may(role: str, act: Act) -> bool:
    """Whether a person of this role may do this. A role that is none may nothing; an act that is none is a mistake."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(LEAST[act])
