"""Hall: what the floor page shows: every machine, read in one go. No drawing here."""

from dataclasses import dataclass, replace
from typing import Any

from twin.store.port import Store
from ui.snapshot import number

READ_PERIOD_S = 0.5


@dataclass(frozen=True)
class Hall:
    """The machines as the store told them at `rows_s`; ages count from `read_s`."""

    read_s: float  # wall clock
    waiting_for: str = ""
    trouble: str = ""
    machines: tuple[dict[str, Any], ...] = ()
    rows_s: float = -float("inf")

    def pulse(self) -> dict[str, Any]:
        """See `ui.live.View`. `ages`: seconds since each machine sent something."""
        ages = {str(row["machine"]): self.age_s(row) for row in self.machines}
        known = [age_s for age_s in ages.values() if age_s is not None]
        return {
            "machine": "", "machines": [], "ages": ages, "age_s": min(known, default=None), "forecast_age_s": None,
        }  # fmt: skip

    def age_s(self, row: dict[str, Any]) -> float | None:
        """Age of a machine's newest data: since its publisher sent them."""
        sent_s = number(row["last_sent_s"])
        return None if sent_s is None else max(self.read_s - sent_s, 0.0)

    def waits(self, for_what: str, now_s: float) -> "Hall":
        """See `ui.live.View`."""
        return Hall(now_s, waiting_for=for_what)

    def troubled(self, why: str, now_s: float) -> "Hall":
        """See `ui.live.View`."""
        return replace(self, read_s=now_s, trouble=why)


def read_hall(store: Store, asked: dict[str, str], before: Hall, now_s: float) -> Hall | None:
    """All machines by name; None while there is none."""
    del asked
    if now_s - before.rows_s < READ_PERIOD_S:
        return replace(before, read_s=now_s, trouble="")
    machines = tuple(store.floor().to_dict("records"))
    return Hall(now_s, machines=machines, rows_s=now_s) if machines else None  # type: ignore[arg-type]
