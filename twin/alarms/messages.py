"""Messages: what the twin says of alerts and forecasts over MQTT, and how a person's acknowledgement comes in.

They are pydantic models because the wire's JSON Schema is generated from them. An `alert` message is a state and not an
event: all that stands on one machine. Who missed one misses nothing when the next comes, and it can be retained.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from twin.alarms.acts import MOST_WORDS, Act, State, state_of
from twin.alarms.kinds import Status, status_of
from twin.forecast import Forecast, OutcomeKind, Regime, Severity
from twin.observation import Count, Name, NoBool, Seconds

MOST = 100  # alerts in one message: the newest
Text = Annotated[str, Field(max_length=MOST_WORDS)]


class Said(BaseModel):
    """What each of them carries. `sent_s` is the sender's wall clock, UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Annotated[Literal[1], NoBool] = 1
    source: Name
    sent_s: Seconds


class Standing(BaseModel):
    """One alert as it stands. Times are UTC seconds; `status` is of NAMUR NE 107, `state` of ISA-18.2."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    build: str
    alert: str  # its kind: keyhole, stale, ...
    occurrence: Count  # the how manieth of its kind in this build
    state: State
    severity: Severity
    status: Status
    count: Count = 1  # times that it came, where a flood groups them
    layer: Count  # where it was seen first
    x_m: float | None = None
    y_m: float | None = None
    first_seen_s: Seconds
    last_seen_s: Seconds
    cleared_s: Seconds | None = None
    evidence: str
    action: str
    acknowledged_s: Seconds | None = None
    acknowledged_by: str | None = None
    acknowledged_note: str | None = None


class AlertMessage(Said):
    """All alerts that stand on a machine: their cause is there, or they wait for a person's word. Retained.

    `sequence` grows with everything that was done about any alert. What is shelved is not among them, and counted.
    """

    kind: Literal["alert"] = "alert"
    sequence: Count
    alerts: list[Standing]
    shelved: Count = 0
    more: Count = 0  # that had no place here: the oldest


class AckMessage(Said):
    """A named person knows of an alert. Without `occurrence` all of that kind that wait are meant. Not retained."""

    kind: Literal["ack"] = "ack"
    build: str = ""
    alert: Annotated[str, Field(min_length=1, max_length=64)]
    occurrence: Count | None = None
    by: Annotated[str, Field(min_length=1, max_length=64)]
    note: Annotated[str, Field(min_length=1, max_length=MOST_WORDS)]


class PublishedLead(BaseModel):
    """The melt pool so many seconds ahead of the forecast's own time; 0 is the estimate of now."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lead_s: Seconds
    length_m: float
    width_m: float
    depth_m: float
    x_m: float
    y_m: float


class ForecastMessage(Said):
    """The newest forecast of record of a machine. Without leads it was withheld, and the outcome says why."""

    kind: Literal["forecast"] = "forecast"
    build: str
    layer: Count
    frame: Count
    time_s: Seconds  # process time of the estimate of now
    operator: str
    outcome: OutcomeKind
    outcome_which: str = ""
    outcome_by: float | None = None
    outcome_unit: str = ""
    regime: Regime | None = None
    keyhole_number: float | None = None
    leads: list[PublishedLead]


def alerts_message(rows: Sequence[Mapping[str, Any]], source: str, sequence: int, now_s: float) -> AlertMessage:
    """Of one machine, from rows of `Store.alerts(machine, standing_only=True)`, the newest first."""
    states = [(row, state_of(row, now_s)) for row in rows]
    loud = [_standing(row, state) for row, state in states if state not in ("shelved", "cleared")]
    shelved = sum(state == "shelved" for _, state in states)
    more = max(len(loud) - MOST, 0)
    return AlertMessage(source=source, sequence=sequence, sent_s=now_s, alerts=loud[:MOST], shelved=shelved, more=more)


def forecast_message(forecast: Forecast, source: str, now_s: float) -> ForecastMessage:
    """What is not a finite number is left out: it stands in the outcome."""
    leads = [
        PublishedLead(lead_s=lead.lead_s, **_finite(vars(lead.melt_pool)), x_m=lead.x_m, y_m=lead.y_m)
        for lead in forecast.leads
        if len(_finite(vars(lead.melt_pool))) == 3
    ]
    outcome = forecast.outcome
    return ForecastMessage(
        source=source, sent_s=now_s, build=forecast.build, layer=forecast.layer, frame=forecast.frame,
        time_s=forecast.time_s, operator=forecast.operator, outcome=outcome.kind, outcome_which=outcome.which,
        outcome_by=_finite({"by": outcome.by}).get("by"), outcome_unit=outcome.unit, regime=forecast.regime,
        keyhole_number=forecast.keyhole_number, leads=leads,
    )  # fmt: skip


def act_of(machine: str, message: AckMessage) -> Act:
    """Raises `BadActError`."""
    return Act(
        machine, message.build, message.alert, "acknowledged", message.by, message.sent_s, message.note,
        message.occurrence,
    )  # fmt: skip


def _standing(row: Mapping[str, Any], state: State) -> Standing:
    own = {name: row[name] for name in Standing.model_fields if name in row}
    there = {name: value for name, value in own.items() if value is not None and value == value}
    return Standing(alert=row["kind"], state=state, status=status_of(row["kind"]), **there)


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if abs(value) < float("inf")}
