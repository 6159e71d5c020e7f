"""What was heard: machines, builds, layers, every message once, and what never came or could not be read."""

from sqlalchemy import (
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from twin.store.tables.base import BRIN, ROW_ID, Base


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
    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
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
        Index(None, "received_s", postgresql_using="brin", postgresql_with=BRIN),
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
