"""Monitor: hears what the run loop commits and what it waits for, and tells it as logs and metrics.

It is called by the consumer and must not fail or wait: it counts, and writes a line. Lines carry machine, build, layer
and sequence where they apply, never a payload.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog

from deploy.monitor.logs import Seldom
from deploy.monitor.metrics import Metrics
from deploy.monitor.readiness import Readiness, Waits
from deploy.report import Tally
from ingest.topics import BadTopicError, parse_topic
from twin.clock import Clock
from twin.forecast import Alert
from twin.observation import Birth, Gap, Rejected, State
from twin.store.port import Step, Written

RUNNING_S = 60.0
MOST_REMEMBERED = 1024


class Line(Protocol):
    """What the monitor asks of the line to the broker."""

    @property
    def waiting(self) -> int:
        """Deliveries that nobody has taken yet."""
        ...

    @property
    def losses(self) -> int:
        """How often the connection was lost."""
        ...


class Monitor:
    """Of one run. `step` and `turn` belong to the consumer's thread."""

    def __init__(self, clock: Clock, data_dir: Path) -> None:
        self._clock = clock
        self.readiness = Readiness(clock)
        self.metrics = Metrics(clock, self.readiness, data_dir)
        self._log = structlog.get_logger()
        self._seldom = Seldom()
        self._places: dict[str, dict[str, Any]] = {}  # the newest build and layer of a machine
        self._status: dict[str, str] = {}
        self._waited_since_s: dict[str, float] = {}
        self._line: Line | None = None
        self._losses = 0
        self._running_s = clock.now_s()

    @contextmanager
    def starting(self, part: str) -> Iterator[None]:
        """A part is being started."""
        began_s = self._clock.now_s()
        with self.readiness.starting(part):
            yield
        self._log.info("started", part=part, seconds=round(self._clock.now_s() - began_s, 3))

    def watch(self, line: Line, waits: Callable[[], Waits], probe: Callable[[], Waits], queue_limit: int) -> None:
        """All is started; `waits` and `probe` say what is lost from here on (`Readiness.watch`)."""
        self._line = line
        self.readiness.watch(waits, probe)
        self.metrics.queue.set_function(lambda: float(line.waiting))
        self.metrics.queue_limit.set(queue_limit)
        self._log.info("ready")

    def step(self, step: Step, written: Written, forecast_s: float, commit_s: float) -> None:
        """A step is committed."""
        self.metrics.step(step, written, forecast_s, commit_s)
        for observation in step.observations:
            self._place(observation.machine, observation.message)
        for reject in step.rejects:
            self._reject(reject)
        for gap in step.gaps:
            self._gap(gap)
        for birth in step.births:
            self._birth(birth)
        if written.conflicts:
            machines = sorted({observation.machine for observation in step.observations})
            self._tell("error", "conflict", tuple(machines), machines=machines, count=written.conflicts)
        for skipped in step.skipped:
            where = {"machine": skipped.machine, "build": skipped.build, "layer": skipped.layer}
            frames = {"first_frame": skipped.first_frame, "last_frame": skipped.last_frame}
            self._tell("warning", "skipped", skipped.machine, **where, **frames)
        for alert in step.alerts:
            self._alert(alert)

    def turn(self, tally: Tally, late: int) -> None:
        """The loop has made a turn; so many messages came too late until now."""
        now_s = self._clock.now_s()
        self.readiness.turned()
        self.metrics.reach(self.metrics.late, late)
        self.metrics.reach(self.metrics.store_tries, tally.store_tries)
        self.metrics.reach(self.metrics.skipped, tally.skipped)
        self._losing(now_s)
        self._waiting(self.readiness.waits(), now_s)
        if now_s - self._running_s >= RUNNING_S:
            self._running_s = now_s
            self._log.info("running", **_counts(tally))

    def stopped(self, tally: Tally) -> None:
        """The loop has ended in order."""
        self._log.info("stopped", **_counts(tally))

    def _losing(self, now_s: float) -> None:
        """Also a loss that was over before the loop came to look."""
        losses = self._line.losses if self._line is not None else 0
        self.metrics.reach(self.metrics.broker_losses, losses)
        if losses > self._losses and "broker" not in self._waited_since_s:
            self._waiting({"broker": "the connection was lost"}, now_s)
        self._losses = losses

    def _waiting(self, waits: Waits, now_s: float) -> None:
        for part, why in waits.items():
            self._waited_since_s.setdefault(part, now_s)
            self._tell("warning", "waits", (part, self._waited_since_s[part]), part=part, why=why)
        for part in self._waited_since_s.keys() - waits.keys():
            waited_s = now_s - self._waited_since_s.pop(part)
            self._log.warning("goes_on", part=part, waited_s=round(waited_s, 3))

    def _place(self, machine: str, message: Any) -> None:
        build, layer = getattr(message, "build", None), getattr(message, "layer", None)
        if build is not None and len(self._places) < MOST_REMEMBERED:
            self._places[machine] = {"build": build} | ({} if layer is None else {"layer": layer})
        if isinstance(message, State) and self._status.get(machine) != message.status:
            if len(self._status) < MOST_REMEMBERED:
                self._status[machine] = message.status
            self._tell("info", message.status, machine, machine=machine, source=message.source)

    def _reject(self, reject: Rejected) -> None:
        try:
            names = parse_topic(reject.topic)
            where: dict[str, Any] = {"machine": names.machine, **self._of(names.machine), "kind": names.kind}
        except BadTopicError:
            where = {"topic": ascii(reject.topic[:80])}
        key = (reject.code, where.get("machine"))
        self._tell(
            "warning", "rejected", key, **where, code=reject.code, reason=reject.reason, bytes=len(reject.payload)
        )

    def _gap(self, gap: Gap) -> None:
        where = {"machine": gap.machine, **self._of(gap.machine), "source": gap.source, "channel": gap.channel}
        sequences = {"first_sequence": gap.first_sequence, "last_sequence": gap.last_sequence}
        self._tell("warning", "gap", (gap.machine, gap.source, gap.channel), **where, **sequences)

    def _birth(self, birth: Birth) -> None:
        where = {"machine": birth.machine, **self._of(birth.machine), "source": birth.source, "channel": birth.channel}
        more = {"birth": birth.birth, "sequence": birth.sequence, "reason": birth.reason}
        self._tell("warning", "birth", (birth.machine, birth.source), **where, **more)

    def _alert(self, alert: Alert) -> None:
        where = {"machine": alert.machine, "build": alert.build, "layer": alert.layer, "kind": alert.kind}
        key = (alert.machine, alert.build, alert.kind)
        if alert.raised:
            self._tell("warning", "alert", key, **where, severity=alert.severity, evidence=alert.evidence)
        elif alert.cleared_s is not None:
            self._tell("info", "alert_cleared", key, **where)

    def _of(self, machine: str) -> dict[str, Any]:
        return self._places.get(machine, {})

    def _tell(self, level: str, event: str, key: object, **fields: Any) -> None:
        """Once a minute for one event and key; then with how many were left out."""
        left_out = self._seldom.asks((event, key), self._clock.now_s())
        if left_out is not None:
            getattr(self._log, level)(event, **fields, **({"left_out": left_out} if left_out else {}))


def _counts(tally: Tally) -> dict[str, Any]:
    return {
        "committed": tally.messages_committed, "rejected": tally.rejected, "duplicates": tally.duplicates_absorbed,
        "gaps": tally.gaps, "forecasts": tally.frames_forecast, "withheld": tally.withheld,
    }  # fmt: skip
