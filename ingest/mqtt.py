"""MQTT: the Source and the Publisher over paho-mqtt, MQTT 5, QoS 1. It knows topics and bytes, not messages.

Threads: paho's network thread puts deliveries into one bounded queue; one consumer takes them, commits the rows that
they cause, and acknowledges. The broker sends at most `receive_maximum` unacknowledged messages, which bounds the
queue (rumqttd ignores the wish and keeps its own limit, `max_inflight_count`; a full queue stops the network thread).
The session outlives the connection, so what was not acknowledged comes again, and its key makes that harmless.
An acknowledgement belongs to the connection that delivered: one for an earlier connection is not sent.
"""

import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, CallbackAPIVersion, Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.decode import CONTENT_TYPE
from ingest.errors import BrokerError
from ingest.source import Delivery
from ingest.topics import every_kind

KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 10.0
_QOS = 1


class MqttSource:
    """Everything that machines say on one broker, with a session that survives a restart of either side.

    The session is kept only when every connection, the first included, asks for it (`clean_start=False`).
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str = "meltwin-run",
        topic_filter: str = every_kind(),
        session_expiry_s: int = 3600,
        receive_maximum: int = 1000,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._topic_filter = topic_filter
        self._receive_maximum = receive_maximum
        self._queue: queue.Queue[Delivery] = queue.Queue(maxsize=2 * receive_maximum)
        self._lock = threading.Lock()
        self._connection = 0  # counts connections; a token carries the one that delivered
        self._closed = False
        self._subscribed = threading.Event()
        self._client = _client(client_id, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = session_expiry_s
        properties.ReceiveMaximum = receive_maximum
        _connect(self._client, host, port, clean_start=False, properties=properties)
        if not self._subscribed.wait(connect_timeout_s):
            self.close()
            raise BrokerError(f"broker at {host}:{port} did not confirm the subscription; see mqtt_port")

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        taken: list[Delivery] = []
        try:
            taken.append(self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait())
            while len(taken) < max_messages:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return taken

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        with self._lock:
            for delivery in deliveries:
                connection, mid = delivery.token
                if connection == self._connection:
                    self._client.ack(mid, _QOS)

    @property
    def exhausted(self) -> bool:
        return False

    @property
    def connected(self) -> bool:
        """Whether the broker hears us now. Reconnecting is automatic."""
        return self._client.is_connected()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._client.disconnect()
            self._client.loop_stop()

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if not reason.is_failure:
            client.subscribe(self._topic_filter, qos=_QOS)

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed.set()

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._lock:
            self._connection += 1

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        delivery = Delivery(message.topic, bytes(message.payload), (self._connection, message.mid))
        while not self._closed:
            try:
                self._queue.put(delivery, timeout=0.2)
            except queue.Full:  # only after reconnects: what is here unacknowledged was delivered again
                continue
            return


class MqttPublisher:
    """Sends in order at QoS 1; `published` counts what the broker confirmed (PUBACK)."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        will: tuple[str, bytes] | None = None,
        max_in_flight: int = 100,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        """`will`: topic and payload that the broker publishes, retained, when we are lost without a goodbye."""
        self._max_in_flight = max_in_flight
        self._changed = threading.Condition()
        self._sent = 0
        self._published = 0
        self._refused = 0
        self._closed = False
        self._connected = threading.Event()
        self._content = Properties(PacketTypes.PUBLISH)
        self._content.ContentType = CONTENT_TYPE
        self._client = _client(client_id, manual_ack=False)
        self._client.max_inflight_messages_set(max_in_flight)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        if will is not None:
            properties = Properties(PacketTypes.WILLMESSAGE)
            properties.ContentType = CONTENT_TYPE
            self._client.will_set(*will, qos=_QOS, retain=True, properties=properties)
        _connect(self._client, host, port, clean_start=True, properties=None)
        if not self._connected.wait(connect_timeout_s):
            self.close()
            raise BrokerError(f"broker at {host}:{port} did not accept the connection; see mqtt_port")

    @property
    def published(self) -> int:
        return self._published

    @property
    def refused(self) -> int:
        """Messages that the broker answered with a failure."""
        return self._refused

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self._max_in_flight or self._closed)
            if self._closed:
                raise BrokerError("the publisher is closed")
            self._sent += 1
        self._client.publish(topic, payload, qos=_QOS, retain=retain, properties=self._content)

    def drain(self, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight == 0, timeout_s)

    def close(self) -> None:
        if self._closed:
            return
        if self._client.is_connected():
            self.drain(2.0)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def _in_flight(self) -> int:
        return self._sent - self._published - self._refused

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if not reason.is_failure:
            self._connected.set()

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Properties) -> None:
        with self._changed:
            if reason.is_failure:
                self._refused += 1
            else:
                self._published += 1
            self._changed.notify_all()


def answers(host: str, port: int, timeout_s: float) -> bool:
    """Whether a broker at host:port completes an MQTT 5 connection in time."""
    done = threading.Event()
    client = _client("", manual_ack=False)
    client.on_connect = lambda c, u, f, reason, p: None if reason.is_failure else done.set()
    deadline_s = time.monotonic() + timeout_s
    try:
        while not done.is_set() and time.monotonic() < deadline_s:
            try:
                client.connect(host, port, keepalive=KEEPALIVE_S, clean_start=True)
            except OSError:
                time.sleep(0.05)
                continue
            client.loop_start()
            done.wait(max(deadline_s - time.monotonic(), 0.0))
    finally:
        client.disconnect()
        client.loop_stop()
    return done.is_set()


def _client(client_id: str, manual_ack: bool) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=manual_ack
    )
    client.reconnect_delay_set(min_delay=1, max_delay=30)
    return client


def _connect(client: Client, host: str, port: int, clean_start: bool, properties: Properties | None) -> None:
    try:
        code = client.connect(host, port, keepalive=KEEPALIVE_S, clean_start=clean_start, properties=properties)
    except OSError as wrong:
        raise BrokerError(f"no broker at {host}:{port} ({wrong.strerror or wrong}); see mqtt_port") from wrong
    if code != MQTT_ERR_SUCCESS:
        raise BrokerError(f"broker at {host}:{port} refused the connection (code {code}); see mqtt_port")
    client.loop_start()
