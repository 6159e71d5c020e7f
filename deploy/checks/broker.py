"""Broker: what a client can see of it, and whether the client's own files are private."""

import ssl
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import CallbackAPIVersion, Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from deploy.checks import mosquitto
from deploy.checks.finding import Finding
from deploy.monitor.logs import without_secrets
from deploy.settings import FILE_NAME, IN_FILE, Settings
from ingest.access import Access, tls_context
from ingest.decode import MAX_PAYLOAD_BYTES
from ingest.errors import BrokerError
from twin.clock import SystemClock

VERSION_TOPIC = "$SYS/broker/version"
PATIENCE_S = 5.0
SESSION_S = 60
SOON_S = 30 * 86_400.0


@dataclass
class Seen:
    """What a broker says when it lets somebody in."""

    refusal: str = ""
    session_kept: bool = False
    maximum_packet_bytes: int | None = None
    version: str = ""


def embedded() -> Iterator[Finding]:
    """The broker of the demonstration: it starts, and what it does not promise."""
    from deploy.ports import free_port
    from ingest.broker import EmbeddedBroker

    try:
        with EmbeddedBroker(free_port()):
            yield Finding("embedded broker", "ok", "starts and answers MQTT 5")
    except BrokerError as error:
        yield Finding("embedded broker", "MISSING", str(error), "set broker to external")
    yield Finding(
        "broker keeps on disk",
        "look",
        "the embedded broker keeps messages in memory: killed, it loses what it confirmed",
        "for a shop floor: ./meltwin broker setup",
    )


def external(settings: Settings, access: Access, configuration: Path | None) -> Iterator[Finding]:
    """An external broker: lets us in, keeps a session, takes our largest message; and what its file promises."""
    place = f"{settings.mqtt_host}:{settings.mqtt_port}"
    try:
        seen = look(settings.mqtt_host, settings.mqtt_port, access, f"meltwin-doctor-{settings.site}")
    except BrokerError as error:
        yield Finding("broker", "MISSING", str(error), "see mqtt_host, mqtt_port and the credentials")
    else:
        yield from _told(place, seen)
    if access.tls_ca is not None:
        yield _certificate(settings.mqtt_host, settings.mqtt_port, access.tls_ca)
    near = settings.mqtt_host in mosquitto.LOOPBACK
    folder = settings.data_dir / "broker"
    found = configuration or (mosquitto.configuration_of(settings.mqtt_port, folder) if near else None)
    if found is not None:
        yield from mosquitto.judged(found)
    else:
        told = "cannot be known from here: no client can ask a broker whether it writes to disk"
        remedy = "run `meltwin doctor --broker-config FILE` where the broker runs"
        yield Finding("broker keeps on disk", "look", told, remedy)


def _told(place: str, seen: Seen) -> Iterator[Finding]:
    if seen.refusal:
        remedy = "see mqtt_username, mqtt_password_file"
        yield Finding("broker", "MISSING", f"{place} refused us: {seen.refusal}", remedy)
        return
    yield Finding("broker", "ok", f"{place} lets us in; {seen.version or 'it does not tell its version'}")
    told = "is there again after a reconnect" if seen.session_kept else "is gone after a reconnect"
    remedy = "what comes while the twin is away is lost: allow sessions that persist"
    yield Finding("session", "ok" if seen.session_kept else "LOSES", told, remedy)
    most = seen.maximum_packet_bytes
    fits = most is None or most > MAX_PAYLOAD_BYTES
    told = "no limit told" if most is None else f"{most:,} bytes"
    remedy = f"max_packet_size above {MAX_PAYLOAD_BYTES:,}: larger messages of machines are refused"
    yield Finding("largest packet", "ok" if fits else "LOSES", told, remedy)


def look(host: str, port: int, access: Access, client_id: str) -> Seen:
    """Connect, leave, and come back: is the session still there? BrokerError when nobody answers."""
    seen = Seen()
    for kept in (True, True, False):  # the last one clears the session away
        _visit(host, port, access, client_id, kept, seen)
        if seen.refusal:
            break
    return seen


def _visit(host: str, port: int, access: Access, client_id: str, kept: bool, seen: Seen) -> None:
    done, told = threading.Event(), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)

    def connected(c: Client, u: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            seen.refusal = str(reason)
        elif kept:
            seen.session_kept = flags.session_present
            seen.maximum_packet_bytes = getattr(properties, "MaximumPacketSize", None)
            c.subscribe(VERSION_TOPIC, qos=0)
        done.set()

    def heard(c: Client, u: Any, message: MQTTMessage) -> None:
        if message.topic == VERSION_TOPIC:
            seen.version = ascii(message.payload[:80].decode(errors="replace"))[1:-1]
        told.set()

    client.on_connect, client.on_message = connected, heard
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = SESSION_S if kept else 0
    access.give_to(client)
    try:
        client.connect(host, port, keepalive=10, clean_start=not kept, properties=properties)
    except OSError as error:
        raise BrokerError(f"no broker at {host}:{port} ({getattr(error, 'strerror', '') or error})") from error
    client.loop_start()
    try:
        if not done.wait(PATIENCE_S):
            raise BrokerError(f"{host}:{port} does not answer MQTT 5")
        if kept and not seen.refusal and not seen.version:
            told.wait(1.0)
    finally:
        client.disconnect()
        client.loop_stop()


def _certificate(host: str, port: int, ca: Path) -> Finding:
    """Until when the broker's certificate is believed."""
    import socket

    what = "broker's certificate"
    try:
        with (
            socket.create_connection((host, port), timeout=PATIENCE_S) as raw,
            tls_context(ca).wrap_socket(raw, server_hostname=host) as line,
        ):
            end = str((line.getpeercert() or {}).get("notAfter", ""))
    except (OSError, BrokerError) as error:
        return Finding(what, "MISSING", str(error), "see mqtt_tls_ca; the name that is called must stand in it")
    left_s = ssl.cert_time_to_seconds(end) - SystemClock().now_s()
    remedy = "run ./meltwin broker setup again"
    return Finding(what, "ok" if left_s > SOON_S else "look", f"believed until {end}", remedy)


def credentials(settings: Settings) -> Iterator[Finding]:
    """Files with secrets are for their owner alone."""
    if settings.mqtt_password_file is not None:
        yield _private("mqtt_password_file", settings.mqtt_password_file)
    if settings.database.startswith(IN_FILE):
        yield _private("database's URL", Path(settings.database.removeprefix(IN_FILE)).expanduser())
    local = Path(FILE_NAME)
    if local.exists() and without_secrets(text := local.read_text(errors="replace")) != text:
        yield _private(FILE_NAME, local)


def _private(what: str, path: Path) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.open("rb").close()
    except OSError as error:
        return Finding(what, "MISSING", f"{path}: {error.strerror}", "see that `run` may read it")
    if mode & 0o077:
        return Finding(what, "UNSAFE", f"{path} has mode {mode:04o}: others may read it", f"chmod 600 {path}")
    return Finding(what, "ok", f"{path}, mode {mode:04o}")
