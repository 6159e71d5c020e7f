"""Crew: what the page People shows: accounts, and what was done by whom. No drawing here, and no password's hash."""

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from twin.people import Account, People

READ_PERIOD_S = 0.5
ACTS = 60


@dataclass(frozen=True)
class Member:
    """One account, without what nobody needs to see."""

    name: str
    role: str
    disabled: bool
    has_password: bool
    changed_by: str
    changed_s: float

    @classmethod
    def of(cls, account: Account) -> "Member":
        return cls(
            account.name, account.role, account.disabled, bool(account.password_hash), account.changed_by,
            account.changed_s,
        )  # fmt: skip


@dataclass(frozen=True)
class Crew:
    """As read at `rows_s`."""

    read_s: float
    waiting_for: str = ""
    trouble: str = ""
    members: tuple[Member, ...] = ()
    acts: pd.DataFrame = field(default_factory=pd.DataFrame)
    rows_s: float = -float("inf")

    def pulse(self) -> dict[str, Any]:
        """See `ui.live.View`."""
        return {"machine": "", "machines": [], "age_s": None, "forecast_age_s": None}

    def waits(self, for_what: str, now_s: float) -> "Crew":
        """See `ui.live.View`. Without a store there is nobody, which is no reason to hide the page."""
        return Crew(now_s)

    def troubled(self, why: str, now_s: float) -> "Crew":
        """See `ui.live.View`."""
        return replace(self, read_s=now_s, trouble=why)


def read_crew(people: People, asked: dict[str, str], before: Crew, now_s: float) -> Crew:
    """Everybody, and the newest acts."""
    del asked
    if now_s - before.rows_s < READ_PERIOD_S:
        return replace(before, read_s=now_s, trouble="")
    members = tuple(Member.of(account) for account in people.accounts())
    return Crew(now_s, members=members, acts=people.account_acts(limit=ACTS), rows_s=now_s)
