"""Track: the samples of one layer as they come, cut into frames.

Frame k covers [t0 + k frame_s, t0 + (k+1) frame_s); t0 is the time of the layer's first sample. A frame closes when a
sample at or after its end has come, or when the layer ends; then the last one closes early, at the last sample.

Position is linear between samples. Power holds until the next sample; the sample at end_s repeats the power held in
the frame. Two samples of one time are a jump: the frame that ends there ends at the first, the next begins at the last.

Three things break the even row, and each is counted: a clock that steps back (the frame in hand closes at the last
sample and the count of frames goes on from the new time), a stretch without a sample that is longer than anything one
scan vector could take (frames wholly inside it are left out), and a missing message (frames over it carry gap=True;
when it lasted longer than `MAX_GAP_FRAMES`, those wholly inside are left out too, because nobody knows what happened).
One message closes about `MAX_MESSAGE_FRAMES` frames at most: what it says beyond them is left out, and the next frame
says so.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import numpy as np

from ingest.paths.planned import Planned
from twin.forecast import Outcome
from twin.observation import Parameters, Path, Window

MAX_HOLD_FRAMES = 4096  # a scan vector longer than this in frames is no scan vector
MAX_GAP_FRAMES = 24
MAX_MESSAGE_FRAMES = 100_000
_TOUCHES = 1e-6  # of a frame: a sample this near the end of a frame closes it
_COMPACT = 4096


class Track:
    """One layer of one machine, open for samples. Amortised O(1) a sample and a frame."""

    def __init__(
        self,
        machine: str,
        build: str,
        layer: int,
        frame_s: float,
        planned: Planned,
        horizon_frames: int,
        first_index: int = 0,
    ) -> None:
        self.machine = machine
        self.build = build
        self.layer = layer
        self.frame_s = frame_s
        self._planned = planned
        self._horizon_s = horizon_frames * frame_s
        self.next_index = first_index
        self.clock_steps = 0
        self.frames_left_out = 0
        self.sent_s: float | None = None
        self.told = Outcome()  # for the next frame
        self._time: list[float] = []
        self._x: list[float] = []
        self._y: list[float] = []
        self._z: list[float] = []
        self._power: list[float] = []
        self._at = 0  # the sample that holds at the start of the frame in hand
        self._base_s = 0.0  # start of the frame `_base_index`
        self._base_index = first_index
        self._gap_until_s = -float("inf")

    def add(self, message: Parameters, after_gap: bool = False, told: Outcome | None = None) -> Iterator[Window]:
        """Take the next message of the layer; give the frames that it closes. `told`: what the first of them carries,
        but for one that a clock's step back closes."""
        time_s = message.sample_time_s
        if message.sent_s is not None:
            self.sent_s = message.sent_s if self.sent_s is None else max(self.sent_s, message.sent_s)
        if self._time and time_s[0] < self._time[-1]:
            self.clock_steps += 1
            yield from self.close()
        self.told = told or self.told
        if after_gap:  # frames that begin before this sample; where it is the first, the one that begins with it
            self._gap_until_s = time_s[0] + (-_TOUCHES if self._time else _TOUCHES) * self.frame_s
        if not self._time:
            self._start(time_s[0])
        before = len(self._time)
        self._time.extend(time_s)
        self._x.extend(message.x_m)
        self._y.extend(message.y_m)
        self._z.extend(message.z_m)
        self._power.extend(message.beam_power_w)
        closed = 0
        for right in range(max(before, 1), len(self._time)):
            if closed >= MAX_MESSAGE_FRAMES and right < len(self._time) - 1:
                yield from self._pass_over(right - 1)
                break
            for window in self._close_up_to(right, after_gap and right == before):
                closed += 1
                yield window
        if message.final:
            yield from self.close()
        elif self._at > _COMPACT:
            self._planned.forget_before(self._time[self._at])
            self._forget(self._at)

    def close(self, missing: bool = False) -> Iterator[Window]:
        """The layer or the segment ends: the frame in hand closes at the last sample. `missing`: a message was lost."""
        if missing:
            self._gap_until_s = float("inf")
        if self._time:
            start_s, end_s = self._start_of(self.next_index), self._time[-1]
            if end_s - start_s > _TOUCHES * self.frame_s:
                yield self._cut(start_s, end_s)
            self._forget(len(self._time))

    def _start(self, first_s: float) -> None:
        self._at = 0
        self._base_s, self._base_index = first_s, self.next_index

    def _start_of(self, index: int) -> float:
        return self._base_s + (index - self._base_index) * self.frame_s

    def _close_up_to(self, right: int, over_gap: bool) -> Iterator[Window]:
        """Close the frames that end at or before sample `right`; those before the sample left of it are closed."""
        last_s = self._time[right]
        if last_s < self._start_of(self.next_index + 1) - _TOUCHES * self.frame_s:
            return
        whole = (last_s - self._base_s) / self.frame_s
        stretch = (last_s - self._time[right - 1]) / self.frame_s
        if stretch > (MAX_GAP_FRAMES if over_gap else MAX_HOLD_FRAMES):
            yield from self._leave_out(right, last_s)
            return
        count = int(whole + _TOUCHES) + self._base_index
        while self.next_index < count:
            yield self._cut(self._start_of(self.next_index), self._start_of(self.next_index + 1))

    def _pass_over(self, left: int) -> Iterator[Window]:
        """Leave out what one message says after sample `left`, up to its last."""
        before = self.frames_left_out
        yield from self._leave_out(len(self._time) - 1, self._time[-1], left)
        said = self.frames_left_out - before
        self.told = Outcome("stale", f"frames of one message beyond {MAX_MESSAGE_FRAMES:,}", said, "frames")

    def _leave_out(self, right: int, last_s: float, left: int | None = None) -> Iterator[Window]:
        """Close the frame in hand at the last sample before a long stretch (`left`, or that before `right`), and begin
        again at the sample after it."""
        start_s, end_s = self._start_of(self.next_index), self._time[right - 1 if left is None else left]
        if end_s - start_s > _TOUCHES * self.frame_s:
            yield self._cut(start_s, end_s)
        whole = (last_s - self._base_s) / self.frame_s
        resumed = self.next_index + 1
        if whole < 2**40:
            resumed = max(self._base_index + int(np.ceil(whole - _TOUCHES)), self.next_index)
        self.frames_left_out += resumed - self.next_index
        self.next_index = resumed
        self._base_s, self._base_index = last_s, resumed
        self._at = right

    def _cut(self, start_s: float, end_s: float) -> Window:
        time = self._time
        lead = bisect_right(time, start_s, lo=self._at) - 1  # holds at start_s
        lead = max(lead, self._at)
        stop = bisect_left(time, end_s, lo=lead + 1)  # the first sample at or after end_s
        right = min(stop, len(time) - 1)
        columns = [[start_s, *time[lead + 1 : stop], end_s]]
        for column in (self._x, self._y, self._z):
            columns.append(
                [self._linear(column, lead, start_s), *column[lead + 1 : stop], self._linear(column, right - 1, end_s)]
            )
        columns.append([*self._power[lead:stop], self._power[stop - 1]])
        window = Window(
            machine=self.machine,
            build=self.build,
            layer=self.layer,
            index=self.next_index,
            start_s=start_s,
            end_s=end_s,
            path=Path(*np.array(columns)),
            gap=start_s < self._gap_until_s,
            sent_s=self.sent_s,
            plan=self._planned.ahead(end_s, end_s + self._horizon_s),
            told=self.told,
        )
        self.told = Outcome()
        self.next_index += 1
        self._at = stop - 1
        return window

    def _linear(self, column: list[float], left: int, time_s: float) -> float:
        """Value at time_s on the stretch that begins at sample `left`; beyond the stretch the nearer end holds."""
        a_s, a = self._time[left], column[left]
        if left + 1 >= len(column) or time_s <= a_s:
            return a
        b_s, b = self._time[left + 1], column[left + 1]
        return b if time_s >= b_s else a + (b - a) * ((time_s - a_s) / (b_s - a_s))

    def _forget(self, count: int) -> None:
        for column in (self._time, self._x, self._y, self._z, self._power):
            del column[:count]
        self._at = max(self._at - count, 0)
