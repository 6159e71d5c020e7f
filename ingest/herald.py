"""Herald: says over MQTT what stands of alerts, and the newest forecasts. Only what is committed: it reads the store.

    alert      all that stands on a machine, retained, whenever something was done about one of them, by the twin, by a
               person, or by another process; and again when the line was lost, for a broker may have forgotten
    forecast   the newest of record, not retained, at most every FORECAST_S

It never waits: while the broker is away, or has not confirmed what was said last, nothing is said and nothing piles up;
the next message says what stands then. No alert is lost by that, for the store has it.
"""

from contextlib import suppress
from typing import Protocol

from ingest.codecs.text import CONTENT_TYPE
from ingest.topics import topic_of
from twin.alarms.acts import state_of
from twin.alarms.messages import MOST, AlertMessage, alerts_message, forecast_message
from twin.forecast import Forecast
from twin.store.port import Step, Store, StoreUnavailableError

SOURCE = "twin"
LOOK_S = 0.5  # between looks into the history
FORECAST_S = 0.2
PAGE = 1000


class Line(Protocol):
    """What is asked of a publisher."""

    @property
    def ready(self) -> bool:
        """Connected, and all that was said is confirmed."""
        ...

    @property
    def connections(self) -> int:
        """How often it was connected."""
        ...

    def publish(self, topic: str, payload: bytes, retain: bool = False, content_type: str = CONTENT_TYPE) -> None:
        """As `ingest.source.Publisher`."""
        ...


class Herald:
    """Of one run. `step` and `tell` belong to the consumer's thread."""

    def __init__(self, store: Store, line: Line, site: str, *, alerts: bool = True, forecasts: bool = False) -> None:
        self._store, self._line, self._site = store, line, site
        self._alerts, self._forecasts = alerts, forecasts
        self._connections = -1  # all is to be said at first
        self._looked_s = self._said_s = -float("inf")
        self._seen = 0  # of the history
        self._due: set[str] = set()
        self._speaks_s: dict[str, float] = {}  # when a machine's next shelf ends
        self._said: dict[str, AlertMessage] = {}
        self._newest: dict[str, Forecast] = {}
        self.told = 0

    def step(self, step: Step) -> None:
        """A step is committed."""
        if self._forecasts:
            self._newest |= {each.machine: each for each in step.forecasts if not each.opinion}

    def tell(self, now_s: float) -> None:
        """Say what there is to say; call it once a turn."""
        if self._newest and now_s - self._said_s >= FORECAST_S and self._line.ready:
            self._said_s = now_s
            for machine, forecast in self._newest.items():
                self._publish(machine, "forecast", forecast_message(forecast, SOURCE, now_s).model_dump_json(), False)
            self._newest = {}
        if self._alerts and now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            with suppress(StoreUnavailableError):  # the loop waits for it and says so
                self._look(now_s)

    def _look(self, now_s: float) -> None:
        if self._connections != self._line.connections:
            machines = {str(name) for name in self._store.machines()["machine"]}
            self._seen = max(self._seen, self._store.last_act())
            self._due |= machines | set(self._store.alerts(standing_only=True, limit=PAGE)["machine"])
            self._connections, self._said = self._line.connections, {}
        while len(acts := self._store.alert_acts(after=self._seen, limit=PAGE)):
            self._due |= set(acts["machine"])
            self._seen = int(acts["id"].iloc[-1])
        self._due |= {machine for machine, at_s in self._speaks_s.items() if at_s <= now_s}
        if not self._line.ready:
            return
        for machine in sorted(self._due):
            self._stands(machine, now_s)
        self._due.clear()

    def _stands(self, machine: str, now_s: float) -> None:
        rows = self._store.alerts(machine, standing_only=True, limit=2 * MOST).to_dict("records")
        shelves = [row["shelved_until_s"] for row in rows if state_of(row, now_s) == "shelved"]
        self._speaks_s.pop(machine, None)
        if shelves:
            self._speaks_s[machine] = min(shelves)
        message = alerts_message(rows, SOURCE, self._seen, now_s)
        if _words(self._said.get(machine)) != _words(message):
            self._said[machine] = message
            self._publish(machine, "alert", message.model_dump_json(), True)

    def _publish(self, machine: str, kind: str, text: str, retain: bool) -> None:
        self._line.publish(topic_of(self._site, machine, kind), text.encode(), retain=retain)
        self.told += 1


def _words(message: AlertMessage | None) -> object:
    """What of a message is worth saying anew when it changes: not how many are shelved, nor what moves all the time."""
    if message is None:
        return None
    moving = {"last_seen_s", "evidence"}
    return [alert.model_dump(exclude=moving) for alert in message.alerts], message.more
