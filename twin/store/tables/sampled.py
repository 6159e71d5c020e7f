"""What messages carry as series: parameters, planned vectors, samples of sensors, pictures."""

from sqlalchemy import (
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from twin.store.tables.base import CLUSTERED, Base


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
    __table_args__ = (CLUSTERED,)


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
    __table_args__ = (CLUSTERED,)


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
    __table_args__ = (CLUSTERED,)


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
