"""Again: a stored build forecast from what was observed, layer by layer, as it would have been while it was made.

A layer is told to a fresh `Order` from the store, so its windows are those of a run. A layer that has all its forecasts
is left alone; one that has some is gone through from its beginning, because the field of the melt pool is carried from
there, and the store keeps the forecasts that it has. So this may be broken off and begun again like an import.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ingest.order import HORIZON_FRAMES, Order
from twin.clock import Clock
from twin.forecast import Alert, Forecast
from twin.observation import Build, Observation, Window
from twin.store.port import Step

if TYPE_CHECKING:
    from twin.store.holdings import Holdings
    from twin.store.port import Store

BATCH_WINDOWS = 128


class Advance(Protocol):
    """Twin.advance."""

    def __call__(
        self, windows: Sequence[Window], context_of: Callable[[str, str], Build], now_s: float
    ) -> tuple[list[Forecast], list[Alert]]: ...


@dataclass
class Again:
    """How far it is."""

    layers: int
    layers_seen: int = 0
    forecasts: int = 0  # new ones
    layers_known: int = 0  # that had all their forecasts


def forecast_again(
    store: "Holdings",
    advance: Advance,
    clock: Clock,
    machine: str,
    build: str,
    *,
    horizon_frames: int = HORIZON_FRAMES,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Again], None] = lambda again: None,
) -> Again:
    """Forecast every layer of a build that lacks forecasts; stop between two transactions when told."""
    constant = Build.model_validate(store.build(machine, build))
    numbers = [int(number) for number in store.layers(machine, build).layer]
    have = store.forecasts_by_layer(machine, build)
    again = Again(len(numbers))
    for number in numbers:
        if have.get(number) and have[number] == sum(
            1 for _ in windows_of(store, machine, build, number, horizon_frames)
        ):
            again.layers_known += 1
        else:
            for batch in _batches(windows_of(store, machine, build, number, horizon_frames)):
                now_s = clock.now_s()
                forecasts, alerts = advance(batch, lambda _machine, _build: constant, now_s)
                forecasts = [replace(forecast, issued_s=clock.now_s()) for forecast in forecasts]
                again.forecasts += store.write(Step(forecasts=forecasts, alerts=alerts, received_s=now_s)).forecasts
                progress(again)
                if stopped():
                    return again
        again.layers_seen += 1
        progress(again)
    return again


def windows_of(
    store: "Store",
    machine: str,
    build: str,
    layer: int,
    horizon_frames: int = HORIZON_FRAMES,
    change: Callable[[Observation], Observation] = lambda observation: observation,
) -> Iterator[Window]:
    """The windows of a stored layer, those of the run that it is from; or, with a `change` of what was said, those of
    a machine that had said that."""
    order = Order(horizon_frames=max(HORIZON_FRAMES, horizon_frames))
    for observation in store.replay_messages(machine, build, layer):
        yield from order.resume(change(observation), 0.0)
    yield from order.finish(0.0)


def _batches(windows: Iterator[Window]) -> Iterator[list[Window]]:
    batch: list[Window] = []
    for window in windows:
        batch.append(window)
        if len(batch) == BATCH_WINDOWS:
            yield batch
            batch = []
    if batch:
        yield batch
