"""Order: observations in any arrival order, with any duplicates, become closed windows. The same windows every time.

    observation -> Stream (sequence, duplicates, gaps) -> Track (samples of one layer, cut into frames) -> Window

`state`, `build` and `layer` are retained: the newest stands and the ones before it may never come, so they pass without
waiting and leave no gaps. `parameters`, `plan` each signal and each camera are streams in the order of their sequence.

What depends on arrival is only this: how soon a window closes, `Window.plan` and `Window.frames`, the plan and the
newest pictures as known at that moment, and with which window a sample of a sensor comes (`Window.signals`: each once,
in the order of its stream, with the first window that ends after it and closes after it came). Observations come with
the life of their source (`ingest/births.py`); each life has its own streams. A stream that is new here goes on after
what the store has of it, so that a restart makes no gaps.

The watermark: a window is closed when its last sample is in order. A missing sequence is waited for until `patience`
later messages or `patience_s` seconds have passed and the store does not have it either; then it is a gap, and what
still comes of it is late: kept, counted, and in no window.

Time is an argument; nothing here reads a clock. Everything that waits is bounded.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from ingest.births import Kept, Nothing
from ingest.paths.pace import Pace
from ingest.paths.planned import Planned
from ingest.paths.readings import Pending
from ingest.paths.stream import Released, Stream
from ingest.paths.track import Track
from twin.observation import (
    Build,
    Frame,
    Gap,
    Layer,
    Observation,
    Parameters,
    Plan,
    Signal,
    State,
    Window,
    parts_of,
    stands_over,
)
from twin.sensors.pairing import COMPARED
from twin.store.port import StoreUnavailableError

Key = TypeVar("Key")
Value = TypeVar("Value")

HORIZON_FRAMES = 24
MAX_HELD = 20_000  # parameters that wait for their build
WINDOW_FRAMES = 10  # pictures that go with a window
MAX_PICTURE_BYTES = 64 << 20  # pictures released and not asked for
MAX_REMEMBERED = 1024  # layers, builds and plans that are no longer in hand


@dataclass
class Counts:
    """What became of every message: received + found = released + duplicates + late + waiting."""

    received: int = 0
    found: int = 0  # in the store, brought there by another process
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

    def __init__(
        self,
        patience: int = 64,
        patience_s: float = 2.0,
        horizon_frames: int = HORIZON_FRAMES,
        kept: Kept | None = None,
    ) -> None:
        self._patience = patience
        self._patience_s = patience_s
        self._horizon_frames = horizon_frames
        self._kept = kept or Nothing()
        self._resuming = False
        self._paces: dict[tuple[str, str], Pace] = {}
        self._states: dict[str, Observation] = {}  # of machines
        self._streams: dict[tuple[str, str], Stream] = {}
        self._newest: dict[tuple[str, str], _Newest] = {}
        self._retained: dict[tuple[str, str], Stream] = {}  # only to notice what never came
        self._tracks: dict[tuple[str, str], Track] = {}
        self._builds = _Remembered[tuple[str, str], Observation]()
        self._plans = _Remembered[tuple[str, str], Planned]()
        self._ended = _Remembered[tuple[str, str, int], int]()
        self._held: dict[tuple[str, str], deque[Released]] = {}
        self._gaps: list[Gap] = []
        self._doubled: list[tuple[str, str]] = []
        self._signals: deque[Observation] = deque(maxlen=65_536)
        self._frames: deque[Observation] = deque()
        self._frame_bytes = 0
        self._newest_frames = _Remembered[str, deque[Frame]]()
        self._readings: dict[str, Pending] = {}  # of machines
        self._counts = Counts()

    def add(self, observation: Observation, now_s: float) -> list[Window]:
        """Take one observation; give the windows that it closes, in order."""
        self._counts.received += 1
        message = observation.message
        if isinstance(message, State | Build | Layer):
            return self._counted(self._take_retained(observation, now_s))
        return self._counted(self._take(self._stream_of(observation).add(observation, now_s), now_s))

    def resume(self, observation: Observation, now_s: float) -> list[Window]:
        """As `add`, for what an earlier process committed of an unfinished layer, told in order after a restart.

        A stream begins with the first that is told, so that windows are those of the earlier process; what is missing
        between them may still be redelivered and is waited for as ever.
        """
        self._resuming = True
        try:
            if not isinstance(observation.message, State | Build | Layer):
                self._stream_of(observation).begin_at(observation.message.sequence)
            return self.add(observation, now_s)
        finally:
            self._resuming = False

    def meet(self, observation: Observation) -> None:
        """Ask the store for what must be known before `add`; what it raises passes through, and nothing is changed."""
        message = observation.message
        if isinstance(message, State | Build | Layer):
            self._retained_stream(observation)
        else:
            self._stream_of(observation)
        if isinstance(message, Parameters):
            self._first_frame(observation.machine, message.build, message.layer)

    def tick(self, now_s: float) -> list[Window]:
        """Time passes: give up sequences that have been waited for too long. Call it at least once a second."""
        windows: list[Window] = []
        for stream in self._streams.values():
            if stream.waiting:
                windows += self._counted(self._take(stream.tick(now_s), now_s))
        for stream in self._retained.values():
            self._note_gaps(stream.tick(now_s), now_s)
        return windows

    def finish(self, now_s: float) -> list[Window]:
        """Nothing more will come: give up what is missing and close what is open."""
        windows: list[Window] = []
        for stream in self._streams.values():
            windows += self._counted(self._take(stream.flush(), now_s))
        for stream in self._retained.values():
            self._note_gaps(stream.flush(), now_s)
        for key in list(self._tracks):
            windows += self._counted(self._close_track(key))
        return windows

    def let_go(self, observation: Observation) -> None:
        """`add` failed on it: the layer that its source was in begins anew with the next message."""
        track = self._tracks.pop((observation.machine, observation.source), None)
        if track is not None:
            self._ended[track.machine, track.build, track.layer] = track.next_index

    def gaps(self) -> list[Gap]:
        """The gaps noticed since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def doubled(self) -> list[tuple[str, str]]:
        """(machine, what is told) where two sources are in one layer, since the last call: their frames share numbers,
        so that the store keeps one forecast of each."""
        doubled, self._doubled = self._doubled, []
        return doubled

    def signals(self) -> list[Observation]:
        """The signals released in order since the last call; the newest 65,536 when nobody asks."""
        signals = list(self._signals)
        self._signals.clear()
        return signals

    def frames(self) -> list[Observation]:
        """The pictures released in order since the last call; the newest 64 MiB of pixels when nobody asks."""
        frames, self._frames, self._frame_bytes = list(self._frames), deque(), 0
        return frames

    def counts(self) -> Counts:
        """Where every message is now."""
        counts = self._counts
        streams, newest = self._streams.values(), self._newest.values()
        counts.duplicates = sum(s.duplicates for s in streams) + sum(n.duplicates for n in newest)
        counts.late = sum(s.late for s in streams)
        counts.found = sum(s.found for s in streams)
        counts.waiting = sum(s.waiting for s in streams)
        counts.held = sum(len(held) for held in self._held.values())
        return Counts(**vars(counts))

    def _stream_of(self, observation: Observation) -> Stream:
        key = (observation.source, observation.message.channel)
        stream = self._streams.get(key)
        if stream is None:
            newest = [] if self._resuming else self._kept.messages(*key, newest=1)
            stream = self._streams[key] = Stream(self._patience, self._patience_s, partial(self._find, *key))
            if newest:
                stream.begin_at(newest[0].message.sequence + 1)
        return stream

    def _find(self, source: str, channel: str, first: int, last: int) -> list[Observation] | None:
        """What the store has of a stretch that is about to be given up."""
        try:
            return self._kept.messages(source, channel, first=first, last=last)
        except StoreUnavailableError:
            return None

    def _counted(self, windows: Iterable[Window]) -> list[Window]:
        closed = [self._with_readings(self._with_frames(window)) for window in windows]
        self._counts.windows += len(closed)
        return closed

    def _with_frames(self, window: Window) -> Window:
        """A window with the newest pictures of its layer that are not later than its end."""
        place = (window.build, window.layer)
        newest = self._newest_frames.get(window.machine, ())
        frames = tuple(f for f in newest if (f.build, f.layer) == place and f.time_s <= window.end_s)
        return replace(window, frames=frames[-WINDOW_FRAMES:]) if frames else window

    def _with_readings(self, window: Window) -> Window:
        """A window with what sensors said of its build up to its end, as far as no window has had it."""
        pending = self._readings.get(window.machine)
        signals = pending.up_to(window) if pending else ()
        return replace(window, signals=signals) if signals else window

    def _take_retained(self, observation: Observation, now_s: float) -> Iterator[Window]:
        message = observation.message
        newest = self._newest.setdefault((observation.source, message.channel), _Newest())
        if not newest.is_new(message.sequence):
            return
        self._counts.released += 1
        if not isinstance(message, State) or message.status == "online":  # a will is written before it is numbered
            self._note_gaps(self._retained_stream(observation).add(observation, now_s), now_s)
        if isinstance(message, State) and message.status == "online":
            state = self._states.get(observation.machine)
            if state is None or stands_over(observation, state):
                self._states[observation.machine] = observation
        if isinstance(message, Build):
            key = (observation.machine, message.build)
            known = self._builds.get(key)
            if known is None or stands_over(observation, known):
                self._builds[key] = observation
            for released in self._held.pop(key, ()):
                yield from self._advance(released, now_s)

    def _retained_stream(self, observation: Observation) -> Stream:
        """For the gaps of a retained channel, after what is kept of it. Where nothing is it begins with the first that
        is heard: who comes later is given the newest, and what stood there before is nobody's gap."""
        key = (observation.source, observation.message.channel)
        if key not in self._retained:
            newest = [] if self._resuming else self._kept.messages(*key, newest=2)
            kept = [m.message.sequence for m in newest if getattr(m.message, "status", "online") == "online"]
            stream = self._retained[key] = Stream(self._patience, self._patience_s, partial(self._find, *key))
            stream.begin_at(max(kept) + 1 if kept else observation.message.sequence)
        return self._retained[key]

    def _note_gaps(self, released: Iterator[Released], now_s: float) -> None:
        for each in released:
            if each.missing is not None:
                self._note_gap(each, now_s)

    def _take(self, released: Iterator[Released], now_s: float) -> Iterator[Window]:
        for each in released:
            self._counts.released += 1
            if each.missing is not None:
                self._note_gap(each, now_s)
            message = each.observation.message
            if isinstance(message, Parameters):
                yield from self._advance(each, now_s)
            elif isinstance(message, Plan):
                self._planned(each.observation.machine, message.build).replace(message)
            elif isinstance(message, Signal):
                self._signals.append(each.observation)
                if message.name in COMPARED:
                    self._readings.setdefault(each.observation.machine, Pending()).add(message)
            elif isinstance(message, Frame):
                self._keep_frame(each.observation, message)

    def _keep_frame(self, observation: Observation, message: Frame) -> None:
        if observation.machine not in self._newest_frames:
            self._newest_frames[observation.machine] = deque(maxlen=2 * WINDOW_FRAMES)
        self._newest_frames[observation.machine].append(message)
        self._frames.append(observation)
        self._frame_bytes += message.value.nbytes
        while self._frame_bytes > MAX_PICTURE_BYTES:
            oldest = self._frames.popleft().message
            assert isinstance(oldest, Frame)
            self._frame_bytes -= oldest.value.nbytes

    def _note_gap(self, released: Released, now_s: float) -> None:
        assert released.missing is not None
        first, last = released.missing
        message = released.observation.message
        self._counts.gaps += 1
        machine, source = released.observation.machine, released.observation.source
        self._gaps.append(Gap(machine, source, message.channel, first, last, now_s))

    def _advance(self, released: Released, now_s: float) -> Iterator[Window]:
        """Give parameters, in order, to the track of their layer; hold them while their build is not known."""
        machine, message = released.observation.machine, released.observation.message
        assert isinstance(message, Parameters)
        key, after_gap = (machine, released.observation.source), released.missing is not None
        track = self._tracks.get(key)
        if track is not None and (track.build, track.layer) != (message.build, message.layer):
            yield from self._close_track(key, after_gap)
            track = None
        if track is None:
            build = self._builds.get((machine, message.build))
            if build is None:
                self._hold((machine, message.build), released)
                return
            yield from self._close_earlier_lives(machine, message.source)
            self._note_doubled(key, message)
            track = self._tracks[key] = self._open_track(machine, build.message, message)  # type: ignore[arg-type]
        pace = self._paces.setdefault(key, Pace())
        state = self._states.get(machine)
        told = pace.take(message, state and state.message, now_s)  # type: ignore[arg-type]
        steps, left_out = track.clock_steps, track.frames_left_out
        yield from track.add(message, after_gap, told)
        self._counts.clock_steps += track.clock_steps - steps
        self._counts.frames_left_out += track.frames_left_out - left_out
        if message.final:
            yield from self._close_track(key)

    def _note_doubled(self, key: tuple[str, str], message: Parameters) -> None:
        for (machine, source), track in self._tracks.items():
            if machine == key[0] and (track.build, track.layer) == (message.build, message.layer):
                said = f"{source} and {key[1]} both say what the beam does in layer {message.layer} of {message.build}"
                self._doubled.append((machine, said))

    def _open_track(self, machine: str, build: Build, message: Parameters) -> Track:
        return Track(
            machine,
            message.build,
            message.layer,
            build.frame_s,
            self._planned(machine, message.build),
            self._horizon_frames,
            first_index=self._first_frame(machine, message.build, message.layer),
        )

    def _first_frame(self, machine: str, build: str, layer: int) -> int:
        """Where a layer's count of frames goes on: a layer that is said again after it had ended counts on."""
        key = (machine, build, layer)
        if key not in self._ended:
            self._ended[key] = 0 if self._resuming else self._kept.next_frame(*key)
        return self._ended[key]

    def _close_earlier_lives(self, machine: str, source: str) -> Iterator[Window]:
        """A source that began anew does not go on with the layer that it was in."""
        for key in [k for k in self._tracks if k[0] == machine and parts_of(k[1])[0] == source]:
            yield from self._close_track(key)

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
    """A dict of the entries that were asked for or set last."""

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > MAX_REMEMBERED:
            self.popitem(last=False)

    def __getitem__(self, key: Key) -> Value:
        self.move_to_end(key)
        return super().__getitem__(key)

    def get(self, key: Key, default: Any = None) -> Any:
        """The value of a key, or the default."""
        if key in self:
            self.move_to_end(key)
        return super().get(key, default)
