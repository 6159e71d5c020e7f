"""Who: the person on whose behalf a callback, an endpoint or a websocket runs now.

    who()                   the person, or None outside a request
    need("acknowledge")     the person, who may do this; else NotAllowedError, which the guard answers with 403

The guard sets it before anything of the page runs; callbacks in threads see it too.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from ui.access.roles import LEAST, Act, may


@dataclass(frozen=True)
class Who:
    """A person as the guard knows them. `by`: signed in with a password, vouched for by a proxy, or nobody signs in."""

    name: str
    role: str
    by: Literal["password", "proxy", "nobody"]


LOCAL = Who("local", "engineer", "nobody")  # where the setting `ui_sign_in` is off
_now: ContextVar[Who | None] = ContextVar("meltwin_who", default=None)


class NotAllowedError(Exception):
    """Somebody asked for what their role may not do; the text is for them."""


def who() -> Who | None:
    """The person on whose behalf this runs, or None outside a request."""
    return _now.get()


def set_who(person: Who) -> None:
    """For the guard: from here on in this task, and in what it starts."""
    _now.set(person)


def need(act: Act) -> Who:
    """The person, if they may do this."""
    person = who()
    if person is None or not may(person.role, act):
        mine = f"you are {person.role}" if person else "you are not signed in"
        raise NotAllowedError(f"To {act} needs the role {LEAST[act]}; {mine}.")
    return person
