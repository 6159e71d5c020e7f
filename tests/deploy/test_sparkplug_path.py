"""Sparkplug through the run loop: from a node's bytes to committed rows; a rebirth is asked for only where allowed."""

import time
from contextlib import closing

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion

from deploy import wiring
from deploy.run import RunLoop
from deploy.settings import Settings
from ingest.broker import EmbeddedBroker
from ingest.order import Order
from ingest.source import FakeSource, Source
from ingest.sparkplug.stage import Stage
from tests.deploy.fakes import advance
from tests.ingest.said import free_port
from tests.ingest.test_sparkplug import AXES, CONSTANTS, birth, data, metric, moved, topic
from twin.clock import FakeClock
from twin.store.fake.store import FakeStore


def loop(source: Source, stage: Stage | None = None) -> tuple[RunLoop, FakeStore]:
    store = FakeStore()
    return RunLoop(source, Order(patience_s=0.5), advance, store, FakeClock(100.0), sparkplug=stage), store


def test_an_edge_node_reaches_the_store_with_its_forecasts() -> None:
    said = [(topic("NBIRTH"), birth([*AXES, *CONSTANTS]))] + [(topic(), moved(n)) for n in range(1, 50)]
    run, store = loop(FakeSource(said))
    while run.turn():
        pass
    counts = store.counts()
    assert (counts["observations"], counts["rejects"], counts["gaps"]) == (5 + 49, 0, 0)
    assert counts["forecasts"] >= 45
    assert store.machines().machine.tolist() == ["ded-1"]
    assert len(store.parameters("ded-1", "b7", 3)) == 50


def test_a_rebirth_in_a_layer_counts_its_frames_on() -> None:
    """A new life has its own keys; the frames of the layer go on, and what was open is closed."""
    said = [(topic("NBIRTH"), birth([*AXES, *CONSTANTS]))] + [(topic(), moved(n)) for n in range(1, 50)]
    again = [metric("Axis/X", 1, 1.0 + 0.2 * 50, unit="mm"), *AXES[1:], *CONSTANTS]
    said += [(topic("NBIRTH"), birth(again, at_ms=1000 + 20 * 50))]
    said += [(topic(), data(n - 50, metric(alias=1, value=1.0 + 0.2 * n), at_ms=1000 + 20 * n)) for n in range(51, 100)]
    run, store = loop(FakeSource(said))
    while run.turn():
        pass
    run.finish()
    counts = store.counts()
    assert (counts["conflicts"], counts["duplicates"], counts["rejects"], counts["gaps"]) == (0, 0, 0, 0)
    frames = store.melt_pool("ded-1", build="b7").frame
    assert sorted(frames) == list(range(98)), "49 of each life: the 20 ms between them have no sample at their end"
    assert len(store.parameters("ded-1", "b7", 3)) == 100


def test_data_without_a_birth_is_kept_and_a_need_is_an_alert() -> None:
    run, store = loop(FakeSource([(topic(), moved(1))]))
    run.turn()
    assert store.rejects().code.tolist() == ["not_born"]
    assert store.alerts(open_only=True).kind.tolist() == ["rebirth_needed"]


@pytest.mark.parametrize("allowed", [False, True])
def test_through_a_broker_a_rebirth_is_asked_for_only_where_it_is_allowed(allowed: bool) -> None:
    with EmbeddedBroker(free_port()) as broker:
        settings = Settings(
            broker="external", mqtt_port=broker.port, site="hall", sparkplug_group="hall", sparkplug_rebirth=allowed
        )
        heard: list[tuple[str, bytes]] = []
        node = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

        def on_message(client: Client, userdata: object, message: MQTTMessage) -> None:
            heard.append((message.topic, message.payload))
            client.publish(topic("NBIRTH"), birth([*AXES, *CONSTANTS]), qos=0)

        node.on_message = on_message
        node.connect(broker.host, broker.port)
        node.subscribe([("spBv1.0/+/NCMD/#", 1), ("spBv1.0/+/DCMD/#", 1)])
        node.loop_start()
        with closing(wiring.mqtt_source(settings)) as source, wiring.sparkplug_stage(settings) as stage:
            run, store = loop(source, stage)
            node.publish(topic(), moved(1), qos=0)
            deadline_s = time.monotonic() + (10.0 if allowed else 2.0)
            while store.counts()["observations"] < 5 and time.monotonic() < deadline_s:
                run.turn()
            assert store.rejects().code.tolist() == ["not_born"]
            if allowed:
                assert [where for where, _ in heard] == ["spBv1.0/hall/NCMD/ded-1"]
                assert store.counts()["observations"] == 5
                assert store.alerts(open_only=True).empty
            else:
                assert heard == []
                assert store.alerts(open_only=True).kind.tolist() == ["rebirth_needed"]
        node.disconnect()
        node.loop_stop()
