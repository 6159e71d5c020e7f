"""EmbeddedBroker: an MQTT 5 broker (iotcore, which is rumqttd) on 127.0.0.1, as a child process of ours.

For the demonstration and for tests; a shop floor runs Mosquitto. rumqttd keeps one log a subscription filter, in
memory: when a consumer falls behind by more than `LOG_BYTES`, the oldest messages are gone, and Order shows them as
gaps. Its command line binds every interface and speaks MQTT 3.1.1 only, so it gets a generated file instead.

The child holds a pipe to us and exits when it closes, so it does not outlive us, whatever kills us.
"""

import socket
import tempfile
from pathlib import Path
from types import TracebackType

from iotcore import Broker

from ingest.errors import BrokerError
from ingest.mqtt import answers

HOST = "127.0.0.1"
DEFAULT_PORT = 18830
SEGMENT_BYTES = 1 << 20
LOG_BYTES = 128 << 20
MAX_PAYLOAD_BYTES = 2 << 20

_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = {segment_bytes}
max_segment_count = {segments}

[v5.1]
name = "v5-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {payload_bytes}
max_inflight_count = 1000
dynamic_filters = true
"""


class EmbeddedBroker:
    """A broker for as long as the context lasts. Setting: `mqtt_port`."""

    def __init__(self, port: int = DEFAULT_PORT, start_timeout_s: float = 10.0) -> None:
        self.host = HOST
        self.port = port
        self._start_timeout_s = start_timeout_s
        self._broker: Broker | None = None

    @property
    def running(self) -> bool:
        """Whether the child process lives."""
        return self._broker is not None and self._broker.is_running

    def start(self) -> "EmbeddedBroker":
        """Start it and wait until it completes an MQTT 5 connection."""
        self._need_port()
        with tempfile.TemporaryDirectory(prefix="meltwin-broker-") as folder:
            config = Path(folder) / "broker.toml"
            config.write_text(
                _CONFIG.format(
                    host=self.host,
                    port=self.port,
                    segment_bytes=SEGMENT_BYTES,
                    segments=LOG_BYTES // SEGMENT_BYTES,
                    payload_bytes=MAX_PAYLOAD_BYTES,
                )
            )
            self._broker = Broker(config_path=str(config))
            try:
                self._broker.start(timeout=self._start_timeout_s)
            except (OSError, RuntimeError) as wrong:
                raise BrokerError(f"the embedded broker does not start on mqtt_port {self.port}: {wrong}") from wrong
        if not answers(self.host, self.port, self._start_timeout_s):
            self.stop()
            raise BrokerError(f"the embedded broker on mqtt_port {self.port} does not answer MQTT 5")
        return self

    def stop(self) -> None:
        """End the child process and wait for it. Safe to call twice."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None

    def __enter__(self) -> "EmbeddedBroker":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _need_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as wrong:
                raise BrokerError(
                    f"port {self.port} on {self.host} is taken; choose another with the setting mqtt_port"
                ) from wrong
