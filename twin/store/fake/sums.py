"""FakeSums: builds and layers added up in memory, naively, for tests; the half of `FakeStore` that answers `Sums`."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from twin.forecast import Forecast
from twin.observation import Build, Layer, Observation, Parameters, Signal, Skipped
from twin.store import packing
from twin.store.sums import ARCHIVE, BINS, NOT_OK, OBSERVED, POINTS, QUANTITIES, SIZES, SUMS, layer_times

NAN = float("nan")


class FakeSums:
    """Every verb looks at everything."""

    _observations: dict[tuple[str, str, int], tuple[float, Observation]]
    _forecasts: dict[tuple[str, str, int, int, str], Forecast]
    _alerts: dict[tuple[str, str, str, int], dict[str, Any]]
    _skipped: dict[tuple[str, str, int, int], Skipped]

    def build_is_known(self, machine: str, build: str, layer: int | None = None) -> bool:
        if layer is not None:
            return layer in self._layer_ends(machine, build)
        return (machine, build) in self._builds()

    def _builds(self) -> dict[tuple[str, str], tuple[float, Build]]:
        """The newest message of each."""
        found: dict[tuple[str, str], tuple[float, Build]] = {}
        for received_s, heard in sorted(
            self._observations.values(), key=lambda kept: (kept[0], kept[1].message.time_s)
        ):
            if isinstance(heard.message, Build):
                found[heard.machine, heard.message.build] = (received_s, heard.message)
        return found

    def _of_build(self, machine: str, build: str) -> list[tuple[float, Any]]:
        return [
            (received_s, heard.message)
            for received_s, heard in self._observations.values()
            if heard.machine == machine and getattr(heard.message, "build", None) == build
        ]

    def _layer_ends(self, machine: str, build: str) -> dict[int, tuple[float | None, float]]:
        """begun_s and last_time_s of each layer."""
        begun: dict[int, tuple[float, float]] = {}
        last: dict[int, float] = {}
        for received_s, message in self._of_build(machine, build):
            if isinstance(message, Layer | Parameters):
                end_s = message.sample_time_s[-1] if isinstance(message, Parameters) else message.time_s
                last[message.layer] = max(last.get(message.layer, end_s), end_s)
            if isinstance(message, Layer):
                begun[message.layer] = max(
                    begun.get(message.layer, (received_s, message.time_s)), (received_s, message.time_s)
                )
        return {
            number: (begun[number][1] if number in begun else None, end_s) for number, end_s in sorted(last.items())
        }

    def archive(self) -> pd.DataFrame:
        machines = self.machines().set_index("machine")  # type: ignore[attr-defined]
        rows = []
        for (machine, name), (received_s, build) in self._builds().items():
            known = machines.loc[machine]
            layers: dict[int, list[tuple[float, Any]]] = {}
            for at_s, message in self._of_build(machine, name):
                if isinstance(message, Layer | Parameters):
                    layers.setdefault(message.layer, []).append((at_s, message))
            begun_s = [
                min((at_s for at_s, m in heard if isinstance(m, Layer)), default=max(at_s for at_s, _ in heard))
                for heard in layers.values()
            ]
            heard_s = [at_s for heard in layers.values() for at_s, _ in heard]
            severities = Counter(a["severity"] for key, a in self._alerts.items() if key[:2] == (machine, name))
            rows.append((
                machine, name, build.part, build.material, known["process"], known["origin"], known["build"] == name,
                build.layers, len(layers), min(begun_s, default=received_s), max(heard_s, default=received_s),
                build.beam_diameter_m, build.layer_thickness_m, build.preheat_k, build.nominal_beam_power_w,
                build.nominal_scan_speed_m_per_s, build.hatch_spacing_m, build.frame_s,
                severities["high"], severities["medium"], severities["low"],
            ))  # fmt: skip
        return packing.table(sorted(rows, key=lambda row: (-row[9], row[0], row[1])), ARCHIVE)

    def _of_record(self, machine: str, build: str) -> list[Forecast]:
        mine = [f for f in self._forecasts.values() if (f.machine, f.build, f.opinion) == (machine, build, "")]
        return sorted(mine, key=lambda f: (f.layer, f.frame))

    def build_outcomes(self, machine: str, build: str) -> dict[str, int]:
        told = Counter(f.outcome.kind for f in self._of_record(machine, build))
        mine = (s.frames for s in self._skipped.values() if (s.machine, s.build) == (machine, build))
        return dict(told + Counter(skipped=sum(mine)))

    def frames_by_layer(self, machine: str, build: str) -> dict[int, int]:
        counts = Counter(f.layer for f in self._of_record(machine, build))
        return {number: counts[number] for number in sorted(set(counts) | set(self._layer_ends(machine, build)))}

    def layer_sums(self, machine: str, build: str, first_layer: int, last_layer: int) -> pd.DataFrame:
        values: dict[tuple[int, str], list[float]] = {}
        for row in self._rows_of(machine, build):
            for quantity in (*SIZES, "beam_power_w", "scan_speed_m_per_s"):
                if quantity not in SIZES or row["outcome"] == "ok":
                    values.setdefault((row["layer"], quantity), []).append(row[quantity])
        for _, message in self._of_build(machine, build):
            if isinstance(message, Signal) and message.name in OBSERVED:
                values.setdefault((message.layer, OBSERVED[message.name]), []).extend(message.value)
        for forecast in self._of_record(machine, build):
            values.setdefault((forecast.layer, NOT_OK), []).append(float(forecast.outcome.kind != "ok"))
        found: list[tuple[Any, ...]] = []
        for (layer, quantity), every in values.items():
            told = np.array([value for value in every if np.isfinite(value)])
            if len(told):
                shares = [told.mean()] * 3 if quantity == NOT_OK else np.quantile(told, [0.05, 0.5, 0.95])
                found.append((layer, quantity, len(told), *map(float, shares)))
        ends = [(layer, *times) for layer, times in self._layer_ends(machine, build).items()]
        found += layer_times(ends, 0)
        inside = [row for row in found if first_layer <= row[0] <= last_layer]
        return packing.table(sorted(inside, key=lambda row: (row[0], QUANTITIES.index(row[1]))), SUMS)

    def _rows_of(self, machine: str, build: str) -> list[dict[str, Any]]:
        """Frames with the laser on and a melt pool at lead 0."""
        z_m = {m.layer: m.z_m for _, m in self._of_build(machine, build) if isinstance(m, Layer)}
        rows: list[dict[str, Any]] = []
        for f in self._of_record(machine, build):
            if not (f.laser_on and f.leads):
                continue
            lead, before = f.leads[0], rows[-1] if rows else {}
            speed = NAN
            if (before.get("layer"), before.get("frame")) == (f.layer, f.frame - 1):
                way_m = np.hypot(lead.x_m - before["x_m"], lead.y_m - before["y_m"])
                speed = float(way_m / (f.time_s - before["time_s"]))
            rows.append({
                "layer": f.layer, "frame": f.frame, "time_s": f.time_s, "z_m": z_m.get(f.layer), "x_m": lead.x_m,
                "y_m": lead.y_m, "width_m": lead.melt_pool.width_m, "length_m": lead.melt_pool.length_m,
                "depth_m": lead.melt_pool.depth_m, "beam_power_w": lead.beam_power_w, "scan_speed_m_per_s": speed,
                "outcome": f.outcome.kind,
            })  # fmt: skip
        return rows

    def layer_bins(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        bins: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for row in self._rows_of(machine, build):
            if first_layer <= row["layer"] <= last_layer:
                bins.setdefault((row["layer"], row["frame"] // every), []).append(row)
        rows = []
        for (layer, number), some in sorted(bins.items()):
            fine = [row for row in some if row["outcome"] == "ok"]
            speeds = [row["scan_speed_m_per_s"] ** 2 for row in some if np.isfinite(row["scan_speed_m_per_s"])]
            rows.append((
                layer, number, len(some), *(_mean([row[name] for row in fine]) for name in SIZES),
                _mean([row["beam_power_w"] for row in some]), _mean(speeds) ** 0.5, 1 - len(fine) / len(some),
            ))  # fmt: skip
        return packing.table(rows, BINS)

    def layer_points(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        chosen = [
            row | ({} if row["outcome"] == "ok" else dict.fromkeys(SIZES, NAN))
            for row in self._rows_of(machine, build)
            if first_layer <= row["layer"] <= last_layer and row["frame"] % every == 0
        ]
        return packing.table([[row[name] for name in POINTS] for row in chosen], POINTS)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else NAN
