"""People: the port through which the page writes what people do, and nothing else. Accounts, and who did what to whom.

A machine's history is written by `run` alone (`twin.store.port.Store`); whoever holds this port can change none of it.
Passwords come here as hashes only (`ui.access.passwords`). Time is an argument, UTC seconds.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Protocol

import pandas as pd

from twin.store.port import StoreError

ROLES = ("viewer", "operator", "engineer")
NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
RESERVED = ("local",)  # who acts where nobody signs in
NO_PASSWORD = ""  # the hash of an account that a proxy vouches for
ACTS = ("added", "password", "role", "disabled", "enabled", "signed in", "signed out")
ACT_COLUMNS = {"at_s": float, "by": object, "act": object, "name": object, "detail": object}


class PeopleError(StoreError):
    """An account that is not there, is there already, or cannot be: the message says which."""


@dataclass(frozen=True)
class Account:
    """One person. A change of `epoch` ends every session that began before it."""

    name: str
    role: str
    password_hash: str = field(repr=False)
    epoch: int
    disabled: bool
    created_by: str
    created_s: float
    changed_by: str
    changed_s: float


@dataclass(frozen=True)
class SignOut:
    """A session that a person ended; `number` grows from one to the next."""

    number: int
    session: str
    at_s: float


class People(Protocol):
    """Every implementation passes tests/contracts/test_people.py. `by` is who does it; all but reads raise
    `PeopleError`, and `StoreUnavailableError` where a later try may succeed."""

    def accounts(self) -> list[Account]:
        """All, by name, the disabled too."""
        ...

    def add_account(
        self, name: str, role: str, password_hash: str, *, by: str, now_s: float, first: bool = False
    ) -> None:
        """A new person. `first`: only where there is no account at all, also when two programs start at once."""
        ...

    def set_password(self, name: str, password_hash: str, *, by: str, now_s: float) -> None:
        """Another password; ends the person's sessions."""
        ...

    def set_role(self, name: str, role: str, *, by: str, now_s: float) -> None:
        """Another role, from the next act on."""
        ...

    def set_disabled(self, name: str, disabled: bool, *, by: str, now_s: float) -> None:
        """Shut a person out, which ends the person's sessions, or let them in again. The account stays on record."""
        ...

    def sign_in(self, name: str, session: str, *, now_s: float) -> None:
        """A session has begun."""
        ...

    def sign_out(self, name: str, session: str, *, now_s: float) -> None:
        """A session has ended, wherever its cookie may still be."""
        ...

    def sign_outs(self, after: int = 0) -> list[SignOut]:
        """The sessions ended since the one of that number, in order."""
        ...

    def account_acts(self, name: str | None = None, limit: int = 500) -> pd.DataFrame:
        """Who did what to whom, newest first: at_s, by, act, name, detail. Append-only."""
        ...

    def close(self) -> None:
        """Let go of the file or server."""
        ...


def check_name(name: str) -> None:
    """Raises `PeopleError` for a name that no account may have."""
    if not NAME.fullmatch(name):
        raise PeopleError(f"{name!r} cannot be a name: small letters, digits and . _ @ + -, at most 64, no blanks")
    if name in RESERVED:
        raise PeopleError(f"the name {name} is taken by this program: it stands for whoever acts without signing in")


def check_role(role: str) -> None:
    """Raises `PeopleError` for what is no role."""
    if role not in ROLES:
        raise PeopleError(f"{role!r} is not a role: {', '.join(ROLES)}")


class FakePeople:
    """The port in memory, for tests."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._acts: list[tuple[float, str, str, str, str]] = []
        self._ended: list[SignOut] = []

    def accounts(self) -> list[Account]:
        return [self._accounts[name] for name in sorted(self._accounts)]

    def add_account(
        self, name: str, role: str, password_hash: str, *, by: str, now_s: float, first: bool = False
    ) -> None:
        check_name(name)
        check_role(role)
        if first and self._accounts:
            raise PeopleError("there is an account already")
        if name in self._accounts:
            raise PeopleError(f"there is an account {name} already")
        self._accounts[name] = Account(name, role, password_hash, 1, False, by, now_s, by, now_s)
        self._acts.append((now_s, by, "added", name, role))

    def set_password(self, name: str, password_hash: str, *, by: str, now_s: float) -> None:
        was = self._one(name)
        self._change(
            replace(was, password_hash=password_hash, epoch=was.epoch + 1, changed_by=by, changed_s=now_s), "password"
        )

    def set_role(self, name: str, role: str, *, by: str, now_s: float) -> None:
        was = self._one(name)
        check_role(role)
        if role != was.role:
            self._change(replace(was, role=role, changed_by=by, changed_s=now_s), "role", f"{was.role} -> {role}")

    def set_disabled(self, name: str, disabled: bool, *, by: str, now_s: float) -> None:
        was = self._one(name)
        if disabled != was.disabled:
            changed = replace(was, disabled=disabled, epoch=was.epoch + 1, changed_by=by, changed_s=now_s)
            self._change(changed, "disabled" if disabled else "enabled")

    def sign_in(self, name: str, session: str, *, now_s: float) -> None:
        self._acts.append((now_s, name, "signed in", name, ""))

    def sign_out(self, name: str, session: str, *, now_s: float) -> None:
        self._acts.append((now_s, name, "signed out", name, ""))
        self._ended.append(SignOut(len(self._acts), session, now_s))

    def sign_outs(self, after: int = 0) -> list[SignOut]:
        return [ended for ended in self._ended if ended.number > after]

    def account_acts(self, name: str | None = None, limit: int = 500) -> pd.DataFrame:
        rows = [act for act in self._acts if name in (None, act[3])]
        found = pd.DataFrame(rows[::-1][:limit], columns=list(ACT_COLUMNS))
        return found.astype(ACT_COLUMNS)

    def close(self) -> None:
        """Nothing is open."""

    def _one(self, name: str) -> Account:
        if name not in self._accounts:
            raise PeopleError(f"there is no account {name}")
        return self._accounts[name]

    def _change(self, account: Account, act: str, detail: str = "") -> None:
        self._accounts[account.name] = account
        self._acts.append((account.changed_s, account.changed_by, act, account.name, detail))
