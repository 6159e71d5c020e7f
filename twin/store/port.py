"""Store: the port through which everything that happened is kept, and read again.

One `write` is one transaction. History is append-only; keys make a repeated write harmless.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from twin.forecast import Alert, Field, Forecast
from twin.observation import Gap, Observation, Rejected


@dataclass(frozen=True)
class Step:
    """All rows of one turn of the run loop: they are committed together or not at all."""

    observations: Sequence[Observation] = ()
    rejects: Sequence[Rejected] = ()
    gaps: Sequence[Gap] = ()
    forecasts: Sequence[Forecast] = ()
    alerts: Sequence[Alert] = ()
    cards: Sequence[dict[str, Any]] = ()  # operator cards, keyed by card["name"]
    received_s: float = 0.0  # wall clock


@dataclass
class Written:
    """What a `write` changed: rows new, and duplicates that changed nothing."""

    observations: int = 0
    duplicates: int = 0
    rejects: int = 0
    gaps: int = 0
    forecasts: int = 0
    alerts: int = 0
    duplicate_keys: list[tuple[str, str, int]] = field(default_factory=list)


class Store(Protocol):
    """Every implementation passes tests/contracts/test_store.py."""

    def write(self, step: Step) -> Written:
        """Commit one step in one transaction."""
        ...

    def counts(self) -> dict[str, int]:
        """Rows by table: observations, duplicates, rejects, gaps, forecasts, alerts, ..."""
        ...

    def machines(self) -> pd.DataFrame:
        """One row a machine: machine, site, status, origin, process, time_factor, build, layer, last_sent_s, last_time_s."""
        ...

    def build(self, machine: str, build: str | None = None) -> dict[str, Any] | None:
        """The newest (or the named) build message of a machine, as a dict with its fields."""
        ...

    def melt_pool(self, machine: str, *, since_s: float | None = None, limit: int = 2000) -> pd.DataFrame:
        """Estimated and forecast sizes, newest `limit` frames, in process time order.

        Columns: frame, issued_s, time_s (of the size), lead_s, length_m, width_m, depth_m, x_m, y_m, beam_power_w, layer,
        outcome, operator.
        """
        ...

    def signals(self, machine: str, *, since_s: float | None = None, limit: int = 5000) -> pd.DataFrame:
        """Observed samples: time_s, name, value, layer; newest `limit`, in time order."""
        ...

    def latest_forecast(self, machine: str) -> dict[str, Any] | None:
        """The newest forecast row: outcome, operator, regime, keyhole_number, issued_s, time_s, sent_s, frame, layer, ..."""
        ...

    def latest_field(self, machine: str, lead_s: float | None = None) -> Field | None:
        """The newest field snapshot (nearest to `lead_s`; None: the estimate of now)."""
        ...

    def scan_vectors(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        """Planned vectors of a layer: vector, start_s, x0_m, y0_m, x1_m, y1_m, z_m, beam_power_w, scan_speed_m_per_s."""
        ...

    def alerts(self, machine: str | None = None, *, open_only: bool = False) -> pd.DataFrame:
        """Alerts, newest last_seen_s first."""
        ...

    def outcomes(self, machine: str | None = None, *, laser_on_only: bool = False) -> dict[str, int]:
        """Forecasts counted by outcome kind."""
        ...

    def card(self, name: str) -> dict[str, Any] | None:
        """An operator card."""
        ...

    def close(self) -> None:
        """Flush and let go of the file or server."""
        ...
