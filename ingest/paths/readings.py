"""Pending: what sensors of a machine have said and no window has taken yet. Bounded; the oldest goes first."""

from collections import deque

import numpy as np

from twin.observation import Samples, Signal, Window

MAX_PENDING = 65_536  # samples of one sensor


class Pending:
    """Samples of one machine, each handed on once, in the order of its stream."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[tuple[str, Samples]]] = {}  # by sensor: build, samples
        self._counts: dict[str, int] = {}
        self._build: str | None = None  # of the newest window

    def add(self, message: Signal) -> None:
        """Take a message that is in order."""
        kept = self._kept.setdefault(message.name, deque())
        samples = Samples(message.name, message.layer, np.array(message.sample_time_s), np.array(message.value))
        kept.append((message.build, samples))
        self._counts[message.name] = self._counts.get(message.name, 0) + len(samples.value)
        while self._counts[message.name] > MAX_PENDING and len(kept) > 1:
            self._counts[message.name] -= len(kept.popleft()[1].value)

    def up_to(self, window: Window) -> tuple[Samples, ...]:
        """What belongs to the window's build and is not later than its end; of a layer before it, all. What belongs to
        the build before is let go of when a window of another build comes."""
        begins, self._build = self._build != window.build, window.build
        taken: list[Samples] = []
        for name, kept in self._kept.items():
            while begins and kept and kept[0][0] != window.build:
                self._counts[name] -= len(kept.popleft()[1].value)
            while kept and kept[0][0] == window.build:
                build, samples = kept[0]
                due = samples.time_s <= window.end_s if samples.layer == window.layer else samples.layer < window.layer
                part = np.broadcast_to(due, samples.value.shape)
                if not part.any():
                    break
                kept.popleft()
                self._counts[name] -= int(part.sum())
                taken.append(_cut(samples, part))
                if not part.all():
                    kept.appendleft((build, _cut(samples, ~part)))
                    break
        return tuple(taken)


def _cut(samples: Samples, part: np.ndarray) -> Samples:
    if part.all():
        return samples
    return samples._replace(time_s=samples.time_s[part], value=samples.value[part])
