"""Snapshot: all rows that one machine's page needs, read from the store in one go. No drawing here, and no physics."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from twin.forecast import Field, Outcome
from twin.store.port import Store

SLOW_PERIOD_S = 1.0
FRAMES = 160  # newest frames kept in the picture
PATH_FRAMES = 1000  # and on the layer's map
INFERRED = 400
SIGNAL_SAMPLES = 1500
ALERTS = 30
STANDING = 200
MISSED = 5  # newest gaps, rejects and runs of skipped frames,
RANGES = 50  # which may be stored as several ranges


@dataclass(frozen=True)
class Fresh:
    """Rows that change with every frame."""

    latest: dict[str, Any] | None = None
    frames: pd.DataFrame = field(default_factory=pd.DataFrame)
    signals: pd.DataFrame = field(default_factory=pd.DataFrame)
    opinion: str = ""  # the operator that gives a second one; empty: none
    second: pd.DataFrame = field(default_factory=pd.DataFrame)  # its frames, as `frames`
    came: pd.DataFrame = field(default_factory=pd.DataFrame)  # looking back: what came after now (time_s, name, value)


@dataclass(frozen=True)
class Slow:
    """Rows that a person reads; once in `SLOW_PERIOD_S` is enough."""

    read_s: float = -float("inf")
    build: dict[str, Any] | None = None
    temperature_field: Field | None = None
    vectors: pd.DataFrame = field(default_factory=pd.DataFrame)
    path: pd.DataFrame = field(default_factory=pd.DataFrame)  # estimates of the newest layer
    path_of: tuple[str, int] | None = None  # build and layer of the path
    alerts: pd.DataFrame = field(default_factory=pd.DataFrame)
    gaps: pd.DataFrame = field(default_factory=pd.DataFrame)
    rejects: pd.DataFrame = field(default_factory=pd.DataFrame)  # of all machines: no one can say of which
    skipped: pd.DataFrame = field(default_factory=pd.DataFrame)
    counts: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    card: dict[str, Any] | None = None
    absorptivity: pd.DataFrame = field(default_factory=pd.DataFrame)
    inferred_by: str = ""  # the operator behind it
    calibration: pd.DataFrame = field(default_factory=pd.DataFrame)  # what the machine's sensors say of it


@dataclass(frozen=True)
class Snapshot:
    """What the store said at `read_s`. `waiting_for` is empty when there is a machine to show."""

    read_s: float  # wall clock
    waiting_for: str = ""
    trouble: str = ""  # why the store could not be read this time; the rows are those of the last time
    machines: tuple[dict[str, Any], ...] = ()
    machine: str | None = None
    fresh: Fresh = field(default_factory=Fresh)
    slow: Slow = field(default_factory=Slow)

    @property
    def row(self) -> dict[str, Any]:
        """The machine's own row; empty when there is no machine."""
        return next((row for row in self.machines if row["machine"] == self.machine), {})

    @property
    def outcome(self) -> Outcome | None:
        """Outcome of the newest forecast; None when there is no forecast yet."""
        return outcome_of(self.fresh.latest) if self.fresh.latest else None

    @property
    def age_s(self) -> float | None:
        """Age of the newest data: since the machine's publisher sent them."""
        sent_s = number(self.row.get("last_sent_s"))
        return None if sent_s is None else max(self.read_s - sent_s, 0.0)

    @property
    def forecast_age_s(self) -> float | None:
        """Since the newest forecast was made: a twin at work on old data is behind, the machine need not be silent."""
        issued_s = number(self.fresh.latest.get("issued_s")) if self.fresh.latest else None
        return None if issued_s is None else max(self.read_s - issued_s, 0.0)

    def pulse(self) -> dict[str, Any]:
        """See `ui.live.View`."""
        machines = [row["machine"] for row in self.machines]
        return {
            "machine": self.machine, "machines": machines, "age_s": self.age_s, "forecast_age_s": self.forecast_age_s,
        }  # fmt: skip

    def waits(self, for_what: str, now_s: float) -> "Snapshot":
        """See `ui.live.View`."""
        return Snapshot(now_s, waiting_for=for_what)

    def troubled(self, why: str, now_s: float) -> "Snapshot":
        """See `ui.live.View`."""
        return replace(self, read_s=now_s, trouble=why)


def read_snapshot(store: Store, asked: dict[str, str], before: Snapshot, now_s: float) -> Snapshot | None:
    """The machine that is asked for, else the first; None while there is none."""
    machines = read_machines(store)
    if not machines:
        return None
    row = next((row for row in machines if row["machine"] == asked.get("machine")), machines[0])
    machine = str(row["machine"])
    known = before.machine == machine
    fresh = read_fresh(store, machine, before.fresh if known else Fresh())
    slow = before.slow if known else Slow()
    if now_s - slow.read_s >= SLOW_PERIOD_S:
        slow = read_slow(store, row, fresh.latest, now_s, slow)
    return Snapshot(now_s, machines=machines, machine=machine, fresh=fresh, slow=slow)


def has_news(store: Store, view: Snapshot) -> bool:
    """Whether the machine's newest forecast is another than the view has."""
    latest = None if view.machine is None else store.latest_forecast(view.machine)
    return latest is not None and (view.fresh.latest is None or _frame(latest) != _frame(view.fresh.latest))


def read_machines(store: Store) -> tuple[dict[str, Any], ...]:
    """All machines, in the order of their names."""
    rows = store.machines().to_dict("records")
    return tuple(sorted(rows, key=lambda row: str(row["machine"])))  # type: ignore[arg-type]


def read_fresh(store: Store, machine: str, before: Fresh) -> Fresh:
    """The newest frames and signals; what was read before if no frame has come since."""
    latest = store.latest_forecast(machine)
    if latest is not None and before.latest is not None and _frame(latest) == _frame(before.latest):
        return before
    frames = _frames(store, machine, "")
    since_s = float(frames["time_s"].min()) if len(frames) else None
    opinion = next(iter(store.opinions(machine)), "")
    second = _frames(store, machine, opinion) if opinion else pd.DataFrame()
    return Fresh(latest, frames, store.signals(machine, since_s=since_s, limit=SIGNAL_SAMPLES), opinion, second)


def _frames(store: Store, machine: str, opinion: str) -> pd.DataFrame:
    """Estimates of the newest frames, and the leads of the newest of all."""
    past, newest = (
        store.estimates(machine, limit=FRAMES, opinion=opinion),
        store.melt_pool(machine, limit=1, opinion=opinion),
    )
    return pd.concat([past, newest[newest["lead_s"] > 0]], ignore_index=True) if len(newest) else past


def _inferred(store: Store, machine: str) -> tuple[pd.DataFrame, str]:
    """What the operator of record has inferred, or the first that was asked for a second opinion, and its name."""
    rows = pd.DataFrame()
    for opinion in ("", *store.opinions(machine)):
        rows = store.absorptivity(machine, limit=INFERRED, opinion=opinion)
        if len(rows):
            return rows, str(rows["operator"].iloc[-1])
    return rows, ""


def _path(store: Store, machine: str, latest: dict[str, Any] | None, before: Slow) -> pd.DataFrame:
    """The newest frames of the layer that the newest forecast is of: those known before, and what came since."""
    known = before.path
    if latest is None:
        return pd.DataFrame()
    if known.empty or before.path_of != _layer_of(latest):
        rows = store.estimates(machine, limit=PATH_FRAMES)
    else:
        since_s = float(known["time_s"].iloc[-1])
        rows = pd.concat([known, store.estimates(machine, since_s=since_s, limit=PATH_FRAMES)], ignore_index=True)
    return rows[rows["layer"] == latest["layer"]].tail(PATH_FRAMES)


def _layer_of(latest: dict[str, Any] | None) -> tuple[str, int] | None:
    return None if latest is None else (str(latest["build"]), int(latest["layer"]))


def read_slow(
    store: Store, row: dict[str, Any], latest: dict[str, Any] | None, now_s: float, before: Slow | None = None
) -> Slow:
    """Build, field, plan, path, alerts, counts and the card of the operator behind the newest forecast; of the path
    only what is newer than in `before`."""
    machine = str(row["machine"])
    build = store.build(machine)
    name, layer = (build or {}).get("build") or row.get("build"), number(row.get("layer"))
    vectors = store.scan_vectors(machine, str(name), int(layer)) if name and layer is not None else pd.DataFrame()
    inferred, inferred_by = _inferred(store, machine)
    return Slow(
        now_s,
        absorptivity=inferred,
        inferred_by=inferred_by,
        calibration=store.calibration(machine, limit=INFERRED),
        build=build,
        temperature_field=store.latest_field(machine),
        vectors=vectors,
        path=_path(store, machine, latest, before or Slow()),
        path_of=_layer_of(latest),
        alerts=_alerts(store, machine),
        gaps=store.gaps(machine, limit=MISSED),
        rejects=store.rejects(limit=MISSED),
        skipped=store.skipped(machine, limit=RANGES),
        counts=store.counts(machine),
        outcomes=store.outcomes(machine),
        card=store.card(str(latest["operator"])) if latest else None,
    )


def _alerts(store: Store, machine: str) -> pd.DataFrame:
    """All that stand, and the newest of the others."""
    standing, newest = store.alerts(machine, standing_only=True, limit=STANDING), store.alerts(machine, limit=ALERTS)
    rows = pd.concat([standing, newest], ignore_index=True) if len(standing) and len(newest) else newest
    return rows.drop_duplicates(["build", "kind", "occurrence"], ignore_index=True)


def outcome_of(forecast: dict[str, Any]) -> Outcome:
    """The outcome in a forecast row."""
    return Outcome(
        forecast["outcome"],
        forecast.get("outcome_which") or "",
        number(forecast.get("outcome_by")) or 0.0,
        forecast.get("outcome_unit") or "",
    )


def number(value: Any) -> float | None:
    """A cell of a table as a float; None where the table has a hole."""
    return None if value is None or pd.isna(value) else float(value)


def _frame(forecast: dict[str, Any]) -> Hashable:
    return (forecast["build"], forecast["layer"], forecast["frame"], forecast["issued_s"])
