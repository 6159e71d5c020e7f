"""Planned: where the beam will be, as the newest plan says, for one build.

Vectors become samples at their ends; between the end of one vector and the start of the next the beam jumps, with power
0. A later plan replaces an earlier one from its first start_s on. One time line for all layers of the build, so that a
window at the end of a layer sees the next layer when its plan is known.
"""

import numpy as np

from twin.observation import Path, Plan

_SAME = 1e-9  # s and m: two ends nearer than this are one point


class Planned:
    """Rows are time_s, x_m, y_m, z_m, beam_power_w; columns are samples in time order."""

    def __init__(self) -> None:
        self._samples = np.empty((5, 256))
        self._size = 0

    def replace(self, plan: Plan) -> None:
        """Take a plan: it stands from its first start_s on."""
        rows = samples_of(plan)
        keep = int(np.searchsorted(self._samples[0, : self._size], rows[0, 0] - _SAME, side="left"))
        size = keep + rows.shape[1]
        if size > self._samples.shape[1]:
            grown = np.empty((5, max(size, 2 * self._samples.shape[1])))
            grown[:, :keep] = self._samples[:, :keep]
            self._samples = grown
        self._samples[:, keep:size] = rows
        self._size = size

    def ahead(self, start_s: float, end_s: float) -> Path | None:
        """The planned path on [start_s, end_s], interpolated at both; None when the plan ends before start_s."""
        time_s = self._samples[0, : self._size]
        if self._size == 0 or time_s[-1] <= start_s or time_s[0] >= end_s:
            return None
        first = int(time_s.searchsorted(start_s, side="right"))  # samples from here on are after start_s
        last = int(time_s.searchsorted(end_s, side="left"))  # samples before here are before end_s
        before = 1 if first > 0 else 0
        after = 1 if last < self._size else 0
        cut = np.empty((5, before + last - first + after))
        cut[:, before : before + last - first] = self._samples[:, first:last]
        if before:
            cut[:, 0] = self._at(first, start_s)
        if after:
            cut[:, -1] = self._at(last, end_s)
        return Path(*cut)

    def forget_before(self, time_s: float) -> None:
        """Drop samples long past, once they are most of what is held."""
        past = int(np.searchsorted(self._samples[0, : self._size], time_s, side="left")) - 1
        if past > 4096 and 2 * past > self._size:
            self._samples[:, : self._size - past] = self._samples[:, past : self._size].copy()
            self._size -= past

    def _at(self, right: int, time_s: float) -> np.ndarray:
        a, b = self._samples[:, right - 1], self._samples[:, right]
        point = a + (b - a) * ((time_s - a[0]) / (b[0] - a[0]))
        point[0], point[4] = time_s, a[4]
        return point


def samples_of(plan: Plan) -> np.ndarray:
    """The plan as samples, rows as in Planned: the start of each vector, and its end where the next does not begin."""
    start_s = np.asarray(plan.start_s)
    ends = [np.asarray(column) for column in (plan.x0_m, plan.y0_m, plan.x1_m, plan.y1_m)]
    x0, y0, x1, y1 = ends
    z, power = np.asarray(plan.z_m), np.asarray(plan.beam_power_w)
    speed = np.asarray(plan.scan_speed_m_per_s)
    dwell_s = np.zeros_like(start_s) if plan.dwell_s is None else np.asarray(plan.dwell_s)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        travel_s = np.where(speed > 0, np.hypot(x1 - x0, y1 - y0) / speed, dwell_s)
    order = np.argsort(start_s, kind="stable")
    start_s, x0, y0, x1, y1, z, power, travel_s = (a[order] for a in (start_s, x0, y0, x1, y1, z, power, travel_s))
    next_s = np.append(start_s[1:], np.inf)
    end_s = np.minimum(start_s + travel_s, next_s)  # the next vector's start stands
    joined = np.zeros(len(start_s), dtype=bool)
    joined[:-1] = (np.hypot(x1[:-1] - x0[1:], y1[:-1] - y0[1:]) < _SAME) & (next_s[:-1] - end_s[:-1] < _SAME)
    starts = np.stack([start_s, x0, y0, z, power])
    stops = np.stack([np.where(np.isfinite(end_s), end_s, start_s), x1, y1, z, np.zeros_like(power)])
    both = np.stack([starts, stops], axis=2).reshape(5, -1)
    return both[:, np.stack([np.ones_like(joined), ~joined], axis=1).reshape(-1)]
