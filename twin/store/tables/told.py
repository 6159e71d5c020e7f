"""What the twin told: forecasts, sizes, fields, estimates of a machine, alerts and their history, operators' cards."""

from sqlalchemy import (
    ForeignKey,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from twin.store.tables.base import CLUSTERED, ROW_ID, Base


class ForecastRow(Base):
    """One frame's forecast. `withheld` says that it has no sizes; a number that is not finite is NULL in SQLite.

    `opinion` is empty for the forecast of record, else the card that was asked for a second opinion on the frame.
    """

    __tablename__ = "forecasts"
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True, autoincrement=False)
    machine: Mapped[str]
    build: Mapped[str]
    layer: Mapped[int]
    frame: Mapped[int]
    time_s: Mapped[float]
    issued_s: Mapped[float]
    sent_s: Mapped[float | None]
    operator: Mapped[str]
    outcome_kind: Mapped[str]
    outcome_which: Mapped[str]
    outcome_by: Mapped[float | None]
    outcome_unit: Mapped[str]
    regime: Mapped[str | None]
    keyhole_number: Mapped[float | None]
    laser_on: Mapped[bool]
    withheld: Mapped[bool]
    opinion: Mapped[str]
    ledger_defect: Mapped[float | None]
    absorptivity: Mapped[float | None]
    nominal_absorptivity: Mapped[float | None]
    camera_frames: Mapped[int | None]
    credibility: Mapped[float | None]
    strangest: Mapped[str]
    evidence: Mapped[str]
    __table_args__ = (
        UniqueConstraint("machine", "build", "layer", "frame", "opinion"),
        Index(None, "machine", "build", "opinion", "time_s"),
        Index(None, "machine", "opinion", "issued_s", "time_s"),
    )


class MeltPoolRow(Base):
    """The melt pool at one lead of one forecast; lead 0 is the first, the estimate of now. The sizes lie between low
    and high with probability `coverage`; NULL where no band is claimed."""

    __tablename__ = "melt_pool"
    forecast_id: Mapped[int] = mapped_column(ForeignKey("forecasts.id"), primary_key=True)
    lead: Mapped[int] = mapped_column(primary_key=True)
    lead_s: Mapped[float]
    time_s: Mapped[float]
    length_m: Mapped[float | None]
    width_m: Mapped[float | None]
    depth_m: Mapped[float | None]
    x_m: Mapped[float | None]
    y_m: Mapped[float | None]
    beam_power_w: Mapped[float | None]
    length_low_m: Mapped[float | None]
    length_high_m: Mapped[float | None]
    width_low_m: Mapped[float | None]
    width_high_m: Mapped[float | None]
    depth_low_m: Mapped[float | None]
    depth_high_m: Mapped[float | None]
    coverage: Mapped[float | None]
    __table_args__ = (CLUSTERED,)


class FieldRow(Base):
    """A snapshot of a field: zlib of the temperature in `dtype` (`packing`), off by `rounding_k` and never by more than
    0.25 K from what was forecast."""

    __tablename__ = "fields"
    forecast_id: Mapped[int] = mapped_column(ForeignKey("forecasts.id"), primary_key=True)
    lead: Mapped[int] = mapped_column(primary_key=True)
    machine: Mapped[str]
    opinion: Mapped[str]
    issued_s: Mapped[float]
    time_s: Mapped[float]  # process time of the forecast
    lead_s: Mapped[float]
    heading_rad: Mapped[float]
    solidus_k: Mapped[float]
    boiling_k: Mapped[float]
    nx: Mapped[int]
    ny: Mapped[int]
    nz: Mapped[int]
    axes_m: Mapped[bytes]  # float64: x, y, z one after another
    dtype: Mapped[str]
    rounding_k: Mapped[float]
    checksum: Mapped[int]  # crc32 of `temperature_k` as stored
    temperature_k: Mapped[bytes]
    __table_args__ = (Index(None, "machine", "opinion", "issued_s", "time_s"),)


class CalibrationRow(Base):
    """A quantity of a machine as estimated from what its sensors saw, with its interval of 95 %, after a frame."""

    __tablename__ = "machine_calibration"
    forecast_id: Mapped[int] = mapped_column(ForeignKey("forecasts.id"), primary_key=True)
    quantity: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str]
    build: Mapped[str]
    time_s: Mapped[float]
    made_s: Mapped[float]
    nominal: Mapped[float]
    estimate: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    signals: Mapped[str]
    frames: Mapped[int]
    identifiable: Mapped[bool]
    consistent: Mapped[bool]
    followed: Mapped[bool]
    __table_args__ = (Index(None, "machine", "build", "quantity", "made_s", "time_s"),)


class AlertRow(Base):
    """One occurrence of an alert: raised, updated and cleared by the twin, acknowledged and shelved by people."""

    __tablename__ = "alerts"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    occurrence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    severity: Mapped[str]
    layer: Mapped[int]
    x_m: Mapped[float | None]
    y_m: Mapped[float | None]
    first_seen_s: Mapped[float]
    last_seen_s: Mapped[float]
    evidence: Mapped[str]
    action: Mapped[str]
    cleared_s: Mapped[float | None]
    count: Mapped[int]
    acknowledged_s: Mapped[float | None]
    acknowledged_by: Mapped[str | None]
    acknowledged_note: Mapped[str | None]
    shelved_until_s: Mapped[float | None]
    shelved_by: Mapped[str | None]
    shelved_note: Mapped[str | None]
    __table_args__ = (
        Index(None, "last_seen_s"),
        Index(None, "cleared_s", "last_seen_s"),
        Index(None, "machine", "last_seen_s"),
        Index(None, "machine", "cleared_s", "last_seen_s"),
        Index(
            "uq_alerts_open", "machine", "build", "kind", unique=True,
            sqlite_where=text("cleared_s IS NULL"), postgresql_where=text("cleared_s IS NULL"),
        ),
    )  # fmt: skip


class AlertActRow(Base):
    """What was done about an alert: by the twin, or by a named person. Rows are added, and never changed."""

    __tablename__ = "alert_acts"
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    machine: Mapped[str]
    build: Mapped[str]
    kind: Mapped[str]
    occurrence: Mapped[int]
    act: Mapped[str]
    by: Mapped[str]
    at_s: Mapped[float]
    note: Mapped[str]
    until_s: Mapped[float | None]
    __table_args__ = (Index(None, "machine", "build", "kind", "occurrence"), Index(None, "machine", "id"))


class CardRow(Base):
    """An operator card; a card that changed under its name is another row, and the last one received is read."""

    __tablename__ = "operator_cards"
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    json: Mapped[str]
    received_s: Mapped[float]
