"""Forecast: what the twin claims about the melt pool, how far ahead, and why it may or may not be believed."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Regime = Literal["conduction", "transition", "keyhole"]
OutcomeKind = Literal[
    "ok", "outside_envelope", "unfamiliar", "off_plan", "residual", "drift", "stale", "non_finite", "clock_skew",
    "silence", "skipped", "too_slow"
]  # fmt: skip
Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Outcome:
    """Why a number may (ok) or may not be trusted: which quantity, by how much, in which unit."""

    kind: OutcomeKind = "ok"
    which: str = ""
    by: float = 0.0
    unit: str = ""

    def __str__(self) -> str:
        if self.kind == "ok":
            return f"ok, {self.which}" if self.which else self.kind
        amount = f" by {self.by:.3g} {self.unit}".rstrip() if self.by else ""
        return f"{self.kind}({self.which}{amount})"


OK = Outcome()


@dataclass(frozen=True)
class MeltPool:
    """Extents of the connected region above the solidus; zero where nothing is molten."""

    length_m: float
    width_m: float
    depth_m: float


_OF = "melt-pool "
CUT = 0.95  # share of the window's reach beyond which a pool counts as cut by it


def cut(pool: MeltPool, reach: MeltPool) -> Outcome | None:
    """The first size of a melt pool that a window cuts, by what it is beyond CUT of the window's `reach`: it is at
    least so large, and nobody can tell by how much more. None where the window holds it."""
    for name in ("length", "width", "depth"):
        beyond_m = getattr(pool, f"{name}_m") - CUT * getattr(reach, f"{name}_m")
        if beyond_m > 0:
            return Outcome("outside_envelope", f"{_OF}{name}", beyond_m, "m")
    return None


def is_cut(outcome: Outcome) -> bool:
    """Whether a window cuts the melt pool that the outcome is of: one of its sizes is a lower bound."""
    return outcome.kind == "outside_envelope" and outcome.which.startswith(_OF)


@dataclass(frozen=True)
class Band:
    """Sizes between which the melt pool lies, at all leads of a forecast together, with probability `coverage`, in
    forecasts like those that it was calibrated on (`twin.trust.bands`): each of length, width and depth by itself."""

    low: MeltPool
    high: MeltPool
    coverage: float


@dataclass(frozen=True)
class Lead:
    """The forecast at one lead: 0 is the estimate of now. Without a band nothing is claimed about its error."""

    lead_s: float
    time_s: float  # process time that this lead speaks of
    melt_pool: MeltPool
    x_m: float
    y_m: float
    beam_power_w: float
    band: Band | None = None


@dataclass(frozen=True)
class Field:
    """A temperature field on the window's graded grid, in the frame of the beam: x along the scan, z down."""

    x_m: np.ndarray
    y_m: np.ndarray
    z_m: np.ndarray
    temperature_k: np.ndarray  # (x, y, z)
    solidus_k: float
    boiling_k: float
    heading_rad: float  # direction of the scan in the machine's frame
    lead_s: float
    time_s: float = math.nan  # process time that it speaks of
    issued_s: float = math.nan  # wall clock when it was made


@dataclass(frozen=True)
class Absorbed:
    """How much of the beam the metal takes up, of 1: as an operator infers it from so many camera frames (0: it has
    seen none, and goes by the nominal one, or by the machine's calibration), and as the build or the rule says."""

    absorptivity: float
    nominal: float
    camera_frames: int


@dataclass(frozen=True)
class Calibrated:
    """A quantity of a machine as estimated from what its sensors saw, with its interval of 95 %: the absorptivity, or
    the beam diameter in m. `followed`: forecasts are made with it from here on."""

    quantity: Literal["absorptivity", "beam_diameter_m"]
    nominal: float  # as the build or the rule says
    estimate: float
    low: float
    high: float
    signals: str  # names of the signals behind it, with commas
    frames: int  # compared so far
    identifiable: bool  # false: the interval is hardly narrower than what was thought before
    consistent: bool  # false: signals contradict each other or the operator
    followed: bool


@dataclass(frozen=True)
class Forecast:
    """One frame's forecast. `operator` names the card that made it; no leads means that it was withheld. `opinion` is
    empty for the forecast of record; a second opinion on the same frame carries the card that was asked for it.

    `credibility` is the share of forecasts in distribution that look as strange as this one or stranger (a conformal
    p-value, `twin.trust`); `strangest` the score that says so; None and empty where nothing was calibrated. `evidence`
    tells a person why the outcome is what it is: `scan speed 2.1 m/s, trained up to 1.6`."""

    machine: str
    build: str
    layer: int
    frame: int
    time_s: float  # process time of "now": the end of the window
    issued_s: float  # wall clock when it was made
    sent_s: float | None  # newest publisher's clock behind it
    operator: str
    outcome: Outcome
    regime: Regime | None
    keyhole_number: float | None
    laser_on: bool
    leads: tuple[Lead, ...] = ()
    opinion: str = ""
    ledger_defect: float | None = None  # what does not add up, of the energy absorbed; None: it keeps no ledger
    absorbed: Absorbed | None = None  # None: the operator infers nothing, and goes by the nominal one
    calibrated: tuple[Calibrated, ...] = ()  # where an estimate was brought up to date after this frame
    credibility: float | None = None
    strangest: str = ""
    evidence: str = ""
    fields: tuple[Field, ...] = field(default=(), repr=False)  # snapshots, at the cadence of the settings


@dataclass(frozen=True)
class Alert:
    """Something that asks a person to act, as the twin says it: raised once, then updated, and cleared with its cause.
    What people did about it is with the store, and so is which time it is that it is raised."""

    machine: str
    build: str
    kind: str  # outside_envelope, keyhole, stale, gap, ...
    severity: Severity
    layer: int  # where it was seen first
    x_m: float | None
    y_m: float | None
    first_seen_s: float
    last_seen_s: float
    evidence: str
    action: str
    cleared_s: float | None = None
    count: int = 1  # times that it came, where a flood groups them (`twin.alarms.flood`)

    @property
    def raised(self) -> bool:
        """Whether this is its first word, and not one about an alert that is known."""
        return self.first_seen_s == self.last_seen_s and self.cleared_s is None

    @property
    def key(self) -> tuple[str, str, str]:
        """Of what is open under it there is one at a time."""
        return (self.machine, self.build, self.kind)
