"""Tally: what a run counted, and the JSON report made of it.

The counts are laws, not decoration: after draining, published = committed + rejected + duplicates absorbed, and
windows = forecasts with leads + withheld + skipped.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from twin.forecast import Forecast
from twin.observation import Window
from twin.store.port import Written

HOW_REALTIME = (
    "process seconds forecast over wall seconds from the first to the last commit, by machine; total is their sum"
)


@dataclass
class Tally:
    """Counts of one run, from its first batch to its last commit."""

    messages_taken: int = 0
    messages_committed: int = 0
    rejected: int = 0
    duplicates_absorbed: int = 0
    gaps: int = 0
    windows: int = 0
    frames_forecast: int = 0
    withheld: int = 0
    skipped: int = 0  # windows without a forecast, because newer ones waited
    conflicts: int = 0  # duplicates whose key was taken by another content
    reingested: int = 0  # rejects that could be read after all
    store_tries: int = 0  # tries to write to a store that was away
    alerts: Counter[str] = field(default_factory=Counter)  # raised, by kind
    outcomes: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)  # by machine
    outcome_now: dict[str, str] = field(default_factory=dict)  # by machine
    operators: Counter[str] = field(default_factory=Counter)
    opinions: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # their outcomes
    process_s: Counter[str] = field(default_factory=Counter)
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))  # the newest
    answers_s: deque[float] = field(default_factory=lambda: deque(maxlen=1000))  # what each answer to a page took
    first_commit_s: float | None = None
    last_commit_s: float | None = None

    def add(
        self, windows: Sequence[Window], forecasts: Sequence[Forecast], written: Written, committed_s: float
    ) -> None:
        """Count one committed step. `committed_s` is the wall clock when its transaction had ended."""
        self.messages_committed += written.observations
        self.rejected += written.rejects
        self.duplicates_absorbed += written.duplicates
        self.gaps += written.gaps
        self.conflicts += written.conflicts
        self.reingested += written.reingested
        self.windows += len(windows)
        for window in windows:
            if window.skipped:
                self.skipped += 1
                self.outcomes["skipped"] += 1
            self.process_s[window.machine] += window.end_s - window.start_s  # type: ignore[assignment]
        for forecast in forecasts:
            if forecast.opinion:
                self.opinions[forecast.opinion][forecast.outcome.kind] += 1
                continue
            self.outcomes[forecast.outcome.kind] += 1
            self.frames[forecast.machine] += 1
            self.outcome_now[forecast.machine] = str(forecast.outcome)
            if forecast.leads:
                self.frames_forecast += 1
                self.operators[forecast.operator] += 1
            else:
                self.withheld += 1
            if forecast.sent_s is not None:
                self.latencies_s.append(committed_s - forecast.sent_s)
        if written.observations:
            self.first_commit_s = committed_s if self.first_commit_s is None else self.first_commit_s
            self.last_commit_s = committed_s

    @property
    def operator(self) -> str:
        """The card that made most of the forecasts."""
        return self.operators.most_common(1)[0][0] if self.operators else ""

    @property
    def wall_s(self) -> float:
        """Wall seconds from the first to the last commit."""
        if self.first_commit_s is None or self.last_commit_s is None:
            return 0.0
        return self.last_commit_s - self.first_commit_s

    def latency_ms(self) -> dict[str, float | None]:
        """Publisher's clock to committed forecast, by percentile (nearest rank)."""
        ordered = sorted(self.latencies_s)
        return {
            name: round(1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None
            for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))
        }

    def attribution_ms(self) -> float | None:
        """Median wall time of an answer, rebuilding the frame included; None: nobody asked."""
        return round(1e3 * median(self.answers_s), 1) if self.answers_s else None

    def realtime_factor(self) -> dict[str, Any]:
        """How fast process time went by: 1 keeps up with the machine, 0.001 is slow motion by a thousand."""
        machines = {
            machine: float(f"{seconds / self.wall_s:.4g}") if self.wall_s > 0 else None
            for machine, seconds in sorted(self.process_s.items())
        }
        total = sum(factor for factor in machines.values() if factor is not None)
        return {"total": float(f"{total:.4g}"), "machines": machines, "how": HOW_REALTIME}

    def report(self, *, messages_published: int, device: str, seed: int) -> dict[str, Any]:
        """The report of `demo` and `replay`."""
        return {
            "messages_published": messages_published,
            "messages_committed": self.messages_committed,
            "rejected": self.rejected,
            "duplicates_absorbed": self.duplicates_absorbed,
            "gaps": self.gaps,
            "frames_forecast": self.frames_forecast,
            "alerts": self.alerts.total(),
            "alerts_by_kind": dict(sorted(self.alerts.items())),
            "latency_ms": self.latency_ms(),
            "attribution_ms": self.attribution_ms(),
            "realtime_factor": self.realtime_factor(),
            "outcomes": dict(sorted(self.outcomes.items())),
            "operator": self.operator,
            "device": device,
            "seed": seed,
        }
