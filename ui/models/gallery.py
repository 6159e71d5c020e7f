"""Gallery: what the page Models shows at a moment: cards, results, who serves where, and the map that was asked for."""

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from twin.store.approvals import APPROVALS, BY_SETTINGS, Approval, ApprovalError, before
from twin.store.port import Store
from twin.store.requests import Request
from ui.models import asked as wanted
from ui.models.cards import REFERENCE, Card, read_cards
from ui.models.results import Table, read_results

READ_PERIOD_S = 0.5
ACTS = 2000
SHOWN = 40  # acts in the list
BUILDS = 200
REQUESTS = 60


@dataclass(frozen=True)
class Serving:
    """One machine: the operator of its newest forecast (empty: none yet) and when that was made; what people approved
    (None: the settings alone say); `back_to`: what a roll back would bring, None where nothing can be rolled back."""

    machine: str
    operator: str
    issued_s: float | None
    approval: Approval | None
    back_to: str | None

    @property
    def waits(self) -> bool:
        """Whether what is approved has not forecast yet."""
        named = self.approval.card if self.approval is not None else BY_SETTINGS
        return named not in (BY_SETTINGS, self.operator)

    @property
    def after(self) -> int:
        """The newest act that a person has seen who sees this."""
        return 0 if self.approval is None else self.approval.number


@dataclass(frozen=True)
class Gallery:
    """As read at `rows_s`."""

    read_s: float
    waiting_for: str = ""
    trouble: str = ""
    asked: dict[str, str] = field(default_factory=dict)
    cards: tuple[Card, ...] = ()
    tables: tuple[Table, ...] = ()
    serving: tuple[Serving, ...] = ()
    approvals: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(APPROVALS)))
    builds: pd.DataFrame = field(default_factory=pd.DataFrame)
    fields: dict[str, Any] = field(default_factory=dict)  # of the map's form
    map: Request | None = None
    stored: bool = True  # False: there is no store yet, and what is shown is of files
    rows_s: float = -float("inf")

    @property
    def card(self) -> Card | None:
        """The card that is asked for."""
        return next((card for card in self.cards if card.name == self.asked.get("card")), None)

    @property
    def table(self) -> Table | None:
        """The suite that is asked for, else the first."""
        asked = [table for table in self.tables if table.suite == self.asked.get("suite")]
        return next(iter(asked or self.tables), None)

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """What can be promoted: name and the hash of its weights."""
        return (*((card.name, card.sha256) for card in self.cards if card.whole), (REFERENCE, ""))

    def pulse(self) -> dict[str, Any]:
        """See `ui.live.View`. `map`: how it is with the map, for the page to ask for it where nobody has."""
        return {
            "machine": "", "machines": [], "age_s": None, "forecast_age_s": None, "map": self.state_of_map,
            "fields": self.fields,
        }  # fmt: skip

    @property
    def state_of_map(self) -> str:
        """That of its request; `unasked`, or `unstored` where nobody can ask."""
        if self.map is not None:
            return self.map.state
        return "unasked" if self.stored else "unstored"

    def waits(self, for_what: str, now_s: float) -> "Gallery":
        """See `ui.live.View`."""
        return Gallery(now_s, waiting_for=for_what)

    def troubled(self, why: str, now_s: float) -> "Gallery":
        """See `ui.live.View`."""
        return replace(self, read_s=now_s, trouble=why)


def read_gallery(store: Store, asked: dict[str, str], before_: Gallery, now_s: float) -> Gallery:
    """Everything; at most every READ_PERIOD_S."""
    if now_s - before_.rows_s < READ_PERIOD_S and before_.asked == asked:
        return replace(before_, read_s=now_s, trouble="")
    cards, builds, approvals = read_cards(), store.nominals(BUILDS), store.approvals(limit=ACTS)
    fields = wanted.fields(asked, builds)
    return Gallery(
        now_s,
        asked=asked,
        cards=cards,
        tables=read_results(),
        serving=_serving(store, approvals),
        approvals=approvals.head(SHOWN),
        builds=builds[builds["material"] == fields["material"]],
        fields=fields,
        map=_map(store, wanted.arguments(fields, cards), before_) if asked.get("card") else None,
        rows_s=now_s,
    )


def read_files(asked: dict[str, str], before_: Gallery, now_s: float) -> Gallery:
    """What there is to show before there is a store: cards and tables are files."""
    if now_s - before_.rows_s < READ_PERIOD_S and before_.asked == asked and not before_.stored:
        return replace(before_, read_s=now_s)
    return Gallery(
        now_s, asked=asked, cards=read_cards(), tables=read_results(), fields=wanted.fields(asked, pd.DataFrame()),
        stored=False, rows_s=now_s,
    )  # fmt: skip


def newest_map(store: Store, arguments: dict[str, Any]) -> Request | None:
    """The newest request for a map: one that is answered, if there is one."""
    every = [each for each in store.requests(kind=wanted.KIND, limit=REQUESTS) if each.arguments == arguments]
    return next((each for each in every if each.state == "done"), every[0] if every else None)


def _map(store: Store, arguments: dict[str, Any], before_: Gallery) -> Request | None:
    """What is answered once does not change."""
    known = before_.map
    if known is not None and known.state == "done" and known.arguments == arguments:
        return known
    return newest_map(store, arguments)


def _serving(store: Store, approvals: pd.DataFrame) -> tuple[Serving, ...]:
    history: dict[str, list[Approval]] = {}
    for row in approvals.iloc[::-1].to_dict("records"):
        history.setdefault(row["machine"], []).append(Approval(**row))  # type: ignore[misc]
    found = []
    for machine in sorted({*map(str, store.machines()["machine"]), *history}):
        latest, acts = store.latest_forecast(machine) or {}, history.get(machine, [])
        issued_s = latest.get("issued_s")
        found.append(
            Serving(machine, str(latest.get("operator") or ""), issued_s, acts[-1] if acts else None, _back(acts))
        )
    return tuple(found)


def _back(acts: list[Approval]) -> str | None:
    try:
        return before(acts)[0]
    except ApprovalError:
        return None
