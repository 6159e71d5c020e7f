"""Recording: layers read from files, said again as the messages that a machine would have said.

Samples become `parameters` in chunks of at most 64 frames, so that the windows which one message closes stay few; a
vector longer than that gets samples in between. Vectors, where the log has them, become `plan` at the start of their
layer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ingest.machines.machine import Due, Numbering, source_name
from ingest.readers.build_file import BuildFile
from twin.observation import Build, Layer, Origin, Parameters, Path, Plan, Signal, SignalName, State

CHUNK_FRAMES = 64
CHUNK_SAMPLES = 500
CHUNK_VECTORS = 250


class Vectors(NamedTuple):
    """The scan vectors of a layer, in columns. A spot has speed 0 and a dwell."""

    start_s: np.ndarray
    x0_m: np.ndarray
    y0_m: np.ndarray
    x1_m: np.ndarray
    y1_m: np.ndarray
    z_m: np.ndarray
    beam_power_w: np.ndarray
    scan_speed_m_per_s: np.ndarray
    dwell_s: np.ndarray


class Readings(NamedTuple):
    """The samples of one sensor in a layer."""

    name: SignalName
    time_s: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class RecordedLayer:
    """One layer of a log, in SI. `path` ends with a sample of power 0 or where the log ends."""

    layer: int
    z_m: float
    path: Path
    vectors: Vectors | None = None
    readings: Sequence[Readings] = ()
    note: str = ""


@dataclass(frozen=True)
class Recording:
    """A machine that was: the same messages each time. `dropped` counts what the log holds and the messages do not."""

    build_file: BuildFile
    build: str
    layers: Sequence[RecordedLayer]
    data_hash: str
    run: str = ""
    dropped: dict[str, int] = field(default_factory=dict)
    origin: Origin = "replay"
    time_factor: float = 1.0

    @property
    def name(self) -> str:
        """The machine's name in its topics."""
        return self.build_file.machine

    @property
    def source(self) -> str:
        """The source's name in its messages."""
        return source_name(self.name, self.run)

    def messages(self) -> Iterator[Due]:
        """State, build, and for each layer its plan, parameters and signals; then the end."""
        say = _Saying(self)
        first_s = float(self.layers[0].path.time_s[0])
        yield Due(first_s, say.state(first_s))
        yield Due(first_s, say.build(first_s))
        for layer in self.layers:
            yield from say.layer(layer)


class _Saying:
    """One telling of a recording: holds the numbering."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._build_file = recording.build_file
        self._build = source_name(recording.build, recording.run)[:64]
        self._number = Numbering()

    def state(self, time_s: float) -> State:
        return State(
            **self._head("state", time_s),
            status="online",
            origin=self._recording.origin,
            process=self._build_file.process,
            time_factor=self._recording.time_factor,
            note=self._build_file.note,
        )

    def build(self, time_s: float) -> Build:
        file = self._build_file
        return Build(
            **self._head("build", time_s),
            build=self._build,
            material=file.material,
            beam_diameter_m=file.beam_diameter_m,
            layer_thickness_m=file.layer_thickness_m,
            preheat_k=file.preheat_k,
            absorptivity=file.absorptivity,
            nominal_beam_power_w=file.beam_power_w,
            nominal_scan_speed_m_per_s=file.scan_speed_m_per_s,
            frame_s=file.frame_s,
            hatch_spacing_m=file.hatch_spacing_m,
            part=file.part,
            layers=len(self._recording.layers),
            assumed=file.all_assumed,
            data_hash=self._recording.data_hash,
        )

    def layer(self, layer: RecordedLayer) -> Iterator[Due]:
        start_s = float(layer.path.time_s[0])
        head = self._head("layer", start_s)
        yield Due(start_s, Layer(**head, build=self._build, layer=layer.layer, z_m=layer.z_m, note=layer.note))
        yield from (Due(start_s, plan) for plan in self._plans(layer))
        spoken: list[Due] = [*self._parameters(layer), *self._signals(layer)]
        final = spoken.index(next(d for d in spoken if isinstance(d.message, Parameters) and d.message.final))
        last = spoken.pop(final)
        yield from sorted(spoken, key=lambda due: due.due_s)  # stable: each channel keeps its order
        yield last

    def _plans(self, layer: RecordedLayer) -> Iterator[Plan]:
        if layer.vectors is None:
            return
        for first in range(0, len(layer.vectors.start_s), CHUNK_VECTORS):
            columns = {
                name: column[first : first + CHUNK_VECTORS].tolist()
                for name, column in zip(Vectors._fields, layer.vectors, strict=True)
            }
            head = self._head("plan", columns["start_s"][0])
            yield Plan(**head, build=self._build, layer=layer.layer, first_vector=first, **columns)

    def _parameters(self, layer: RecordedLayer) -> Iterator[Due]:
        path = _no_long_stretch(layer.path, CHUNK_FRAMES * self._build_file.frame_s)
        edges = _chunks(path.time_s, CHUNK_FRAMES * self._build_file.frame_s)
        for first, stop in pairwise(edges):
            time_s, x_m, y_m, z_m, power_w = (column[first:stop].tolist() for column in path)
            message = Parameters(
                **self._head("parameters", time_s[0]),
                build=self._build,
                layer=layer.layer,
                sample_time_s=time_s,
                x_m=x_m,
                y_m=y_m,
                z_m=z_m,
                beam_power_w=power_w,
                final=stop == len(path.time_s),
            )
            yield Due(time_s[-1], message)

    def _signals(self, layer: RecordedLayer) -> Iterator[Due]:
        for readings in layer.readings:
            edges = _chunks(readings.time_s, CHUNK_FRAMES * self._build_file.frame_s)
            for first, stop in pairwise(edges):
                time_s = readings.time_s[first:stop].tolist()
                signal = Signal(
                    **self._head(f"signal/{readings.name}", time_s[0]),
                    build=self._build,
                    layer=layer.layer,
                    name=readings.name,
                    sample_time_s=time_s,
                    value=readings.value[first:stop].astype(float).tolist(),
                )
                yield Due(time_s[-1], signal)

    def _head(self, channel: str, time_s: float) -> dict:
        return {"source": self._recording.source, "sequence": self._number.next(channel), "time_s": float(time_s)}


def _chunks(time_s: np.ndarray, span_s: float) -> list[int]:
    """Where to cut: no chunk longer than CHUNK_SAMPLES or, when it has more than one sample, than `span_s`."""
    edges = [0]
    while edges[-1] < len(time_s):
        first = edges[-1]
        in_span = int(np.searchsorted(time_s, time_s[first] + span_s, side="right"))
        edges.append(max(first + 1, min(in_span, first + CHUNK_SAMPLES)))
    return edges


def _no_long_stretch(path: Path, longest_s: float) -> Path:
    """The same path with samples put in where two are further apart than `longest_s`."""
    pieces = np.maximum(np.ceil(np.diff(path.time_s) / longest_s), 1).astype(int)
    if pieces.max(initial=1) == 1:
        return path
    left = np.append(np.repeat(np.arange(len(pieces)), pieces), len(pieces))
    part = np.concatenate([np.arange(n) / n for n in pieces] + [[0.0]])
    right = np.minimum(left + 1, len(pieces))
    moved = [column[left] + (column[right] - column[left]) * part for column in path[:4]]
    return Path(moved[0], moved[1], moved[2], moved[3], path.beam_power_w[left])
