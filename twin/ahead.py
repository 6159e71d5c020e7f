"""Ahead: where the beam will go, and with what power, up to each lead. Without a plan it goes on as it does."""

import math
from collections.abc import Sequence

import numpy as np

from twin.observation import Path, Window


def ahead(window: Window, leads_s: Sequence[float]) -> list[Path]:
    """The planned path from the end of a window to each lead, s after it; without a plan the last power, speed and
    direction hold."""
    ends = [window.end_s + lead_s for lead_s in leads_s]
    plan = window.plan if window.plan is not None and len(window.plan.time_s) else _held(window.path, ends[-1])
    return [_until(_from_now(window.path, plan), end_s) for end_s in ends]


def frames(path: Path, frame_s: float) -> list[Path]:
    """A path in the frames that it will be observed in."""
    span_s = path.time_s[-1] - path.time_s[0]
    ends_s = path.time_s[0] + frame_s * np.arange(1, round(span_s / frame_s) + 1)
    begun = [path, *(_from(path, end_s) for end_s in ends_s[:-1])]
    return [_until(rest, float(end_s)) for rest, end_s in zip(begun, ends_s, strict=False)]


def _from(path: Path, begin_s: float) -> Path:
    """The part of a path from begin_s on."""
    x_m, y_m, z_m = (np.interp([begin_s], path.time_s, values) for values in path[1:4])
    return _from_now(Path(np.array([begin_s]), x_m, y_m, z_m, path.beam_power_w[:1]), path)


def _held(path: Path, end_s: float) -> Path:
    """The path that goes on as it was."""
    last = len(path.time_s) - 1
    before = max(last - 1, 0)
    span = path.time_s[last] - path.time_s[before]
    ratio = (end_s - path.time_s[last]) / span if span > 0 else 0.0
    ends = [
        np.array([values[last], values[last] + ratio * (values[last] - values[before])])
        for values in (path.x_m, path.y_m, path.z_m)
    ]
    x_m, y_m, z_m = ends
    return Path(np.array([path.time_s[last], end_s]), x_m, y_m, z_m, np.full(2, path.beam_power_w[before]))


def _from_now(observed: Path, plan: Path) -> Path:
    """The plan, begun where the beam is."""
    later = plan.time_s > observed.time_s[-1]
    held = plan.beam_power_w[max(int(np.searchsorted(plan.time_s, observed.time_s[-1], side="right")) - 1, 0)]
    columns = [np.concatenate([[mine[-1]], values[later]]) for mine, values in zip(observed[:4], plan[:4], strict=True)]
    time_s, x_m, y_m, z_m = columns
    return Path(time_s, x_m, y_m, z_m, np.concatenate([[held], plan.beam_power_w[later]]))


def _until(path: Path, end_s: float) -> Path:
    """The part of a path up to end_s; it stands still, laser off, where it ends earlier."""
    before = path.time_s < end_s
    if not math.isfinite(end_s) or not before.any():
        return path
    last = int(before.sum()) - 1
    ends = [np.interp(end_s, path.time_s, values) for values in path[1:4]]
    columns = [np.append(values[before], end) for values, end in zip(path[:4], [end_s, *ends], strict=True)]
    ended = end_s > path.time_s[-1]
    power = path.beam_power_w[before].copy()
    if ended:
        power[last] = 0.0
    time_s, x_m, y_m, z_m = columns
    return Path(time_s, x_m, y_m, z_m, np.append(power, 0.0 if ended else path.beam_power_w[last]))
