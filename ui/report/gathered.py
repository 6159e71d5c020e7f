"""Gathered: what is added up while the layers of a stretch pass by, one in memory at a time."""

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twin.store.sql.stretch import Stretch
from ui.report.sizes import SIZES, STATIONS, Sketch, residuals, spread, stations, trusted, with_pool

if TYPE_CHECKING:
    from twin.store.sql.stretch import Stretches

DIGESTED = ("frame", "time_s", "operator", "outcome", "width_m", "length_m", "depth_m", "x_m", "y_m", "beam_power_w")


class Gathered:
    """Sums, tables and bins; `layer` is called for each layer in turn."""

    def __init__(self, store: "Stretches", stretch: Stretch, layers: pd.DataFrame, frame_s: float) -> None:
        self._store, self._stretch, self._frame_s = store, stretch, frame_s
        self._skipped = store.stretch_skipped(stretch)
        self._horizon = store.leads(stretch)
        self._bins = max(1, STATIONS // len(layers))
        self._alone = len(layers) == 1
        self.horizon_s = float("nan")
        self.rows: list[dict[str, Any]] = []
        self.stations: list[dict[str, Any]] = []
        self.regimes: Counter[str] = Counter()
        self.operators: Counter[str] = Counter()
        self.sizes = {size: Sketch() for size in SIZES}
        self.others = {size: Sketch() for size in SIZES}
        self.residuals = {size: (Sketch(), Sketch()) for size in SIZES}
        self.digest = hashlib.sha256()
        self._outcomes: dict[tuple[str, str, str], list[Any]] = {}

    def layer(self, layer: Any) -> None:
        number = int(layer.layer)
        frames = self._store.layer_frames(self._stretch, number)
        digested(self.digest, number, frames)
        pools = with_pool(frames)
        told, fine = trusted(pools)
        for size in SIZES:
            self.sizes[size].add(pools.loc[pools["outcome"] == "ok", f"{size}_m"].to_numpy(float))
            self.others[size].add(pools.loc[pools["outcome"] != "ok", f"{size}_m"].to_numpy(float))
        on = frames[frames["laser_on"]]
        self.regimes.update(on["regime"].dropna())
        self.operators.update(frames["operator"])
        self._count_outcomes(frames)
        seen = self._seen(number, layer, frames)
        skipped = self._skipped.get(number, 0)
        deepest = on["keyhole_number"].max() if len(on) else np.nan
        self.rows.append(
            {
                "layer": number, "z_m": layer.z_m, "note": layer.note, "final": bool(layer.final),
                "begun_s": layer.begun_s, "last_time_s": layer.last_time_s, "frames": len(frames), "skipped": skipped,
                "ok": int((frames["outcome"] == "ok").sum()), "withheld": int(frames["withheld"].sum()),
                "laser_on": len(on), "pools": len(told), "fine": fine, **spread(told),
                "keyhole": int((on["regime"] == "keyhole").sum()), "keyhole_number": float(deepest),
                "beam_power_w": float(on["beam_power_w"].median()) if len(on) else np.nan,
                "issued_begin_s": frames["issued_s"].min() if len(frames) else np.nan,
                "issued_end_s": frames["issued_s"].max() if len(frames) else np.nan,
                **{f"{size}_observed_m": _observed(seen, size) for size in SIZES},
            }
        )  # fmt: skip
        self.stations += stations(number, frames, seen, self._bins, self._alone)

    def _seen(self, number: int, layer: Any, frames: pd.DataFrame) -> pd.DataFrame:
        """What sensors said of the melt pool in the layer; the differences from the forecast are added up."""
        times = [layer.begun_s, layer.last_time_s, *frames["time_s"].iloc[[0, -1]]] if len(frames) else [
            layer.begun_s, layer.last_time_s
        ]  # fmt: skip
        begin_s, end_s = float(np.nanmin(times)) - self._frame_s, float(np.nanmax(times)) + self._frame_s
        if self._stretch.from_s is not None:
            begin_s = max(begin_s, self._stretch.from_s)
        if self._stretch.to_s is not None:
            end_s = min(end_s, self._stretch.to_s)
        seen = self._store.layer_signals(self._stretch, number, begin_s, end_s)
        if seen.empty or frames.empty:
            return seen
        for size, differences in residuals(frames, seen, self._frame_s):
            self.residuals[size][0].add(differences)
        if self._horizon:
            ahead = self._store.layer_frames(self._stretch, number, lead=self._horizon)
            leads_s = ahead["lead_s"].dropna()
            if len(leads_s):
                self.horizon_s = float(leads_s.iloc[-1])
                for size, differences in residuals(ahead.dropna(subset=["lead_s"]), seen, self._frame_s):
                    self.residuals[size][1].add(differences)
        return seen

    def _count_outcomes(self, frames: pd.DataFrame) -> None:
        for key, some in frames.groupby(["outcome", "which", "unit"], sort=True):
            known = self._outcomes.setdefault(key, [0, 0, 0.0])
            known[0] += len(some)
            known[1] += int(some["laser_on"].sum())
            furthest = some["by"].abs().max()
            known[2] = max(known[2], 0.0 if pd.isna(furthest) else float(furthest))

    def outcome_table(self) -> pd.DataFrame:
        rows = [(*key, *values) for key, values in self._outcomes.items()]
        table = pd.DataFrame(rows, columns=["kind", "which", "unit", "frames", "laser_on", "by"])
        table["fine"] = table["kind"] == "ok"
        order = table.sort_values(["fine", "frames", "kind", "which"], ascending=[False, False, True, True])
        return order.drop(columns="fine").reset_index(drop=True)


def digested(digest: Any, number: int, frames: pd.DataFrame) -> None:
    """Add a layer's estimates of record to a hash."""
    digest.update(b"%d %d\n" % (number, len(frames)))
    for name in DIGESTED:
        column = frames[name]
        texts = column.dtype == object
        digest.update("\n".join(column).encode() if texts else column.to_numpy("<f8").tobytes())


def _observed(seen: pd.DataFrame, size: str) -> float:
    values = seen.loc[seen["name"] == f"melt_pool_{size}_m", "value"]
    return float(values.mean()) if len(values) else float("nan")
