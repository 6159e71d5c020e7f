"""SqlSums: builds and layers added up by SQLite or PostgreSQL; the half of `SqlStore` that answers `Sums`.

What is counted is counted there; quantiles are made here of the frames of some layers at a time (`_frames`).
"""

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import and_, case, func, select

from twin.store import packing
from twin.store.sql.read import Reader
from twin.store.sums import (
    ARCHIVE,
    BINS,
    NOT_OK,
    OBSERVED,
    OF_FRAMES,
    POINTS,
    QUANTITIES,
    SIZES,
    SUMS,
    layer_times,
    quantiles,
)
from twin.store.tables import AlertRow, BuildRow, ForecastRow, LayerRow, MachineRow, MeltPoolRow, SignalRow, SkippedRow

FRAMES = {
    "layer": int, "frame": int, "time_s": float, "outcome": object, "x_m": float, "y_m": float, "width_m": float,
    "length_m": float, "depth_m": float, "beam_power_w": float,
}  # fmt: skip


class SqlSums(Reader):
    """`Sums` over any engine."""

    def archive(self) -> pd.DataFrame:
        build, machine, layer, alert = BuildRow, MachineRow, LayerRow, AlertRow
        begun_s = func.min(func.coalesce(layer.begun_received_s, layer.received_s)).label("begun_s")
        of = (layer.machine, layer.build)
        layers = select(*of, func.count().label("seen"), begun_s, func.max(layer.received_s).label("heard_s"))
        layers_of = layers.group_by(*of).subquery("heard")
        by = [func.sum(case((alert.severity == name, 1), else_=0)).label(name) for name in ("high", "medium", "low")]
        alerts_of = select(alert.machine, alert.build, *by).group_by(alert.machine, alert.build).subquery("told")
        heard, told = layers_of.c, alerts_of.c
        first_s = func.coalesce(heard.begun_s, build.received_s)
        rows = (
            select(
                build.machine, build.build, build.part, build.material, machine.process, machine.origin,
                func.coalesce(machine.build == build.build, False), build.layers, func.coalesce(heard.seen, 0),
                first_s, func.coalesce(heard.heard_s, build.received_s), build.beam_diameter_m,
                build.layer_thickness_m, build.preheat_k, build.nominal_beam_power_w,
                build.nominal_scan_speed_m_per_s, build.hatch_spacing_m, build.frame_s,
                *(func.coalesce(told[name], 0) for name in ("high", "medium", "low")),
            )
            .outerjoin(machine, machine.machine == build.machine)
            .outerjoin(layers_of, and_(heard.machine == build.machine, heard.build == build.build))
            .outerjoin(alerts_of, and_(told.machine == build.machine, told.build == build.build))
        )  # fmt: skip
        return packing.table(self._rows(rows.order_by(first_s.desc(), build.machine, build.build)), ARCHIVE)

    def build_outcomes(self, machine: str, build: str) -> dict[str, int]:
        row = ForecastRow
        mine = select(row.outcome_kind, func.count()).where(*_of_record(machine, build))
        told = {kind: int(count) for kind, count in self._rows(mine.group_by(row.outcome_kind))}
        passed = SkippedRow
        frames = select(func.sum(passed.last_frame - passed.first_frame + 1))
        ((skipped,),) = self._rows(frames.where(passed.machine == machine, passed.build == build))
        return told | ({"skipped": int(skipped)} if skipped else {})

    def frames_by_layer(self, machine: str, build: str) -> dict[int, int]:
        row, layer = ForecastRow, LayerRow
        known = self._rows(select(layer.layer).where(layer.machine == machine, layer.build == build))
        mine = select(row.layer, func.count()).where(*_of_record(machine, build)).group_by(row.layer)
        counts = dict.fromkeys((int(number) for (number,) in known), 0)
        counts.update({int(number): int(count) for number, count in self._rows(mine)})
        return dict(sorted(counts.items()))

    def layer_sums(self, machine: str, build: str, first_layer: int, last_layer: int) -> pd.DataFrame:
        stretch = (machine, build, first_layer, last_layer)
        frames = self._frames(stretch)
        found: list[tuple[Any, ...]] = []
        for quantity in OF_FRAMES:
            chosen = frames[frames["ok"]] if quantity in SIZES else frames
            found += quantiles(chosen["layer"].to_numpy(), chosen[quantity].to_numpy(), quantity)
        for signal, quantity in OBSERVED.items():
            seen = self._seen(stretch, signal)
            found += quantiles(seen["layer"].to_numpy(), seen["value"].to_numpy(), quantity)
        found += self._times(stretch)
        row = ForecastRow
        odd = func.sum(case((row.outcome_kind != "ok", 1), else_=0))
        mine = select(row.layer, func.count(), odd).where(*_of_record(*stretch)).group_by(row.layer)
        for layer, count, not_ok in self._rows(mine):
            found.append((layer, NOT_OK, count, *([int(not_ok) / int(count)] * 3)))
        return packing.table(sorted(found, key=lambda row: (row[0], QUANTITIES.index(row[1]))), SUMS)

    def layer_bins(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        frames = self._frames((machine, build, first_layer, last_layer))
        frames.loc[~frames["ok"], list(SIZES)] = float("nan")
        frames["not_ok_share"], frames["scan_speed_m_per_s"] = ~frames["ok"] + 0.0, frames["scan_speed_m_per_s"] ** 2
        bins = frames.groupby(["layer", frames["frame"].rename("bin") // every], sort=True)
        means = bins[[name for name in BINS if name in frames and name != "layer"]].mean()
        means["frames"], means["scan_speed_m_per_s"] = bins.size(), means["scan_speed_m_per_s"] ** 0.5
        return means.reset_index()[list(BINS)].astype(BINS)

    def layer_points(self, machine: str, build: str, first_layer: int, last_layer: int, *, every: int) -> pd.DataFrame:
        frames = self._frames((machine, build, first_layer, last_layer), every)
        chosen = frames[frames["frame"] % every == 0].reset_index(drop=True)
        chosen.loc[~chosen["ok"], list(SIZES)] = float("nan")
        row = LayerRow
        places = self._rows(select(row.layer, row.z_m).where(row.machine == machine, row.build == build))
        chosen["z_m"] = chosen["layer"].map(dict(map(tuple, places))).astype(float)  # type: ignore[arg-type]
        return chosen[list(POINTS)].astype(POINTS)

    def _frames(self, stretch: tuple[str, str, int, int], every: int = 1) -> pd.DataFrame:
        """Frames with the laser on and a melt pool at lead 0, in order; the whole of these layers in memory, or each
        `every`-th with the one before it. Ranks and neighbours are found here: a database sorts each column anew, which
        takes three times as long."""
        row, size = ForecastRow, MeltPoolRow
        rows = (
            select(
                row.layer, row.frame, row.time_s, row.outcome_kind, size.x_m, size.y_m, size.width_m, size.length_m,
                size.depth_m, size.beam_power_w,
            )
            .join(size, and_(size.forecast_id == row.id, size.lead == 0))
            .where(*_of_record(*stretch), row.laser_on.is_(True), size.x_m.is_not(None))
        )  # fmt: skip
        if every > 1:
            rows = rows.where((row.frame % every).in_((0, every - 1)))
        frames = packing.table(self._rows(rows.order_by(row.layer, row.frame)), FRAMES)
        frames["ok"] = frames["outcome"] == "ok"
        apart = frames[["layer", "frame", "time_s", "x_m", "y_m"]].diff()
        follows = (apart["layer"] == 0) & (apart["frame"] == 1) & (apart["time_s"] > 0)
        way_m = np.hypot(apart["x_m"], apart["y_m"])
        frames["scan_speed_m_per_s"] = (way_m / apart["time_s"]).where(follows)
        return frames

    def _seen(self, stretch: tuple[str, str, int, int], signal: str) -> pd.DataFrame:
        """Samples of a sensor in these layers, looked for in the time of their layers, thrice as wide."""
        machine, build, first, last = stretch
        row, layer = SignalRow, LayerRow
        begun_s = func.coalesce(layer.begun_s, layer.last_time_s)
        bounds = select(func.min(begun_s), func.max(layer.last_time_s)).where(
            layer.machine == machine, layer.build == build, layer.layer.between(first, last)
        )
        ((begin_s, end_s),) = self._rows(bounds)
        mine = [row.machine == machine, row.build == build, row.name == signal, row.layer.between(first, last)]
        if begin_s is not None:
            room_s = end_s - begin_s + 1.0
            mine.append(row.time_s.between(begin_s - room_s, end_s + room_s))
        return packing.table(self._rows(select(row.layer, row.value).where(*mine)), {"layer": int, "value": float})

    def _times(self, stretch: tuple[str, str, int, int]) -> list[tuple[Any, ...]]:
        machine, build, first, last = stretch
        row = LayerRow
        mine = select(row.layer, row.begun_s, row.last_time_s).where(row.machine == machine, row.build == build)
        before = select(func.max(row.layer)).where(row.machine == machine, row.build == build, row.layer < first)
        from_layer = func.coalesce(before.scalar_subquery(), first)
        return layer_times(
            self._rows(mine.where(row.layer >= from_layer, row.layer <= last).order_by(row.layer)), first
        )


def _of_record(machine: str, build: str, first: int | None = None, last: int | None = None) -> list[Any]:
    row = ForecastRow
    mine: list[Any] = [row.machine == machine, row.build == build, row.opinion == ""]
    return mine if first is None else [*mine, row.layer.between(first, last)]
