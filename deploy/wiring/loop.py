"""The run process: its consumer, and what watches it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from deploy import maps
from deploy.advance import Opinions
from deploy.answers import KIND, Answers, Attributions, UnansweredError
from deploy.batch import Batch
from deploy.errors import MeltwinError
from deploy.monitor.logs import configure
from deploy.monitor.monitor import Monitor
from deploy.monitor.server import served
from deploy.reforecast import KIND as REFORECAST
from deploy.reforecast import Reforecasts
from deploy.run import Heard, RunLoop
from deploy.settings import Settings
from deploy.wiring.twins import cards, operator_of, warm_twins
from ingest.herald import Herald
from ingest.order import HORIZON_FRAMES, Order
from ingest.source import Source
from ingest.sparkplug.stage import Stage
from twin.clock import Clock, SystemClock
from twin.observation import Window
from twin.store.port import Step, Store, Written

if TYPE_CHECKING:
    from operators.operator import Operator
    from twin.twin import Twin


@contextmanager
def monitor(settings: Settings, *, serve: bool) -> Iterator[Monitor]:
    """Logs as the settings say; with `serve` also /metrics, /healthz, /readyz, from before anything else starts."""
    clock = SystemClock()
    configure(settings.log_format, settings.log_level, clock)
    watching = Monitor(clock, settings.data_dir)
    if not serve or settings.metrics_port == 0:
        yield watching
        return
    with served(settings.metrics_port, watching.metrics, watching.readiness):
        yield watching


def run_loop(
    settings: Settings,
    source: Source,
    store: Store,
    heard: Heard,
    sparkplug: Stage | None = None,
    says: Herald | None = None,
) -> RunLoop:
    """The consumer, warm: the first message is forecast as fast as the thousandth."""
    order = Order(patience_s=settings.late_s, horizon_frames=max(HORIZON_FRAMES, settings.horizon_frames), kept=store)
    batch = Batch(backlog=settings.backlog_frames, behind_s=0.6 * settings.stale_s)
    clock = SystemClock()
    twins = warm_twins(settings, store, clock)
    store.write(Step(cards=cards(twins)))
    advance = Opinions({name: twin.advance for name, twin in twins.items()}, clock)
    take_up, promoted = twins[""].take_up, twins[""].promoted
    promoted.look(clock.now_s())
    attributions = Attributions(store, twins[""])
    attributions.warm()
    answers = Answers(
        store,
        clock,
        {KIND: attributions, maps.KIND: maps.process_maps},
        {REFORECAST: _reforecasts(settings, store, clock, twins)},
    )

    def committed(step: Step, written: Written, forecast_s: float, commit_s: float) -> None:
        heard(step, written, forecast_s, commit_s)
        if says is not None:
            says.step(step)

    def turned(now_s: float) -> None:
        promoted.look(now_s)
        if says is not None:
            says.tell(now_s)

    def let_go(windows: Sequence[Window]) -> None:
        for twin in twins.values():
            twin.let_go(windows)

    return RunLoop(source, order, advance, store, clock, batch, committed, take_up, sparkplug, turned, answers, let_go)


def _reforecasts(settings: Settings, store: Store, clock: Clock, twins: "dict[str, Twin]") -> Reforecasts:
    """Answers what is to be forecast again, by the operators that serve and by others, which are loaded when asked."""
    from operators.operator import warm
    from twin.twin import Twin

    loaded = {operator.card["name"]: operator for twin in twins.values() for operator in twin.serving}

    def by_name(name: str) -> "Operator":
        if name not in loaded:
            try:
                loaded[name] = operator_of(settings, name)
            except MeltwinError as error:
                raise UnansweredError(f"there is no operator {name}: {error}") from error
            warm(loaded[name])
        return loaded[name]

    new_twin = partial(
        Twin,
        fallback=loaded["reference"],
        horizon_frames=settings.horizon_frames,
        snapshot_frames=settings.snapshot_frames,
    )
    return Reforecasts(store, clock, by_name, new_twin)
