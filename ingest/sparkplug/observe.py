"""Observe: the samples of one message of a node or device as observations of ours, with its sequences.

A change of `build` or `layer` begins one; a build is said once everything that it must say is known. The position and
power that a message leaves out are those of before, as Sparkplug says only what has changed; time stamps are whole
milliseconds, so what changes faster belongs on our own topics.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import ValidationError

from ingest.codecs.fault import Fault, of_validation
from ingest.codecs.ranges import out_of_range
from ingest.sparkplug.naming import Field
from ingest.sparkplug.payload import Payload, Scalar
from twin.observation import Build, Layer, Message, Observation, Parameters, Rejected, Signal, State

MAX_SAMPLES = 10_000
UNNAMED = "unnamed"  # the build of what is said before any build is
_AXES = ("x_m", "y_m", "z_m", "beam_power_w")


class Sample(NamedTuple):
    """One value of one field; None: its type does not fit."""

    field: Field
    time_s: float
    value: Scalar | None


class Told(Protocol):
    """The message behind the samples."""

    @property
    def topic(self) -> str: ...

    @property
    def bytes(self) -> bytes: ...

    @property
    def payload(self) -> Payload: ...


class Device:
    """A node or device in one life: where it is in its build, and how far each channel has come."""

    def __init__(self, site: str, machine: str, source: str, birth: int) -> None:
        self.site = site
        self.machine = machine
        self.source = source
        self.birth = birth
        self.online = False
        self._sequences: Counter[str] = Counter()
        self._build = UNNAMED
        self._layer = 0
        self._constants: dict[str, Scalar] = {}
        self._said: dict[str, Any] = {}
        self._at: dict[str, float] = {"z_m": 0.0}

    def leave_out(self) -> None:
        """A message was lost: each channel misses one sequence, because it may have been its."""
        for channel in self._sequences:
            if channel not in ("state", "build", "layer"):
                self._sequences[channel] += 1

    def state(self, told: Told, status: str, time_s: float, note: str) -> Observation | Rejected:
        """Born or dead."""
        return self._observation(told, State, time_s, status=status, note=note)

    def observe(self, told: Told, samples: Sequence[Sample], time_s: float) -> Iterator[Observation | Rejected]:
        """First what begins (build, layer), then parameters and signals, each in the order of its time."""
        ordered = sorted(samples, key=lambda sample: sample.time_s)
        faults = [(sample, _fault(sample)) for sample in ordered]
        for _, fault in faults:
            if fault is not None:
                yield Rejected(told.topic, told.bytes, fault.reason, fault.code)
        good = [sample for sample, fault in faults if fault is None]
        yield from self._context(told, good, time_s)
        yield from self._parameters(told, [sample for sample in good if sample.field.use == "parameters"])
        yield from self._signals(told, [sample for sample in good if sample.field.use == "signal"])

    def _context(self, told: Told, samples: Sequence[Sample], time_s: float) -> Iterator[Observation | Rejected]:
        build, layer = self._build, self._layer
        for field, _, value in samples:
            if field.use == "build":
                self._constants[field.name] = value  # type: ignore[assignment]
            elif field.name == "build":
                build = str(value)
            elif field.name == "layer":
                layer = int(value)  # type: ignore[arg-type]
        self._build, self._layer = build, layer
        needed = {name for name, each in Build.model_fields.items() if each.is_required()} - set(Message.model_fields)
        said = self._constants | {"build": build}
        if needed <= set(said) and said != self._said.get("build"):
            self._said["build"] = said
            yield self._observation(told, Build, time_s, **said)
        if build != UNNAMED and (build, layer) != self._said.get("layer"):
            self._said["layer"] = (build, layer)
            yield self._observation(told, Layer, time_s, build=build, layer=layer, z_m=self._at["z_m"])

    def _parameters(self, told: Told, samples: Sequence[Sample]) -> Iterator[Observation | Rejected]:
        at: dict[float, dict[str, float]] = {}
        for field, time_s, value in samples:
            self._at[field.name] = float(value)  # type: ignore[arg-type]
            if len(self._at) == len(_AXES):
                at[time_s] = dict(self._at)
        times_s = list(at)[-MAX_SAMPLES:]
        if times_s:
            columns = {name: [at[time_s][name] for time_s in times_s] for name in _AXES}
            yield self._observation(told, Parameters, times_s[0], **self._place, sample_time_s=times_s, **columns)

    def _signals(self, told: Told, samples: Sequence[Sample]) -> Iterator[Observation | Rejected]:
        by_name: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            by_name[sample.field.name].append(sample)
        for name, some in by_name.items():
            columns = {"sample_time_s": [each.time_s for each in some], "value": [each.value for each in some]}
            yield self._observation(told, Signal, some[0].time_s, **self._place, name=name, **columns)

    @property
    def _place(self) -> dict[str, Any]:
        return {"build": self._build, "layer": self._layer}

    def _observation(self, told: Told, kind: type[Message], time_s: float, **said: Any) -> Observation | Rejected:
        """The message with its next sequence, held to the same types and ranges as any other. It keeps no payload: what
        it was read from may also have had faults, and stays a reject then."""
        sent_ms = told.payload.timestamp_ms
        sent_s = None if sent_ms is None else sent_ms / 1000
        channel = f"signal/{said['name']}" if kind is Signal else kind.model_fields["kind"].default
        try:
            message = kind(source=self.source, sequence=self._sequences[channel], time_s=time_s, sent_s=sent_s, **said)
        except ValidationError as wrong:
            fault: Fault | None = of_validation(wrong)
        else:
            fault = out_of_range(message)
        if fault is not None:
            return Rejected(told.topic, told.bytes, fault.reason, fault.code)
        self._sequences[channel] += 1
        return Observation(self.site, self.machine, message, told.topic, birth=self.birth)  # type: ignore[arg-type]


def _fault(sample: Sample) -> Fault | None:
    if sample.value is None:
        return Fault("wrong_type", f"{sample.field.name}: a value of another type")
    if sample.field.name == "layer" and not (isinstance(sample.value, float) and 0 <= sample.value < 2**53):
        return Fault("out_of_range", "layer: not a number from 0 on")
    return None
