"""Wiring: the only place that names concrete adapters. Everything else takes ports."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from deploy.errors import DatabaseError, MeltwinError
from deploy.run import Advance, Batch, RunLoop
from deploy.settings import Settings
from ingest.broker import EmbeddedBroker
from ingest.machines.machine import Machine
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.order import HORIZON_FRAMES, Order
from ingest.readers import Recording, open_source
from ingest.replay import DirectSource
from ingest.simulate import last_will, machines
from ingest.source import Publisher, Source
from ingest.topics import every_kind
from twin.clock import SystemClock
from twin.store.port import Step, Store
from twin.store.sql import SqlStore

if TYPE_CHECKING:
    from operators.operator import Operator
    from twin.twin import Twin


def open_store(settings: Settings) -> Store:
    """The writer; makes the folder, the file and the schema where they are missing."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return SqlStore.create(settings.database_url, durability=settings.durability)
    except (OSError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DatabaseError(
            f"cannot write to {settings.database_place}: {reason}; see the settings database, data_dir"
        ) from error


@contextmanager
def broker(settings: Settings) -> Iterator[None]:
    """The embedded broker, or nothing where an external one is set. Ctrl-C does not reach it: it is stopped last."""
    if settings.broker == "external":
        yield
        return
    embedded = EmbeddedBroker(settings.mqtt_port)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the broker's process
    try:
        embedded.start()
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield
    finally:
        embedded.stop()


def mqtt_source(settings: Settings) -> MqttSource:
    """Everything that the machines of this site say."""
    return MqttSource(
        settings.mqtt_host,
        settings.mqtt_port,
        client_id=f"meltwin-run-{settings.site}",
        topic_filter=every_kind(settings.site),
        receive_maximum=max(1, settings.queue_messages // 2),
    )


@contextmanager
def simulated_machines(settings: Settings, run: str) -> Iterator[dict[str, Publisher]]:
    """A publisher for each simulated machine, each with its last will."""
    with ExitStack() as open_ones:
        yield {
            machine.name: open_ones.enter_context(publisher_of(machine, settings))
            for machine in machines(settings.seed, run)
        }


def open_recording(source: Path, build_file: Path | None = None, run: str = "") -> Recording:
    """A log of a build, read and checked whole."""
    return open_source(source, build_file, run)


def direct_source(recording: Recording, settings: Settings) -> DirectSource:
    """A log as a source, without a broker."""
    return DirectSource(recording, settings.site)


@contextmanager
def publisher_of(machine: Machine, settings: Settings) -> Iterator[Publisher]:
    """What a machine speaks through, with its last will."""
    name = f"meltwin-{machine.name}-{settings.site}"
    will = last_will(settings.site, machine)
    with closing(MqttPublisher(settings.mqtt_host, settings.mqtt_port, client_id=name, will=will)) as publisher:
        yield publisher


def closer(publishers: Iterable[Publisher]) -> Callable[[], None]:
    """Closes them: one that waits for a broker that is gone stops waiting."""

    def close() -> None:
        for publisher in publishers:
            publisher.close()

    return close


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` takes the GPU if there is one."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise MeltwinError(f"device must be auto, cpu or cuda, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise MeltwinError("there is no GPU that torch can use here: set device to auto or cpu")
    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def operator_of(settings: Settings) -> "Operator":
    """The operator that `settings.operator` names: a card of the shipped weights, or the reference solver."""
    from operators import card
    from operators.engine import Engine
    from operators.reference.operator import ReferenceOperator

    if settings.operator == "reference":
        return ReferenceOperator()
    device = choose_device(settings.device)
    shipped = card.names()
    if settings.operator == "auto" and not shipped:
        return ReferenceOperator()
    try:
        model, told = card.load(shipped[0] if settings.operator == "auto" else settings.operator, device=device)
        return Engine(model, told, device)
    except card.CardError as error:
        raise MeltwinError(f"{error}; see the setting operator") from error


def twin(settings: Settings) -> Advance:
    """The twin's one verb, warm."""
    return warm_twin(settings).advance


def warm_twin(settings: Settings) -> "Twin":
    """The twin with its operator loaded, and each kernel run once: the first message does not wait for a compiler."""
    from operators.operator import warm
    from operators.reference.operator import ReferenceOperator
    from twin.twin import Twin

    serving = operator_of(settings)
    fallback = None if serving.card["name"] == "reference" else ReferenceOperator()
    for operator in (serving, fallback):
        if operator is not None:
            warm(operator)
    return Twin(serving, fallback, horizon_frames=settings.horizon_frames, snapshot_frames=settings.snapshot_frames)


def melt_pool_query(device: str = "auto", **query: Any) -> Any:
    """The steady melt pool of one set of laser parameters: melt_pool, regime, keyhole_number, outcome, operator."""
    from twin.query import melt_pool

    try:
        return melt_pool(device=choose_device(device), **query)
    except (ValueError, NotImplementedError) as error:
        raise MeltwinError(str(error)) from error


def run_loop(settings: Settings, source: Source, store: Store) -> RunLoop:
    """The consumer, warm: the first message is forecast as fast as the thousandth."""
    order = Order(patience_s=settings.late_s, horizon_frames=max(HORIZON_FRAMES, settings.horizon_frames))
    batch = Batch(settings.batch_messages, settings.batch_wait_s)
    warm = warm_twin(settings)
    store.write(Step(cards=[operator.card for operator in (warm.operator, warm.fallback) if operator is not None]))
    return RunLoop(source, order, warm.advance, store, SystemClock(), batch)
