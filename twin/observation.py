"""Observation: what a machine said, checked and typed, before anybody interprets it.

One class per kind of message (DESIGN section 7). They are pydantic models because the wire's JSON Schema is generated
from them; `ingest` turns bytes into them and nothing else makes them from outside. Units are SI, said by the suffix.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

SCHEMA_VERSION = 1

Origin = Literal["live", "replay", "simulated"]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.\-]+$")]
Seconds = FiniteFloat
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]  # fits SQL
Metres = FiniteFloat
Column = Annotated[list[FiniteFloat], Field(min_length=1, max_length=10_000)]
NonNegativeColumn = Annotated[
    list[Annotated[float, Field(ge=0, allow_inf_nan=False)]], Field(min_length=1, max_length=10_000)
]


class Message(BaseModel):
    """What every message carries. The key (source, channel, sequence) makes a redelivery harmless.

    `time_s` is the event time in the machine's own time base; in slow motion and replay that is process time.
    `sent_s` is the publisher's wall clock when it published, for latency and data age.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    source: Name
    sequence: Count
    time_s: Seconds
    sent_s: Seconds | None = None

    @property
    def channel(self) -> str:
        """The stream inside the source that `sequence` counts."""
        return self.kind  # type: ignore[attr-defined]


def _equal_lengths(message: BaseModel, *names: str) -> None:
    lengths = {name: len(getattr(message, name)) for name in names if getattr(message, name) is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")


class State(Message):
    """Birth, death (the broker sends it as last will) and changes of the machine's state. Retained."""

    kind: Literal["state"] = "state"
    status: Literal["online", "offline"]
    origin: Origin = "live"
    process: Literal["lpbf", "ded"] | None = None
    time_factor: Annotated[float, Field(gt=0)] = 1.0  # process seconds per wall second; 0.001 is slow motion
    note: str = ""


class Build(Message):
    """A build begins: what stays constant in it. Retained. `assumed` names the fields that no log carried."""

    kind: Literal["build"] = "build"
    build: Name
    material: Name
    beam_diameter_m: Annotated[float, Field(gt=0, le=0.01)]  # D4-sigma
    layer_thickness_m: Annotated[float, Field(gt=0, le=0.01)]
    preheat_k: Annotated[float, Field(gt=0, lt=3000)] = 298.15
    absorptivity: Annotated[float, Field(gt=0, le=1)] | None = None  # none: by the rule, from power and speed
    nominal_beam_power_w: Annotated[float, Field(gt=0)]
    nominal_scan_speed_m_per_s: Annotated[float, Field(gt=0)]
    frame_s: Annotated[float, Field(gt=0, le=1)]  # length of a window: the beam travels about half its diameter
    hatch_spacing_m: Annotated[float, Field(gt=0)] | None = None
    part: str = ""
    layers: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    assumed: list[str] = []
    data_hash: str = ""


class Layer(Message):
    """A layer begins. Retained."""

    kind: Literal["layer"] = "layer"
    build: Name
    layer: Count
    z_m: Metres = 0.0
    note: str = ""


class Parameters(Message):
    """Samples of what the beam did, in columns. Power holds until the next sample, position is linear between samples.

    `time_s` of the message is that of its first sample.
    """

    kind: Literal["parameters"] = "parameters"
    build: Name
    layer: Count
    sample_time_s: Column
    x_m: Column
    y_m: Column
    z_m: Column
    beam_power_w: NonNegativeColumn
    final: bool = False  # the last message of this layer: closes its last window

    @model_validator(mode="after")
    def _check(self) -> "Parameters":
        _equal_lengths(self, "sample_time_s", "x_m", "y_m", "z_m", "beam_power_w")
        if any(b < a for a, b in zip(self.sample_time_s, self.sample_time_s[1:], strict=False)):
            raise ValueError("sample_time_s goes back inside one message")
        return self


class Plan(Message):
    """Scan vectors to come, in columns: the beam goes from (x0, y0) to (x1, y1) from start_s on. Power 0 is a jump.

    A later plan replaces an earlier one from its first start_s on.
    """

    kind: Literal["plan"] = "plan"
    build: Name
    layer: Count
    first_vector: Count = 0  # index in the layer of the first vector here
    start_s: Column
    x0_m: Column
    y0_m: Column
    x1_m: Column
    y1_m: Column
    z_m: Column
    beam_power_w: NonNegativeColumn
    scan_speed_m_per_s: NonNegativeColumn  # 0: a spot, of `dwell_s`
    dwell_s: NonNegativeColumn | None = None

    @model_validator(mode="after")
    def _check(self) -> "Plan":
        _equal_lengths(
            self, "start_s", "x0_m", "y0_m", "x1_m", "y1_m", "z_m", "beam_power_w", "scan_speed_m_per_s", "dwell_s"
        )
        return self


SignalName = Literal[
    "melt_pool_width_m", "melt_pool_length_m", "melt_pool_depth_m", "temperature_k", "laser_on", "photodiode_v"
]


class Signal(Message):
    """Samples of one sensor. The name carries the unit; each name is a channel with its own sequence."""

    kind: Literal["signal"] = "signal"
    build: Name
    layer: Count
    name: SignalName
    sample_time_s: Column
    value: Column

    @property
    def channel(self) -> str:
        return f"signal/{self.name}"

    @model_validator(mode="after")
    def _check(self) -> "Signal":
        _equal_lengths(self, "sample_time_s", "value")
        return self


AnyMessage = Annotated[State | Build | Layer | Parameters | Plan | Signal, Field(discriminator="kind")]


@dataclass(frozen=True)
class Observation:
    """A message that could be read, with the machine that its topic names."""

    site: str
    machine: str
    message: State | Build | Layer | Parameters | Plan | Signal
    topic: str = ""
    payload: bytes = b""

    @property
    def key(self) -> tuple[str, str, int]:
        """(source, channel, sequence): never a time."""
        return (self.message.source, self.message.channel, self.message.sequence)


@dataclass(frozen=True)
class Rejected:
    """A message that could not be read: kept whole, with the reason."""

    topic: str
    payload: bytes
    reason: str


@dataclass(frozen=True)
class Gap:
    """Sequence numbers that never came, first and last included."""

    machine: str
    source: str
    channel: str
    first_sequence: int
    last_sequence: int
    noticed_s: float


class Path(NamedTuple):
    """Where the beam is and what power it has, sampled. Arrays of one length; power holds until the next sample."""

    time_s: np.ndarray
    x_m: np.ndarray
    y_m: np.ndarray
    z_m: np.ndarray
    beam_power_w: np.ndarray


@dataclass(frozen=True)
class Window:
    """A closed, ordered, de-duplicated stretch of one layer: the parameters of one frame.

    `path` begins at start_s and ends at end_s exactly (samples are interpolated there). `gap` says that a sequence is
    missing inside. `sent_s` is the newest publisher's clock among its messages.
    """

    machine: str
    build: str
    layer: int
    index: int  # counts frames from the start of the layer
    start_s: float
    end_s: float
    path: Path
    gap: bool = False
    sent_s: float | None = None
    plan: Path | None = field(default=None, repr=False)  # planned path from end_s on, as known when the window closed
