"""Recording: layers read from files, said again as the messages that a machine would have said.

Samples become `parameters` in chunks of at most 64 frames, so that the windows which one message closes stay few; a
vector longer than that gets samples in between. Vectors, where the log has them, become `plan` at the start of their
layer. Layers of a large file are `Streamed`: one at a time is in memory.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import pairwise
from typing import NamedTuple, overload

import numpy as np

from ingest.errors import BadSourceError
from ingest.machines.machine import Due, Numbering, source_name
from ingest.readers.build_file import BuildFile
from twin.observation import Build, Layer, Origin, Parameters, Path, Plan, Signal, SignalName, State

CHUNK_FRAMES = 64
CHUNK_SAMPLES = 500
CHUNK_VECTORS = 250
MAX_CHUNKS = 2_000_000  # of a layer: a year in frames of a quarter of a second, four hours in those of 0.1 ms
SAYS = 1  # grows when the same file is told in other messages, so that keys of both never meet


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


class Streamed(Sequence[RecordedLayer]):
    """Layers that are read when they are asked for; the last one read is kept. `numbers` are known without reading."""

    def __init__(self, numbers: Sequence[int], read: Callable[[int], RecordedLayer]) -> None:
        self.numbers = list(numbers)
        self._read = read
        self._kept: tuple[int, RecordedLayer] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> RecordedLayer: ...
    @overload
    def __getitem__(self, index: slice) -> "Streamed": ...
    def __getitem__(self, index: int | slice) -> "RecordedLayer | Streamed":
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            return Streamed([self.numbers[i] for i in chosen], lambda i: self[chosen[i]])
        at = range(len(self))[index]
        if self._kept is None or self._kept[0] != at:
            self._kept = None  # the old one goes before the new one comes
            self._kept = (at, self._read(at))
        return self._kept[1]


@dataclass(frozen=True)
class Recording:
    """A machine that was: the same messages each time. `dropped` counts what the log holds and the messages do not.

    Layers may be `Streamed`.
    """

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

    @property
    def numbers(self) -> list[int]:
        """The layers' numbers, in order."""
        return self.layers.numbers if isinstance(self.layers, Streamed) else [layer.layer for layer in self.layers]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that its messages depend on: the data, the build file, which layers, how they are told."""
        told = [SAYS, self.data_hash, self.build_file.model_dump(mode="json"), self.numbers]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def build_name(self) -> str:
        """The build's name in its messages."""
        return source_name(self.build, self.run)[:64]

    def keyed(self) -> "Recording":
        """The same, with keys from content and position alone: a file that was moved or renamed says the same."""
        name = (self.build_file.part or self.name)[:40]
        return replace(self, build=_plain(name), run=self.fingerprint[:16])

    def messages(self, known: Mapping[str, int] | None = None) -> Iterator[Due]:
        """State, build, and for each layer its plan, parameters and signals; then the end.

        `known`: by channel, how many of its first messages are left out because they are known already.
        """
        say = _Saying(self, known or {})
        first_s = float(self.layers[0].path.time_s[0])
        yield from say.beginning(first_s)
        for layer in self.layers:
            yield from say.layer(layer)


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in name)


class _Saying:
    """One telling of a recording: holds the numbering. What is known is counted and not made."""

    def __init__(self, recording: Recording, known: Mapping[str, int]) -> None:
        self._recording = recording
        self._build_file = recording.build_file
        self._build = recording.build_name
        self._number = Numbering()
        self._known = known

    def beginning(self, time_s: float) -> Iterator[Due]:
        for channel, say in (("state", self.state), ("build", self.build)):
            if head := self._head(channel, time_s):
                yield Due(time_s, say(head))

    def state(self, head: dict) -> State:
        return State(
            **head,
            status="online",
            origin=self._recording.origin,
            process=self._build_file.process,
            time_factor=self._recording.time_factor,
            note=self._build_file.note,
        )

    def build(self, head: dict) -> Build:
        file = self._build_file
        return Build(
            **head,
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
        if head := self._head("layer", start_s):
            yield Due(start_s, Layer(**head, build=self._build, layer=layer.layer, z_m=layer.z_m, note=layer.note))
        yield from (Due(start_s, plan) for plan in self._plans(layer))
        final: list[Due] = []
        streams = [self._parameters(layer, final), *(self._readings(layer, each) for each in layer.readings)]
        yield from merge(*streams, key=lambda due: due.due_s)  # stable: each channel keeps its order
        yield from final

    def _plans(self, layer: RecordedLayer) -> Iterator[Plan]:
        if layer.vectors is None:
            return
        for first in range(0, len(layer.vectors.start_s), CHUNK_VECTORS):
            columns = {
                name: column[first : first + CHUNK_VECTORS].tolist()
                for name, column in zip(Vectors._fields, layer.vectors, strict=True)
            }
            if head := self._head("plan", columns["start_s"][0]):
                yield Plan(**head, build=self._build, layer=layer.layer, first_vector=first, **columns)

    def _parameters(self, layer: RecordedLayer, final: list[Due]) -> Iterator[Due]:
        longest_s = CHUNK_FRAMES * self._build_file.frame_s
        path = layer.path
        if (np.ptp(path.time_s) / longest_s) > MAX_CHUNKS:
            told = (
                f"layer {layer.layer} lasts {np.ptp(path.time_s):g} s, more than {MAX_CHUNKS:,} times {longest_s:g} s"
            )
            raise BadSourceError(self._recording.build, f"{told}, which is {CHUNK_FRAMES} frames")
        path = _no_long_stretch(path, longest_s)
        edges = _chunks(path.time_s, CHUNK_FRAMES * self._build_file.frame_s)
        for first, stop in pairwise(edges):
            head = self._head("parameters", path.time_s[first])
            if not head:
                continue
            time_s, x_m, y_m, z_m, power_w = (column[first:stop].tolist() for column in path)
            message = Parameters(
                **head,
                build=self._build,
                layer=layer.layer,
                sample_time_s=time_s,
                x_m=x_m,
                y_m=y_m,
                z_m=z_m,
                beam_power_w=power_w,
                final=stop == len(path.time_s),
            )
            due = Due(time_s[-1], message)
            if message.final:
                final.append(due)  # last of all that the layer says
            else:
                yield due

    def _readings(self, layer: RecordedLayer, readings: Readings) -> Iterator[Due]:
        edges = _chunks(readings.time_s, CHUNK_FRAMES * self._build_file.frame_s)
        for first, stop in pairwise(edges):
            head = self._head(f"signal/{readings.name}", readings.time_s[first])
            if not head:
                continue
            time_s = readings.time_s[first:stop].tolist()
            signal = Signal(
                **head,
                build=self._build,
                layer=layer.layer,
                name=readings.name,
                sample_time_s=time_s,
                value=readings.value[first:stop].astype(float).tolist(),
            )
            yield Due(time_s[-1], signal)

    def _head(self, channel: str, time_s: float) -> dict:
        """Source, sequence and time of the channel's next message; empty where it is known."""
        sequence = self._number.next(channel)
        if sequence < self._known.get(channel, 0):
            return {}
        return {"source": self._recording.source, "sequence": sequence, "time_s": float(time_s)}


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


def path_of_vectors(
    vectors: Vectors, jump_speed_m_per_s: float | None = None, start_s: float | None = None
) -> tuple[Path, Vectors]:
    """The path of lines one after the other, and the vectors with the time at which each begins.

    Between two lines the beam is off: it jumps at `jump_speed_m_per_s`, or at once where that is not known. `start_s`
    of the vectors is not read. Shapes: (vector,) in, up to two samples a vector and one out.
    """
    x0, y0, x1, y1, z = vectors.x0_m, vectors.y0_m, vectors.x1_m, vectors.y1_m, vectors.z_m
    length_m = np.hypot(x1 - x0, y1 - y0)
    moves = vectors.scan_speed_m_per_s > 0
    lasts_s = np.where(moves, length_m / np.where(moves, vectors.scan_speed_m_per_s, 1.0), vectors.dwell_s)
    gap_m = np.hypot(x0[1:] - x1[:-1], y0[1:] - y1[:-1])
    gap_s = np.concatenate([[0.0], gap_m / jump_speed_m_per_s if jump_speed_m_per_s else np.zeros(len(gap_m))])
    gap_s[0] = start_s or 0.0
    edges_s = np.cumsum(np.stack([gap_s, lasts_s], axis=1).reshape(-1))  # one sum: a line ends where the next begins
    begins_s, ends_s = edges_s[0::2], edges_s[1::2]
    off = np.zeros(len(x0))
    begin = np.stack([begins_s, x0, y0, z, vectors.beam_power_w])
    end = np.stack([ends_s, x1, y1, z, off])
    samples = np.stack([begin, end], axis=2).reshape(5, -1)  # begin, end, begin, end, ...
    kept = np.ones(samples.shape[1], dtype=bool)
    kept[1:-1:2] = gap_m > 0  # where one line goes on from the other, its end is the other's begin
    return Path(*samples[:, kept]), vectors._replace(start_s=begins_s)
