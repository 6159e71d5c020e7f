"""What ingest costs: from the broker to committed rows, beside a bare paho subscriber on the same broker in the same
run; and a laser's scan field at 100 kHz, on one core.

    messages  300 bytes, QoS 1, waiting in a persistent session; both sides take what waits, in turns, medians of
              ratios. The bare subscriber counts and acknowledges; ingest decodes, orders, cuts windows, writes and
              acknowledges
    scan      parameters with 1000 samples a message, x y z and power at 100 kHz, frames of 62.5 us: process seconds
              taken in a second of the processor's time, from bytes to committed rows. Of the frames a step closes, the
              newest get a forecast (a stand-in at no cost), the others are counted as skipped: live, not a replay

Ratios of one run on an idle machine are to be quoted, not rates.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from shutil import which
from statistics import median
from typing import Any, NamedTuple

from deploy.batch import Batch
from deploy.run import RunLoop, settle
from ingest.broker import EmbeddedBroker
from ingest.decode import encode
from ingest.mqtt import MqttPublisher, MqttSource, answers, take_turns
from ingest.order import Order
from ingest.source import FakeSource
from ingest.topics import every_kind, topic_of
from tests.deploy.fakes import advance
from tests.ingest.said import free_port
from twin.clock import SystemClock
from twin.observation import Build, Message, Parameters, State
from twin.store.sql.store import SqlStore

WANTED_RATIO, WANTED_REAL_TIME = 0.70, 1.0
IN_FLIGHT = 1000
SAMPLE_S = 1e-5
FRAME_S = 62.5e-6


class Rates(NamedTuple):
    """Messages a second of the clock, and the processor's time of one (which other programs disturb less)."""

    per_s: float
    cpu_us: float


@contextmanager
def broker(name: str, folder: Path) -> Iterator[int]:
    """Its port. Mosquitto, or the embedded one."""
    if name == "iotcore":
        with EmbeddedBroker(free_port()) as running:
            yield running.port
        return
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\n"
        f"max_inflight_messages {IN_FLIGHT}\nuser root\n"
    )
    process = subprocess.Popen([_mosquitto() or "mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        assert answers("127.0.0.1", port, 10.0)
        yield port
    finally:
        process.terminate()
        process.wait()


def _mosquitto() -> str | None:
    return which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def told(count: int, source: str) -> list[Message]:
    """A machine's parameters, 300 bytes each, a frame every ten messages."""
    state = State(source=source, sequence=0, time_s=0.0, status="online", origin="replay")
    return [
        state,
        _build(source, 0.1),
        *(_parameters(source, n, [n * 0.01 + k * 0.003 for k in range(3)]) for n in range(count)),
    ]


def _build(source: str, frame_s: float) -> Build:
    return Build(
        source=source, sequence=0, time_s=0.0, build=f"b-{source}", material="IN625", beam_diameter_m=1e-4,
        layer_thickness_m=4e-5, nominal_beam_power_w=195, nominal_scan_speed_m_per_s=0.8, frame_s=frame_s,
    )  # fmt: skip


def _parameters(source: str, sequence: int, times_s: list[float]) -> Parameters:
    n = len(times_s)
    return Parameters(
        source=source, sequence=sequence, time_s=times_s[0], sent_s=1e9, build=f"b-{source}", layer=0,
        sample_time_s=[round(t, 7) for t in times_s], x_m=[round(0.8 * t % 0.1, 7) for t in times_s], y_m=[0.0] * n,
        z_m=[0.0] * n, beam_power_w=[195.0] * n,
    )  # fmt: skip


def waiting(port: int, site: str, client: str, messages: list[Message]) -> None:
    """Leave the messages in a session of `client` that is not there."""
    MqttSource("127.0.0.1", port, client, every_kind(site), receive_maximum=IN_FLIGHT).close()
    publisher = MqttPublisher("127.0.0.1", port, f"p-{client}", max_in_flight=500)
    for message in messages:
        publisher.publish(topic_of(site, "m1", message.kind), encode(message))  # type: ignore[attr-defined]
    assert publisher.drain(120.0)
    publisher.close()


def bare(port: int, client: str, count: int) -> Rates:
    """A paho subscriber that counts messages, with the same session and limits."""
    import threading

    from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    taken, done = 0, threading.Event()

    def count_one(*_: Any) -> None:
        nonlocal taken
        taken += 1
        if taken == count:
            done.set()

    subscriber = Client(CallbackAPIVersion.VERSION2, client_id=client, protocol=MQTTv5)
    subscriber.on_message = count_one
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval, properties.ReceiveMaximum = 3600, IN_FLIGHT
    begun = _now()
    subscriber.connect("127.0.0.1", port, clean_start=False, properties=properties)
    subscriber.loop_start()
    assert done.wait(300)
    rates = _rates(count, begun)
    subscriber.disconnect()
    subscriber.loop_stop()
    return rates


def ingest(port: int, site: str, client: str, count: int, folder: Path) -> Rates:
    """From the broker to committed and acknowledged."""
    store = SqlStore.create(f"sqlite:///{folder}/{client}.db")
    begun = _now()
    source = MqttSource("127.0.0.1", port, client, every_kind(site), receive_maximum=IN_FLIGHT)
    loop = RunLoop(source, Order(kept=store), advance, store, SystemClock(), Batch(500, 0.05))
    while loop.tally.messages_committed < count:
        loop.turn()
    rates = _rates(count, begun)
    source.close()
    store.close()
    return rates


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _rates(count: int, begun: tuple[float, float]) -> Rates:
    wall_s, cpu_s = (now - then for now, then in zip(_now(), begun, strict=True))
    return Rates(count / wall_s, 1e6 * cpu_s / count)


def scan(seconds: float, samples: int, folder: Path) -> dict[str, float]:
    """Process seconds of one laser at 100 kHz, taken in a second of the processor's time."""
    head: list[Message] = [State(source="s", sequence=0, time_s=0.0, status="online"), _build("s", FRAME_S)]
    count = int(seconds / SAMPLE_S / samples)
    said = [
        *head,
        *(_parameters("s", n, [(n * samples + k) * SAMPLE_S for k in range(samples)]) for n in range(count)),
    ]
    wire = [(topic_of("bench", "m1", m.kind), encode(m)) for m in said]  # type: ignore[attr-defined]
    store = SqlStore.create(f"sqlite:///{folder}/scan.db")
    source = FakeSource(wire)
    loop = RunLoop(source, Order(kept=store), advance, store, SystemClock(), Batch(10, 0.0))  # a tenth of a second
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    while loop.turn() or not source.exhausted:
        pass
    wall_s, used_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    counts = store.counts()
    assert counts["samples"] == count * samples
    store.close()
    return {
        "process_s": seconds, "cpu_s": used_s, "wall_s": wall_s, "real_time": seconds / used_s,
        "windows": loop.tally.windows, "forecast": loop.tally.frames_forecast, "skipped": loop.tally.skipped,
    }  # fmt: skip


def main(argv: list[str]) -> int:
    parser = ArgumentParser(prog="tests.bench ingest", description="From the broker to committed rows.")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--broker", choices=("mosquitto", "iotcore"), default="mosquitto" if _mosquitto() else "iotcore"
    )
    parser.add_argument("--scan-seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, help="the figures as JSON")
    asked = parser.parse_args(argv)
    take_turns()
    settle()  # as a run does
    pairs: list[tuple[Rates, Rates]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        size = median(len(encode(message)) for message in told(1000, "r0"))
        with broker(asked.broker, folder) as port:
            for n in range(asked.repeats):
                messages = told(asked.messages, f"r{n}")
                waiting(port, f"bare{n}", f"bare{n}", messages)
                waiting(port, f"ingest{n}", f"ingest{n}", messages)
                plain = bare(port, f"bare{n}", len(messages))
                ours = ingest(port, f"ingest{n}", f"ingest{n}", len(messages), folder)
                pairs.append((plain, ours))
        laser = scan(asked.scan_seconds, 1000, folder)
    ratios = [ours.per_s / plain.per_s for plain, ours in pairs]
    ratio, of_cpu = median(ratios), median(plain.cpu_us / ours.cpu_us for plain, ours in pairs)
    of_bare, of_ours = (Rates(*map(median, zip(*(pair[side] for pair in pairs), strict=True))) for side in range(2))
    runs = ", ".join(f"{100 * each:.0f}" for each in ratios)
    print(
        f"{asked.broker}, {size:.0f} bytes, {asked.messages:,} messages: bare paho {of_bare.per_s:,.0f} a second, "
        f"ingest to committed {of_ours.per_s:,.0f}: {100 * ratio:.0f} % (wanted {100 * WANTED_RATIO:.0f} %; "
        f"runs {runs} %). "
        f"Processor's time a message {of_bare.cpu_us:.0f} and {of_ours.cpu_us:.0f} us: {100 * of_cpu:.0f} %\n"
        f"100 kHz scan field of one laser: {laser['real_time']:.2f} process seconds a second of one core (wanted "
        f"{WANTED_REAL_TIME:g}); {laser['windows']:,} frames, {laser['forecast']:,} forecast, "
        f"{laser['skipped']:,} skipped"
    )
    figures = {
        "broker": asked.broker, "bytes": size, "pairs": pairs, "ratios": ratios, "scan": laser,
        "cpu_count": os.cpu_count(), "machine": platform.machine(), "paho": version("paho-mqtt"),
    }  # fmt: skip
    if asked.out is not None:
        asked.out.write_text(json.dumps(figures, indent=1) + "\n")
    else:
        print(json.dumps(figures), file=sys.stderr)
    return 0 if ratio >= WANTED_RATIO and laser["real_time"] >= WANTED_REAL_TIME else 1
