"""Sums: builds and their layers in few rows, added up in the store: what a page compares and draws of a whole build.

The frames counted are forecasts of record at lead 0 with the laser on: for sizes those in order (`outcome` ok), for
power and speed all that have a melt pool. A quantile is linear between ranks, as numpy's. Scan speed is the way from
one frame's end to the next one's over its time, so a turn inside a frame makes it less.
"""

from typing import Any, Protocol

import numpy as np
import pandas as pd

SHARES = (0.05, 0.5, 0.95)
SIZES = ("width_m", "length_m", "depth_m")
OF_FRAMES = (*SIZES, "beam_power_w", "scan_speed_m_per_s")
OBSERVED = {f"melt_pool_{size}": f"observed_{size}" for size in SIZES}  # by the name of the signal
OF_TIMES = ("layer_time_s", "interlayer_time_s")
NOT_OK = "not_ok_share"
QUANTITIES = (*OF_FRAMES, *OBSERVED.values(), *OF_TIMES, NOT_OK)
SUMS = {"layer": int, "quantity": object, "count": int, "p05": float, "p50": float, "p95": float}
BINS = {
    "layer": int, "bin": int, "frames": int, "width_m": float, "length_m": float, "depth_m": float,
    "beam_power_w": float, "scan_speed_m_per_s": float, "not_ok_share": float,
}  # fmt: skip
POINTS = {
    "layer": int, "frame": int, "time_s": float, "z_m": float, "x_m": float, "y_m": float, "width_m": float,
    "length_m": float, "depth_m": float, "beam_power_w": float, "scan_speed_m_per_s": float, "outcome": object,
}  # fmt: skip
ARCHIVE = {
    "machine": object, "build": object, "part": object, "material": object, "process": object, "origin": object,
    "running": bool, "layers": float, "layers_seen": int, "begun_s": float, "heard_s": float,
    "beam_diameter_m": float, "layer_thickness_m": float, "preheat_k": float, "nominal_beam_power_w": float,
    "nominal_scan_speed_m_per_s": float, "hatch_spacing_m": float, "frame_s": float,
    "alerts_high": int, "alerts_medium": int, "alerts_low": int,
}  # fmt: skip


class Sums(Protocol):
    """Every implementation passes tests/contracts/test_sums.py."""

    def archive(self) -> pd.DataFrame:
        """One row a build, the newest begun first; columns ARCHIVE. `begun_s` and `heard_s` are when the store first
        and last heard of it (UTC s); process and origin are what its machine said last; `running`: it is its machine's
        current build."""
        ...

    def build_outcomes(self, machine: str, build: str) -> dict[str, int]:
        """Frames of a build that were due, by outcome: forecasts of record, and `skipped`, that got none."""
        ...

    def frames_by_layer(self, machine: str, build: str) -> dict[int, int]:
        """How many forecasts of record each layer has; a layer that has none but is known has 0."""
        ...

    def layer_sums(self, machine: str, build: str, first_layer: int, last_layer: int) -> pd.DataFrame:
        """Quantiles of each quantity by layer, by layer and in the order of QUANTITIES; columns SUMS. A layer time is
        from its beginning to its last sample, an inter-layer time from the beginning of the layer before to its own."""
        ...

    def layer_bins(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        """Means of `every` consecutive frames of a layer; columns BINS. NaN where none of them counts."""
        ...

    def layer_points(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        """Each `every`-th frame with the laser on, where it was; columns POINTS. Without speed where the frame before
        is not stored, without sizes where it is not in order."""
        ...


def quantiles(layers: np.ndarray, values: np.ndarray, quantity: str) -> list[tuple[Any, ...]]:
    """Rows of SUMS of one quantity, from the layer and the value of each frame in any order; NaN does not count."""
    known = np.isfinite(values)
    layers, values = layers[known], values[known]
    order = np.argsort(layers, kind="stable")
    numbers, begins = np.unique(layers[order], return_index=True)
    parts = np.split(values[order], begins[1:]) if len(numbers) else []
    return [
        (int(layer), quantity, len(part), *map(float, np.quantile(part, SHARES)))
        for layer, part in zip(numbers, parts, strict=True)
    ]


def layer_times(rows: Any, first_layer: int) -> list[tuple[Any, ...]]:
    """Rows of SUMS of the times, from (layer, begun_s, last_time_s) by number; from `first_layer` on."""
    found, begun_before_s = [], None
    for layer, begun_s, last_s in rows:
        if layer >= first_layer and begun_s is not None:
            if last_s > begun_s:
                found.append((layer, "layer_time_s", 1, *([float(last_s - begun_s)] * 3)))
            if begun_before_s is not None and begun_s > begun_before_s:
                found.append((layer, "interlayer_time_s", 1, *([float(begun_s - begun_before_s)] * 3)))
        begun_before_s = begun_s
    return found
