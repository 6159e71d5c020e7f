"""Sizes of a stretch in numbers: quantiles that need no memory, a row a layer, a row a bin of the picture."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

SIZES = ("width", "length", "depth")
SHARES = {"p05": 0.05, "p50": 0.50, "p95": 0.95}
STATIONS = 240  # bins of a picture, at least one a layer
STEP = 0.002  # relative width of a bin of `Sketch`
SMALLEST_M, LARGEST_M = 1e-8, 1.0


class Sketch:
    """Mean and quantiles of lengths, in constant memory: counts in bins of one relative width, so that a quantile is
    within 0.1 % of a value that was seen; the mean is exact."""

    def __init__(self) -> None:
        self._counts = np.zeros(int(np.log(LARGEST_M / SMALLEST_M) / STEP) + 2, np.int64)
        self.count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        """Lengths or their differences, in m; what is not finite is left out."""
        values = values[np.isfinite(values)]
        bins = np.log(np.clip(np.abs(values), SMALLEST_M, LARGEST_M) / SMALLEST_M) / STEP
        self._counts += np.bincount(bins.astype(int), minlength=len(self._counts))
        self.count += len(values)
        self._sum += float(values.sum())
        self._squares += float((values**2).sum())

    @property
    def mean(self) -> float:
        return self._sum / self.count if self.count else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(max(self._squares / self.count - self.mean**2, 0.0))) if self.count else float("nan")

    def quantile(self, share: float) -> float:
        """Of the magnitudes."""
        if not self.count:
            return float("nan")
        at = int(np.searchsorted(np.cumsum(self._counts), max(share * self.count, 1)))
        return float(SMALLEST_M * np.exp((at + 0.5) * STEP))


def with_pool(frames: pd.DataFrame) -> pd.DataFrame:
    """Frames whose sizes are counted: laser on, not withheld, something molten."""
    return frames[frames["laser_on"] & ~frames["withheld"] & (frames["width_m"] > 0)]


def trusted(frames: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Frames in order; all frames, and False, where none is."""
    fine = frames[frames["outcome"] == "ok"]
    return (fine, True) if len(fine) or frames.empty else (frames, False)


def spread(frames: pd.DataFrame) -> dict[str, float]:
    """Mean and quantiles of each size."""
    found: dict[str, float] = {}
    for size in SIZES:
        values = frames[f"{size}_m"].to_numpy(float)
        found[f"{size}_mean_m"] = float(values.mean()) if len(values) else float("nan")
        for name, share in SHARES.items():
            found[f"{size}_{name}_m"] = float(np.quantile(values, share)) if len(values) else float("nan")
    return found


def stations(layer: int, frames: pd.DataFrame, seen: pd.DataFrame, bins: int, alone: bool) -> Iterator[dict[str, Any]]:
    """A layer in bins of time: `at` (the layer and how far in it; the process time where the layer is `alone`), spread
    of the sizes, observed means, and frames by outcome."""
    if frames.empty:
        return
    times = frames["time_s"].to_numpy(float)
    edges = np.linspace(times[0], times[-1], bins + 1)
    which = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, bins - 1)
    seen_in = np.clip(np.searchsorted(edges, seen["time_s"].to_numpy(float), side="right") - 1, 0, bins - 1)
    for number in range(bins):
        inside = frames[which == number]
        if inside.empty:
            continue
        middle = (edges[number] + edges[number + 1]) / 2
        told, fine = trusted(with_pool(inside))
        observed = seen[seen_in == number]
        yield {
            "at": float(middle) if alone else layer - 0.5 + (number + 0.5) / bins,
            "layer": layer,
            "fine": fine,
            **spread(told),
            **{
                f"{size}_observed_m": _mean(observed.loc[observed["name"] == f"melt_pool_{size}_m", "value"])
                for size in SIZES
            },
            "outcomes": inside["outcome"].value_counts().sort_index().to_dict(),
        }


def residuals(frames: pd.DataFrame, seen: pd.DataFrame, frame_s: float) -> Iterator[tuple[str, np.ndarray]]:
    """(size, observed minus forecast in m) of samples within half a frame of one in order, at the lead of `frames`."""
    frames = with_pool(frames)
    frames = frames[frames["outcome"] == "ok"]
    if frames.empty or seen.empty:
        return
    at_s = (frames["time_s"] + frames["lead_s"]).to_numpy(float)
    for size in SIZES:
        observed = seen[seen["name"] == f"melt_pool_{size}_m"]
        times_s = observed["time_s"].to_numpy(float)
        after = np.clip(np.searchsorted(at_s, times_s), 1, max(len(at_s) - 1, 1))
        before = after - 1
        after = np.minimum(after, len(at_s) - 1)
        nearest = np.where(np.abs(at_s[before] - times_s) <= np.abs(at_s[after] - times_s), before, after)
        close = np.abs(at_s[nearest] - times_s) <= 0.501 * frame_s
        forecast = frames[f"{size}_m"].to_numpy(float)[nearest[close]]
        yield size, observed["value"].to_numpy(float)[close] - forecast


def _mean(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else float("nan")
