"""Tables: one schema for SQLite and PostgreSQL. Times are seconds, everything else SI, said by the suffix.

Wall clocks (`issued_s`, `sent_s`, `received_s`, ...) are UTC since the epoch; `time_s` is the machine's process time.
History is append-only: `observations`, `rejects`, `gaps`, `conflicts`, `forecasts` and what hangs on them never change.
`machines`, `builds` and `layers` are the newest word about a thing, folded in the transaction of its observations.
Series that people query are rows (`melt_pool`, `signals`); samples that come at up to 100 kHz are arrays, one row a
message (`parameters`), and so are fields. Tables that are read by ranges are clustered on their key in SQLite
(`sqlite_with_rowid=False`): one tree to write, one to read.
"""

from sqlalchemy import (
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_REVISION = "0010_accounts"  # head of migrations/versions

_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_CLUSTERED = {"sqlite_with_rowid": False}
_BRIN = {"autosummarize": "on", "pages_per_range": 32}
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that a migration can name them on every engine."""

    metadata = MetaData(naming_convention=_CONVENTION)
    type_annotation_map = {str: Text, float: Double, int: BigInteger, bytes: LargeBinary}


class MachineRow(Base):
    """What is known of a machine now."""

    __tablename__ = "machines"
    machine: Mapped[str] = mapped_column(primary_key=True)
    site: Mapped[str]
    status: Mapped[str | None]
    origin: Mapped[str | None]
    process: Mapped[str | None]
    time_factor: Mapped[float]
    note: Mapped[str]
    status_received_s: Mapped[float | None]
    build: Mapped[str | None]
    build_received_s: Mapped[float | None]
    last_sent_s: Mapped[float | None]


class BuildRow(Base):
    """The newest build message under this name; `assumed` is a JSON list of the fields that no log carried."""

    __tablename__ = "builds"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    sequence: Mapped[int]
    time_s: Mapped[float]
    sent_s: Mapped[float | None]
    received_s: Mapped[float]
    material: Mapped[str]
    beam_diameter_m: Mapped[float]
    layer_thickness_m: Mapped[float]
    preheat_k: Mapped[float]
    absorptivity: Mapped[float | None]
    nominal_beam_power_w: Mapped[float]
    nominal_scan_speed_m_per_s: Mapped[float]
    frame_s: Mapped[float]
    hatch_spacing_m: Mapped[float | None]
    part: Mapped[str]
    layers: Mapped[int | None]
    assumed: Mapped[str]
    data_hash: Mapped[str]
    __table_args__ = (Index(None, "machine", "received_s"),)


class KeptBuildRow(Base):
    """A build that pruning leaves whole, because a person said so."""

    __tablename__ = "kept_builds"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    kept_by: Mapped[str]
    kept_s: Mapped[float]
    note: Mapped[str]


class LayerRow(Base):
    """What is known of a layer from its own message and from its parameters."""

    __tablename__ = "layers"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    layer: Mapped[int] = mapped_column(primary_key=True)
    z_m: Mapped[float | None]
    note: Mapped[str]
    begun_s: Mapped[float | None]
    begun_received_s: Mapped[float | None]
    last_time_s: Mapped[float]
    final: Mapped[bool]
    received_s: Mapped[float]
    __table_args__ = (Index(None, "machine", "build", "received_s", "layer"),)


class ObservationRow(Base):
    """One message, whole: the payload is its JSON, compressed where it is long (`encoding`)."""

    __tablename__ = "observations"
    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True)
    source: Mapped[str]
    channel: Mapped[str]
    sequence: Mapped[int]
    site: Mapped[str]
    machine: Mapped[str]
    kind: Mapped[str]
    build: Mapped[str | None]
    layer: Mapped[int | None]
    time_s: Mapped[float]
    sent_s: Mapped[float | None]
    received_s: Mapped[float]
    encoding: Mapped[str]
    payload: Mapped[bytes]
    __table_args__ = (
        UniqueConstraint("source", "channel", "sequence"),
        Index(None, "machine", "build", "layer", "kind", "source", "sequence"),
        Index(None, "received_s", postgresql_using="brin", postgresql_with=_BRIN),
    )


class ConflictRow(Base):
    """A message that came under a key already taken by another content. The first one stands."""

    __tablename__ = "conflicts"
    source: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str]
    received_s: Mapped[float]
    encoding: Mapped[str]
    payload: Mapped[bytes]


class RejectRow(Base):
    """A message that could not be read. `digest` covers topic, payload and which of its like in one step it was.

    `code` is the reason in one stable word (docs/wire.md lists them).
    """

    __tablename__ = "rejects"
    received_s: Mapped[float] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str]
    payload: Mapped[bytes]
    reason: Mapped[str]
    code: Mapped[str]
    reingested_s: Mapped[float | None]  # when a later decoder could read it


class BirthRow(Base):
    """A source that began its sequences anew; its keys are from then on those of `source#birth`."""

    __tablename__ = "births"
    source: Mapped[str] = mapped_column(primary_key=True)
    birth: Mapped[int] = mapped_column(primary_key=True)
    machine: Mapped[str]
    channel: Mapped[str]
    sequence: Mapped[int]
    reason: Mapped[str]
    noticed_s: Mapped[float]
    __table_args__ = (Index(None, "machine", "noticed_s"),)


class SkippedRow(Base):
    """Frames that got no forecast because newer ones waited, first and last included."""

    __tablename__ = "skipped"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    layer: Mapped[int] = mapped_column(primary_key=True)
    first_frame: Mapped[int] = mapped_column(primary_key=True)
    last_frame: Mapped[int]
    noticed_s: Mapped[float]
    __table_args__ = (Index(None, "machine", "noticed_s"),)


class GapRow(Base):
    """Sequence numbers that never came, first and last included."""

    __tablename__ = "gaps"
    machine: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    first_sequence: Mapped[int] = mapped_column(primary_key=True)
    last_sequence: Mapped[int] = mapped_column(primary_key=True)
    noticed_s: Mapped[float]
    __table_args__ = (Index(None, "machine", "noticed_s"),)


class ParametersRow(Base):
    """One parameters message: `samples` columns of float64 (time_s, x_m, y_m, z_m, beam_power_w), one after another."""

    __tablename__ = "parameters"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    layer: Mapped[int] = mapped_column(primary_key=True)
    first_time_s: Mapped[float] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    last_time_s: Mapped[float]
    final: Mapped[bool]
    samples: Mapped[int]
    columns: Mapped[bytes]
    __table_args__ = (_CLUSTERED,)


class ScanVectorRow(Base):
    """One planned vector of one plan message. A later plan (plan_time_s, sequence) replaces from plan_start_s on."""

    __tablename__ = "scan_vectors"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    layer: Mapped[int] = mapped_column(primary_key=True)
    plan_time_s: Mapped[float] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    vector: Mapped[int] = mapped_column(primary_key=True)
    plan_start_s: Mapped[float]
    start_s: Mapped[float]
    x0_m: Mapped[float]
    y0_m: Mapped[float]
    x1_m: Mapped[float]
    y1_m: Mapped[float]
    z_m: Mapped[float]
    beam_power_w: Mapped[float]
    scan_speed_m_per_s: Mapped[float]
    dwell_s: Mapped[float | None]
    __table_args__ = (_CLUSTERED,)


class SignalRow(Base):
    """One sample of one sensor; the name carries the unit of the value."""

    __tablename__ = "signals"
    machine: Mapped[str] = mapped_column(primary_key=True)
    build: Mapped[str] = mapped_column(primary_key=True)
    time_s: Mapped[float] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    sample: Mapped[int] = mapped_column(primary_key=True)
    layer: Mapped[int]
    value: Mapped[float]
    __table_args__ = (_CLUSTERED,)


class FrameRow(Base):
    """A camera's picture: zlib of its pixels in `dtype`, row by row; a pixel says offset + scale * value, in `unit`.

    The picture is here and nowhere else (`observations` keeps its digest), so that old pictures can be deleted and
    their messages stay known.
    """

    __tablename__ = "frames"
    source: Mapped[str] = mapped_column(primary_key=True)
    camera: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    machine: Mapped[str]
    build: Mapped[str]
    layer: Mapped[int]
    time_s: Mapped[float]
    sent_s: Mapped[float | None]
    received_s: Mapped[float]
    view: Mapped[str]
    quantity: Mapped[str]
    unit: Mapped[str]
    centre_from: Mapped[str]
    x_m: Mapped[float]
    y_m: Mapped[float]
    rotation_rad: Mapped[float]
    pixel_m: Mapped[float]
    exposure_s: Mapped[float]
    sensor_min: Mapped[float]
    sensor_max: Mapped[float]
    rows: Mapped[int]
    columns: Mapped[int]
    dtype: Mapped[str]
    scale: Mapped[float]
    offset: Mapped[float]
    checksum: Mapped[int]  # crc32 of `value` as stored
    value: Mapped[bytes]
    __table_args__ = (
        Index(None, "machine", "build", "time_s", "camera", "source", "sequence"),
        Index(None, "received_s"),
    )


class ForecastRow(Base):
    """One frame's forecast. `withheld` says that it has no sizes; a number that is not finite is NULL in SQLite.

    `opinion` is empty for the forecast of record, else the card that was asked for a second opinion on the frame.
    """

    __tablename__ = "forecasts"
    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
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
    __table_args__ = (_CLUSTERED,)


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
    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True)
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


class RequestRow(Base):
    """What a page asks of the run process (`twin/store/requests.py`); arguments and answer are JSON."""

    __tablename__ = "requests"
    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True)
    kind: Mapped[str]
    arguments: Mapped[str]
    who: Mapped[str]
    asked_s: Mapped[float]
    deadline_s: Mapped[float]
    state: Mapped[str]
    claims: Mapped[int]
    claimed_s: Mapped[float | None]
    lease_until_s: Mapped[float | None]
    progress: Mapped[float]
    answer: Mapped[str | None]
    error: Mapped[str]
    answered_s: Mapped[float | None]
    __table_args__ = (Index(None, "state", "asked_s"),)


class CardRow(Base):
    """An operator card; a card that changed under its name is another row, and the last one received is read."""

    __tablename__ = "operator_cards"
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    json: Mapped[str]
    received_s: Mapped[float]


class CounterRow(Base):
    """How many, so that nobody counts a growing table: `detail` is a kind, a source or an outcome."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class AccountRow(Base):
    """A person who may sign in. `password_hash` says how it was made; empty: only a proxy vouches for this person."""

    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    epoch: Mapped[int]  # sessions of another epoch have ended
    disabled: Mapped[bool]
    created_by: Mapped[str]
    created_s: Mapped[float]
    changed_by: Mapped[str]
    changed_s: Mapped[float]


class AccountActRow(Base):
    """Who did what to whose account, when; never changed, never deleted. `session` of a sign-in or a sign-out."""

    __tablename__ = "account_acts"
    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True)
    at_s: Mapped[float]
    by: Mapped[str]
    act: Mapped[str]
    name: Mapped[str]
    detail: Mapped[str]
    session: Mapped[str]
    __table_args__ = (Index(None, "act", "id"), Index(None, "name", "id"))
