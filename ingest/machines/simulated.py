"""SimulatedMachine: says state, build, then layer after layer plan, parameters, sizes and pictures, for ever."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ingest.machines.camera import SimulatedCamera
from ingest.machines.machine import Due, Numbering, source_name
from ingest.machines.sensor import MeltPoolSensor, decorrelation_s
from twin.observation import Build, Layer, Origin, Parameters, Plan, Signal, SignalName, State

PLAN_CHUNK = 200  # vectors in one plan message
PLAN_AHEAD_FRAMES = 32  # the next layer's plan is said so long before this layer ends
_SIGNALS: tuple[SignalName, SignalName] = ("melt_pool_width_m", "melt_pool_length_m")


class Vector(NamedTuple):
    """One straight move, in the frame of the layer's start. Power 0 is a jump; a move of no length is a wait."""

    duration_s: float
    x0_m: float
    y0_m: float
    x1_m: float
    y1_m: float
    beam_power_w: float

    @property
    def scan_speed_m_per_s(self) -> float:
        """Speed along the vector; 0 for a wait."""
        return float(np.hypot(self.x1_m - self.x0_m, self.y1_m - self.y0_m)) / self.duration_s


class Design(NamedTuple):
    """What makes one simulated machine differ from another. `build` carries placeholders for source and sequence."""

    process: str
    note: str
    time_factor: float
    build: Build
    lag_s: float  # of the sensor
    readings_a_frame: int
    layer: Callable[[int, np.random.Generator], Sequence[Vector]]
    absorbs: float  # hidden: what the metal takes up of the beam, over what the rule says; sizes and pictures show it
    picture_frames: int  # a picture every so many frames
    fine: tuple[float, float]  # width and length of a fine solver over those of the camera's


class SimulatedMachine:
    """The same messages for the same name, run and seed. Pure: no clock, no thread, no wire."""

    origin: Origin = "simulated"

    def __init__(self, name: str, design: Design, seed: int, run: str = "") -> None:
        self.name = name
        self.source = source_name(name, run)
        self.time_factor = design.time_factor
        self._design = design
        self._seed = seed
        self._number = Numbering()
        self._size_m = (0.0, 0.0)  # width and length now

    def messages(self) -> Iterator[Due]:
        """Endless. A message is due at the end of the stretch that it tells of."""
        self._number, self._size_m = Numbering(), (0.0, 0.0)
        seeds = np.random.SeedSequence(self._seed).spawn(3)
        layer_rng, sensor_rng, camera_rng = (np.random.default_rng(seed) for seed in seeds)
        build, design = self._design.build, self._design
        camera = SimulatedCamera(build, design.absorbs, design.picture_frames, camera_rng, design.fine)
        tau_s = decorrelation_s(build.beam_diameter_m, build.nominal_scan_speed_m_per_s)
        sensors = tuple(MeltPoolSensor(sensor_rng, self._design.lag_s, tau_s) for _ in _SIGNALS)
        yield Due(0.0, self._birth())
        yield Due(0.0, build.model_copy(update={"source": self.source, "sequence": self._number.next("build")}))
        start_s, index = 0.0, 0
        vectors = self._design.layer(0, layer_rng)
        yield from self._plan(0, start_s, vectors, due_s=0.0)
        while True:
            following = self._design.layer(index + 1, layer_rng)
            end_s = start_s + sum(vector.duration_s for vector in vectors)
            yield from self._one_layer(index, start_s, end_s, vectors, following, sensors, camera)
            start_s, index, vectors = end_s, index + 1, following

    def _one_layer(
        self,
        index: int,
        start_s: float,
        end_s: float,
        vectors: Sequence[Vector],
        following: Sequence[Vector],
        sensors: Sequence[MeltPoolSensor],
        camera: SimulatedCamera,
    ) -> Iterator[Due]:
        build = self._design.build
        camera.begin(start_s)
        z_m = index * build.layer_thickness_m
        head = {"source": self.source, "sequence": self._number.next("layer"), "time_s": start_s}
        yield Due(start_s, Layer(**head, build=build.build, layer=index, z_m=z_m))
        starts_s = [start_s, *(start_s + np.cumsum([v.duration_s for v in vectors])[:-1]).tolist()]
        frames = max(round((end_s - start_s) / build.frame_s), 1)
        plan_at = max(frames - PLAN_AHEAD_FRAMES, 0)
        first, now_s = 0, start_s  # first of the vectors that start in the frame in hand
        for frame in range(frames):
            if frame == plan_at:
                yield from self._plan(index + 1, end_s, following, due_s=start_s + frame * build.frame_s)
            to_s = end_s if frame == frames - 1 else start_s + (frame + 1) * build.frame_s
            last = bisect_right(starts_s, to_s, lo=first)
            times = starts_s[first:last]
            if not times or times[-1] < to_s:
                times = [*times, to_s]
            yield Due(to_s, self._parameters(index, z_m, times, starts_s, vectors, final=frame == frames - 1))
            first = last
            between = [now_s, *(time_s for time_s in times if now_s < time_s < to_s)]
            ends = [(time_s, *_beam_at(time_s, starts_s, vectors)) for time_s in (*between, to_s)]
            before_m, lit = self._size_m, any(power_w > 0 for *_, power_w in ends[:-1])
            camera.advance(ends)
            self._size_m = camera.size() if lit else (0.0, 0.0)
            now_s = to_s
            yield from self._signals(index, to_s, starts_s, vectors, sensors, before_m)
            if camera.due(frame):
                number = self._number.next("frame/coaxial")
                yield Due(to_s, camera.picture(self.source, number, index, to_s, *ends[-1][1:3]))

    def _birth(self) -> State:
        return State(
            source=self.source,
            sequence=self._number.next("state"),
            time_s=0.0,
            status="online",
            origin=self.origin,
            process=self._design.process,  # type: ignore[arg-type]
            time_factor=self.time_factor,
            note=self._design.note,
        )

    def _plan(self, layer: int, start_s: float, vectors: Sequence[Vector], due_s: float) -> Iterator[Due]:
        build = self._design.build
        starts_s = [start_s, *(start_s + np.cumsum([v.duration_s for v in vectors])[:-1]).tolist()]
        for first in range(0, len(vectors), PLAN_CHUNK):
            chunk = vectors[first : first + PLAN_CHUNK]
            plan = Plan(
                source=self.source,
                sequence=self._number.next("plan"),
                time_s=due_s,
                build=build.build,
                layer=layer,
                first_vector=first,
                start_s=starts_s[first : first + PLAN_CHUNK],
                x0_m=[v.x0_m for v in chunk],
                y0_m=[v.y0_m for v in chunk],
                x1_m=[v.x1_m for v in chunk],
                y1_m=[v.y1_m for v in chunk],
                z_m=[layer * build.layer_thickness_m] * len(chunk),
                beam_power_w=[v.beam_power_w for v in chunk],
                scan_speed_m_per_s=[v.scan_speed_m_per_s for v in chunk],
                dwell_s=[0.0 if v.scan_speed_m_per_s else v.duration_s for v in chunk],
            )
            yield Due(due_s, plan)

    def _parameters(
        self,
        layer: int,
        z_m: float,
        times_s: list[float],
        starts_s: list[float],
        vectors: Sequence[Vector],
        final: bool,
    ) -> Parameters:
        x_m, y_m, power_w = zip(*(_beam_at(time_s, starts_s, vectors) for time_s in times_s), strict=True)
        return Parameters(
            source=self.source,
            sequence=self._number.next("parameters"),
            time_s=times_s[0],
            build=self._design.build.build,
            layer=layer,
            sample_time_s=times_s,
            x_m=list(x_m),
            y_m=list(y_m),
            z_m=[z_m] * len(times_s),
            beam_power_w=list(power_w),
            final=final,
        )

    def _signals(
        self,
        layer: int,
        end_s: float,
        starts_s: list[float],
        vectors: Sequence[Vector],
        sensors: Sequence[MeltPoolSensor],
        before_m: tuple[float, float],
    ) -> Iterator[Due]:
        """Readings spread over the frame that ends at end_s, between the sizes at its ends. With the laser off there is
        no melt pool to see."""
        step_s = self._design.build.frame_s / self._design.readings_a_frame
        times_s = [end_s - step_s * left for left in range(self._design.readings_a_frame - 1, -1, -1)]
        powers_w = [_beam_at(time_s - step_s / 2, starts_s, vectors)[2] for time_s in times_s]
        count = self._design.readings_a_frame
        for name, sensor, first_m, last_m in zip(_SIGNALS, sensors, before_m, self._size_m, strict=True):
            sizes_m = [first_m + (last_m - first_m) * (n + 1) / count for n in range(count)]
            readings = [sensor.read(size_m, step_s) for size_m in sizes_m]
            seen = [
                (time_s, value)
                for time_s, value, power_w in zip(times_s, readings, powers_w, strict=True)
                if power_w and value > 0
            ]
            if seen:
                signal = Signal(
                    source=self.source,
                    sequence=self._number.next(f"signal/{name}"),
                    time_s=seen[0][0],
                    build=self._design.build.build,
                    layer=layer,
                    name=name,
                    sample_time_s=[time_s for time_s, _ in seen],
                    value=[value for _, value in seen],
                )
                yield Due(end_s, signal)


def _beam_at(time_s: float, starts_s: list[float], vectors: Sequence[Vector]) -> tuple[float, float, float]:
    """x, y and power at a time of the layer. Where two vectors meet, the later one counts."""
    at = max(bisect_right(starts_s, time_s) - 1, 0)
    vector = vectors[at]
    part = min(max((time_s - starts_s[at]) / vector.duration_s, 0.0), 1.0)
    x_m = vector.x0_m + (vector.x1_m - vector.x0_m) * part
    y_m = vector.y0_m + (vector.y1_m - vector.y0_m) * part
    return x_m, y_m, vector.beam_power_w
