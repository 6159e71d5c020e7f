"""MQTT: the Source and the Publisher over paho-mqtt, MQTT 5, QoS 1. It knows topics and bytes, not messages.

Threads: paho's network thread puts deliveries into one bounded queue; one consumer takes them, commits the rows that
they cause, and acknowledges. The broker sends at most `receive_maximum` unacknowledged messages, which bounds the
queue (rumqttd ignores the wish and keeps its own limit, `max_inflight_count`; a full queue stops the network thread).
Reconnecting is automatic and for ever. Two programs with one client id take the session from each other at every
reconnect; each gets what the other did not acknowledge. That is told as `take_over`, and not fought.
The session outlives the connection, so what was not acknowledged comes again, and its key makes that harmless.
An acknowledgement belongs to the connection that delivered: one for an earlier connection is not sent.
"""

import ssl
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS, CallbackAPIVersion, Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.access import OPEN, Access
from ingest.codecs.text import CONTENT_TYPE
from ingest.errors import BrokerError
from ingest.source import Delivery
from ingest.sparkplug.session import rebirth_request
from ingest.sparkplug.topics import rebirth_topic
from ingest.topics import KINDS, ForbiddenTopicError, allowed, every_kind

KEEPALIVE_S = 30
SWITCH_S = 1e-4
READ_AHEAD = 1 << 16  # bytes
FULL_S = 0.02  # between looks whether the consumer has made room
GATHER_S = 2e-3  # a batch is waited for in such steps, as long as more than one message comes in each
CONNECT_TIMEOUT_S = 10.0
RECONNECT_MAX_S = 8  # tries to reconnect lie 1, 2, 4 and then so many seconds apart
TAKE_OVERS = 3  # lines lost so soon after each other are another program's doing
TAKE_OVER_S = 60.0
_TAKEN_OVER = 0x8E  # MQTT 5 reason code: session taken over
_QOS = 1
_PUBACK = struct.Struct("!BBH")


def take_turns() -> None:
    """Let the network thread and the consumer take turns every `SWITCH_S`, for a process that lives by both.

    The interpreter's own 5 ms are waited for at each of the few reads of a message while the consumer computes: with
    them a second core stands idle, and ingest reaches half of what it does without (`./meltwin bench ingest`).
    """
    sys.setswitchinterval(SWITCH_S)


Deliver = Callable[[str, bytes, int, str], None]
"""Topic, payload, packet identifier (0: at QoS 0), content type."""


class _Subscriber(Client):
    """paho, which asks the system for each part of each packet, reading ahead; and many acknowledgements in one packet.

    A byte that was read ahead is handled before the socket is looked at again, and dropped with its connection.
    PUBLISH packets that lie whole in what was read ahead go to `deliver` without becoming paho's messages, which take
    most of its time. All else, the first packet of each read among it, and whatever looks odd, is paho's.
    """

    _ahead, _at = b"", 0
    deliver: Deliver | None = None

    def ack_all(self, mids: Sequence[int]) -> None:
        """PUBACK for each, in order."""
        if mids:
            packets = b"".join(_PUBACK.pack(PacketTypes.PUBACK << 4, 2, mid) for mid in mids)
            self._packet_queue(PacketTypes.PUBACK << 4, packets, 0, _QOS)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        code = super().loop_read(max_packets)
        while code == MQTT_ERR_SUCCESS and self._at < len(self._ahead):
            if self.deliver is not None and self._in_packet["command"] == 0:  # paho stands between two packets
                self._at = _published(self._ahead, self._at, self.deliver)
            if self._at < len(self._ahead):
                code = super().loop_read(max_packets)
        return code

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._ahead):
            self._ahead, self._at = super()._sock_recv(max(bufsize, READ_AHEAD)), 0
        begin, self._at = self._at, self._at + bufsize
        return self._ahead[begin : self._at]

    def _sock_close(self) -> None:
        self._ahead, self._at = b"", 0
        super()._sock_close()


def _published(ahead: bytes, at: int, deliver: Deliver) -> int:
    """Hand on the PUBLISH packets (MQTT 5, section 3.3; QoS 0 or 1) from `at` on; where the first other one begins."""
    end = len(ahead)
    while at < end and ahead[at] & 0xF0 == PacketTypes.PUBLISH << 4 and ahead[at] & 0x06 <= _QOS << 1:
        try:
            length, begin = _variable(ahead, at + 1)
            beyond = begin + length
            topic_end = begin + 2 + (ahead[begin] << 8 | ahead[begin + 1])
            told = topic_end + (2 if ahead[at] & 0x06 else 0)
            mid = ahead[topic_end] << 8 | ahead[topic_end + 1] if told > topic_end else 0
            length, listed = _variable(ahead, told)
            payload = listed + length
            if beyond > end or payload > beyond or topic_end == begin + 2:
                return at
            topic, content_type = _topic(ahead[begin + 2 : topic_end]), _content_type(ahead[told:payload])
        except (LookupError, ValueError, struct.error, MQTTException):
            return at
        at = beyond
        deliver(topic, ahead[payload:beyond], mid, content_type)
    return at


def _variable(ahead: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer (MQTT 5, section 1.5.5), and where it ends; IndexError where it does not."""
    value = ahead[at]
    if value < 128:
        return value, at + 1
    value, shift = value & 127, 7
    for place in range(at + 1, at + 4):
        value |= (ahead[place] & 127) << shift
        if ahead[place] < 128:
            return value, place + 1
        shift += 7
    raise IndexError("four bytes at most")


@lru_cache(maxsize=1024)
def _topic(name: bytes) -> str:
    return name.decode()


@lru_cache(maxsize=256)
def _content_type(listed: bytes) -> str:
    """From a packet's properties, their length first."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.unpack(listed)
    return str(getattr(properties, "ContentType", ""))


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
        access: Access = OPEN,
        more_filters: Sequence[str] = (),
    ) -> None:
        self._filters = [(each, SubscribeOptions(qos=_QOS)) for each in (topic_filter, *more_filters)]
        self._receive_maximum = receive_maximum
        self._queue: deque[Delivery] = deque()  # one thread appends, one takes: no lock is needed between them
        self._most = 2 * receive_maximum
        self._hungry, self._fed = False, threading.Event()
        self._lock = threading.Lock()
        self._connection = 0  # counts connections; a token carries the one that delivered
        self._closed = False
        self._place = f"{host}:{port}"
        self._client_id = client_id
        self._lost_s: float | None = None  # since when there is no connection
        self._connected_s = 0.0
        self._short: deque[float] = deque(maxlen=TAKE_OVERS)  # when lines were lost that had just been made
        self._taken_s = -float("inf")  # when the broker last said that the session was taken over
        self._subscribed = threading.Event()
        self._refusal = ""
        self._client = _client(client_id, manual_ack=True, access=access)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.deliver = self._deliver
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = session_expiry_s
        properties.ReceiveMaximum = receive_maximum
        _connect(self._client, host, port, clean_start=False, properties=properties)
        if not self._subscribed.wait(connect_timeout_s) or self._refusal:
            self.close()
            raise _not_let_in(host, port, self._refusal or "did not confirm the subscription")

    def take(self, max_messages: int, timeout_s: float) -> list[Delivery]:
        if not self._queue and timeout_s > 0:
            self._fed.clear()
            self._hungry = True
            if not self._queue:
                self._fed.wait(timeout_s)
            self._hungry = False
        taken: list[Delivery] = []
        until_s = time.monotonic() + timeout_s
        while True:
            before = len(taken)
            while self._queue and len(taken) < max_messages:
                taken.append(self._queue.popleft())
            if len(taken) == max_messages or len(taken) - before <= 1 or time.monotonic() > until_s:
                return taken
            time.sleep(GATHER_S)  # they come fast: the network thread has the interpreter to itself meanwhile

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        with self._lock:
            tokens = [delivery.token for delivery in deliveries]  # QoS 0 has no mid and wants no word
            self._client.ack_all([mid for connection, mid in tokens if connection == self._connection and mid])

    @property
    def exhausted(self) -> bool:
        return False

    @property
    def connected(self) -> bool:
        """Whether the broker hears us now. Reconnecting is automatic."""
        return self._client.is_connected()

    @property
    def waiting(self) -> int:
        """Deliveries that nobody has taken yet."""
        return len(self._queue)

    @property
    def losses(self) -> int:
        """How often the connection was lost."""
        return self._connection

    @property
    def refusal(self) -> str:
        """Why the broker did not let us in when we last asked; empty when it did."""
        return self._refusal

    @property
    def trouble(self) -> tuple[str, str] | None:
        now_s, lost_s, short = time.monotonic(), self._lost_s, list(self._short)
        often = len(short) == TAKE_OVERS and now_s - short[0] < TAKE_OVER_S
        if often or now_s - self._taken_s < TAKE_OVER_S:
            return "take_over", f"another program takes the session {self._client_id} at {self._place}"
        if lost_s is not None and now_s - lost_s > 1.0:
            return "broker", f"the broker at {self._place} has not answered for {now_s - lost_s:.0f} s"
        return None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._client.disconnect()
            self._client.loop_stop()

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._refusal = f"refused the connection ({reason})" if reason.is_failure else ""
        if reason.is_failure:
            self._subscribed.set()
        else:
            self._connected_s, self._lost_s = time.monotonic(), None
            client.subscribe(self._filters)
            if flags.session_present:  # it holds the subscription; rumqttd confirms ours only behind what waits in it
                self._subscribed.set()

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], _: Any) -> None:
        refused = [reason for reason in reasons if reason.is_failure]
        self._refusal = f"refused the subscription ({refused[0]})" if refused else ""
        self._subscribed.set()

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        now_s = time.monotonic()
        with self._lock:
            self._connection += 1
        if self._lost_s is None and not self._closed:
            self._lost_s = now_s
            if now_s - self._connected_s < TAKE_OVER_S / TAKE_OVERS:
                self._short.append(now_s)
            if reason.value == _TAKEN_OVER:
                self._taken_s = now_s

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        content_type = str(getattr(message.properties, "ContentType", ""))
        self._deliver(message.topic, bytes(message.payload), message.mid if message.qos else 0, content_type)

    def _deliver(self, topic: str, payload: bytes, mid: int, content_type: str) -> None:
        delivery = Delivery(topic, payload, (self._connection, mid), content_type)
        while len(self._queue) >= self._most and not self._closed:
            time.sleep(FULL_S)  # only after reconnects: what is here unacknowledged was delivered again
        self._queue.append(delivery)
        if self._hungry:
            self._fed.set()


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
        access: Access = OPEN,
        kinds: Collection[str] = KINDS,
        may_ask_rebirth: bool = False,
    ) -> None:
        """`will`: topic and payload that the broker publishes, retained, when we are lost without a goodbye.

        `kinds`: what it may say, a machine's by default; on any other topic `publish` raises ForbiddenTopicError.
        `may_ask_rebirth`: the one command; without it `ask_rebirth` raises too.
        """
        self._max_in_flight = max_in_flight
        self._changed = threading.Condition()
        self._sent = 0
        self._published = 0
        self._refused = 0
        self._closed = False
        self._kinds = kinds
        self._may_ask_rebirth = may_ask_rebirth
        self._answered = threading.Event()
        self._refusal = ""
        self._connections = 0
        self._client = _client(client_id, manual_ack=False, access=access)
        self._client.max_inflight_messages_set(max_in_flight)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        if will is not None:
            properties = Properties(PacketTypes.WILLMESSAGE)
            properties.ContentType = CONTENT_TYPE
            self._client.will_set(allowed(will[0], kinds), will[1], qos=_QOS, retain=True, properties=properties)
        _connect(self._client, host, port, clean_start=True, properties=None)
        if not self._answered.wait(connect_timeout_s) or self._refusal:
            self.close()
            raise _not_let_in(host, port, self._refusal or "did not accept the connection")

    @property
    def published(self) -> int:
        return self._published

    @property
    def connections(self) -> int:
        """How often the broker has let us in."""
        return self._connections

    @property
    def ready(self) -> bool:
        """Connected, and all that was said is confirmed: what is said now goes out at once."""
        return self._client.is_connected() and self._in_flight == 0

    @property
    def refused(self) -> int:
        """Messages that the broker answered with a failure."""
        return self._refused

    def publish(self, topic: str, payload: bytes, retain: bool = False, content_type: str = CONTENT_TYPE) -> None:
        allowed(topic, self._kinds)
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self._max_in_flight or self._closed)
            if self._closed:
                raise BrokerError("the publisher is closed")
            self._sent += 1
        self._client.publish(topic, payload, qos=_QOS, retain=retain, properties=_content(content_type))

    def ask_rebirth(self, group: str, node: str, now_s: float) -> None:
        """Ask a Sparkplug edge node to be born again, at most once (QoS 0). No other command can be said."""
        if not self._may_ask_rebirth:
            raise ForbiddenTopicError(f"not published: asking {node} for a rebirth is not allowed here")
        self._client.publish(rebirth_topic(group, node), rebirth_request(now_s), qos=0)

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
        self._refusal = f"refused the connection ({reason})" if reason.is_failure else ""
        self._connections += not reason.is_failure
        self._answered.set()

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


@lru_cache(maxsize=16)
def _content(content_type: str) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = content_type
    return properties


def _client(client_id: str, manual_ack: bool, access: Access = OPEN) -> _Subscriber:
    client = _Subscriber(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=manual_ack
    )
    client.reconnect_delay_set(min_delay=1, max_delay=RECONNECT_MAX_S)
    access.give_to(client)
    return client


def _not_let_in(host: str, port: int, why: str) -> BrokerError:
    return BrokerError(f"broker at {host}:{port} {why}; see mqtt_port, mqtt_username, mqtt_password_file")


def _connect(client: Client, host: str, port: int, clean_start: bool, properties: Properties | None) -> None:
    try:
        code = client.connect(host, port, keepalive=KEEPALIVE_S, clean_start=clean_start, properties=properties)
    except ssl.SSLError as wrong:
        reason = getattr(wrong, "verify_message", "") or wrong.reason or wrong
        raise BrokerError(f"no TLS with the broker at {host}:{port} ({reason}); see mqtt_tls_ca, mqtt_port") from wrong
    except OSError as wrong:
        raise BrokerError(f"no broker at {host}:{port} ({wrong.strerror or wrong}); see mqtt_port") from wrong
    if code != MQTT_ERR_SUCCESS:
        raise BrokerError(f"broker at {host}:{port} refused the connection (code {code}); see mqtt_port")
    client.loop_start()
