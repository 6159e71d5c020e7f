"""Measure: one way to score every row.

    error at lead k = ||theta_hat - theta|| / max(||theta||, m),   ||f||^2 = sum V f^2 over the window,

theta = (T - T0)/dT, so that ||theta|| is ||T - T0|| in units of dT; m is a tenth of the trajectory's median ||theta||,
and keeps a window that has gone cold from counting its noise. A forecast at lead k is told frame i and all before it
and is scored at i + k; a free run (lead 0) is told only the path. Windows with an event in the last RECENT frames or
in the horizon are scored apart from steady ones.

All fields are means over the cells of the window. Sizes are read from what these are at the nodes (`cells.py`) and met
with those of the reference at its nodes: |error|/max(value, LEAST), 1 where only one of the two has a pool; frames
where neither has one say nothing and are left out.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from operators.window import WindowGrid
from tests.validation.melt_pool.case import Trajectory
from tests.validation.melt_pool.cells import Cells

RECENT = 20  # frames
LEAST = 0.25  # d
WARM = 400  # frames of a free run from a cold plate that are not scored; a quarter of shorter ones
SPAN = 500  # frames at either end of the scored range that drift compares; a quarter of shorter ranges
FLOOR = 0.1
SIZE_NAMES = ("length", "width", "depth")


def norm(field: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """||f|| of fields (..., x, y, z)."""
    return np.sqrt(np.einsum("...xyz,xyz->...", np.square(field, dtype=np.float64), volume))


def errors(estimate: np.ndarray, truth: np.ndarray, volume: np.ndarray, floor: float) -> np.ndarray:
    """The error of each field of (frame, x, y, z)."""
    return np.array(
        [
            norm(a.astype(np.float64) - b, volume) / max(norm(b.astype(np.float64), volume), floor)
            for a, b in zip(estimate, truth, strict=True)
        ]
    )


def floor_of(truth: np.ndarray, volume: np.ndarray) -> float:
    """m of a trajectory."""
    return float(FLOOR * np.median([norm(frame.astype(np.float64), volume) for frame in truth]))


def eventful(events: np.ndarray, lead: int) -> np.ndarray:
    """Of each forecast from frame i to i + lead, whether an event lies in (i - RECENT, i + lead]."""
    total = np.concatenate([[0], np.cumsum(events)])
    last = np.arange(lead, len(events))
    return total[last + 1] > total[np.maximum(last - lead - RECENT + 1, 0)]


def size_errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(frame, 3); NaN where neither has a pool."""
    wrong = np.abs(found - true) / np.maximum(true, LEAST)
    wrong = np.where((found > 0) != (true > 0), 1.0, wrong)
    return np.where((found > 0) | (true > 0), wrong, np.nan)


def sizes_of(fields: np.ndarray, solidus: float, cells: Cells) -> np.ndarray:
    """(frame, 3) of fields of means: read from what they are at the nodes."""
    return np.array([cells.grid.sizes(cells.nodes(each.astype(np.float32)), solidus) for each in fields])


def scored_from(frames: int) -> int:
    """The first frame of a free run that is scored."""
    return min(WARM, frames // 4)


def drift(wrong: np.ndarray) -> float:
    """Mean error at the end of a scored range over that at its beginning."""
    span = SPAN if len(wrong) >= 2 * SPAN else max(1, len(wrong) // 4)
    return float(wrong[-span:].mean() / max(wrong[:span].mean(), 1e-12))


@dataclass
class Score:
    """Gathers one contender's errors over trajectories, then sums them up."""

    cells: Cells = field(default_factory=lambda: Cells(WindowGrid()))
    _errors: dict[str, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=lambda: defaultdict(list))
    _sizes: dict[str, list[tuple[str, str, np.ndarray]]] = field(default_factory=lambda: defaultdict(list))
    _drift: list[float] = field(default_factory=list)

    def add(self, trajectory: Trajectory, lead: int, estimate: np.ndarray) -> None:
        """The fields of frames lead, lead + 1, ... as they were forecast; lead 0 is a free run."""
        case, volume = trajectory.case, self.cells.grid.weights()
        begin = scored_from(len(trajectory)) if lead == 0 else lead
        estimate, truth = estimate[begin - lead :], trajectory.theta[begin:]
        if not np.isfinite(estimate).all():
            raise ValueError(f"a forecast of {case.stream.name} at lead {lead} is not finite")
        name = "free" if lead == 0 else f"lead {lead}"
        wrong = errors(estimate, truth, volume, floor_of(trajectory.theta, volume))
        self._errors[name].append((wrong, eventful(case.events, lead)[begin - lead :]))
        found = sizes_of(estimate, case.stream.groups.solidus, self.cells)
        self._sizes[name].append((case.regime, case.alloy, size_errors(found, trajectory.sizes[begin:])))
        if lead == 0:
            self._drift.append(drift(wrong))

    def errors(self, trajectory: Trajectory, estimate: np.ndarray) -> np.ndarray:
        """The error of each frame of a whole free run."""
        volume = self.cells.grid.weights()
        return errors(estimate, trajectory.theta, volume, floor_of(trajectory.theta, volume))

    def pool(self, trajectory: Trajectory, estimate: np.ndarray) -> dict[str, list[float]]:
        """Length, width and depth of each frame of a whole free run, in d."""
        found = sizes_of(estimate, trajectory.case.stream.groups.solidus, self.cells)
        return {name: found[:, n].tolist() for n, name in enumerate(SIZE_NAMES)}

    def summary(self) -> dict[str, dict[str, float]]:
        """By split (free, lead k; sizes of these, of each regime and of each alloy), then by measure; alone: share of
        frames in which only one of the two has a pool."""
        out: dict[str, dict[str, float]] = {}
        for name, parts in self._errors.items():
            wrong, event = (np.concatenate(each) for each in zip(*parts, strict=True))
            told = {"event": _mean(wrong[event]), "steady": _mean(wrong[~event])}
            told |= {"event p95": _quantile(wrong[event], 0.95), "windows": len(wrong), "events": int(event.sum())}
            each = [_mean(w[e]) for w, e in parts if e.any()]
            told["event ±"] = float(np.std(each) / np.sqrt(len(each))) if len(each) > 1 else 0.0  # over trajectories
            out[name] = {key: value for key, value in told.items() if value is not None}
        if self._drift:
            out["free"] |= {"drift": float(np.mean(self._drift)), "worst drift": float(np.max(self._drift))}
        for name, parts in self._sizes.items():
            groups: dict[str, list[np.ndarray]] = defaultdict(list)
            for regime, alloy, wrong in parts:
                for key in ("", f", {regime}", f", {alloy}"):
                    groups[f"sizes {name}{key}"].append(wrong)
            for key, each in groups.items():
                whole = np.concatenate(each)
                whole = whole[np.isfinite(whole).all(1)]
                if len(whole):
                    median, high = np.quantile(whole, [0.5, 0.95], axis=0)
                    out[key] = {f"{s} median": float(m) for s, m in zip(SIZE_NAMES, median, strict=True)}
                    out[key] |= {f"{s} p95": float(h) for s, h in zip(SIZE_NAMES, high, strict=True)}
                    out[key] |= {"pools": len(whole), "alone": float((whole == 1.0).any(1).mean())}
        return out


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _quantile(values: np.ndarray, level: float) -> float | None:
    return float(np.quantile(values, level)) if len(values) else None
