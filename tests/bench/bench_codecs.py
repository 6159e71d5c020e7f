"""What the wire costs: 100 ms of scan-field samples at 100 kHz and pictures in each form, and the way to rows.

    python -m tests.bench codecs

Times are processor seconds of one core, so that other programs do not count. `ratio` is the time that a message speaks
of over the time that it costs: real time is 1.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ingest.codecs import columns, text
from ingest.decode import decode
from ingest.order import Order
from ingest.sparkplug import payload as sparkplug
from ingest.sparkplug.payload import DataType, Metric, Payload
from ingest.sparkplug.session import Sessions
from ingest.topics import topic_of
from twin.observation import Build, Frame, Message, Observation, Parameters
from twin.store.port import Step
from twin.store.sql.store import SqlStore

SAMPLES, RATE_HZ = 10_000, 100_000
SIDE, PICTURE_S = 128, 1e-3
FRAME_S = 62.5e-6


class Cost(NamedTuple):
    """One step on one message: its bytes, the median processor time, and real time over that."""

    what: str
    message_bytes: int
    cost_s: float
    ratio: float


def chunk(number: int = 0) -> Parameters:
    """100 ms of X, Y and power at 10 us; nothing in it is regular but the times."""
    random, time_s = np.random.default_rng(number), (number * SAMPLES + np.arange(SAMPLES)) / RATE_HZ
    return Parameters(
        source="bench", sequence=number, time_s=float(time_s[0]), build="b", layer=0, sample_time_s=time_s.tolist(),
        x_m=np.cumsum(random.uniform(0, 2e-5, SAMPLES)).tolist(), y_m=random.uniform(0, 1e-6, SAMPLES).tolist(),
        z_m=[0.0] * SAMPLES, beam_power_w=random.choice([0.0, 195.0], SAMPLES).tolist(),
    )  # fmt: skip


def picture(number: int = 0) -> Frame:
    """128 x 128 counts of a 14-bit camera; it speaks of 1 ms."""
    value = np.random.default_rng(number).integers(0, 1 << 14, (SIDE, SIDE), dtype=np.uint16)
    return Frame(
        source="bench", sequence=number, time_s=number * PICTURE_S, build="b", layer=0, quantity="temperature_k",
        rows=SIDE, columns=SIDE, pixel_m=1e-5, exposure_s=1e-4, sensor_min=900.0, sensor_max=3000.0, scale=0.2,
        dtype="uint16", value=value,
    )  # fmt: skip


def measure(repeats: int = 30) -> list[Cost]:
    """Reading each form, then each step from a message to committed rows, without forecasts."""
    scan, seen = chunk(), picture()
    forms: list[tuple[str, Message, bytes, str, float]] = [
        ("decode parameters, JSON", scan, text.write(scan), text.CONTENT_TYPE, SAMPLES / RATE_HZ),
        ("decode parameters, columns", scan, columns.write(scan), columns.CONTENT_TYPE, SAMPLES / RATE_HZ),
        ("decode parameters, compact", scan, columns.write(scan, True), columns.CONTENT_TYPE, SAMPLES / RATE_HZ),
        ("decode frame, JSON", seen, text.write(seen), text.CONTENT_TYPE, PICTURE_S),
        ("decode frame, columns", seen, columns.write(seen), columns.CONTENT_TYPE, PICTURE_S),
    ]
    costs = [_decoded(*form, repeats) for form in forms]
    return costs + _path("parameters", [chunk(n) for n in range(repeats)], SAMPLES / RATE_HZ) + _path(
        "frame", [picture(n) for n in range(repeats)], PICTURE_S
    ) + [_sparkplug()]  # fmt: skip


def _decoded(what: str, message: Message, payload: bytes, content_type: str, of_s: float, repeats: int) -> Cost:
    where, spent_s = topic_of("bench", "m", message.kind), []  # type: ignore[attr-defined]
    for _ in range(repeats):
        spent_s.append(_spent_s(lambda: decode(where, payload, content_type)))
    return _cost(what, len(payload), spent_s, of_s)


def _path(kind: str, messages: list[Message], of_s: float) -> list[Cost]:
    build = Build(
        source="bench", sequence=0, time_s=0.0, build="b", material="IN625", beam_diameter_m=1e-4,
        layer_thickness_m=4e-5, nominal_beam_power_w=195.0, nominal_scan_speed_m_per_s=0.8, frame_s=FRAME_S,
    )  # fmt: skip
    order, size = Order(), len(columns.write(messages[0]))
    order.add(Observation("bench", "m", build), 0.0)
    ordered_s, written_s = [], []
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore.create(f"sqlite:///{folder}/bench.db")
        for message in messages:
            observation = Observation("bench", "m", message)  # type: ignore[arg-type]
            ordered_s.append(_spent_s(lambda said=observation: order.add(said, 0.0)))  # type: ignore[misc]
            step = Step([observation], received_s=1.0)
            written_s.append(_spent_s(lambda this=step: store.write(this)))  # type: ignore[misc]
        store.close()
    return [_cost(f"order {kind}", size, ordered_s, of_s), _cost(f"store {kind}", size, written_s, of_s)]


def _sparkplug(messages: int = 2000) -> Cost:
    """Four metrics a message; real time is a message each millisecond, the finest that its time stamps can say."""
    names = ("x_mm", "y_mm", "laser_power_w", "melt_pool_width_um")
    born = [Metric(name, alias, 1000, DataType.DOUBLE, 1.0) for alias, name in enumerate(names)]
    sessions = Sessions()
    sessions.read("spBv1.0/g/NBIRTH/n", sparkplug.write(Payload(1000, 0, tuple(born))), 0.0)
    said = [
        sparkplug.write(Payload(1000 + n, n % 256, tuple(Metric(None, a, None, 0, float(n)) for a in range(4))))
        for n in range(1, messages + 1)
    ]
    spent_s = [_spent_s(lambda: [sessions.read("spBv1.0/g/NDATA/n", each, 0.0) for each in said]) / messages]
    return _cost("Sparkplug, four metrics", len(said[0]), spent_s, 1e-3)


def _spent_s(act: Callable[[], object]) -> float:
    began_s = time.process_time()
    act()
    return time.process_time() - began_s


def _cost(what: str, size: int, spent_s: list[float], of_s: float) -> Cost:
    median_s = max(statistics.median(spent_s), 1e-9)
    return Cost(what, size, median_s, of_s / median_s)


def main(arguments: list[str]) -> int:
    """Print the table."""
    print(f"{'step':<30}{'bytes':>9}{'ms':>9}{'x real time':>13}")
    for cost in measure():
        print(f"{cost.what:<30}{cost.message_bytes:>9}{1e3 * cost.cost_s:>9.2f}{cost.ratio:>13.1f}")
    return 0
