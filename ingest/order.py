"""Order: observations in any arrival order, with any duplicates, become closed windows. The same windows every time.

    observation -> Stream (sequence, duplicates, gaps) -> Track (samples of one layer, cut into frames) -> Window

`state`, `build` and `layer` are retained: the newest stands and the ones before it may never come, so they pass without
waiting and leave no gaps. `parameters`, `plan` and each signal are streams in the order of their sequence.

What depends on arrival is only this: how soon a window closes, and `Window.plan`, the plan as known at that moment.
A source that restarts its count must take a new source name, because (source, channel, sequence) is a message's key.

Time is an argument; nothing here reads a clock. Everything that waits is bounded.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ingest.paths.planned import Planned
from ingest.paths.stream import Released, Stream
from ingest.paths.track import Track
from twin.observation import Build, Gap, Layer, Observation, Parameters, Plan, Signal, State, Window

Key = TypeVar("Key")
Value = TypeVar("Value")

HORIZON_FRAMES = 24
MAX_HELD = 20_000  # parameters that wait for their build
MAX_REMEMBERED = 1024  # layers, builds and plans that are no longer in hand


@dataclass
class Counts:
    """What became of every message: received = released + duplicates + late + waiting."""

    received: int = 0
    released: int = 0
    duplicates: int = 0
    late: int = 0  # came after its sequence had been given up as a gap
    waiting: int = 0  # for an earlier sequence
    held: int = 0  # released parameters that wait for their build
    dropped: int = 0  # released parameters given up because their build never came
    gaps: int = 0
    windows: int = 0
    clock_steps: int = 0
    frames_left_out: int = 0


class Order:
    """Puts the observations of all machines in order. One caller, one thread."""

    def __init__(self, patience: int = 64, patience_s: float = 2.0, horizon_frames: int = HORIZON_FRAMES) -> None:
        self._patience = patience
        self._patience_s = patience_s
        self._horizon_frames = horizon_frames
        self._streams: dict[tuple[str, str], Stream] = {}
        self._newest: dict[tuple[str, str], _Newest] = {}
        self._tracks: dict[tuple[str, str], Track] = {}
        self._builds = _Remembered[tuple[str, str], Observation]()
        self._plans = _Remembered[tuple[str, str], Planned]()
        self._ended = _Remembered[tuple[str, str, int], int]()
        self._held: dict[tuple[str, str], deque[Released]] = {}
        self._gaps: list[Gap] = []
        self._signals: deque[Observation] = deque(maxlen=65_536)
        self._counts = Counts()

    def add(self, observation: Observation, now_s: float) -> list[Window]:
        """Take one observation; give the windows that it closes, in order."""
        self._counts.received += 1
        message = observation.message
        if isinstance(message, State | Build | Layer):
            return self._counted(self._take_retained(observation))
        return self._counted(self._take(self._stream_of(observation).add(observation, now_s), now_s))

    def resume(self, observation: Observation, now_s: float) -> list[Window]:
        """As `add`, for what an earlier process committed of an unfinished layer, told in order after a restart.

        A stream begins with the first that is told, so that windows are those of the earlier process; what is missing
        between them may still be redelivered and is waited for as ever.
        """
        if not isinstance(observation.message, State | Build | Layer):
            self._stream_of(observation).begin_at(observation.message.sequence)
        return self.add(observation, now_s)

    def tick(self, now_s: float) -> list[Window]:
        """Time passes: give up sequences that have been waited for too long. Call it at least once a second."""
        windows: list[Window] = []
        for stream in self._streams.values():
            if stream.waiting:
                windows += self._counted(self._take(stream.tick(now_s), now_s))
        return windows

    def finish(self, now_s: float) -> list[Window]:
        """Nothing more will come: give up what is missing and close what is open."""
        windows: list[Window] = []
        for stream in self._streams.values():
            windows += self._counted(self._take(stream.flush(), now_s))
        for key in list(self._tracks):
            windows += self._counted(self._close_track(key))
        return windows

    def gaps(self) -> list[Gap]:
        """The gaps noticed since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def signals(self) -> list[Observation]:
        """The signals released in order since the last call; the newest 65,536 when nobody asks."""
        signals = list(self._signals)
        self._signals.clear()
        return signals

    def counts(self) -> Counts:
        """Where every message is now."""
        counts = self._counts
        streams, newest = self._streams.values(), self._newest.values()
        counts.duplicates = sum(s.duplicates for s in streams) + sum(n.duplicates for n in newest)
        counts.late = sum(s.late for s in streams)
        counts.waiting = sum(s.waiting for s in streams)
        counts.held = sum(len(held) for held in self._held.values())
        return Counts(**vars(counts))

    def _stream_of(self, observation: Observation) -> Stream:
        key = (observation.message.source, observation.message.channel)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Stream(self._patience, self._patience_s)
        return stream

    def _counted(self, windows: Iterable[Window]) -> list[Window]:
        closed = list(windows)
        self._counts.windows += len(closed)
        return closed

    def _take_retained(self, observation: Observation) -> Iterator[Window]:
        message = observation.message
        newest = self._newest.setdefault((message.source, message.channel), _Newest())
        if not newest.is_new(message.sequence):
            return
        self._counts.released += 1
        if isinstance(message, Build):
            key = (observation.machine, message.build)
            known = self._builds.get(key)
            if known is None or known.message.source != message.source or known.message.sequence < message.sequence:
                self._builds[key] = observation
            for released in self._held.pop(key, ()):
                yield from self._advance(released)

    def _take(self, released: Iterator[Released], now_s: float) -> Iterator[Window]:
        for each in released:
            self._counts.released += 1
            if each.missing is not None:
                self._note_gap(each, now_s)
            message = each.observation.message
            if isinstance(message, Parameters):
                yield from self._advance(each)
            elif isinstance(message, Plan):
                self._planned(each.observation.machine, message.build).replace(message)
            elif isinstance(message, Signal):
                self._signals.append(each.observation)

    def _note_gap(self, released: Released, now_s: float) -> None:
        assert released.missing is not None
        first, last = released.missing
        message = released.observation.message
        self._counts.gaps += 1
        self._gaps.append(Gap(released.observation.machine, message.source, message.channel, first, last, now_s))

    def _advance(self, released: Released) -> Iterator[Window]:
        """Give parameters, in order, to the track of their layer; hold them while their build is not known."""
        machine, message = released.observation.machine, released.observation.message
        assert isinstance(message, Parameters)
        key, after_gap = (machine, message.source), released.missing is not None
        track = self._tracks.get(key)
        if track is not None and (track.build, track.layer) != (message.build, message.layer):
            yield from self._close_track(key, after_gap)
            track = None
        if track is None:
            build = self._builds.get((machine, message.build))
            if build is None:
                self._hold((machine, message.build), released)
                return
            track = self._tracks[key] = self._open_track(machine, build.message, message)  # type: ignore[arg-type]
        steps, left_out = track.clock_steps, track.frames_left_out
        yield from track.add(message, after_gap)
        self._counts.clock_steps += track.clock_steps - steps
        self._counts.frames_left_out += track.frames_left_out - left_out
        if message.final:
            yield from self._close_track(key)

    def _open_track(self, machine: str, build: Build, message: Parameters) -> Track:
        return Track(
            machine,
            message.build,
            message.layer,
            build.frame_s,
            self._planned(machine, message.build),
            self._horizon_frames,
            first_index=self._ended.get((machine, message.build, message.layer), 0),
        )

    def _close_track(self, key: tuple[str, str], missing: bool = False) -> Iterator[Window]:
        track = self._tracks.pop(key)
        yield from track.close(missing)
        self._ended[track.machine, track.build, track.layer] = track.next_index

    def _hold(self, key: tuple[str, str], released: Released) -> None:
        held = self._held.setdefault(key, deque())
        held.append(released)
        if sum(len(each) for each in self._held.values()) > MAX_HELD:
            oldest = next(iter(self._held))
            self._counts.dropped += 1
            self._held[oldest].popleft()
            if not self._held[oldest]:
                del self._held[oldest]

    def _planned(self, machine: str, build: str) -> Planned:
        planned = self._plans.get((machine, build))
        if planned is None:
            planned = self._plans[machine, build] = Planned()
        return planned


class _Newest:
    """A retained channel: each sequence once, no waiting."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, None] = OrderedDict()
        self.duplicates = 0

    def is_new(self, sequence: int) -> bool:
        if sequence in self._seen:
            self.duplicates += 1
            return False
        self._seen[sequence] = None
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return True


class _Remembered(OrderedDict[Key, Value]):
    """A dict of the newest entries only."""

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        if len(self) > MAX_REMEMBERED:
            self.popitem(last=False)
