"""Flood: when too many alerts of one machine come, those of one kind are grouped under one, with a count.

    begins     more than BEGINS alarms of a machine in SPAN_S (ISA-18.2: ten alarms in ten minutes); an advisory, which
               asks for nothing, does not count
    meanwhile  nothing is cleared: what is over and comes back is not raised anew, its alert counts it
    ends       fewer than ENDS in SPAN_S; then what is over is cleared

That it is so is an alert of its own. Whoever raises alerts (`Alarms`, `Watch`, Sparkplug) knows nothing of this: all
their words of a step go through here. The sum of the counts is the number of times that something was raised.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from twin.alarms.kinds import FLOOD, wants_word
from twin.forecast import Alert

BEGINS, ENDS = 10, 5
SPAN_S = 600.0
_ACTION = "look at the first and at the severest: one cause may be behind all"
Key = tuple[str, str, str]


class Flood:
    """Of every machine of one run. One caller, one thread."""

    def __init__(self) -> None:
        self._open: dict[Key, Alert] = {}
        self._over: dict[Key, Alert] = {}  # of a flood: their cause is gone, and they stay open
        self._raised: defaultdict[str, deque[float]] = defaultdict(deque)  # when, by machine
        self._floods: dict[str, Alert] = {}

    def take_up(self, alerts: Sequence[Alert]) -> None:
        """What an earlier run left open, and what it raised lately and cleared. A count beyond one is taken as said
        when it was last seen."""
        for alert in alerts:
            if alert.kind == FLOOD:
                if alert.cleared_s is None:
                    self._floods[alert.machine] = alert
                continue
            if alert.cleared_s is None:
                self._open[alert.key] = alert
            if wants_word(alert.severity):
                self._raised[alert.machine] += [alert.first_seen_s, *[alert.last_seen_s] * (alert.count - 1)]
        for machine, times in self._raised.items():
            self._raised[machine] = deque(sorted(times))

    def step(self, alerts: Sequence[Alert], now_s: float) -> list[Alert]:
        """The words of one step, as they are to be kept."""
        told: dict[Key, Alert] = {}
        for alert in alerts:
            said = self._said(alert, now_s)
            told[said.key] = said
        for machine in sorted({*self._raised, *self._floods}):
            for said in self._judged(machine, now_s):
                told[said.key] = said
        return list(told.values())

    def _said(self, alert: Alert, now_s: float) -> Alert:
        key, known = alert.key, self._open.get(alert.key)
        if known is None:
            self._count(alert, now_s)
        else:
            over = self._over.get(key)
            again = over is not None and alert.first_seen_s > over.last_seen_s
            if again:
                self._count(alert, now_s)
                del self._over[key]
            first_s, layer, x_m, y_m = known.first_seen_s, known.layer, known.x_m, known.y_m
            count = known.count + again
            alert = replace(alert, count=count, first_seen_s=first_s, layer=layer, x_m=x_m, y_m=y_m)
        if alert.cleared_s is None:
            self._open[key] = alert
        elif alert.machine in self._floods:
            alert = self._open[key] = self._over[key] = replace(alert, cleared_s=None)
        else:
            self._open.pop(key, None)
        return alert

    def _count(self, alert: Alert, now_s: float) -> None:
        if wants_word(alert.severity):
            self._raised[alert.machine].append(now_s)

    def _judged(self, machine: str, now_s: float) -> list[Alert]:
        times, flood = self._raised[machine], self._floods.get(machine)
        while times and times[0] <= now_s - SPAN_S:
            times.popleft()
        if flood is None and len(times) > BEGINS:
            newest = max((each for each in self._open.values() if each.machine == machine), key=_last, default=None)
            build, layer = ("", 0) if newest is None else (newest.build, newest.layer)
            evidence = _evidence(len(times))
            flood = Alert(machine, build, FLOOD, "medium", layer, None, None, now_s, now_s, evidence, _ACTION)
            self._floods[machine] = flood
            return [flood]
        if flood is None:
            return []
        if len(times) >= ENDS:
            evidence = _evidence(len(times))
            if evidence == flood.evidence:
                return []
            self._floods[machine] = replace(flood, last_seen_s=now_s, evidence=evidence)
            return [self._floods[machine]]
        del self._floods[machine]
        over = [self._over.pop(key) for key in list(self._over) if key[0] == machine]
        for alert in over:
            del self._open[alert.key]
        return [replace(each, cleared_s=now_s) for each in (*over, flood)]


def _last(alert: Alert) -> float:
    return alert.last_seen_s


def _evidence(count: int) -> str:
    return f"{count} alarms in {SPAN_S / 60:.0f} minutes: those of one kind are grouped under one, with a count"
