"""Lines to the broker: what listens, what speaks, and how each is let in."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

from deploy.settings import Settings
from ingest.access import Access
from ingest.broker import EmbeddedBroker
from ingest.herald import Herald
from ingest.machines.machine import Machine
from ingest.mqtt import MqttPublisher, MqttSource, take_turns
from ingest.simulate import last_will, machines
from ingest.source import Publisher
from ingest.sparkplug.stage import Stage
from ingest.sparkplug.topics import subscription
from ingest.topics import every_kind
from twin.store.port import Store

SESSION_S = {"embedded": 3600, "external": 7 * 86_400}  # how long a broker keeps for a twin that is away


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


def access(settings: Settings) -> Access:
    """How the broker lets us in."""
    return Access(settings.mqtt_tls_ca, settings.mqtt_username, settings.mqtt_password_file)


def mqtt_source(settings: Settings) -> MqttSource:
    """Everything that the machines of this site say."""
    take_turns()
    return MqttSource(
        settings.mqtt_host,
        settings.mqtt_port,
        client_id=access(settings).session_name(f"meltwin-run-{settings.site}"),
        topic_filter=every_kind(settings.site),
        receive_maximum=max(1, settings.queue_messages // 2),
        session_expiry_s=SESSION_S[settings.broker],
        access=access(settings),
        more_filters=[subscription(settings.sparkplug_group)] if settings.sparkplug_group else [],
    )


@contextmanager
def sparkplug_stage(settings: Settings) -> Iterator[Stage]:
    """What reads Sparkplug. Where the setting allows it, it can say one thing to edge nodes: `Node Control/Rebirth`."""
    if not (settings.sparkplug_group and settings.sparkplug_rebirth):
        yield Stage()
        return
    name = f"meltwin-rebirth-{settings.site}"
    with closing(
        MqttPublisher(
            settings.mqtt_host, settings.mqtt_port, name, access=access(settings), kinds=(), may_ask_rebirth=True
        )
    ) as publisher:
        yield Stage(publisher.ask_rebirth)


@contextmanager
def herald(settings: Settings, store: Store) -> Iterator[Herald | None]:
    """What says over MQTT what is committed; None where the setting lets it say nothing. It says no command."""
    said = settings.publish
    if not said:
        yield None
        return
    name = access(settings).session_name(f"meltwin-says-{settings.site}")
    host, port = settings.mqtt_host, settings.mqtt_port
    with closing(MqttPublisher(host, port, name, access=access(settings), kinds=said)) as line:
        yield Herald(store, line, settings.site, alerts="alert" in said, forecasts="forecast" in said)


@contextmanager
def simulated_machines(settings: Settings, run: str) -> Iterator[dict[str, Publisher]]:
    """A publisher for each simulated machine, each with its last will."""
    with ExitStack() as open_ones:
        yield {
            machine.name: open_ones.enter_context(publisher_of(machine, settings))
            for machine in machines(settings.seed, run)
        }


@contextmanager
def publisher_of(machine: Machine, settings: Settings) -> Iterator[Publisher]:
    """What a machine speaks through, with its last will."""
    name = f"meltwin-{machine.name}-{settings.site}"
    will = last_will(settings.site, machine)
    host, port = settings.mqtt_host, settings.mqtt_port
    with closing(MqttPublisher(host, port, client_id=name, will=will, access=access(settings))) as publisher:
        yield publisher


@contextmanager
def publisher(settings: Settings, name: str) -> Iterator[MqttPublisher]:
    """A line to the broker for messages that are said again."""
    host, port = settings.mqtt_host, settings.mqtt_port
    client_id = f"meltwin-{name}-{settings.site}"
    with closing(MqttPublisher(host, port, client_id=client_id, access=access(settings))) as line:
        yield line


def closer(publishers: Iterable[Publisher]) -> Callable[[], None]:
    """Closes them: one that waits for a broker that is gone stops waiting."""

    def close() -> None:
        for publisher in publishers:
            publisher.close()

    return close
