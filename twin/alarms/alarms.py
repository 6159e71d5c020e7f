"""Alarms: what forecasts ask a person to look at, raised once, seen again, and cleared when it stays away.

    raised     when a cause is there: an outcome that is not ok, or a risk at its limit
    seen       as long as it is, and for a risk until it falls below .95 of the limit (deadband); between the two the
               evidence says where that is
    cleared    after CALM_S without it; if it came back within REPEAT_S of being cleared, after twice as long as the
               last time, MOST_CALM_S at most: what chatters becomes one alert that stays

Pure but for what is open; time is an argument.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from twin.alarms.risks import ENDED, Risk
from twin.forecast import Alert, Forecast, Outcome, Severity

CALM_S = 10.0
REPEAT_S = 600.0
MOST_CALM_S = 320.0
OF_OUTCOMES = "no forecast to rely on here: watch the signal"
Key = tuple[str, str, str]


@dataclass
class _Open:
    alert: Alert
    calm_s: float  # so long it must stay away


class Alarms:
    """Of every machine of one run. One caller, one thread."""

    def __init__(self) -> None:
        self._open: dict[Key, _Open] = {}
        self._over: dict[Key, tuple[float, float]] = {}  # when it was cleared, and how long it had to stay away

    def take_up(self, alerts: Sequence[Alert]) -> None:
        """Alerts that an earlier run left open: they are updated and cleared like those of this one."""
        for alert in alerts:
            self._open[alert.key] = _Open(alert, CALM_S)

    def step(self, seen: Iterable[tuple[Forecast, Sequence[Risk]]], now_s: float) -> list[Alert]:
        """Alerts raised, seen again or cleared by the forecasts of one step, each with its risks."""
        told: dict[Key, Alert] = {}
        heard: set[str] = set()
        for forecast, risks in seen:
            heard.add(forecast.machine)
            for risk in (*_of_outcome(forecast), *risks):
                key = (forecast.machine, forecast.build, risk.kind)
                if risk.share >= (ENDED if key in self._open else 1.0):
                    told[key] = self._see(key, forecast, risk, now_s)
        for key, still in list(self._open.items()):
            if key[0] in heard and now_s - still.alert.last_seen_s > still.calm_s:
                told[key] = replace(still.alert, cleared_s=now_s)
                self._over[key] = (now_s, still.calm_s)
                del self._open[key]
        return list(told.values())

    def _see(self, key: Key, forecast: Forecast, risk: Risk, now_s: float) -> Alert:
        still = self._open.get(key)
        evidence = f"{risk.evidence}; stands until {risk.ends}" if risk.share < 1 and risk.ends else risk.evidence
        if still is None:
            x_m, y_m = (forecast.leads[0].x_m, forecast.leads[0].y_m) if forecast.leads else (None, None)
            first = Alert(*key, risk.severity, forecast.layer, x_m, y_m, now_s, now_s, evidence, risk.action)
            still = self._open[key] = _Open(first, self._calm_s(key, now_s))
        else:
            severity = _worse(still.alert.severity, risk.severity)
            still.alert = replace(still.alert, last_seen_s=now_s, evidence=evidence, severity=severity)
        return still.alert

    def _calm_s(self, key: Key, now_s: float) -> float:
        cleared_s, calm_s = self._over.pop(key, (-float("inf"), CALM_S))
        return min(2 * calm_s, MOST_CALM_S) if now_s - cleared_s <= REPEAT_S else CALM_S


def _worse(one: Severity, other: Severity) -> Severity:
    """An alert that is open does not become less."""
    order: tuple[Severity, ...] = ("low", "medium", "high")
    return max(one, other, key=order.index)


def _of_outcome(forecast: Forecast) -> list[Risk]:
    outcome = forecast.outcome
    if outcome.kind == "ok":
        return []
    severity: Severity = "medium" if outcome.kind == "non_finite" else "low"
    return [Risk(outcome.kind, float("inf"), severity, forecast.evidence or _evidence(outcome), OF_OUTCOMES)]


def _evidence(outcome: Outcome) -> str:
    """An outcome as a person says it: `scan speed 0.0056 m/s below the trained range`."""
    if outcome.kind == "residual":
        return f"{100 * abs(outcome.by):.2g} % of the absorbed heat is {'missing' if outcome.by > 0 else 'too much'}"
    if outcome.kind != "outside_envelope" or not outcome.by:
        return str(outcome)
    side = "above" if outcome.by > 0 else "below"
    return f"{outcome.which} {abs(outcome.by):.3g} {outcome.unit}".rstrip() + f" {side} the trained range"
