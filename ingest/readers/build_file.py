"""BuildFile: what a log does not carry (alloy, spot, power), beside it in `build.toml`, with what is assumed named.

A log without one is looked up among those shipped in `ingest/builds` by its format and name; otherwise the reader
refuses it and says what to write. A default alloy or power would be a made-up one.
"""

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from ingest.errors import BadSourceError
from twin.observation import Name, SignalName

FILE_NAME = "build.toml"
MAX_BYTES = 1 << 20
SHIPPED = Path(__file__).resolve().parents[1] / "builds"

Format = Literal["scan_path", "pelican", "xypt", "peregrine", "cli", "csv", "frames"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Column(BaseModel):
    """One column of a CSV file, or one `value` for all of it, in the file's own unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str | None = None
    value: FiniteFloat | None = None
    unit: str

    @model_validator(mode="after")
    def _one(self) -> "Column":
        if (self.column is None) == (self.value is None):
            raise ValueError("needs either a column or a value")
        return self


class SignalColumn(Column):
    """A sensor's column: what it is in our words, and its own unit."""

    name: SignalName


class Csv(BaseModel):
    """What the columns of a CSV file are, in which units, and what holds between two samples.

    `position`: the beam moves evenly from one sample to the next (`linear`) or stands until the next (`hold`).
    `power`: a sample's power holds `after` it, until the next one, or held `before` it, since the last one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: Column
    x: Column
    y: Column
    z: Column | None = None  # none: the layer's number times its thickness
    beam_power: Column
    layer: str | None = None  # column of whole numbers; none: all of it is layer 0
    signals: list[SignalColumn] = []
    position: Literal["linear", "hold"] = "linear"
    power: Literal["after", "before"] = "after"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","


class Vectors(BaseModel):
    """Power and speed of a kind of CLI vectors, where the file itself says neither."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beam_power_w: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    scan_speed_m_per_s: Positive


class BuildFile(BaseModel):
    """What stays constant in a build, in SI. `assumed` names the fields that nobody measured or wrote down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    names: list[str] = []  # path patterns of the logs that a shipped file is for
    machine: Name
    process: Literal["lpbf", "ded"]
    material: Name
    beam_diameter_m: Annotated[Positive, Field(le=0.01)]  # D4-sigma
    beam_power_w: Positive  # what a power factor of 1, or a laser that is on, means
    scan_speed_m_per_s: Positive  # nominal
    layer_thickness_m: Annotated[Positive, Field(le=0.01)]
    frame_s: Annotated[Positive, Field(le=1, ge=1e-7)]
    preheat_k: Annotated[Positive, Field(lt=3000)] = 298.15
    absorptivity: Annotated[Positive, Field(le=1)] | None = None  # none: by the rule
    hatch_spacing_m: Positive | None = None
    position_unit: Literal["m", "mm"] | None = None  # needed where the log names none
    jump_speed_m_per_s: Positive | None = None  # between vectors; none: a jump takes no time
    sample_s: Annotated[Positive, Field(le=3600)] | None = None  # between two rows of a log that says no times
    csv: Csv | None = None
    hatches: Vectors | None = None  # of a CLI file; none: the nominal ones
    polylines: Vectors | None = None
    part: str = ""
    note: str = ""
    assumed: list[str] = []

    @property
    def all_assumed(self) -> list[str]:
        """`assumed`, and the fields left to their default."""
        left = [name for name in ("preheat_k", "absorptivity") if name not in self.model_fields_set]
        return sorted({*self.assumed, *left})


REQUIRED = [name for name, field in BuildFile.model_fields.items() if field.is_required()]


def read_build_file(path: Path, log_format: Format) -> BuildFile:
    """Read one build file, for a log of this format."""
    if path.exists() and path.stat().st_size > MAX_BYTES:
        raise BadSourceError(path, f"has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,} of a build file")
    try:
        build = BuildFile.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise BadSourceError(path, "there is no such build file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise BadSourceError(path, f"is not TOML: {wrong}") from wrong
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        raise BadSourceError(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from wrong
    if build.format != log_format:
        raise BadSourceError(path, f"is for a log of format {build.format}, not {log_format}")
    unknown = [name for name in build.assumed if name not in BuildFile.model_fields]
    if unknown:
        raise BadSourceError(path, f"assumed names {unknown[0]!r}, which is no field of a build file")
    return build


def find_build_file(log: Path, log_format: Format) -> Path:
    """`build.toml` beside the log, else the shipped file for a log of this format and name."""
    folder = log if log.is_dir() else log.parent
    beside = folder / FILE_NAME
    if beside.exists():
        return beside
    where = log.resolve().as_posix().lower()
    for path in sorted(SHIPPED.glob("*.toml")):
        shipped = read_build_file(path, tomllib.loads(path.read_text())["format"])
        if shipped.format == log_format and any(fnmatch(where, pattern) for pattern in shipped.names):
            return path
    raise BadSourceError(
        log,
        f"does not say what was built with what: write {beside} with {', '.join(REQUIRED)} (format = {log_format!r})",
    )
