"""Store: the port through which everything that happened is kept, and read again.

One `write` is one transaction. History is append-only; keys make a repeated write harmless.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from twin.alarms.acts import Act
from twin.course import Courses
from twin.forecast import Alert, Field, Forecast
from twin.observation import Birth, Frame, Gap, Observation, Rejected, Skipped
from twin.remarks import Remarks
from twin.store.approvals import Approvals
from twin.store.requests import Requests
from twin.store.sums import Sums


class StoreError(Exception):
    """A store cannot be used as asked: the message says what to do."""


class StoreMissingError(StoreError):
    """There is no store at this place yet: nothing has been written."""


class StoreVersionError(StoreError):
    """The store has another schema than this program: newer, or not yet upgraded by its writer."""


class AlertUnknownError(StoreError):
    """An act is about an alert that was never raised."""


class StoreReadOnlyError(StoreError):
    """A reader was asked to write."""


class StoreCorruptError(StoreError):
    """A stored array does not match its checksum."""


class StoreBackupError(StoreError):
    """A copy could not be made; what was to follow it has not been done."""


class StoreUnavailableError(StoreError):
    """The store does not answer now: the server is gone, it is locked, or it timed out. Nothing is half written.

    The same `write` may be tried again; what had been committed after all comes back as duplicates.
    """


class StoreRefusedError(StoreError):
    """The store cannot hold a value of what was to be written, now or later. Nothing of it is written."""


class StoreFullError(StoreUnavailableError):
    """There is no room left, or too little by the settings. The same `write` succeeds once there is room again."""


@dataclass(frozen=True)
class Step:
    """All rows of one turn of the run loop: they are committed together or not at all."""

    observations: Sequence[Observation] = ()
    rejects: Sequence[Rejected] = ()
    gaps: Sequence[Gap] = ()
    forecasts: Sequence[Forecast] = ()
    alerts: Sequence[Alert] = ()
    acts: Sequence[Act] = ()  # of people, that came over the wire; those about no known alert change nothing
    births: Sequence[Birth] = ()
    skipped: Sequence[Skipped] = ()
    reingested: Sequence[Rejected] = ()  # rejects that can be read now: their rows say when
    cards: Sequence[dict[str, Any]] = ()  # operator cards, keyed by card["name"]
    received_s: float = 0.0  # wall clock


@dataclass
class Written:
    """What a `write` changed: rows new, and duplicates that changed nothing."""

    observations: int = 0
    duplicates: int = 0
    conflicts: int = 0  # among the duplicates: the key was taken by another content
    rejects: int = 0
    reingested: int = 0
    gaps: int = 0
    skipped: int = 0  # frames
    forecasts: int = 0
    alerts: int = 0
    acts: int = 0  # rows of the alerts' history, the twin's and people's
    duplicate_keys: list[tuple[str, str, int]] = field(default_factory=list)


class Store(Requests, Remarks, Approvals, Sums, Courses, Protocol):
    """Every implementation passes tests/contracts/test_store.py."""

    def write(self, step: Step) -> Written:
        """Commit one step in one transaction. Raises `StoreUnavailableError` where a later try may succeed,
        `StoreRefusedError` where none can."""
        ...

    def counts(self, machine: str | None = None) -> dict[str, int]:
        """Rows by table: observations, duplicates, rejects, gaps, forecasts (those of record), opinions, alerts, ...

        Of one machine where it is named; rejects, reingested and cards are nobody's and counted whole even then."""
        ...

    def machines(self) -> pd.DataFrame:
        """One row a machine: site, status, origin, process, time_factor, build, layer, last_sent_s, last_time_s.

        Status and build are those of the last message received; `layer` and `last_time_s` (process time) are those of
        the build's layer that was last heard of. A column of numbers is NaN where nothing is known yet.
        """
        ...

    def floor(self) -> pd.DataFrame:
        """One row a machine, by name: the columns of `machines`; outcome (with which, by, unit), withheld and issued_s
        of its newest forecast; part, layers, and ends_s (wall clock, NaN where it cannot be told) of its build;
        open_alerts that nobody shelved, and kind, severity and first sight of the worst of them."""
        ...

    def build(self, machine: str, build: str | None = None) -> dict[str, Any] | None:
        """The newest (or the named) build message of a machine, as a dict: `Build.model_validate` takes it back."""
        ...

    def nominals(self, limit: int = 200) -> pd.DataFrame:
        """The newest builds of all machines as they were planned, newest first: machine, build, material,
        beam_diameter_m, preheat_k, nominal_beam_power_w, nominal_scan_speed_m_per_s, hatch_spacing_m (NaN: not said),
        layer_thickness_m."""
        ...

    def melt_pool(
        self,
        machine: str,
        *,
        build: str | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:
        """Estimated and forecast sizes of the newest `limit` frames, by process time of the frame, then by lead.

        One build, because process time may begin again with the next: the named one, or that of the newest forecast of
        record. `since_s`, `until_s`: only frames whose own process time is later than the one, and not later than the
        other. `opinion`: the forecasts of record, or the second opinions of that name. Columns: frame, issued_s, time_s
        (of the size), lead_s, length_m, width_m, depth_m, x_m, y_m, beam_power_w, layer, outcome, operator,
        length_low_m, length_high_m, width_low_m, width_high_m, depth_low_m, depth_high_m, coverage (NaN where no band
        is claimed), credibility.
        """
        ...

    def estimates(
        self,
        machine: str,
        *,
        build: str | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:
        """The rows of `melt_pool` at the first lead of each frame only: cheap enough for a live page."""
        ...

    def opinions(self, machine: str, build: str | None = None) -> list[str]:
        """Names of the second opinions on a build, sorted."""
        ...

    def absorptivity(
        self, machine: str, *, build: str | None = None, until_s: float | None = None, limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:  # fmt: skip
        """What operators inferred, among the newest `limit` frames of a build (not later than `until_s` of process
        time), by process time: frame, layer, time_s,
        issued_s, absorptivity, nominal_absorptivity, camera_frames (that it was inferred from), ledger_defect, outcome,
        operator. No row where nothing was inferred."""
        ...

    def calibration(
        self, machine: str, *, build: str | None = None, quantity: str = "absorptivity", until_s: float | None = None,
        limit: int = 2000,
    ) -> pd.DataFrame:  # fmt: skip
        """The newest `limit` estimates of a quantity of a machine in a build (None: that of the newest forecast of
        record; not later than `until_s` of process time), in the order in which they were made: quantity, time_s
        (process time of the frame), made_s (wall clock), nominal, estimate, low, high (95 %), signals, frames,
        identifiable, consistent, followed."""
        ...

    def signals(
        self, machine: str, *, build: str | None = None, since_s: float | None = None, until_s: float | None = None,
        limit: int = 5000,
    ) -> pd.DataFrame:  # fmt: skip
        """Observed samples of one build (None: the machine's current one): time_s, name, value, layer.

        The newest `limit` that are later than `since_s` and not later than `until_s`, in time order.
        """
        ...

    def frames(
        self, machine: str, *, build: str | None = None, camera: str | None = None, since_s: float | None = None,
        limit: int = 1000,
    ) -> pd.DataFrame:  # fmt: skip
        """Pictures of one build (None: the machine's current one), without their pixels, in time order.

        The newest `limit` that are later than `since_s`: time_s, camera, layer, quantity, unit, rows, columns,
        pixel_m, exposure_s, source, sequence.
        """
        ...

    def frame(
        self, machine: str, *, build: str | None = None, camera: str | None = None, at_s: float | None = None
    ) -> Frame | None:
        """The newest picture, or the newest at or before the process time `at_s`, whole; no pixel is rounded."""
        ...

    def latest_forecast(self, machine: str, *, opinion: str = "") -> dict[str, Any] | None:
        """The newest forecast: machine, build, layer, frame, time_s, issued_s, sent_s, operator, outcome (and
        outcome_which, outcome_by, outcome_unit), regime, keyhole_number, laser_on, withheld, opinion, ledger_defect,
        absorptivity, nominal_absorptivity, camera_frames, credibility, strangest, evidence."""
        ...

    def latest_field(self, machine: str, lead_s: float | None = None) -> Field | None:
        """The newest field snapshot of record (nearest to `lead_s`; None: the estimate of now)."""
        ...

    def scan_vectors(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        """Planned vectors of a layer: vector, start_s, x0_m, y0_m, x1_m, y1_m, z_m, beam_power_w, scan_speed_m_per_s,
        dwell_s; what a later plan replaced is not among them."""
        ...

    def parameters(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        """Samples of a layer in time order: time_s, x_m, y_m, z_m, beam_power_w."""
        ...

    def alerts(
        self, machine: str | None = None, *, open_only: bool = False, standing_only: bool = False, limit: int = 500
    ) -> pd.DataFrame:
        """Alerts, one row an occurrence, newest last_seen_s first; `twin.alarms.acts.state_of` says its state.

        `open_only`: those whose cause is there; `standing_only`: also those that are over and wait for a person's word.
        """
        ...

    def alert_acts(self, machine: str | None = None, *, after: int = 0, limit: int = 500) -> pd.DataFrame:
        """What was done about alerts, by the twin and by people, in order, from behind the row `after` on: id, machine,
        build, kind, occurrence, act, by, at_s, note, until_s."""
        ...

    def last_act(self) -> int:
        """The newest id of `alert_acts`; 0 where there is none."""
        ...

    def alert_is_known(self, machine: str, build: str, kind: str, occurrence: int | None = None) -> bool:
        """Whether such an alert (or that occurrence of it) was ever raised."""
        ...

    def acknowledge(
        self, machine: str, build: str, kind: str, *, by: str, note: str, now_s: float, occurrence: int | None = None
    ) -> int:
        """A named person knows of an alert: of one occurrence, or of all that nobody has acknowledged. Returns how many
        rows changed; the first acknowledgement stands. Raises `AlertUnknownError`, `BadActError`."""
        ...

    def shelve(self, machine: str, build: str, kind: str, *, by: str, note: str, now_s: float, until_s: float) -> int:
        """A named person silences an alert until a time; raised anew before that, it is silent too."""
        ...

    def unshelve(self, machine: str, build: str, kind: str, *, by: str, now_s: float, note: str = "") -> int:
        """It may speak again before its time."""
        ...

    def outcomes(self, machine: str | None = None, *, laser_on_only: bool = False) -> dict[str, int]:
        """Forecasts of record counted by outcome kind."""
        ...

    def rejects(self, limit: int = 500) -> pd.DataFrame:
        """Messages that could not be read, newest first: received_s, topic, payload, reason, code, digest, reingested_s
        (NaN until a later decoder could read it)."""
        ...

    def gaps(self, machine: str, limit: int = 500) -> pd.DataFrame:
        """Missing sequences, newest first: noticed_s, source, channel, first_sequence, last_sequence."""
        ...

    def messages(
        self, source: str, channel: str, *, first: int = 0, last: int | None = None, newest: int | None = None
    ) -> list[Observation]:
        """What is kept of one life of a source in a channel, by sequence: from first to last, or the newest so many."""
        ...

    def births(self, source: str) -> int:
        """How often a source has begun its sequences anew."""
        ...

    def next_frame(self, machine: str, build: str, layer: int) -> int:
        """The first frame of a layer of which there is no forecast and that was not skipped."""
        ...

    def issued(self, machine: str, build: str, layer: int) -> dict[int, float]:
        """When the forecast of record of each frame of a layer was issued (wall clock), by frame."""
        ...

    def skipped(self, machine: str, build: str | None = None, limit: int = 500) -> pd.DataFrame:
        """Frames that got no forecast because newer ones waited, newest first: noticed_s, build, layer, first_frame,
        last_frame."""
        ...

    def lives(self, machine: str, limit: int = 500) -> pd.DataFrame:
        """Births of a machine's sources, newest first: noticed_s, source, birth, channel, sequence, reason."""
        ...

    def open_layers(self) -> list[tuple[str, str, int]]:
        """(machine, build, layer) of what a restarted run takes up: of every machine the newest layer, if it has no
        final parameters yet, and before it those in which a message of parameters was still waited for: one is missing
        among the newest `WAITED_FOR` of their source, and it is on record as no gap. Each once, in order."""
        ...

    def replay_messages(self, machine: str, build: str, layer: int) -> Iterator[Observation]:
        """What a restarted run needs to be where it was in a layer, each kind by source and sequence.

        The machine's newest state, the build's messages, then the layer's own: layer, plan, parameters; and the plans
        of later layers.
        """
        ...

    def card(self, name: str) -> dict[str, Any] | None:
        """An operator card."""
        ...

    def close(self) -> None:
        """Flush and let go of the file or server."""
        ...
