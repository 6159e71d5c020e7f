"""Wiring: the only place that names concrete adapters. Everything else takes ports."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.run import Batch, RunLoop
from deploy.settings import Settings
from ingest.broker import EmbeddedBroker
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.order import Order
from ingest.source import Source
from ingest.topics import every_kind
from twin.clock import SystemClock
from twin.store.port import Store
from twin.store.sql import SqlStore


def open_store(settings: Settings) -> Store:
    """The writer; makes the folder, the file and the schema where they are missing."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return SqlStore.create(settings.database_url, durability=settings.durability)


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
    with embedded:
        yield


def mqtt_source(settings: Settings) -> MqttSource:
    """Everything that the machines of this site say."""
    return MqttSource(
        settings.mqtt_host,
        settings.mqtt_port,
        client_id=f"meltwin-run-{settings.site}",
        topic_filter=every_kind(settings.site),
        receive_maximum=max(1, settings.queue_messages // 2),
    )


def mqtt_publisher(settings: Settings, name: str) -> MqttPublisher:
    """A publisher of machines' messages; `name` tells it apart from others at the broker."""
    return MqttPublisher(settings.mqtt_host, settings.mqtt_port, client_id=f"meltwin-{name}-{settings.site}")


def run_loop(settings: Settings, source: Source, store: Store) -> RunLoop:
    """The consumer, warm: the first message is forecast as fast as the thousandth."""
    order = Order(patience_s=settings.late_s)
    batch = Batch(settings.batch_messages, settings.batch_wait_s)
    return RunLoop(source, order, twin(settings), store, SystemClock(), batch)
