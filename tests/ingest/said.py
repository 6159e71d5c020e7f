"""Messages in few words, a machine that says them, and a naive order to judge the real one by."""

import socket
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ingest.machines.machine import Due
from ingest.source import Delivery, Source
from twin.observation import Build, Frame, Message, Observation, Origin, Parameters, Path, Plan, Window

FRAME_S = 0.02


def heard(message: Message, machine: str = "m") -> Observation:
    return Observation("hall", machine, message)  # type: ignore[arg-type]


def build(frame_s: float = FRAME_S, sequence: int = 0, name: str = "b", source: str = "a") -> Build:
    return Build(
        source=source,
        sequence=sequence,
        time_s=0.0,
        build=name,
        material="IN718",
        beam_diameter_m=8e-4,
        layer_thickness_m=4e-4,
        nominal_beam_power_w=360.0,
        nominal_scan_speed_m_per_s=0.01,
        frame_s=frame_s,
    )


def parameters(
    sequence: int,
    time_s: Sequence[float],
    x_m: Sequence[float] | None = None,
    power_w: Sequence[float] | None = None,
    layer: int = 0,
    final: bool = False,
    source: str = "a",
    name: str = "b",
    sent_s: float | None = None,
) -> Parameters:
    n = len(time_s)
    return Parameters(
        source=source,
        sequence=sequence,
        time_s=time_s[0],
        sent_s=sent_s,
        build=name,
        layer=layer,
        sample_time_s=list(time_s),
        x_m=list(x_m) if x_m is not None else [0.01 * t for t in time_s],
        y_m=[0.0] * n,
        z_m=[0.0] * n,
        beam_power_w=list(power_w) if power_w is not None else [360.0] * n,
        final=final,
    )


def plan(sequence: int, start_s: Sequence[float], x0_m: Sequence[float], x1_m: Sequence[float], **columns) -> Plan:
    n = len(start_s)
    given = {
        "y0_m": [0.0] * n,
        "y1_m": [0.0] * n,
        "z_m": [0.0] * n,
        "beam_power_w": [360.0] * n,
        "scan_speed_m_per_s": [0.01] * n,
        **columns,
    }
    return Plan(
        source="a",
        sequence=sequence,
        time_s=start_s[0],
        build="b",
        layer=0,
        start_s=list(start_s),
        x0_m=list(x0_m),
        x1_m=list(x1_m),
        **given,
    )


def frame(sequence: int, value: np.ndarray, **given: Any) -> Frame:
    """A picture whose rows and columns are those of `value`, 10 um a pixel."""
    rows, columns = value.shape
    fields: dict[str, Any] = {
        "quantity": "temperature_k",
        "dtype": "uint16" if value.dtype == np.uint16 else "float32",
        "pixel_m": 1e-5,
        "exposure_s": 2e-5,
        "sensor_min": 900.0,
        "sensor_max": 3000.0,
        "time_s": float(sequence),
    } | given
    return Frame(source="a", sequence=sequence, build="b", layer=0, rows=rows, columns=columns, value=value, **fields)


def naive_windows(messages: Sequence[Parameters], frame_s: float) -> list[tuple[float, float, float, float, float]]:
    """(start, end, x at start, x at end, energy) of each frame of one whole layer, straight from the definition."""
    ordered = sorted({m.sequence: m for m in messages}.values(), key=lambda m: m.sequence)
    time_s = np.concatenate([m.sample_time_s for m in ordered])
    x_m = np.concatenate([m.x_m for m in ordered])
    power_w = np.concatenate([m.beam_power_w for m in ordered])
    frames = []
    index = 0
    while time_s[0] + index * frame_s < time_s[-1] - 1e-6 * frame_s:
        start_s = time_s[0] + index * frame_s
        end_s = time_s[0] + (index + 1) * frame_s
        end_s = end_s if end_s <= time_s[-1] + 1e-6 * frame_s else time_s[-1]
        x0, x1 = np.interp([start_s, end_s], time_s, x_m)
        energy_j = sum(
            p * max(0.0, min(b, end_s) - max(a, start_s))
            for a, b, p in zip(time_s, [*time_s[1:], time_s[-1]], power_w, strict=True)
        )
        frames.append((start_s, end_s, float(x0), float(x1), float(energy_j)))
        index += 1
    return frames


def energy_j(path: Path) -> float:
    return float(np.sum(np.diff(path.time_s) * path.beam_power_w[:-1]))


def same(a: Window, b: Window) -> bool:
    """Equal in all but the plan, which is the one known when the window closed."""
    return (
        (a.machine, a.build, a.layer, a.index, a.start_s, a.end_s, a.gap)
        == (b.machine, b.build, b.layer, b.index, b.start_s, b.end_s, b.gap)
    ) and all(np.array_equal(x, y) for x, y in zip(a.path, b.path, strict=True))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Told:
    """A machine that says these messages."""

    name = "m"
    source = "a"
    origin: Origin = "replay"
    time_factor = 1.0

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages

    def messages(self) -> Iterator[Due]:
        for message in self._messages:
            yield Due(message.time_s, message)


def take_all(source: Source, count: int, ack: bool = True, patience: int = 10) -> list[Delivery]:
    """Take until `count` have come, or nothing has come `patience` times."""
    taken: list[Delivery] = []
    empty = 0
    while len(taken) < count and not source.exhausted and empty < patience:
        batch = source.take(100, 0.2)
        empty = 0 if batch else empty + 1
        if ack:
            source.ack(batch)
        taken += batch
    return taken
