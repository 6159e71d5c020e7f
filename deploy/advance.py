"""Advance: the twin's one verb, and several twins as one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twin.clock import Clock
from twin.forecast import Alert, Forecast
from twin.observation import Build, Window

ContextOf = Callable[[str, str], Build]  # (machine, build) -> what stays constant in it


class Advance(Protocol):
    """Twin.advance."""

    def __call__(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]: ...


class Opinions:
    """Several twins over the same windows, the one of record under no name. `took_s` adds up what each has taken, in
    wall seconds, and `windows` what all of them were given."""

    def __init__(self, twins: Mapping[str, Advance], clock: Clock) -> None:
        self._twins = dict(twins)
        self._clock = clock
        self.took_s = dict.fromkeys(self._twins, 0.0)
        self.windows = 0

    def __call__(
        self, windows: Sequence[Window], context_of: ContextOf, now_s: float
    ) -> tuple[list[Forecast], list[Alert]]:
        forecasts: list[Forecast] = []
        alerts: list[Alert] = []
        self.windows += len(windows)
        for name, advance in self._twins.items():
            begun_s = self._clock.now_s()
            told, warned = advance(windows, context_of, now_s)
            self.took_s[name] += self._clock.now_s() - begun_s
            forecasts += told
            alerts += warned
        return forecasts, alerts
