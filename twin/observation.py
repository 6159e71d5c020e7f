"""Observation: what a machine said, checked and typed, before anybody interprets it.

One class per kind of message (DESIGN section 7). They are pydantic models because the wire's JSON Schema is generated
from them; `ingest` turns bytes into them and nothing else makes them from outside. Units are SI, said by the suffix.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, GetCoreSchemaHandler, model_validator
from pydantic_core import PydanticCustomError, core_schema

from twin.forecast import OK, Outcome

SCHEMA_VERSION = 1
MAX_SAMPLES = 10_000  # of one message
MAX_SIDE = 1024  # rows or columns of a picture
MAX_PIXELS = 1 << 18

Origin = Literal["live", "replay", "simulated"]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.\-]+$")]
Seconds = FiniteFloat
NoBool = BeforeValidator(lambda said: str(said) if isinstance(said, bool) else said)  # True is no 1
Whole = BeforeValidator(lambda said: int(said) if isinstance(said, float) and said.is_integer() else said)  # 3.0 is 3
Count = Annotated[int, Field(ge=0, le=2**63 - 1), Whole]  # fits SQL
Metres = FiniteFloat
Column = Annotated[list[FiniteFloat], Field(min_length=1, max_length=MAX_SAMPLES, fail_fast=True)]
NonNegativeColumn = Annotated[
    list[Annotated[float, Field(ge=0, allow_inf_nan=False)]],
    Field(min_length=1, max_length=MAX_SAMPLES, fail_fast=True),
]


class Message(BaseModel):
    """What every message carries. The key (source, channel, sequence) makes a redelivery harmless.

    `time_s` is the event time in the machine's own time base; in slow motion and replay that is process time.
    `sent_s` is the publisher's wall clock when it published, for latency and data age.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Annotated[Literal[1], NoBool] = 1
    source: Name
    sequence: Count
    time_s: Seconds
    sent_s: Seconds | None = None

    @property
    def channel(self) -> str:
        """The stream inside the source that `sequence` counts."""
        return self.kind  # type: ignore[attr-defined]


def _equal_lengths(message: BaseModel, *names: str) -> None:
    said = message.__dict__
    lengths = {name: len(said[name]) for name in names if said[name] is not None}
    if len(set(lengths.values())) > 1:
        raise PydanticCustomError("wrong_length", f"columns differ in length: {lengths}")


class State(Message):
    """Birth, death (the broker sends it as last will) and changes of the machine's state. Retained."""

    kind: Literal["state"] = "state"
    status: Literal["online", "offline"]
    origin: Origin = "live"
    process: Literal["lpbf", "ded"] | None = None
    time_factor: Annotated[float, Field(gt=0)] = 1.0  # process seconds per wall second; 0.001 is slow motion
    birth: Count | None = None  # any number that is another one after each restart of the source, as its start in s
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
    layers: Annotated[int, Field(ge=1, le=2**63 - 1), Whole] | None = None
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
            raise PydanticCustomError("out_of_order", "sample_time_s goes back inside one message")
        return self


class Plan(Message):
    """Scan vectors to come, in columns: the beam goes from (x0, y0) to (x1, y1) from start_s on. Power 0 is a jump.

    A later plan replaces an earlier one from its first start_s on.
    """

    kind: Literal["plan"] = "plan"
    build: Name
    layer: Count
    first_vector: Annotated[int, Field(ge=0, le=2**62), Whole] = 0  # index in the layer of the first vector here
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
    "melt_pool_width_m", "melt_pool_length_m", "melt_pool_depth_m", "temperature_k", "laser_on", "photodiode_v",
    "build_plate_temperature_k", "chamber_temperature_k", "oxygen_share", "gas_flow_m3_per_s",
]  # fmt: skip


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


class _Pixels:
    """How an array stands in JSON: a list of numbers. In Python an array passes as it is, without a copy."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        number = core_schema.float_schema(allow_inf_nan=False)
        numbers = core_schema.list_schema(number, min_length=1, max_length=MAX_PIXELS, fail_fast=True)
        from_list = core_schema.no_info_after_validator_function(np.asarray, numbers)
        return core_schema.json_or_python_schema(
            json_schema=from_list,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(np.ndarray), from_list]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _numbers, return_schema=core_schema.list_schema(core_schema.any_schema()), when_used="json"
            ),
        )


def _numbers(pixels: np.ndarray) -> list[float]:
    """Shortest decimals that give the same float32 or uint16 again."""
    if pixels.dtype.kind == "u":
        return pixels.tolist()
    return [float(f"{number:.9g}") for number in pixels.tolist()]


class Frame(Message):
    """A camera's picture of the surface, coaxial with the beam or off its axis. `time_s` is the middle of its exposure.

    A pixel says `offset + scale * value`, in K (`temperature_k`) or in the stated unit of a raw `intensity`. Pixels
    stand row by row; the one at (row, column) looks at the centre plus pixel_m times
    (column - (columns - 1)/2, row - (rows - 1)/2), turned by rotation_rad about z. The centre is (x_m, y_m) from the
    beam where it was at `time_s`, or in machine coordinates. Outside sensor_min..sensor_max a pixel is saturated.
    """

    kind: Literal["frame"] = "frame"
    build: Name
    layer: Count
    camera: Name = "coaxial"  # each camera is a channel with its own sequence
    view: Literal["coaxial", "off_axis"] = "coaxial"
    quantity: Literal["temperature_k", "intensity"]
    unit: Annotated[str, Field(min_length=1, max_length=32)] = "K"
    rows: Annotated[int, Field(ge=1, le=MAX_SIDE), Whole]
    columns: Annotated[int, Field(ge=1, le=MAX_SIDE), Whole]
    pixel_m: Annotated[float, Field(gt=0, le=0.01, allow_inf_nan=False)]
    centre_from: Literal["beam", "machine"] = "beam"
    x_m: Metres = 0.0
    y_m: Metres = 0.0
    rotation_rad: FiniteFloat = 0.0
    exposure_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]
    sensor_min: FiniteFloat
    sensor_max: FiniteFloat
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    offset: FiniteFloat = 0.0
    dtype: Literal["float32", "uint16"] = "float32"
    value: Annotated[np.ndarray, _Pixels]

    @property
    def channel(self) -> str:
        return f"frame/{self.camera}"

    @model_validator(mode="after")
    def _check(self) -> "Frame":
        if (self.unit == "K") != (self.quantity == "temperature_k"):
            raise PydanticCustomError("wrong_unit", "temperature_k is in K, and an intensity in another unit")
        if self.sensor_min >= self.sensor_max:
            raise PydanticCustomError("out_of_range", "sensor_min is not below sensor_max")
        pixels = self.value.reshape(-1)
        if len(pixels) != self.rows * self.columns:
            text = f"{len(pixels)} pixels are not {self.rows} rows of {self.columns}"
            raise PydanticCustomError("wrong_length", text)  # type: ignore[arg-type]
        if pixels.dtype != self.dtype:
            pixels = _cast(pixels, self.dtype)
        if self.dtype == "float32" and not np.isfinite(pixels).all():
            raise PydanticCustomError("finite_number", "a pixel is not a finite number")
        pixels.flags.writeable = False
        self.__dict__["value"] = pixels  # the model is frozen for everybody else
        return self

    def picture(self) -> np.ndarray:
        """float32[rows, columns]: offset + scale * value, in `unit`."""
        pixels = self.value.reshape(self.rows, self.columns).astype(np.float32, copy=False)
        return pixels if (self.scale, self.offset) == (1.0, 0.0) else pixels * self.scale + self.offset

    def saturated(self) -> np.ndarray:
        """bool[rows, columns]: the pixels at or beyond an end of the sensor's range, which say only so much."""
        picture = self.picture()
        return np.asarray((picture <= self.sensor_min) | (picture >= self.sensor_max))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        ours, theirs = dict(self.__dict__), dict(other.__dict__)
        return np.array_equal(ours.pop("value"), theirs.pop("value")) and ours == theirs

    __hash__ = None  # type: ignore[assignment]  # as every message with columns


def _cast(pixels: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "uint16" and not (np.all(pixels == np.rint(pixels)) and 0 <= pixels.min() <= pixels.max() <= 65_535):
        raise PydanticCustomError("out_of_range", "a pixel of dtype uint16 is no whole number from 0 to 65535")
    with np.errstate(over="ignore"):
        return pixels.astype(dtype)


AnyOf = State | Build | Layer | Parameters | Plan | Signal | Frame
AnyMessage = Annotated[AnyOf, Field(discriminator="kind")]


@dataclass(frozen=True)
class Observation:
    """A message that could be read, with the machine that its topic names, and which life of its source said it."""

    site: str
    machine: str
    message: AnyOf
    topic: str = ""
    payload: bytes = b""
    birth: int = 0  # how often the source had begun its sequences anew
    own: bool = False  # the machine counts for itself under a name that another machine used first

    @property
    def name(self) -> str:
        """Which source counted: its name; where another machine's came first under it, with `@` and the machine."""
        return own_name(self.message.source, self.machine) if self.own else self.message.source

    @property
    def source(self) -> str:
        """The source in this life: its name, from the second life on with `#` and the birth, which no name can hold."""
        return life_of(self.name, self.birth)

    @property
    def key(self) -> tuple[str, str, int]:
        """(source, channel, sequence): never a time."""
        return (self.source, self.message.channel, self.message.sequence)


def stands_over(later: Observation, earlier: Observation) -> bool:
    """Whether what came later is newer of two of a kind: said in a later life or sequence, or by another source. A
    broker may say again what it holds, and an old `build` changes nothing."""
    if later.message.source != earlier.message.source:
        return True
    return (later.birth, later.message.sequence) >= (earlier.birth, earlier.message.sequence)


def own_name(source: str, machine: str) -> str:
    """The name under which a machine's source is kept that another machine's came before."""
    return f"{source}@{machine}"


def life_of(source: str, birth: int) -> str:
    """The name under which one life of a source is kept."""
    return f"{source}#{birth}" if birth else source


def parts_of(life: str) -> tuple[str, bool, int]:
    """(what the source calls itself, whether it is another machine's than the first, birth) of `Observation.source`."""
    name, _, birth = life.partition("#")
    said, _, machine = name.partition("@")
    return said, bool(machine), int(birth or 0)


@dataclass(frozen=True)
class Birth:
    """A source began its sequences anew: from here on its keys are those of another life."""

    machine: str
    source: str
    birth: int  # 1 is the second life
    channel: str
    sequence: int
    reason: str
    noticed_s: float


@dataclass(frozen=True)
class Rejected:
    """A message that could not be read: kept whole, with the reason in words and as a stable `code` (docs/wire.md)."""

    topic: str
    payload: bytes
    reason: str
    code: str = "unreadable"


@dataclass(frozen=True)
class Gap:
    """Sequence numbers that never came, first and last included."""

    machine: str
    source: str
    channel: str
    first_sequence: int
    last_sequence: int
    noticed_s: float


@dataclass(frozen=True)
class Skipped:
    """Frames of a layer that got no forecast of their own because newer ones waited, first and last included."""

    machine: str
    build: str
    layer: int
    first_frame: int
    last_frame: int
    noticed_s: float

    @property
    def frames(self) -> int:
        """How many."""
        return self.last_frame - self.first_frame + 1


class Path(NamedTuple):
    """Where the beam is and what power it has, sampled. Arrays of one length; power holds until the next sample."""

    time_s: np.ndarray
    x_m: np.ndarray
    y_m: np.ndarray
    z_m: np.ndarray
    beam_power_w: np.ndarray


class Samples(NamedTuple):
    """What one sensor said of one layer, in the order of its stream. The name carries the unit."""

    name: SignalName
    layer: int
    time_s: np.ndarray
    value: np.ndarray


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
    frames: tuple[Frame, ...] = field(default=(), repr=False)  # the newest pictures of its layer, as known then
    signals: tuple[Samples, ...] = field(default=(), repr=False)  # of its build, up to its end, not handed on before
    told: Outcome = OK  # what the machine's times said on the way: clock_skew, silence
    skipped: bool = False  # too many wait: it is passed without a forecast of its own
