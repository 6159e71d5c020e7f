"""Stage: Sparkplug before `decode`, as the run loop uses it; and what is done about a rebirth that is needed.

A need is an alert for people, and cleared by the birth. Only where a setting allows it, and `ask` is given, the edge
node is asked: NCMD `Node Control/Rebirth`, the one command that a host application may say. Nothing else is published.
"""

from collections.abc import Callable, Sequence

from ingest.sparkplug.session import Need, Sessions
from ingest.sparkplug.topics import name_of
from twin.forecast import Alert
from twin.observation import Gap, Observation, Rejected

KIND = "rebirth_needed"
Ask = Callable[[str, str, float], None]  # (group, node, now_s): asks for a rebirth, at most once


class Stage:
    """Sessions, alerts and requests. One caller, one thread."""

    def __init__(self, ask: Ask | None = None, sessions: Sessions | None = None) -> None:
        self._sessions = sessions or Sessions()
        self._ask = ask
        self._open: dict[str, Alert] = {}  # by machine
        self._to_ask: list[Need] = []
        self.asked = 0

    def read(self, topic: str, payload: bytes, now_s: float) -> list[Observation | Rejected]:
        """What a message of the namespace says."""
        return self._sessions.read(topic, payload, now_s)

    def tick(self, now_s: float) -> list[Observation | Rejected]:
        """Time passes: call it at least once a second."""
        return self._sessions.tick(now_s)

    def gaps(self) -> list[Gap]:
        """Messages that never came, since the last call."""
        return self._sessions.gaps()

    def take_up(self, alerts: Sequence[Alert]) -> None:
        """The alerts that an earlier run left open: the birth clears them."""
        self._open |= {alert.machine: alert for alert in alerts if alert.kind == KIND}

    def alerts(self, now_s: float) -> list[Alert]:
        """The nodes that need a rebirth since the last call, and those that were born; call it once a step."""
        told = []
        for need in self._sessions.needs():
            machine = name_of(need.node)
            known = self._open.get(machine)
            self._open[machine] = self._alert(need, known.first_seen_s if known else need.noticed_s)
            told.append(self._open[machine])
            self._to_ask.append(need)
        for _, node in self._sessions.met():
            known = self._open.pop(name_of(node), None)
            if known is not None:
                told.append(Alert(**{**vars(known), "last_seen_s": now_s, "cleared_s": now_s}))
        return told

    def ask(self) -> int:
        """Ask for what `alerts` told of, where that is allowed; call it when the step is committed."""
        needs, self._to_ask = self._to_ask, []
        if self._ask is None:
            return 0
        for need in needs:
            self._ask(need.group, need.node, need.noticed_s)
        self.asked += len(needs)
        return len(needs)

    def _alert(self, need: Need, first_seen_s: float) -> Alert:
        does = "The twin asks it for a rebirth." if self._ask else "Ask the edge node for a rebirth."
        return Alert(
            machine=name_of(need.node), build="", kind=KIND, severity="medium", layer=0, x_m=None, y_m=None,
            first_seen_s=first_seen_s, last_seen_s=need.noticed_s,
            evidence=f"Sparkplug edge node {need.node}: {need.reason}", action=does,
        )  # fmt: skip
