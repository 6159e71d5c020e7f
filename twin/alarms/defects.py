"""Defects: the risks of each forecast, from the pools of its build so far. The formulas are `twin.alarms.risks`.

Lack of fusion and balling are judged by medians of the newest estimates with the laser on, so not at the starts and
ends of tracks; overheating by the last few, because that is where it is, and only at nominal power, since another
power means another pool.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from twin.alarms import risks
from twin.alarms.risks import Risk
from twin.forecast import Forecast, MeltPool
from twin.observation import Build

NOMINAL = 0.05  # of the nominal power: so near counts as it
STEP = 0.05  # of the absorptivity over the nominal one: what is inferred moves the steady pool in such steps
Steady = Callable[[Forecast, Build, float], MeltPool | None]
"""The steady pool of a build's nominal parameters by the operator of a forecast, with so much absorbed over nominal."""


class Defects:
    """Of every machine of one run."""

    def __init__(self, steady: Steady) -> None:
        self._steady = steady
        self._pools: defaultdict[tuple[str, str], deque[MeltPool]] = defaultdict(lambda: deque(maxlen=risks.NEWEST))
        self._lows: defaultdict[tuple[str, str], deque[MeltPool]] = defaultdict(lambda: deque(maxlen=risks.NEWEST))
        self._known: dict[tuple[str, str, str, float], MeltPool | None] = {}
        self._turn: defaultdict[tuple[str, str], deque[MeltPool]] = defaultdict(lambda: deque(maxlen=risks.TURN))

    def of(self, forecast: Forecast, build: Build) -> list[Risk]:
        """What one forecast tells; each of them once, in the order of time."""
        deep = risks.keyhole(forecast.regime, forecast.keyhole_number)
        found = [] if deep is None else [deep]
        if not forecast.leads or not forecast.laser_on:
            return found
        key, pool = (forecast.machine, forecast.build), forecast.leads[0].melt_pool
        pools = self._pools[key]
        pools.append(pool)
        lows, band = self._lows[key], forecast.leads[0].band
        lows.append(band.low) if band is not None else lows.clear()
        if len(pools) >= risks.SETTLED:
            mean = risks.middle(pools)
            found.append(risks.balling(mean))
            if build.hatch_spacing_m is not None:
                low = risks.middle(lows) if len(lows) >= risks.SETTLED else None
                found.append(risks.lack_of_fusion(build.hatch_spacing_m, build.layer_thickness_m, mean, low))
        return [*found, *self._heat(key, forecast, build, pool)]

    def _heat(self, key: tuple[str, str], forecast: Forecast, build: Build, pool: MeltPool) -> Sequence[Risk]:
        turn = self._turn[key]
        if abs(forecast.leads[0].beam_power_w / build.nominal_beam_power_w - 1.0) > NOMINAL:
            turn.clear()
            return ()
        turn.append(pool)
        if len(turn) < risks.TURN:
            return ()
        steady = self._nominal(forecast, build)
        heat = None if steady is None else risks.overheating(risks.middle(turn), steady)
        return () if heat is None else (heat,)

    def _nominal(self, forecast: Forecast, build: Build) -> MeltPool | None:
        told = forecast.absorbed
        absorbs = 1.0 if told is None else round(told.absorptivity / told.nominal / STEP) * STEP
        key = (forecast.machine, forecast.build, forecast.operator, absorbs)
        if key not in self._known:
            self._known[key] = self._steady(forecast, build, absorbs)
        return self._known[key]
