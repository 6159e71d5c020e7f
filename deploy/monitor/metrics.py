"""Metrics: counters, gauges and histograms of one run, as Prometheus names them: base units, `_total`, few labels.

Labels are a machine (the first `MOST_MACHINES` heard), the code of a reject, the outcome of a forecast: each a small
set. Counters begin at zero with the process; the store has the history.
"""

import platform
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from deploy.monitor.readiness import PARTS, Readiness
from twin.clock import Clock
from twin.store.port import Step, Written

MOST_MACHINES = 256
OTHERS = "others"
FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """One registry; written by the consumer, read by whoever scrapes."""

    def __init__(self, clock: Clock, readiness: Readiness, data_dir: Path) -> None:
        self._clock = clock
        self._totals: dict[Counter, int] = {}
        self._heard_s: dict[str, float] = {}  # when the newest message of a machine came
        disable_created_metrics()  # a second series for each counter, that nobody asks for
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"meltwin_{name}", told, labels, registry=registry)

        def gauge(name: str, told: str, value: Callable[[], float] | None = None, *labels: str) -> Gauge:
            made = Gauge(f"meltwin_{name}", told, labels, registry=registry)
            if value is not None:
                made.set_function(value)
            return made

        def histogram(name: str, told: str) -> Histogram:
            return Histogram(f"meltwin_{name}", told, buckets=FAST_S, registry=registry)

        self.received = counter("messages_received", "messages in committed steps: new, duplicate or rejected")
        self.committed = counter("messages_committed", "new messages in the store")
        self.duplicates = counter("messages_duplicate", "messages that were in the store already")
        self.conflicts = counter("messages_conflicting", "duplicates whose key was taken by another content")
        self.rejected = counter("messages_rejected", "messages that could not be read", "code")
        self.late = counter("messages_late", "messages that came after their sequence was given up as a gap")
        self.gaps = counter("gaps", "ranges of sequence numbers that never came")
        self.gap_messages = counter("gap_messages", "sequence numbers that never came")
        self.births = counter("births", "times that a source began its sequences anew")
        self.forecasts = counter("forecasts", "forecasts, by what they may claim", "outcome")
        self.withheld = counter("forecasts_withheld", "forecasts that carry no size")
        self.skipped = counter("frames_skipped", "frames without a forecast, because newer ones waited")
        self.alerts = counter("alerts_raised", "alerts raised")
        self.store_tries = counter("store_failed_writes", "tries to write to a store that did not answer")
        self.broker_losses = counter("broker_losses", "times that the connection to the broker was lost")
        self.forecast_s = histogram("forecast_seconds", "to forecast all windows of one step")
        self.commit_s = histogram("commit_seconds", "to commit one step")
        self.latency_s = histogram("latency_seconds", "from the publisher's clock to the committed forecast")
        self.age_s = gauge("message_age_seconds", "since the newest message of a machine came", None, "machine")
        self.queue = gauge("queue_messages", "messages taken from the broker and not yet looked at")
        self.queue_limit = gauge("queue_limit_messages", "as many at most, the setting queue_messages")
        for part in PARTS:
            told = {"broker": "broker_connected", "store": "store_reachable", "operator": "operator_loaded"}[part]
            gauge(told, f"1: the {part} is there", lambda part=part: float(part not in readiness.asked()))  # type: ignore[misc]
        gauge("ready", "1: messages are taken, forecast and kept", lambda: float(not readiness.asked()))
        gauge("disk_free_bytes", "free where data_dir is", lambda: float(_free_bytes(data_dir)))
        info = gauge("build_info", "1, with what runs here", None, "version", "python")
        info.labels(version("meltwin") if _installed() else "source", platform.python_version()).set(1)

    def step(self, step: Step, written: Written, forecast_s: float, commit_s: float) -> None:
        """Count one committed step."""
        now_s = self._clock.now_s()
        self.received.inc(len(step.observations) + len(step.rejects))
        self.committed.inc(written.observations)
        self.duplicates.inc(written.duplicates)
        self.conflicts.inc(written.conflicts)
        self.gaps.inc(written.gaps)
        self.births.inc(len(step.births))
        for reject in step.rejects:
            self.rejected.labels(reject.code).inc()
        for gap in step.gaps:
            self.gap_messages.inc(gap.last_sequence - gap.first_sequence + 1)
        for forecast in step.forecasts:
            if forecast.opinion:
                continue
            self.forecasts.labels(forecast.outcome.kind).inc()
            self.withheld.inc(not forecast.leads)
            if forecast.sent_s is not None:
                self.latency_s.observe(max(now_s - forecast.sent_s, 0.0))
        self.alerts.inc(sum(alert.raised for alert in step.alerts))
        self.commit_s.observe(max(commit_s, 0.0))
        if step.forecasts:
            self.forecast_s.observe(max(forecast_s, 0.0))
        for machine in {observation.machine for observation in step.observations}:
            self._hear(machine, now_s)

    def reach(self, counter: Counter, total: int) -> None:
        """A total that is counted elsewhere, told by this counter."""
        counter.inc(max(total - self._totals.get(counter, 0), 0))
        self._totals[counter] = total

    def text(self) -> bytes:
        """All of it, in the text format."""
        return generate_latest(self.registry)

    def _hear(self, machine: str, now_s: float) -> None:
        known = machine in self._heard_s
        name = machine if known or len(self._heard_s) < MOST_MACHINES else OTHERS
        if name not in self._heard_s:
            self.age_s.labels(name).set_function(lambda: max(self._clock.now_s() - self._heard_s[name], 0.0))
        self._heard_s[name] = now_s


def _installed() -> bool:
    from importlib.metadata import PackageNotFoundError

    try:
        version("meltwin")
    except PackageNotFoundError:
        return False
    return True


def _free_bytes(folder: Path) -> int:
    """Free where `folder` is or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
